"""Joint torques of a motion by inverse dynamics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]


def joint_torques(robot: Robot, times_s: FloatArray, configurations: FloatArray) -> FloatArray:
    """Return the torques (T, J) N m that move the joints so, by the recursive Newton-Euler algorithm (Featherstone 2008, 5.3).

    The base is taken as given: whatever holds it up, acts on the base itself, so leg torques do not carry the robot's weight. Velocities and
    accelerations are central differences of ``configurations`` (T, nq) over the true times; the first and last frame are NaN.
    """
    frames = len(times_s)
    torques = np.full((frames, len(robot.joint_names)), np.nan)
    if frames < 3:
        return torques
    data = robot.model.createData()
    dt = np.diff(times_s)
    rates = np.array([pin.difference(robot.model, a, b) for a, b in pairwise(configurations)]) / dt[:, None]
    for t in range(1, frames - 1):
        acceleration = (rates[t] - rates[t - 1]) / (0.5 * (dt[t] + dt[t - 1]))
        effort = pin.rnea(robot.model, data, configurations[t], 0.5 * (rates[t] + rates[t - 1]), acceleration)
        torques[t] = effort[robot.velocity_rows]
    return torques
