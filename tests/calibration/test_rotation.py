"""Rotation vectors against SciPy's rotations, and their Jacobians against finite differences and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.calibration import rotation
from bodydouble.calibration.transform import is_rotation

unit_vectors = st.tuples(st.floats(-1, 1), st.floats(-math.pi, math.pi)).map(
    lambda at: np.array([math.sqrt(1 - at[0] ** 2) * math.cos(at[1]), math.sqrt(1 - at[0] ** 2) * math.sin(at[1]), at[0]])
)
tiny_angles = st.integers(-160, -30).map(lambda exponent: 10 ** (exponent / 10))


def vectors(*angles: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    """Build rotation vectors about any axis with an angle from one of these."""
    return st.tuples(st.one_of(*angles), unit_vectors).map(lambda pair: pair[0] * pair[1])


anything = vectors(st.floats(0, 10), tiny_angles, tiny_angles.map(lambda e: math.pi - e), st.just(0.0), st.just(math.pi))
below_pi = vectors(st.floats(0, 3.1), tiny_angles, tiny_angles.map(lambda e: math.pi - e))
below_two_pi = vectors(st.floats(0, 6.1), tiny_angles, tiny_angles.map(lambda e: math.pi - e), tiny_angles.map(lambda e: math.pi + e))


@settings(deadline=None)
@given(unit_vectors, unit_vectors)
def test_the_hat_of_a_vector_takes_its_cross_product(v, u):
    assert np.allclose(rotation.hat(v) @ u, np.cross(v, u), rtol=0, atol=1e-15)


@settings(deadline=None)
@given(anything)
def test_exp_is_the_rotation_about_that_axis_by_that_angle(v):
    R = rotation.exp(v)
    assert is_rotation(R, tolerance=1e-12)
    assert np.allclose(R, Rotation.from_rotvec(v).as_matrix(), rtol=0, atol=1e-14)


@settings(deadline=None)
@given(below_pi)
def test_log_gives_back_what_exp_was_given_at_any_angle_below_half_a_turn(v):
    # Near half a turn the matrix hardly tells the two directions of the axis apart: its rounding alone moves the vector by up to 1e-8.
    back = rotation.log(rotation.exp(v))
    away = math.pi - np.linalg.norm(v)
    assert np.allclose(back, v, rtol=0, atol=1e-13) or (
        away < 1e-6 and np.allclose(rotation.exp(back), rotation.exp(v), rtol=0, atol=1e-14)
    )


@settings(deadline=None)
@given(unit_vectors)
def test_half_a_turn_comes_back_about_the_same_line(axis):
    back = rotation.log(rotation.exp(math.pi * axis))
    assert np.linalg.norm(back) == pytest.approx(math.pi, abs=1e-12)
    assert abs(back @ axis) == pytest.approx(math.pi, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_exp_gives_back_what_log_was_given(seed):
    R = Rotation.random(20, rng=np.random.default_rng(seed)).as_matrix()
    v = rotation.log(R)
    assert (np.linalg.norm(v, axis=1) <= math.pi + 1e-12).all()
    assert np.allclose(rotation.exp(v), R, rtol=0, atol=1e-13)


@settings(deadline=None)
@given(anything)
def test_the_right_jacobian_tells_how_a_change_of_the_vector_turns_the_rotation(v):
    h = 1e-4
    columns = []
    for axis in np.eye(3):
        far, near = (
            (
                rotation.log(rotation.exp(v).T @ rotation.exp(v + k * h * axis))
                - rotation.log(rotation.exp(v).T @ rotation.exp(v - k * h * axis))
            )
            for k in (2, 1)
        )
        columns.append((8 * near - far) / (12 * h))
    assert np.allclose(rotation.right_jacobian(v), np.stack(columns, axis=1), rtol=0, atol=1e-10)


@settings(deadline=None)
@given(below_two_pi)
@example(np.array([0.6, 0.8, 0.0]) * (math.pi - 1e-8))
@example(np.array([0.6, 0.8, 0.0]) * math.pi)
def test_the_inverse_undoes_the_right_jacobian(v):
    tolerance = 1e-13 / (2 * math.pi - np.linalg.norm(v))
    assert np.allclose(rotation.right_jacobian_inverse(v) @ rotation.right_jacobian(v), np.eye(3), rtol=0, atol=tolerance)


@pytest.mark.parametrize("function", [rotation.exp, rotation.right_jacobian, rotation.right_jacobian_inverse])
def test_series_and_closed_form_agree_where_one_takes_over_from_the_other(function):
    axis = np.array([2.0, -3.0, 6.0]) / 7
    below, above = function(axis * 1e-4 * (1 - 1e-9)), function(axis * 1e-4 * (1 + 1e-9))
    assert np.abs(below - above).max() < 1e-12


def test_everything_works_on_batches_of_any_shape():
    v = np.random.default_rng(0).normal(0, 1, (4, 2, 3))
    for function in (rotation.hat, rotation.exp, rotation.right_jacobian, rotation.right_jacobian_inverse):
        assert np.array_equal(function(v), np.array([[function(one) for one in row] for row in v]))
        assert function(np.zeros((0, 3))).shape == (0, 3, 3)
    assert np.allclose(rotation.log(rotation.exp(v)), v, rtol=0, atol=1e-13)
    assert rotation.log(np.zeros((0, 3, 3))).shape == (0, 3)
