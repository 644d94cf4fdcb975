"""Rotations and rigid motions of many configurations, against Pinocchio's of one."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.hand_pose import tangent

seeds = st.integers(0, 2**32 - 1)
SIZES = (0.0, 1e-9, 1e-5, 3e-4, 0.3, 2.0, 3.0)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(SIZES))
def test_rotations_are_pinocchios(seed, size):
    vector = np.random.default_rng(seed).normal(size=3)
    vector *= size / np.linalg.norm(vector)
    quaternion = tangent.exp3(vector)
    np.testing.assert_allclose(tangent.matrices(quaternion), pin.exp3(vector), atol=1e-14)
    np.testing.assert_allclose(tangent.log3(quaternion), vector, atol=1e-14)
    again = tangent.quaternions(pin.exp3(vector))
    np.testing.assert_allclose(again * np.sign(again[3]), quaternion * np.sign(quaternion[3]), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(SIZES))
def test_rigid_motions_are_pinocchios(seed, size):
    rng = np.random.default_rng(seed)
    twist = rng.normal(size=6)
    twist[3:] *= size / np.linalg.norm(twist[3:])
    shift, turn = tangent.exp6(twist)
    expected = pin.exp6(twist)
    np.testing.assert_allclose(shift, expected.translation, atol=1e-12)
    np.testing.assert_allclose(tangent.matrices(turn), expected.rotation, atol=1e-12)
    np.testing.assert_allclose(tangent.log6(shift, turn), twist, atol=1e-9)


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_have_quaternions(axis):
    vector = np.zeros(3)
    vector[axis] = np.pi
    np.testing.assert_allclose(np.abs(tangent.quaternions(pin.exp3(vector))[axis]), 1.0)


def test_products_and_inverses_undo_each_other():
    rng = np.random.default_rng(0)
    one, two = (tangent.exp3(rng.normal(size=(5, 3))) for _ in range(2))
    np.testing.assert_allclose(tangent.matrices(tangent.product(one, two)), tangent.matrices(one) @ tangent.matrices(two), atol=1e-12)
    np.testing.assert_allclose(tangent.log3(tangent.product(one, tangent.conjugate(one))), np.zeros((5, 3)), atol=1e-12)
    vector = rng.normal(size=(5, 3))
    np.testing.assert_allclose(tangent.rotated(one, vector), np.einsum("nij,nj->ni", tangent.matrices(one), vector), atol=1e-12)
