"""How arms and legs are turned: along their bones, and about them by the plane in which they bend."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.rotations import across, axes_along, known_rows, least_rotation, turned, unit
from bodydouble.retarget.motions.trunk_turns import given_or

FloatArray = npt.NDArray[np.float64]

STRAIGHT, BENT = 0.1, 0.3
"""Sine of the bend (6 and 17 degrees): below the first the plane of a limb is noise, above the second it is all that counts."""
ARM_FORWARD = np.array([0.5, 0.45, -0.74])
"""About the middle of where a left upper arm can point in the thorax frame. What is opposite to it, where a least rotation has no axis, no arm reaches."""
LEG_FORWARD = np.array([0.5, 0.1, -0.86])
"""The same for a left thigh in the pelvis frame."""


def arm_turns(body: BodyPoints, thorax: FloatArray) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of the upper arms, and of forearms as they would be with the palm's natural turn.

    z is against the bone, y against the elbow's axis (the forearm bends forward). A straight arm keeps its plane from when it was last bent to when it
    is bent again, turning with the arm; one that never bends is turned least from where it hangs. The forearm's own turn about itself shows at the
    hand: see ``forearm_turn``.
    """
    turns: dict[str, FloatArray] = {}
    for side in SIDES:
        upper = unit(body.place(f"{side}_forearm") - body.place(f"{side}_upper_arm"))
        fore = unit(body.place(f"{side}_hand") - body.place(f"{side}_forearm"))
        hanging = _hanging(thorax, upper, ARM_FORWARD * _mirror(side))
        turn = _along(upper, _hinge(upper, -np.cross(upper, fore), hanging))
        turn = given_or(body, f"{side}_upper_arm", turn)
        turns[f"{side}_upper_arm"] = turn
        turns[f"{side}_forearm"] = given_or(body, f"{side}_forearm", _along(fore, _carried(turn, fore)))
    return turns


def forearm_turn(forearm: FloatArray, hand: FloatArray) -> FloatArray:
    """Return how forearms (T, 3, 3) are turned that carry hands (T, 3, 3): the wrist bends about x and y alone, so y of both lie in one plane with the bone.

    As they were where a hand is not known.
    """
    found = axes_along(forearm[:, :, 2], hand[:, :, 1], "zy")
    return np.where(np.isfinite(found), found, forearm)


def leg_turns(body: BodyPoints, pelvis: FloatArray) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of thighs and shanks: z is against the bone, y along the knee's axis.

    A straight leg's knee points where its foot does; without a foot it is turned least from where it hangs.
    """
    turns: dict[str, FloatArray] = {}
    for side in SIDES:
        thigh = unit(body.place(f"{side}_shank") - body.place(f"{side}_thigh"))
        shank = unit(body.place(f"{side}_foot") - body.place(f"{side}_shank"))
        hanging = _hanging(pelvis, thigh, LEG_FORWARD * _mirror(side))
        by_foot = np.cross(-shank, foot_direction(body, side))
        unsure = BENT * (1.0 - bending(thigh, shank))[:, None]
        sure = np.cross(thigh, shank) + unsure * np.nan_to_num(by_foot)
        turn = _along(thigh, _hinge(thigh, sure, hanging, held=not known_rows(by_foot).any()))
        turn = given_or(body, f"{side}_thigh", turn)
        turns[f"{side}_thigh"] = turn
        turns[f"{side}_shank"] = given_or(body, f"{side}_shank", _along(shank, _carried(turn, shank)))
    return turns


def foot_direction(body: BodyPoints, side: str) -> FloatArray:
    """Return unit vectors (T, 3) from the heel, or the ankle, to the ball or tip of a foot; NaN where it has none."""
    ends = [body.place(f"{side}_{end}") for end in ("toes", "toe_tip")]
    starts = [body.place(f"{side}_{start}") for start in ("heel", "foot")]
    end = np.where(np.isfinite(ends[0]), ends[0], ends[1])
    start = np.where(np.isfinite(starts[0]), starts[0], starts[1])
    return unit(end - start)


def bending(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return how much (T,) the plane of two bones' directions (T, 3) can be trusted, 0 to 1; 0 where they are not known."""
    sine = np.nan_to_num(np.linalg.norm(np.cross(first, second), axis=1))
    ramp = np.clip((sine - STRAIGHT) / (BENT - STRAIGHT), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def _mirror(side: str) -> FloatArray:
    return np.array([1.0, 1.0 if side == "left" else -1.0, 1.0])


def _along(bone: FloatArray, beside: FloatArray) -> FloatArray:
    return axes_along(-bone, beside, "zy")


def _carried(parent: FloatArray, bone: FloatArray) -> FloatArray:
    """Return the parent's y axis, carried to a bone of which a hinge about y is all that is between."""
    return turned(least_rotation(-parent[:, :, 2], bone), parent[:, :, 1])


def _hanging(trunk: FloatArray, bone: FloatArray, middle: FloatArray) -> FloatArray:
    """Return y axes (T, 3) of a limb that was turned least on its way from hanging through ``middle`` (of the trunk's frame) to where it is."""
    middle = middle / np.linalg.norm(middle)
    start = least_rotation(np.array([0.0, 0.0, -1.0]), middle)
    upright = np.where(np.isfinite(trunk), trunk, np.eye(3))
    return turned(least_rotation(turned(upright, middle[None]), bone), turned(upright, start[:, 1][None]))


def _hinge(bone: FloatArray, sure: FloatArray, doubtful: FloatArray, *, held: bool = True) -> FloatArray:
    """Return y axes (T, 3): along ``sure`` (its length the sine of the bend) where that is long, else near ``doubtful``.

    ``held``: keep the angle between the two through stretches where the limb is straight, going over from the one end's to the other's.
    """
    p = unit(across(doubtful, bone))
    q = np.cross(-bone, p)
    angle = np.nan_to_num(np.sum(sure * p, axis=1)) + 1j * np.nan_to_num(np.sum(sure * q, axis=1))
    size = np.abs(angle)
    ramp = np.clip((size - STRAIGHT) / (BENT - STRAIGHT), 0.0, 1.0)
    weight = ramp * ramp * (3 - 2 * ramp)
    angle = np.where(size > 1e-9, angle / np.where(size > 1e-9, size, 1.0), 1.0)
    filling = np.ones(len(bone), dtype=complex)
    rows = np.flatnonzero(weight > 0.5)
    if held and len(rows):
        every = np.arange(len(bone))
        filling = np.interp(every, rows, angle[rows].real) + 1j * np.interp(every, rows, angle[rows].imag)
    mixed = weight * angle + (1 - weight) * filling
    mixed = np.where(np.abs(mixed) > 1e-6, mixed, angle)
    return unit(p * mixed.real[:, None] + q * mixed.imag[:, None])
