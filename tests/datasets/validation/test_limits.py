"""Every limit says what it is for and why it is that, and what to do where it is passed."""

from __future__ import annotations

import math

import pytest

from bodydouble.datasets.validation.limits import complaints, limit, validation_limits, verdict

DECIDING = {
    "least_frames", "image_change", "motion_in_view_px", "swap_ratio", "swap_least_m", "mirrored_ratio", "lag_sigmas",
}  # fmt: skip
"""Those that only decide whether another figure can be judged."""


@pytest.mark.parametrize("name", validation_limits())
def test_a_limit_has_a_purpose_a_reason_and_a_remedy(name):
    limits = validation_limits()[name]
    assert limits.purpose.endswith(".")
    assert limits.reason.endswith(".")
    assert limits.pass_limit is not None
    assert bool(limits.remedy) == (name not in DECIDING)


def test_a_value_is_judged_by_its_limit():
    assert [verdict("camera_lag_ms", value) for value in (11.0, 20.0, 31.0, math.inf)] == ["PASS", "WARN", "FAIL", "FAIL"]
    assert limit("camera_lag_ms") == 12.0


def test_a_value_that_nothing_is_known_of_is_no_complaint():
    assert complaints("time shifts", "camera_lag_ms", math.nan, "late") == []


def test_a_complaint_has_the_remedy_of_its_limit():
    (check,) = complaints("time shifts", "camera_lag_ms", 20.0, "late by 20 ms")
    assert (check.name, check.verdict, check.found) == ("time shifts", "WARN", "late by 20 ms")
    assert "time_offset_s" in check.remedy
