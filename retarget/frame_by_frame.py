"""The first stage: frame after frame, each from the one before, within bounded time. Alone it is what a live preview shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.retarget.kernels.frame import Motion, Problem, solve_anew, solve_frames

FloatArray = npt.NDArray[np.float64]

GENTLE_WEIGHT = 1.0
"""1/m or 1/rad."""
GENTLE_COLLISIONS = 0.02
BETTER_START = 0.99
"""Share of the cost that the second starting posture must come down to, so that equal answers are the same answer."""


@dataclass(frozen=True)
class FrameSettings:
    """How long to look for a frame's answer."""

    steps: int = 8
    """At most, a frame."""
    first_steps: int = 200
    """At most, for the first frame, which starts from the rest posture."""
    gain: float = 1e-4
    """A frame is also done when a step lowers the cost by less than this share."""
    tolerance: float = 2e-5
    """rad or m: a frame is done when no variable moves more than this in a step."""
    damping: float = 1e-6
    """1/rad^2, against long steps within a frame."""
    calm: float = 8e-4
    """s: cost of changing a joint's speed by 1 rad/s, before squaring."""


def empty_motion(problem: Problem) -> Motion:
    """Return room for T frames."""
    frames, tasks, joints = len(problem.times), problem.weights.shape[1], len(problem.lower)
    return Motion(
        np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), np.zeros((frames, joints)), np.zeros((frames, joints)),
        np.full((frames, tasks, 3), np.nan), np.zeros(frames, dtype=np.int64),
        np.zeros(frames),
    )  # fmt: skip


def gentle(problem: Problem) -> Problem:
    """Return the problem with tasks that are all of about a weight, and without collisions to speak of: what posture the person is in."""
    return problem._replace(
        weights=np.minimum(problem.weights, GENTLE_WEIGHT),
        capsules=problem.capsules._replace(weight=GENTLE_COLLISIONS * problem.capsules.weight),
    )


def solve_first(problem: Problem, motion: Motion, base: FloatArray, settings: FrameSettings = FrameSettings()) -> None:
    """Solve frame 0 at ``base`` (4, 4) T_world_base, without limits of speed: the best of what two starting postures lead to.

    Raises: DataError if no step can be found.
    """
    best, cost = None, np.inf
    for half_bent in (False, True):
        motion.base_rotation[0], motion.base_translation[0] = base[:3, :3], base[:3, 3]
        done = solve_anew(problem, gentle(problem), motion, 0, half_bent, settings.first_steps, settings.tolerance, 0.0, settings.damping)
        if done and motion.cost[0] < BETTER_START * cost:
            best, cost = [part[0].copy() for part in motion], float(motion.cost[0])
    if best is None:
        raise _no_step(0)
    for part, row in zip(motion, best, strict=True):
        part[0] = row
    motion.wished[0] = motion.positions[0]


def solve_next(problem: Problem, motion: Motion, start: int, stop: int, settings: FrameSettings = FrameSettings()) -> None:
    """Solve frames [start, stop); the one before must have been solved. Raises: DataError if no step can be found."""
    reached = solve_frames(
        problem, gentle(problem), motion, start, stop, settings.steps, settings.tolerance, settings.gain, settings.damping, settings.calm
    )
    if reached != stop:
        raise _no_step(reached)


def _no_step(frame: int) -> DataError:
    return DataError(f"frame {frame}: the solver found no step; the motion holds values that are not finite or far too large.")
