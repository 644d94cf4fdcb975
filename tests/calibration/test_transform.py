"""T_a_b algebra."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bodydouble.calibration import transform

finite = st.floats(-3.0, 3.0)
vectors = hnp.arrays(np.float64, 3, elements=finite)
poses = st.builds(transform.pose_from_rotvec, vectors, vectors)


@given(poses, vectors)
def test_inverse_takes_a_point_back(T_a_b, p_b):
    assert np.allclose(transform.apply(transform.invert(T_a_b), transform.apply(T_a_b, p_b)), p_b, atol=1e-12)


@given(poses, poses, vectors)
def test_a_product_of_poses_is_one_after_the_other(T_a_b, T_b_c, p_c):
    assert np.allclose(transform.apply(T_a_b @ T_b_c, p_c), transform.apply(T_a_b, transform.apply(T_b_c, p_c)), atol=1e-12)


@given(poses, poses)
def test_the_inverse_of_a_product_is_the_product_of_inverses_in_reverse(T_a_b, T_b_c):
    assert np.allclose(transform.invert(T_a_b @ T_b_c), transform.invert(T_b_c) @ transform.invert(T_a_b), atol=1e-12)


@given(poses, vectors, vectors)
def test_directions_ignore_the_translation(T_a_b, p_b, v_b):
    moved = transform.apply(T_a_b, p_b + v_b) - transform.apply(T_a_b, p_b)
    assert np.allclose(transform.rotate(T_a_b, v_b), moved, atol=1e-12)


@given(vectors, vectors)
def test_a_rotation_vector_survives_the_round_trip_up_to_whole_turns(rotvec, t):
    T = transform.pose_from_rotvec(rotvec, t)
    assert np.allclose(transform.pose_from_rotvec(transform.rotvec_of(T), t), T, atol=1e-12)


@given(poses, st.floats(1e-3, 3.0), vectors)
def test_distance_between_poses_is_the_angle_and_length_of_the_step(T_a_b, angle, step):
    T_b_c = transform.pose_from_rotvec([0.0, angle, 0.0], step)
    turned, moved = transform.pose_distance(T_a_b, T_a_b @ T_b_c)
    assert np.isclose(turned, angle, atol=1e-7)
    assert np.isclose(moved, np.linalg.norm(step), atol=1e-9)


def test_batches_broadcast():
    T = transform.pose_from_rotvec(np.zeros((5, 1, 3)), np.arange(15.0).reshape(5, 1, 3))
    points = np.ones((5, 7, 3))
    assert transform.apply(T, points).shape == (5, 7, 3)
    assert np.allclose(transform.apply(T, points), points + np.arange(15.0).reshape(5, 1, 3))
    assert transform.apply(T[0, 0], points).shape == (5, 7, 3)


def test_a_mirrored_or_stretched_matrix_is_not_a_rotation():
    matrices = np.stack([np.eye(3), np.diag([1, 1, -1.0]), 1.001 * np.eye(3), -np.eye(3)])
    assert transform.is_rotation(matrices).tolist() == [True, False, False, False]


@given(poses, hnp.arrays(np.float64, (3, 3), elements=st.floats(-1e-3, 1e-3)))
def test_the_nearest_rotation_is_a_rotation_and_near(T, noise):
    R = transform.nearest_rotation(T[:3, :3] + noise)
    assert transform.is_rotation(R, tolerance=1e-12)
    assert np.abs(R - T[:3, :3]).max() < 1e-2
