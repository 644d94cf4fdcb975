"""Which frames were taken together, once the cameras' clocks are known."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.capture.frame_sets import build_frame_sets

FloatArray = npt.NDArray[np.float64]

_CLEAR = 0.25
"""Share of a frame period that a clock may be out by without a doubt about which frames were taken together."""
_MOST_GROUPINGS = 4


def in_step(observations: Observations, offset_s: FloatArray) -> Observations:
    """Return the same frames put into moments by their corrected times, ``offset_s`` (C,) s after their stamps.

    As everywhere, a frame belongs to a moment of the camera with the most frames if it was taken within half a frame period of it; frames at moments
    where that camera has none are left out.
    """
    if not np.isfinite(observations.times_s).any():
        return observations
    present = observations.frame_index != NO_FRAME
    times = {name: observations.times_s[c, present[c]] + offset_s[c] for c, name in enumerate(observations.cameras) if present[c].any()}
    sets = build_frame_sets(times)
    frame_index = np.full((len(observations.cameras), len(sets)), NO_FRAME, dtype=np.int64)
    stamped = np.full(frame_index.shape, np.nan)
    pixels = np.full((*frame_index.shape, *observations.pixels.shape[2:]), np.nan)
    for row, name in enumerate(sets.cameras):
        c = observations.cameras.index(name)
        here = sets.present[row]
        own = np.flatnonzero(present[c])[sets.frame_index[row, here]]
        frame_index[c, here], stamped[c, here] = observations.frame_index[c, own], observations.times_s[c, own]
        pixels[c, here] = observations.pixels[c, own]
    return replace(observations, frame_index=frame_index, times_s=stamped, pixels=pixels)


def groupings(observations: Observations, offset_s: FloatArray) -> list[FloatArray]:
    """Return clock offsets (C,) s by which frames might belong together, where those found, ``offset_s`` (C,), leave a doubt.

    Where some clock is out by a good part of a frame, both the whole frames below and above it come into question: only a solution with frames that
    were really taken together tells, since the other way round motion that nobody saw has to explain the difference.
    """
    choices = []
    for offset, times in zip(offset_s, observations.times_s, strict=True):
        known = times[np.isfinite(times)]
        period = float(np.median(np.diff(known))) if len(known) > 1 else np.inf
        whole = offset / period
        choices.append([offset] if abs(whole) < _CLEAR else [period * np.floor(whole), period * np.ceil(whole)])
    return [np.array(offsets) for offsets in itertools.islice(itertools.product(*choices), _MOST_GROUPINGS)]
