"""Which of the 75 landmarks are joined by bones, and in which colour they are drawn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES

Colour = tuple[int, int, int]
Bone = tuple[tuple[int, ...], tuple[int, ...], Colour]
"""Ends of a bone, each the mean of one or two landmarks, and its colour (RGB)."""

LEFT: Colour = (255, 150, 40)
RIGHT: Colour = (40, 190, 255)
CENTRE: Colour = (240, 240, 240)
FINGERS: dict[str, Colour] = {
    "thumb": (255, 95, 95), "index": (255, 205, 70), "middle": (120, 225, 105), "ring": (90, 170, 255), "little": (200, 130, 255),
}  # fmt: skip

_ROW = {name: row for row, name in enumerate(LANDMARK_NAMES)}


def _body() -> list[Bone]:
    limbs = (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "foot_index"),
        ("ankle", "foot_index"), ("shoulder", "hip"),
    )  # fmt: skip
    sides: tuple[tuple[str, Colour], ...] = (("left", LEFT), ("right", RIGHT))
    bones: list[Bone] = [((_ROW[f"{side}_{a}"],), (_ROW[f"{side}_{b}"],), colour) for side, colour in sides for a, b in limbs]
    shoulders, hips, ears = (tuple(_ROW[f"{side}_{part}"] for side in ("left", "right")) for part in ("shoulder", "hip", "ear"))
    bones += [((shoulders[0],), (shoulders[1],), CENTRE), ((hips[0],), (hips[1],), CENTRE), (shoulders, ears, CENTRE)]
    for side, colour in sides:
        bones += [((_ROW[f"{side}_ear"],), (_ROW[f"{side}_eye"],), colour), ((_ROW[f"{side}_eye"],), (_ROW["nose"],), colour)]
    return bones


def _hand(side: str) -> list[Bone]:
    chains = {finger: [name for name in HAND_NAMES if name.startswith(finger)] for finger in FINGERS}
    rows = {finger: [_ROW[f"{side}_hand_{name}"] for name in ("wrist", *chain)] for finger, chain in chains.items()}
    return [((a,), (b,), FINGERS[finger]) for finger, chain in rows.items() for a, b in pairwise(chain)]


BODY_BONES: tuple[Bone, ...] = tuple(_body())
HAND_BONES: tuple[Bone, ...] = (*_hand("left"), *_hand("right"))
BONES: tuple[Bone, ...] = (*BODY_BONES, *HAND_BONES)
ENDS: npt.NDArray[np.intp] = np.array([[(end[0], end[-1]) for end in bone[:2]] for bone in BONES])
"""(bones, 2 ends, 2 landmarks whose mean it is)."""
