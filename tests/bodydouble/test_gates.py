"""Figures against their limits: what passes, what only informs, and what is said of a value that is not there."""

from __future__ import annotations

import math

import pytest

from bodydouble.config import parse_settings
from bodydouble.errors import UsageError
from bodydouble.gates import FigureLimits, judge_figures, read_figure_limits, unit_of

TABLE = {
    "purpose": "how far",
    "unit": "mm",
    "better": "lower",
    "reason": "as an example",
    "pass": 5.0,
    "warn": 10.0,
    "remedy": "Move nearer.",
}


def limits(**changes: object) -> FigureLimits:
    return parse_settings({**TABLE, **changes}, FigureLimits, source="example")


@pytest.mark.parametrize(("value", "verdict"), [(5.0, "PASS"), (5.1, "WARN"), (10.1, "FAIL"), (math.nan, "WARN")])
def test_a_value_is_held_against_both_limits(value: float, verdict: str) -> None:
    assert judge_figures({"gap_mm": value}, {"gap_mm": limits()})["gap_mm"].verdict == verdict


def test_a_figure_that_often_has_nothing_to_measure_only_informs_where_it_has_not() -> None:
    gate = judge_figures({"gap_mm": math.nan}, {"gap_mm": limits(absent="INFO")})["gap_mm"]
    assert (gate.verdict, gate.remedy, gate.as_dict()["value"]) == ("INFO", "", None)
    assert judge_figures({"gap_mm": 20.0}, {"gap_mm": limits(absent="INFO")})["gap_mm"].verdict == "FAIL"


def test_what_is_required_counts_as_not_computed_where_it_is_absent() -> None:
    gate = judge_figures({}, {"gap_mm": limits(required=True)})["gap_mm"]
    assert gate.verdict == "WARN"
    assert gate.remedy.startswith("It could not be computed")
    assert judge_figures({}, {"gap_mm": limits()}) == {}


def test_gates_come_in_the_order_of_the_limits_and_unknown_figures_last() -> None:
    gates = judge_figures({"extra_ms": 1.0, "b": 1.0, "a": 2.0}, {"a": limits(), "b": limits()})
    assert list(gates) == ["a", "b", "extra_ms"]
    assert (gates["extra_ms"].verdict, gates["extra_ms"].unit) == ("INFO", "ms")
    assert unit_of("palm_count") == "count"


def test_a_mistake_in_a_table_names_the_key() -> None:
    with pytest.raises(UsageError, match="unknown key 'passes'"):
        limits(passes=3.0)
    with pytest.raises(UsageError, match="'better'"):
        limits(better="bigger")


@pytest.mark.parametrize("package", ["bodydouble.datasets", "bodydouble.retarget"])
def test_the_tables_that_come_along_can_be_read_and_pass_before_they_warn(package: str) -> None:
    tables = read_figure_limits(package, "quality.toml")
    assert len(tables) > 15
    for name, table in tables.items():
        if table.pass_limit is not None and table.warn is not None:
            assert (table.warn >= table.pass_limit) == (table.better == "lower") or table.warn == table.pass_limit, name
