"""Residuals against poses multiplied out, and their derivatives against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from small_bundles import (
    LENSES,
    RIGS,
    dense_jacobian,
    disturbed,
    hidden,
    jacobian_by_differences,
    linear_of,
    make_bundle,
    plain_residuals,
)

from bodydouble.calibration.bundle.linearization import residuals

each_rig = pytest.mark.parametrize("rig", RIGS)
orders = pytest.mark.parametrize("order", [1, 2, 3])


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
