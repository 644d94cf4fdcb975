"""The pinhole camera with radial and tangential distortion (Brown-Conrady; OpenCV's five terms, or eight)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from bodydouble.calibration.cameras.parametric_camera import BoolArray, FloatArray, ParametricCamera
from bodydouble.calibration.cameras.radial_tangential import Bend, RadialTangential

_COLUMNS = [0, 1, 4, 2, 3, 5, 6, 7]
"""Where k1 k2 k3 p1 p2 k4 k5 k6 stand in the distortion."""


@dataclass(frozen=True)
class PinholeCamera(ParametricCamera):
    """A camera that sees what is in front of it (z > 0) and within the range where its radial distortion grows.

    Source: OpenCV's ``calib3d`` documentation, "Detailed Description", the first five or eight coefficients.
    """

    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3; with eight, k4, k5, k6 of a denominator follow."""

    TERMS: ClassVar[tuple[int, ...]] = (5, 8)

    @property
    def limit(self) -> float:
        """Largest tan(angle from the optical axis) that the distortion can be used for."""
        return self._plane.limit

    @cached_property
    def _plane(self) -> RadialTangential:
        k1, k2, p1, p2, k3 = self.distortion[:5]
        return RadialTangential((k1, k2, k3), p1, p2, self.distortion[5:])

    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        z = p[:, 2]
        over_z = 1.0 / z
        x, y = p[:, 0] * over_z, p[:, 1] * over_z
        bend = Bend(self._plane, x, y)
        seen = (z > 0) & (bend.r2 <= self.limit * self.limit)
        if J_point is not None:
            a, b, d = bend.slopes()
            for row, (first, second, f) in enumerate(zip((a, b), (b, d), self.focal, strict=True)):
                scale = f * over_z
                along = np.multiply(first, scale, out=J_point[:, row, 0])
                across = np.multiply(second, scale, out=J_point[:, row, 1])
                np.multiply(along, x, out=scale)
                scale += across * y
                np.negative(scale, out=J_point[:, row, 2])
        if J_lens is not None:
            bend.write_slopes(J_lens, _COLUMNS, self.focal)
        return bend.x, bend.y, seen

    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        x, y = self._plane.inverse(x, y)
        length = np.sqrt(x * x + y * y + 1.0)
        np.divide(x, length, out=out[:, 0])
        np.divide(y, length, out=out[:, 1])
        np.divide(1.0, length, out=out[:, 2])
