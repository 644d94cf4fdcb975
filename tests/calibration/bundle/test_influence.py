"""The number of unknowns that images decide, against the trace of the dense matrix from observations to predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import dense, dense_jacobian, make_bundle

from bodydouble.calibration.bundle.influence import decided_unknowns
from bodydouble.calibration.bundle.linearization import linearize
from bodydouble.calibration.bundle.priors import prior_normal
from bodydouble.calibration.bundle.slack import Slack
from bodydouble.calibration.bundle.solver import SingularError
from bodydouble.calibration.bundle.state import STATIC


def case(rig: str, order: int, **priors):
    bundle = make_bundle(rig, order=order, moments=3, points=5, lenses=("fisheye",))
    bundle = replace(bundle, priors=replace(bundle.priors, **priors))
    linear = linearize(bundle.state, bundle.structure, bundle.views, bundle.where.intrinsics.shape[1])
    prior = prior_normal(bundle.state, bundle.structure, bundle.where, bundle.priors)[1]
    weights = np.random.default_rng(0).uniform(20, 200, bundle.views.point.shape)
    return bundle, linear, prior, weights, bundle.structure.chain_of_target[bundle.views.target] != STATIC


def decided(bundle, linear, prior, weights, free, slack=Slack(), probes=200):
    return decided_unknowns(
        linear, bundle.structure, bundle.views, bundle.where, prior, weights, slack, free, damping=1e-9, probes=probes
    )  # fmt: skip


def by_trace(bundle, linear, prior, weights, free, slack=Slack()) -> float:
    """Predictions of whitened observations y are y - V^-1 (y - A x), where x solves A^T V^-1 A + priors: the trace of that."""
    root = np.sqrt(np.repeat(weights.ravel(), 2))
    A, n = root[:, None] * dense_jacobian(bundle, linear), 2 * weights.shape[1]
    V, S = np.eye(len(root)), slack.covariance(linear.rate, free)
    for v in range(len(free)):
        here = slice(v * n, (v + 1) * n)
        D = root[here, None] * linear.J[v, :, :, -6:].reshape(n, 6)
        V[here, here] += D @ S[v] @ D.T
    inverse = np.linalg.inv(V)
    H = A.T @ inverse @ A + dense(prior)
    H[np.diag_indices_from(H)] *= 1 + 1e-9
    unit = np.eye(len(root))
    return float(np.trace(unit - inverse @ (unit - A @ np.linalg.solve(H, A.T @ inverse))))


@pytest.mark.parametrize("slack", [Slack(), Slack(1e-4, 1e-4, 1e-4), Slack(2e-3, 5e-4, 2e-3), Slack(0.05, 0.02, 0.05)])
@pytest.mark.parametrize(("rig", "order"), [("moving board", 1), ("moving board", 3), ("moving head", 2)])
def test_it_is_the_trace_of_the_influence_matrix(rig, order, slack):
    parts = case(rig, order)
    assert decided(*parts, slack, 100) == pytest.approx(by_trace(*parts, slack), rel=0.04)


def test_where_nothing_else_is_known_every_unknown_that_is_seen_is_decided():
    bundle, linear, prior, weights, free = case("moving head", 1)
    unknowns = bundle.where.size + 3 * 6
    assert decided(bundle, linear, prior, weights, free) == pytest.approx(unknowns, rel=0.02)
    few = 0.5 * decided(bundle, linear, prior, weights, free, probes=1) + 0.5 * decided(bundle, linear, prior, weights, free, probes=2)
    assert few == pytest.approx(unknowns, rel=0.35), "a few probes will do"


def test_what_priors_hold_is_not_decided_by_images():
    bundle, linear, prior, weights, free = case("moving head", 1, intrinsics_sigma=np.full((3, 8), 1e-9))
    assert decided(bundle, linear, prior, weights, free) == pytest.approx(bundle.where.size + 18 - 3 * 8, rel=0.03)


def test_unknowns_that_nothing_touches_are_an_error():
    bundle, linear, prior, weights, free = case("moving head", 1)
    with pytest.raises(SingularError):
        decided(bundle, linear, prior, np.where((bundle.views.camera == 1)[:, None], 0.0, weights), free)
