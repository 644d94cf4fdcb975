"""Rotation vectors and their rates, against SciPy and finite differences, also near zero and near half a turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.retarget.kernels.rotations import inverse_left_jacobian, rotation_vector, turned

component = st.floats(-1.0, 1.0, allow_nan=False, width=32)
ANGLES = [0.0, 1e-13, 1e-9, 1e-5, 1e-3, 0.5, 2.0, 3.0, np.pi - 1e-4, np.pi - 1e-9]


def axis_of(x: float, y: float, z: float) -> np.ndarray:
    v = np.array([x + 1e-3, y + 2e-3, z + 3e-3])
    return v / np.linalg.norm(v)


@pytest.mark.parametrize("angle", ANGLES)
@settings(deadline=None)
@given(x=component, y=component, z=component)
def test_a_rotation_gives_back_its_vector(angle: float, x: float, y: float, z: float) -> None:
    v, out = axis_of(x, y, z) * angle, np.empty(3)
    rotation_vector(Rotation.from_rotvec(v).as_matrix(), out)
    np.testing.assert_allclose(out, v, atol=2e-8 if angle > 3.1 else 1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 1e-3, 0.7, 2.5])
@settings(deadline=None)
@given(x=component, y=component, z=component)
def test_the_inverse_left_jacobian_is_the_rate_of_the_vector(angle: float, x: float, y: float, z: float) -> None:
    v, K, out = axis_of(x, y, z) * angle, np.empty((3, 3)), np.empty(3)
    inverse_left_jacobian(v, K)
    R, h = Rotation.from_rotvec(v), 1e-6
    for i in range(3):
        w = np.zeros(3)
        w[i] = h
        rotation_vector((Rotation.from_rotvec(w) * R).as_matrix(), out)
        forward = out.copy()
        rotation_vector((Rotation.from_rotvec(-w) * R).as_matrix(), out)
        np.testing.assert_allclose((forward - out) / (2 * h), K[:, i], atol=1e-7)


@settings(deadline=None)
@given(x=component, y=component, z=component)
def test_turning_is_a_product_with_the_exponential_and_stays_a_rotation(x: float, y: float, z: float) -> None:
    R, out = Rotation.from_rotvec([0.3, -0.2, 1.0]).as_matrix(), np.empty((3, 3))
    turned(R, x, y, z, out)
    np.testing.assert_allclose(out, Rotation.from_rotvec([x, y, z]).as_matrix() @ R, atol=1e-12)
    np.testing.assert_allclose(out @ out.T, np.eye(3), atol=1e-14)


def test_a_thousand_turns_do_not_drift_away_from_a_rotation() -> None:
    R = np.eye(3)
    for i in range(1000):
        turned(R.copy(), 0.1, 0.2 * np.sin(i), -0.3, R)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-14)
