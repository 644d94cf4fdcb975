"""The whole trajectory at once: tasks of every frame, smoothness in true time, limits and contact in one sparse least-squares problem.

Gauss-Newton; normal equations are banded in time, a part of the robot each (LAPACK's banded Cholesky). Limits of range, speed and acceleration are an
augmented Lagrangian while it iterates; at the end `keep_limits` makes them hold to the last bit. Long motions go in windows that overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from bodydouble.progress import Progress, silent
from bodydouble.retarget.kernels.frame import Motion, Problem
from bodydouble.retarget.kernels.reach import keep_limits
from bodydouble.retarget.kernels.whole import BAND, Calm, assemble, largest, linearise_all, moved_by, tie_frames

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

WINDOW = 900
OVERLAP = 90
"""Frames. What a frame does is felt a few tenths of a second around it."""
SAMPLED = 200
"""Frames that the typical stiffness is taken from."""


@dataclass(frozen=True)
class WholeSettings:
    """How the whole trajectory is refined."""

    iterations: int = 10
    """At most, a window."""
    tolerance: float = 2e-4
    """rad or m: done when no variable moves more."""
    smoothing_hz: float = 9.0
    """Motions much slower are followed, much faster ones are smoothed away."""
    limit_stiffness: float = 30.0
    """Penalty on broken limits against the tasks' stiffness, at first."""
    slack: float = 2e-3
    """Share of the limits of speed and acceleration left unused."""
    damping: float = 1e-6


def typical_stiffness(problem: Problem, motion: Motion, part_start: IndexArray) -> FloatArray:
    """Return the median diagonal (V,) of the tasks' normal equations: what 1 rad (1 m) off costs."""
    frames, variables = len(problem.times), int(part_start[-1])
    diagonal = np.empty((0, variables))
    size = int(np.sum(np.diff(part_start) ** 2))
    blocks, gradient = np.empty((1, size)), np.empty((1, variables))
    for t in np.unique(np.linspace(0, frames - 1, min(frames, SAMPLED)).astype(int)):
        linearise_all(problem, motion, t, t + 1, part_start, True, blocks, gradient)
        parts, at = [], 0
        for n in np.diff(part_start):
            parts.append(blocks[0, at : at + n * n].reshape(n, n).diagonal())
            at += n * n
        diagonal = np.vstack([diagonal, np.concatenate(parts)])
    median: FloatArray = np.median(diagonal, axis=0)
    return np.maximum(median, 1e-3)


def refine(
    problem: Problem, motion: Motion, part_start: IndexArray, settings: WholeSettings = WholeSettings(), *, progress: Progress = silent
) -> int:
    """Refine ``motion`` in place and return how many iterations were made, a frame on average."""
    frames = len(problem.times)
    variables, joints = int(part_start[-1]), motion.positions.shape[1]
    stiffness = typical_stiffness(problem, motion, part_start)
    calm = Calm(
        jerk_weight=np.sqrt(stiffness) / (2 * math.pi * settings.smoothing_hz) ** 3,
        stiffness=settings.limit_stiffness * np.ones(joints) * stiffness[problem.tree.actuated_variable],
        range_force=np.zeros((frames, joints)), speed_force=np.zeros((frames, joints)), acceleration_force=np.zeros((frames, joints)),
        slack=settings.slack,
    )  # fmt: skip
    used = 0
    if frames >= 3:
        for start, held, stop in windows(frames):
            used += _refine_window(problem, motion, part_start, calm, settings, start, held, stop) * (stop - held)
            progress(stop, frames)
    wanted = motion.positions.copy()
    keep_limits(
        problem.times, wanted, problem.lower, problem.upper, problem.wanted_speed, problem.speed, problem.acceleration, motion.positions
    )
    size = int(np.sum(np.diff(part_start) ** 2))
    linearise_all(problem, motion, 0, frames, part_start, False, np.empty((1, size)), np.empty((frames, variables)))
    return round(used / max(frames, 1))


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


def _refine_window(
    problem: Problem, motion: Motion, part_start: IndexArray, calm: Calm, settings: WholeSettings, start: int, held: int, stop: int
) -> int:
    frames, skip, variables = stop - start, held - start, int(part_start[-1])
    sizes = np.diff(part_start)
    blocks = np.empty((frames, int(np.sum(sizes**2))))
    bands, gradient, step = np.empty((frames, variables, BAND)), np.zeros((frames, variables)), np.zeros((frames, variables))
    trial = Motion(*(part.copy() for part in motion))
    damping, used = settings.damping, 0

    def cost_of(candidate: Motion, derivatives: bool) -> float:
        cost = linearise_all(problem, candidate, start, stop, part_start, derivatives, blocks, gradient)
        return cost + tie_frames(problem, calm, candidate, start, stop, held, derivatives, False, bands, gradient)

    while used < settings.iterations:
        used += 1
        if used > 1:
            tie_frames(problem, calm, motion, start, stop, held, False, True, bands, gradient)
        cost = cost_of(motion, True)
        at = 0
        for first, last in zip(part_start[:-1], part_start[1:], strict=True):
            n = int(last - first)
            band = np.empty(((frames - skip) * n, (BAND - 1) * n + 1))
            assemble(blocks, bands, at, int(first), int(last), skip, damping, band)
            right = -gradient[skip:, first:last].reshape(-1, 1)
            factor, failed = lapack.dpbtrf(band.T, lower=1, overwrite_ab=1)
            if failed:
                raise np.linalg.LinAlgError("the banded system is not positive definite")
            found, _ = lapack.dpbtrs(factor, right, lower=1, overwrite_b=0)
            step[skip:, first:last] = found.reshape(-1, n)
            at += n * n
        np.clip(step, -0.4, 0.4, out=step)
        scale, lower_cost = 1.0, math.inf
        for _ in range(6):
            moved_by(problem, motion, step, scale, start, skip, trial)
            lower_cost = cost_of(trial, False)
            if lower_cost < cost:
                break
            scale *= 0.4
        if not lower_cost < cost:
            damping = max(10.0 * damping, 1e-4)
            if damping > 1.0:
                break
            continue
        for own, new in zip(motion, trial, strict=True):
            own[held:stop] = new[held:stop]
        damping = max(0.1 * damping, settings.damping)
        calm.stiffness[:] *= 1.5
        if largest(step) * scale < settings.tolerance:
            break
    return used
