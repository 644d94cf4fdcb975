"""Which points of the feet are planted when, and where they stay while they are.

A point of a foot is planted while it is still and something holds the person up there: the floor, or, on stairs and boxes, whatever the lower foot
stands on. A planted point gets one place for as long as it is planted; between two of them the correction that leads there fades over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STILL_M_S = 0.10
"""A point slower than this is still; of an uncertain one more is allowed, ``SLOPPY`` times its sigma (m/s a m), since estimates of feet creep."""
SLOPPY = 7.0
STILL_AT_MOST_M_S = 0.20
MOVING_M_S = 0.08
"""A planted point that is faster than still by this has left."""
NEAR_FLOOR_M = 0.03
"""Above where this point comes down to: a heel is higher than a toe even when the foot is flat."""
SHORTEST_S = 0.2
"""Contacts shorter than this are a foot that turns round in the air."""
SHORTEST_STEP_S = 0.4
"""The same, above the floor: on stairs and boxes."""
FARTHEST_M = 0.012
"""A point that strays farther from its mean place than this, and 1.5 sigma, is not planted ..."""
DRIFT = 3.0
"""... unless it creeps by no more than so many sigmas a second, on the floor."""
TURNING_M_S2 = 0.3
"""A point that keeps accelerating by more than this all along turns round in the air ..."""
TURNING_RESIDUAL = 0.1
"""... where one parabola describes its way to within this share. Simulated swings leave 0.03 at most, steps of the CMU playground clip 0.18 or more."""
TYPICAL_SIGMA_M = 0.002
"""Of points that nobody gave a sigma for, such as those of motion capture."""
SPEED_WINDOW_S = 0.06
"""Speeds are taken over at least this long: over a single frame they are noise."""
FLOOR_PERCENTILE = 2.0


@dataclass(frozen=True)
class Contacts:
    """Planted points over T frames."""

    planted: dict[str, Mask]
    """Contact point to (T,)."""
    floor_m: float
    """Height of the floor in the world, where no foot ever stands the lowest place of one; NaN where none was ever seen."""
    ground: dict[str, FloatArray]
    """Contact point to (T,) m: height of what it stands on while planted (the floor, or a step); NaN otherwise."""


def find_contacts(times_s: FloatArray, points: dict[str, FloatArray], sigma_m: dict[str, float] | None = None) -> Contacts:
    """Return when each contact point (T, 3) m of the person is planted; a missing place (NaN) is not. ``sigma_m``: how uncertain each is."""
    names = tuple(points)
    frames = len(times_s)
    if not names:
        return Contacts({}, math.nan, {})
    places = np.stack([points[name] for name in names], axis=1)
    seen: Mask = np.asarray(np.isfinite(places).all(axis=2))
    heights = np.where(seen, places[..., 2], np.inf)
    lowest = heights.min(axis=1)
    floor = floor_height(lowest)
    speed = np.stack([speeds(times_s, places[:, i]) for i in range(len(names))], axis=1)
    planted, ground = {}, {}
    for i, name in enumerate(names):
        own_floor = min(floor_height(heights[:, i]), floor + NEAR_FLOOR_M)  # where this very point comes down to, if it does
        with np.errstate(invalid="ignore"):
            near = heights[:, i] - own_floor < NEAR_FLOOR_M
            carried = heights[:, i] - lowest < NEAR_FLOOR_M + max(own_floor - floor, 0.0)
        holding = seen[:, i] & (near | carried)
        sigma = (sigma_m or {}).get(name, TYPICAL_SIGMA_M)
        slow = min(STILL_M_S + SLOPPY * sigma, STILL_AT_MOST_M_S)
        with np.errstate(invalid="ignore"):
            still, leaving = holding & (speed[:, i] < slow), ~holding | ~(speed[:, i] < slow + MOVING_M_S)
        mask = _hysteresis(still, leaving)
        level = np.full(frames, np.nan)
        for start, stop in phases(mask):
            own = places[start:stop, i]
            above = float(np.median(own[:, 2])) - own_floor
            on_floor = abs(above) < NEAR_FLOOR_M
            strays = float(np.linalg.norm(own - own.mean(axis=0), axis=1).max())
            lasts = times_s[stop - 1] - times_s[start]
            shortest = SHORTEST_S if on_floor else SHORTEST_STEP_S
            farthest = max(FARTHEST_M + 1.5 * sigma, DRIFT * sigma * lasts if on_floor else 0.0)
            brief = lasts < shortest and not (start == 0 and stop == frames)
            if brief or strays > farthest or turns_in_air(times_s[start:stop], own):
                mask[start:stop] = False
            else:
                level[start:stop] = floor + (0.0 if on_floor else above)
        planted[name], ground[name] = mask, level
    if seen.any() and not any(mask.any() for mask in planted.values()):
        floor = float(lowest[np.isfinite(lowest)].min())  # where nothing stands the percentile would put a swinging foot into the floor
    return Contacts(planted, floor, ground)


def floor_height(heights: FloatArray) -> float:
    """Return the height that something comes down to (m), NaN where nothing is known. Infinite heights are not counted."""
    known = heights[np.isfinite(heights)]
    return float(np.percentile(known, FLOOR_PERCENTILE)) if len(known) else math.nan


def speeds(times_s: FloatArray, places: FloatArray) -> FloatArray:
    """Return the speed (T,) m/s of a point (T, 3) over ``SPEED_WINDOW_S`` around each frame; NaN where it is not known at both ends."""
    frames = len(times_s)
    if frames < 2:
        return np.zeros(frames)
    # At the ends the window lies inside, for it must not get shorter there.
    middle = np.clip(times_s, times_s[0] + SPEED_WINDOW_S / 2, max(times_s[-1] - SPEED_WINDOW_S / 2, times_s[0] + SPEED_WINDOW_S / 2))
    before = np.searchsorted(times_s, middle - SPEED_WINDOW_S / 2 - 1e-9)
    after = np.searchsorted(times_s, middle + SPEED_WINDOW_S / 2 + 1e-9, side="right") - 1
    index = np.arange(frames)
    before = np.clip(np.minimum(before, index - 1), 0, None)
    after = np.clip(np.maximum(after, index + 1), None, frames - 1)
    moved: FloatArray = np.linalg.norm(places[after] - places[before], axis=1) / (times_s[after] - times_s[before])
    return moved


def turns_in_air(times_s: FloatArray, places: FloatArray) -> bool:
    """Return whether a slow point (T, 3) m only turns round: it accelerates evenly all the while, where one that stands comes to rest in between."""
    if len(times_s) < 4:
        return False
    since = times_s - times_s.mean()
    parabola = np.polynomial.polynomial.polyfit(since, places, 2)
    left = places - np.polynomial.polynomial.polyval(since, parabola).T
    moved = np.linalg.norm(places - places.mean(axis=0))
    return bool(2.0 * np.linalg.norm(parabola[2]) > TURNING_M_S2 and np.linalg.norm(left) < TURNING_RESIDUAL * moved)


def phases(mask: Mask) -> list[tuple[int, int]]:
    """Return [start, stop) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _hysteresis(on: Mask, off: Mask) -> Mask:
    held = np.zeros(len(on), dtype=bool)
    state = False
    for t in range(len(on)):
        state = bool(on[t]) or (state and not off[t])
        held[t] = state
    return held


def anchored(planted: Mask, ground: FloatArray, places: FloatArray, sole_m: float = 0.0) -> FloatArray:
    """Return what to add (T, 3) m to a robot's point ``places`` (T, 3) so that it stands still while planted, ``sole_m`` above the ground.

    Between contacts the correction goes over from one to the next, before the first and after the last it stays.
    """
    frames = len(places)
    runs = [(a, b) for a, b in phases(planted) if np.isfinite(places[a:b]).all(axis=1).any()]
    if not runs:
        return np.zeros((frames, 3))
    offsets = np.full((frames, 3), np.nan)
    for start, stop in runs:
        anchor = np.nanmean(places[start:stop], axis=0)
        anchor[2] = np.nanmedian(ground[start:stop]) + sole_m
        offsets[start:stop] = anchor - places[start:stop]
    known = np.isfinite(offsets).all(axis=1)
    index = np.arange(frames)
    return np.stack([np.interp(index, index[known], offsets[known, i]) for i in range(3)], axis=1)
