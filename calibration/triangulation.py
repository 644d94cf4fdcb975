"""Points from what two or more calibrated cameras saw of them: linearly, then by least squares in pixels. Nothing is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import apply

FloatArray = npt.NDArray[np.float64]

_STEPS = 6


def triangulate_pixels(models: Sequence[CameraModel], T_camera_room: FloatArray, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points (N, 3) m and their residuals (C, N, 2) px, predicted minus seen.

    ``pixels`` (C, N, 2), NaN where not seen. Points seen by fewer than two cameras are NaN; all others are given, for a score must count them, even
    where rays run apart: nearest to these, behind a camera, which then may have no residual. Every view counts alike (Hartley and Zisserman,
    "Multiple View Geometry", 2nd ed., ch. 12).
    """
    rays = np.stack([model.rays(uv) for model, uv in zip(models, pixels, strict=True)])
    R, t = T_camera_room[:, :3, :3], T_camera_room[:, :3, 3]
    seen = np.asarray(np.isfinite(rays).all(axis=-1))
    directions = np.where(seen[..., None], np.einsum("cij,cni->cnj", R, rays), 0.0)
    origins = -np.einsum("cij,ci->cj", R, t)
    projectors = (np.eye(3) - directions[..., :, None] * directions[..., None, :]) * seen[..., None, None]
    enough = seen.sum(axis=0) >= 2
    points = np.full((pixels.shape[1], 3), np.nan)
    if enough.any():
        normal, right = projectors.sum(axis=0)[enough], np.einsum("cnij,cj->ni", projectors, origins)[enough]
        points[enough] = np.einsum("nij,nj->ni", np.linalg.pinv(normal), right)
    for _ in range(_STEPS):
        H, g = np.zeros((len(points), 3, 3)), np.zeros((len(points), 3))
        for c, model in enumerate(models):
            predicted, J = model.project_jacobian(apply(T_camera_room[c], points))
            error = predicted - pixels[c]
            good = seen[c] & np.isfinite(error).all(axis=-1)
            J = np.where(good[:, None, None], J @ R[c], 0.0)
            H += np.swapaxes(J, 1, 2) @ J
            g += np.einsum("nki,nk->ni", J, np.where(good[:, None], error, 0.0))
        points = points - np.einsum("nij,nj->ni", np.linalg.pinv(H), g)
    residual = np.stack([model.project(apply(T, points)) for model, T in zip(models, T_camera_room, strict=True)]) - pixels
    return points, residual
