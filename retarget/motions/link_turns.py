"""How every link is turned in every frame, from a file's points and, where it has them, its rotations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import SIDES
from bodydouble.retarget.motions.body_points import BodyPoints
from bodydouble.retarget.motions.file_turns import file_turns, rest_pose
from bodydouble.retarget.motions.foot_turns import foot_turns
from bodydouble.retarget.motions.hand_turns import finger_turns, hand_turn, neutral_hand
from bodydouble.retarget.motions.limb_turns import arm_turns, forearm_turn, leg_turns
from bodydouble.retarget.motions.rotations import known_rows
from bodydouble.retarget.motions.trunk_turns import trunk_turns

FloatArray = npt.NDArray[np.float64]


def link_turns(body: BodyPoints) -> dict[str, FloatArray]:
    """Return R_world_link (T, 3, 3) of all links, NaN where the points do not tell. Turns that ``body`` has stay, and the others are built on them."""
    turns = trunk_turns(body)
    turns |= arm_turns(body, turns["thorax"]) | leg_turns(body, turns["pelvis"])
    turns |= foot_turns(body, {side: turns[f"{side}_shank"] for side in SIDES})
    for side in SIDES:
        hand = hand_turn(body, side)
        if f"{side}_forearm" not in body.turns:
            turns[f"{side}_forearm"] = forearm_turn(turns[f"{side}_forearm"], hand)
        if known_rows(body.place(f"{side}_hand_axis")).any() or body.knows(f"{side}_middle_proximal"):
            hand = np.where(np.isfinite(hand), hand, neutral_hand(body, side, turns[f"{side}_forearm"]))
        turns[f"{side}_hand"] = hand
    return turns | finger_turns(body, {side: turns[f"{side}_hand"] for side in SIDES})


def with_file_turns(body: BodyPoints, rest: Mapping[str, FloatArray], file: Mapping[str, FloatArray]) -> BodyPoints:
    """Return ``body`` with the links turned as the file turns its joints.

    ``rest``: human point to its place (1, 3) m in the file's rest pose; ``file``: link to R_world_joint (T, 3, 3), the identity at rest. Forearms
    are left to the hands that they carry, since files put their turn about themselves at the elbow, the wrist or between.
    """
    standing = rest_pose(rest)
    if standing is None:
        return body
    found = file_turns(standing, file, body, link_turns(body))
    with_hand = {f"{side}_forearm" for side in SIDES if f"{side}_hand" in found}
    return body.with_turns({link: turn for link, turn in found.items() if link not in with_hand})
