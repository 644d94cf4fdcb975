"""Runs of frames in which something is so, and how long they last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """Frames [start, stop] and the time between them."""

    start: int
    stop: int
    seconds: float

    def __str__(self) -> str:
        return f"for {self.seconds:.2f} s, frames {self.start} to {self.stop}"


NOTHING = Run(0, 0, 0.0)


def runs(marks: BoolArray, times_s: FloatArray) -> list[Run]:
    """Return every run of marked frames (T,), from its first frame to its last."""
    edges = np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8))
    bounds = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True)
    return [Run(int(first), int(last), float(times_s[last] - times_s[first])) for first, last in bounds]


def longest_run(marks: BoolArray, times_s: FloatArray) -> Run:
    """Return the run of marked frames that lasts longest."""
    return max(runs(marks, times_s), key=lambda run: run.seconds, default=NOTHING)


def longest_hold(same: BoolArray, times_s: FloatArray) -> Run:
    """Return the longest time over which nothing changed: ``same`` (T - 1,) tells of each frame but the first whether it repeats the one before."""
    return max(
        (Run(run.start, run.stop + 1, float(times_s[run.stop + 1] - times_s[run.start])) for run in runs(same, times_s[: len(same)])),
        key=lambda run: run.seconds, default=NOTHING,
    )  # fmt: skip
