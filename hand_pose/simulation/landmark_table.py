"""Where MediaPipe's 75 landmarks are on a simulated body: joint centres, and points of the skin tabled in ``landmark_table.toml``.

Anatomical: nothing here was learned from what a detector says.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

FloatArray = npt.NDArray[np.float64]

TABLE = Path(__file__).with_suffix(".toml")

_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "little": 5}
_BODY_JOINTS = {
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist", "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot",
    "pinky": "finger5-1", "index": "finger2-1", "thumb": "finger1-3",
}  # fmt: skip
"""Pose landmarks that are joint centres: the three on the hand are the knuckles of little finger and index and the thumb's last joint."""
_SKIN = {"eye_inner": "head", "eye": "head", "eye_outer": "head", "ear": "head", "mouth": "head", "heel": "foot", "foot_index": "toe1-2"}
"""Pose landmarks on the skin, and the bone they move with."""


@functools.cache
def table() -> dict[str, dict[str, list[int]]]:
    """Return landmark to side to vertices of the base mesh."""
    with TABLE.open("rb") as handle:
        return tomllib.load(handle)


def landmark_places(
    bones: tuple[str, ...], heads: FloatArray, vertices: FloatArray, base: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """Return the bone (75,) that carries each landmark and its place (75, 3) at rest.

    ``heads`` (B, 3) joints, ``vertices`` (V, 3) skin at rest, ``base`` (V,) their numbers in MakeHuman's base mesh.
    """
    carrier, places = [], []
    for name in LANDMARK_NAMES:
        bone, marks = _source_of(name)
        carrier.append(bones.index(bone))
        if marks is None:
            places.append(heads[carrier[-1]])
            continue
        rows = np.flatnonzero(np.isin(base, marks))
        if len(rows) != len(marks):
            raise ValueError(f"the mesh lacks vertices of the landmark '{name}': it is not MakeHuman's base mesh")
        places.append(vertices[rows].mean(axis=0))
    return np.array(carrier, dtype=np.int32), np.array(places)


def _source_of(name: str) -> tuple[str, list[int] | None]:
    """Return the bone of a landmark, and the vertices that mark it; None for the bone's own joint."""
    if name == "nose":
        return "head", table()["nose"]["C"]
    if name.startswith("mouth_"):
        return "head", table()["mouth"]["L" if name == "mouth_left" else "R"]
    side, _, rest = name.partition("_")
    letter = "L" if side == "left" else "R"
    if rest in _BODY_JOINTS:
        return f"{_BODY_JOINTS[rest]}.{letter}", None
    if rest in _SKIN:
        bone = _SKIN[rest] if _SKIN[rest] == "head" else f"{_SKIN[rest]}.{letter}"
        return bone, table()["toe" if rest == "foot_index" else rest][letter]
    part = rest.removeprefix("hand_")
    if part == "wrist":
        return f"wrist.{letter}", None
    finger, _, joint = part.partition("_")
    number = _FINGERS[finger]
    if joint == "tip":
        return f"finger{number}-3.{letter}", table()[f"finger{number}_tip"][letter]
    order = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
    return f"finger{number}-{order.index(joint) + 1}.{letter}", None
