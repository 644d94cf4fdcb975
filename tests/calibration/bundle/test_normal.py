"""Normal equations against those of the dense Jacobian, however views share images and whatever is held or not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import RIGS, T_camera_target, dense, dense_gradient, dense_jacobian, disturbed, hidden, linear_of, make_bundle

from bodydouble.calibration.bundle.linearization import residuals
from bodydouble.calibration.bundle.normal import normal_equations
from bodydouble.calibration.transform import apply, invert

each_rig = pytest.mark.parametrize("rig", RIGS)
orders = pytest.mark.parametrize("order", [1, 2, 3])


@each_rig
@orders
def test_normal_equations_are_those_of_the_dense_jacobian(rig, order):
    bundle = hidden(make_bundle(rig, order=order, lenses=("pinhole", "fisheye", "omni"), moments=3, points=3, noise_px=1.0))
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
    assert normal.local_local.shape == (3, K, K)


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


def test_equations_of_two_kinds_of_knowledge_are_added_up():
    bundle = make_bundle("two bodies", order=2, noise_px=1.0)
    linear, weights = linear_of(bundle, bundle.state), np.ones(bundle.views.point.shape)
    one, two = (normal_equations(linear, bundle.structure, bundle.views, bundle.where, k * weights) for k in (1.0, 2.0))
    assert np.allclose(dense(one + one), dense(two), rtol=1e-12, atol=0)
    assert np.allclose(dense_gradient(one + one), dense_gradient(two), rtol=1e-12, atol=0)
