"""A camera that moved during the recording: which one, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.evidence import Evidence, Explanation, evidence_of, stretches
from bodydouble.calibration.drift.fit import PRIOR_POSITION, PRIOR_ROTATION, Linear, costs, fit
from bodydouble.calibration.drift.placement import POSE, Placement, first_places, moved_by
from bodydouble.calibration.drift.points import SharedPoints

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_STRETCHES = 3
"""Stretches of time with errors of their own that a window needs, so that its errors can be told from a move."""


@dataclass(frozen=True)
class Step:
    """One camera moved between two windows of time and stood still otherwise."""

    window: int
    """The first window after it."""
    explanation: Explanation
    """The camera, and by how much it moved."""
    p_value: float
    """How likely chance looks like that in any camera at any time."""


def windows_of(points: SharedPoints, most: int, fewest_moments: int, alike_s: float) -> IntArray:
    """Return the window (B,) of each block: up to ``most``, with equally many moments, each with at least so many and with some stretches of time."""
    moments, place = np.unique(points.moment, return_inverse=True)
    apart = len(np.unique(stretches(points.time_s, points.moment, alike_s))) // _STRETCHES
    count = int(np.clip(min(len(moments) // fewest_moments, apart), 1, most))
    return np.asarray((place * count) // max(len(moments), 1), dtype=np.int64)


def find_step(points: SharedPoints, linear: Linear, place: Placement, window: IntArray, alike_s: float) -> Step | None:
    """Return the step that one camera explains best; None with one window alone."""
    W, C = place.motion.shape[:2]
    none = np.zeros((C * POSE, C * POSE))
    found: list[Step] = []
    for split in range(1, W):
        before, after = (evidence_of(points, linear, place, window, blocks, none, alike_s) for blocks in (window < split, window >= split))
        difference = _difference(before, after)
        best = max((difference.explain((c,)) for c in range(C)), key=lambda item: item.gain)
        found.append(Step(split, best, min(1.0, best.p_value * C * (W - 1))))
    return max(found, key=lambda item: item.explanation.gain, default=None)


def _difference(before: Evidence, after: Evidence) -> Evidence:
    """Return what two stretches of time say about the changes from the one to the other."""
    prior = np.diag(np.tile(np.repeat([PRIOR_ROTATION**-2.0, PRIOR_POSITION**-2.0], 3), before.cameras))
    spread = [np.linalg.inv(item.information + prior) for item in (before, after)]
    change = spread[1] @ after.vector - spread[0] @ before.vector
    H = np.linalg.inv(spread[0] + spread[1])
    M = sum(S @ item.clustered @ S for S, item in zip(spread, (before, after), strict=True))
    return replace(before, information=H, vector=H @ change, clustered=H @ M @ H, clusters=min(before.clusters, after.clusters))


def time_of(points: SharedPoints, split: int, window: IntArray, before: FloatArray, after: FloatArray, scale: float) -> float:
    """Return the time in s from which cameras with the changes ``after`` (C, 6) explain what is seen better than with ``before``.

    Looked for in the windows on both sides of ``split``, the first window after it: the cumulated difference of the robust costs is lowest where it
    happened (Page, "Continuous inspection schemes", Biometrika 1954).
    """
    near = points.select((window >= split - 1) & (window <= split))
    zeros, none = np.zeros(near.blocks, dtype=np.int64), np.zeros(len(points.models), dtype=bool)
    cost = []
    for change in (before, after):
        motion = moved_by(change)[None]
        placed = fit(near, Placement(motion, first_places(near, motion, zeros)), zeros, none, scale, widen=False)
        cost.append(np.nan_to_num(costs(near, placed, zeros, scale)))
    moments, place = np.unique(near.moment, return_inverse=True)
    worse = np.bincount(place, cost[0] - cost[1], len(moments))
    first = int(np.argmin(np.concatenate([[0.0], np.cumsum(worse)])))
    first = min(first, len(moments) - 1)
    return float(near.time_s[near.moment == moments[first]][0])
