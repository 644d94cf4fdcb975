"""Which landmarks err together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

IntArray = npt.NDArray[np.int64]

_FACE = ("nose", "eye", "ear", "mouth")
_HAND_OF_POSE = ("wrist", "pinky", "index", "thumb")
_FOOT = ("ankle", "heel", "foot_index")


def landmark_parts() -> IntArray:
    """Return (75,) the number of the part that each landmark errs together with: the face, each joint, each finger."""
    return np.unique([_part_of(name) for name in LANDMARK_NAMES], return_inverse=True)[1].astype(np.int64)


def _part_of(name: str) -> str:
    side, part = _side_and_part(name)
    if part.startswith("hand_"):
        return f"{side} {part.split('_')[1]}"
    if part.startswith(_FACE):
        return "face"
    group = "hand" if part in _HAND_OF_POSE else "foot" if part in _FOOT else part
    return f"{side} {group}"


def _side_and_part(name: str) -> tuple[str, str]:
    side = next((side for side in ("left", "right") if name.startswith(f"{side}_")), "")
    return side, name.removeprefix(f"{side}_") if side else name
