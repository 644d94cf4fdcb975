"""Where clicked points are, by the cameras alone."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import apply, invert, rotate

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LEAST_ANGLE = np.radians(1.0)
"""Rays closer to parallel than this leave the distance of a point open."""
_REFINEMENTS = 10


def triangulate_clicks(models: tuple[CameraModel, ...], T_room_camera: FloatArray, pixels: FloatArray, sigma_px: float) -> FloatArray:
    """Return the points (P, 3) that pixels (C, P, 2) show; NaN where no two cameras see a point from different enough directions.

    Every pair of cameras proposes a point, the one that most cameras agree with (errors of Student's t with ``sigma_px``) is refined by least
    squares in pixels, in which cameras that do not agree hardly count.
    """
    T_camera_room = invert(T_room_camera)
    rays = np.stack([rotate(T, model.rays(uv)) for model, T, uv in zip(models, T_room_camera, pixels, strict=True)])
    points = np.full((pixels.shape[1], 3), np.nan)
    for p in range(pixels.shape[1]):
        cameras = [c for c in range(len(models)) if np.isfinite(rays[c, p]).all()]
        proposals = [
            point for a, b in itertools.combinations(cameras, 2)
            if (point := _crossing(T_room_camera[[a, b], :3, 3], rays[[a, b], p])) is not None
        ]  # fmt: skip
        if not proposals:
            continue
        costs = [_cost(models, T_camera_room, pixels[:, p], proposal, cameras, sigma_px) for proposal in proposals]
        points[p] = _refined(models, T_camera_room, pixels[:, p], proposals[int(np.argmin(costs))], cameras, sigma_px)
    return points


def _crossing(origins: FloatArray, rays: FloatArray) -> FloatArray | None:
    """Return the point nearest to two rays, in front of both."""
    cosine = float(rays[0] @ rays[1])
    if abs(cosine) > np.cos(_LEAST_ANGLE):
        return None
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    point = np.linalg.solve(across.sum(axis=0), np.einsum("nij,nj->i", across, origins))
    return np.asarray(point) if (np.einsum("ni,ni->n", point - origins, rays) > 0).all() else None


def _squared(models: tuple[CameraModel, ...], T: FloatArray, pixels: FloatArray, point: FloatArray, cameras: list[int]) -> FloatArray:
    error = np.stack([models[c].project(apply(T[c], point)) - pixels[c] for c in cameras])
    return np.asarray(np.nan_to_num(np.square(error).sum(axis=-1), nan=1e12))


def _cost(
    models: tuple[CameraModel, ...], T: FloatArray, pixels: FloatArray, point: FloatArray, cameras: list[int], sigma_px: float
) -> float:  # fmt: skip
    return float(np.log1p(_squared(models, T, pixels, point, cameras) / (4 * sigma_px**2)).sum())


def _refined(
    models: tuple[CameraModel, ...], T: FloatArray, pixels: FloatArray, point: FloatArray, cameras: list[int], sigma_px: float
) -> FloatArray:  # fmt: skip
    cost = _cost(models, T, pixels, point, cameras, sigma_px)
    for _ in range(_REFINEMENTS):
        H, g = np.zeros((3, 3)), np.zeros(3)
        for c in cameras:
            seen, by_point = models[c].project_jacobian(apply(T[c], point))
            if np.isfinite(seen).all():
                J, r = by_point @ T[c, :3, :3], seen - pixels[c]
                weight = 1 / (4 * sigma_px**2 + r @ r)
                H, g = H + weight * J.T @ J, g + weight * J.T @ r
        moved = point - np.linalg.lstsq(H, g, rcond=None)[0]
        lower = _cost(models, T, pixels, moved, cameras, sigma_px)
        if lower >= cost:
            break
        gain, point, cost = cost - lower, moved, lower
        if gain < 1e-14:
            break
    return point
