"""A time shift from scores over a range of shifts, with a standard deviation from leaving out one block of time after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lag:
    """A shift in s and one standard deviation; NaN where nothing tells."""

    seconds: float
    sigma_s: float

    @property
    def known(self) -> bool:
        """Whether anything tells."""
        return bool(np.isfinite(self.seconds) and np.isfinite(self.sigma_s))


UNKNOWN = Lag(float("nan"), float("nan"))


def best_lag(shifts_s: FloatArray, sums: FloatArray, score: Callable[[FloatArray], FloatArray]) -> Lag:
    """Return where the score is best, to a fraction of a step.

    ``sums`` (B, K, S): K sums of each of B blocks of time at S shifts; ``score`` makes of total sums (K, S) the scores (S,), higher is better. The
    standard deviation is the jackknife's (Tukey 1958).
    """
    if len(sums) < 3:
        return UNKNOWN
    total = sums.sum(axis=0)
    scores = score(total)
    if not np.isfinite(scores).all() or int(np.argmax(scores)) in (0, len(scores) - 1):
        return UNKNOWN  # the best may be beyond the range
    left_out = np.array([_peak(shifts_s, score(total - block)) for block in sums])
    sigma = float(np.sqrt((len(sums) - 1) / len(sums) * np.sum((left_out - left_out.mean()) ** 2)))
    return Lag(_peak(shifts_s, scores), sigma)


def _peak(shifts_s: FloatArray, scores: FloatArray) -> float:
    """Return the top of the parabola through the best score and those within two steps, at most a step away."""
    best = int(np.argmax(scores))
    near = slice(max(0, best - 2), best + 3)
    curvature, slope, _ = np.polyfit(shifts_s[near] - shifts_s[best], scores[near], 2)
    step = shifts_s[1] - shifts_s[0]
    return float(shifts_s[best] + (np.clip(-slope / (2 * curvature), -step, step) if curvature < 0 else 0.0))


def at_times(times_s: FloatArray, values: FloatArray, when_s: FloatArray) -> FloatArray:
    """Return values (T, ...) at other times (F,) by straight lines; NaN outside, and where either neighbour is."""
    right = np.clip(np.searchsorted(times_s, np.nan_to_num(when_s)), 1, len(times_s) - 1)
    share = ((when_s - times_s[right - 1]) / (times_s[right] - times_s[right - 1])).reshape(-1, *[1] * (values.ndim - 1))
    found: FloatArray = np.where((share >= 0) & (share <= 1), (1 - share) * values[right - 1] + share * values[right], np.nan)
    return found
