"""The scale of corner errors: found again from samples whose scale is known, and what the weights are derivatives of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_t

from bodydouble.calibration.bundle.noise import FREEDOM, SMALLEST_SIGMA_PX, cost_of, scale_of, squared_error, variance_of, weight_of
from bodydouble.calibration.bundle.state import Views

sigmas = st.floats(0.02, 5.0)
seeds = st.integers(0, 2**32 - 1)
GAUSSIAN_EFFICIENCY = 0.91
"""As the docstring of FREEDOM says."""


def views_with(camera: np.ndarray, points: int) -> Views:
    """Return views (V,) of these cameras that see so many points each."""
    count = len(camera)
    zero = np.zeros(count, dtype=np.int64)
    number = np.tile(np.arange(points), (count, 1))
    return Views(camera, np.arange(count), zero, np.zeros(count), np.zeros((count, points, 3)), np.zeros((count, points, 2)), number)


def student(random: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Return errors (V, n, 2) with Student's t distribution: Gaussian ones, each divided by the root of its own chi-square."""
    stretch = np.sqrt(FREEDOM / random.chisquare(FREEDOM, shape))
    return sigma * random.normal(0, 1, (*shape, 2)) * stretch[..., None]


@settings(deadline=None, max_examples=20)
@given(sigma=sigmas, seed=seeds)
def test_the_scale_of_errors_of_students_distribution_is_found(sigma, seed):
    views = views_with(np.zeros(100, dtype=int), 100)
    residual = student(np.random.default_rng(seed), (100, 100), sigma)
    assert scale_of(residual, views, 1, 0.0)[0] == pytest.approx(sigma, rel=0.04)


def test_each_camera_gets_its_own_scale_or_all_the_same():
    random = np.random.default_rng(0)
    camera = np.repeat([0, 1, 2], 100)
    residual = np.concatenate([student(random, (100, 50), sigma) for sigma in (0.1, 0.4, 2.0)])
    views = views_with(camera, 50)
    assert scale_of(residual, views, 3, 0.0) == pytest.approx([0.1, 0.4, 2.0], rel=0.05)
    common = scale_of(residual, views, 3, 0.0, common=True)
    assert common[0] == common[1] == common[2]
    assert 0.1 < common[0] < 2.0
    assert common[0] == scale_of(residual, views_with(0 * camera, 50), 1, 0.0)[0]


@settings(deadline=None, max_examples=10)
@given(sigma=sigmas, seed=seeds)
def test_gaussian_errors_leave_the_estimate_as_uncertain_as_a_tenth_more_of_them_would(sigma, seed):
    views = views_with(np.zeros(100, dtype=int), 200)
    residual = np.random.default_rng(seed).normal(0, sigma, (100, 200, 2))
    scale = scale_of(residual, views, 1, 0.0)
    assert variance_of(residual, views, scale, 0.0)[0] == pytest.approx(sigma**2 / GAUSSIAN_EFFICIENCY, rel=0.05)


def test_the_variance_of_students_errors_is_that_of_the_best_estimate():
    # Fisher information of a location: (f + p) / (f + p + 2) / sigma^2 for p dimensions (Lange, Little and Taylor, JASA 1989).
    views, sigma = views_with(np.zeros(200, dtype=int), 500), np.array([0.3])
    residual = student(np.random.default_rng(0), (200, 500), sigma[0])
    assert variance_of(residual, views, sigma, 0.0)[0] == pytest.approx(sigma[0] ** 2 * (FREEDOM + 4) / (FREEDOM + 2), rel=0.02)


@pytest.mark.parametrize("errors", ["gaussian", "student", "with outliers"])
def test_a_robust_mean_scatters_as_much_as_the_variance_says(errors):
    random, trials, points = np.random.default_rng(0), 2000, 40
    residual = student(random, (trials, points), 0.3) if errors == "student" else random.normal(0, 0.3, (trials, points, 2))
    if errors == "with outliers":
        residual += np.where(random.random((trials, points, 1)) < 0.05, random.normal(0, 6, residual.shape), 0.0)
    views = views_with(np.zeros(trials, dtype=int), points)
    sigma = scale_of(residual, views, 1, 0.0)
    mean = np.zeros((trials, 1, 2))
    for _ in range(50):
        weight = weight_of(residual - mean, np.full(trials, sigma[0]))[..., None]
        mean = (weight * residual).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    assert mean.var() * points == pytest.approx(variance_of(residual, views, sigma, 0.0)[0], rel=0.06)


def test_a_few_gross_errors_hardly_change_the_scale():
    random, views = np.random.default_rng(0), views_with(np.zeros(100, dtype=int), 100)
    clean = random.normal(0, 0.2, (100, 100, 2))
    wrong = clean + np.where(random.random((100, 100, 1)) < 0.05, random.uniform(20, 200, clean.shape), 0.0)
    assert scale_of(wrong, views, 1, 0.0)[0] == pytest.approx(scale_of(clean, views, 1, 0.0)[0], rel=0.15)


def test_unknowns_take_up_part_of_the_errors_and_the_scale_is_put_right_for_them():
    # A mean of each view's four points takes up a quarter of the errors.
    random, views = np.random.default_rng(0), views_with(np.zeros(4000, dtype=int), 4)
    errors = student(random, (4000, 4), 0.2)
    absorbed = np.zeros((4000, 1, 2))
    sigma = np.full(4000, 0.2)
    for _ in range(30):
        weight = weight_of(errors - absorbed, sigma)[..., None]
        absorbed = (weight * errors).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    biased = scale_of(errors - absorbed, views, 1, 0.0)[0]
    assert biased < 0.9 * 0.2
    assert scale_of(errors - absorbed, views, 1, 2 * 4000)[0] == pytest.approx(0.2, rel=0.05)
    assert scale_of(errors - absorbed, views, 1, 1e9)[0] == pytest.approx(2 * biased, rel=1e-9), "never more than fourfold"


def test_points_that_are_not_seen_or_cannot_be_projected_do_not_count():
    random, views = np.random.default_rng(0), views_with(np.zeros(50, dtype=int), 40)
    residual = random.normal(0, 0.3, (50, 40, 2))
    outliers = np.zeros((50, 40), dtype=bool)
    outliers[:, 30:] = True
    some = residual.copy()
    some[outliers] = 0.0
    expected = scale_of(residual[:, :30], views_with(views.camera, 30), 1, 0.0)
    assert np.array_equal(scale_of(some, views.without(outliers), 1, 0.0), expected)
    unprojectable = residual.copy()
    unprojectable[outliers] = np.nan
    assert np.array_equal(scale_of(unprojectable, views, 1, 0.0), expected)


def test_a_camera_without_points_keeps_a_pixel_and_perfect_corners_are_not_believed():
    views = views_with(np.zeros(5, dtype=int), 10)
    assert scale_of(np.zeros((5, 10, 2)), views, 2, 0.0).tolist() == [SMALLEST_SIGMA_PX, 1.0]
    variance = variance_of(np.zeros((5, 10, 2)), views, np.array([SMALLEST_SIGMA_PX, 1.0]), 0.0)
    assert variance.tolist() == [SMALLEST_SIGMA_PX**2, 1.0]


@settings(deadline=None)
@given(seeds, sigmas)
def test_the_cost_is_twice_the_negative_log_likelihood_up_to_a_constant(seed, sigma):
    random = np.random.default_rng(seed)
    one, two = random.normal(0, 2 * sigma, (2, 3, 4, 2))
    views = views_with(np.zeros(3, dtype=int), 4)
    density = multivariate_t([0, 0], np.eye(2) * sigma**2, df=FREEDOM)
    found = cost_of(one, views, np.array([sigma])) - cost_of(two, views, np.array([sigma]))
    assert found == pytest.approx(-2 * (density.logpdf(one).sum() - density.logpdf(two).sum()), abs=1e-9)


@settings(deadline=None)
@given(seeds, sigmas)
def test_the_cost_falls_along_weighted_residuals(seed, sigma):
    residual = np.random.default_rng(seed).normal(0, 3 * sigma, (2, 3, 2))
    views, h = views_with(np.zeros(2, dtype=int), 3), 1e-5 * sigma
    weight = weight_of(residual, np.full(2, sigma))
    for at in np.ndindex(residual.shape):
        step = np.zeros(residual.shape)
        step[at] = h
        slope = (cost_of(residual + step, views, np.array([sigma])) - cost_of(residual - step, views, np.array([sigma]))) / (2 * h)
        assert slope == pytest.approx(2 * weight[at[:2]] * residual[at] / sigma**2, abs=1e-5 / sigma)


def test_a_good_corner_has_weight_one_and_a_far_one_a_fifteenth_at_ten_sigma():
    one = np.array([[[0.3, -0.3]]])
    assert weight_of(one, np.array([0.3])) == pytest.approx(1.0)
    assert weight_of(np.array([[[3.0, 0.0]]]), np.array([0.3])) == pytest.approx(1 / 15)
    assert weight_of(np.array([[[0.0, 0.0]]]), np.array([0.3])) == pytest.approx(1.4)


def test_what_cannot_be_projected_weighs_next_to_nothing_and_costs_a_lot():
    residual = np.array([[[np.nan, np.nan], [1e6, 0.0], [0.1, 0.0]]])
    sigma = np.array([0.1])
    assert squared_error(residual, sigma)[0].tolist() == pytest.approx([1e6, 1e6, 1.0])
    assert (weight_of(residual, sigma)[0, :2] < 1e-5).all()
    views = views_with(np.zeros(1, dtype=int), 3)
    assert 80 < cost_of(residual[:, :1], views_with(views.camera, 1), sigma) < 100
    assert np.isfinite(cost_of(residual, views, sigma))
