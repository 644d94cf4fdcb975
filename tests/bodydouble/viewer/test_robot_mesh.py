from __future__ import annotations

import numpy as np
import pytest

from bodydouble.viewer.robot_mesh import box_mesh, cylinder_mesh, sphere_mesh


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(float) for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (box_mesh((0.1, 0.2, 0.3)), 8 * 0.1 * 0.2 * 0.3),
        (cylinder_mesh(0.1, 0.2), np.pi * 0.01 * 0.4),
        (sphere_mesh(0.1), 4 / 3 * np.pi * 0.001),
    ],
    ids=["box", "cylinder", "sphere"],
)
def test_a_primitive_is_closed_and_its_normals_point_out(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.03)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    corners = mesh.vertices[mesh.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    solid = np.linalg.norm(flat, axis=1) > 1e-9
    assert (np.einsum("ij,ij->i", flat[solid], mesh.normals[mesh.triangles[solid]].mean(axis=1)) > 0).all()


def test_a_small_cylinder_has_fewer_sides_than_a_large_one():
    assert len(cylinder_mesh(0.005, 0.01).triangles) < len(cylinder_mesh(0.2, 0.01).triangles)
