"""Poses of a target in one camera: all that explain the pixels, through any lens."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import FisheyeCamera, PinholeCamera
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.pnp import FEWEST_POINTS, target_poses
from bodydouble.calibration.transform import apply, pose_distance, pose_from, pose_from_rotvec

FloatArray = npt.NDArray[np.float64]

PINHOLE = PinholeCamera((1280, 960), (900.0, 905.0), (630.0, 485.0), (-0.1, 0.05, 1e-3, -5e-4, 0.0))
FISHEYE = FisheyeCamera((1600, 1200), (450.0, 452.0), (801.0, 598.0), (0.02, -0.004, 1e-4, 1e-5))
TAG = 0.08 * np.array([[-1.0, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]])
BOARD = np.stack(np.meshgrid(np.arange(6), np.arange(4), [0]), axis=-1).reshape(-1, 3) * 0.05 - [0.125, 0.075, 0.0]
BOX = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)])


def seen_from(direction: FloatArray, distance: float, tilt: FloatArray) -> FloatArray:
    """Pose of a target at a distance in some direction, turned out of facing the camera by a rotation vector."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    facing = np.stack([x, -np.cross(z, x), -z], axis=1)  # its z axis points at the camera, its y axis up
    return pose_from(facing @ pose_from_rotvec(tilt, np.zeros(3))[:3, :3], distance * z)


tilts = st.tuples(*[st.floats(-0.7, 0.7)] * 3).map(np.array)


@settings(max_examples=40, deadline=None)
@given(tilt=tilts, yaw=st.floats(-1.4, 1.4), pitch=st.floats(-1.0, 1.0), distance=st.floats(0.3, 2.0), flat=st.booleans())
def test_the_true_pose_is_among_those_found_through_a_fisheye_lens_even_at_its_edge(
    tilt: FloatArray, yaw: float, pitch: float, distance: float, flat: bool
) -> None:  # fmt: skip
    direction = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    true, points = seen_from(direction, distance + 0.2, tilt), BOARD if flat else BOX
    poses = target_poses(FISHEYE, points, FISHEYE.project(apply(true, points)))
    angle, gap = pose_distance(true, poses[0][0])
    assert angle < 1e-3
    assert gap < 1e-3
    assert poses[0][1] < 0.05
    assert [error for _, error in poses] == sorted(error for _, error in poses)


def test_the_error_is_that_of_the_pose_in_pixels() -> None:
    pixels = PINHOLE.project(apply(seen_from(np.array([0.1, 0.2, 1.0]), 0.8, np.array([0.3, -0.4, 0.1])), BOARD))
    pixels = pixels + np.random.default_rng(0).normal(0, 0.5, pixels.shape)
    for T, error in target_poses(PINHOLE, BOARD, pixels):
        off = PINHOLE.project(apply(T, BOARD)) - pixels
        assert error == pytest.approx(np.sqrt(np.mean(np.square(off).sum(axis=-1))))
        assert error < 1.5


def test_a_small_tag_far_away_has_two_poses_and_a_large_one_has_one() -> None:
    noise = np.random.default_rng(1).normal(0, 0.3, (4, 2))
    far = seen_from(np.array([0.1, 0.1, 1.0]), 2.5, np.array([0.35, 0.3, 0.0]))
    poses = target_poses(PINHOLE, TAG, PINHOLE.project(apply(far, TAG)) + noise)
    assert len(poses) == 2
    assert min(float(pose_distance(far, T)[0]) for T, _ in poses) < 0.3
    assert float(pose_distance(poses[0][0], poses[1][0])[0]) > 0.3, "they differ by a flip"
    near = seen_from(np.array([0.1, 0.1, 1.0]), 0.3, np.array([0.5, 0.4, 0.0]))
    ((T, _),) = target_poses(PINHOLE, TAG, PINHOLE.project(apply(near, TAG)) + noise)
    assert float(pose_distance(near, T)[0]) < 0.03


def test_rays_that_are_known_need_not_be_found_again() -> None:
    pixels = FISHEYE.project(apply(seen_from(np.array([1.0, 0.2, 0.3]), 0.8, np.array([0.3, -0.4, 0.1])), BOARD))
    given_rays = target_poses(FISHEYE, BOARD, pixels, FISHEYE.rays(pixels))
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(given_rays, target_poses(FISHEYE, BOARD, pixels), strict=True))


def test_points_without_a_ray_are_left_out() -> None:
    true = seen_from(np.array([0.0, 0.1, 1.0]), 0.6, np.array([0.3, -0.4, 0.1]))
    pixels = PINHOLE.project(apply(true, BOARD))
    pixels[:3] = np.nan
    assert float(pose_distance(true, target_poses(PINHOLE, BOARD, pixels)[0][0])[0]) < 1e-4


@pytest.mark.parametrize("model", [PINHOLE, FISHEYE])
def test_too_few_points_have_no_pose(model: CameraModel) -> None:
    true = seen_from(np.array([0.0, 0.1, 1.0]), 0.6, np.array([0.3, -0.4, 0.1]))
    pixels = model.project(apply(true, TAG))
    assert len(target_poses(model, TAG, pixels)) > 0
    assert target_poses(model, TAG[: FEWEST_POINTS - 1], pixels[: FEWEST_POINTS - 1]) == []
    pixels[0] = np.nan
    assert target_poses(model, TAG, pixels) == []


def test_points_all_around_the_camera_have_no_pose() -> None:
    """Rays at right angles to the middle of all: no target that a camera can see whole."""
    pixels = FISHEYE.project(np.array([[1.0, 0, 0.02], [-1, 0, 0.02], [0, 1, 0.02], [0, -1, 0.02]]))
    assert target_poses(FISHEYE, TAG, pixels) == []


def test_points_on_one_line_or_in_one_place_are_no_error() -> None:
    line = np.stack([np.linspace(-0.1, 0.1, 6), np.zeros(6), np.zeros(6)], axis=1)
    true = seen_from(np.array([0.0, 0.1, 1.0]), 0.6, np.array([0.3, -0.4, 0.1]))
    for points, pixels in [(line, PINHOLE.project(apply(true, line))), (TAG, np.full((4, 2), 500.0))]:
        for T, error in target_poses(PINHOLE, points, pixels):
            assert np.isfinite(T).all()
            assert np.isfinite(error)


def test_no_pose_has_the_target_behind_the_camera() -> None:
    true = seen_from(np.array([0.3, 0.1, 1.0]), 0.6, np.array([0.6, -0.6, 0.1]))
    for model in (PINHOLE, FISHEYE):
        for T, _ in target_poses(model, TAG, model.project(apply(true, TAG))):
            assert apply(T, TAG)[:, 2].min() > 0
