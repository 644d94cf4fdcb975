"""Rays against triangles: Open3D's Embree scene, in NumPy arrays."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hits:
    """The first triangle that each of N rays meets."""

    distance: FloatArray
    """(N,) in lengths of the ray's direction; infinite where it meets nothing."""
    triangle: npt.NDArray[np.uint32]
    """(N,) row of the triangle; meaningless where it meets nothing."""
    uv: FloatArray
    """(N, 2) weights of the triangle's second and third corner."""


class RayScene:
    """Triangles that rays can be cast at. Needs no display and no GPU.

    ``vertices`` (V, 3) m, ``triangles`` (F, 3) rows of them.
    """

    def __init__(self, vertices: FloatArray, triangles: npt.NDArray[np.uint32]) -> None:
        # imported by name: the type hints that open3d ships reject NumPy arrays
        open3d: Any = importlib.import_module("open3d")
        self._tensor = open3d.core.Tensor
        self._scene = open3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(self._tensor(vertices), self._tensor(triangles))

    def cast(self, rays: FloatArray) -> Hits:
        """Cast rays (N, 6): origin and direction."""
        found = self._scene.cast_rays(self._tensor(np.ascontiguousarray(rays)))
        return Hits(found["t_hit"].numpy(), found["primitive_ids"].numpy(), found["primitive_uvs"].numpy())

    def hidden(self, rays: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell which rays (..., 6) meet anything at all: cheaper than ``cast``."""
        return np.asarray(self._scene.test_occlusions(self._tensor(np.ascontiguousarray(rays)), tnear=1e-3).numpy())
