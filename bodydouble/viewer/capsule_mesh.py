"""The robot's capsules as triangles: how a robot is drawn whose own meshes are not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.viewer.robot_mesh import FloatArray, IndexArray, Mesh, cylinder_mesh, sphere_mesh

if TYPE_CHECKING:
    from bodydouble.retarget import Robot

SHADES = ((0.82, 0.83, 0.85), (0.55, 0.58, 0.63))
"""sRGB of every other capsule, so that neighbours can be told apart."""
SHORTEST_M = 1e-4
"""A shorter capsule is a ball."""


class CapsuleMesh:
    """All capsules of a robot as one mesh, posed by its joints: the same as ``RobotMesh`` to whoever draws it.

    Raises: DataError for a robot without capsules.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot, collision = robot, robot.collision
        if not collision.link:
            raise DataError(f"robot '{robot.name}' cannot be drawn: its file has neither visual geometry nor capsules.")
        self._links = tuple(dict.fromkeys(collision.link))
        meshes = [capsule_mesh(a, b, float(radius)) for a, b, radius in zip(collision.a, collision.b, collision.radius, strict=True)]
        counts = [len(mesh.vertices) for mesh in meshes]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.uint32)
        self._vertices = np.concatenate([mesh.vertices for mesh in meshes])
        self._normals = np.concatenate([mesh.normals for mesh in meshes])
        self._owner = np.repeat([self._links.index(link) for link in collision.link], counts)
        self.triangles: IndexArray = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=True)])
        faces = [len(mesh.triangles) for mesh in meshes]
        self.parts: npt.NDArray[np.int32] = np.repeat(np.arange(len(meshes)), faces).astype(np.int32)
        self.colours: FloatArray = np.array(SHADES, np.float32)[self.parts % 2]

    def posed(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return vertices (V, 3) in m and unit normals (V, 3) in the world, as ``RobotMesh.posed``."""
        poses = self._robot.link_poses(positions, base_pose, self._links).astype(np.float32)[self._owner]
        vertices = np.einsum("vij,vj->vi", poses[:, :3, :3], self._vertices) + poses[:, :3, 3]
        return np.asarray(vertices, np.float32), np.asarray(np.einsum("vij,vj->vi", poses[:, :3, :3], self._normals), np.float32)


def capsule_mesh(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], radius: float) -> Mesh:
    """Return everything within ``radius`` of the segment from ``a`` to ``b`` (3,) m: a cylinder with a ball at each end."""
    along, length = b - a, float(np.linalg.norm(b - a))
    ends = [a] if length < SHORTEST_M else [a, b]
    meshes = [sphere_mesh(radius).moved(_pose(np.eye(3), end)) for end in ends]
    if len(ends) == 2:
        z = along / length
        x = np.cross(z, [1.0, 0.0, 0.0] if abs(z[0]) < 0.9 else [0.0, 1.0, 0.0])
        x /= np.linalg.norm(x)
        meshes.append(cylinder_mesh(radius, length / 2).moved(_pose(np.stack([x, np.cross(z, x), z], axis=1), (a + b) / 2)))
    starts = np.concatenate([[0], np.cumsum([len(mesh.vertices) for mesh in meshes])[:-1]]).astype(np.uint32)
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def _pose(R: npt.NDArray[np.float64], p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, p
    return T
