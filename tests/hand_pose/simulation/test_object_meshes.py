"""Meshes of things agree with their shapes."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.simulation.object_meshes import Mesh, helmet, mesh_of
from bodydouble.hand_pose.simulation.scene_object import SceneObject

THINGS = [
    SceneObject("box", "box", (0.1, 0.2, 0.3), (0, 0, 0)),
    SceneObject("cup", "cylinder", (0.08, 0.08, 0.12), (0, 0, 0)),
    SceneObject("ball", "sphere", (0.07, 0.07, 0.07), (0, 0, 0)),
]


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.shape)
def test_a_mesh_has_its_corners_on_the_surface_and_the_volume_of_its_shape(thing: SceneObject) -> None:
    mesh = mesh_of(thing)
    assert np.abs(thing.distance(mesh.vertices)).max() < 1e-9
    x, y, z = thing.size_m
    expected = {"box": x * y * z, "cylinder": np.pi / 4 * x * x * z, "sphere": np.pi / 6 * x**3}[thing.shape]
    assert volume(mesh) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("mesh", [*(mesh_of(thing) for thing in THINGS), helmet()])
def test_normals_point_to_the_side_from_which_triangles_run_counterclockwise(mesh: Mesh) -> None:
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    outwards = np.cross(b - a, c - a)
    real = np.linalg.norm(outwards, axis=1) > 1e-12
    assert (np.einsum("ij,ij->i", outwards, mesh.normals[mesh.triangles].sum(axis=1))[real] > 0).all()


def test_the_helmet_leaves_the_cameras_of_the_preset_free() -> None:
    from bodydouble.calibration.presets import preset_rig

    shell = helmet()
    for camera in preset_rig("optimus-helmet5").cameras.values():
        p = camera.T_body_camera[:3, 3]
        assert np.linalg.norm(shell.vertices - p, axis=1).min() > 0.008, camera.name
        sight = (shell.vertices - p) @ camera.T_body_camera[:3, 2]
        straight = np.linalg.norm(np.cross(shell.vertices - p, camera.T_body_camera[:3, 2]), axis=1)
        assert not ((sight > 0) & (straight < 0.5 * sight)).any(), camera.name
