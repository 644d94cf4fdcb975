"""From where the robot is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A pinhole camera that looks from ``eye`` at ``target``, both (x, y, z) in m in the world, with z up in the image."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_deg: float
    """Vertical field of view."""
    size: tuple[int, int]
    """(width, height) px."""

    @property
    def focal_px(self) -> float:
        """Focal length in px, the same in x and y."""
        return float(self.size[1] / 2 / np.tan(np.radians(self.fov_deg) / 2))

    @property
    def R_camera_world(self) -> FloatArray:
        """(3, 3) with the camera's right, down and forward axes as rows."""
        forward = np.subtract(self.target, self.eye)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def project(self, p_world: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return pixels (..., 2), float32, of points (..., 3) in front of the camera; (0, 0) is the centre of the upper left pixel."""
        p = (p_world.astype(np.float32) - np.asarray(self.eye, np.float32)) @ self.R_camera_world.T.astype(np.float32)
        return np.asarray(self.focal_px * p[..., :2] / p[..., 2:] + (np.array(self.size, np.float32) - 1) / 2, dtype=np.float32)

    def directions(self, pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return unit vectors (..., 3) in the world, float32, through pixels (..., 2)."""
        plane = (pixels.astype(np.float32) - (np.array(self.size, np.float32) - 1) / 2) / np.float32(self.focal_px)
        right, down, forward = self.R_camera_world.astype(np.float32)
        rays = plane[..., :1] * right + plane[..., 1:] * down + forward
        rays *= 1 / np.sqrt(1 + np.einsum("...i,...i->...", plane, plane))[..., None]
        return np.asarray(rays, dtype=np.float32)


def view_from(
    azimuth_rad: float, elevation_rad: float, target: tuple[float, float, float], height_m: float, width_m: float, size: tuple[int, int]
) -> View:
    """Look at ``target`` from a direction, from far enough that ``height_m`` and ``width_m`` fit into the image.

    ``azimuth_rad`` is counted from the world's x axis towards y, ``elevation_rad`` upwards.
    """
    fov_deg = 28.0
    fitted = max(height_m, width_m * size[1] / size[0])
    distance = fitted / 2 / np.tan(np.radians(fov_deg) / 2)
    away = np.array([np.cos(elevation_rad) * np.cos(azimuth_rad), np.cos(elevation_rad) * np.sin(azimuth_rad), np.sin(elevation_rad)])
    x, y, z = np.asarray(target) + distance * away
    return View((float(x), float(y), float(z)), target, fov_deg, size)
