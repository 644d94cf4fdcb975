"""How things are handled: where hands rest, and which grasp leaves the arm most at ease."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.furniture import held_from
from bodydouble.hand_pose.simulation.grasp import Grasp
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script, turned_about_z

FloatArray = npt.NDArray[np.float64]

FLAT_HAND = np.array([[-0.1, -0.1, 0.05, 0.05], *[[0.0, 0.04, 0.05, 0.05]] * 4])
POINTING_HAND = np.array([[0.35, 0.45, 0.5, 0.4], [0.0, 0.05, 0.05, 0.05], *[[0.0, 1.2, 1.4, 0.7]] * 3])
"""Finger angles (5, 4), see ``hand_posture.OPEN_HAND``."""
SLOPES: dict[str, tuple[float, ...]] = {"side": (0.0, 0.3), "top": (0.45, 0.75)}
"""rad that the hand points down in the grasps among which the easiest is taken."""


def hand_pose(place: npt.ArrayLike, along: npt.ArrayLike, back: npt.ArrayLike) -> FloatArray:
    """Return T_world_hand (4, 4) of a hand whose wrist is at ``place``, fingers point ``along`` and back faces about ``back``, all (3,)."""
    x = np.asarray(along, dtype=np.float64) / np.linalg.norm(along)
    z = np.asarray(back, dtype=np.float64) - x * (x @ np.asarray(back, dtype=np.float64))
    z /= np.linalg.norm(z)
    return pose_from(np.column_stack([x, np.cross(z, x), z]), place)


def rest_over(height: float, scale: float) -> dict[str, FloatArray]:
    """Return T_world_hand (4, 4) of both hands resting, palms half down, over a table of a height in m."""
    rest = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        rest[side] = hand_pose([0.15 * scale, 0.20 * scale * sign, height + 0.13], [0.95, -0.3 * sign, -0.05], [0.0, 0.55 * sign, 1.0])
    return rest


def inward_yaws(side: str) -> tuple[float, ...]:
    """Return directions (rad, from straight ahead) in which a hand may point, mostly towards the other side."""
    inwards = -1.0 if side == "left" else 1.0
    return tuple(float(yaw) for yaw in np.radians([-40, -20, 0, 20, 40, 60]) * inwards)


def easiest_grasp(
    script: Script, side: str, thing: SceneObject, T_world_object: FloatArray, yaws: tuple[float, ...], slopes: tuple[float, ...] | None = None,
    *, goal: FloatArray | None = None,
) -> tuple[Grasp, FloatArray, FloatArray]:  # fmt: skip
    """Return the grasp, the hand and the thing (4, 4 each), turned about its upright axis by one of ``yaws``, with the arm most at ease.

    With ``goal``, where the thing (a round one) is put next, the arm is at ease there too.
    """
    kind = held_from(thing)
    turned = [turned_about_z(T_world_object, yaw) for yaw in yaws]
    best: tuple[float, Grasp, FloatArray, FloatArray] | None = None
    for slope in slopes or SLOPES[kind]:
        grasp = script.grasp(side, thing, kind, slope)
        costs = [script.unease(side, grasp.T_world_hand(pose)) for pose in turned]
        cost = min(costs)
        if goal is not None:
            cost += min(script.unease(side, grasp.T_world_hand(turned_about_z(goal, yaw))) for yaw in yaws[::2])
        if best is None or cost < best[0]:
            pose = turned[int(np.argmin(costs))]
            best = cost, grasp, grasp.T_world_hand(pose), pose
    assert best is not None
    return best[1:]
