"""Which parts of a body a motion shows and a robot has, and whether the two have anything in common."""

from __future__ import annotations

import numpy as np

from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.targets import Targets

_DIGITS = ("thumb", *FINGERS)
_SIDED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "arm": (("elbow",), ("forearm",)),
    "fingers": (
        tuple(f"hand_{name}" for name in HAND_NAMES if name != "wrist"),
        tuple(f"{d}_{n}" for d in _DIGITS for n in ("tip", "distal")),
    ),
    "leg": (("knee",), ("shank",)),
}
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "trunk": (("left_shoulder", "right_shoulder"), ("thorax", "pelvis")),
    "head": (("nose", "left_ear", "right_ear"), ("head",)),
    **{
        f"{side} {part}": (tuple(f"{side}_{name}" for name in landmarks), tuple(f"{side}_{name}" for name in points))
        for side in SIDES
        for part, (landmarks, points) in _SIDED.items()
    },
}
"""Part to the landmarks of which any one shows it, and the human points of which any one says that a robot has it."""


def parts_of_motion(motion: HumanMotion) -> tuple[str, ...]:
    """Return the parts that were observed in some frame: "trunk", "head", "left arm", "left fingers", "left leg" ..."""
    seen = np.asarray(np.isin(motion.landmark_source, (Source.OBSERVED, Source.INTERPOLATED)).any(axis=0))
    return tuple(part for part, (names, _) in _PARTS.items() if any(seen[LANDMARK_NAMES.index(name)] for name in names))


def parts_of_robot(robot: Robot) -> tuple[str, ...]:
    """Return the parts that a robot's [skeleton] names."""
    return tuple(part for part, (_, points) in _PARTS.items() if any(point in robot.file.skeleton for point in points))


def check_parts(motion: HumanMotion, robot: Robot) -> tuple[str, ...]:
    """Return the parts that the motion shows and the robot lacks.

    Raises: DataError where nothing was observed; UsageError naming what each has, where they have nothing in common.
    """
    shown, had = parts_of_motion(motion), parts_of_robot(robot)
    if not shown:
        raise DataError("nothing of a person was observed in any frame of the motion; there is nothing to retarget.")
    if not set(shown) & set(had):
        raise UsageError(
            f"the motion shows {listed(shown)}, but robot '{robot.name}' has {listed(had) if had else 'no part of a body in its [skeleton]'}: they have "
            "nothing in common. Choose a robot that has these parts with --robot; `bodydouble robots` lists them."
        )
    return tuple(part for part in shown if part not in had)


def check_followed(motion: HumanMotion, targets: Targets, robot: Robot) -> None:
    """Raise DataError, naming what is missing throughout, where no frame asks any task of the robot: it would stand still and meet them all."""
    if (targets.weights > 0).any():
        return
    known = np.asarray(np.isfinite(motion.landmarks).all(axis=2).any(axis=0))
    missing = [name for part in parts_of_motion(motion) for name in _anchors(part) if not known[LANDMARK_NAMES.index(name)]]
    words = [name.replace("_hand_", " ").replace("_", " ") for name in dict.fromkeys(missing)]
    lacking = (
        f"the {listed(tuple(words))} {'is' if len(words) == 1 else 'are'} missing in" if words else "every task's human part is missing in"
    )
    frames = "its only frame" if motion.frames == 1 else f"all of its {motion.frames} frames"
    raise DataError(
        f"nothing in the motion can be followed by robot '{robot.name}': {lacking} {frames}. Fill these joints in, or give a motion or a robot "
        "(--robot) of which the parts that move hang together; a hand needs its wrist, a limb both of its ends."
    )


def _anchors(part: str) -> tuple[str, ...]:
    """Return the landmarks that the tasks of a part start from."""
    side, _, limb = part.partition(" ")
    if not limb:
        return ("left_shoulder", "right_shoulder", "left_hip", "right_hip") if part == "trunk" else ("left_ear", "right_ear")
    names = {"arm": ("shoulder", "wrist"), "fingers": ("hand_wrist",), "leg": ("hip", "ankle")}[limb]
    return tuple(f"{side}_{name}" for name in names)


def listed(parts: tuple[str, ...]) -> str:
    """Return "trunk, arms and left fingers"."""
    words: dict[str, None] = {}
    for part in parts:
        name = part.partition(" ")[2]
        both = bool(name) and all(f"{side} {name}" in parts for side in SIDES)
        words[(name if name.endswith("s") else f"{name}s") if both else part] = None
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
