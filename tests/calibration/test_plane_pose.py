"""Poses of many flat targets at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pnp import BOARD, FISHEYE, PINHOLE, TAG, seen_from

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.plane_pose import plane_poses, turn_to_z
from bodydouble.calibration.pnp import target_poses
from bodydouble.calibration.transform import apply, is_rotation, pose_distance


def rays_of(model: CameraModel, poses: np.ndarray, points: np.ndarray, noise_px: float = 0.0) -> np.ndarray:
    pixels = np.stack([model.project(apply(T, points)) for T in poses])
    return model.rays(pixels + np.random.default_rng(0).normal(0, 1, pixels.shape) * noise_px)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), board=st.booleans())
def test_the_true_pose_is_one_of_the_two(seed: int, board: bool) -> None:
    rng = np.random.default_rng(seed)
    points = BOARD if board else TAG
    poses = []
    for _ in range(5):
        yaw, pitch = rng.uniform(-1.3, 1.3), rng.uniform(-0.9, 0.9)
        direction = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        poses.append(seen_from(direction, rng.uniform(0.3, 2.5), rng.uniform(-0.8, 0.8, 3)))
    true = np.stack(poses)
    found = plane_poses(np.tile(points, (5, 1, 1)), rays_of(FISHEYE, true, points), np.ones((5, len(points)), dtype=bool))
    assert is_rotation(found[..., :3, :3]).all()
    angle, gap = pose_distance(true[:, None], found)
    assert (angle.min(axis=1) < 1e-4).all()
    assert (np.take_along_axis(gap, angle.argmin(axis=1)[:, None], axis=1) < 1e-4).all()


def test_with_noise_the_better_of_the_two_is_near_that_of_opencv() -> None:
    rng = np.random.default_rng(3)
    true = np.stack([seen_from(np.array([rng.uniform(-0.4, 0.4), 0.1, 1.0]), 0.8, rng.uniform(-0.7, 0.7, 3)) for _ in range(20)])
    rays = rays_of(PINHOLE, true, BOARD, noise_px=0.3)
    found = plane_poses(np.tile(BOARD, (20, 1, 1)), rays, np.ones((20, len(BOARD)), dtype=bool))
    for v in range(20):
        pixels = PINHOLE.project(rays[v])
        ours = min(np.sqrt(np.mean(np.square(PINHOLE.project(apply(T, BOARD)) - pixels).sum(axis=-1))) for T in found[v])
        assert ours < 2 * target_poses(PINHOLE, BOARD, pixels)[0][1]


def test_points_that_are_not_seen_do_not_count() -> None:
    true = np.stack([seen_from(np.array([0.2, 0.1, 1.0]), 0.7, np.array([0.4, -0.5, 0.2]))])
    seen = np.ones((1, len(BOARD)), dtype=bool)
    seen[0, ::3] = False
    rays = rays_of(PINHOLE, true, BOARD)
    points = np.where(seen[..., None], BOARD, 7.0)
    rays[~seen] = [1.0, 0.0, 0.0]
    rays[0, 1] = np.nan  # nor those without a ray
    assert pose_distance(true[:, None], plane_poses(points, rays, seen))[0].min() < 1e-4


@pytest.mark.parametrize(
    "rays",
    [
        np.eye(3)[[2, 2, 2, 2]],
        np.array([[0.1, 0.1, 1.0], [0.2, 0.2, 1.0], [0.3, 0.3, 1.0], [0.4, 0.4, 1.0]]),
        np.array([[1.0, 0, 0.01], [-1, 0, 0.01], [0, 1, 0.01], [0, -1, 0.01]]),
        np.full((4, 3), np.nan),
    ],
    ids=["one place", "one line", "all around", "nothing"],
)  # fmt: skip
def test_where_there_is_no_pose_it_is_nan_and_no_warning(rays: np.ndarray) -> None:
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    with np.errstate(all="raise"):
        found = plane_poses(TAG[None], rays[None], np.ones((1, 4), dtype=bool))
    if np.isfinite(found).any():
        assert is_rotation(found[..., :3, :3]).all()
    three = np.array([[True, True, True, False]])
    assert np.isnan(plane_poses(TAG[None], rays_of(PINHOLE, seen_from(np.array([0.1, 0, 1]), 1, np.zeros(3))[None], TAG), three)).all()


def test_directions_are_turned_to_z() -> None:
    directions = np.random.default_rng(0).normal(0, 1, (50, 3))
    directions[:2] = [[0, 1, 0], [0, 0, -1]]
    R = turn_to_z(directions)
    assert is_rotation(R).all()
    assert np.allclose(np.einsum("vij,vj->vi", R, directions / np.linalg.norm(directions, axis=1, keepdims=True)), [0, 0, 1])
