"""Where a body may be at each moment, to start a refinement from: poses that single targets suggest and that all that was seen agrees with best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.noise import FREEDOM, squared_error
from bodydouble.calibration.localization.sightings import Sightings
from bodydouble.calibration.plane_pose import plane_poses
from bodydouble.calibration.pnp import FEWEST_POINTS
from bodydouble.calibration.transform import apply, invert, pose_distance

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COARSE_PX = 8.0
"""Error of a start: a pose from one small tag is some degrees off, and clocks are not yet accounted for."""
_TARGETS = 4
"""How many targets of a moment suggest poses: those that look largest, each in the camera in which it does."""
_THINNEST = 0.1
"""Points whose spread across is less than this share of that along are nearly on one line, and say too little about a pose."""
_APART = (0.1, 0.05)
"""rad, m: poses closer than that lead to the same refined one."""
_BLOCK = 300


@dataclass(frozen=True)
class Starts:
    """H poses to start from: one or two a moment, the one that is agreed with best first; none where no target was seen well enough."""

    moment: IntArray
    """(H,) increasing."""
    T: FloatArray
    """(H, 4, 4) T_room_body."""


def find_starts(s: Sightings, T_room_target: FloatArray) -> Starts:
    """Return where the body may be at each moment; ``T_room_target`` (G, 4, 4) are the places of the map's targets."""
    parts = []
    for first in range(0, s.moments, _BLOCK):
        block = np.arange(first, min(first + _BLOCK, s.moments))
        part = s.take(block)
        moment, T = _suggested(part, T_room_target)
        moment, T = _agreed(part, moment, T)
        parts.append((block[moment], T))
    return Starts(
        np.concatenate([*(moment for moment, _ in parts), np.zeros(0, dtype=np.int64)]),
        np.concatenate([*(T for _, T in parts), np.zeros((0, 4, 4))]),
    )


def _suggested(s: Sightings, T_room_target: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return moments (H,) and poses (H, 4, 4) that single views suggest, both poses of each."""
    chosen = _largest(s)
    T_camera_target = target_poses_of(s, chosen)
    start = s.view_start[chosen]
    camera, target = s.camera_of_point[start], s.target[start]
    valid = np.isfinite(T_camera_target[..., 0, 0])
    safe = np.where(valid[..., None, None], T_camera_target, np.eye(4))
    T = T_room_target[target][:, None] @ invert(safe) @ s.T_camera_body[camera][:, None]
    moment = np.broadcast_to(s.moment_of_point[start][:, None], valid.shape)
    order = np.argsort(moment[valid], kind="stable")
    return moment[valid][order], T[valid][order]


def target_poses_of(s: Sightings, chosen: IntArray) -> FloatArray:
    """Return both poses (V, 2, 4, 4) T_camera_target that explain each of some views of single targets; NaN where there is none."""
    if len(chosen) == 0:
        return np.zeros((0, 2, 4, 4))
    starts = np.append(s.view_start, len(s.frame))
    count = starts[chosen + 1] - starts[chosen]
    inner = np.arange(int(count.max()))
    seen = inner < count[:, None]
    point = np.where(seen, starts[chosen][:, None] + inner, starts[chosen][:, None])
    camera = s.camera_of_point[starts[chosen]]
    rays = np.full((*point.shape, 3), np.nan)
    for c, model in enumerate(s.models):
        rows = camera == c
        rays[rows] = model.rays(s.pixels[point[rows]])
    return plane_poses(s.p_target[point], rays, seen)


def _largest(s: Sightings) -> IntArray:
    """Return the views to try: of each moment the targets that look largest, in the camera in which they do."""
    start = s.view_start
    if len(start) == 0:
        return np.zeros(0, dtype=np.int64)
    count = np.diff(np.append(start, len(s.frame)))

    def spread(values: FloatArray) -> FloatArray:
        middle = np.add.reduceat(values, start) / count[:, None]
        off = values - middle[s.view]
        gram = np.add.reduceat(off[:, :, None] * off[:, None, :], start)
        return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0)))

    on_target, on_image = spread(s.p_target[:, :2]), spread(s.pixels)
    good = np.flatnonzero((count >= FEWEST_POINTS) & (on_target[:, 0] > _THINNEST * on_target[:, 1]))
    size = on_image[good, 0]
    moment, target = s.moment_of_point[start[good]], s.target[start[good]]
    order = np.lexsort((-size, target, moment))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(moment[order]) != 0) | (np.diff(target[order]) != 0)
    best = order[first]
    order = best[np.lexsort((-size[best], moment[best]))]
    number = np.arange(len(order)) - np.searchsorted(moment[order], moment[order])
    return np.asarray(good[order[number < _TARGETS]])


def _agreed(s: Sightings, moment: IntArray, T: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the pose of each moment that explains most of what was seen then, and the next best that is another one."""
    if len(moment) == 0:
        return moment, T
    cost = _coarse_costs(s.take(moment), T)
    order = np.lexsort((cost, moment))
    moment, T, cost = moment[order], T[order], cost[order]
    best = np.searchsorted(moment, moment)
    turned, away = pose_distance(T[best], T)
    other = (turned > _APART[0]) | (away > _APART[1])
    rank = np.where(other, 1, 2)
    rank[np.unique(best)] = 0
    order = np.lexsort((cost, rank, moment))
    moment, T, rank = moment[order], T[order], rank[order]
    number = np.arange(len(moment)) - np.searchsorted(moment, moment)
    kept = (number == 0) | ((number == 1) & (rank == 1))
    return moment[kept], T[kept]


def _coarse_costs(s: Sightings, T_room_body: FloatArray) -> FloatArray:
    """Return (M,) how badly each pose explains what was seen, clocks aside."""
    camera = s.camera_of_point
    T_camera_room = s.T_camera_body[s.camera] @ invert(T_room_body)[s.moment]
    points = apply(T_camera_room[s.frame], s.p_room)
    residual = np.empty_like(s.pixels)
    for c, model in enumerate(s.models):
        rows = camera == c
        residual[rows] = model.project(points[rows]) - s.pixels[rows]
    square = squared_error(residual[:, None], np.full(len(residual), COARSE_PX))[:, 0]
    return np.asarray(np.bincount(s.moment_of_point, np.log1p(square / FREEDOM), minlength=s.moments), dtype=np.float64)
