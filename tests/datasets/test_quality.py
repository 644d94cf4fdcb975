from __future__ import annotations

import math

import pytest

from bodydouble.datasets import grade, judge
from bodydouble.datasets.quality import figure_limits

GOOD = {
    "reprojection_median_px": 5.0, "reprojection_p95_px": 20.0, "joint_limit_violations": 0, "velocity_limit_violations": 0,
    "bone_length_variation_pct": 0.0, "hand_observed_pct": 80.0,
}  # fmt: skip


def test_every_figure_with_a_limit_has_a_reason_and_a_remedy():
    for name, limits in figure_limits().items():
        assert limits.reason, name
        assert limits.remedy or limits.pass_limit is None, name


@pytest.mark.parametrize(("value", "verdict"), [(12.0, "PASS"), (12.1, "WARN"), (25.1, "FAIL"), (math.nan, "WARN"), (math.inf, "WARN")])
def test_a_value_passes_up_to_its_limit_and_fails_beyond_the_second(value, verdict):
    assert judge({"reprojection_median_px": value})["reprojection_median_px"].verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(70.0, "PASS"), (30.0, "WARN"), (29.0, "FAIL")])
def test_a_figure_where_more_is_better_is_judged_the_other_way_round(value, verdict):
    assert judge({"body_observed_pct": value})["body_observed_pct"].verdict == verdict


def test_one_violation_of_a_hard_limit_fails():
    assert judge({"velocity_limit_violations": 1})["velocity_limit_violations"].verdict == "FAIL"


def test_a_figure_that_could_not_be_computed_is_never_a_pass_and_says_so():
    gate = judge({**GOOD, "skew_p95_ms": math.nan})["skew_p95_ms"]
    assert (gate.verdict, gate.as_dict()["value"]) == ("WARN", None)
    assert "could not be computed" in gate.remedy


def test_a_required_figure_that_was_not_given_counts_as_not_computed():
    assert judge({})["reprojection_median_px"].verdict == "WARN"
    assert "skew_p95_ms" not in judge({})


def test_an_unknown_figure_informs_with_the_unit_of_its_name():
    gate = judge({"left_wrist_lag_ms": 3.0})["left_wrist_lag_ms"]
    assert (gate.verdict, gate.unit, gate.threshold) == ("INFO", "ms", None)


def test_json_has_exactly_the_four_keys_and_counts_are_integers():
    value = judge(GOOD)["joint_limit_violations"].as_dict()
    assert value == {"value": 0, "unit": "count", "threshold": 0, "verdict": "PASS"}
    assert isinstance(value["value"], int)


def test_grades_follow_the_design():
    assert grade(judge(GOOD)) == "A"
    assert grade(judge({**GOOD, "reprojection_median_px": 15.0})) == "B"
    assert grade(judge(GOOD), assumed=["stature"]) == "C"
    assert grade(judge({**GOOD, "hand_observed_pct": 49.9})) == "C"
    assert grade(judge({**GOOD, "reprojection_median_px": 99.0}), assumed=["stature"]) == "D"


def test_hands_that_nobody_counted_are_not_taken_as_observed():
    assert grade(judge({name: value for name, value in GOOD.items() if name != "hand_observed_pct"})) == "C"


@pytest.mark.parametrize(("value", "verdict"), [(7.9, "PASS"), (15.0, "WARN"), (40.0, "FAIL")])
def test_a_clock_that_is_off_warns_and_by_a_frame_fails_and_the_remedy_names_what_to_change(value, verdict):
    gate = judge({**GOOD, "clock_offset_max_ms": value})["clock_offset_max_ms"]
    assert gate.verdict == verdict
    assert verdict == "PASS" or "time_offset_s in rig.toml" in gate.remedy


def test_clocks_that_nothing_tells_of_are_no_figure():
    assert "clock_offset_max_ms" not in judge(GOOD)
