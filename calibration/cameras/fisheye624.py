"""The fisheye camera of Project Aria: six radial, two tangential and four thin-prism terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from bodydouble.calibration.cameras import radial
from bodydouble.calibration.cameras.off_axis import OffAxis, directions_at
from bodydouble.calibration.cameras.parametric_camera import BoolArray, FloatArray, ParametricCamera
from bodydouble.calibration.cameras.plane_inverse import invert_plane_map

_RADIAL = 6


@dataclass(frozen=True)
class Fisheye624Camera(ParametricCamera):
    """A fisheye camera whose image radius is ``theta (1 + k0 theta^2 + ... + k5 theta^12)``, then bent sideways by its other terms.

    Source: Project Aria's documentation, "Camera Intrinsic Models", Fisheye62 with thin prism; Aria's own files have one focal length for both axes.
    """

    distortion: tuple[float, ...] = (0.0,) * 12
    """k0 ... k5, p0, p1, s0 ... s3."""

    TERMS: ClassVar[tuple[int, ...]] = (12,)

    @cached_property
    def limit(self) -> float:
        """Largest angle from the optical axis in rad that the model can be used for: where it folds back, at most pi."""
        limit = min(radial.monotone_limit(self._radial), math.pi)
        edge = radial.undistort(np.array([self._plane_limit]), self._radial, limit)[0]
        return limit if math.isnan(edge) else float(edge)

    @cached_property
    def _plane_limit(self) -> float:
        """Largest radius before the sideways terms at which these cannot make two points one: their slopes stay below 1."""
        p0, p1, s0, s1, s2, s3 = self.distortion[_RADIAL:]
        return radial.first_positive_root([1.0, -6 * math.hypot(p0, p1) - 2 * math.hypot(s0, s2), 0.0, -4 * math.hypot(s1, s3)])

    @property
    def _radial(self) -> tuple[float, ...]:
        return self.distortion[:_RADIAL]

    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        angle = OffAxis(p)
        theta = angle.theta
        bent = radial.distort(theta, self._radial)
        x, y = bent * angle.cos, bent * angle.sin
        if J_point is None:
            u, v, *_ = self._sideways(x, y, slopes=False)
            return u, v, angle.within(self.limit)
        u, v, ux, uy, vx, vy = self._sideways(x, y)
        xx, xy, yy, xz, yz = angle.slopes(bent, radial.distort_derivative(theta, self._radial))
        for row, (by_x, by_y, f) in enumerate(((ux, uy, self.focal[0]), (vx, vy, self.focal[1]))):
            by_x, by_y = f * by_x, f * by_y
            for column, (first, second) in enumerate(((xx, xy), (xy, yy), (xz, yz))):
                np.add(by_x * first, by_y * second, out=J_point[:, row, column])
            if J_lens is not None:
                theta2 = theta * theta
                power = (by_x * angle.cos + by_y * angle.sin) * theta
                for k in range(_RADIAL):
                    power = np.multiply(power, theta2, out=J_lens[:, row, k])
        if J_lens is not None:
            self._write_sideways_slopes(x, y, J_lens[:, :, _RADIAL:])
        return u, v, angle.within(self.limit)

    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        x, y = invert_plane_map(self._sideways, x, y, x, y, self._plane_limit)
        radius = np.hypot(x, y)
        directions_at(x, y, radius, radial.undistort(radius, self._radial, self.limit), out)

    def _sideways(
        self, x: FloatArray, y: FloatArray, *, slopes: bool = True
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return u, v after the tangential and thin-prism terms, and du/dx, du/dy, dv/dx, dv/dy where asked for."""
        p0, p1, s0, s1, s2, s3 = self.distortion[_RADIAL:]
        r2 = x * x + y * y
        gain = 1 + (2 * p0) * x + (2 * p1) * y
        u, v = x * gain + r2 * (p0 + s0 + s1 * r2), y * gain + r2 * (p1 + s2 + s3 * r2)
        if not slopes:
            return u, v, gain, gain, gain, gain
        at_u, at_v = 2 * (p0 + s0) + (4 * s1) * r2, 2 * (p1 + s2) + (4 * s3) * r2
        return u, v, gain + x * (2 * p0 + at_u), (2 * p1) * x + y * at_u, (2 * p0) * y + x * at_v, gain + y * (2 * p1 + at_v)

    def _write_sideways_slopes(self, x: FloatArray, y: FloatArray, J: FloatArray) -> None:
        """Write the derivatives of the pixels with respect to p0, p1, s0 ... s3 into J (N, 2, 6)."""
        fx, fy = self.focal
        x2, y2, twice = x * x, y * y, 2 * x * y
        r2 = x2 + y2
        r4 = r2 * r2
        J[:, 0, 0], J[:, 1, 0] = fx * (2 * x2 + r2), fy * twice
        J[:, 0, 1], J[:, 1, 1] = fx * twice, fy * (2 * y2 + r2)
        J[:, 0, 2], J[:, 0, 3], J[:, 0, 4:] = fx * r2, fx * r4, 0.0
        J[:, 1, 4], J[:, 1, 5], J[:, 1, 2:4] = fy * r2, fy * r4, 0.0
