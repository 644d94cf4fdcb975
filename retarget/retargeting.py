"""retarget(): a person's motion in, the robot's out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.progress import Progress, silent
from bodydouble.retarget.dynamics import joint_torques
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.solver import FrameSolver, allowed_speed
from bodydouble.retarget.targets import make_targets
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]

AT_SPEED_LIMIT = 0.999
"""Share of a joint's speed limit from which a frame counts as held back by it."""


# One thread: more of them only wait for each other on matrices of this size.
@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def retarget(motion: HumanMotion, robot: Robot, *, progress: Progress = silent) -> RobotTrajectory:
    """Move ``robot`` as the person moved, frame by frame, within its joint ranges and speeds.

    Sizes are matched as ``targets.py`` says. Flags: "task_unmet" (a task's error is above its ``unmet_above`` in the robot's file),
    "velocity_limited" (some joint moves at its speed limit), "effort_exceeded" (some torque is above its limit), "not_driven" (no task at all).

    Raises: DataError if there is no frame or the times do not advance.
    """
    times = motion.times_s
    if len(times) == 0:
        raise DataError("the human motion has no frames; there is nothing to retarget.")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        at = int(np.argmax(~(np.diff(times) > 0))) + 1
        raise DataError(f"the times of the human motion do not advance at frame {at}; every frame needs a later time than the one before.")

    targets = make_targets(motion, robot)
    solver = FrameSolver(robot, targets)
    speed = allowed_speed(robot, times, solver.driven)
    configurations = np.empty((len(times), robot.model.nq))
    errors = np.full((len(times), len(targets.tasks)), np.nan)
    for t in range(len(times)):
        solution = solver.next(t, configurations[t - 1], times[t] - times[t - 1], speed[t]) if t else solver.first()
        configurations[t] = solution.q
        errors[t] = solver.stack.errors(solution.residuals)
        progress(t + 1, len(times))

    positions = configurations[:, robot.position_rows]
    velocities = finite_differences(times, positions)
    torques = joint_torques(robot, times, configurations)
    thresholds = np.array([np.inf if task.unmet_above is None else task.unmet_above for task in targets.tasks])
    with np.errstate(invalid="ignore"):
        flags = {
            "task_unmet": (errors > thresholds).any(axis=1),
            "velocity_limited": (np.abs(velocities) >= AT_SPEED_LIMIT * robot.velocity_limit).any(axis=1),
            "effort_exceeded": (np.abs(torques) > robot.effort_limit).any(axis=1),
            "not_driven": ~(targets.weights > 0).any(axis=1),
        }
    return RobotTrajectory(
        robot=robot.name, times_s=times, frame=motion.frame, joint_names=robot.joint_names, joint_groups=robot.groups,
        positions=positions, velocities=velocities, torques=torques, joint_source=targets.joint_source, base_pose=configurations[:, :7],
        lower=robot.lower, upper=robot.upper, velocity_limit=robot.velocity_limit, effort_limit=robot.effort_limit,
        task_errors={task.name: errors[:, k] for k, task in enumerate(targets.tasks)},
        flags={name: np.asarray(flag, dtype=np.uint8) for name, flag in flags.items()},
    )  # fmt: skip


def finite_differences(times_s: FloatArray, positions: FloatArray) -> FloatArray:
    """Return (T, J) rad/s: each row the difference to the row before over the true time, the first as the second; NaN for a single frame."""
    if len(times_s) < 2:
        return np.full_like(positions, np.nan)
    rates = np.diff(positions, axis=0) / np.diff(times_s)[:, None]
    return np.concatenate([rates[:1], rates])
