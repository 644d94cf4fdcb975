"""The fisheye camera of Kannala and Brandt with four terms (OpenCV's ``fisheye``), for fields of view beyond 180 degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from bodydouble.calibration.cameras import radial
from bodydouble.calibration.cameras.off_axis import OffAxis, directions_at
from bodydouble.calibration.cameras.parametric_camera import BoolArray, FloatArray, ParametricCamera


@dataclass(frozen=True)
class FisheyeCamera(ParametricCamera):
    """A camera whose image radius depends on the angle from the optical axis: ``theta (1 + k1 theta^2 + ... + k4 theta^8)``.

    Directions at and beyond 90 degrees are seen like any other, up to ``limit``. Source: Kannala and Brandt, "A generic camera
    model and calibration method for conventional, wide-angle, and fish-eye lenses", PAMI 2006, in OpenCV's form.
    """

    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """k1, k2, k3, k4."""

    TERMS: ClassVar[tuple[int, ...]] = (4,)

    @cached_property
    def limit(self) -> float:
        """Largest angle from the optical axis in rad that the model can be used for: where the polynomial folds back, at most pi."""
        return min(radial.monotone_limit(self.distortion), math.pi)

    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        angle = OffAxis(p)
        theta = angle.theta
        bent = radial.distort(theta, self.distortion)
        fx, fy = self.focal
        if J_point is not None:
            xx, xy, yy, xz, yz = angle.slopes(bent, radial.distort_derivative(theta, self.distortion))
            for row, (f, values) in enumerate(((fx, (xx, xy, xz)), (fy, (xy, yy, yz)))):
                for column, value in enumerate(values):
                    np.multiply(value, f, out=J_point[:, row, column])
        if J_lens is not None:
            theta2 = theta * theta
            for row, (f, towards) in enumerate(((fx, angle.cos), (fy, angle.sin))):
                power = (f * theta) * towards
                for k in range(4):
                    power = np.multiply(power, theta2, out=J_lens[:, row, k])
        return bent * angle.cos, bent * angle.sin, angle.within(self.limit)

    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        radius = np.hypot(x, y)
        directions_at(x, y, radius, radial.undistort(radius, self.distortion, self.limit), out)
