"""How quality gates, grades and checks are printed: shared by every verb that shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from bodydouble.gates import Gate

STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "INFO": "dim"}
GRADE_STYLES = {"A": "bold green", "B": "green", "C": "yellow", "D": "bold red"}


def quality_table(gates: Mapping[str, Gate], *, title: str = "Quality") -> Table:
    """Return a table of every figure, its threshold and verdict."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("passes", justify="right")
    table.add_column("")
    for gate in gates.values():
        table.add_row(gate.name, value_text(gate), threshold_text(gate), verdict_text(gate.verdict))
    return table


def value_text(gate: Gate) -> str:
    """Return the value with its unit, "not computed" for NaN."""
    if not math.isfinite(gate.value):
        return "not computed"
    return f"{_number(gate.value)}{_unit(gate.unit)}"


def threshold_text(gate: Gate) -> str:
    """Return the limit that passes, e.g. "≤ 12 px"; empty for a figure that only informs."""
    if gate.threshold is None:
        return ""
    return f"{'≤' if gate.better == 'lower' else '≥'} {_number(gate.threshold)}{_unit(gate.unit)}"


def verdict_text(verdict: str) -> Text:
    """Return the verdict in its colour."""
    from rich.text import Text

    return Text(verdict, style=STYLES.get(verdict, ""))


def remedies(gates: Mapping[str, Gate]) -> list[Text]:
    """Return one line for each gate that did not pass, with what to do about it."""
    from rich.text import Text

    return [
        Text.assemble((gate.verdict, STYLES[gate.verdict]), f" {gate.name}: {gate.remedy}")
        for gate in gates.values()
        if gate.verdict in ("WARN", "FAIL")
    ]


def grade_text(grade: str) -> Text:
    """Return "A: all gates pass" in the grade's colour."""
    from rich.text import Text

    from bodydouble.datasets import GRADES

    meaning: Mapping[Any, str] = GRADES
    return Text.assemble((grade, GRADE_STYLES.get(grade, "")), f": {meaning.get(grade, 'unknown grade')}")


def assumed_texts(assumed: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return "stature 1.73 ± 0.1" for each thing that was assumed; the sigma to two digits."""
    return [f"{name} {item['value']:.4g} ± {float(format(item['sigma'], '.2g')):g}" for name, item in assumed.items()]


def _unit(unit: str) -> str:
    return {"count": "", "1": "", "%": " %"}.get(unit, f" {unit}")


def _number(value: float) -> str:
    if value == int(value) or abs(value) < 1e-9:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
