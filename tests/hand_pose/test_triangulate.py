from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.hand_pose.triangulate import triangulate, triangulate_linear

ORIGINS = np.array([[3.0, 0.0, 1.5], [0.0, 3.0, 1.2], [-3.0, 0.5, 1.6], [0.5, -3.0, 1.0]])
SIGMA = 0.005


def rays_to(points: np.ndarray, origins: np.ndarray = ORIGINS) -> np.ndarray:
    towards = points[None] - origins[:, None]
    return towards / np.linalg.norm(towards, axis=-1, keepdims=True)


def turned(rays: np.ndarray, angle: float) -> np.ndarray:
    """Turn rays (N, 3) about the vertical."""
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    return rays @ rotation.T


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform([-0.5, -0.5, 0.2], [0.5, 0.5, 1.8], (50, 3))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3), st.integers(2, 4))
def test_exact_rays_meet_exactly(place, cameras):
    point = np.array([[place[0], place[1], 1.0 + place[2]]])
    rays = rays_to(point, ORIGINS[:cameras])
    angle = np.degrees(np.arccos(np.clip(abs(float(rays[0, 0] @ rays[1, 0])), 0, 1)))
    found = triangulate(ORIGINS[:cameras], rays, np.ones((cameras, 1)), SIGMA)
    if cameras > 2 or angle > 3.5:
        np.testing.assert_allclose(found.points, point, atol=1e-7)
        assert found.inlier.all()
        assert found.cost[0] < 1e-9


@pytest.mark.parametrize("wrong", range(4))
def test_one_camera_of_four_that_looks_elsewhere_is_ignored(points, wrong):
    rays = rays_to(points)
    rays[wrong] = turned(rays[wrong], np.radians(8))
    found = triangulate(ORIGINS, rays, np.ones((4, len(points))), SIGMA)
    assert np.linalg.norm(found.points - points, axis=1).max() < 0.002
    assert not found.inlier[wrong].any()
    assert np.delete(found.inlier, wrong, axis=0).all()
    plain = triangulate_linear(ORIGINS, rays, np.ones((4, len(points))))
    assert np.linalg.norm(plain - points, axis=1).min() > 0.02


def test_noise_is_averaged_over_all_cameras_and_not_left_to_the_best_two(points):
    rng = np.random.default_rng(1)
    noisy = rays_to(points) + rng.normal(0, 0.003, (4, len(points), 3))
    noisy /= np.linalg.norm(noisy, axis=-1, keepdims=True)
    weights = np.ones((4, len(points)))
    error = np.linalg.norm(triangulate(ORIGINS, noisy, weights, SIGMA).points - points, axis=1)
    plain = np.linalg.norm(triangulate_linear(ORIGINS, noisy, weights) - points, axis=1)
    assert np.median(error) < 1.15 * np.median(plain)


def test_a_camera_that_saw_nothing_or_counts_nothing_changes_nothing(points):
    rays = rays_to(points)
    weights = np.ones((4, len(points)))
    rays[0], rays[1] = np.nan, turned(rays[1], 0.5)
    weights[1] = 0.0
    found = triangulate(ORIGINS, rays, weights, SIGMA)
    np.testing.assert_allclose(found.points, points, atol=1e-7)
    assert not found.inlier[:2].any()
    np.testing.assert_allclose(triangulate_linear(ORIGINS, rays, weights), points, atol=1e-9)


def test_one_ray_is_not_enough(points):
    rays = rays_to(points)
    rays[1:] = np.nan
    for found in (triangulate(ORIGINS, rays, np.ones((4, 50)), SIGMA).points, triangulate_linear(ORIGINS, rays, np.ones((4, 50)))):
        assert np.isnan(found).all()
    assert np.isnan(triangulate(ORIGINS, rays, np.ones((4, 50)), SIGMA).cost).all()


def test_nothing_to_triangulate_is_not_an_error():
    found = triangulate(ORIGINS, np.empty((4, 0, 3)), np.empty((4, 0)), SIGMA)
    assert (found.points.shape, found.cost.shape, found.inlier.shape) == ((0, 3), (0,), (4, 0))


@pytest.mark.parametrize("angle_deg", [0.0, 1.0, 2.5])
def test_rays_too_close_to_parallel_leave_the_point_unknown(angle_deg):
    origins = np.array([[0.0, 0.0, 0.0], [0.05, 0.0, 0.0]])
    one = np.array([0.0, 1.0, 0.0])
    rays = np.stack([one[None], turned(one[None], np.radians(angle_deg))])
    assert np.isnan(triangulate(origins, rays, np.ones((2, 1)), SIGMA).points).all()


def test_rays_that_meet_behind_the_cameras_do_not_give_that_point(points):
    """Two views that see the person in opposite directions of where their lines cross."""
    rays = -rays_to(points[:5], ORIGINS[:2])
    assert np.isnan(triangulate(ORIGINS[:2], rays, np.ones((2, 5)), SIGMA).points).all()


def test_each_camera_may_move_from_point_to_point(points):
    rng = np.random.default_rng(2)
    origins = ORIGINS[:, None] + rng.normal(0, 0.3, (4, len(points), 3))
    towards = points[None] - origins
    rays = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
    np.testing.assert_allclose(triangulate(origins, rays, np.ones((4, len(points))), SIGMA).points, points, atol=1e-7)


def test_eight_cameras_with_one_outlier_agree_too(points):
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    origins = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.full(8, 1.5)], axis=1)
    rays = rays_to(points, origins)
    rays[3] = turned(rays[3], 0.3)
    found = triangulate(origins, rays, np.ones((8, len(points))), SIGMA)
    assert np.linalg.norm(found.points - points, axis=1).max() < 0.002
