"""From true times to a steady rate, with the mask carried along."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.retargeting import continuous

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SourceArray = npt.NDArray[np.uint8]

SAME_TIME_S = 1e-6
LONGEST_STEP = 2.5
"""Neighbours further apart than this many median intervals have a gap between them: what is put there is interpolated, not observed."""
_BY_DOUBT = np.array([3, 0, 1, 2])
"""How doubtful MISSING, OBSERVED, INTERPOLATED, INFERRED are."""


def steady_times(times_s: FloatArray, rate_hz: float) -> FloatArray:
    """Return times (N,) from the first of ``times_s`` on, 1 / ``rate_hz`` apart, none after the last."""
    if len(times_s) == 0:
        return np.zeros(0)
    count = int(np.floor((times_s[-1] - times_s[0]) * rate_hz + 1e-6)) + 1
    steady: FloatArray = times_s[0] + np.arange(count) / rate_hz
    return steady


def worse(one: SourceArray, other: SourceArray) -> SourceArray:
    """Return the more doubtful of two masks: how a number is known that was worked out of two."""
    return np.asarray(np.where(_BY_DOUBT[one] >= _BY_DOUBT[other], one, other))


class Resampler:
    """Takes values at increasing times (T,) s to other times (N,) s inside them: straight between two neighbours.

    A value between two is as doubtful as the more doubtful one; across a gap it is interpolated; beside a missing one it is missing.
    """

    def __init__(self, times_s: FloatArray, at_s: FloatArray) -> None:
        self.times_s, self.at_s = times_s, np.clip(at_s, times_s[0], times_s[-1])
        after = np.clip(np.searchsorted(times_s, self.at_s - SAME_TIME_S), 0, len(times_s) - 1)
        exact = np.abs(times_s[after] - self.at_s) <= SAME_TIME_S
        self.after: IntArray = after
        self.before: IntArray = np.where(exact, after, np.maximum(after - 1, 0))
        step = times_s[self.after] - times_s[self.before]
        self.share = np.where(step > 0, (self.at_s - times_s[self.before]) / np.where(step > 0, step, 1.0), 0.0)
        usual = float(np.median(np.diff(times_s))) if len(times_s) > 1 else np.inf
        self.in_gap: npt.NDArray[np.bool_] = np.asarray(step > LONGEST_STEP * usual)

    def values(self, values: FloatArray) -> FloatArray:
        """Return (N, ...) of (T, ...); NaN where a neighbour is."""
        share = self.share.reshape(-1, *[1] * (values.ndim - 1))
        between = (1.0 - share) * values[self.before] + share * values[self.after]
        # 0 * NaN is NaN, though a neighbour that counts nothing should not matter
        return np.asarray(np.where(share == 0.0, values[self.before], between))

    def sources(self, source: SourceArray) -> SourceArray:
        """Return the masks (N, ...) of ``hand_pose`` Source of (T, ...)."""
        before, after = source[self.before], source[self.after]
        between = worse(before, after)
        gap = self.in_gap.reshape(-1, *[1] * (source.ndim - 1)) & (between == Source.OBSERVED)
        return np.where(gap, Source.INTERPOLATED, between).astype(np.uint8)

    def poses(self, poses: FloatArray) -> FloatArray:
        """Return poses (N, 7), position and quaternion xyzw, of (T, 7), along the shortest turn; NaN where a neighbour is."""
        resampled = self.values(poses)
        usable: npt.NDArray[np.bool_] = np.asarray(np.isfinite(poses).all(axis=1))
        good: npt.NDArray[np.bool_] = usable[self.before] & usable[self.after]
        resampled[~good] = np.nan
        if good.any():
            known = np.flatnonzero(usable)
            rotations = Rotation.from_quat(poses[known, 3:])
            turned = rotations[:1] if len(known) == 1 else None
            if turned is None:
                slerp = Slerp(self.times_s[known], rotations)
                resampled[good, 3:] = slerp(self.at_s[good]).as_quat()
            else:
                resampled[good, 3:] = turned.as_quat()
            resampled[good, 3:] = continuous(resampled[good, 3:])
        return resampled


def nearest_frames(capture_times_s: FloatArray, at_s: FloatArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Return for each time (N,) which frame of one camera (T,) to show, and whether it is of that moment.

    The nearest frame within half an interval (of the slower of the two rates) is of that moment; else the last one before is held, or the first where
    there is none before; -1 where the camera has no frame at all. NaN capture times are frames that are not there.
    """
    known = np.flatnonzero(np.isfinite(capture_times_s))
    if len(known) == 0:
        return np.full(len(at_s), -1), np.zeros(len(at_s), dtype=bool)
    times = capture_times_s[known]
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        known, times = known[order], times[order]
    after = np.clip(np.searchsorted(times, at_s), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(times[before] - at_s) <= np.abs(times[after] - at_s), before, after)
    intervals = [float(np.median(np.diff(values))) for values in (times, at_s) if len(values) > 1]
    reach = 0.5 * max(intervals, default=np.inf) + 1e-3
    fresh = np.abs(times[nearest] - at_s) <= reach
    last = np.clip(np.searchsorted(times, at_s, side="right") - 1, 0, None)
    return known[np.where(fresh, nearest, last)].astype(np.int64), fresh


def filled(values: FloatArray) -> FloatArray:
    """Return (N, ...) with every NaN replaced by the last value before it in time, else by 0: what a trainer gets beside the mask."""
    flat = values.reshape(len(values), -1)
    known = np.isfinite(flat)
    last = np.maximum.accumulate(np.where(known, np.arange(len(flat))[:, None], -1), axis=0)
    found = np.take_along_axis(flat, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, found, 0.0).reshape(values.shape)
