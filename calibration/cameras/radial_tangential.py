"""Radial and tangential distortion in the plane (Brown-Conrady, OpenCV's polynomial and rational forms), its derivatives and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras import radial
from bodydouble.calibration.cameras.plane_inverse import invert_plane_map

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RadialTangential:
    """How a lens bends the plane at focal length 1.

    Source: OpenCV's ``calib3d`` documentation, "Detailed Description".
    """

    coefficients: tuple[float, ...]
    """k1, k2, ... of the radial numerator."""
    p1: float
    p2: float
    denominator: tuple[float, ...] = ()

    @cached_property
    def limit(self) -> float:
        """Largest radius before bending that the distortion can be used for: where it may fold back."""
        return radial.monotone_limit(self.coefficients, self.denominator, float(np.hypot(self.p1, self.p2)))

    def inverse(self, xd: FloatArray, yd: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the coordinates (N,), (N,) that are bent to these; NaN where there are none.

        The radial part is inverted by bracketed Newton, then both coordinates by Newton.
        """
        if not any((*self.coefficients, *self.denominator, self.p1, self.p2)):
            return xd, yd
        rd = np.hypot(xd, yd)
        r = radial.undistort(rd, self.coefficients, self.limit, self.denominator)
        scale = np.where(rd > 0, r / rd, 1.0)
        if not (self.p1 or self.p2):
            return xd * scale, yd * scale
        # Where the tangential part alone pushed the pixel past the radial range, start at the edge of the range.
        scale = np.where(np.isnan(scale) & np.isfinite(rd) & np.isfinite(self.limit), self.limit / np.where(rd > 0, rd, 1.0), scale)
        return invert_plane_map(self._bent_with_slopes, xd, yd, xd * scale, yd * scale, self.limit)

    def _bent_with_slopes(
        self, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        bend = Bend(self, x, y)
        xx, xy, yy = bend.slopes()
        return bend.x, bend.y, xx, xy, xy, yy


class Bend:
    """The distortion at coordinates (N,), (N,): what its value and its derivatives have in common is computed once."""

    def __init__(self, lens: RadialTangential, x: FloatArray, y: FloatArray) -> None:
        self._lens, self._before = lens, (x, y)
        x2, y2 = x * x, y * y
        self.r2 = x2 + y2
        self._gain = radial.even(self.r2, lens.coefficients)
        if lens.denominator:
            self._over = 1.0 / radial.even(self.r2, lens.denominator)
            self._gain *= self._over
        self.x, self.y = x * self._gain, y * self._gain
        self._by_p = (2 * x * y, self.r2 + 2 * x2, self.r2 + 2 * y2)
        if lens.p1 or lens.p2:
            self.x += lens.p1 * self._by_p[0] + lens.p2 * self._by_p[1]
            self.y += lens.p1 * self._by_p[2] + lens.p2 * self._by_p[0]

    def slopes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return dxd/dx, dxd/dy = dyd/dx, dyd/dy."""
        (x, y), lens = self._before, self._lens
        curve = radial.even_derivative(self.r2, lens.coefficients)
        if lens.denominator:
            curve -= self._gain * radial.even_derivative(self.r2, lens.denominator)
            curve *= self._over
        curve *= 2
        by_x = curve * x
        by_x += 2 * lens.p2
        shared = by_x * y
        shared += (2 * lens.p1) * x
        by_x += 4 * lens.p2
        by_x *= x
        by_x += self._gain
        by_x += (2 * lens.p1) * y
        curve *= y
        curve += 6 * lens.p1
        curve *= y
        curve += self._gain
        curve += (2 * lens.p2) * x
        return by_x, shared, curve

    def write_slopes(self, J: FloatArray, order: list[int], focal: tuple[float, float]) -> None:
        """Write the derivatives with respect to the coefficients, times ``focal``, into J (N, 2, K).

        ``order`` are the columns of k1, k2, ..., p1, p2, then of the denominator's.
        """
        terms, below = len(self._lens.coefficients), len(self._lens.denominator)
        for row, (before, f) in enumerate(zip(self._before, focal, strict=True)):
            power = (f * self._over) * before if below else f * before
            bottom = -self._gain * power if below else power
            for k in range(terms):
                power = np.multiply(power, self.r2, out=J[:, row, order[k]])
            for k in range(below):
                bottom = np.multiply(bottom, self.r2, out=J[:, row, order[terms + 2 + k]])
            for k in range(2):
                np.multiply(self._by_p[0 if row == k else 2 - k], f, out=J[:, row, order[terms + k]])
