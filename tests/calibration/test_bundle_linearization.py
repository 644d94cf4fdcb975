"""Residuals against poses multiplied out, their derivatives against finite differences, and normal equations against dense matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import (
    LENSES,
    RIGS,
    dense,
    dense_gradient,
    dense_jacobian,
    disturbed,
    jacobian_by_differences,
    make_bundle,
    plain_residuals,
)

from bodydouble.calibration.bundle_linearization import linearize, normal_equations, residuals, view_poses
from bodydouble.calibration.bundle_state import STATIC
from bodydouble.calibration.transform import apply, invert, pose_from

each_rig = pytest.mark.parametrize("rig", RIGS)
orders = pytest.mark.parametrize("order", [1, 2, 3])


def linear_of(bundle, state):
    return linearize(state, bundle.structure, bundle.views, bundle.where.intrinsics.shape[1])


def T_camera_target(bundle, state, v):
    poses = view_poses(state, bundle.structure, bundle.views)
    T, g = pose_from(poses.R[v], poses.t[v]), bundle.views.target[v]
    return T @ state.T_room_target[g] if bundle.structure.chain_of_target[g] == STATIC else T


def hidden(bundle, share=0.3, seed=5):
    """Return the bundle with a share of the points not seen, some views of which nothing is seen, and some views gone."""
    random = np.random.default_rng(seed)
    gone = random.random(bundle.views.point.shape) < share
    gone[1] = True
    return replace(bundle, views=bundle.views.without(gone).select(random.random(len(gone)) > 0.2))


@each_rig
@orders
def test_residuals_are_what_the_poses_multiplied_out_say(rig, order):
    bundle = hidden(make_bundle(rig, order=order, lenses=("pinhole", "fisheye", "omni"), noise_px=1.0))
    state = disturbed(bundle)
    found = residuals(state, bundle.structure, bundle.views)
    assert np.allclose(found, plain_residuals(bundle, state), rtol=0, atol=1e-8)
    assert np.allclose(linear_of(bundle, state).residual, found, rtol=0, atol=1e-10)
    assert np.abs(found).max() > 1
    assert not found[~bundle.views.seen].any()


@each_rig
@orders
def test_derivatives_by_every_unknown_are_finite_differences_of_the_residuals(rig, order):
    bundle = make_bundle(rig, order=order, lenses=("pinhole", "fisheye"), moments=2, points=3, noise_px=1.0, hold=False)
    state = disturbed(bundle)
    numeric = jacobian_by_differences(bundle, state, lambda other: residuals(other, bundle.structure, bundle.views).ravel())
    analytic = dense_jacobian(bundle, linear_of(bundle, state))
    assert numeric.shape == analytic.shape
    assert np.allclose(analytic, numeric, rtol=1e-6, atol=2e-5)
    if order == 1 and bundle.structure.chains:
        assert not numeric[:, bundle.where.offset].any(), "a clock says nothing without motion"
    elif order > 1 and bundle.structure.chains:
        assert (np.abs(numeric[:, bundle.where.offset]).max(axis=0) > 1).any()


@pytest.mark.parametrize("lens", LENSES)
def test_derivatives_hold_for_every_model_of_a_camera(lens):
    bundle = make_bundle("two bodies", order=3, lenses=(lens,), moments=1, points=3, noise_px=1.0, hold=False)
    state = disturbed(bundle, 0.1)
    numeric = jacobian_by_differences(bundle, state, lambda other: residuals(other, bundle.structure, bundle.views).ravel())
    analytic = dense_jacobian(bundle, linear_of(bundle, state))
    assert np.allclose(analytic, numeric, rtol=1e-6, atol=2e-5)
    assert (np.abs(analytic).max(axis=0) > 0).all(), "every unknown moves something"


@each_rig
@orders
def test_normal_equations_are_those_of_the_dense_jacobian(rig, order):
    bundle = hidden(make_bundle(rig, order=order, lenses=("pinhole", "fisheye", "omni"), noise_px=1.0))
    state, random = disturbed(bundle), np.random.default_rng(0)
    linear = linear_of(bundle, state)
    weights = random.uniform(0.1, 10, bundle.views.point.shape)
    normal = normal_equations(linear, bundle.structure, bundle.views, bundle.where, weights)
    J, W = dense_jacobian(bundle, linear), np.repeat(weights.ravel(), 2)
    H, g = J.T @ (W[:, None] * J), J.T @ (W * linear.residual.ravel())
    assert np.allclose(dense(normal), H, rtol=1e-9, atol=1e-9 * np.abs(H).max())
    assert np.allclose(dense_gradient(normal), g, rtol=1e-9, atol=1e-9 * np.abs(g).max())
    assert not normal.local_next.any(), "views tie no two moments together"
    K = normal.local_global.shape[1]
    assert normal.local_local.shape == (4, K, K)


@each_rig
@pytest.mark.parametrize("order", [1, 3])
def test_views_that_share_an_image_give_the_same_as_each_by_itself(rig, order):
    bundle = hidden(make_bundle(rig, order=order, noise_px=1.0))
    views, state = bundle.views, disturbed(bundle)
    weights = np.random.default_rng(0).uniform(0.1, 10, views.point.shape)
    together = normal_equations(linear_of(bundle, state), bundle.structure, views, bundle.where, weights)
    each = []
    for v in range(len(views)):
        one = replace(bundle, views=views.select(np.array([v])))
        each.append(normal_equations(linear_of(one, state), one.structure, one.views, one.where, weights[v : v + 1]))
    assert np.allclose(dense(together), sum(map(dense, each)), rtol=1e-9, atol=1e-9 * np.abs(dense(together)).max())
    assert np.allclose(dense_gradient(together), sum(map(dense_gradient, each)), rtol=1e-9, atol=1e-7)


def test_the_order_of_the_views_does_not_matter():
    bundle = hidden(make_bundle("all at once", order=3, noise_px=1.0))
    state, shuffled = disturbed(bundle), np.random.default_rng(0).permutation(len(bundle.views))
    weights = np.random.default_rng(1).uniform(0.1, 10, bundle.views.point.shape)
    other = replace(bundle, views=bundle.views.select(shuffled))
    one = normal_equations(linear_of(bundle, state), bundle.structure, bundle.views, bundle.where, weights)
    two = normal_equations(linear_of(other, state), other.structure, other.views, other.where, weights[shuffled])
    assert np.allclose(dense(one), dense(two), rtol=1e-10, atol=1e-10 * np.abs(dense(one)).max())


def test_what_is_held_has_no_equation():
    bundle, free = make_bundle("moving head", order=1), make_bundle("moving head", order=1, hold=False)
    weights = np.ones(bundle.views.point.shape)
    some, every = (normal_equations(linear_of(b, disturbed(bundle)), b.structure, b.views, b.where, weights) for b in (bundle, free))
    kept = np.full(bundle.where.size, -1)
    for name in ("intrinsics", "mount", "offset", "target"):
        at, whole = getattr(bundle.where, name), getattr(free.where, name)
        kept[at[at < bundle.where.size]] = whole[at < bundle.where.size]
    assert free.where.size > bundle.where.size
    assert np.allclose(some.global_global, every.global_global[np.ix_(kept, kept)], rtol=1e-12)
    assert np.allclose(some.local_global, every.local_global[..., kept], rtol=1e-12)
    assert np.allclose(some.global_gradient, every.global_gradient[kept], rtol=1e-12)


@pytest.mark.parametrize("rig", ["moving board", "moving head"])
def test_a_point_that_the_lens_cannot_see_is_told_as_nan_and_pulls_nothing(rig):
    bundle = make_bundle(rig, lenses=("pinhole",), noise_px=1.0)
    points = bundle.views.points.copy()
    state = disturbed(bundle, 0.1)
    points[2, 1] = apply(invert(T_camera_target(bundle, state, 2)), [0.0, 0.0, -1.0])
    changed = replace(bundle, views=replace(bundle.views, points=points))
    linear = linear_of(changed, state)
    assert np.isnan(linear.residual[2, 1]).all()
    assert np.isnan(residuals(state, changed.structure, changed.views)[2, 1]).all()
    gone = np.zeros(points.shape[:2], dtype=bool)
    gone[2, 1] = True
    without = replace(changed, views=changed.views.without(gone))
    weights = np.ones(points.shape[:2])
    normal = normal_equations(linear, changed.structure, changed.views, changed.where, weights)
    expected = normal_equations(linear_of(without, state), without.structure, without.views, without.where, weights)
    assert np.array_equal(dense(normal), dense(expected))
    assert np.array_equal(dense_gradient(normal), dense_gradient(expected))
    assert np.isfinite(dense(normal)).all()


def test_a_camera_without_views_is_left_undecided():
    bundle = make_bundle("moving head", order=3)
    bundle = replace(bundle, views=bundle.views.select(bundle.views.camera != 1))
    linear = linear_of(bundle, bundle.state)
    normal = normal_equations(linear, bundle.structure, bundle.views, bundle.where, np.ones(bundle.views.point.shape))
    own = np.concatenate([bundle.where.intrinsics[1], bundle.where.mount[1], bundle.where.offset[1:2]])
    own = own[own < bundle.where.size]
    assert not normal.global_global[own].any()
    assert not normal.local_global[..., own].any()


@pytest.mark.parametrize("order", [2, 3])
def test_a_view_knows_how_fast_its_target_moves_past_the_camera(order):
    bundle = make_bundle("all at once", order=order)
    views, structure, h = bundle.views, bundle.structure, 1e-5
    linear = linear_of(bundle, bundle.state)
    later, earlier = (linear_of(replace(bundle, views=replace(views, time_s=views.time_s + k * h)), bundle.state).poses for k in (1, -1))
    assert np.allclose(linear.rate[:, 3:], (later.t - earlier.t) / (2 * h), rtol=0, atol=1e-6)
    turning = np.swapaxes(linear.poses.R, 1, 2) @ (later.R - earlier.R) / (2 * h)
    assert np.allclose(linear.rate[:, :3], np.stack([turning[:, 2, 1], turning[:, 0, 2], turning[:, 1, 0]], axis=1), rtol=0, atol=1e-6)
    assert np.abs(linear.rate).max() > 0.1
    assert structure.order == order
