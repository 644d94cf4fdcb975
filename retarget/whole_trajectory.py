"""The whole trajectory at once: tasks of every frame, smoothness in true time, limits and contact in one sparse problem.

Gauss-Newton; each linearisation is a quadratic program whose normal equations are banded in time, a part of the robot each (LAPACK's banded Cholesky).
Limits of range, speed and acceleration are kept by the alternating direction method of multipliers, which needs that factor only once; where no limit is
near, one solution is all. At the end `keep_limits` makes them hold to the last bit. Long motions go in windows that overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from bodydouble.progress import Progress, silent
from bodydouble.retarget.kernels.collisions import deepest
from bodydouble.retarget.kernels.frame import Motion, Problem
from bodydouble.retarget.kernels.limits import add_stiffness, broken, clip_to_limits, limits_of, pull, start_limits
from bodydouble.retarget.kernels.reach import keep_limits
from bodydouble.retarget.kernels.whole import BAND, assemble, largest, linearise_all, moved_by, tie_frames

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

WINDOW = 900
OVERLAP = 90
"""Frames. What a frame does is felt a few tenths of a second around it."""
SAMPLED = 200
"""Frames that the typical stiffness is taken from."""
LONGEST_STEP = 0.4
"""rad or m."""
TOUCHING_M = 5e-4


@dataclass(frozen=True)
class WholeSettings:
    """How the whole trajectory is refined."""

    iterations: int = 9
    """At most, a window ..."""
    more_iterations: int = 12
    """... and so many more while parts of the robot are in each other by ``TOUCHING_M``."""
    tolerance: float = 1e-4
    """rad or m: done when no variable moves more."""
    gain: float = 3e-5
    """Also done when an iteration lowers the cost by less than this share."""
    smoothing_hz: float = 12.0
    """Motions of joints that are much slower are followed, much faster ones are smoothed away."""
    base_smoothing_hz: float = 5.0
    """The same for the base, which carries the robot's mass."""
    slack: float = 2e-3
    """Share of the limits of speed and acceleration left unused."""
    rounds: int = 40
    """Of the method of multipliers, at most, an iteration."""
    accuracy: float = 1e-5
    """rad: how far out of its limits a joint may be before `keep_limits`."""
    stiffness: tuple[float, float, float] = (2.0, 10.0, 30.0)
    """Penalties of range, step and change of step against the tasks' own stiffness."""
    relaxation: float = 1.6
    soft: tuple[float, ...] = (0.01, 0.05, 0.2)
    """Shares of the weight of collisions in the first stage and iterations: parts that are on the wrong side of each other may still pass through."""
    damping: float = 1e-6


def typical_stiffness(problem: Problem, motion: Motion, part_start: IndexArray) -> FloatArray:
    """Return the median diagonal (V,) of the tasks' normal equations: what 1 rad (1 m) off costs."""
    frames, variables = len(problem.times), int(part_start[-1])
    diagonals = []
    blocks, gradient = np.empty((1, int(np.sum(np.diff(part_start) ** 2)))), np.empty((1, variables))
    for t in np.unique(np.linspace(0, frames - 1, min(frames, SAMPLED)).astype(int)):
        linearise_all(problem, motion, t, t + 1, part_start, True, blocks, gradient)
        parts, at = [], 0
        for n in np.diff(part_start):
            parts.append(blocks[0, at : at + n * n].reshape(n, n).diagonal())
            at += n * n
        diagonals.append(np.concatenate(parts))
    median: FloatArray = np.median(diagonals, axis=0)
    return np.maximum(median, 1e-3)


def refine(
    problem: Problem, motion: Motion, part_start: IndexArray, settings: WholeSettings = WholeSettings(), *, progress: Progress = silent
) -> float:
    """Refine ``motion`` in place and return how many iterations were made, a frame on average."""
    frames, variables = len(problem.times), int(part_start[-1])
    stiffness = typical_stiffness(problem, motion, part_start)
    used = 0.0
    if frames >= BAND:
        for start, held, stop in windows(frames):
            window = _Window(problem, motion, part_start, stiffness, settings, start, held, stop)
            used += window.refine() * (stop - held) / frames
            progress(stop, frames)
    wanted = motion.positions.copy()
    keep_limits(
        problem.times, wanted, problem.lower, problem.upper, problem.wanted_speed, problem.speed, problem.acceleration, motion.positions
    )
    linearise_all(problem, motion, 0, frames, part_start, False, np.empty((1, 1)), np.empty((frames, variables)))
    return used


def overlaps(problem: Problem, motion: Motion, start: int, stop: int) -> FloatArray:
    """Return how deep (m) the robot's parts are in each other in frames [start, stop), 0 where they are apart."""
    depth = np.zeros(stop - start)
    if len(problem.capsules.pairs):
        deepest(problem.tree, problem.capsules, motion.base_rotation, motion.base_translation, motion.positions, start, depth)
    return depth


def softened(problem: Problem, share: float) -> Problem:
    """Return the problem with collisions that cost only a share of what they do."""
    return problem._replace(capsules=problem.capsules._replace(weight=share * problem.capsules.weight))


def unhurried(problem: Problem) -> Problem:
    """Return the problem without limits of speed and acceleration that matter."""
    return problem._replace(speed=100.0 * problem.speed, wanted_speed=100.0 * problem.wanted_speed, acceleration=1e4 * problem.acceleration)


def windows(frames: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, held, stop): frames [held, stop) are solved, those of [start, held) stand."""
    held = 0
    while True:
        stop = min(held + WINDOW, frames)
        if frames - stop < OVERLAP:
            stop = frames
        yield max(held - BAND + 1, 0), held, stop
        if stop == frames:
            return
        held = stop - OVERLAP


class _Window:
    """Some frames that are solved together, and the work space for it."""

    def __init__(
        self, problem: Problem, motion: Motion, part_start: IndexArray, stiffness: FloatArray, settings: WholeSettings, start: int, held: int, stop: int,
    ) -> None:  # fmt: skip
        self.whole_problem, self.problem, self.motion, self.settings = problem, problem, motion, settings
        self.part_start, self.start, self.held, self.stop = part_start, start, held, stop
        frames, variables, joints = stop - start, int(part_start[-1]), motion.positions.shape[1]
        self.skip = held - start
        self.joint_variable = problem.tree.actuated_variable
        smoothing_hz = np.full(variables, settings.smoothing_hz)
        smoothing_hz[problem.tree.variable[:6][problem.tree.variable[:6] >= 0]] = settings.base_smoothing_hz
        self.jerk_weight = np.sqrt(stiffness) / (2 * math.pi * smoothing_hz) ** 3
        self.rho = stiffness[self.joint_variable, None] * np.array(settings.stiffness)
        self.blocks = np.empty((frames, int(np.sum(np.diff(part_start) ** 2))))
        self.bands, self.gradient = np.empty((frames, variables, BAND)), np.zeros((frames, variables))
        self.bounds, self.coefficients = np.empty((frames, joints, 3, 2)), np.empty((frames, 2, 3))
        limits_of(problem, start, stop, settings.slack, self.bounds, self.coefficients)
        self.kept, self.dual = np.zeros((frames, joints, 3)), np.zeros((frames, joints, 3))
        self.active = np.zeros(joints, dtype=bool)
        """Joints whose limits have been in the way."""

    def refine(self) -> int:
        """Iterate; return how often."""
        settings, motion = self.settings, self.motion
        trial = Motion(
            motion.base_rotation.copy(), motion.base_translation.copy(), motion.positions.copy(), motion.wished, motion.residuals.copy(),
            motion.iterations,
        )  # fmt: skip
        damping, used, cost = settings.damping, 0, math.inf
        while used < settings.iterations or (used < settings.iterations + settings.more_iterations and self._touches()):
            share = settings.soft[used] if used < len(settings.soft) else 1.0
            self.problem = softened(self.whole_problem, share)
            used += 1
            cost = self._cost(motion, derivatives=True)
            step = self._step(damping)
            scale, lower_cost = 1.0, math.inf
            for _ in range(5):
                moved_by(self.problem, motion, step, scale, self.start, self.skip, trial)
                lower_cost = self._cost(trial, derivatives=False)
                if lower_cost < cost:
                    break
                scale *= 0.4
            if not lower_cost < cost:
                damping = max(10.0 * damping, 1e-4)
                if damping > 10.0 or (share == 1.0 and largest(step) < settings.tolerance and not self._touches()):
                    break
                continue
            for own, new in zip(motion, trial, strict=True):
                own[self.held : self.stop] = new[self.held : self.stop]
            damping = max(0.1 * damping, settings.damping)
            done = largest(step) * scale < settings.tolerance or cost - lower_cost < settings.gain * cost
            if share == 1.0 and done and not self._touches():
                break
        return used

    def _touches(self) -> bool:
        return bool(overlaps(self.whole_problem, self.motion, self.held, self.stop).max(initial=0.0) > TOUCHING_M)

    def _cost(self, candidate: Motion, *, derivatives: bool) -> float:
        cost = linearise_all(self.problem, candidate, self.start, self.stop, self.part_start, derivatives, self.blocks, self.gradient)
        tied = tie_frames(
            self.problem, self.jerk_weight, candidate, self.start, self.stop, self.held, derivatives, self.bands, self.gradient
        )
        return float(cost + tied)

    def _step(self, damping: float) -> FloatArray:
        """Return the step (T', V) of this linearisation that keeps the limits, as far as ``rounds`` go."""
        positions, skip = self.motion.positions[self.start : self.stop], self.skip
        step = np.zeros_like(self.gradient)
        parts = range(len(self.part_start) - 1)
        for part in parts:
            self._solve(part, self._factor(part, damping), -self.gradient, step)
        beyond = np.empty((positions.shape[1], 3))
        moved = positions + step[:, self.joint_variable]
        broken(moved, self.bounds, self.coefficients, skip, beyond)
        fresh = (beyond.max(axis=1) > self.settings.accuracy) & ~self.active
        start_limits(np.flatnonzero(fresh), moved, self.bounds, self.coefficients, self.kept, self.dual)
        self.active |= fresh
        for part in parts:
            first, last = self.part_start[part], self.part_start[part + 1]
            joints = np.flatnonzero(self.active & (self.joint_variable >= first) & (self.joint_variable < last))
            if len(joints):
                self._keep_limits(part, joints, damping, step)
        return np.clip(step, -LONGEST_STEP, LONGEST_STEP)

    def _keep_limits(self, part: int, joints: IndexArray, damping: float, step: FloatArray) -> None:
        """Solve one part again, with the limits of some of its joints: a linear system and a clip in turn."""
        settings, skip = self.settings, self.skip
        positions = self.motion.positions[self.start : self.stop]
        add_stiffness(joints, self.rho, self.coefficients, self.joint_variable, skip, self.bands)
        factor = self._factor(part, damping)
        moved, right = positions.copy(), np.empty_like(self.gradient)
        own = self.joint_variable[joints]
        for _ in range(settings.rounds):
            np.negative(self.gradient, out=right)
            pull(joints, positions, self.kept, self.dual, self.rho, self.coefficients, self.joint_variable, skip, right)
            self._solve(part, factor, right, step)
            moved[:, joints] = positions[:, joints] + step[:, own]
            out, changed = clip_to_limits(joints, moved, self.bounds, self.coefficients, skip, settings.relaxation, self.kept, self.dual)
            if out < settings.accuracy and changed < 10 * settings.accuracy:
                break

    def _solve(self, part: int, factor: FloatArray, right: FloatArray, step: FloatArray) -> None:
        first, last = self.part_start[part], self.part_start[part + 1]
        own = np.ascontiguousarray(right[self.skip :, first:last]).reshape(-1)
        found, _ = lapack.dpbtrs(factor, own, lower=1, overwrite_b=1)
        step[self.skip :, first:last] = found.reshape(-1, last - first)

    def _factor(self, part: int, damping: float) -> FloatArray:
        first, last = int(self.part_start[part]), int(self.part_start[part + 1])
        n, at = last - first, int(np.sum(np.diff(self.part_start[: part + 1]) ** 2))
        band = np.empty(((self.stop - self.held) * n, (BAND - 1) * n + 1))
        assemble(self.blocks, self.bands, at, first, last, self.skip, damping, band)
        factor: FloatArray
        factor, failed = lapack.dpbtrf(band.T, lower=1, overwrite_ab=1)
        if failed:
            raise np.linalg.LinAlgError("the banded system is not positive definite")
        return factor
