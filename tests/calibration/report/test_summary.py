"""What a report shows, computed from a calibration. All calibrations here are simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.report.summary import finite_distance_errors, held_out_px, median, p95, rms, summarize
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration


@pytest.fixture(scope="module")
def calibration(simulated_calibration) -> RigCalibration:
    return simulated_calibration(moments=60)


def test_cameras_come_in_the_order_of_the_rig_with_what_they_saw(calibration):
    summary = summarize(calibration)
    assert tuple(camera.name for camera in summary.cameras) == calibration.rig.names
    assert sum(camera.views for camera in summary.cameras) == summary.views == len(calibration.views)
    assert sum(len(camera.pixels) for camera in summary.cameras) == calibration.views.seen.sum()
    assert summary.moments_solved <= 30
    assert summary.moments == 60


def test_errors_are_those_of_the_solver_and_of_the_score(calibration):
    summary = summarize(calibration)
    length = np.linalg.norm(calibration.residual, axis=-1)[calibration.views.seen]
    assert np.allclose(np.sort(np.concatenate([camera.error_px for camera in summary.cameras])), np.sort(length))
    for camera in summary.cameras:
        assert np.array_equal(camera.held_out_px, calibration.held_out.reprojection_px[camera.name])


def test_corners_that_the_robust_loss_gave_no_weight_are_counted(calibration):
    weight = calibration.weight.copy()
    mine = np.flatnonzero(calibration.views.camera == 1)
    weight[mine[0], np.flatnonzero(calibration.views.seen[mine[0]])[:3]] = 0.01
    ignored = {camera.name: camera.ignored for camera in summarize(replace(calibration, weight=weight)).cameras}
    assert ignored == {name: 3 if c == 1 else 0 for c, name in enumerate(calibration.rig.names)}


def test_a_view_that_is_far_off_but_was_solved_with_is_named_with_its_error(calibration):
    assert summarize(calibration).odd_views == {}
    residual = calibration.residual.copy()
    v = int(np.flatnonzero(calibration.views.camera == 2)[4])
    residual[v] = np.where(calibration.views.seen[v][:, None], [30.0, 40.0], 0.0)
    frame = calibration.observations.frame_index[2, calibration.views.moment[v]]
    name = f"{calibration.observations.cameras[2]} frame {frame}"
    assert summarize(replace(calibration, residual=residual)).odd_views == {name: pytest.approx(50.0)}
    assert summarize(replace(calibration, residual=residual, rejected={name: "why"})).odd_views == {}


def test_a_camera_without_a_view_has_no_noise_no_errors_and_no_coverage(simulated_calibration):
    summary = summarize(simulated_calibration(moments=40, blind=("front",)))
    front = summary.cameras[0]
    assert (front.views, len(front.error_px), len(front.held_out_px), front.coverage.share) == (0, 0, 0, 0.0)
    assert np.isnan(front.noise_px)
    assert np.isnan(front.tilt_rad).all()


def test_a_filmed_camera_that_is_not_in_the_rig_is_named(calibration):
    rig = calibration.rig.select([name for name in calibration.rig.names if name != "left_side"])
    assert summarize(replace(calibration, rig=rig)).not_in_rig == ("left_side",)


def test_clocks_were_solved_where_one_has_an_offset_or_a_spread(calibration):
    assert summarize(calibration).clocks_were_solved
    exact = {
        name: replace(camera, time_offset_s=0.0, sigma=replace(camera.sigma, time_offset_s=None))
        for name, camera in calibration.rig.cameras.items()
    }
    assert not summarize(replace(calibration, rig=replace(calibration.rig, cameras=exact))).clocks_were_solved


def test_noise_alone_explains_the_errors_of_a_rig_that_is_right_and_not_those_of_one_that_is_wrong(simulated_calibration):
    right, wrong = (summarize(simulated_calibration(moments=60, lens_error=error)) for error in (0.0, 0.05))
    assert 0.7 < rms(right.noise_floor_m) / rms(right.distance_error_m) < 1.4
    assert rms(wrong.noise_floor_m) < 0.3 * rms(wrong.distance_error_m)


def test_large_residuals_do_not_raise_the_noise_floor(simulated_calibration):
    found = simulated_calibration(moments=60, lens_error=0.05)
    excused = rms(summarize(replace(found, noise_px=np.full(5, 20.0))).noise_floor_m)
    assert excused == pytest.approx(rms(summarize(replace(found, noise_px=np.full(5, 0.3))).noise_floor_m))


def test_numbers_of_nothing_are_not_numbers():
    for measure in (median, rms, p95):
        assert np.isnan(measure(np.zeros(0)))
    assert (median(np.array([1.0, 5.0, 3.0])), rms(np.array([3.0, -4.0]))) == (3.0, pytest.approx(np.sqrt(12.5)))


def test_errors_that_are_not_finite_do_not_count():
    score = HeldOutScore(np.array([1e-3, np.nan, -2e-3]), 3, 1, {"a": np.array([np.nan, 0.5])})
    assert finite_distance_errors(score).tolist() == [1e-3, -2e-3]
    assert held_out_px(score, "a").tolist() == [0.5]
    assert len(held_out_px(score, "b")) == len(held_out_px(None, "a")) == len(finite_distance_errors(None)) == 0
