"""How late the robot's hands are against the person's: the shift at which an affine map of the person's hands explains the robot's best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.validation.lag_search import UNKNOWN, Lag, at_times, best_lag

FloatArray = npt.NDArray[np.float64]

FARTHEST_S, STEP_S = (0.2, 0.4), 0.02
"""Looked for in the nearer range first: a wider one leaves less of a short recording."""
BLOCK_S = 0.5
LEAST_EXPLAINED = 0.5
"""Share of the robot's hand motion that the person's must explain at the best shift, before the shift means anything."""
LEAST_MOTION_M = 0.01
"""Standard deviation of a hand's place, below which it tells nothing."""
STIFFNESS = 1e-3
"""Ridge, of the hand's own variance: few frames must not explain everything."""


def robot_lag(times_s: FloatArray, robot: FloatArray, human: FloatArray) -> Lag:
    """Return by how much hands ``robot`` (2, T, 3) m are later than ``human`` (2, T, 3) m, each seen from its own pelvis."""
    for farthest in FARTHEST_S if len(times_s) >= 3 else ():
        lag = _search(times_s, robot, human, farthest)
        if lag.known:
            return lag
    return UNKNOWN


def _search(times_s: FloatArray, robot: FloatArray, human: FloatArray, farthest_s: float) -> Lag:
    shifts: FloatArray = np.linspace(-farthest_s, farthest_s, 2 * round(farthest_s / STEP_S) + 1, dtype=np.float64)
    block = np.floor((times_s - times_s[0]) / BLOCK_S).astype(int)
    sums = np.zeros((block[-1] + 1, 2, len(shifts)))
    # The same frames at every shift: those from which none leads out of the recording.
    inner = (times_s >= times_s[0] + farthest_s) & (times_s <= times_s[-1] - farthest_s)
    for hand in range(2):
        known = inner & np.isfinite(human[hand]).all(axis=1)
        if known.sum() < 12 or np.std(human[hand][known], axis=0).max() < LEAST_MOTION_M:
            continue
        for column, shift in enumerate(shifts):
            followed = at_times(times_s, robot[hand], times_s + shift)
            rows = known & np.isfinite(followed).all(axis=1)
            if rows.sum() < 12:
                return UNKNOWN
            left, all_of_it = _unexplained(human[hand][rows], followed[rows])
            # in units of each hand's own motion, so that the hand that moves more does not decide alone
            scale = max(float(all_of_it.sum()), 1e-12)
            sums[:, 0, column] += np.bincount(block[rows], weights=left / scale, minlength=len(sums))
            sums[:, 1, column] += np.bincount(block[rows], weights=all_of_it / scale, minlength=len(sums))
    sums = sums[sums[:, 1].any(axis=1)]
    if not len(sums):
        return UNKNOWN
    lag = best_lag(shifts, sums, lambda total: 1.0 - total[0] / np.maximum(total[1], 1e-12))
    explained = 1.0 - sums[:, 0].sum(axis=0) / np.maximum(sums[:, 1].sum(axis=0), 1e-12)
    return lag if float(explained.max()) >= LEAST_EXPLAINED else UNKNOWN


def _unexplained(human: FloatArray, robot: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (F,) the squared distance of each of the robot's places from the best affine map of the person's, and from their mean."""
    x, y = human - human.mean(axis=0), robot - robot.mean(axis=0)
    square = x.T @ x
    slope = np.linalg.solve(square + STIFFNESS * np.trace(square) * np.eye(3), x.T @ y)
    return np.sum((y - x @ slope) ** 2, axis=1), np.sum(y**2, axis=1)
