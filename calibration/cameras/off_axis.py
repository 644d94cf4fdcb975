"""The angle between a direction and the optical axis, in which fisheye lenses are written down."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class OffAxis:
    """The angle ``theta`` of points (N, 3) from the optical axis, and the direction (cos, sin) around it; on the axis that is (1, 0)."""

    def __init__(self, p: FloatArray) -> None:
        x, y, self._z = p[:, 0], p[:, 1], p[:, 2]
        self._rho = np.hypot(x, y)
        self._on_axis = np.flatnonzero(self._rho == 0)
        self.theta = np.arctan2(self._rho, self._z)
        self._over_rho = 1.0 / self._rho
        self.cos, self.sin = x * self._over_rho, y * self._over_rho
        self.cos[self._on_axis], self.sin[self._on_axis] = 1.0, 0.0

    def within(self, limit: float) -> BoolArray:
        """Tell which points are no further from the axis than ``limit``, and neither the camera's centre nor straight behind it."""
        seen = self.theta <= limit
        seen[self._on_axis] &= self._z[self._on_axis] > 0
        return np.asarray(seen)

    def slopes(self, bent: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the derivatives of ``bent (cos, sin)`` with respect to the point, for a radius ``bent(theta)`` with that ``slope``.

        (N,) each: d first / dx; d first / dy = d second / dx; d second / dy; d first / dz; d second / dz.
        """
        turn = slope / (self._rho * self._rho + self._z * self._z)
        across = bent * self._over_rho
        across[self._on_axis] = 1.0 / self._z[self._on_axis]
        excess = turn * self._z
        excess -= across
        turn *= -self._rho
        by_cos = excess * self.cos
        first, shared = by_cos * self.cos, by_cos * self.sin
        first += across
        excess *= self.sin
        excess *= self.sin
        excess += across
        return first, shared, excess, turn * self.cos, turn * self.sin


def directions_at(x: FloatArray, y: FloatArray, radius: FloatArray, theta: FloatArray, out: FloatArray) -> None:
    """Write the unit vectors at angle ``theta`` from the axis towards (x, y), whose length is ``radius``, into ``out`` (N, 3)."""
    scale = np.sin(theta) / radius
    scale[(radius == 0) & (theta == 0)] = 1.0
    np.multiply(x, scale, out=out[:, 0])
    np.multiply(y, scale, out=out[:, 1])
    np.cos(theta, out=out[:, 2])
