"""Points from what several cameras saw of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pnp import FISHEYE, PINHOLE

from bodydouble.calibration.transform import apply, invert, pose_from, pose_from_rotvec
from bodydouble.calibration.triangulation import triangulate_pixels

FloatArray = npt.NDArray[np.float64]

MODELS = (PINHOLE, FISHEYE, PINHOLE)


def around(seed: int = 0) -> FloatArray:
    """Poses T_camera_room (3, 4, 4) of three cameras a metre and a half from the origin, which they look at."""
    rng, poses = np.random.default_rng(seed), []
    for azimuth in (0.0, 1.2, 2.9):
        position = 1.5 * np.array([np.cos(azimuth), np.sin(azimuth), 0.4]) + rng.uniform(-0.1, 0.1, 3)
        z = -position / np.linalg.norm(position)
        x = np.cross(z, [0.0, 0.0, 1.0])
        x /= np.linalg.norm(x)
        poses.append(invert(pose_from(np.stack([x, np.cross(z, x), z], axis=1), position)))
    return np.stack(poses)


def seen(points: FloatArray, T: FloatArray) -> FloatArray:
    return np.stack([model.project(apply(pose, points)) for model, pose in zip(MODELS, T, strict=True)])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_points_come_back_from_where_they_were_seen(seed: int) -> None:
    points, T = np.random.default_rng(seed).uniform(-0.3, 0.3, (20, 3)), around(seed)
    found, residual = triangulate_pixels(MODELS, T, seen(points, T))
    assert np.abs(found - points).max() < 1e-9
    assert np.abs(residual).max() < 1e-6


def test_it_takes_two_cameras_and_a_camera_that_did_not_see_a_point_has_no_residual() -> None:
    points, T = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 3)), around()
    pixels = seen(points, T)
    pixels[0, 1] = np.nan
    pixels[:2, 2] = np.nan
    pixels[:, 3] = np.nan
    found, residual = triangulate_pixels(MODELS, T, pixels)
    assert np.allclose(found[:2], points[:2], atol=1e-9)
    assert np.isnan(found[2:]).all()
    assert np.array_equal(
        np.isfinite(residual[..., 0]), [[True, False, False, False], [True, True, False, False], [True, True, False, False]]
    )


def test_it_is_the_least_squares_point_in_pixels() -> None:
    """No step in any direction lowers the sum of squares: the gradient by finite differences is nothing."""
    points, T = np.random.default_rng(2).uniform(-0.3, 0.3, (10, 3)), around()
    pixels = seen(points, T) + np.random.default_rng(3).normal(0, 1.0, (3, 10, 2))
    found, residual = triangulate_pixels(MODELS, T, pixels)
    assert np.allclose(residual, seen(found, T) - pixels)
    for axis in np.eye(3):
        above, below = (np.square(seen(found + sign * 1e-6 * axis, T) - pixels).sum(axis=(0, 2)) for sign in (1, -1))
        assert np.abs((above - below) / 2e-6).max() < 1e-3 * np.square(residual).sum(axis=(0, 2)).max() / 1e-3


def test_errors_are_as_large_as_the_noise_makes_them() -> None:
    """Over many draws the points scatter as the inverse of J'J says, about the truth."""
    point, T, sigma = np.array([0.1, -0.2, 0.05]), around(), 0.5
    draws = seen(np.tile(point, (4000, 1)), T)
    draws = draws + np.random.default_rng(4).normal(0, sigma, draws.shape)
    found, _ = triangulate_pixels(MODELS, T, draws)
    J = np.concatenate(
        [(seen(point + 1e-6 * axis, T) - seen(point - 1e-6 * axis, T)).ravel()[:, None] / 2e-6 for axis in np.eye(3)], axis=1
    )
    expected = np.linalg.inv(J.T @ J) * sigma**2
    assert np.abs(found.mean(axis=0) - point).max() < 5 * np.sqrt(expected.diagonal().max() / 4000)
    assert np.cov(found.T) == pytest.approx(expected, abs=0.08 * expected.max())


def test_rays_that_run_apart_are_not_passed_over_in_silence() -> None:
    """They meet behind the cameras, and the point is given: a bad rig must not get a good score by what cannot be its point."""
    T = np.stack([np.eye(4), invert(pose_from_rotvec([0.0, 0.0, 0.0], [0.5, 0.0, 0.0]))])
    left, right = np.array([[-0.5, 0.0, 1.0]]), np.array([[0.5, 0.0, 1.0]])
    pixels = np.stack([PINHOLE.project(left), PINHOLE.project(right)])
    found, _ = triangulate_pixels((PINHOLE, PINHOLE), T, pixels)
    assert np.allclose(found, [[0.25, 0.0, -0.5]])


def test_nothing_seen_is_no_error() -> None:
    found, residual = triangulate_pixels(MODELS, around(), np.full((3, 0, 2), np.nan))
    assert found.shape == (0, 3)
    assert residual.shape == (3, 0, 2)
