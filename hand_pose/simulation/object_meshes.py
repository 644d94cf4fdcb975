"""Triangles of boxes, cylinders, spheres and of the helmet, each face with normals of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import apply, rotate
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.simulation.scene_object import SceneObject

FloatArray = npt.NDArray[np.float64]

_AROUND = 40
"""Sides of a round thing."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in the frame of one thing. Arrays are read-only."""

    vertices: FloatArray
    """(V, 3) m; where two faces meet at an edge, each has vertices of its own."""
    normals: FloatArray
    """(V, 3) unit vectors outwards."""
    triangles: npt.NDArray[np.int32]
    """(F, 3)"""
    face: npt.NDArray[np.int16]
    """(F,) which smooth face a triangle belongs to, from 0."""

    def __post_init__(self) -> None:
        V, F = len(self.vertices), len(self.triangles)
        shapes = {
            "vertices": ((V, 3), np.float64),
            "normals": ((V, 3), np.float64),
            "triangles": ((F, 3), np.int32),
            "face": ((F,), np.int16),
        }
        freeze_arrays(self, shapes)

    def moved(self, T_world_object: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return vertices and normals (V, 3) in the world."""
        return apply(T_world_object, self.vertices), rotate(T_world_object, self.normals)


def mesh_of(thing: SceneObject) -> Mesh:
    """Return the triangles of a thing in its own frame."""
    if thing.shape == "box":
        return box(thing.size_m)
    diameter, _, height = thing.size_m
    return cylinder(diameter, height) if thing.shape == "cylinder" else sphere(diameter)


@lru_cache(maxsize=64)
def box(size_m: tuple[float, float, float]) -> Mesh:
    """Return a box; its faces are -x, +x, -y, +y, -z, +z."""
    half = np.array(size_m) / 2
    vertices, normals = [], []
    for axis in range(3):
        across, along = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1.0, 1.0):
            for a, b in ((-1, -1), (side, -side), (1, 1), (-side, side)):
                corner, normal = np.zeros(3), np.zeros(3)
                corner[[axis, across, along]] = side, a, b
                normal[axis] = side
                vertices.append(corner * half)
                normals.append(normal)
    first = 4 * np.arange(6)[:, None, None]
    triangles = (first + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    return Mesh(np.array(vertices), np.array(normals), triangles, np.repeat(np.arange(6), 2))


@lru_cache(maxsize=64)
def cylinder(diameter_m: float, height_m: float) -> Mesh:
    """Return a cylinder about z; its faces are the side, the bottom and the top."""
    angle = 2 * np.pi * np.arange(_AROUND) / _AROUND
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    rim = ring * diameter_m / 2
    up = np.array([0, 0, height_m / 2])
    vertices = np.concatenate([rim - up, rim + up, rim - up, rim + up])
    flat = np.broadcast_to([0.0, 0.0, 1.0], ring.shape)
    normals = np.concatenate([ring, ring, -flat, flat])
    here, then = np.arange(_AROUND), (np.arange(_AROUND) + 1) % _AROUND
    side = np.concatenate([np.stack([here, then, then + _AROUND], 1), np.stack([here, then + _AROUND, here + _AROUND], 1)])
    fan = np.stack([np.zeros(_AROUND - 2, int), here[1:-1], here[2:]], axis=1)
    triangles = np.concatenate([side, fan[:, ::-1] + 2 * _AROUND, fan + 3 * _AROUND])
    return Mesh(vertices, normals, triangles, np.repeat([0, 1, 2], [len(side), len(fan), len(fan)]))


@lru_cache(maxsize=64)
def sphere(diameter_m: float) -> Mesh:
    """Return a sphere; it is one face."""
    return _cap(np.full(3, diameter_m / 2), np.zeros(3), -1.0)


@lru_cache(maxsize=1)
def helmet() -> Mesh:
    """Return a helmet in the frame of the rig's helmet (origin between the eyes, x forward, z up): its shell (0) and its brim (1).

    The cameras of ``preset_rig`` lie outside of it, and only the front camera sees the brim, along the upper edge of its image.
    """
    shell = _cap(np.array([0.128, 0.098, 0.135]), np.array([-0.075, 0.0, 0.01]), 0.25)
    angle = np.radians(np.linspace(-65, 65, 27))
    inner = np.stack([-0.075 + 0.115 * np.cos(angle), 0.09 * np.sin(angle), np.full(len(angle), 0.066)], axis=1)
    reach = np.cos(angle * 90 / 65)
    outer = inner + np.stack([0.112 * reach, 0.0 * reach, 0.014 * reach], axis=1)
    outer += 0.004 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    n = len(angle)
    strip = np.concatenate(
        [
            np.stack([np.arange(n - 1), np.arange(n - 1) + n, np.arange(1, n) + n], 1),
            np.stack([np.arange(n - 1), np.arange(1, n) + n, np.arange(1, n)], 1),
        ]
    )
    below = np.concatenate([inner, outer])
    brim = np.concatenate([below, below + np.array([0, 0, 0.004])])
    up = np.broadcast_to([0.0, 0.0, 1.0], below.shape)
    vertices = np.concatenate([shell.vertices, brim])
    normals = np.concatenate([shell.normals, -up, up])
    first = len(shell.vertices)
    triangles = np.concatenate([shell.triangles, strip[:, ::-1] + first, strip + first + 2 * n])
    return Mesh(vertices, normals, triangles, np.repeat([0, 1], [len(shell.triangles), 2 * len(strip)]))


def _cap(radii: FloatArray, center: FloatArray, lowest: float) -> Mesh:
    """Return the part of an ellipsoid above ``lowest`` (-1 to 1 of its height)."""
    rows = _AROUND // 2 + 1
    height = np.sin(np.linspace(np.arcsin(lowest), np.pi / 2, rows))
    angle = 2 * np.pi * np.arange(_AROUND) / _AROUND
    around = np.sqrt(1 - height**2)
    unit = np.stack(
        [np.outer(around, np.cos(angle)), np.outer(around, np.sin(angle)), np.broadcast_to(height[:, None], (rows, _AROUND))], axis=-1
    ).reshape(-1, 3)
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    row, column = (item.ravel() for item in np.meshgrid(np.arange(rows - 1), np.arange(_AROUND), indexing="ij"))
    a, b = row * _AROUND + column, row * _AROUND + (column + 1) % _AROUND
    triangles = np.concatenate([np.stack([a, b, b + _AROUND], 1), np.stack([a, b + _AROUND, a + _AROUND], 1)])
    return Mesh(unit * radii + center, normals, triangles, np.zeros(len(triangles), dtype=np.int16))
