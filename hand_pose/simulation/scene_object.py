"""Things in a simulated scene: furniture that stands, objects that are moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Shape = Literal["box", "cylinder", "sphere"]


@dataclass(frozen=True)
class SceneObject:
    """A solid of one colour. Its frame sits in its middle; a cylinder's axis is z."""

    name: str
    shape: Shape
    size_m: tuple[float, float, float]
    """Along x, y, z; a cylinder's and a sphere's first two are the diameter."""
    colour_rgb: tuple[int, int, int]
    T_world_object: FloatArray | None = None
    """(4, 4) where it stands; None for one that is moved, whose pose each moment tells."""

    def distance(self, p_object: npt.ArrayLike) -> FloatArray:
        """Return the signed distance (...) m of points (..., 3) of its own frame to its surface, negative inside."""
        p = np.asarray(p_object, dtype=np.float64)
        half = np.array(self.size_m) / 2
        if self.shape == "sphere":
            return np.asarray(np.linalg.norm(p, axis=-1) - half[0])
        if self.shape == "cylinder":
            beyond = np.stack([np.linalg.norm(p[..., :2], axis=-1) - half[0], np.abs(p[..., 2]) - half[2]], axis=-1)
        else:
            beyond = np.abs(p) - half
        outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=-1)
        return np.asarray(outside + np.minimum(beyond.max(axis=-1), 0.0))
