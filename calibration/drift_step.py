"""A camera that moved during the recording: which one, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift_evidence import Evidence, Explanation, evidence_of
from bodydouble.calibration.drift_fit import (
    POSE,
    PRIOR_POSITION,
    PRIOR_ROTATION,
    TERMS,
    Linear,
    Placement,
    costs,
    first_places,
    fit,
    moved_by,
)
from bodydouble.calibration.drift_points import SharedPoints

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """One camera moved between two windows of time and stood still otherwise."""

    window: int
    """The first window after it."""
    explanation: Explanation
    """The camera, and by how much it moved."""
    p_value: float
    """How likely chance looks like that in any camera at any time."""


def windows_of(points: SharedPoints, most: int, fewest_moments: int) -> IntArray:
    """Return the window (B,) of each block: up to ``most``, with equally many moments, each with at least so many."""
    moments, place = np.unique(points.moment, return_inverse=True)
    count = int(np.clip(len(moments) // fewest_moments, 1, most))
    return np.asarray((place * count) // max(len(moments), 1), dtype=np.int64)


def find_step(points: SharedPoints, linear: Linear, place: Placement, window: IntArray, alike_s: float) -> Step | None:
    """Return the step that one camera explains best; None with one window alone. What errs the same way all the time cancels and is not counted."""
    W, C = place.motion.shape[:2]
    none = np.zeros((C * POSE, C * POSE))
    found: list[Step] = []
    for split in range(1, W):
        before, after = (
            evidence_of(points, linear, place, window, blocks, none, alike_s, by_part=False) for blocks in (window < split, window >= split)
        )
        difference = _difference(before, after)
        best = max((difference.explain((c,)) for c in range(C)), key=lambda item: item.gain)
        found.append(Step(split, best, min(1.0, best.p_value * C * (W - 1))))
    return max(found, key=lambda item: item.explanation.gain, default=None)


def _difference(before: Evidence, after: Evidence) -> Evidence:
    """Return what two stretches of time say about the changes from the one to the other."""
    D = len(before.vector)
    terms = np.flatnonzero(np.arange(D) % TERMS < POSE)
    grid = np.ix_(terms, terms)
    prior = np.diag(np.tile(np.repeat([PRIOR_ROTATION**-2.0, PRIOR_POSITION**-2.0], 3), before.cameras))
    spread = [np.linalg.inv(item.information[grid] + prior) for item in (before, after)]
    change = spread[1] @ after.vector[terms] - spread[0] @ before.vector[terms]
    H = np.linalg.inv(spread[0] + spread[1])
    M = sum(S @ item.clustered[grid] @ S for S, item in zip(spread, (before, after), strict=True))
    information, vector, clustered = np.zeros((D, D)), np.zeros(D), np.zeros((D, D))
    information[grid], vector[terms], clustered[grid] = H, H @ change, H @ M @ H
    return replace(before, information=information, vector=vector, clustered=clustered, freedom=min(before.freedom, after.freedom))


def time_of(points: SharedPoints, step: Step, window: IntArray, before: FloatArray, after: FloatArray, scale: float) -> float:
    """Return the time in s from which cameras with the changes ``after`` (C, 6) explain what is seen better than with ``before``.

    Looked for in the windows on both sides of the step: the cumulated difference of the robust costs is lowest where it happened (Page, "Continuous
    inspection schemes", Biometrika 1954).
    """
    near = points.select((window >= step.window - 1) & (window <= step.window))
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
