"""Furniture of simulated tasks, sized for the person, and the things on it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.scene_object import SceneObject

FloatArray = npt.NDArray[np.float64]

WOOD, DARK_WOOD, WHITE, GREY = (186, 140, 96), (124, 88, 60), (226, 224, 218), (150, 154, 160)
LAMINATE = (166, 172, 176)
"""Of table tops: unlike skin, which wood is like."""
THINGS = (
    SceneObject("cup", "cylinder", (0.078, 0.078, 0.105), (196, 62, 54)),
    SceneObject("bottle", "cylinder", (0.066, 0.066, 0.20), (54, 120, 84)),
    SceneObject("ball", "sphere", (0.07, 0.07, 0.07), (232, 190, 60)),
    SceneObject("block", "box", (0.06, 0.09, 0.06), (60, 98, 170)),
)


def held_from(thing: SceneObject) -> Literal["side", "top"]:
    """Return which grasp suits a thing."""
    return "side" if thing.shape == "cylinder" else "top"


def elbow_height(body: Body) -> float:
    """Return how high (m) the elbow is when the arm hangs."""
    shoulder, elbow = body.head("upperarm01.L"), body.head("lowerarm01.L")
    return float(shoulder[2] - np.linalg.norm(elbow - shoulder))


def standing_at(x: float, y: float, z: float, yaw: float = 0.0) -> FloatArray:
    """Return the pose (4, 4) of an upright thing whose middle is at x, y, z m, turned by rad."""
    c, s = np.cos(yaw), np.sin(yaw)
    return pose_from(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]), [x, y, z])


def table(
    front: float, depth: float, width: float, height: float, *, yaw: float = 0.0, thickness: float = 0.03, name: str = "table",
) -> tuple[SceneObject, ...]:  # fmt: skip
    """Return a table's top and legs (boxes); its front edge is ``front`` m before the origin in direction ``yaw`` (rad), its upper face at ``height``."""
    turn = standing_at(0, 0, 0, yaw)
    leg = 0.05
    parts = [
        SceneObject(
            f"{name}_top", "box", (depth, width, thickness), LAMINATE, turn @ standing_at(front + depth / 2, 0, height - thickness / 2)
        )
    ]
    for row, (a, b) in enumerate(((0, -1), (0, 1), (1, -1), (1, 1))):
        x, y = front + 0.06 + a * (depth - 0.12), b * (width / 2 - 0.06)
        tall = height - thickness
        parts.append(SceneObject(f"{name}_leg_{row}", "box", (leg, leg, tall), DARK_WOOD, turn @ standing_at(x, y, tall / 2)))
    return tuple(parts)
