"""Deviations of single views: integrating them out against solving for them explicitly, and finding their spread again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bundles import dense, dense_gradient, dense_jacobian, disturbed, make_bundle

from bodydouble.calibration.bundle.linearization import Linearization, linearize
from bodydouble.calibration.bundle.normal import normal_equations
from bodydouble.calibration.bundle.slack import Slack, absorb
from bodydouble.calibration.bundle.state import STATIC

ALL = Slack(rotation=3e-3, position=1e-3, time_s=2e-3)
slacks = pytest.mark.parametrize(
    "slack", [ALL, Slack(rotation=1e-3), Slack(position=2e-3), Slack(time_s=5e-3), Slack(rotation=0.05, position=0.02, time_s=0.05)]
)


def case(rig="all at once", seed=0):
    """Return a bundle, its linearization, weights, and which views may deviate."""
    bundle = make_bundle(rig, order=3, moments=2, points=4, noise_px=0.5, seed=seed)
    linear = linearize(disturbed(bundle, 0.1), bundle.structure, bundle.views, bundle.where.intrinsics.shape[1])
    weights = np.random.default_rng(seed).uniform(1, 30, bundle.views.point.shape)
    return bundle, linear, weights, bundle.structure.chain_of_target[bundle.views.target] != STATIC


def root_of(S: np.ndarray) -> np.ndarray:
    """Return a matrix R with R R^T = S, for S that may be singular."""
    values, vectors = np.linalg.eigh(S)
    return vectors * np.sqrt(np.maximum(values, 0))


def explicit(linear: Linearization, weights: np.ndarray, S: np.ndarray, v: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a view's most likely deviation, its covariance given all else, and the derivatives by it, from root(S) times unit unknowns."""
    A = linear.J[v, :, :, -6:].reshape(-1, 6)
    root = root_of(S)
    W = np.repeat(weights[v], 2)
    H = root.T @ A.T @ (W[:, None] * A) @ root + np.eye(6)
    found = -np.linalg.solve(H, root.T @ A.T @ (W * linear.residual[v].ravel()))
    return root @ found, root @ np.linalg.inv(H) @ root.T, A


@slacks
def test_the_covariance_adds_up_its_parts_and_leaves_alone_what_is_not_free(slack):
    _, linear, _, free = case()
    covariance = slack.covariance(linear.rate, free)
    for v in range(len(free)):
        r = linear.rate[v]
        expected = np.diag([slack.rotation**2] * 3 + [slack.position**2] * 3) + slack.time_s**2 * np.outer(r, r)
        assert np.allclose(covariance[v], expected if free[v] else 0.0, rtol=1e-12, atol=0)
    assert free.any()
    assert not free.all()


def test_a_view_that_was_given_up_has_no_deviation():
    _, linear, _, free = case()
    given_up = np.random.default_rng(0).random(len(free)) < 0.3
    plain, fewer = ALL.covariance(linear.rate, free), replace(ALL, given_up=given_up).covariance(linear.rate, free)
    assert np.array_equal(fewer, plain * ~given_up[:, None, None])


@slacks
def test_integrating_deviations_out_is_solving_for_them_and_dropping_them(slack):
    bundle, linear, weights, free = case()
    S = slack.covariance(linear.rate, free)
    found = normal_equations(linear, bundle.structure, bundle.views, bundle.where, weights, S)
    J, W, r = dense_jacobian(bundle, linear), np.repeat(weights.ravel(), 2), linear.residual.ravel()
    n = 2 * weights.shape[1]
    # Deviation = root times 6 unit unknowns of each view, each with a prior of 1; then the Schur complement of all of them.
    D = np.zeros((len(r), 6 * len(free)))
    for v in range(len(free)):
        D[v * n : (v + 1) * n, 6 * v : 6 * v + 6] = linear.J[v, :, :, -6:].reshape(n, 6) @ root_of(S[v])
    inner = np.linalg.inv(D.T @ (W[:, None] * D) + np.eye(D.shape[1]))
    cross = J.T @ (W[:, None] * D)
    H = J.T @ (W[:, None] * J) - cross @ inner @ cross.T
    g = J.T @ (W * r) - cross @ inner @ (D.T @ (W * r))
    assert np.allclose(dense(found), H, rtol=1e-6, atol=1e-9 * np.abs(H).max())
    assert np.allclose(dense_gradient(found), g, rtol=1e-6, atol=1e-9 * np.abs(g).max())
    plain = normal_equations(linear, bundle.structure, bundle.views, bundle.where, weights)
    assert np.abs(dense(plain) - H).max() > 1e-3 * np.abs(H).max(), "it matters"


@slacks
def test_a_view_takes_its_most_likely_deviation_and_pays_for_it(slack):
    _, linear, weights, free = case()
    S = slack.covariance(linear.rate, free)
    found = absorb(linear, weights, slack, free, free)
    for v in range(len(free)):
        deviation, covariance, A = explicit(linear, weights, S[v], v)
        assert np.allclose(found.residual[v].ravel(), linear.residual[v].ravel() + A @ deviation, rtol=0, atol=1e-8)
        W = np.repeat(weights[v], 2)
        cost = deviation @ np.linalg.pinv(S[v], rcond=1e-13) @ deviation
        assert found.cost[v] == pytest.approx(cost, rel=1e-5, abs=1e-9)
        assert found.decided[v] == pytest.approx(np.trace(covariance @ A.T @ (W[:, None] * A)), rel=1e-6, abs=1e-9)
        assert 0 <= found.decided[v] <= 6
    assert not found.cost[~free].any()


def test_after_it_no_other_deviation_is_likelier():
    _, linear, weights, free = case()
    found, S = absorb(linear, weights, ALL, free, free), ALL.covariance(linear.rate, free)
    random = np.random.default_rng(0)
    for v in np.flatnonzero(free):
        deviation, _, A = explicit(linear, weights, S[v], v)
        W, prior = np.repeat(weights[v], 2), np.linalg.inv(S[v])

        def cost(d, v=v, A=A, W=W, prior=prior):
            return W @ np.square(linear.residual[v].ravel() + A @ d) + d @ prior @ d

        best = W @ np.square(found.residual[v].ravel()) + found.cost[v]
        assert best == pytest.approx(cost(deviation), rel=1e-9)
        assert all(cost(deviation + random.normal(0, 1e-4, 6)) > best for _ in range(20))


def simulated(slack: Slack, views: int, seed: int) -> tuple[Linearization, np.ndarray]:
    """Return a linearization and weights: residuals are noise of 0.05 px and deviations of this spread, at derivatives of a real bundle."""
    _, linear, _, free = case("moving board", seed)
    random = np.random.default_rng(seed)
    which = random.choice(np.flatnonzero(free), views)
    J, rate = linear.J[which], linear.rate[which] * random.uniform(0.5, 1.5, (views, 1))
    deviation = np.concatenate([random.normal(0, slack.rotation, (views, 3)), random.normal(0, slack.position, (views, 3))], axis=1)
    deviation += random.normal(0, 1, (views, 1)) * slack.time_s * rate
    residual = np.einsum("vnik,vk->vni", J[..., -6:], deviation) + random.normal(0, 0.05, (views, J.shape[1], 2))
    return replace(linear, residual=residual, J=J, rate=rate), np.full((views, J.shape[1]), 1 / 0.05**2)


def settled(slack: Slack, linear: Linearization, weights: np.ndarray, steps: int = 80) -> Slack:
    yes = np.ones(len(weights), dtype=bool)
    for _ in range(steps):
        slack = absorb(linear, weights, slack, yes, yes).slack
    return slack


true_slacks = pytest.mark.parametrize("true", [Slack(4e-3), Slack(0.0, 1e-3), Slack(0.0, 0.0, 4e-3), Slack(4e-3, 1e-3, 8e-3)])


@true_slacks
def test_the_spread_of_deviations_is_found_again(true):
    linear, weights = simulated(true, 1000, 0)
    found = settled(Slack(true.rotation and 2e-2, true.position and 1e-2, true.time_s and 2e-2), linear, weights)
    for name in ("rotation", "position", "time_s"):
        assert getattr(found, name) == pytest.approx(getattr(true, name), rel=0.1)


@true_slacks
def test_views_that_were_given_up_do_not_change_the_spread(true):
    linear, weights = simulated(true, 1000, 0)
    residual, given_up = linear.residual.copy(), np.arange(1000) % 20 == 0
    residual[given_up] *= 30
    clean, spoiled = (settled(replace(true, given_up=given_up), replace(linear, residual=r), weights) for r in (linear.residual, residual))
    for name in ("rotation", "position", "time_s"):
        assert getattr(spoiled, name) == pytest.approx(getattr(clean, name), rel=1e-12)


def test_without_deviations_the_spread_shrinks_to_its_least():
    linear, weights = simulated(Slack(), 300, 0)
    before = Slack(1e-3, 1e-3, 1e-3)
    for _ in range(5):
        after = settled(before, linear, weights, 5)
        assert all(getattr(after, name) < getattr(before, name) for name in ("rotation", "position", "time_s"))
        before = after
    assert min(before.rotation, before.position, before.time_s) >= 1e-6


def test_views_that_tell_nothing_about_their_deviation_do_not_change_the_spread():
    linear, weights = simulated(ALL, 50, 0)
    no = np.zeros(50, dtype=bool)
    assert absorb(linear, weights, ALL, ~no, no).slack == ALL
    huge = replace(linear, residual=1e4 * linear.residual)
    most = absorb(huge, weights, ALL, ~no, ~no).slack
    assert (most.rotation, most.position, most.time_s) == (0.05, 0.02, 0.05)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_slack_is_none_only_when_all_its_parts_are(rotation, position, time_s):
    assert bool(Slack(rotation, position, time_s)) == (rotation > 0 or position > 0 or time_s > 0)


def test_a_point_that_cannot_be_projected_stays_so_and_spoils_nothing_else():
    _, linear, weights, free = case()
    v = int(np.flatnonzero(free)[0])
    residual, J = linear.residual.copy(), linear.J.copy()
    residual[v, 0], J[v, 0] = np.nan, 0.0
    found = absorb(replace(linear, residual=residual, J=J), weights, ALL, free, free)
    assert np.isnan(found.residual[v, 0]).all()
    assert np.isfinite(np.delete(found.residual[v], 0, axis=0)).all()
    assert np.isfinite(found.cost).all()
    assert all(np.isfinite([found.slack.rotation, found.slack.position, found.slack.time_s]))
