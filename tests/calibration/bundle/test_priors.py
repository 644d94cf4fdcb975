"""Cost of what is known before the images, with its gradient and curvature against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import RIGS, dense, dense_gradient, disturbed, jacobian_by_differences, make_bundle

from bodydouble.calibration.bundle.motion_prior import MotionPrior, link_residuals
from bodydouble.calibration.bundle.priors import prior_normal

orders = pytest.mark.parametrize("order", [1, 2, 3])
QUIET = MotionPrior(velocity=(0.5, 0.2), acceleration=(3.0, 1.0))


def with_priors(rig="moving head", *, order=1, seed=0, **kwargs):
    """Return a bundle that expects a little about every lens but one camera's focal length."""
    bundle = make_bundle(rig, order=order, lenses=("pinhole", "fisheye", "omni"), seed=seed, **kwargs)
    sigma = np.random.default_rng(0).uniform(0.5, 2, bundle.priors.intrinsics.shape) * [20, 20, 10, 10, *[0.1] * 5]
    sigma[0, :2] = np.inf
    expected = bundle.priors.intrinsics * 1.01 + 0.01
    return replace(bundle, priors=replace(bundle.priors, intrinsics=expected, intrinsics_sigma=sigma, motion=QUIET))


def prior_of(bundle, state, **changes):
    return prior_normal(state, bundle.structure, bundle.where, replace(bundle.priors, **changes))


@pytest.mark.parametrize("rig", RIGS)
@orders
@pytest.mark.parametrize("hold", [True, False])
def test_the_gradient_is_half_the_slope_of_the_cost(rig, order, hold):
    bundle = with_priors(rig, order=order, moments=3, hold=hold)
    state = disturbed(bundle)
    cost, normal = prior_of(bundle, state)
    assert cost > 0
    slope = jacobian_by_differences(bundle, state, lambda other: np.array(prior_of(bundle, other)[0]))
    gradient = dense_gradient(normal)
    assert np.allclose(gradient, slope / 2, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())


@orders
def test_the_curvature_is_half_that_of_the_cost_where_the_residuals_are_small(order):
    # Gauss-Newton leaves out residual times second derivative: at a state that the priors fully expect it is exact.
    bundle = with_priors("two bodies", order=order, moments=3, hold=False)
    knots = bundle.state.T_room_knot.copy()
    knots[:] = knots[:, :1]
    square = tuple(model.with_parameters([400.0, 400.0, *model.parameters[2:]]) for model in bundle.state.models)
    state = replace(bundle.state, models=square, T_room_knot=knots, rates=0 * bundle.state.rates, offset_s=0 * bundle.state.offset_s)
    priors = replace(bundle.priors, intrinsics=np.stack([np.pad(m.parameters, (0, 9 - len(m.parameters))) for m in square]))
    bundle = replace(bundle, priors=priors)
    cost, normal = prior_of(bundle, state)
    assert cost == pytest.approx(0.0, abs=1e-20)
    H = dense(normal)
    curvature = jacobian_by_differences(bundle, state, lambda other: dense_gradient(prior_of(bundle, other)[1]))
    assert np.allclose(H, curvature, rtol=1e-4, atol=1e-7 * np.abs(H).max())
    assert np.linalg.eigvalsh(H)[0] > -1e-9 * np.abs(H).max()


def test_each_prior_costs_the_square_of_how_many_sigmas_it_is_off():
    bundle = make_bundle("moving head", order=3, moments=2)
    P = bundle.where.intrinsics.shape[1]
    state = replace(bundle.state, offset_s=np.array([0.0, 0.03, -0.01]))
    off = bundle.priors.intrinsics.copy()
    off[1, 3] += 6.0
    sigma = np.full((3, P), np.inf)
    sigma[1, 3] = 2.0

    def cost(**changes) -> float:
        loose = {"aspect_sigma": 1e9, "offset_sigma_s": 1e9, "motion": MotionPrior((1e9, 1e9), (1e9, 1e9))}
        return prior_of(bundle, state, **(loose | changes))[0]

    assert cost() == pytest.approx(0.0, abs=1e-9)
    assert cost(intrinsics=off, intrinsics_sigma=sigma) == pytest.approx(9.0, abs=1e-9)
    assert cost(offset_sigma_s=0.02) == pytest.approx(1.5**2 + 0.5**2, abs=1e-9)
    aspect = [model.focal[1] / model.focal[0] - 1 for model in state.models]
    assert cost(aspect_sigma=0.01) == pytest.approx(np.square(np.array(aspect) / 0.01).sum(), abs=1e-9)
    assert cost(motion=MotionPrior((2.0, 1e9), (1e9, 1e9), settling_s=1e-9)) == pytest.approx(
        np.square(state.rates[0, :, 0, :3] / 2).sum(), rel=1e-6
    )


@pytest.mark.parametrize("order", [2, 3])
def test_knots_cost_what_their_difference_from_a_steady_motion_is_unlikely(order):
    bundle = make_bundle("two bodies", order=order, moments=4)
    state, prior = disturbed(bundle), MotionPrior((1e9, 1e9), (3.0, 2.0))
    loose = {"aspect_sigma": 1e9, "offset_sigma_s": 1e9}
    # The rates' own prior cannot be switched off without the links': take it off by hand.
    expected = 0.0
    gaps = np.diff(bundle.structure.moment_s)
    residual, _, _ = link_residuals(state.T_room_knot, state.rates, gaps)
    for chain, m, axis in np.ndindex(2, 3, 6):
        white = prior.link_whitening(gaps[m : m + 1], order)[0, axis // 3] @ residual[chain, m, axis::6]
        expected += white @ white
    rates = np.square(state.rates[:, :, 1:]) / np.repeat(np.square(prior.acceleration), 3)
    assert prior_of(bundle, state, motion=prior, **loose)[0] == pytest.approx(expected + rates.sum(), rel=1e-9)


def test_what_is_held_costs_nothing():
    bundle = with_priors("moving board", order=2)
    where = replace(
        bundle.where, intrinsics=np.full_like(bundle.where.intrinsics, 0), mount=np.full_like(bundle.where.mount, 0),
        offset=np.full_like(bundle.where.offset, 0), size=0,
    )  # fmt: skip
    still = replace(bundle.state, T_room_knot=np.tile(np.eye(4), (1, 4, 1, 1)), rates=0 * bundle.state.rates)
    cost, normal = prior_normal(still, bundle.structure, where, bundle.priors)
    assert cost == 0.0
    assert normal.global_global.shape == (0, 0)


def test_poses_alone_have_no_prior_and_neither_has_what_nothing_is_known_of():
    bundle = make_bundle("moving head", order=1)
    _, normal = prior_of(bundle, disturbed(bundle), aspect_sigma=1e9)
    assert not normal.local_local.any()
    assert not normal.local_next.any()
    assert not normal.local_gradient.any()
    assert np.abs(normal.global_global[:27, :27]).max() < 1e-15
    assert normal.global_global.shape == (bundle.where.size,) * 2


def test_one_moment_by_itself_has_no_links():
    bundle = make_bundle("moving head", order=3, moments=1)
    cost, normal = prior_of(bundle, bundle.state, motion=QUIET)
    assert normal.local_next.shape == (0, 18, 18)
    assert cost > 0
    assert np.array_equal(normal.local_local[0], np.diag(QUIET.rate_information(3)))
