"""How a board was tilted towards a camera over its views: lenses are decided by boards that are not parallel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.pnp import target_poses

FloatArray = npt.NDArray[np.float64]

_MOST_VIEWS = 150
"""Poses are found for at most so many views, evenly spread: enough for a spread, and quick."""


def board_normals(model: CameraModel, views: Views) -> FloatArray:
    """Return unit normals (W, 3) in the camera frame, towards the camera, of the targets in some of its views; W <= V."""
    chosen = np.unique(np.linspace(0, max(len(views) - 1, 0), min(len(views), _MOST_VIEWS)).astype(np.int64))
    poses = []
    for v in chosen:
        seen = views.seen[v]
        found = target_poses(model, views.points[v][seen], views.pixels[v][seen])
        if found:
            poses.append(found[0][0])
    return normals_of(np.array(poses).reshape(-1, 4, 4))


def normals_of(T_camera_target: FloatArray) -> FloatArray:
    """Return unit normals (V, 3) towards the camera of targets at poses (V, 4, 4)."""
    normal, position = T_camera_target[:, :3, 2], T_camera_target[:, :3, 3]
    away = np.einsum("vi,vi->v", normal, position) > 0
    return np.asarray(np.where(away[:, None], -normal, normal))


def tilt_spread(normals: FloatArray) -> tuple[float, float]:
    """Return how far normals (V, 3) turn about their mean, root mean square in rad: left and right, and up and down; NaN for fewer than two."""
    if len(normals) < 2:
        return float("nan"), float("nan")
    mean = normals.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-9:
        return float("nan"), float("nan")
    mean = mean / length
    right = np.cross([0.0, 1.0, 0.0] if abs(mean[1]) < 0.9 else [0.0, 0.0, 1.0], mean)
    right /= np.linalg.norm(right)
    down = np.cross(mean, right)
    angle = np.arccos(np.clip(normals @ mean, -1.0, 1.0))
    across = np.stack([normals @ right, normals @ down], axis=1)
    size = np.linalg.norm(across, axis=1, keepdims=True)
    turned = across / np.where(size > 0, size, 1.0) * angle[:, None]
    sideways, upright = np.sqrt(np.mean(np.square(turned), axis=0))
    return float(sideways), float(upright)
