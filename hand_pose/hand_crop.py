"""The crop around one hand that the landmark network takes, cut straight out of a camera's image whatever its lens.

A crop is a small pinhole view that looks at the hand, turned so that the fingers point up: rectified and cut in one resampling. Its size and
turn follow MediaPipe's rule (``hand_landmarks_to_rect_calculator``, Apache-2.0), on the plane across the viewing direction.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import CameraModel
from bodydouble.hand_pose.hand_models import HAND_SIDE, Palm

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

_RIGID = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
"""Landmarks that MediaPipe takes the extent of a hand from: no outer finger joints, whose bending would change it."""
_SCALE, _SHIFT_UP = 2.0, 0.1
"""Side of the crop over the extent of those landmarks, and how far it is moved towards the fingers, in extents."""
_PALM_SCALE, _PALM_SHIFT_UP = 2.6, 0.5
"""The same for the box of a palm."""
_GRID = 15
"""Nodes a side at which the lens is asked; between them its map is bilinear: off by 0.05 px at 60 degrees of a fisheye lens."""
_WIDEST = np.tan(np.radians(50.0))
"""Half the side of the widest crop, as a tangent."""


@dataclass(frozen=True)
class HandCrop:
    """A square view into a camera's image."""

    R_camera_crop: FloatArray
    """(3, 3), the crop's axes (x right, y down, z away) in the camera frame."""
    half: float
    """Tangent of half its field of view."""
    side: int = HAND_SIDE
    """px."""

    @classmethod
    def around(cls, rays: FloatArray) -> HandCrop | None:
        """Return the crop for a hand whose 21 landmarks lie along ``rays`` (21, 3) of the camera frame; None for one too near or too wide."""
        R = _facing(rays[_RIGID].mean(axis=0))
        flat = rays @ R
        if np.any(flat[:, 2] <= 0.05):
            return None
        points = flat[:, :2] / flat[:, 2:]
        knuckles = (points[5] + points[13]) / 4 + points[9] / 2
        turn = _turn(knuckles - points[0])
        turned = points[_RIGID] @ turn
        low, high = turned.min(axis=0), turned.max(axis=0)
        extent = float(np.max(high - low))
        return cls._placed(R, turn, (low + high) / 2 - (0.0, _SHIFT_UP * float(high[1] - low[1])), _SCALE * extent / 2)

    @classmethod
    def of_palm(cls, palm: Palm, view: HandCrop) -> HandCrop | None:
        """Return the crop for a palm that was found in another, larger view."""
        points = view.on_plane(palm.keypoints * view.side - 0.5)
        turn = _turn(points[2] - points[0])
        size = (palm.box[2:] - palm.box[:2]) * 2 * view.half
        middle = view.on_plane(((palm.box[:2] + palm.box[2:]) / 2 * view.side - 0.5)[None])[0]
        return cls._placed(
            view.R_camera_crop, turn, middle @ turn - (0.0, _PALM_SHIFT_UP * float(size[1])), _PALM_SCALE * float(np.max(size)) / 2
        )

    @classmethod
    def _placed(cls, R: FloatArray, turn: FloatArray, middle: FloatArray, half: float) -> HandCrop | None:
        """Return the crop about a point (2,) of the turned plane."""
        x, y = turn @ middle
        z = np.array([x, y, 1.0])
        facing = _facing(R @ z)
        # The turn is carried over by the direction that is up in the crop.
        up = R @ np.array([-turn[0, 1], -turn[1, 1], 0.0])
        down = facing.T @ -up
        angle = np.arctan2(-down[0], down[1])
        about = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
        half = half / float(np.linalg.norm(z))
        return cls(facing @ about, half) if 1e-3 < half < _WIDEST else None

    @classmethod
    def searching(cls, direction: FloatArray, fov_deg: float, side: int, up: FloatArray) -> HandCrop:
        """Return a view that looks along ``direction`` (3,) with ``up`` (3,) upwards."""
        z = direction / np.linalg.norm(direction)
        x = np.cross(z, up)
        x /= np.linalg.norm(x)
        return cls(np.stack([x, np.cross(z, x), z], axis=1), float(np.tan(np.radians(fov_deg) / 2)), side)

    def on_plane(self, pixels: FloatArray) -> FloatArray:
        """Return (..., 2) on the plane at distance one for pixels (..., 2) of the crop."""
        points: FloatArray = ((pixels + 0.5) * (2 / self.side) - 1.0) * self.half
        return points

    def rays(self, pixels: FloatArray) -> FloatArray:
        """Return unit rays (..., 3) of the camera frame for pixels (..., 2) of the crop."""
        points = self.on_plane(pixels)
        rays = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ self.R_camera_crop.T
        unit: FloatArray = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        return unit

    def cut(self, image: RgbImage, model: CameraModel, *, least_inside: float = 0.5) -> RgbImage | None:
        """Return the crop (side, side, 3) of a camera's image, black where that shows nothing; None if it shows less than a share of it."""
        import cv2

        nodes = (np.arange(_GRID) * ((self.side - 1) / (_GRID - 1))).astype(np.float64)
        u, v = np.meshgrid(nodes, nodes)
        rays = self.rays(np.stack([u, v], axis=-1).reshape(-1, 2))
        pixels = model.project(rays)
        height, width = image.shape[:2]
        pixels = np.where(np.isfinite(pixels), pixels, -1e4)
        inside = np.all((pixels >= 0) & (pixels <= (width - 1, height - 1)), axis=-1)
        if inside.mean() < least_inside:
            return None
        x, y = (_upsampled(pixels[:, axis].reshape(_GRID, _GRID).astype(np.float32), self.side) for axis in (0, 1))
        cropped: Any = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(cropped)


def _upsampled(grid: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Return (side, side) between nodes whose first and last lie on the first and last pixel; cv2.resize rounds positions to a 32nd of a cell."""
    weights = _weights(side)
    return np.asarray(weights @ grid @ weights.T, dtype=np.float32)


@functools.cache
def _weights(side: int) -> npt.NDArray[np.float32]:
    place = np.arange(side) * ((_GRID - 1) / (side - 1))
    weights: npt.NDArray[np.float32] = np.maximum(1.0 - np.abs(place[:, None] - np.arange(_GRID)), 0.0).astype(np.float32)
    return weights


def _turn(upwards: FloatArray) -> FloatArray:
    """Return (2, 2) whose columns are right and down of a plane (x right, y down) turned so that ``upwards`` (2,) points up."""
    up = upwards / max(float(np.linalg.norm(upwards)), 1e-9)
    return np.array([[-up[1], -up[0]], [up[0], -up[1]]])


def _facing(direction: FloatArray) -> FloatArray:
    """Return axes (3, 3) whose z looks along a direction, x about to the right."""
    z = direction / math.sqrt(direction @ direction)
    beside = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.9 else np.array([0.0, 0.0, -math.copysign(1.0, z[0])])
    x = beside - z * (beside @ z)
    x /= math.sqrt(x @ x)
    axes = np.empty((3, 3))
    axes[:, 0], axes[:, 2] = x, z
    axes[:, 1] = z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]
    return axes
