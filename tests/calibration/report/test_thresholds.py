"""The limits of thresholds.toml: every check, every purpose, and a file that is wrong."""

from __future__ import annotations

import math
import string

import pytest

from bodydouble.calibration.report.thresholds import Threshold, ThresholdsFile, purposes, thresholds, thresholds_file
from bodydouble.config import parse_settings
from bodydouble.errors import UnknownNameError, UsageError

ALL = [(name, purpose) for name in thresholds_file().checks for purpose in purposes()]
_WORDS = {"camera", "other", "body", "target", "where", "lean", "how", "cause"}


def test_there_are_the_purposes_hands_and_body_and_each_says_what_it_means():
    assert list(purposes()) == ["hands", "body"]
    assert all(text.endswith(".") for text in purposes().values())


def test_a_purpose_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UnknownNameError, match=r"purpose 'hand' is not in thresholds\.toml.*hands, body"):
        thresholds("hand")


@pytest.mark.parametrize(("name", "purpose"), ALL)
def test_the_limits_themselves_still_pass_and_still_warn(name, purpose):
    threshold = thresholds(purpose)[name]
    limits = threshold.limits[purpose]
    worse = 1e-6 if threshold.better == "lower" else -1e-6
    assert threshold.verdict(limits.pass_limit, purpose) == "PASS"
    if limits.warn is None:
        assert threshold.verdict(limits.pass_limit + 1e9 * worse, purpose) == "WARN"
    else:
        assert threshold.verdict(limits.warn, purpose) in ("PASS", "WARN")
        assert threshold.verdict(limits.warn + worse, purpose) == "FAIL"
    if limits.warn not in (None, limits.pass_limit):
        assert threshold.verdict(limits.pass_limit + worse, purpose) == "WARN"


@pytest.mark.parametrize(("name", "purpose"), ALL)
def test_what_was_not_measured_is_a_warning_and_never_passes(name, purpose):
    for value in (math.nan, math.inf, -math.inf):
        assert thresholds(purpose)[name].verdict(value, purpose) == "WARN"


@pytest.mark.parametrize("threshold", thresholds_file().checks.values(), ids=list(thresholds_file().checks))
def test_every_check_says_what_it_measures_why_and_what_to_do(threshold):
    assert threshold.what.endswith(".")
    assert threshold.reason.endswith(".")
    assert threshold.remedy.endswith(".")
    assert set(threshold.limits) == set(purposes())
    assert {word for _, word, *_ in string.Formatter().parse(threshold.remedy) if word} <= _WORDS


def test_hands_are_held_to_limits_at_least_as_tight_as_bodies():
    for threshold in thresholds_file().checks.values():
        hands, body = threshold.limits["hands"].pass_limit, threshold.limits["body"].pass_limit
        assert hands <= body if threshold.better == "lower" else hands >= body


def test_a_limit_is_said_in_words():
    checks = thresholds("hands")
    assert checks["held_out_median"].limit_text("hands") == "passes at 0.5 mm or less"
    assert checks["held_out_median"].limit_text("body") == "passes at 2 mm or less"
    assert checks["views"].limit_text("hands") == "passes at 20 views or more"
    assert checks["converged"].limit_text("hands") == "passes at 1 or more"


def a_file() -> dict:
    check = {
        "title": "t", "what": "w.", "unit": "mm", "better": "lower", "reason": "r.", "remedy": "Do '{camera}'.",
        "limits": {"hands": {"pass": 1.0, "warn": 2.0}},
    }  # fmt: skip
    return {"purposes": {"hands": "Hands."}, "checks": {"one": check}}


def test_a_file_of_ones_own_is_read():
    check = parse_settings(a_file(), ThresholdsFile, source="mine.toml").checks["one"]
    assert isinstance(check, Threshold)
    assert [check.verdict(value, "hands") for value in (1.0, 1.5, 2.5)] == ["PASS", "WARN", "FAIL"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["checks"]["one"].update(remdy="x"), r"mine\.toml.*remdy"),
        (lambda file: file["checks"]["one"]["limits"]["hands"].update(fail=3.0), r"mine\.toml.*fail"),
        (lambda file: file.update(purpose={}), r"mine\.toml.*purpose"),
        (lambda file: file["checks"]["one"].update(better="smaller"), r"mine\.toml.*better"),
        (lambda file: file["checks"]["one"].pop("remedy"), r"mine\.toml.*remedy"),
        (lambda file: file["checks"]["one"]["limits"]["hands"].update(warn="many"), r"mine\.toml.*warn"),
    ],
)
def test_a_file_with_an_unknown_key_or_a_wrong_value_is_refused_by_name(change, message):
    file = a_file()
    change(file)
    with pytest.raises(UsageError, match=message):
        parse_settings(file, ThresholdsFile, source="mine.toml")
