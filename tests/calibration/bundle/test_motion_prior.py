"""The motion prior against its integral, and how knots follow from each other against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.legendre import leggauss

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.motion_prior import MotionPrior, link_residuals
from bodydouble.calibration.bundle.state import moved
from bodydouble.calibration.transform import pose_from

seeds = st.integers(0, 2**32 - 1)
orders = pytest.mark.parametrize("order", [2, 3])


def transition(h: float, order: int) -> np.ndarray:
    """From the terms of a knot (pose, velocity, acceleration) to those ``h`` s later."""
    return np.array([[1, h, h * h / 2], [0, 1, h], [0, 0, 1]])[:order, :order]


@orders
@settings(deadline=None, max_examples=30)
@given(h=st.floats(1e-3, 20.0), acceleration=st.floats(0.1, 50.0), settling_s=st.floats(0.01, 1.0))
def test_what_two_knots_may_differ_by_is_white_noise_integrated_over_the_gap(order, h, acceleration, settling_s):
    # Noise enters the highest term: jerk for order 3, acceleration for order 2. The integrand is a polynomial: five nodes are exact.
    power = acceleration**2 * (settling_s if order == 2 else 1 / settling_s)
    node, weight = leggauss(5)
    into = np.stack([transition(s, order)[:, -1] for s in h * (node + 1) / 2])
    covariance = power * h / 2 * np.einsum("k,ki,kj->ij", weight, into, into)
    prior = MotionPrior(acceleration=(acceleration, 2 * acceleration), settling_s=settling_s)
    ((turn, move),) = prior.link_whitening(np.array([h]), order)
    assert np.allclose(turn @ covariance @ turn.T, np.eye(order), rtol=0, atol=1e-9)
    assert np.allclose(move @ (4 * covariance) @ move.T, np.eye(order), rtol=0, atol=1e-9)


def test_simulated_white_jerk_is_whitened_to_unit_variance():
    prior, h, steps, count = MotionPrior(), 0.2, 100, 20_000
    random, dt = np.random.default_rng(0), 0.2 / 100
    x = np.zeros((count, 3))
    for _ in range(steps):
        jerk = random.normal(0, prior.acceleration[0] / np.sqrt(prior.settling_s * dt), count)
        x += dt * np.stack([x[:, 1] + x[:, 2] * dt / 2 + jerk * dt**2 / 6, x[:, 2] + jerk * dt / 2, jerk], axis=1)
    white = x @ prior.link_whitening(np.array([h]), 3)[0, 0].T
    assert np.allclose(np.cov(white.T), np.eye(3), atol=0.05)


def test_every_gap_gets_its_own_whitening():
    gaps = np.array([0.1, 0.5, 3.0])
    together = MotionPrior().link_whitening(gaps, 3)
    assert together.shape == (3, 2, 3, 3)
    for gap, one in zip(gaps, together, strict=True):
        assert np.array_equal(one, MotionPrior().link_whitening(np.array([gap]), 3)[0])


def test_rates_alone_are_expected_near_zero_and_the_pose_anywhere():
    prior = MotionPrior(velocity=(2.0, 0.5), acceleration=(10.0, 4.0))
    assert prior.rate_information(1).tolist() == [0.0] * 6
    assert prior.rate_information(2).tolist() == [0.0] * 6 + [1 / 4] * 3 + [4.0] * 3
    assert prior.rate_information(3).tolist() == [0.0] * 6 + [1 / 4] * 3 + [4.0] * 3 + [1 / 100] * 3 + [1 / 16] * 3


def knots(seed: int, order: int, *, chains: int = 2, moments: int = 4, turn: float = 0.8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return any poses, rates and gaps; from knot to knot a turn of up to ``turn`` rad a axis."""
    random = np.random.default_rng(seed)
    R = rotation.exp(random.normal(0, 2, (chains, 1, 3)))
    for _ in range(moments - 1):
        R = np.concatenate([R, R[:, -1:] @ rotation.exp(random.uniform(-turn, turn, (chains, 1, 3)))], axis=1)
    T = pose_from(R, random.normal(0, 1, (chains, moments, 3)))
    return T, random.normal(0, 2, (chains, moments, order - 1, 6)), random.uniform(0.05, 2.0, moments - 1)


@orders
@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_a_motion_about_one_axis_and_along_one_curve_leaves_no_residual(order, seed):
    random = np.random.default_rng(seed)
    axis = random.normal(0, 1, 3) / 2
    polynomial = random.normal(0, 1, 3) * [1, 1, order == 3]  # angle, rate, rate of the rate
    times = np.cumsum(random.uniform(0.05, 0.4, 4))
    terms = np.stack([transition(t, 3) @ polynomial for t in times])
    start, direction = rotation.exp(random.normal(0, 2, 3)), random.normal(0, 1, 3)
    T = pose_from(start @ rotation.exp(terms[:, :1] * axis), terms[:, :1] * direction)[None]
    rates = np.stack([np.concatenate([terms[:, k : k + 1] * axis, terms[:, k : k + 1] * direction], axis=1) for k in (1, 2)], axis=1)[None]
    residual, _, _ = link_residuals(T, rates[:, :, : order - 1], np.diff(times))
    assert residual.shape == (1, 3, 6 * order)
    assert np.abs(residual).max() < 1e-11


@orders
@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_the_residual_is_where_the_next_knot_is_seen_from_where_the_one_before_was_going(order, seed):
    T, rates, gaps = knots(seed, order)
    residual, _, _ = link_residuals(T, rates, gaps)
    for chain, m in np.ndindex(2, 3):
        before, after = rates[chain, m], rates[chain, m + 1]
        step = np.concatenate([rotation.log(T[chain, m, :3, :3].T @ T[chain, m + 1, :3, :3]), T[chain, m + 1, :3, 3] - T[chain, m, :3, 3]])
        expected = np.concatenate([step, *(after - before)]) - (transition(gaps[m], order) - np.eye(order))[:, 1:].dot(before).ravel()
        assert np.allclose(residual[chain, m], expected, rtol=0, atol=1e-12)


@orders
@pytest.mark.parametrize("turn", [1e-6, 0.8, 1.7])
@settings(deadline=None, max_examples=6)
@given(seed=seeds)
def test_jacobians_are_the_finite_differences_of_the_residual(order, turn, seed):
    T, rates, gaps = knots(seed, order, turn=turn)
    _, by_before, by_after = link_residuals(T, rates, gaps)
    h = 1e-4

    def after_moving(m: int, column: int, by: float) -> np.ndarray:
        step = np.zeros(6 * order)
        step[column] = by
        T_moved, rates_moved = T.copy(), rates.copy()
        T_moved[:, m] = moved(T[:, m], np.broadcast_to(step[:6], (2, 6)))
        rates_moved[:, m] += step[6:].reshape(order - 1, 6)
        return link_residuals(T_moved, rates_moved, gaps)[0]

    for m in range(4):
        for column in range(6 * order):
            near, far = (after_moving(m, column, k * h) - after_moving(m, column, -k * h) for k in (1, 2))
            numeric = (8 * near - far) / (12 * h)
            analytic = np.zeros_like(numeric)
            if m < 3:
                analytic[:, m] += by_before[:, m, :, column]
            if m > 0:
                analytic[:, m - 1] += by_after[:, m - 1, :, column]
            assert np.allclose(numeric, analytic, rtol=0, atol=2e-8)
