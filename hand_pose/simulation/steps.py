"""Steps of a simulated person: the ground frame travels on, the feet are planted in turn and stay where they are while they bear weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import standing_at
from bodydouble.hand_pose.simulation.script import Script

FloatArray = npt.NDArray[np.float64]

_LIFT_M = 0.05
_HEEL_OFF_RAD = 0.45
_TOE_M = (0.17, -0.065)
"""m forward and up from ankle to where the foot last touches the floor, at stature 1.7 m."""
_SINK, _BOB, _SHIFT = 0.030, 0.016, 0.018
"""m at stature 1.7 m: how much lower than standing a walker's pelvis is, how far it rises over each leg and moves to its side."""


def ground_pose(x: float, y: float, yaw: float) -> FloatArray:
    """Return a pose (4, 4) of the ground frame."""
    return standing_at(x, y, 0.0, yaw)


def between(one: FloatArray, two: FloatArray, share: float = 0.5) -> FloatArray:
    """Return the pose (4, 4) a share of the way from one to another."""
    turn = Rotation.from_matrix(one[:3, :3].T @ two[:3, :3]).as_rotvec() * share
    return pose_from(one[:3, :3] @ Rotation.from_rotvec(turn).as_matrix(), one[:3, 3] * (1 - share) + two[:3, 3] * share)


def take_steps(script: Script, path: Sequence[FloatArray], begin_s: float, step_s: float, *, first: str = "left") -> float:
    """Go along poses (4, 4) of the ground frame, one a step; return when both feet stand at the last one.

    While a foot swings the other is still. The ground frame passes each pose as the swing to it ends, so that the pelvis is between the feet.
    """
    scale = script.body.stature / 1.7
    side = first
    sink = np.array([0.0, 0.0, -_SINK * scale, 0.0])
    script.pelvis = script.pelvis.by(sink, begin_s - 0.6 * step_s, 1.2 * step_s)
    for k, goal in enumerate(path):
        t = begin_s + k * step_s
        script.ground = script.ground.to(goal, t - 0.5 * step_s, 2 * step_s)
        lands = between(goal, path[k + 1]) if k + 2 < len(path) else path[-1]
        _swing(script, side, lands, t, step_s, heel_off=k > 0, scale=scale)
        away = -1.0 if side == "left" else 1.0
        over = np.array([0.0, away * _SHIFT * scale, _BOB * scale, 0.0])
        script.pelvis = script.pelvis.by(over, t - 0.15 * step_s, 0.7 * step_s).by(-over, t + 0.45 * step_s, 0.65 * step_s)
        side = SIDES[1 - SIDES.index(side)]
    end = begin_s + len(path) * step_s
    script.pelvis = script.pelvis.by(-sink, end - 0.3 * step_s, 1.2 * step_s)
    return end


def _swing(script: Script, side: str, lands: FloatArray, t: float, step_s: float, *, heel_off: bool, scale: float) -> None:
    """Move a foot to where it stands when the ground frame is at ``lands``: the heel comes off, the foot swings, lifted, and lands flat."""
    foot = script.feet[side]
    goal = lands @ script.poser.foot_at_rest(side)
    if heel_off:
        x, z = -_TOE_M[0] * scale, -_TOE_M[1] * scale
        c, s = np.cos(_HEEL_OFF_RAD), np.sin(_HEEL_OFF_RAD)
        tilt = pose_from(Rotation.from_rotvec([0.0, _HEEL_OFF_RAD, 0.0]).as_matrix(), [c * x + s * z - x, 0.0, -s * x + c * z - z])
        foot = foot.to(foot.end @ tilt, t - 0.22 * step_s, 0.42 * step_s)
    foot = foot.to(goal, t + 0.12 * step_s, 0.86 * step_s)
    lift = np.array([0.0, 0.0, _LIFT_M * scale])
    script.feet[side] = foot.by(lift, t + 0.12 * step_s, 0.45 * step_s).by(-lift, t + 0.5 * step_s, 0.46 * step_s)
