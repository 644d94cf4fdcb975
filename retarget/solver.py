"""One frame's inverse kinematics: damped least squares, every step a box QP, warm-started from the frame before.

The box is the joint range intersected with what the joint's speed reaches since the frame before, so range and speed hold in every
frame whatever the tasks ask. The base is free. Method: Levenberg-Marquardt (Nocedal and Wright 2006, 10.3) on the tasks of ``tasks.py``; the QP
is DAQP's (Arnström, Bemporad and Axehill 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pinocchio as pin
from qpsolvers.solvers.daqp_ import daqp_solve_qp

from bodydouble.errors import DataError
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.targets import Targets
from bodydouble.retarget.tasks import TaskStack

FloatArray = npt.NDArray[np.float64]

LONGEST_STEP = 0.4
"""rad (m for the base): beyond this the linearisation is not worth following."""
SPEED_MARGIN = 1.0 - 1e-9
"""Keeps a joint that moves at its limit under it after rounding."""


@dataclass(frozen=True)
class FrameSolution:
    """One frame: configuration, and what is left of each task."""

    q: FloatArray
    """(nq,) Pinocchio configuration."""
    residuals: FloatArray
    """(K, 3), NaN where nothing was asked."""
    steps: int


class FrameSolver:
    """Solve frame after frame of one ``Targets``. Holds work space: one a thread."""

    def __init__(self, robot: Robot, targets: Targets) -> None:
        self.robot, self.targets = robot, targets
        self.stack = TaskStack(robot, targets.tasks)
        self.settings, self.regularisation = robot.file.solver, robot.file.regularisation
        self._qrows, self._vrows = robot.position_rows, robot.velocity_rows
        self.driven = driven_joints(robot, targets)
        self._rest_weight = _rest_weights(robot)

    def first(self, frame: int = 0) -> FrameSolution:
        """Solve a frame from the rest posture, without a limit on speed."""
        start = self.robot.configuration(self.robot.rest, self._starting_base(frame))
        return self._solve(frame, start, self.robot.lower, self.robot.upper, self.settings.first_steps, fresh=True)

    def next(self, frame: int, q_before: FloatArray, dt: float, speed: FloatArray) -> FrameSolution:
        """Solve a frame that comes ``dt`` seconds after configuration ``q_before``; ``speed`` (J,) rad/s is what each joint may do."""
        before = q_before[self._qrows]
        reach = speed * dt * SPEED_MARGIN
        lower, upper = np.maximum(self.robot.lower, before - reach), np.minimum(self.robot.upper, before + reach)
        return self._solve(frame, q_before, lower, upper, self.settings.steps, fresh=False)

    def _starting_base(self, frame: int) -> FloatArray:
        base = self.targets.base
        seen = np.flatnonzero(np.isfinite(base).all(axis=1))
        if len(seen):
            start: FloatArray = base[frame if frame in seen else seen[0]]
            return start
        return np.array([0.0, 0.0, self.robot.standing_height(), 0.0, 0.0, 0.0, 1.0])

    def _solve(self, frame: int, start: FloatArray, lower: FloatArray, upper: FloatArray, steps: int, *, fresh: bool) -> FrameSolution:
        stack, weights = self.stack, self.targets.weights[frame]
        wanted = stack.stacked(self.targets.values, frame)
        active = np.flatnonzero(weights > 0)
        scale = weights[active, None]
        regular = self.regularisation
        rest_weight = np.where(self.driven[frame], self._rest_weight, regular.undriven_rest_weight) ** 2
        # A fresh start has no frame before it to stay near, and time to go on to the end.
        step_weight, gain = (0.0, 0.0) if fresh else (regular.step_weight**2, self.settings.gain)
        before = start[self._qrows]

        def cost_of(residual: FloatArray, q: FloatArray) -> float:
            task = residual[active] * scale
            joints = q[self._qrows]
            pull = rest_weight @ np.square(joints - self.robot.rest) + step_weight * np.sum(np.square(joints - before))
            return float(np.sum(task * task) + pull)

        q = start.copy()
        q[self._qrows] = np.clip(before, lower, upper)
        residual, jacobian = stack.linearise(q, wanted)
        cost, damping, used = cost_of(residual, q), regular.damping**2, 0
        low, high = np.full(self.robot.model.nv, -LONGEST_STEP), np.full(self.robot.model.nv, LONGEST_STEP)
        normal = gradient = None
        while used < steps:
            used += 1
            if normal is None:
                J = (jacobian[active] * scale[:, :, None]).reshape(-1, self.robot.model.nv)
                joints = q[self._qrows]
                normal, gradient = J.T @ J, J.T @ (residual[active] * scale).ravel()
                normal[self._vrows, self._vrows] += rest_weight + step_weight
                gradient[self._vrows] += rest_weight * (joints - self.robot.rest) + step_weight * (joints - before)
                low[self._vrows] = np.clip(lower - joints, -LONGEST_STEP, 0.0)
                high[self._vrows] = np.clip(upper - joints, 0.0, LONGEST_STEP)
            damped = normal.copy()
            damped.flat[:: len(damped) + 1] += damping
            step = daqp_solve_qp(damped, gradient, lb=low, ub=high)
            if step is None:
                raise DataError(f"frame {frame}: the solver found no step; the motion holds values that are not finite or far too large.")
            moved = pin.integrate(self.robot.model, q, step)
            moved[self._qrows] = np.clip(moved[self._qrows], lower, upper)
            new_residual, new_jacobian = stack.linearise(moved, wanted)
            new_cost = cost_of(new_residual, moved)
            if new_cost > cost * (1 + 1e-9) + 1e-12:
                damping = max(damping * 10.0, 1e-4)
                if damping > 1e4:
                    break
                continue
            small = float(np.abs(step).max()) < self.settings.tolerance or cost - new_cost < gain * cost
            q, residual, jacobian, cost = moved, new_residual, new_jacobian, new_cost
            normal = None
            damping = max(damping / 10.0, regular.damping**2)
            if small:
                break
        left = np.where(weights[:, None] > 0, residual, np.nan)
        return FrameSolution(q, left, used)


def driven_joints(robot: Robot, targets: Targets) -> npt.NDArray[np.bool_]:
    """Return which joints (T, J) some task drives in each frame: one with weight that the joint moves and that looks at a landmark of the joint."""
    behind: list[set[str]] = [set() for _ in robot.joint_names]
    for entry in robot.file.joints:
        for joint in (j for name in entry.joints for j in robot.members(name)):
            behind[robot.joint_names.index(joint)] |= set(entry.landmarks)
    moves = np.array(
        [robot.joints_between(task.origin if task.kind == "relative_position" else None, task.robot, task.of) for task in targets.tasks]
    )
    looks = np.array([[bool(landmarks & set(task.landmarks)) for task in targets.tasks] for landmarks in behind]) & moves.T
    driven: npt.NDArray[np.bool_] = (targets.weights > 0).astype(np.float64) @ looks.T.astype(np.float64) > 0
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


def _rest_weights(robot: Robot) -> FloatArray:
    values = dict.fromkeys(robot.joint_names, robot.file.regularisation.rest_weight)
    for entry in robot.file.joints:
        if entry.rest_weight is not None:
            for name in entry.joints:
                values |= dict.fromkeys(robot.members(name), entry.rest_weight)
    return np.array([values[name] for name in robot.joint_names])
