"""The robot's visual geometry as triangles that move with its joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError

if TYPE_CHECKING:
    from bodydouble.retarget import Robot

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.uint32]

ROUNDNESS_M = 6e-4
"""Finer than a pixel of a robot seen whole."""


@dataclass(frozen=True)
class Mesh:
    """Triangles with a normal a vertex; vertices are repeated along sharp edges."""

    vertices: FloatArray
    """(V, 3) m."""
    normals: FloatArray
    """(V, 3) unit vectors."""
    triangles: IndexArray
    """(F, 3) rows of ``vertices``."""

    def moved(self, T: npt.NDArray[np.float64]) -> Mesh:
        """Return the mesh with every vertex taken by ``T`` (4, 4)."""
        R, t = T[:3, :3].astype(np.float32), T[:3, 3].astype(np.float32)
        return Mesh(self.vertices @ R.T + t, self.normals @ R.T, self.triangles)


class RobotMesh:
    """All visual primitives of a robot's URDF as one mesh, posed by its joints.

    Raises: DataError when the URDF has no visual geometry that can be drawn.
    """

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self._robot = robot
        self._data = robot.model.createData()
        geometry = pinocchio.buildGeomFromUrdf(robot.model, str(robot.urdf_path), pinocchio.GeometryType.VISUAL)
        objects = sorted(geometry.geometryObjects, key=lambda item: item.parentJoint)
        if not objects:
            raise DataError(f"robot '{robot.name}' cannot be drawn: {robot.urdf_path.name} has no visual geometry.")
        meshes = [mesh_of(item.geometry).moved(item.placement.homogeneous) for item in objects]
        counts = np.array([len(mesh.vertices) for mesh in meshes])
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.uint32)
        self._vertices = np.concatenate([mesh.vertices for mesh in meshes])
        self._normals = np.concatenate([mesh.normals for mesh in meshes])
        self.triangles: IndexArray = np.concatenate([mesh.triangles + offset for mesh, offset in zip(meshes, first, strict=True)])
        faces = [len(mesh.triangles) for mesh in meshes]
        self.colours: FloatArray = np.repeat([item.meshColor[:3] for item in objects], faces, axis=0).astype(np.float32)
        """(F, 3) sRGB in [0, 1], a colour a triangle."""
        self.parts: npt.NDArray[np.int32] = np.repeat(np.arange(len(objects)), faces).astype(np.int32)
        """(F,) which primitive a triangle is of."""
        joints = np.array([item.parentJoint for item in objects])
        self._blocks = [
            (int(joint), int(first[joints == joint][0]), int(first[joints == joint][-1] + counts[joints == joint][-1]))
            for joint in np.unique(joints)
        ]

    def posed(self, positions: npt.ArrayLike, base_pose: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return vertices (V, 3) in m and unit normals (V, 3) in the world.

        ``positions`` (J,) rad in the robot's joint order; ``base_pose`` (7,): m and quaternion xyzw.
        """
        import pinocchio

        pinocchio.forwardKinematics(self._robot.model, self._data, self._robot.configuration(positions, base_pose))
        vertices, normals = np.empty_like(self._vertices), np.empty_like(self._normals)
        for joint, start, stop in self._blocks:
            pose = self._data.oMi[joint]
            R, t = pose.rotation.astype(np.float32), pose.translation.astype(np.float32)
            np.matmul(self._vertices[start:stop], R.T, out=vertices[start:stop])
            vertices[start:stop] += t
            np.matmul(self._normals[start:stop], R.T, out=normals[start:stop])
        return vertices, normals


def mesh_of(geometry: Any) -> Mesh:
    """Return the mesh of one coal geometry: box, cylinder, sphere, or triangles read from a file. Raises: DataError for any other."""
    kind = type(geometry).__name__
    if kind == "Box":
        return box_mesh(geometry.halfSide)
    if kind == "Cylinder":
        return cylinder_mesh(geometry.radius, geometry.halfLength)
    if kind == "Sphere":
        return sphere_mesh(geometry.radius)
    if kind.startswith("BVHModel") or kind == "Convex":
        return _file_mesh(geometry)
    raise DataError(f"visual geometry of kind {kind} cannot be drawn; boxes, cylinders, spheres and mesh files can.")


def box_mesh(half: npt.ArrayLike) -> Mesh:
    """Return a box from its three half sides in m."""
    vertices: list[npt.NDArray[np.float64]] = []
    normals: list[npt.NDArray[np.float64]] = []
    triangles: list[npt.NDArray[np.intp]] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, (axis + 1) % 3] = [-1, 1, 1, -1]
            corners[:, (axis + 2) % 3] = [-1, -1, 1, 1]
            faces = np.array([[0, 1, 2], [0, 2, 3]])
            triangles.append((faces if sign > 0 else faces[:, ::-1]) + 4 * len(vertices))
            vertices.append(corners * np.asarray(half))
            normals.append(np.tile(np.eye(3)[axis] * sign, (4, 1)))
    return _mesh(np.concatenate(vertices), np.concatenate(normals), np.concatenate(triangles))


def cylinder_mesh(radius: float, half_length: float) -> Mesh:
    """Return a cylinder along z, smooth around and with flat ends."""
    around = _segments(radius)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros(around)], axis=1)
    up = np.array([0, 0, 1.0])
    rim = [circle * radius + sign * half_length * up for sign in (-1, 1)]
    i = np.arange(around)
    j = (i + 1) % around
    side = np.concatenate([np.stack([i, j, j + around], 1), np.stack([i, j + around, i + around], 1)])
    vertices, normals, triangles = [*rim], [circle, circle], [side]
    for k, sign in enumerate((-1.0, 1.0)):
        start = (2 + k) * around + k
        vertices += [rim[k], np.array([[0, 0, sign * half_length]])]
        normals += [np.tile(sign * up, (around + 1, 1))]
        ends = np.stack([start + i, start + j, np.full(around, start + around)], 1)
        triangles.append(ends if sign > 0 else ends[:, ::-1])
    return _mesh(np.concatenate(vertices), np.concatenate(normals), np.concatenate(triangles))


def sphere_mesh(radius: float) -> Mesh:
    """Return a sphere."""
    around = _segments(radius)
    rows = around // 2
    polar, angle = np.meshgrid(np.linspace(0, np.pi, rows + 1), np.linspace(0, 2 * np.pi, around, endpoint=False), indexing="ij")
    normals = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], -1).reshape(-1, 3)
    row, i = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(around), indexing="ij"))
    j = (i + 1) % around
    a, b, c, d = row * around + i, row * around + j, (row + 1) * around + i, (row + 1) * around + j
    return _mesh(normals * radius, normals, np.concatenate([np.stack([a, c, d], 1), np.stack([a, d, b], 1)]))


def _file_mesh(geometry: Any) -> Mesh:
    corners = np.asarray(geometry.vertices())
    indices = np.array([list(geometry.tri_indices(i)) for i in range(geometry.num_tris)])
    vertices = corners[indices.ravel()]
    flat = np.cross(vertices[1::3] - vertices[::3], vertices[2::3] - vertices[::3])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return _mesh(vertices, np.repeat(flat, 3, axis=0), np.arange(len(vertices)).reshape(-1, 3))


def _segments(radius: float) -> int:
    """Return an even number of sides: a side stays within ``ROUNDNESS_M`` of the circle."""
    return int(np.clip(2 * np.ceil(np.pi / np.arccos(max(0.0, 1 - ROUNDNESS_M / radius)) / 2), 8, 32)) if radius > ROUNDNESS_M else 6


def _mesh(vertices: npt.ArrayLike, normals: npt.ArrayLike, triangles: npt.ArrayLike) -> Mesh:
    return Mesh(np.asarray(vertices, np.float32), np.asarray(normals, np.float32), np.asarray(triangles, np.uint32))
