"""Residuals of all views with analytic derivatives, by intrinsics and by the pose of what each image shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.images import Images, Lifts, images_of, lifts_of, points_in_base
from bodydouble.calibration.bundle.state import STATIC, State, Structure, Views

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linearization:
    """Residuals of all views and their derivatives by the camera's intrinsics, by the base's pose in the camera and by the target's in the room."""

    residual: FloatArray
    """(V, n, 2) predicted minus seen px; 0 where not seen, NaN where the model sees no such point."""
    J: FloatArray
    """(V, n, 2, P + 6) by intrinsics and base; 0 where not seen or NaN."""
    J_target: FloatArray
    """(V, n, 2, 6) by a static target's pose in the room; empty where no target is static."""
    rate: FloatArray
    """(V, 6) how the base's pose in the camera changes with time: angular velocity on the right (rad/s), velocity (m/s)."""
    images: Images
    lifts: Lifts


def residuals(state: State, structure: Structure, views: Views) -> FloatArray:
    """Return predicted minus seen pixels (V, n, 2); 0 where not seen, NaN where the model sees no such point."""
    points = _in_camera(images_of(state, structure, views), points_in_base(state, structure, views))
    result = np.zeros(views.pixels.shape)
    for c, model in enumerate(state.models):
        rows = views.camera == c
        result[rows] = np.where(views.seen[rows][..., None], model.project(points[rows]) - views.pixels[rows], 0.0)
    return result


def linearize(state: State, structure: Structure, views: Views, intrinsics: int) -> Linearization:
    """Return residuals and derivatives, with room for ``intrinsics`` parameters of each camera."""
    images, in_base = images_of(state, structure, views), points_in_base(state, structure, views)
    points = _in_camera(images, in_base)
    count, n = views.point.shape
    J, J_point, residual = np.zeros((count, n, 2, intrinsics + 6)), np.zeros((count, n, 2, 3)), np.zeros(views.pixels.shape)
    for c, model in enumerate(state.models):
        rows = views.camera == c
        if rows.any():
            pixels, J_point[rows], J_model = model.project_jacobians(points[rows])
            residual[rows] = pixels - views.pixels[rows]
            J[rows, :, :, : J_model.shape[-1]] = J_model
    unused = ~(views.seen & np.isfinite(residual).all(axis=-1))
    J[unused], J_point[unused] = 0.0, 0.0
    by_base = _turned(J_point, images.R[images.of_view])
    _cross(in_base, by_base, J[..., intrinsics : intrinsics + 3])  # the base turned by d moves its point p by R (d x p)
    J[..., intrinsics + 3 :] = J_point
    still = bool((structure.chain_of_target == STATIC).any())
    J_target = np.zeros((count, n, 2, 6 if still else 0))
    if still:
        _cross(views.points, _turned(by_base, state.T_room_target[views.target][:, :3, :3]), J_target[..., :3])
        J_target[..., 3:] = by_base
    lifts = lifts_of(images, state, views)
    return Linearization(np.where(views.seen[..., None], residual, 0.0), J, J_target, lifts.rate[images.of_view], images, lifts)


def _in_camera(images: Images, in_base: FloatArray) -> FloatArray:
    """Return points (V, n, 3) of the bases in the cameras."""
    return in_base @ np.swapaxes(images.R, 1, 2)[images.of_view] + images.t[images.of_view][:, None]


def _turned(rows: FloatArray, R: FloatArray) -> FloatArray:
    """Return rows (V, n, 2, 3) times a rotation (V, 3, 3) each."""
    return (rows.reshape(len(rows), -1, 3) @ R).reshape(rows.shape) if rows.size else rows


def _cross(p: FloatArray, rows: FloatArray, out: FloatArray) -> None:
    """Write the cross products of points (V, n, 3) and each of their two rows (V, n, 2, 3)."""
    x, y, z = (p[..., None, i] for i in range(3))
    u, v, w = (rows[..., i] for i in range(3))
    out[..., 0], out[..., 1], out[..., 2] = y * w - z * v, z * u - x * w, x * v - y * u
