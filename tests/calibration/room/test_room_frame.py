"""The room frame of a calibrated rig from measured points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.calibration.room.room_frame import FrameChange, align_to_points, similarity
from bodydouble.calibration.transform import invert, pose_distance, pose_from_rotvec
from bodydouble.errors import DataError, UnknownNameError, UsageError

ELSEWHERE = FrameChange(pose_from_rotvec([0.7, -1.9, 0.4], [2.0, -3.0, 0.7]))
"""From the true room to the frame that the rig was calibrated in."""


def calibrated(rig: Rig, scale: float = 1.0) -> Rig:
    """The rig as a calibration gives it: in a frame of its own, and with lengths that are too large by a factor."""
    return FrameChange(ELSEWHERE.T_new_old, scale).rig(rig)


def errors(found: Rig, true: Rig) -> tuple[float, float]:
    pairs = [pose_distance(true.camera(name).T_body_camera, camera.T_body_camera) for name, camera in found.cameras.items()]
    return max(float(pair[0]) for pair in pairs), max(float(pair[1]) for pair in pairs)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.005]), st.booleans())
def test_a_rig_is_put_into_the_frame_of_the_points(simulated_room, seed, flat, sigma_m, scale):
    rig, scene = simulated_room(seed=seed, flat=flat, sigma_m=sigma_m)
    found = align_to_points(calibrated(rig), scene, scale=scale)
    assert errors(found.rig, rig)[0] < 1e-6
    assert errors(found.rig, rig)[1] < 1e-6
    assert found.scale_found == pytest.approx(1.0, abs=1e-7)
    assert np.abs(found.error_m).max() < 1e-6
    assert np.nanmax(np.abs(found.residual_px)) < 1e-4
    assert found.outliers == found.warnings == ()
    assert np.allclose(found.change.T_new_old, invert(ELSEWHERE.T_new_old), atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 3.0))
def test_the_scale_of_the_points_is_found_and_taken(simulated_room, seed, scale):
    rig, scene = simulated_room(seed=seed)
    found = align_to_points(calibrated(rig, scale), scene, scale=True)
    assert found.scale_found == pytest.approx(1 / scale, rel=1e-6)
    assert found.change.scale == found.scale_found
    assert errors(found.rig, rig)[1] < 1e-6


def test_a_wrong_square_size_is_told_when_the_scale_is_not_taken(simulated_room):
    rig, scene = simulated_room(noise_px=0.5, noise_m=0.001, sigma_m=0.001)
    found = align_to_points(calibrated(rig, 1 / 1.013), scene)
    assert found.change.scale == 1.0
    assert found.scale_found == pytest.approx(1.013, abs=4 * found.scale_sigma)
    assert len(found.warnings) == 1
    assert "the square size of the board that the rig was calibrated with may be wrong by +1.4 %" in found.warnings[0]
    assert not align_to_points(calibrated(rig), scene).warnings


def test_a_scale_that_is_another_unit_is_refused_unless_asked_for(simulated_room):
    rig, scene = simulated_room()
    small = calibrated(rig, 0.01)
    with pytest.raises(DataError, match="the measured points are 100 times as far apart as the rig sees them; check the units"):
        align_to_points(small, scene)
    assert align_to_points(small, scene, scale=True).scale_found == pytest.approx(100.0, rel=1e-6)


def test_errors_are_as_large_as_the_reported_sigma(simulated_room):
    ratios = []
    for seed in range(10):
        rig, scene = simulated_room(seed=seed, noise_px=0.5, noise_m=0.003, sigma_m=0.003)
        found = align_to_points(calibrated(rig, 1 / 1.01), scene, scale=True)
        turn = found.change.T_new_old[:3, :3] @ ELSEWHERE.T_new_old[:3, :3]
        middle = found.change.points(calibrated_point(scene.points.mean(axis=0), 1 / 1.01)) - scene.points.mean(axis=0)
        ratios.append(
            [
                np.linalg.norm(turn - turn.T) / np.sqrt(8) / found.sigma_rotation_rad / np.sqrt(3),
                np.linalg.norm(middle) / found.sigma_position_m / np.sqrt(3),
                (found.scale_found - 1.01) / found.scale_sigma,
            ]
        )
    squared = np.square(ratios).mean(axis=0)
    assert ((squared > 0.25) & (squared < 2.5)).all(), squared


def calibrated_point(p: np.ndarray, scale: float) -> np.ndarray:
    return FrameChange(ELSEWHERE.T_new_old, scale).points(p)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 3), st.integers(0, 7))
def test_a_wrong_click_is_named(simulated_room, seed, camera, point):
    rig, scene = simulated_room(seed=seed, noise_px=0.3, sigma_m=0.001)
    pixels = scene.pixels.copy()
    pixels[camera, point] += [40.0, -15.0]
    found = align_to_points(calibrated(rig), replace(scene, pixels=pixels))
    assert len(found.outliers) == 1
    assert found.outliers[0].startswith(f"point 'mark {point}' in camera 'cam{camera}' is ")
    assert errors(found.rig, rig)[1] < 0.01


def test_a_wrong_measurement_is_named(simulated_room):
    rig, scene = simulated_room(seed=4, noise_px=0.3, sigma_m=0.001)
    points = scene.points.copy()
    points[3] += [0.0, 0.0, 0.08]
    found = align_to_points(calibrated(rig), replace(scene, points=points))
    assert len(found.outliers) == 1
    assert found.outliers[0].startswith("point 'mark 3' was measured 79 mm from where")
    assert np.linalg.norm(found.error_m[3]) == pytest.approx(0.08, abs=0.004)
    assert np.linalg.norm(found.error_m, axis=-1)[[0, 1, 2, 4, 5, 6, 7]].max() < 0.005


def test_moving_bodies_stay_as_they_are_but_share_the_scale(simulated_room):
    rig, scene = simulated_room()
    mount = pose_from_rotvec([0.1, 0.2, 0.3], [0.1, 0.0, 0.2])
    worn = MountedCamera("worn", PinholeCamera((640, 480), (500, 500), (320, 240)), "helmet", mount)
    whole = Rig("both", ("room", "helmet"), {**rig.cameras, "worn": worn})
    assert np.array_equal(align_to_points(whole, scene).rig.camera("worn").T_body_camera, mount)
    found = align_to_points(calibrated(whole, 0.5), scene, scale=True)
    assert np.allclose(found.rig.camera("worn").T_body_camera, mount)


def test_cameras_that_were_not_clicked_move_along(simulated_room):
    rig, scene = simulated_room()
    found = align_to_points(calibrated(rig), scene.select(("cam0", "cam2")))
    assert set(found.rig.cameras) == set(rig.cameras)
    assert errors(found.rig, rig)[1] < 1e-6


def test_one_camera_is_enough_for_the_frame_but_not_for_the_scale(simulated_room):
    rig, scene = simulated_room()
    found = align_to_points(calibrated(rig), scene.select(("cam1",)))
    assert errors(found.rig, rig)[1] < 1e-6
    assert np.isnan(found.scale_found)
    assert np.isnan(found.error_m).all()
    with pytest.raises(UsageError, match="the scale cannot be found from one camera's image"):
        align_to_points(calibrated(rig), scene.select(("cam1",)), scale=True)


def test_two_cameras_that_saw_three_points_are_enough(simulated_room):
    rig, scene = simulated_room()
    pixels = scene.pixels.copy()
    pixels[2:] = np.nan
    pixels[:, 3:] = np.nan
    found = align_to_points(calibrated(rig), replace(scene, pixels=pixels))
    assert errors(found.rig, rig)[1] < 1e-5


def test_too_few_clicks_are_told(simulated_room):
    rig, scene = simulated_room()
    pixels = scene.pixels.copy()
    pixels[:, 2:] = np.nan
    with pytest.raises(DataError, match="do not decide the room frame: three points that are not on one line"):
        align_to_points(calibrated(rig), replace(scene, pixels=pixels))
    with pytest.raises(UsageError, match="no point was clicked in any camera"):
        align_to_points(rig, scene.select(()))
    with pytest.raises(UnknownNameError, match="camera 'cam2' is not in rig"):
        align_to_points(rig.select(["cam0", "cam1"]), scene)


def test_y_up_is_warned_of(simulated_room):
    rig, scene = simulated_room()
    found = align_to_points(calibrated(rig), replace(scene, points=scene.points[:, [1, 2, 0]]))
    assert "the cameras stand upright along y" in found.warnings[0]


def test_whatever_else_is_in_the_room_can_be_moved_along(simulated_room):
    rig, scene = simulated_room()
    tags = np.stack([pose_from_rotvec([0.1 * k, 0, 1], [k, 0, 0.5]) for k in range(5)])
    found = align_to_points(calibrated(rig, 1.1), scene, scale=True)
    old = FrameChange(ELSEWHERE.T_new_old, 1.1).poses(tags)
    assert np.allclose(found.change.poses(old), tags, atol=1e-6)
    assert np.allclose(found.change.points(old[:, :3, 3]), tags[:, :3, 3], atol=1e-6)
    assert not found.change.T_new_old.flags.writeable


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(0.1, 10), st.integers(0, 1000))
def test_a_similarity_is_recovered(rotvec, scale, seed):
    p = np.random.default_rng(seed).normal(size=(5, 3))
    change = FrameChange(pose_from_rotvec(rotvec, [1.0, -2.0, 3.0]), scale)
    found = similarity(p, change.points(p))
    assert np.allclose(found.T_new_old, change.T_new_old, atol=1e-8)
    assert found.scale == pytest.approx(scale)
