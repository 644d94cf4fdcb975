"""Rotations of many frames at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from bodydouble.retarget.motions import rotations

vectors = arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 0.1)
turns = arrays(np.float64, 3, elements=st.floats(-3, 3)).map(lambda v: Rotation.from_rotvec(v).as_matrix())


def assert_rotation(matrix: np.ndarray) -> None:
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


@given(vectors, vectors)
@settings(deadline=None)
def test_the_least_rotation_carries_one_direction_to_the_other_by_the_angle_between_them(a: np.ndarray, b: np.ndarray) -> None:
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    found = rotations.least_rotation(a, b)
    assert_rotation(found)
    np.testing.assert_allclose(found @ a, b, atol=1e-7)
    between = np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)
    assert Rotation.from_matrix(found).magnitude() == pytest.approx(between, abs=1e-6)


def test_opposite_directions_are_half_a_turn_apart() -> None:
    found = rotations.least_rotation(np.array([[0.0, 0, 1]]), np.array([[0.0, 0, -1]]))[0]
    assert_rotation(found)
    np.testing.assert_allclose(found @ [0, 0, 1], [0, 0, -1], atol=1e-12)


@given(vectors, vectors, st.sampled_from(["xy", "yx", "yz", "zy", "zx", "xz"]))
@settings(deadline=None)
def test_axes_lie_along_the_first_direction_and_lean_to_the_second(first: np.ndarray, second: np.ndarray, names: str) -> None:
    if np.linalg.norm(np.cross(first, second)) < 0.05:
        return
    found = rotations.axes_along(first, second, names)
    assert_rotation(found)
    i, j = ("xyz".index(name) for name in names)
    np.testing.assert_allclose(found[:, i], first / np.linalg.norm(first), atol=1e-9)
    assert found[:, j] @ second > 0


def test_parallel_directions_are_no_axes() -> None:
    assert np.isnan(rotations.axes_along(np.array([0.0, 0, 1]), np.array([0.0, 0, 2]), "zx")).all()


@given(turns, st.floats(0.2, 5.0))
@settings(deadline=None)
def test_the_best_rotation_of_turned_points_is_their_turn_at_any_size(turn: np.ndarray, size: float) -> None:
    zero = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.15]])
    seen = (size * zero @ turn.T + [3.0, -2.0, 1.0])[None]
    np.testing.assert_allclose(rotations.best_rotation(zero, seen)[0], turn, atol=1e-7)


def test_a_missing_point_does_not_count_and_two_or_a_line_are_no_rotation() -> None:
    zero = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0.2, 0, 0]])
    seen = np.tile(zero, (3, 1, 1))
    seen[0, 3] = np.nan
    seen[1, 2] = np.nan  # what is left lies on a line
    seen[2, [1, 2]] = np.nan
    found = rotations.best_rotation(zero, seen)
    np.testing.assert_allclose(found[0], np.eye(3), atol=1e-12)
    assert np.isnan(found[1:]).all()


@given(arrays(np.float64, 3, elements=st.floats(-3, 3)), st.sampled_from(["XYZ", "ZXY", "ZYX", "YXZ"]))
@settings(deadline=None)
def test_products_about_axes_are_scipys_intrinsic_eulers(angles: np.ndarray, order: str) -> None:
    ours = rotations.product_about(order.lower(), angles[None])[0]
    np.testing.assert_allclose(ours, Rotation.from_euler(order, angles).as_matrix(), atol=1e-12)


@given(turns, vectors, st.floats(-1.5, 1.5))
@settings(deadline=None)
def test_a_hinge_finds_the_angle_about_its_axis(turn: np.ndarray, rest: np.ndarray, angle: float) -> None:
    axis = turn[:, 0]
    rest = turn @ np.array([0.2, 0.6, 0.7])
    seen = Rotation.from_rotvec(angle * axis).apply(rest)
    np.testing.assert_allclose(rotations.hinged(axis, rest, seen[None])[0], Rotation.from_rotvec(angle * axis).as_matrix(), atol=1e-9)


def test_halfway_is_the_half_of_the_angle_and_the_mean_of_two_the_same() -> None:
    a, b = Rotation.from_rotvec([0.1, 0.2, 0.3]), Rotation.from_rotvec([0.1, 0.2, 0.3]) * Rotation.from_rotvec([0, 0, 1.0])
    middle = (a * Rotation.from_rotvec([0, 0, 0.5])).as_matrix()
    np.testing.assert_allclose(rotations.halfway(a.as_matrix()[None], b.as_matrix()[None])[0], middle, atol=1e-9)
    both = np.stack([a.as_matrix(), b.as_matrix(), np.full((3, 3), np.nan)])
    np.testing.assert_allclose(rotations.mean_rotation(both), middle, atol=1e-9)
    assert np.isnan(rotations.mean_rotation(np.full((2, 3, 3), np.nan))).all()
    assert np.isnan(rotations.halfway(both[:1], both[2:])).all()
