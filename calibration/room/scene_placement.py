"""What is solved for when cameras and measured points are placed in a room, what was observed of it, and how the one depends on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import apply, invert, pose_from

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Placement:
    """What is solved for: K rigid groups of cameras in the room, one scale, and P points."""

    models: tuple[CameraModel, ...]
    group: IntArray
    """(C,) group of each camera."""
    T_group_camera: FloatArray
    """(C, 4, 4) held fixed."""
    T_room_group: FloatArray
    """(K, 4, 4)"""
    points: FloatArray
    """(P, 3) m in the room."""
    scale: float = 1.0
    """Lengths in the room over lengths within the groups."""

    @property
    def T_room_camera(self) -> FloatArray:
        """(C, 4, 4)"""
        inner = self.T_group_camera.copy()
        inner[:, :3, 3] *= self.scale
        return np.asarray(self.T_room_group[self.group] @ inner)

    def project(self) -> FloatArray:
        """Return the pixels (C, P, 2) of all points in all cameras; NaN where not seen."""
        inner = apply(invert(self.T_room_group[self.group])[:, None], self.points) / self.scale
        p_camera = apply(invert(self.T_group_camera)[:, None], inner)
        return np.stack([model.project(p) for model, p in zip(self.models, p_camera, strict=True)])


@dataclass(frozen=True)
class Observed:
    """Clicks and measurements with their scatter."""

    pixels: FloatArray
    """(C, P, 2); NaN where not clicked."""
    points: FloatArray
    """(P, 3) as measured."""
    sigma_px: float
    sigma_m: float
    """0 where the points are exact: they are not solved for then."""

    @property
    def seen(self) -> BoolArray:
        """(C, P)"""
        return np.asarray(np.isfinite(self.pixels).all(axis=-1))


class Problem:
    """Which unknown is where: 6 a group, the scale if it is free, then 3 for each free point."""

    def __init__(self, observed: Observed, free_scale: bool) -> None:
        self.free_scale = free_scale
        self.free = observed.seen.any(axis=0) & (observed.sigma_m > 0)

    def first_point(self, placement: Placement) -> int:
        """Return the column where the points begin."""
        return 6 * len(placement.T_room_group) + self.free_scale

    def columns(self, placement: Placement) -> IntArray:
        """Return (P,) the first column of each point; -1 where it is not free."""
        return np.where(self.free, self.first_point(placement) + 3 * (np.cumsum(self.free) - 1), -1)

    def size(self, placement: Placement) -> int:
        """Return the number of unknowns N."""
        return self.first_point(placement) + 3 * int(self.free.sum())

    def jacobian(self, placement: Placement) -> tuple[FloatArray, FloatArray]:
        """Return the pixels (C, P, 2) and their derivatives (C, P, 2, N)."""
        cameras, count = len(placement.models), len(placement.points)
        T_group_room = invert(placement.T_room_group[placement.group])
        inner = apply(T_group_room[:, None], placement.points) / placement.scale
        R_group_room, R_camera_group = T_group_room[:, :3, :3], invert(placement.T_group_camera)[:, :3, :3]
        p_camera = apply(invert(placement.T_group_camera)[:, None], inner)
        pixels, J = np.empty((cameras, count, 2)), np.zeros((cameras, count, 2, self.size(placement)))
        columns = self.columns(placement)
        for c, model in enumerate(placement.models):
            pixels[c], by_point = model.project_jacobian(p_camera[c])
            by_inner = by_point @ R_camera_group[c]
            first = 6 * int(placement.group[c])
            J[c, :, :, first : first + 3] = by_inner @ rotation.hat(inner[c])
            by_room = by_inner @ R_group_room[c] / placement.scale
            J[c, :, :, first + 3 : first + 6] = -by_room
            if self.free_scale:
                J[c, :, :, 6 * len(placement.T_room_group)] = -np.einsum("pij,pj->pi", by_inner, inner[c])
            for p in np.flatnonzero(self.free):
                J[c, p, :, columns[p] : columns[p] + 3] = by_room[p]
        return pixels, np.where(np.isfinite(J), J, 0.0)

    def stepped(self, placement: Placement, step: FloatArray) -> Placement:
        """Return the placement moved by a step (N,)."""
        groups = len(placement.T_room_group)
        turn, shift = step[: 6 * groups].reshape(groups, 2, 3).transpose(1, 0, 2)
        T = placement.T_room_group
        points = placement.points.copy()
        points[self.free] += step[self.first_point(placement) :].reshape(-1, 3)
        scale = placement.scale * float(np.exp(np.clip(step[6 * groups], -3, 3))) if self.free_scale else placement.scale
        return replace(
            placement, T_room_group=pose_from(T[:, :3, :3] @ rotation.exp(turn), T[:, :3, 3] + shift), points=points, scale=scale
        )
