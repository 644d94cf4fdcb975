"""The pose of a body with several cameras from rays to known points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.bearings import Points, residuals, triangulated
from bodydouble.calibration.odometry.body_pose import find_pose, refine_pose, whitening
from bodydouble.calibration.odometry.sights import Views, across
from bodydouble.calibration.transform import apply, invert, pose_distance, pose_from, rotate

PIXEL = 1e-3


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def world(seed: int, count: int = 80, noise: float = 0.0) -> tuple[np.ndarray, Points, Views]:
    """Return a pose, points around it, and how cameras 10 cm from the middle of a body see them."""
    rng = np.random.default_rng(seed)
    T = pose_from(rotation.exp(rng.normal(0, 1.0, 3)), rng.normal(0, 1.0, 3))
    inverse = rng.uniform(0.0, 1.5, count)
    direction, origin = unit(rng.normal(size=(count, 3))), rng.normal(0, 0.1, (count, 3)) + T[:3, 3]
    points = Points(origin, direction, inverse, np.zeros(count))
    place = 0.1 * unit(rng.normal(size=(5, 3)))[rng.integers(0, 5, count)]
    seen = rotate(invert(T), inverse[:, None] * (origin - T[:3, 3]) + direction) - inverse[:, None] * place
    ray = unit(seen)
    ray = unit(ray + noise * np.einsum("nki,nk->ni", across(ray), rng.normal(size=(count, 2))))
    return T, points, Views(place, ray, np.zeros((count, 3)), across(ray))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_residuals_vanish_at_the_truth_and_derivatives_are_those_of_finite_differences(seed: int) -> None:
    T, points, views = world(seed, 12, noise=0.02)
    shifted = Views(views.origin, views.ray, np.random.default_rng(seed).normal(0, 0.01, (12, 3)), views.axes)
    found = residuals(T[:3, :3], T[:3, 3], shifted, points, by_points=True)
    step = 1e-6
    for k in range(6):
        d = step * np.eye(6)[k]
        more = residuals(T[:3, :3] @ rotation.exp(d[:3]), T[:3, 3] + d[3:], shifted, points).value
        less = residuals(T[:3, :3] @ rotation.exp(-d[:3]), T[:3, 3] - d[3:], shifted, points).value
        assert np.allclose((more - less) / (2 * step), found.by_pose[:, :, k], atol=1e-6)
    for k in range(3):
        d = np.tile(step * np.eye(3)[k], (12, 1))
        more, less = (residuals(T[:3, :3], T[:3, 3], shifted, points.moved(s * d)).value for s in (1, -1))
        assert np.allclose((more - less) / (2 * step), found.by_point[:, :, k], atol=1e-6)
    assert np.allclose(found.by_inverse, found.by_point[:, :, 2])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_pose_is_found_from_a_guess_that_is_far_out_among_outliers(seed: int) -> None:
    T, points, views = world(seed, 90, noise=0.3 * PIXEL)
    rng = np.random.default_rng(seed + 1)
    wrong = rng.permutation(90)[:36]
    ray = np.array(views.ray)
    ray[wrong] = unit(rng.normal(size=(36, 3)))
    views = Views(views.origin, ray, views.shift, across(ray))
    guess = pose_from(T[:3, :3] @ rotation.exp(0.35 * unit(rng.normal(size=3))), T[:3, 3] + 0.1 * unit(rng.normal(size=3)))
    found = find_pose(guess, views, points, np.full(90, 0.5 * PIXEL))
    assert found is not None
    turned, away = pose_distance(T, found.T)
    assert turned < 2 * PIXEL
    assert away < 5 * PIXEL
    assert not found.agrees[wrong].any()


def test_the_pose_moves_with_the_world():
    T, points, views = world(3)
    G = pose_from(rotation.exp([0.4, -1.2, 2.0]), [3.0, -2.0, 0.5])
    moved = Points(apply(G, points.origin), rotate(G, points.direction), points.inverse_m, points.sigma)
    found = refine_pose(G @ T, views, moved, np.full(80, PIXEL))
    assert found is not None
    assert np.allclose(found.T, G @ T, atol=1e-9)


def test_the_covariance_is_that_of_many_noisy_solutions():
    errors, covariance = [], np.zeros((6, 6))
    for seed in range(150):
        T, points, views = world(7, 60)
        noise = np.random.default_rng(seed).normal(size=(60, 2))
        ray = unit(views.ray + PIXEL * np.einsum("nki,nk->ni", views.axes, noise))
        found = refine_pose(T, Views(views.origin, ray, views.shift, across(ray)), points, np.full(60, PIXEL))
        assert found is not None
        errors.append(np.concatenate([rotation.log(T[:3, :3].T @ found.T[:3, :3]), found.T[:3, 3] - T[:3, 3]]))
        covariance += found.covariance / 150
    assert np.sqrt(np.mean(np.square(errors), axis=0)) == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.3)


def test_a_moment_whose_sights_are_all_worse_says_so():
    T, points, views = world(5, 200, noise=3 * PIXEL)
    found = refine_pose(T, views, points, np.full(200, PIXEL))
    assert found is not None
    assert found.scale == pytest.approx(3, rel=0.25)
    assert found.agrees.mean() > 0.95


def test_too_few_sights_have_no_pose():
    T, points, views = world(0, 4)
    assert find_pose(T, views, points, np.full(4, PIXEL)) is None


def test_residuals_of_points_at_uncertain_distance_are_whitened():
    rng = np.random.default_rng(0)
    by_inverse, sigma, doubt = rng.normal(size=(5, 2)), np.full(5, 0.3), rng.uniform(0, 2, 5)
    W = whitening(by_inverse, sigma, doubt)
    spread = by_inverse * doubt[:, None]
    S = 0.09 * np.eye(2) + spread[:, :, None] * spread[:, None, :]
    assert np.allclose(W @ S @ np.swapaxes(W, 1, 2), np.eye(2))


def test_points_are_triangulated_where_they_are_and_not_where_one_view_saw_them():
    rng = np.random.default_rng(1)
    places = rng.normal(0, 0.3, (4, 3))
    truth = np.array([[2.0, 0.5, 1.0], [1e5, 2e5, 3e4], [1.0, -1.0, 0.3]])
    pairs = [(0, 0), (1, 0), (2, 0), (0, 1), (3, 1), (1, 2)]  # place, point
    origin = np.array([places[a] for a, _ in pairs])
    ray = unit(np.array([truth[b] for _, b in pairs]) - origin)
    views = Views(origin, ray, np.zeros((6, 3)), across(ray))
    same = np.eye(4)[None].repeat(6, axis=0)
    found = triangulated(same[:, :3, :3], same[:, :3, 3], views, np.array([b for _, b in pairs]), 3, np.full(6, PIXEL))
    assert np.allclose(found.origin[0] + found.direction[0] / found.inverse_m[0], truth[0])
    assert found.inverse_m[1] == pytest.approx(0, abs=1e-4)
    assert not found.known[2]
