"""Every check of a calibration at its limits, and what the remedies say. All calibrations here are simulated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.report.checks import calibration_checks, checks_of, untied_clocks, worst
from bodydouble.calibration.report.coverage import Coverage
from bodydouble.calibration.report.links import Link
from bodydouble.calibration.report.summary import ReportSummary, summarize
from bodydouble.calibration.report.thresholds import thresholds
from bodydouble.calibration.rig_calibration import HeldOutScore
from bodydouble.check import Check
from bodydouble.errors import UnknownNameError

ONE = "left_side"


@pytest.fixture(scope="module")
def summary(simulated_calibration) -> ReportSummary:
    """What a report shows of a good simulated calibration, seen all over; without the noise floor, so that values are judged as they are."""
    found = summarize(simulated_calibration())
    cameras = tuple(replace(camera, coverage=covered(100)) for camera in found.cameras)
    return replace(found, cameras=cameras, noise_floor_m=np.zeros(0))


def with_camera(summary: ReportSummary, **changes: object) -> ReportSummary:
    cameras = tuple(replace(camera, **changes) if camera.name == ONE else camera for camera in summary.cameras)
    return replace(summary, cameras=cameras)


def with_sigma(summary: ReportSummary, **changes: object) -> ReportSummary:
    sigma = next(camera.sigma for camera in summary.cameras if camera.name == ONE)
    return with_camera(summary, sigma=replace(sigma, **changes))


def tilted(degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    return np.array([[math.sin(angle), 0, -math.cos(angle)], [-math.sin(angle), 0, -math.cos(angle)]])


def covered(share: float) -> Coverage:
    count = np.zeros(100, dtype=np.int64)
    count[: round(share)] = 1
    return Coverage(count.reshape(10, 10), np.ones((10, 10), dtype=bool))


def held_out(summary: ReportSummary, **changes: object) -> ReportSummary:
    return replace(summary, held_out=replace(summary.held_out, **changes))


def distances(summary: ReportSummary, errors_mm: list[float]) -> ReportSummary:
    return held_out(summary, distance_error_m=1e-3 * np.array(errors_mm))


def rejected(summary: ReportSummary, percent: float) -> ReportSummary:
    return replace(summary, frames=1000, rejected={f"front frame {k}": "why" for k in range(round(10 * percent))})


Change = Callable[[ReportSummary, float], ReportSummary]
# Check, how to bring about a value of it, by how much a value must be worse to count (1 where it is a number of things), and who is named.
CASES: dict[str, tuple[Change, float, tuple[str, ...]]] = {
    "converged": (lambda s, v: replace(s, converged=v >= 1), 1, ()),
    "separate_groups": (lambda s, v: s if v == 0 else replace(s, groups=((0, 1, 2, 4), (3,))), 1, ("left_side", "right_side")),
    "target_scale": (lambda s, v: replace(s, target_sizes={"board": 1 - v / 100, "other": 1.0}), 1e-3, ("board",)),
    "views": (lambda s, v: with_camera(s, views=int(v)), 1, (ONE,)),
    "shared_moments": (lambda s, v: replace(s, links=(Link(0, 3, int(v)),)), 1, ("front", ONE)),
    "tilt_spread": (lambda s, v: with_camera(s, normals=tilted(v)), 1e-3, (ONE,)),
    "focal_sigma": (lambda s, v: with_sigma(s, focal_px=v / 100 * 900), 1e-3, (ONE,)),
    "coverage": (lambda s, v: with_camera(s, coverage=covered(v)), 1, (ONE,)),
    "position_sigma": (lambda s, v: with_sigma(s, position_m=v / 1000), 1e-3, (ONE,)),
    "rotation_sigma": (lambda s, v: with_sigma(s, rotation_rad=math.radians(v)), 1e-3, (ONE,)),
    "clock_jitter": (lambda s, v: replace(s, jitter_s=v / 1000), 1e-3, ()),
    "clock_offset_sigma": (lambda s, v: with_sigma(s, time_offset_s=v / 1000), 1e-3, (ONE,)),
    "clock_offset": (lambda s, v: with_camera(s, time_offset_s=-v / 1000), 1e-3, (ONE,)),
    "reprojection": (lambda s, v: with_camera(s, residual=np.tile([0.0, -v], (9, 1))), 1e-3, (ONE,)),
    "held_out_frames": (lambda s, v: held_out(s, frames=int(v)), 1, ()),
    "held_out_corners": (lambda s, v: with_camera(s, held_out_px=np.full(int(v), 0.1)), 1, (ONE,)),
    "held_out_median": (lambda s, v: distances(s, [v, -v, v]), 1e-3, ()),
    "held_out_rmse": (lambda s, v: distances(s, [0.0] * 75 + [2 * v] * 25), 1e-3, ()),
    "held_out_p95": (lambda s, v: distances(s, [0.0] * 94 + [-v] * 6), 1e-3, ()),
    "rejected_views": (lambda s, v: rejected(s, v), 0.1, ()),
}


def judged(summary: ReportSummary, check: str, purpose: str = "hands") -> list[Check]:
    return [item for item in checks_of(summary, purpose) if item.check == check]


def test_every_check_of_the_file_is_tried_here():
    assert set(CASES) | {"body_clock"} == set(thresholds("hands"))


@pytest.mark.parametrize("purpose", ["hands", "body"])
@pytest.mark.parametrize("check", CASES)
def test_a_check_passes_at_its_limit_warns_beyond_it_and_fails_beyond_the_next(summary, check, purpose):
    change, step, names = CASES[check]
    threshold = thresholds(purpose)[check]
    limits = threshold.limits[purpose]
    worse = step if threshold.better == "lower" else -step
    almost = 0.0 if step == 1 else -1e-6 * worse  # a value comes about by arithmetic, so the limit itself may be missed by the last bit
    assert [item.verdict for item in judged(change(summary, limits.pass_limit + almost), check, purpose)] == ["PASS"]
    tries = [(limits.pass_limit + worse, "FAIL" if limits.warn == limits.pass_limit else "WARN")]
    if limits.warn is None:
        tries.append((limits.pass_limit + 3 * worse, "WARN"))
    elif limits.warn != limits.pass_limit:
        tries += [(limits.warn + almost, "WARN"), (limits.warn + worse, "FAIL")]
    for value, verdict in tries:
        first = judged(change(summary, value), check, purpose)[0]
        assert (value, first.verdict) == (value, verdict)
        assert all(f"'{name}'" in first.remedy for name in names)
        assert "{" not in first.remedy
        assert first.remedy[0].isupper()


@pytest.mark.parametrize("check", [name for name, (_, _, names) in CASES.items() if names == (ONE,)])
def test_only_the_camera_that_is_worse_is_called_out_and_the_others_share_a_line(summary, check):
    change, step, _ = CASES[check]
    threshold = thresholds("hands")[check]
    bad = change(summary, threshold.limits["hands"].pass_limit + (step if threshold.better == "lower" else -step))
    items = judged(bad, check)
    mine = [item for item in items if item.subjects == (ONE,)]
    assert [item.verdict for item in mine] == ["WARN"]
    assert mine[0].name == f"{threshold.title} of '{ONE}'"
    assert all(ONE not in item.remedy for item in items if item.subjects != (ONE,))
    assert [item.verdict for item in items].count("PASS") == 1


def test_a_good_calibration_passes_for_bodies(simulated_calibration):
    assert worst(calibration_checks(simulated_calibration(), "body")) == "PASS"


def test_a_wrong_lens_fails_on_unseen_frames_although_corners_are_noisy(simulated_calibration):
    found = {item.check: item for item in calibration_checks(simulated_calibration(moments=60, lens_error=0.14), "hands")}
    assert found["held_out_median"].verdict == "FAIL"
    assert "'" in found["held_out_median"].remedy


def test_what_corner_noise_alone_explains_is_not_blamed_on_the_rig(summary):
    far = distances(summary, [5.0, -5.0, 5.0])
    assert judged(far, "held_out_median")[0].verdict == "FAIL"
    (check,) = judged(replace(far, noise_floor_m=np.array([4.9e-3, -4.9e-3])), "held_out_median")
    assert check.verdict == "PASS"
    assert check.found == "5 mm, of which 0 mm beyond corner noise (passes at 0.5 mm or less)"
    (check,) = judged(replace(far, noise_floor_m=np.array([3e-3, -3e-3])), "held_out_median")
    assert check.verdict == "FAIL"
    assert check.value == pytest.approx(math.sqrt(5**2 - 3.3**2))


def test_an_unknown_purpose_is_refused(simulated_calibration):
    with pytest.raises(UnknownNameError, match=r"purpose 'feet' is not in thresholds\.toml; valid: hands, body"):
        calibration_checks(simulated_calibration(moments=20), "feet")


def test_what_is_not_known_of_a_camera_is_a_warning_that_says_so(summary):
    for change, check in (("position_m", "position_sigma"), ("rotation_rad", "rotation_sigma"), ("time_offset_s", "clock_offset_sigma")):
        first = judged(with_sigma(summary, **{change: None}), check)[0]
        assert (first.verdict, first.shown) == ("WARN", "not measured")
        assert first.remedy.startswith("It was not measured, so it is not known to be good.")
        assert f"'{ONE}'" in first.remedy


def test_a_camera_that_saw_nothing_fails_by_its_views_alone(simulated_calibration):
    checks = calibration_checks(simulated_calibration(moments=60, blind=(ONE,)), "hands")
    mine = {item.check: item for item in checks if ONE in item.subjects}
    assert mine["views"].verdict == "FAIL"
    assert mine["held_out_corners"].found == "0 corners (passes at 20 corners or more)"
    assert "coverage" not in mine
    assert any(item.check == "separate_groups" and item.verdict == "FAIL" and f"'{ONE}'" in item.found for item in checks)


def test_frames_that_were_not_held_out_are_asked_for(simulated_calibration):
    checks = {item.check: item for item in calibration_checks(simulated_calibration(moments=60, held_out=False), "hands")}
    assert checks["held_out_frames"].verdict == "WARN"
    assert checks["held_out_frames"].found == "nothing was measured on moments that the solver did not see"
    assert "--train-frames even" in checks["held_out_frames"].remedy
    assert not {"held_out_median", "held_out_corners"} & set(checks)


def test_a_camera_that_was_filmed_but_has_no_place_fails_by_name(summary):
    first = judged(replace(summary, not_in_rig=("rear",)), "separate_groups")[0]
    assert first.verdict == "FAIL"
    assert first.found == "'rear' was filmed but could not be placed in the rig"
    assert "'rear'" in first.remedy


def test_the_remedy_for_coverage_names_the_emptiest_third_and_that_for_tilt_the_missing_way(summary):
    count = np.ones((9, 12), dtype=np.int64)
    count[:3, 8:] = 0  # nothing in the upper right third, and every other column elsewhere
    count[3:, ::2] = 0
    found = judged(with_camera(summary, coverage=Coverage(count, np.ones_like(count, dtype=bool))), "coverage")[0]
    assert found.remedy.startswith("Film the board in the upper right third and ")
    sideways = judged(with_camera(summary, normals=tilted(10)), "tilt_spread")[0]
    assert "tilted up and down" in sideways.remedy
    flat = judged(with_camera(summary, normals=tilted(1)), "tilt_spread")[0]
    assert "turned to the left, to the right, up and down" in flat.remedy


def test_jitter_that_explains_unsure_clocks_is_named_as_their_cause(summary):
    unsure = with_sigma(summary, time_offset_s=5e-3)
    assert "mend the stamps first" not in judged(replace(unsure, jitter_s=2e-3), "clock_offset_sigma")[0].remedy
    shaky = judged(replace(unsure, jitter_s=30e-3), "clock_offset_sigma")[0]
    assert shaky.remedy.startswith("Single frames are stamped 30 ms off, which is much of it: mend the stamps first")
    assert f"'{ONE}'" in shaky.remedy


def test_clocks_of_two_bodies_that_saw_only_standing_targets_were_not_measured_against_each_other(summary):
    cameras = tuple(replace(camera, body="backpack" if "side" in camera.name else "helmet") for camera in summary.cameras)
    standing = replace(summary, cameras=cameras, T_room_target=np.eye(4)[None])
    assert untied_clocks(standing) == {"backpack": "helmet"}
    (check,) = judged(standing, "body_clock")
    assert (check.verdict, check.found) == ("WARN", "not measured")
    assert "'backpack'" in check.remedy
    assert "'helmet'" in check.remedy
    assert all("side" not in str(item.subjects) for item in judged(standing, "clock_offset_sigma"))
    assert untied_clocks(replace(standing, T_room_target=np.full((1, 4, 4), np.nan))) == {}


def test_causes_stand_before_what_they_bring_about(summary):
    order = [item.check for item in checks_of(summary, "hands")]
    assert order.index("views") < order.index("clock_offset_sigma") < order.index("held_out_median")


def test_a_check_says_in_json_whom_it_is_about_and_what_it_measured(summary):
    (check,) = [item for item in judged(with_sigma(summary, position_m=2e-3), "position_sigma") if item.verdict == "WARN"]
    described = check.as_dict()
    assert list(described)[:4] == ["name", "verdict", "found", "remedy"]
    assert (described["check"], described["subjects"]) == ("position_sigma", [ONE])
    assert described["value"] == pytest.approx(2.0)


def test_the_worst_verdict_counts_and_nothing_at_all_passes():
    passing, warning, failing = (Check("x", verdict, "") for verdict in ("PASS", "WARN", "FAIL"))
    assert worst([]) == "PASS"
    assert worst([passing, warning, passing]) == "WARN"
    assert worst([warning, failing, passing]) == "FAIL"


def test_a_calibration_of_a_lens_has_the_checks_that_apply_to_one(summary):
    alone = replace(summary, cameras=summary.cameras[:1], links=(), groups=((0,),), held_out=HeldOutScore(np.zeros(0), 0, 0, {}))
    checks = {item.check: item for item in checks_of(alone, "hands")}
    assert not {"separate_groups", "shared_moments", "position_sigma"} & set(checks)
    assert "second camera" in checks["held_out_frames"].remedy
