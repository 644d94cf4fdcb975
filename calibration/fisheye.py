"""The fisheye camera of Kannala and Brandt with four terms (OpenCV's ``fisheye``), for fields of view beyond 180 degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import radial
from bodydouble.calibration.camera_model import check_parameters, plain_parameters

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FisheyeCamera:
    """A camera whose image radius depends on the angle from the optical axis: ``theta (1 + k1 theta^2 + ... + k4 theta^8)``.

    Directions at and beyond 90 degrees are seen like any other, up to ``limit``. Source: Kannala and Brandt, "A generic camera
    model and calibration method for conventional, wide-angle, and fish-eye lenses", PAMI 2006, in OpenCV's form.
    """

    image_size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """k1, k2, k3, k4."""

    def __post_init__(self) -> None:
        for name, value in plain_parameters(self.image_size, self.focal, self.center, self.distortion).items():
            object.__setattr__(self, name, value)
        check_parameters(self.image_size, self.focal, self.center, self.distortion, 4)

    @cached_property
    def limit(self) -> float:
        """Largest angle from the optical axis in rad that the model can be used for: where the polynomial folds back, at most pi."""
        return min(radial.monotone_limit(self.distortion), math.pi)

    def project(self, p_camera: npt.ArrayLike) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) in m in the camera frame; NaN beyond ``limit`` and at the camera's centre."""
        return self._project(p_camera, jacobian=False)[0]

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return unit vectors (..., 3) in the camera frame for pixels (..., 2); NaN outside the image circle that ``limit`` allows."""
        uv = np.asarray(pixels, dtype=np.float64)
        x = (uv[..., 0] - self.center[0]) / self.focal[0]
        y = (uv[..., 1] - self.center[1]) / self.focal[1]
        radius = np.hypot(x, y)
        theta = radial.undistort(radius, self.distortion, self.limit)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(radius > 0, np.sin(theta) / radius, 1.0)
        return np.stack([x * scale, y * scale, np.cos(theta)], axis=-1)

    def project_jacobian(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives (..., 2, 3) in pixels a metre."""
        return self._project(p_camera, jacobian=True)

    def _project(self, p_camera: npt.ArrayLike, *, jacobian: bool) -> tuple[FloatArray, FloatArray]:
        p = np.asarray(p_camera, dtype=np.float64)
        x, y, z = p[..., 0], p[..., 1], p[..., 2]
        rho = np.hypot(x, y)
        theta = np.arctan2(rho, z)
        on_axis = rho == 0
        seen = (theta <= self.limit) & ~(on_axis & ~(z > 0))
        theta = np.where(seen, theta, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            # On the axis theta / rho tends to 1 / z, in every direction.
            scale = np.where(on_axis, 1.0 / z, radial.distort(theta, self.distortion) / rho)
            cos, sin = np.where(on_axis, 1.0, x / rho), np.where(on_axis, 0.0, y / rho)
        scale = np.where(seen, scale, np.nan)
        fx, fy = self.focal
        pixels = np.stack([fx * scale * x + self.center[0], fy * scale * y + self.center[1]], axis=-1)
        if not jacobian:
            return pixels, np.empty((0, 2, 3))
        distance2 = rho * rho + z * z
        slope = radial.distort_derivative(theta, self.distortion)
        radially, along_z = slope * z / distance2, -slope * rho / distance2
        J = np.empty((*rho.shape, 2, 3))
        J[..., 0, 0] = fx * (cos * cos * radially + sin * sin * scale)
        J[..., 0, 1] = fx * cos * sin * (radially - scale)
        J[..., 0, 2] = fx * cos * along_z
        J[..., 1, 0] = fy * cos * sin * (radially - scale)
        J[..., 1, 1] = fy * (sin * sin * radially + cos * cos * scale)
        J[..., 1, 2] = fy * sin * along_z
        return pixels, J
