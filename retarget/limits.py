"""Whether a stored trajectory keeps its robot's limits: counted on what is stored, not on what the solver meant."""

from __future__ import annotations

import numpy as np

from bodydouble.retarget.trajectory import RobotTrajectory

TOLERANCE = 1e-6
"""rad and rad/s."""


def limit_violations(trajectory: RobotTrajectory) -> tuple[int, int]:
    """Count (joint positions out of range, joint steps faster than the limit) over all frames and joints, the base excluded.

    Speed is the difference of stored positions over the true time between them. A position that is not finite counts as out of range, and a step from
    or to one, or over a time that does not advance, as too fast.
    """
    positions = trajectory.positions
    inside = (positions >= trajectory.lower - TOLERANCE) & (positions <= trajectory.upper + TOLERANCE)
    dt = np.diff(trajectory.times_s)[:, None]
    reach = (trajectory.velocity_limit + TOLERANCE) * dt
    with np.errstate(invalid="ignore"):
        slow = (np.abs(np.diff(positions, axis=0)) <= reach) & (dt > 0)
    return int(np.sum(~inside)), int(np.sum(~slow))
