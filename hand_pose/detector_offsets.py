"""What a detector means by a landmark: constant offsets from the anatomical place, in the frame of the link that carries it."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

TABLE = Path(__file__).with_suffix(".toml")
HAND_LENGTH = ("middle_palm", "middle_proximal", "middle_middle", "middle_distal")
"""Bones from the wrist to the tip of the middle finger."""


@functools.cache
def table() -> dict[str, tuple[float, float, float]]:
    """Return landmark of the hand to its offset on the left hand, as a share of the hand's length; see the file for how it was measured."""
    with TABLE.open("rb") as handle:
        return {name: (float(x), float(y), float(z)) for name, (x, y, z) in tomllib.load(handle)["hand"].items()}


@functools.cache
def detected_map() -> FloatArray:
    """Return (75, 3, B): what one metre of each bone adds to the offset of each landmark. Read-only."""
    bones = [list(TYPICAL_LENGTHS).index(name) for name in HAND_LENGTH]
    found = np.zeros((len(LANDMARK_NAMES), 3, len(TYPICAL_LENGTHS)))
    for name, (x, y, z) in table().items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            found[LANDMARK_NAMES.index(f"{side}_hand_{name}")][:, bones] = np.array([[x], [sign * y], [z]])
    found.flags.writeable = False
    return found
