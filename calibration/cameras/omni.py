"""The omnidirectional camera of Mei and Rives (Kalibr's ``omni``): a sphere seen from above its centre, then radial and tangential terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from bodydouble.calibration.cameras.parametric_camera import BoolArray, FloatArray, ParametricCamera
from bodydouble.calibration.cameras.radial_tangential import Bend, RadialTangential

_COLUMNS = [1, 2, 3, 4]


@dataclass(frozen=True)
class OmniCamera(ParametricCamera):
    """A camera that projects directions onto the unit sphere, and the sphere from ``xi`` behind its centre onto a distorted plane.

    With ``xi`` = 0 it is a pinhole camera, with 1 a stereographic fisheye. Source: Mei and Rives, "Single view point omnidirectional camera calibration
    from planar grids", ICRA 2007; Kalibr's ``omni-radtan``, and ``omni-none`` with zeros.
    """

    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """xi, k1, k2, p1, p2."""

    TERMS: ClassVar[tuple[int, ...]] = (5,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.distortion[0] > -1:
            raise ValueError(f"xi is {self.distortion[0]:g}, but a sphere is seen from behind its front: expected more than -1")

    @cached_property
    def limit(self) -> float:
        """Angle from the optical axis in rad below which the model can be used: the sphere's own range, and that of the distortion."""
        xi = self.distortion[0]
        r = self._plane.limit
        sphere = math.acos(-xi if xi <= 1 else -1 / xi)
        root = 1 + (1 - xi * xi) * r * r
        if not math.isfinite(r) or root <= 0:
            return sphere
        lift = (xi + math.sqrt(root)) / (1 + r * r)
        return min(sphere, math.atan2(lift * r, lift - xi))

    @cached_property
    def _plane(self) -> RadialTangential:
        _, k1, k2, p1, p2 = self.distortion
        return RadialTangential((k1, k2), p1, p2)

    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        xi, z = self.distortion[0], p[:, 2]
        distance = np.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + z * z)
        over = 1.0 / (z + xi * distance)
        x, y = p[:, 0] * over, p[:, 1] * over
        bend = Bend(self._plane, x, y)
        seen = z > math.cos(self.limit) * distance
        if J_point is not None:
            a, b, d = bend.slopes()
            outwards = xi / distance
            by_x, by_y, by_z = outwards * p[:, 0], outwards * p[:, 1], 1 + outwards * z
            for row, (first, second, f) in enumerate(zip((a, b), (b, d), self.focal, strict=True)):
                along = first * x
                along += second * y
                scale = f * over
                for column, (own, by) in enumerate(((first, by_x), (second, by_y))):
                    np.multiply(own - along * by, scale, out=J_point[:, row, column])
                scale *= along
                np.negative(scale * by_z, out=J_point[:, row, 2])
                if J_lens is not None:
                    np.negative(scale * distance, out=J_lens[:, row, 0])
        if J_lens is not None:
            bend.write_slopes(J_lens, _COLUMNS, self.focal)
        return bend.x, bend.y, seen

    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        xi = self.distortion[0]
        x, y = self._plane.inverse(x, y)
        r2 = x * x + y * y
        lift = (xi + np.sqrt(1 + (1 - xi * xi) * r2)) / (1 + r2)
        np.multiply(x, lift, out=out[:, 0])
        np.multiply(y, lift, out=out[:, 1])
        np.add(lift, -xi, out=out[:, 2])
        out[~(out[:, 2] > math.cos(self.limit))] = np.nan
