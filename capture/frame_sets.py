"""Several cameras in step by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

ABSENT = np.iinfo(np.int64).min
"""``frame_index`` where a camera has no frame: no list or array accepts it as an index, so it cannot be taken for a frame."""

_TIE_S = 1e-7


@dataclass(frozen=True)
class FrameSets:
    """Which frame of each camera belongs to each moment of the master camera. Arrays are read-only; C cameras, T moments."""

    cameras: tuple[str, ...]
    master: str
    times_s: FloatArray
    """(T,) times of the master's frames in s from the start of the recording."""
    frame_index: npt.NDArray[np.int64]
    """(C, T) index of the frame in each camera's video; ``ABSENT`` where ``present`` is False."""
    present: npt.NDArray[np.bool_]
    """(C, T)."""
    camera_times_s: FloatArray
    """(C, T) true time of each camera's own frame; NaN where it is absent."""

    def __post_init__(self) -> None:
        views = (len(self.cameras), len(self.times_s))
        freeze_arrays(self, {"times_s": (views[1:], np.float64), "frame_index": (views, np.int64), "present": (views, np.bool_),
                             "camera_times_s": (views, np.float64)})  # fmt: skip

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def skew_ms(self) -> FloatArray:
        """(T,) milliseconds between the first and the last of the frames of each moment; 0 where one camera alone has a frame."""
        spread: FloatArray = np.nanmax(self.camera_times_s, axis=0) - np.nanmin(self.camera_times_s, axis=0)
        return 1e3 * spread


def build_frame_sets(
    times_s: Mapping[str, FloatArray],
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> FrameSets:
    """Put the frames of all cameras in step with the camera that has the most frames (the first of those).

    A moment gets of every camera the frame nearest in time, if it is within half that camera's (median) frame period; each frame
    goes to the moment nearest to it, so that no frame is counted twice. The range is either [``start_s``, ``stop_s``) in seconds or
    [``start``, ``stop``) in frames of the master.

    Raises: UsageError if the range is empty, outside the recording, or given in both ways.
    """
    cameras = tuple(times_s)
    master = max(cameras, key=lambda name: len(times_s[name]))
    chosen = _chosen(times_s[master], start_s, stop_s, start, stop)
    all_moments = times_s[master]
    frame_index = np.full((len(cameras), len(all_moments)), ABSENT, dtype=np.int64)
    for row, camera in enumerate(cameras):
        own = times_s[camera]
        nearest, distance = _nearest(own, all_moments)
        period = float(np.median(np.diff(own))) if len(own) > 1 else float("inf")
        if len(own) == 1:
            period = float(np.median(np.diff(all_moments))) if len(all_moments) > 1 else float("inf")
        moment_of_frame, _ = _nearest(all_moments, own)
        mutual = moment_of_frame[nearest] == np.arange(len(all_moments))
        present = mutual & (distance <= 0.5 * period + _TIE_S)
        frame_index[row, present] = nearest[present]
    frame_index = frame_index[:, chosen]
    present = frame_index != ABSENT
    camera_times = np.full(frame_index.shape, np.nan)
    for row, camera in enumerate(cameras):
        camera_times[row, present[row]] = times_s[camera][frame_index[row, present[row]]]
    return FrameSets(cameras, master, all_moments[chosen], frame_index, present, camera_times)


def _nearest(sorted_times: FloatArray, queries: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return the index of the time nearest to each query (the earlier of two equally near) and its distance."""
    right = np.clip(np.searchsorted(sorted_times, queries), 0, len(sorted_times) - 1)
    left = np.maximum(right - 1, 0)
    take_left = np.abs(sorted_times[left] - queries) <= np.abs(sorted_times[right] - queries)
    index = np.where(take_left, left, right).astype(np.int64)
    return index, np.abs(sorted_times[index] - queries)


def _chosen(times: FloatArray, start_s: float | None, stop_s: float | None, start: int | None, stop: int | None) -> slice:
    by_time, by_frame = start_s is not None or stop_s is not None, start is not None or stop is not None
    if by_time and by_frame:
        raise UsageError("A range was given both in seconds and in frames; give one of them.")
    length = f"the recording has {len(times)} frames, from {times[0]:.3f} s to {times[-1]:.3f} s"
    if by_time:
        low, high = start_s if start_s is not None else -np.inf, stop_s if stop_s is not None else np.inf
        if not low < high:
            raise UsageError(f"The range from {low:g} s to {high:g} s is empty: start must be before stop ({length}).")
        first, last = int(np.searchsorted(times, low - _TIE_S)), int(np.searchsorted(times, high - _TIE_S))
        if first >= last:
            raise UsageError(f"No frame lies in the range from {low:g} s to {high:g} s: {length}.")
        return slice(first, last)
    first, last = start if start is not None else 0, stop if stop is not None else len(times)
    if first < 0 or last < 0:
        raise UsageError(f"The range of frames {first} to {last} has a negative number; frames count from 0 ({length}).")
    if first >= len(times):
        raise UsageError(f"The range starts at frame {first}, but {length}.")
    if first >= last:
        raise UsageError(f"The range of frames {first} to {last} is empty: start must be before stop ({length}).")
    return slice(first, min(last, len(times)))
