"""The pinhole camera with radial and tangential distortion (Brown-Conrady, OpenCV's five terms)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import radial
from bodydouble.calibration.camera_model import check_parameters, plain_parameters

FloatArray = npt.NDArray[np.float64]

_NEWTON_STEPS = 30


@dataclass(frozen=True)
class PinholeCamera:
    """A camera that sees what is in front of it (z > 0) and within the range where its radial distortion grows.

    Source: OpenCV's ``calib3d`` documentation, "Detailed Description", first five coefficients.
    """

    image_size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3."""

    def __post_init__(self) -> None:
        for name, value in plain_parameters(self.image_size, self.focal, self.center, self.distortion).items():
            object.__setattr__(self, name, value)
        check_parameters(self.image_size, self.focal, self.center, self.distortion, 5)

    @cached_property
    def limit(self) -> float:
        """Largest tan(angle from the optical axis) that the distortion polynomial can be used for."""
        return radial.monotone_limit(self._radial)

    @property
    def _radial(self) -> tuple[float, ...]:
        k1, k2, _, _, k3 = self.distortion
        return (k1, k2, k3)

    def project(self, p_camera: npt.ArrayLike) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) in m in the camera frame; NaN behind the camera and beyond ``limit``."""
        x, y, _ = self._normalized(p_camera)
        xd, yd = self._distort(x, y)
        return np.stack([self.focal[0] * xd + self.center[0], self.focal[1] * yd + self.center[1]], axis=-1)

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return unit vectors (..., 3) in the camera frame for pixels (..., 2).

        The radial part is inverted by bracketed Newton, then both coordinates by Newton; NaN where that does not converge to 1e-9.
        """
        uv = np.asarray(pixels, dtype=np.float64)
        xd = (uv[..., 0] - self.center[0]) / self.focal[0]
        yd = (uv[..., 1] - self.center[1]) / self.focal[1]
        x, y = self._undistort(xd, yd)
        vectors = np.stack([x, y, np.ones_like(x)], axis=-1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))

    def project_jacobian(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives (..., 2, 3) in pixels a metre."""
        x, y, z = self._normalized(p_camera)
        xd, yd = self._distort(x, y)
        a, b, c, d = self._distortion_jacobian(x, y)
        fx, fy = self.focal
        jacobian = np.empty((*x.shape, 2, 3))
        jacobian[..., 0, 0], jacobian[..., 0, 1] = fx * a / z, fx * b / z
        jacobian[..., 1, 0], jacobian[..., 1, 1] = fy * c / z, fy * d / z
        jacobian[..., 0, 2] = -fx * (a * x + b * y) / z
        jacobian[..., 1, 2] = -fy * (c * x + d * y) / z
        return np.stack([fx * xd + self.center[0], fy * yd + self.center[1]], axis=-1), jacobian

    def _normalized(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        p = np.asarray(p_camera, dtype=np.float64)
        z = np.where(p[..., 2] > 0, p[..., 2], np.nan)
        x, y = p[..., 0] / z, p[..., 1] / z
        seen = x * x + y * y <= self.limit**2
        return np.where(seen, x, np.nan), np.where(seen, y, np.nan), z

    def _distort(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        k1, k2, p1, p2, k3 = self.distortion
        r2 = x * x + y * y
        g = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return x * g + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * g + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y

    def _distortion_jacobian(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return dxd/dx, dxd/dy, dyd/dx, dyd/dy."""
        k1, k2, p1, p2, k3 = self.distortion
        r2 = x * x + y * y
        g = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        h = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))
        cross = x * y * h + 2 * p1 * x + 2 * p2 * y
        return g + x * x * h + 2 * p1 * y + 6 * p2 * x, cross, cross, g + y * y * h + 6 * p1 * y + 2 * p2 * x

    def _undistort(self, xd: FloatArray, yd: FloatArray) -> tuple[FloatArray, FloatArray]:
        rd = np.hypot(xd, yd)
        r = radial.undistort(rd, self._radial, self.limit)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(rd > 0, r / rd, 1.0)
        # Where the tangential part alone pushed the pixel past the radial range, start at the edge of the range.
        scale = np.where(np.isnan(scale) & np.isfinite(rd) & np.isfinite(self.limit), 0.999 * self.limit / np.where(rd > 0, rd, 1.0), scale)
        x, y = xd * scale, yd * scale
        if any(self.distortion[2:4]):
            for _ in range(_NEWTON_STEPS):
                ex, ey = self._distort(x, y)
                ex, ey = ex - xd, ey - yd
                if not (np.maximum(np.abs(ex), np.abs(ey)) > 1e-16).any():
                    break
                a, b, c, d = self._distortion_jacobian(x, y)
                with np.errstate(divide="ignore", invalid="ignore"):
                    determinant = a * d - b * c
                    x, y = x - (d * ex - b * ey) / determinant, y - (a * ey - c * ex) / determinant
        ex, ey = self._distort(x, y)
        good = (np.abs(ex - xd) <= 1e-9) & (np.abs(ey - yd) <= 1e-9) & (x * x + y * y <= self.limit**2 * (1 + 1e-12))
        return np.where(good, x, np.nan), np.where(good, y, np.nan)
