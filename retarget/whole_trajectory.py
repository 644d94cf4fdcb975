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
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent
from bodydouble.retarget.kernels.collisions import deepest
from bodydouble.retarget.kernels.frame import Motion, Problem
from bodydouble.retarget.kernels.limits import add_stiffness, broken, clip_to_limits, limits_of, pull, start_limits
from bodydouble.retarget.kernels.near import add_near_stiffness, clip_gaps, near_in_frames, opened, pull_apart
from bodydouble.retarget.kernels.reach import keep_limits
from bodydouble.retarget.kernels.whole import BAND, assemble, largest, linearise_all, moved_by, tie_frames
from bodydouble.retarget.parting import move_apart

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
PARTINGS = 10
"""How often what still touches is parted, at most."""
SMOOTHED_S = 0.1
"""s to each side of a frame that must take a shorter step."""
HELD_M = 0.01
"""Watched pairs that are, or would come, this near are held apart."""
NEAR_A_FRAME = 120
"""Room for near pairs, on average."""
YIELDING_M = 5e-4
"""Two parts are held apart by no more force than their penalty has at this overlap."""
NEAR_STIFFNESS = 3.0
"""Penalty on near pairs against the tasks' own stiffness in their direction."""


@dataclass(frozen=True)
class WholeSettings:
    """How the whole trajectory is refined."""

    iterations: int = 8
    """At most, a window ..."""
    more_iterations: int = 8
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
    rounds: int = 50
    """Of the method of multipliers, at most, an iteration ..."""
    more_rounds: int = 80
    """... and in those that only go on because parts of the robot are in each other."""
    accuracy: float = 1e-5
    """rad: how far out of its limits a joint may be before `keep_limits`."""
    stiffness: tuple[float, float, float] = (2.0, 10.0, 30.0)
    """Penalties of range, step and change of step against the tasks' own stiffness."""
    relaxation: float = 1.6
    soft: tuple[float, ...] = (0.01, 0.05, 0.2)
    """Shares of the weight of collisions within a hand in the first stage and iterations: a finger on the wrong side of the thumb may still pass through
    it."""
    soft_limbs: tuple[float, ...] = (0.05, 1.0)
    """The same of limbs, in the first stage alone. Where something still touches at the end it is all done again with the next: on which side of a leg an
    arm passes is decided early, and not always well."""
    damping: float = 1e-3
    least_damping: float = 1e-4
    """Against long steps where the tasks say little, such as along a straight leg: shares of the typical stiffness."""


def typical_stiffness(problem: Problem, motion: Motion, part_start: IndexArray) -> FloatArray:
    """Return the median diagonal (V,) of the tasks' normal equations: what 1 rad (1 m) off costs."""
    frames, variables = len(problem.times), int(part_start[-1])
    diagonals = []
    blocks, gradient = np.empty((1, int(np.sum(np.diff(part_start) ** 2)))), np.empty((1, variables))
    for t in np.unique(np.linspace(0, frames - 1, min(frames, SAMPLED)).astype(int)):
        linearise_all(problem, motion, t, t + 1, part_start, True, blocks, gradient, np.empty(1))
        parts, at = [], 0
        for n in np.diff(part_start):
            parts.append(blocks[0, at : at + n * n].reshape(n, n).diagonal())
            at += n * n
        diagonals.append(np.concatenate(parts))
    median: FloatArray = np.median(diagonals, axis=0)
    return np.maximum(median, 1e-3)


def refine(
    problem: Problem, motion: Motion, part_start: IndexArray, pair_part: IndexArray, settings: WholeSettings = WholeSettings(), *,
    progress: Progress = silent,
) -> float:  # fmt: skip
    """Refine ``motion`` in place and return how many iterations were made, a frame on average.

    ``pair_part`` (P,): the part whose variables move each pair apart.
    """
    frames, variables = len(problem.times), int(part_start[-1])
    stiffness = typical_stiffness(problem, motion, part_start)
    used = 0.0
    if frames >= BAND:
        for start, held, stop in windows(frames):
            window = _Window(problem, motion, part_start, stiffness, settings, pair_part, start, held, stop)
            used += window.refine() * (stop - held) / frames
            progress(stop, frames)
    _hold_limits(problem, motion)
    for _ in range(PARTINGS):
        touching = overlaps(problem, motion, 0, frames) > TOUCHING_M
        if not touching.any():
            break
        move_apart(problem, motion, touching)
        _hold_limits(problem, motion)
    linearise_all(problem, motion, 0, frames, part_start, False, np.empty((1, 1)), np.empty((frames, variables)), np.empty(frames))
    return used


def overlaps(problem: Problem, motion: Motion, start: int, stop: int) -> FloatArray:
    """Return how deep (m) the robot's parts are in each other in frames [start, stop), 0 where they are apart."""
    depth = np.zeros(stop - start)
    if len(problem.capsules.pairs):
        deepest(problem.tree, problem.capsules, motion.base_rotation, motion.base_translation, motion.positions, start, depth)
    return depth


def softened(problem: Problem, shares: FloatArray) -> Problem:
    """Return the problem with collisions costing only their ``shares`` (P,) of what they do."""
    return problem._replace(capsules=problem.capsules._replace(weight=shares * problem.capsules.weight))


def unhurried(problem: Problem) -> Problem:
    """Return the problem without limits of speed and acceleration that matter."""
    return problem._replace(speed=100.0 * problem.speed, wanted_speed=100.0 * problem.wanted_speed, acceleration=1e4 * problem.acceleration)


def _hold_limits(problem: Problem, motion: Motion) -> None:
    wanted = motion.positions.copy()
    keep_limits(
        problem.times, wanted, problem.lower, problem.upper, problem.wanted_speed, problem.speed, problem.acceleration, motion.positions
    )


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
        self, problem: Problem, motion: Motion, part_start: IndexArray, stiffness: FloatArray, settings: WholeSettings, pair_part: IndexArray,
        start: int, held: int, stop: int,
    ) -> None:  # fmt: skip
        self.whole_problem, self.problem, self.motion, self.settings, self.pair_part = problem, problem, motion, settings, pair_part
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
        self.stiffness, self.rounds = stiffness, settings.rounds
        room = frames * NEAR_A_FRAME
        self.near_frame, self.near_pair = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        self.gap, self.row = np.empty(room), np.empty((room, int(np.diff(part_start).max())))
        self.near_dual = np.zeros((frames, len(problem.capsules.pairs)))
        """(T', P) m, what held each pair apart in the iteration before."""
        self.active = np.zeros(joints, dtype=bool)
        """Joints whose limits have been in the way."""

    def refine(self) -> int:
        """Iterate; return how often."""
        settings, motion = self.settings, self.motion
        trial = Motion(
            motion.base_rotation.copy(), motion.base_translation.copy(), motion.positions.copy(), motion.wished, motion.residuals.copy(),
            motion.iterations, motion.cost,
        )  # fmt: skip
        damping, used = settings.damping, 0
        while used < settings.iterations or (used < settings.iterations + settings.more_iterations and self._touches()):
            share = settings.soft[used] if used < len(settings.soft) else 1.0
            self.problem = softened(self.whole_problem, np.where(self.pair_part != len(self.part_start) - 2, share, 1.0))
            self.rounds = settings.rounds if used < settings.iterations else settings.more_rounds
            used += 1
            costs, tied = self._costs(motion, derivatives=True)
            cost = float(costs.sum()) + tied
            step = self._step(damping)
            shares = self._shares(np.abs(step).max(axis=1) > LONGEST_STEP, LONGEST_STEP / np.maximum(np.abs(step).max(axis=1), 1e-9))
            lower_cost = math.inf
            for _ in range(6):
                moved_by(self.problem, motion, step, shares, self.start, self.skip, trial)
                new_costs, new_tied = self._costs(trial, derivatives=False)
                lower_cost = float(new_costs.sum()) + new_tied
                if lower_cost < cost:
                    break
                # Only where it got worse the step is too long; elsewhere it is taken.
                worse = new_costs > costs + 1e-3 * cost / len(costs)
                shares = shares * (self._shares(worse, np.full(len(worse), 0.3)) if worse.any() else 0.4)
            if not lower_cost < cost:
                damping *= 6.0
                if damping > 10.0 or (share == 1.0 and largest(step) < settings.tolerance and not self._touches()):
                    break
                continue
            for own, new in zip((motion.base_rotation, motion.base_translation, motion.positions, motion.residuals),
                                (trial.base_rotation, trial.base_translation, trial.positions, trial.residuals), strict=True):  # fmt: skip
                own[self.held : self.stop] = new[self.held : self.stop]
            damping = max(0.4 * damping, settings.least_damping)
            done = largest(step * shares[:, None]) < settings.tolerance or cost - lower_cost < settings.gain * cost
            if share == 1.0 and done and not self._touches():
                break
        return used

    def _shares(self, where: npt.NDArray[np.bool_], least: FloatArray) -> FloatArray:
        """Return shares (T',) of a step: ``least`` where it is too long, rising smoothly to 1 around there, so that the motion stays smooth."""
        shares = np.where(where, np.minimum(least, 1.0), 1.0)
        around = max(2, int(SMOOTHED_S / float(np.median(np.diff(self.problem.times[self.start : self.stop])))))
        lowest = minimum_filter1d(shares, 2 * around + 1, mode="nearest")
        smooth: FloatArray = uniform_filter1d(lowest, 2 * around + 1, mode="nearest")
        return smooth

    def _touches(self) -> bool:
        return bool(overlaps(self.whole_problem, self.motion, self.held, self.stop).max(initial=0.0) > TOUCHING_M)

    def _costs(self, candidate: Motion, *, derivatives: bool) -> tuple[FloatArray, float]:
        costs = np.empty(self.stop - self.start)
        linearise_all(self.problem, candidate, self.start, self.stop, self.part_start, derivatives, self.blocks, self.gradient, costs)
        tied = tie_frames(
            self.problem, self.jerk_weight, candidate, self.start, self.stop, self.held, derivatives, self.bands, self.gradient
        )
        return costs, float(tied)

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
        near = near_in_frames(
            self.problem, self.motion, self.start, self.stop, self.part_start, self.pair_part, self.near_frame, self.near_pair, self.gap,
            self.row,
        )  # fmt: skip
        near_part = self.pair_part[self.near_pair[:near]]
        free = self.near_frame[:near] >= skip
        for part in parts:
            first, last = self.part_start[part], self.part_start[part + 1]
            joints = np.flatnonzero(self.active & (self.joint_variable >= first) & (self.joint_variable < last))
            near_here = np.flatnonzero((near_part == part) & free)
            after = np.empty(near)
            opened(near_here, self.near_frame, self.gap, self.row, step, int(first), int(last), after)
            near_here = near_here[np.minimum(after[near_here], self.gap[near_here]) < HELD_M]
            if len(joints) or len(near_here):
                self._keep_limits(part, joints, near_here, damping, step)
        return step

    def _keep_limits(self, part: int, joints: IndexArray, near: IndexArray, damping: float, step: FloatArray) -> None:
        """Solve one part again, with the limits of some of its joints and some near pairs: a linear system and a clip in turn."""
        settings, skip = self.settings, self.skip
        first, last = int(self.part_start[part]), int(self.part_start[part + 1])
        n, at = last - first, int(np.sum(np.diff(self.part_start[: part + 1]) ** 2))
        positions = self.motion.positions[self.start : self.stop]
        frame, gap, row = self.near_frame, self.gap, self.row
        rho, kept, dual, strongest, after = (np.zeros(len(gap)) for _ in range(5))
        give = np.sum(row[near, :n] ** 2 / self.stiffness[first:last], axis=1)
        rho[near] = NEAR_STIFFNESS / np.maximum(give, 1e-9)
        strongest[near] = self.problem.capsules.weight[self.near_pair[near]] ** 2 * YIELDING_M
        dual[near] = np.maximum(self.near_dual[frame[near], self.near_pair[near]], -strongest[near] / rho[near])
        kept[near] = np.maximum(gap[near], 0.0)
        add_near_stiffness(near, frame, row, rho, at, n, self.blocks)
        add_stiffness(joints, self.rho, self.coefficients, self.joint_variable, skip, self.bands)
        factor = self._factor(part, damping)
        moved, right = positions.copy(), np.empty_like(self.gradient)
        own = self.joint_variable[joints]
        for _ in range(self.rounds):
            np.negative(self.gradient, out=right)
            pull(joints, positions, self.kept, self.dual, self.rho, self.coefficients, self.joint_variable, skip, right)
            pull_apart(near, frame, gap, row, kept, dual, rho, first, n, right)
            self._solve(part, factor, right, step)
            moved[:, joints] = positions[:, joints] + step[:, own]
            out, changed = clip_to_limits(joints, moved, self.bounds, self.coefficients, skip, settings.relaxation, self.kept, self.dual)
            opened(near, frame, gap, row, step, first, last, after)
            too_near, parted = clip_gaps(near, after, settings.relaxation, strongest, rho, kept, dual)
            if max(out, 0.1 * too_near) < settings.accuracy and max(changed, 0.1 * parted) < 10 * settings.accuracy:
                break
        self.near_dual[frame[near], self.near_pair[near]] = dual[near]

    def _solve(self, part: int, factor: FloatArray, right: FloatArray, step: FloatArray) -> None:
        first, last = self.part_start[part], self.part_start[part + 1]
        own = np.ascontiguousarray(right[self.skip :, first:last]).reshape(-1)
        found, _ = lapack.dpbtrs(factor, own, lower=1, overwrite_b=1)
        step[self.skip :, first:last] = found.reshape(-1, last - first)

    def _factor(self, part: int, damping: float) -> FloatArray:
        first, last = int(self.part_start[part]), int(self.part_start[part + 1])
        n, at = last - first, int(np.sum(np.diff(self.part_start[: part + 1]) ** 2))
        band = np.empty(((self.stop - self.held) * n, (BAND - 1) * n + 1))
        assemble(self.blocks, self.bands, at, first, last, self.skip, damping * self.stiffness, band)
        factor: FloatArray
        factor, failed = lapack.dpbtrf(band.T, lower=1, overwrite_ab=1)
        if failed:
            raise DataError(
                f"the frames from {self.held} to {self.stop} could not be solved together: their times are too uneven or their values far too large; "
                "cut the motion, or check its times and units."
            )
        return factor
