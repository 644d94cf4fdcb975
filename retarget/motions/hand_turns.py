"""How hands, fingers and thumbs are turned, from wrist, knuckles and finger joints."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.skeleton import JOINTS
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.rotations import axes_along, best_rotation, hinged, least_rotation, turned, turned_back, unit
from bodydouble.retarget.motions.trunk_turns import given_or
from bodydouble.retarget.motions.zero_pose import zero_offset, zero_places

FloatArray = npt.NDArray[np.float64]

PALM = ("hand", *(f"{finger}_proximal" for finger in FINGERS), "thumb_metacarpal")
PALM_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.3])
"""The base of the thumb moves in the palm, and files put it in different places."""
NO_SPREAD = 0.03
"""How much a finger is held to lie straight ahead, beside the squares of its bones' directions: what counts when it is bent by a right angle."""


def hand_turn(body: BodyPoints, side: str) -> FloatArray:
    """Return R_world_hand (T, 3, 3): the zero pose's wrist and knuckles brought nearest to the measured ones.

    Hands of which only directions are known (along the middle finger, towards the thumb) are turned by those. NaN where less is known.
    """
    zero = np.stack([zero_places()[f"{side}_{point}"] for point in PALM])
    found = best_rotation(zero, np.stack([body.place(f"{side}_{point}") for point in PALM], axis=1), PALM_WEIGHTS)
    wrist = body.place(f"{side}_hand")
    ahead = unit(_ahead(body, side) - wrist)
    thumb = body.place(f"{side}_thumb_side")
    thumb = np.where(np.isfinite(thumb), thumb, body.place(f"{side}_thumb_proximal"))
    by_directions = axes_along(-ahead, unit(thumb - wrist), "zx")
    return given_or(body, f"{side}_hand", np.where(np.isfinite(found), found, by_directions))


def _ahead(body: BodyPoints, side: str) -> FloatArray:
    place = body.place(f"{side}_hand_axis")
    for finger in ("index", "middle"):
        known = body.place(f"{side}_{finger}_proximal")
        place = np.where(np.isfinite(known), known, place)
    return place


def neutral_hand(body: BodyPoints, side: str, forearm: FloatArray) -> FloatArray:
    """Return R_world_hand (T, 3, 3) of a hand of which nothing but its direction is known: it lies as the forearm does, bent at the wrist alone."""
    ahead = unit(_ahead(body, side) - body.place(f"{side}_hand"))
    down = -forearm[:, :, 2]
    bent = least_rotation(down, np.where(np.isfinite(ahead), ahead, down)) @ forearm
    return np.asarray(bent)


def finger_turns(body: BodyPoints, hands: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of the finger bones. ``hands``: side to R_world_hand.

    A finger's bones lie in one plane, spread from the hand's by an angle about the palm's normal: z is against the bone, x across that plane.
    A thumb's bones are turned about the hinges of the skeleton table, each from the one before, and what is left of the way is the least.
    """
    turns: dict[str, FloatArray] = {}
    for side in SIDES:
        hand = hands[side]
        for finger in FINGERS:
            names = [f"{side}_{finger}_{part}" for part in ("proximal", "middle", "distal", "tip")]
            bones = [turned_back(hand, unit(body.place(b) - body.place(a))) for a, b in pairwise(names)]
            across = _across(bones)
            for name, bone in zip(names, bones, strict=False):
                turns[name] = given_or(body, name, hand @ axes_along(-bone, across, "zx"))
        names = [f"{side}_thumb_{part}" for part in ("metacarpal", "proximal", "distal", "tip")]
        before = hand
        for a, b in pairwise(names):
            rest, seen = unit(zero_offset(b, a)), turned_back(before, unit(body.place(b) - body.place(a)))
            turn = np.broadcast_to(np.eye(3), (len(seen), 3, 3))
            for axis in _thumb_axes(a):
                turn = turn @ hinged(axis, rest, turned_back(turn, seen))
            turns[a] = given_or(body, a, before @ least_rotation(turned(turn, rest[None]), seen) @ turn)
            before = np.where(np.isfinite(turns[a]), turns[a], before)
    return turns


def _thumb_axes(link: str) -> list[FloatArray]:
    """Return the axes of the skeleton table's joints that turn a bone of the thumb, the first one first."""
    names = {"metacarpal": ("cmc_spread", "cmc_flexion"), "proximal": ("mcp",), "distal": ("ip",)}
    side, _, part = link.split("_")
    axes = {joint.name: joint.axis for joint in JOINTS}
    return [np.array(axes[f"{side}_thumb_{name}"]) for name in names[part]]


def _across(bones: list[FloatArray]) -> FloatArray:
    """Return x axes (T, 3) of a finger in the hand's frame: in the palm's plane, least squares perpendicular to its bones (T, 3)."""
    x = np.nan_to_num(np.stack([bone[:, 0] for bone in bones]))
    z = np.nan_to_num(np.stack([bone[:, 2] for bone in bones]))
    spread = 0.5 * np.arctan2(2 * np.sum(x * z, axis=0), np.sum(z * z - x * x, axis=0) + NO_SPREAD)
    return np.stack([np.cos(spread), np.zeros_like(spread), -np.sin(spread)], axis=1)
