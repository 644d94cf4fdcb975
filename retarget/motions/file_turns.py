"""Link rotations of files that hold rotations (BVH, AMC): the file's own, times the constant turn that makes its rest pose the person's.

A joint's rotation is the identity in the rest pose, so that constant is how the human link is turned in the rest pose. It is found
part by part, since rest poses differ: most stand with the arms out (T) or down, but some (LAFAN1) only lay all bones along one axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.foot_turns import levelling
from bodydouble.retarget.motions.hand_turns import hand_turn
from bodydouble.retarget.motions.limb_turns import bending, foot_direction
from bodydouble.retarget.motions.rotations import across, axes_along, least_rotation, mean_rotation, unit
from bodydouble.retarget.motions.trunk_turns import hip_middle, shoulder_middle

FloatArray = npt.NDArray[np.float64]

TRUNK = ("pelvis", "spine", "thorax", "neck", "head")
LIMBS = (("upper_arm", "forearm", "hand"), ("thigh", "shank", "foot"))
STRAIGHT_TRUNK = 0.75
"""Cosine: in a straight trunk each bone points this much along the whole of it (41 degrees; necks lean forward)."""
STANDING_LEGS = 0.9
"""Cosine between the legs and straight down in a rest pose that stands (25 degrees apart)."""
NEAR_AXIS = 0.95
"""Cosine (18 degrees): a trunk this near to a coordinate axis is upright along it, and what is left is how the skeleton is drawn."""
ENOUGH_BENT = 10.0
"""Frames (or twice as many half as sure) in which a limb must bend for its hinge to be known."""
FLAT_FOOT = 0.85
"""Sine: a rest pose whose feet point down more steeply than this (58 degrees) does not show where they are level."""


@dataclass(frozen=True)
class RestPose:
    """A file's rest pose in the world's axes."""

    body: BodyPoints
    """One frame of it."""
    axes: FloatArray
    """(3, 3) where its body faces: R_world_body."""
    straight: bool
    """Its trunk is straight, so that all links of it are turned alike."""
    standing: bool
    """It stands: legs down, so that hanging, level and palm mean what they do in the person's zero pose."""


def rest_pose(places: Mapping[str, FloatArray]) -> RestPose | None:
    """Return what is to be known of a rest pose from its points (1, 3) m; None where left and up of it are not known."""
    body = BodyPoints(np.zeros(1), places, {})
    top = body.place("neck") if body.knows("neck") else shoulder_middle(body)
    up = unit(top - hip_middle(body))[0]
    left = np.nansum(
        [unit(body.place(f"left_{part}") - body.place(f"right_{part}"))[0] for part in ("thigh", "upper_arm", "clavicle")], axis=0
    )
    if not np.isfinite(up).all() or np.linalg.norm(left) < 0.5:
        return None
    axis = np.round(up)
    if np.linalg.norm(axis) == 1.0 and axis @ up > NEAR_AXIS:
        up = axis
    axes = axes_along(up[None], left[None], "zy")[0]
    chain = [body.place(name)[0] for name in ("spine", "thorax", "neck", "head") if body.knows(name)]
    bones = [unit(b - a) for a, b in pairwise([hip_middle(body)[0], *chain]) if np.linalg.norm(b - a) > 0.03]
    legs = [unit(body.place(f"{side}_foot") - body.place(f"{side}_thigh"))[0] for side in SIDES]
    standing = all(-(leg @ up) > STANDING_LEGS for leg in legs) if np.isfinite(legs).all() else False
    return RestPose(body, axes, all(bone @ up > STRAIGHT_TRUNK for bone in bones), standing)


def file_turns(
    rest: RestPose, file: Mapping[str, FloatArray], body: BodyPoints, by_points: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of the links whose joints the file turns.

    ``file``: link to R_world_joint (T, 3, 3); ``by_points``: what the points alone tell of each link, which decides where the rest pose does not. Fingers
    and collar bones of rest poses that do not stand are left to the points.
    """
    constant: dict[str, FloatArray] = {}
    for link in TRUNK:
        if link in file:
            constant[link] = rest.axes if rest.straight else _agreeing(file[link], by_points[link])
    for side in SIDES:
        for chain in LIMBS:
            for bone, after in pairwise(f"{side}_{part}" for part in chain):
                if bone in file:
                    parent = constant.get(f"{side}_{chain[0]}") if bone.endswith(chain[1]) else None
                    constant[bone] = _limb(rest, bone, after, file, body, by_points, parent)
        if rest.standing and f"{side}_clavicle" in file:
            constant[f"{side}_clavicle"] = rest.axes
        if f"{side}_hand" in file:
            constant[f"{side}_hand"] = _hand(rest, side, constant.get(f"{side}_forearm"))
        foot = f"{side}_foot"
        if foot in file:
            level = _foot(rest, side, file[foot], by_points[foot])
            constant[foot] = level @ levelling(body, side, file[foot] @ level)
            if f"{side}_toes" in file:
                constant[f"{side}_toes"] = constant[foot]
    return {link: file[link] @ turn for link, turn in constant.items() if np.isfinite(turn).all()}


def _agreeing(file: FloatArray, seen: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the constant C (3, 3) for which ``file`` (T, 3, 3) times C is nearest to what was seen."""
    return mean_rotation(np.swapaxes(file, 1, 2) @ seen, weights)


def _limb(
    rest: RestPose, bone: str, after: str, file: Mapping[str, FloatArray], body: BodyPoints, by_points: Mapping[str, FloatArray], parent: FloatArray | None
) -> FloatArray:  # fmt: skip
    """Return how a limb's bone is turned at rest: along itself exactly, about itself as its hinge shows in the frames where it bends."""
    along = unit(rest.body.place(after) - rest.body.place(bone))[0]
    side, _, part = bone.partition("_")
    if parent is not None:  # the lower half of a limb: the hinge between the two is about y
        return np.asarray(axes_along(-along[None], (least_rotation(-parent[:, 2], along) @ parent[:, 1])[None], "zy")[0])
    lower, end = ("forearm", "hand") if part == "upper_arm" else ("shank", "foot")
    first = unit(body.place(f"{side}_{lower}") - body.place(bone))
    second = unit(body.place(f"{side}_{end}") - body.place(f"{side}_{lower}"))
    weights = bending(first, second)
    if weights.sum() >= ENOUGH_BENT or (not rest.standing and weights.any()):
        beside = _agreeing(file[bone], by_points[bone], weights)[:, 1]
    elif rest.standing:
        beside = (least_rotation(-rest.axes[:, 2], along) @ rest.axes)[:, 1]
    else:
        beside = _agreeing(file[bone], by_points[bone])[:, 1]
    return np.asarray(axes_along(-along[None], beside[None], "zy")[0])


def _hand(rest: RestPose, side: str, forearm: FloatArray | None) -> FloatArray:
    """Return how a hand is turned at rest: by its points; else as hanging arms were raised to there; else as the forearm."""
    shown = hand_turn(rest.body, side)[0]
    if np.isfinite(shown).all():
        return np.asarray(shown)
    wrist, ahead = rest.body.place(f"{side}_hand"), rest.body.place(f"{side}_hand_axis")
    along = unit(ahead - wrist)[0]
    if not np.isfinite(along).all():
        along = unit(wrist - rest.body.place(f"{side}_forearm"))[0]
    if not np.isfinite(along).all():
        return np.full((3, 3), np.nan)
    start = rest.axes if rest.standing or forearm is None else forearm
    return np.asarray(least_rotation(-start[:, 2], along) @ start)


def _foot(rest: RestPose, side: str, file: FloatArray, seen: FloatArray) -> FloatArray:
    """Return how a foot is turned at rest: level and ahead along itself where the rest pose stands on it, else as its points show it in the frames."""
    ahead = foot_direction(rest.body, side)[0]
    up = rest.axes[:, 2]
    if rest.standing and np.isfinite(ahead).all() and abs(ahead @ up) < FLAT_FOOT:
        return np.asarray(axes_along(up[None], across(ahead[None], up[None]), "zx")[0])
    return _agreeing(file, seen)
