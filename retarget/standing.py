"""What the robot stands on: the edges within which its centre of mass is to stay while it stands or moves slowly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.contacts import speeds
from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.support import convex_hull
from bodydouble.retarget.targets import Targets
from bodydouble.retarget.working_hands import smooth_step

FloatArray = npt.NDArray[np.float64]

HALF_WIDTH_M = 0.04
"""Of a sole, to each side of a contact point."""
INSIDE_M = 0.01
"""The centre of mass is asked to stay this far inside."""
SLOW_M_S, FAST_M_S = 0.1, 0.25
"""Below the first, statics decide whether one falls; beyond the second, momentum does."""
SLACK_M = 0.3
"""How far beyond the edges the centre of mass may be at ``FAST_M_S``."""
EDGES = 8


def support_edges(targets: Targets, times_s: FloatArray) -> FloatArray:
    """Return (T, EDGES, 3) rows nx, ny, c: the plumb line (x, y) of the centre of mass is asked to keep ``nx x + ny y <= c``; NaN for none."""
    frames = len(times_s)
    edges = np.full((frames, EDGES, 3), np.nan)
    names = [name for name, mask in targets.planted.items() if mask.any()]
    if not names or not np.isfinite(targets.base).any():
        return edges
    places = np.stack([targets.points[name] for name in names], axis=1)
    sideways = np.stack([_sideways(targets, name, frames) for name in names], axis=1)
    down = np.stack([targets.planted[name] for name in names], axis=1) & np.isfinite(places).all(axis=2) & np.isfinite(sideways).all(axis=2)
    pace = np.nan_to_num(speeds(times_s, targets.base[:, :3]), nan=np.inf)
    slack = SLACK_M * smooth_step((pace - SLOW_M_S) / (FAST_M_S - SLOW_M_S))
    changed = np.concatenate([[True], (down[1:] != down[:-1]).any(axis=1)])
    hull = np.empty((0, 3))
    for t in range(frames):
        if changed[t]:  # planted points do not move, so their hull lasts as long as they are
            hull = _hull(places[t, down[t], :2], sideways[t, down[t], :2])
        if len(hull) and slack[t] < SLACK_M:
            edges[t, : len(hull)] = hull
            edges[t, : len(hull), 2] += slack[t]
    return edges


def _sideways(targets: Targets, name: str, frames: int) -> FloatArray:
    side = name.partition("_")[0]
    foot = targets.rotations.get(f"{side}_foot") if side in SIDES else None
    return np.full((frames, 3), np.nan) if foot is None else foot[:, :, 1]


def _hull(places: FloatArray, sideways: FloatArray) -> FloatArray:
    if len(places) == 0:
        return np.empty((0, 3))
    corners = convex_hull(np.concatenate([places + HALF_WIDTH_M * sideways, places - HALF_WIDTH_M * sideways]))
    if len(corners) < 3:
        return np.empty((0, 3))
    along = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*along.T)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / lengths[:, None]
    bounds = (normals * corners).sum(axis=1)
    # A single heel or toe carries too little ground to stay a full margin inside.
    room = min(INSIDE_M, 0.25 * float(np.ptp(corners, axis=0).min()))
    found = np.concatenate([normals, bounds[:, None] - room], axis=1)
    return found[np.argsort(-lengths)[:EDGES]]
