"""retarget(): a person's motion in, the robot's out."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.progress import Progress, silent
from bodydouble.retarget.dynamics import inverse_dynamics
from bodydouble.retarget.frame_by_frame import FrameSettings, empty_motion, solve_first, solve_next
from bodydouble.retarget.kernels.frame import Motion, Problem
from bodydouble.retarget.limits import finite_accelerations, finite_rates
from bodydouble.retarget.problem import Layout
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.standing import support_edges
from bodydouble.retarget.targets import Targets, make_targets
from bodydouble.retarget.trajectory import RobotTrajectory
from bodydouble.retarget.undriven import allowed_speed, driven_joints, rest_weights
from bodydouble.retarget.whole_trajectory import WholeSettings, overlaps, refine, softened, unhurried

FloatArray = npt.NDArray[np.float64]

AT_LIMIT = 0.995
"""Share of a joint's limit of speed or acceleration from which a frame counts as held back by it."""
TOUCHING_M = 1e-3
"""Overlap of two capsules from which a frame is flagged."""
CAUGHT_M = 3e-3
"""Overlap that is left only where a limb was caught on the wrong side of another."""
CHUNK = 64
"""Frames between two reports of progress."""


def retarget(motion: HumanMotion, robot: Robot, *, stream: bool = False, progress: Progress = silent) -> RobotTrajectory:
    """Move ``robot`` as the person moved, within its ranges, speeds and accelerations, without hitting itself.

    Frame after frame first, then the whole trajectory at once; ``stream``: the first alone, as a live preview has it. Sizes are matched as
    `skeleton_walk.py` says. Flags: "task_unmet" (a task's error is above its ``unmet_above`` in the robot's file), "unreachable" (that, though no
    limit of speed or acceleration held the robot back), "velocity_limited", "acceleration_limited" (some joint is at that limit), "self_collision" (two parts
    overlap by a millimetre or more), "effort_exceeded", "out_of_balance" (see `dynamics.py`), "not_driven" (no task at all).

    Raises: DataError if there is no frame or the times do not advance.
    """
    times = motion.times_s
    if len(times) == 0:
        raise DataError("the human motion has no frames; there is nothing to retarget.")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        at = int(np.argmax(~(np.diff(times) > 0))) + 1
        raise DataError(f"the times of the human motion do not advance at frame {at}; every frame needs a later time than the one before.")
    return follow(make_targets(motion, robot), robot, times, frame=motion.frame, stream=stream, progress=progress)


def follow(
    targets: Targets, robot: Robot, times_s: FloatArray, *, frame: str = "room", stream: bool = False, progress: Progress = silent,
    whole: WholeSettings = WholeSettings(), frames: FrameSettings = FrameSettings(),
) -> RobotTrajectory:  # fmt: skip
    """Move ``robot`` as ``targets`` ask at ``times_s`` (T,): what ``retarget`` does once sizes are matched."""
    layout = Layout(robot, targets.tasks)
    problem = make_problem(layout, targets, times_s)
    pair_part = layout.pair_parts(problem.capsules)
    with threadpool_limits(limits=1, user_api="blas"):  # more of them only wait for each other on matrices of this size
        began = time.perf_counter()
        _warm_up(problem, layout, pair_part, targets, frames, whole)
        warm = time.perf_counter()
        total = len(times_s) * (1 if stream else 2)
        start = _start(robot, targets)

        def first_stage(at_first: Problem) -> Motion:
            found = empty_motion(problem)
            solve_first(at_first, found, start, frames)
            for first in range(1, len(times_s), CHUNK):
                last = min(first + CHUNK, len(times_s))
                solve_next(at_first, found, first, last, frames)
                progress(last, total)
            return found

        if stream:
            found = first_stage(problem)
            iterations = float(found.iterations.mean())
        else:
            found, iterations = _whole(
                problem, layout, pair_part, whole, first_stage, lambda done: progress((1 + done) * len(times_s), total)
            )
        done = time.perf_counter()
        progress(total, total)
        solver: dict[str, float | str] = {
            "stage": "stream" if stream else "whole", "frames_per_second": len(times_s) / max(done - warm, 1e-9), "warmup_seconds": warm - began,
            "iterations_mean": iterations, "collision_pairs": float(len(problem.capsules.pairs)),
        }  # fmt: skip
        return _trajectory(robot, layout, problem, targets, found, times_s, frame, solver)


def _whole(
    problem: Problem, layout: Layout, pair_part: npt.NDArray[np.int64], whole: WholeSettings, first_stage: Callable[[Problem], Motion],
    progress: Callable[[float], None],
) -> tuple[Motion, float]:  # fmt: skip
    """Return the whole trajectory, and how many iterations it took in all, a frame on average."""
    in_a_hand = pair_part != layout.trunk
    best, deepest, iterations = None, np.inf, 0.0
    for limbs in whole.soft_limbs:
        # The whole trajectory finds its own way into the limits of speed and acceleration, and a better one from where the tasks are met.
        found = first_stage(softened(unhurried(problem), np.where(in_a_hand, whole.soft[0], limbs)))
        iterations += float(found.iterations.mean())
        iterations += refine(problem, found, layout.part_start, pair_part, whole, progress=lambda done, count: progress(done / count))
        depth = float(overlaps(problem, found, 0, len(problem.times)).max(initial=0.0))
        if best is None or depth < deepest:
            best, deepest = found, depth
        if deepest <= CAUGHT_M:
            break
    assert best is not None
    return best, iterations


def make_problem(layout: Layout, targets: Targets, times_s: FloatArray) -> Problem:
    """Return ``targets`` as the compiled loops take them."""
    robot = layout.robot
    frames, count = targets.weights.shape
    vectors, rotations = np.zeros((frames, count, 3)), np.tile(np.eye(3), (frames, count, 1, 1))
    for k, value in enumerate(targets.values):
        if value.ndim == 2:
            vectors[:, k] = np.nan_to_num(value)
        else:
            rotations[:, k] = np.where(np.isfinite(value), value, np.eye(3))
    driven = driven_joints(robot, targets)
    return Problem(
        tree=layout.tree(), tasks=layout.tasks(targets.tasks), capsules=layout.capsules(), balance=layout.balance(),
        times=np.array(times_s), vectors=vectors, rotations=rotations, weights=np.ascontiguousarray(targets.weights),
        # Without any mass there is no centre of mass to keep above the feet.
        edges=support_edges(targets, times_s) if robot.floating and robot.mass > 0 else np.full((frames, 1, 3), np.nan),
        rest=np.array(robot.rest), rest_weight=rest_weights(robot, driven), lower=np.array(robot.lower), upper=np.array(robot.upper),
        speed=np.array(robot.velocity_limit), wanted_speed=allowed_speed(robot, times_s, driven), acceleration=np.array(robot.acceleration),
        unmet=np.array([np.inf if task.unmet_above is None else task.unmet_above for task in targets.tasks]),
    )  # fmt: skip


def _start(robot: Robot, targets: Targets) -> FloatArray:
    """Return T_world_base (4, 4) that the first frame starts from: where the base is first asked to be, else standing at the origin."""
    pose = np.eye(4)
    if not robot.floating:
        return pose
    seen = np.flatnonzero(np.isfinite(targets.base).all(axis=1))
    if len(seen):
        pose[:3, 3] = targets.base[seen[0], :3]
        pose[:3, :3] = Rotation.from_quat(targets.base[seen[0], 3:]).as_matrix()
    else:
        pose[2, 3] = robot.standing_height()
    return pose


def _warm_up(
    problem: Problem, layout: Layout, pair_part: npt.NDArray[np.int64], targets: Targets, frames: FrameSettings, whole: WholeSettings
) -> None:
    """Have everything compiled before it is timed, on the first frames."""
    short = min(len(problem.times), 5)
    few = problem._replace(
        times=problem.times[:short].copy(), vectors=problem.vectors[:short].copy(), rotations=problem.rotations[:short].copy(),
        weights=problem.weights[:short].copy(), edges=problem.edges[:short].copy(), rest_weight=problem.rest_weight[:short].copy(),
        wanted_speed=problem.wanted_speed[:short].copy(),
    )  # fmt: skip
    found = empty_motion(few)
    solve_first(few, found, _start(layout.robot, targets), frames)
    solve_next(few, found, 1, short, frames)
    refine(few, found, layout.part_start, pair_part, whole)


def _trajectory(
    robot: Robot, layout: Layout, problem: Problem, targets: Targets, found: Motion, times_s: FloatArray, frame: str, solver: dict[str, float | str],
) -> RobotTrajectory:  # fmt: skip
    positions = np.array(found.positions)
    base = np.concatenate([found.base_translation, continuous(Rotation.from_matrix(found.base_rotation).as_quat())], axis=1)
    velocities, accelerations = finite_differences(times_s, positions), np.full(positions.shape, np.nan)
    accelerations[2:] = finite_accelerations(times_s, positions)
    errors = task_errors(targets, found.residuals)
    thresholds = np.array([np.inf if task.unmet_above is None else task.unmet_above for task in targets.tasks])
    configurations = np.stack([robot.configuration(row, pose) for row, pose in zip(positions, base, strict=True)])
    dynamics = inverse_dynamics(robot, times_s, configurations, targets.planted)
    with np.errstate(invalid="ignore"):
        fast = (np.abs(velocities) >= AT_LIMIT * robot.velocity_limit).any(axis=1)
        sudden = (np.abs(accelerations) >= AT_LIMIT * robot.acceleration).any(axis=1)
        unmet = (errors > thresholds).any(axis=1)
        flags = {
            "task_unmet": unmet,
            "unreachable": unmet & ~fast & ~sudden,
            "velocity_limited": fast,
            "acceleration_limited": sudden,
            "self_collision": overlaps(problem, found, 0, len(times_s)) > TOUCHING_M,
            "not_driven": ~(targets.weights > 0).any(axis=1),
            **dynamics.flags,
        }
    return RobotTrajectory(
        robot=robot.name, times_s=times_s, frame=frame, joint_names=robot.joint_names, joint_groups=robot.groups,
        positions=positions, velocities=velocities, torques=dynamics.torques, joint_source=targets.joint_source, base_pose=base,
        lower=robot.lower, upper=robot.upper, velocity_limit=robot.velocity_limit, effort_limit=robot.effort_limit,
        task_errors={task.name: errors[:, k] for k, task in enumerate(targets.tasks)},
        flags={name: np.asarray(flag, dtype=np.uint8) for name, flag in flags.items()},
        accelerations=accelerations, acceleration_limit=robot.acceleration, supported_torques=dynamics.supported_torques,
        centre_of_pressure=dynamics.centre_of_pressure, support_margin=dynamics.support_margin,
        contacts={name: np.asarray(mask, dtype=np.uint8) for name, mask in targets.planted.items()}, solver=solver,
    )  # fmt: skip


def task_errors(targets: Targets, residuals: FloatArray) -> FloatArray:
    """Return each task's error (T, K) in m or rad of residuals (T, K, 3); NaN where nothing was asked."""
    errors: FloatArray = np.linalg.norm(residuals, axis=2)
    for k, task in enumerate(targets.tasks):
        if task.kind in ("direction", "relative_direction", "axis"):  # the chord between unit vectors
            errors[:, k] = 2.0 * np.arcsin(np.clip(errors[:, k] / 2.0, 0.0, 1.0))
    return errors


def continuous(quaternions: FloatArray) -> FloatArray:
    """Return the quaternions (T, 4) with signs chosen so that neighbours are near each other."""
    turn = np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0
    signs = np.concatenate([[1.0], np.where(np.cumsum(turn) % 2 == 1, -1.0, 1.0)])
    return np.asarray(quaternions * signs[:, None])


def finite_differences(times_s: FloatArray, positions: FloatArray) -> FloatArray:
    """Return (T, J) rad/s: each row the difference to the row before over the true time, the first as the second; NaN for a single frame."""
    if len(times_s) < 2:
        return np.full_like(positions, np.nan)
    rates = finite_rates(times_s, positions)
    return np.concatenate([rates[:1], rates])
