"""Where cameras and points are: points from the rays that meet there, targets from their points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.drift.points import SharedPoints
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

POSE = 6
"""Numbers that a camera's change has: rotation vector in rad, displacement in m, in the camera's frame as calibrated."""


@dataclass(frozen=True)
class Placement:
    """Where cameras are in each of W windows, and where the points are."""

    motion: FloatArray
    """(W, C, 4, 4) from the camera as calibrated to the camera as it is, ``T_calibrated_now``."""
    place: FloatArray
    """(B, 3) points, or (B, 4, 4) poses of targets, in the frame of the cameras' body."""

    @property
    def placed(self) -> BoolArray:
        """(B,) which blocks have a place."""
        return np.asarray(np.isfinite(self.place.reshape(len(self.place), -1 if self.place.size else 3)).all(axis=1))

    @property
    def change(self) -> FloatArray:
        """(W, C, 6) rotation vector in rad and displacement in m, in the frame of each camera as calibrated."""
        return np.concatenate([rotation.log(self.motion[..., :3, :3]), self.motion[..., :3, 3]], axis=-1)


def moved_by(change: FloatArray) -> FloatArray:
    """Return ``T_calibrated_now`` (..., 4, 4) of changes (..., 6): rotation vector in rad, displacement in m."""
    return pose_from(rotation.exp(change[..., :3]), change[..., 3:])


def first_places(points: SharedPoints, motion: FloatArray, window: IntArray) -> FloatArray:
    """Return places of all blocks from rays of all cameras, robustly; NaN where they cannot be told (parallel rays)."""
    T = np.einsum("cij,wcjk->wcik", points.T_body_camera, motion)[window]
    rays = np.stack([model.rays(uv) for model, uv in zip(points.models, points.pixels, strict=True)])
    seen = np.isfinite(rays[..., 0])
    R, origin = T[:, :, :3, :3].swapaxes(0, 1), T[:, :, :3, 3].swapaxes(0, 1)[:, :, None]
    rays = np.einsum("cbij,cbmj->cbmi", R, np.where(seen[..., None], rays, 0.0))
    across = (np.eye(3) - rays[..., :, None] * rays[..., None, :]) * seen[..., None, None]
    weight = seen.astype(np.float64)
    place = np.full((*seen.shape[1:], 3), np.nan)
    for _ in range(6):
        H = np.einsum("cbm,cbmij->bmij", weight, across)
        values = np.linalg.eigvalsh(H)
        told = (seen.sum(axis=0) >= 2) & (values[..., 0] > 1e-4 * np.maximum(values[..., 2], 1e-9))
        right = np.einsum("cbm,cbmij,cbmj->bmi", weight, across, np.broadcast_to(origin, rays.shape))
        place = np.where(told[..., None], (np.linalg.pinv(H) @ right[..., None])[..., 0], np.nan)
        towards = place - origin
        distance = np.linalg.norm(towards, axis=-1)
        off = np.where(seen, np.linalg.norm(np.cross(rays, towards), axis=-1) / distance, np.nan)
        typical = np.nanmedian(off) + 1e-9 if np.isfinite(off).any() else 1.0
        weight = np.nan_to_num(seen / (1 + (off / (2 * typical)) ** 2) / np.maximum(distance, 0.05) ** 2)
    return place[:, 0] if points.known is None else _poses_of_targets(points.known, place)


def _poses_of_targets(known: FloatArray, place: FloatArray) -> FloatArray:
    """Return the poses (B, 4, 4) that take known points (B, m, 3) nearest to where they were triangulated (Kabsch)."""
    found = np.isfinite(place[..., 0])
    w = found[..., None] / np.maximum(found.sum(axis=1), 1)[:, None, None]
    place = np.where(found[..., None], place, 0.0)
    mean_known, mean_place = (known * w).sum(axis=1), (place * w).sum(axis=1)
    covariance = np.einsum("bmi,bmj->bij", (place - mean_place[:, None]) * w, known - mean_known[:, None])
    U, S, Vt = np.linalg.svd(covariance)
    U[..., 2] *= np.sign(np.linalg.det(U @ Vt))[:, None]
    R = U @ Vt
    T = pose_from(R, mean_place - np.einsum("bij,bj->bi", R, mean_known))
    T[(found.sum(axis=1) < 3) | (S[:, 1] < 1e-3 * S[:, 0])] = np.nan
    return T
