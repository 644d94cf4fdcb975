"""How feet and toes are turned, and where the sole is in the foot's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.limb_turns import foot_direction
from bodydouble.retarget.motions.rotations import about, axes_along, known_rows, least_rotation, turned_back, unit
from bodydouble.retarget.motions.trunk_turns import given_or
from bodydouble.retarget.motions.zero_pose import zero_offset

FloatArray = npt.NDArray[np.float64]

STILL = 0.15
"""m/s: a foot slower than this stands on something."""
LOW = 0.03
"""m above the lowest it comes (5th percentile): a foot this low stands on the floor."""
FEW = 5
"""Frames that a foot must stand to tell how it stands."""
STEEP = 1.0
"""rad: a foot that stands steeper than this does not stand flat."""
TILTED = 0.6
"""rad: one whose sole would be tilted by more than this while it stands does so on an edge."""


@dataclass(frozen=True)
class Sole:
    """What of a foot's shape tells how it is turned."""

    slope: float
    """rad that the line from heel or ankle to the toes goes down in the foot's own frame."""
    measured: bool
    """False: the skeleton table's."""


def foot_turns(body: BodyPoints, shanks: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of feet and toes. ``shanks``: side to R_world_shank.

    The line from the heel (or the ankle) to the toes gives yaw and pitch, the knee's axis the roll. Files draw that line at different slopes, so a foot
    that stands still and low is taken to be flat.
    """
    turns: dict[str, FloatArray] = {}
    for side in SIDES:
        along = foot_direction(body, side)
        slope = sole(body, side).slope
        # x of the foot is the line raised by its slope, in the plane of the line and what is up from the sole.
        foot = axes_along(along, shanks[side][:, :, 1], "xy") @ about("y", -slope)
        foot = foot @ levelling(body, side, foot)
        foot = given_or(body, f"{side}_foot", foot)
        turns[f"{side}_foot"] = foot
        turns[f"{side}_toes"] = given_or(body, f"{side}_toes", _toes(body, side, foot))
    return turns


def sole(body: BodyPoints, side: str) -> Sole:
    """Return how steep a foot's line is when it stands flat: its median while it stands still and low, else the skeleton table's."""
    along = foot_direction(body, side)
    start = "heel" if body.knows(f"{side}_heel") else "foot"
    end = "toes" if body.knows(f"{side}_toes") else "toe_tip"
    zero = zero_offset(f"{side}_{end}", f"{side}_{start}")
    typical = float(np.arctan2(-zero[2], zero[0]))
    toe = body.place(f"{side}_{end}")
    standing = stands(body.times_s, toe) & stands(body.times_s, body.place(f"{side}_{start}"))
    standing &= known_rows(along)
    if standing.sum() < FEW:
        return Sole(typical, False)
    slope = float(np.median(np.arcsin(np.clip(-along[standing, 2], -1.0, 1.0))))
    return Sole(slope, True) if abs(slope) < STEEP else Sole(typical, False)


def levelling(body: BodyPoints, side: str, foot: FloatArray) -> FloatArray:
    """Return the turn (3, 3), constant in a foot's own frame, that makes it level on average while it stands; none where that is not seen.

    The shank tells the roll of a foot only up to the way the legs spread, and rest poses spread them without turning the feet back.
    """
    up = foot[:, 2, :]  # the world's up in the foot's axes
    rows = known_rows(up)
    for end in ("foot", "toes" if body.knows(f"{side}_toes") else "toe_tip"):
        rows &= stands(body.times_s, body.place(f"{side}_{end}"))
    if rows.sum() < FEW:
        return np.eye(3)
    mean = unit(np.median(up[rows], axis=0))
    return least_rotation(np.array([0.0, 0.0, 1.0]), mean) if mean[2] > np.cos(TILTED) else np.eye(3)


def stands(times_s: FloatArray, place: FloatArray) -> npt.NDArray[np.bool_]:
    """Return in which frames (T,) a point (T, 3) of a foot is still, and as low as it comes."""
    known = known_rows(place)
    if known.sum() < FEW:
        return np.zeros(len(place), dtype=bool)
    speed = np.linalg.norm(np.gradient(place, times_s, axis=0), axis=1)
    low = place[:, 2] < np.percentile(place[known, 2], 5.0) + LOW
    return np.asarray(known & low & (np.nan_to_num(speed, nan=np.inf) < STILL))


def _toes(body: BodyPoints, side: str, foot: FloatArray) -> FloatArray:
    """Return how toes are turned: bent about the foot's y against how they mostly lie; as the foot where they are one with it."""
    direction = turned_back(foot, unit(body.place(f"{side}_toe_tip") - body.place(f"{side}_toes")))
    raised = np.arctan2(direction[:, 2], direction[:, 0])
    known = np.isfinite(raised)
    if not known.any():
        return foot
    return np.where(known[:, None, None], foot @ about("y", np.median(raised[known]) - raised), foot)
