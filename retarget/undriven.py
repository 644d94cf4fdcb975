"""Joints that nothing is asked of: they go gently to the rest posture, and gently back to work."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.robot import Robot
from bodydouble.retarget.targets import Targets

FloatArray = npt.NDArray[np.float64]


def driven_joints(robot: Robot, targets: Targets) -> npt.NDArray[np.bool_]:
    """Return which joints (T, J) some task drives in each frame: one with weight that the joint moves and that looks at a landmark of the joint.

    A joint without landmarks of its own is driven by whatever moves it.
    """
    behind: list[set[str]] = [set() for _ in robot.joint_names]
    for entry in robot.file.joints:
        for joint in (j for name in entry.joints for j in robot.members(name)):
            behind[robot.joint_names.index(joint)] |= set(entry.landmarks)
    moves = np.array(
        [robot.joints_between(task.origin if task.kind.startswith("relative") else None, task.robot, task.of) for task in targets.tasks]
    )
    looks = np.array([[not landmarks or bool(landmarks & set(task.landmarks)) for task in targets.tasks] for landmarks in behind]) & moves.T
    asks = np.array([task.kind != "above" for task in targets.tasks])
    driven: npt.NDArray[np.bool_] = ((targets.weights > 0) & asks).astype(np.float64) @ looks.T.astype(np.float64) > 0
    return driven


def allowed_speed(robot: Robot, times_s: FloatArray, driven: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the speed (T, J) rad/s that each joint may do on the way to each frame.

    A joint that no task drives moves gently; once one does again, its permitted speed grows back to its own limit. So a hand that
    comes into view does not jerk from rest to where it is.
    """
    regular = robot.file.regularisation
    gentle = np.minimum(regular.gentle_speed, robot.velocity_limit)
    speed = np.empty(driven.shape)
    share = np.ones(driven.shape[1])  # 1: full speed
    for t in range(len(driven)):
        dt = times_s[t] - times_s[t - 1] if t else 0.0
        share = np.where(driven[t], np.minimum(share + dt / regular.gentle_time, 1.0), 0.0)
        if t == 0:
            share = driven[0].astype(np.float64)
        speed[t] = gentle + share * (robot.velocity_limit - gentle)
    return speed


def rest_weights(robot: Robot, driven: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the cost (T, J) of 1 rad away from the rest posture, before squaring."""
    values = dict.fromkeys(robot.joint_names, robot.file.regularisation.rest_weight)
    for entry in robot.file.joints:
        if entry.rest_weight is not None:
            for name in entry.joints:
                values |= dict.fromkeys(robot.members(name), entry.rest_weight)
    own = np.array([values[name] for name in robot.joint_names])
    weights: FloatArray = np.where(driven, own, np.maximum(own, robot.file.regularisation.undriven_rest_weight))
    return weights
