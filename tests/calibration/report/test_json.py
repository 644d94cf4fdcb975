"""calibration_report.json: the keys that programs read, and null for what was not measured. All calibrations here are simulated."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.report.checks import checks_of, worst
from bodydouble.calibration.report.json import report_json
from bodydouble.calibration.report.summary import summarize
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration


@pytest.fixture(scope="module")
def calibration(simulated_calibration) -> RigCalibration:
    found = simulated_calibration(moments=60)
    worse = replace(found.held_out, distance_error_m=3 * found.held_out.distance_error_m[:-4], frames=25, corners=400)
    return replace(found, held_out_as_stamped=worse)


def no_constant(text: str) -> float:
    raise AssertionError(f"{text} is not JSON")


def report(calibration, purpose: str = "hands", settings: dict[str, str] | None = None) -> dict:
    summary = summarize(calibration)
    checks = checks_of(summary, purpose)
    return json.loads(report_json(summary, checks, worst(checks), purpose, settings), parse_constant=no_constant)


def test_the_keys_that_others_rely_on_are_there(calibration):
    content = report(calibration)
    assert set(content["held_out"]["board_distance_mm"]) >= {"median", "rmse", "p95"}
    assert set(content["held_out"]["reprojection_px"]) == set(calibration.rig.names)
    assert all(set(item) >= {"median", "rms"} for item in content["held_out"]["reprojection_px"].values())
    assert {"corners", "frames"} <= set(content["held_out"])
    assert set(content["time_offsets_ms"]) == set(calibration.rig.names)
    assert (content["detect_seconds"], content["solve_seconds"]) == (12.3, 0.8)
    assert content["verdict"] in ("PASS", "WARN", "FAIL")
    assert [set(item) for item in content["checks"]] == [{"name", "verdict", "found", "remedy", "check", "subjects", "value"}] * len(
        content["checks"]
    )


def test_held_out_figures_are_those_of_the_score_in_millimetres(calibration):
    held_out = report(calibration)["held_out"]
    errors = 1000 * np.abs(calibration.held_out.distance_error_m)
    expected = {
        "median": np.median(errors),
        "rmse": np.sqrt(np.mean(errors**2)),
        "p95": np.percentile(errors, 95),
        "distances": len(errors),
    }
    for key, value in expected.items():
        assert held_out["board_distance_mm"][key] == pytest.approx(value)
    assert (held_out["corners"], held_out["frames"]) == (calibration.held_out.corners, calibration.held_out.frames)
    assert 0 < held_out["noise_floor_mm"]["median"] < held_out["noise_floor_mm"]["p95"]
    off = calibration.held_out.reprojection_px["front"]
    assert held_out["reprojection_px"]["front"] == pytest.approx(
        {"median": np.median(off), "rms": np.sqrt(np.mean(off**2)), "corners": len(off)}
    )


def test_the_figures_as_stamped_stand_beside_with_the_same_keys(calibration):
    held_out = report(calibration)["held_out"]
    stamped = held_out["as_stamped"]
    assert set(stamped) == set(held_out) - {"as_stamped", "noise_floor_mm"}
    assert set(stamped["board_distance_mm"]) == set(held_out["board_distance_mm"])
    errors = 1000 * np.abs(calibration.held_out_as_stamped.distance_error_m)
    assert stamped["board_distance_mm"]["median"] == pytest.approx(np.median(errors))
    assert stamped["board_distance_mm"]["distances"] == len(errors)
    assert (stamped["frames"], stamped["corners"]) == (25, 400)


def test_without_a_score_as_stamped_its_keys_hold_null(simulated_calibration):
    stamped = report(simulated_calibration(moments=40))["held_out"]["as_stamped"]
    assert stamped["board_distance_mm"] == {"median": None, "rmse": None, "p95": None, "mean_signed": None, "distances": 0}
    assert stamped["reprojection_px"]["front"] == {"median": None, "rms": None, "corners": 0}


def test_what_was_not_measured_is_null_and_never_a_number(simulated_calibration):
    content = report(simulated_calibration(moments=40, blind=("left_side",)))
    assert content["held_out"]["reprojection_px"]["left_side"] == {"median": None, "rms": None, "corners": 0}
    assert content["train"]["reprojection_px"]["left_side"] == {"median": None, "rms": None}
    assert content["train"]["noise_px"]["left_side"] is None
    assert content["tilt_spread_deg"]["left_side"] is None
    nothing = report(simulated_calibration(moments=40, held_out=False))["held_out"]
    assert nothing["board_distance_mm"]["median"] is None
    assert (nothing["corners"], nothing["frames"]) == (0, 0)


def test_numbers_that_are_not_finite_are_null_wherever_they_are(calibration):
    broken = replace(
        calibration, detect_seconds=float("nan"), solve_seconds=float("inf"), jitter_s=float("nan"), noise_px=np.full(5, np.nan),
        residual=np.full_like(calibration.residual, np.nan), target_sigma=np.full((1, 2), np.inf),
        held_out=HeldOutScore(np.array([np.nan, 1e-3]), 2, 1, {"front": np.array([np.nan])}),
    )  # fmt: skip
    content = report(broken)
    assert content["detect_seconds"] is content["solve_seconds"] is content["jitter_ms"] is None
    assert content["held_out"]["board_distance_mm"]["median"] == pytest.approx(1.0)
    assert content["targets"]["board"]["sigma"] == {"rotation_deg": None, "position_mm": None}


def test_clocks_that_were_taken_as_exact_have_no_offset(calibration):
    assert report(calibration)["time_offsets_ms"]["left_down"] == pytest.approx(-1.5)
    exact = {
        name: replace(camera, time_offset_s=0.0, sigma=replace(camera.sigma, time_offset_s=None))
        for name, camera in calibration.rig.cameras.items()
    }
    content = report(replace(calibration, rig=replace(calibration.rig, cameras=exact)))
    assert set(content["time_offsets_ms"].values()) == {None}


def test_purpose_settings_and_the_versions_that_made_it_are_said(calibration):
    content = report(calibration, "body", {"Recording": "takes/board"})
    assert (content["purpose"], content["settings"]) == ("body", {"Recording": "takes/board"})
    assert set(content["versions"]) == {"bodydouble", "python", "numpy", "scipy", "opencv-contrib-python"}


def test_poses_and_sigma_are_those_of_the_rig(calibration):
    content = report(calibration)
    for name, camera in calibration.rig.cameras.items():
        assert np.array_equal(content["extrinsics"][name]["T_body_camera"], camera.T_body_camera)
        assert content["extrinsics"][name]["held"] == (name == calibration.reference["room"])
    assert content["extrinsics"]["left_down"]["sigma"]["position_mm"] == pytest.approx(0.4)
    assert content["extrinsics"]["front"]["sigma"]["position_mm"] is None
