"""When the cameras of a simulated recording take their frames, and what their clocks say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.faults import Faults

FloatArray = npt.NDArray[np.float64]

RATE_HZ = 30
"""The rig's frame rate: one trigger for all cameras."""


def moment_times(seconds: float) -> FloatArray:
    """Return the instants (M,) in s at which the rig is triggered in [0, seconds)."""
    count = max(1, math.ceil(seconds * RATE_HZ - 1e-9))
    return np.arange(count) / RATE_HZ


@dataclass(frozen=True)
class CameraClock:
    """When one camera takes its frames. Its k-th is stamped with the k-th moment and taken, if its clock is wrong, at another true time."""

    offset_s: float = 0.0
    """True capture time minus stamped time at the start."""
    drift: float = 0.0
    """Growth of that difference in s per s."""
    dropped: frozenset[int] = frozenset()
    """Moments whose frame is not in the video."""

    def true_times(self, stamped_s: FloatArray) -> FloatArray:
        """Return the true times (N,) of frames that are stamped with ``stamped_s`` (N,)."""
        return np.asarray(stamped_s + (self.offset_s + self.drift * stamped_s))

    def filmed(self, moments: int) -> npt.NDArray[np.bool_]:
        """Tell of each moment (M,) whether its frame is in the video."""
        return ~np.isin(np.arange(moments), list(self.dropped))


def camera_clocks(cameras: Iterable[str], moments: int, faults: Faults, *, seed: int) -> dict[str, CameraClock]:
    """Return every camera's clock. Which frames are dropped is chosen by the seed: each with the share asked for, but never the first or the last."""
    clocks = {}
    for number, name in enumerate(cameras):
        share = faults.dropped.get(name, 0.0)
        rng = np.random.default_rng([seed, 3, number])
        inner = np.arange(1, max(1, moments - 1))
        count = min(len(inner), max(1, round(share * moments))) if share else 0
        dropped = frozenset(rng.choice(inner, count, replace=False).tolist()) if count else frozenset()
        clocks[name] = CameraClock(faults.offset_s.get(name, 0.0), faults.drift.get(name, 0.0), dropped)
    return clocks
