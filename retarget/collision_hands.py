"""Pairs of capsules in hands that are spared: a pinch is meant, and a finger's inner parts can't reach what its outer ones stay away from.

- What carries the thumb's tip against what carries a finger's, of one hand: pads touch in a pinch.
- Two fingers of a hand with another between them: they can't meet without it.
- Inner parts of a digit (all but the last two) against parts at least ``THICK`` of another arm, the trunk or a leg: between the palm and the outer parts, which
  stay away, they can't sink into something so round by more than a few millimetres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.mapping import FINGERS, SIDES

if TYPE_CHECKING:
    from bodydouble.retarget.robot import Robot

IndexArray = npt.NDArray[np.intp]

THICK = 0.03
"""m, radius."""
OUTER_PARTS = 2
"""Moving bodies of a digit, from its tip, that are kept away from everything."""


def without_spared(robot: Robot, pairs: IndexArray, joint_of: IndexArray, radii: npt.NDArray[np.float64]) -> IndexArray:
    """Return the pairs (P, 2) of capsules without those that hands are spared. ``joint_of`` (C,): the model joint that carries each."""
    digit, place, hand = _digits(robot, joint_of)
    i, j = pairs[:, 0], pairs[:, 1]
    same_hand = (hand[i] == hand[j]) & (hand[i] >= 0)
    both = same_hand & (digit[i] >= 0) & (digit[j] >= 0) & (digit[i] != digit[j])
    thumb = (digit[i] == 0) | (digit[j] == 0)
    pads = both & thumb & (place[i] == 0) & (place[j] == 0)
    present = {(h, d) for h, d in zip(hand, digit, strict=True) if d > 0}
    between = np.array(
        [any((h, d) in present for d in range(min(a, b) + 1, max(a, b))) for h, a, b in zip(hand[i], digit[i], digit[j], strict=True)],
        dtype=bool,
    )
    apart = both & ~thumb & between
    inner = np.zeros(len(pairs), dtype=bool)
    for one, other in ((i, j), (j, i)):
        inner |= (digit[one] >= 0) & (place[one] >= OUTER_PARTS) & (radii[other] >= THICK) & (hand[one] != hand[other])
    kept: IndexArray = pairs[~(pads | apart | inner)]
    return kept


def _digits(robot: Robot, joint_of: IndexArray) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Return of each capsule (C,): its digit (0 thumb, 1 index ... 4 little; -1 none), its place counted from the tip, its hand (0 left, 1 right; -1)."""
    model, skeleton = robot.model, robot.file.skeleton
    digit, place, hand = (np.full(len(joint_of), -1, dtype=np.intp) for _ in range(3))
    for side_index, side in enumerate(SIDES):
        palm = skeleton.get(f"{side}_hand")
        if palm is None:
            continue
        palm_joint = int(model.frames[robot.frame_id(palm)].parentJoint)
        for joint in {palm_joint, *(j for j in range(model.njoints) if palm_joint in model.supports[j])}:
            hand[joint_of == joint] = side_index
        for digit_index, name in enumerate(("thumb", *FINGERS)):
            link = skeleton.get(f"{side}_{name}_tip") or skeleton.get(f"{side}_{name}_distal")
            if link is None:
                continue
            joint, from_tip = int(model.frames[robot.frame_id(link)].parentJoint), 0
            while joint not in (0, palm_joint):
                here = joint_of == joint
                digit[here], place[here] = digit_index, from_tip
                from_tip += bool(here.any())
                joint = int(model.parents[joint])
                if not model.supports[palm_joint] or joint in model.supports[palm_joint]:
                    break
    return digit, place, hand
