"""Cutting a skinned mesh along a line."""

from __future__ import annotations

import numpy as np

from bodydouble.hand_pose.simulation.mesh_cut import cut_along

VERTICES = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
FOLLOWS = np.array([[0, 1], [1, 2], [1, 2], [0, 1]])
WEIGHTS = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])


def area(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2


def test_no_triangle_crosses_the_line_and_the_form_stays() -> None:
    height = VERTICES[:, 0] - 0.3
    vertices, triangles, follows, weights = cut_along(height, VERTICES, TRIANGLES, FOLLOWS, WEIGHTS)
    sides = np.sign(np.round(vertices[:, 0] - 0.3, 12))[triangles]
    assert ((sides >= 0).all(axis=1) | (sides <= 0).all(axis=1)).all()
    assert (area(vertices, triangles) > 0).all()  # all still face the same way
    np.testing.assert_allclose(area(vertices, triangles).sum(), 1.0)
    np.testing.assert_array_equal(vertices[:4], VERTICES)
    assert len(vertices) == len(follows) == len(weights) == 7


def test_a_new_vertex_follows_the_bones_of_both_ends() -> None:
    vertices, _, follows, weights = cut_along(VERTICES[:, 0] - 0.25, VERTICES, TRIANGLES, FOLLOWS, WEIGHTS)
    row = int(np.flatnonzero((np.abs(vertices - [0.25, 0.0, 0.0]) < 1e-12).all(axis=1))[0])
    assert dict(zip(follows[row].tolist(), np.round(weights[row], 6).tolist(), strict=True)) == {0: 0.857143, 1: 0.142857}
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_where_the_height_is_not_known_nothing_is_cut() -> None:
    height = VERTICES[:, 0] - 0.3
    height[2] = np.nan
    vertices, triangles, _, _ = cut_along(height, VERTICES, TRIANGLES, FOLLOWS, WEIGHTS)
    np.testing.assert_array_equal(vertices, VERTICES)
    assert len(triangles) == 2
