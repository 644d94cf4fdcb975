"""One instant of a simulated scene: where the person, the rig and every object are, and what can be seen of a landmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

FINGERS = ("thumb", "index", "middle", "ring", "little")


class Part(IntEnum):
    """Which part of the person a triangle or a landmark belongs to."""

    HEAD = 0
    TORSO = 1
    LEFT_ARM = 2
    RIGHT_ARM = 3
    LEFT_HAND = 4
    RIGHT_HAND = 5
    LEFT_LEG = 6
    RIGHT_LEG = 7
    LEFT_FOOT = 8
    RIGHT_FOOT = 9


class Visibility(IntEnum):
    """What stands between a camera and a landmark."""

    NOT_FILMED = 0
    """The camera has no frame then (dropped)."""
    OUTSIDE = 1
    """Outside of the image, or behind the camera."""
    HIDDEN = 2
    """Behind something that is not the part it belongs to: an object, furniture, another part of the body, a covered lens."""
    SELF_HIDDEN = 3
    """Behind its own part: a knuckle on the far side of its own hand."""
    VISIBLE = 4
    """Nothing before it but the flesh around it."""


@dataclass(frozen=True)
class Moment:
    """The scene at one instant, in the world. Arrays are read-only."""

    time_s: float
    vertices: npt.NDArray[np.float32]
    """(V, 3) the person's skin."""
    joints: FloatArray
    """(J, 3) heads of the body's bones, in ``Body.bones`` order: the joint centres."""
    landmarks: FloatArray
    """(75, 3) where MediaPipe's landmarks are, as tabled in ``landmark_table``."""
    T_world_body: Mapping[str, FloatArray]
    """Body of the rig ("helmet", "backpack") to its pose (4, 4)."""
    T_world_object: Mapping[str, FloatArray] = field(default_factory=dict)
    """Moved object to its pose (4, 4)."""
    contact: Mapping[str, tuple[npt.NDArray[np.bool_], str]] = field(default_factory=dict)
    """Side ("left", "right") to which of the five ``FINGERS`` touch (5,), and the object's name; a side that holds nothing is left out."""

    def __post_init__(self) -> None:
        freeze_arrays(
            self,
            {
                "vertices": ((len(self.vertices), 3), np.float32),
                "joints": ((len(self.joints), 3), np.float64),
                "landmarks": ((75, 3), np.float64),
            },
        )
