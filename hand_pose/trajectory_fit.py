"""The whole trajectory at once: every frame's rays, and smoothness of acceleration in true time.

The normal equations couple a frame to its two neighbours on either side, so they are a banded matrix, solved by banded Cholesky in time linear
in the number of frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.batched_kinematics import difference, integrate
from bodydouble.hand_pose.block_banded import Factor
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import BLOCK, PosePrior, cost_of, linearise
from bodydouble.hand_pose.skeleton import FINGERS
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

PELVIS_ACCELERATION = 6.0
"""m/s^2, one sigma, of the pelvis' path; rad/s^2 below. A jump reaches 10 to 20 m/s^2 for a moment."""
ACCELERATION = 20.0
"""rad/s^2 of body joints: everyday reaching peaks near 50 (elbow) for a moment, and errors of a detector on neighbouring frames are alike."""
FINGER_ACCELERATION = 30.0
LONGEST_STEP = 0.5
"""rad or m."""
LONGEST_GAP_S = 0.5
"""Frames further apart than this are not tied to each other."""
WINDOW, OVERLAP = 240, 40
"""Frames solved together and shared by neighbouring windows: memory stays the same for a recording of any length."""
SETTLED = 5e-3
"""A window is done with when a step lowers its cost by less than this share."""
PROMISED = 1e-3
"""A step that the normal equations say will lower the cost by less than this share is the last."""


def smooth_trajectory(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, *,
    iterations: int = 6, report: Progress = silent,
) -> FloatArray:  # fmt: skip
    """Return configurations (T, nq) refined over time, from per-frame ``poses`` (T, nq) at ``times_s`` (T,).

    Damped Gauss-Newton with at most ``iterations`` steps a window.
    """
    refined = poses.copy()
    frames = len(poses)
    starts = list(range(0, max(frames - OVERLAP, 1), WINDOW - OVERLAP))
    prior, information = PosePrior.of(human), acceleration_information(human)
    space = np.empty((3, min(WINDOW, frames), human.nv, human.nv))
    for number, start in enumerate(starts):
        stop = min(start + WINDOW, frames)
        damping = 1e-3
        here = _equations(human, refined, observations, times_s, prior, information, start, stop)
        for _ in range(iterations):
            step = -Factor.of(here.blocks(space[:, : stop - start], damping)).solve(here.gradient)
            longest = np.abs(step).max(axis=1, keepdims=True)
            moved = np.concatenate(
                [
                    refined[:start],
                    integrate(refined[start:stop], step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, 1e-9))),
                    refined[stop:],
                ]
            )
            if -float(np.sum(here.gradient * step)) < PROMISED * here.cost:  # the last step: no derivatives after it
                if _cost(human, moved, observations, times_s, prior, information, start, stop) < here.cost:
                    refined = moved
                break
            trial = _equations(human, moved, observations, times_s, prior, information, start, stop)
            if trial.cost < here.cost:
                settled = here.cost - trial.cost < SETTLED * here.cost
                refined, damping, here = moved, damping / 10, trial
                if settled:
                    break
            else:
                damping *= 30
                if damping > 1e3:
                    break
        report(number + 1, len(starts))
    return refined


def temporal_covariance(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, *, correlated: float, margin: int = 20
) -> Iterator[tuple[slice, FloatArray]]:
    """Give the covariance (F, nv, nv) of each configuration in a run of frames, given all observations of that run and ``margin`` frames around.

    Neighbouring frames' errors are alike: ``correlated`` of them count as one.
    """
    frames = len(poses)
    prior, information = PosePrior.of(human), acceleration_information(human)
    space = np.empty((3, min(WINDOW, frames), human.nv, human.nv))
    for start in range(0, frames, WINDOW - 2 * margin):
        stop = min(start + WINDOW - 2 * margin, frames)
        first, last = max(start - margin, 0), min(stop + margin, frames)
        here = _equations(human, poses[first:last], observations, times_s[first:last], prior, information, 0, last - first, first)
        here.own[...] /= correlated
        yield slice(start, stop), Factor.of(here.blocks(space[:, : last - first])).inverse_diagonal()[start - first : stop - first]


def acceleration_information(human: Human) -> FloatArray:
    """Return (nv,) one over sigma squared of each degree of freedom's acceleration."""
    sigma = np.full(human.nv, ACCELERATION)
    sigma[:3] = PELVIS_ACCELERATION
    for name in human.model.names[1:]:
        if any(part in str(name) for part in (*FINGERS, "thumb")):
            sigma[human.columns(str(name))] = FINGER_ACCELERATION
    information: FloatArray = sigma**-2.0
    return information


@dataclass(frozen=True)
class _Equations:
    """The normal equations of F frames: step = -solution."""

    own: FloatArray
    """(F, nv, nv) of each frame by itself, on the diagonal and above it."""
    smooth: FloatArray
    """(3, F, nv) the diagonals of what acceleration adds to blocks (i, i - k): it ties no two degrees of freedom."""
    gradient: FloatArray
    """(F, nv)."""
    cost: float

    def blocks(self, space: FloatArray, damping: float = 0.0) -> FloatArray:
        """Return the block-banded matrix (3, F, nv, nv), written into ``space``, with its diagonal raised by a share."""
        diagonal = np.arange(self.gradient.shape[1])
        space[0], space[1:] = self.own, 0.0
        space[0][:, diagonal, diagonal] += self.smooth[0]
        space[0][:, diagonal, diagonal] *= 1.0 + damping
        space[1:, :, diagonal, diagonal] = self.smooth[1:]
        return space


def _equations(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, prior: PosePrior, information: FloatArray,
    start: int, stop: int, first_frame: int = 0,
) -> _Equations:  # fmt: skip
    """Return the normal equations of frames ``start`` to ``stop``; earlier frames stay as they are.

    ``poses`` and ``times_s`` begin at ``first_frame`` of the observations.
    """
    nv, count = human.nv, stop - start
    own, cost = np.empty((count, nv, nv)), 0.0
    smooth, gradient, smooth_cost = _smoothness(poses, times_s, information, start, stop)
    for part in _parts(count):
        seen = observations.select(np.arange(part.start, part.stop) + start + first_frame)
        normal = linearise(human, poses[start + part.start : start + part.stop], seen, prior)
        own[part] = normal.hessian
        gradient[part] += normal.gradient
        cost += float(normal.cost.sum())
    return _Equations(own, smooth, gradient, cost + smooth_cost)


def _cost(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, prior: PosePrior, information: FloatArray,
    start: int, stop: int,
) -> float:  # fmt: skip
    """Return the cost alone that ``_equations`` would find."""
    cost = _smoothness(poses, times_s, information, start, stop)[2]
    for part in _parts(stop - start):
        frames = np.arange(part.start, part.stop) + start
        cost += float(cost_of(human, poses[frames], observations.select(frames), prior).sum())
    return cost


def _parts(count: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]


def _smoothness(
    poses: FloatArray, times_s: FloatArray, information: FloatArray, start: int, stop: int
) -> tuple[FloatArray, FloatArray, float]:
    """Return the diagonals (3, F, nv) and the gradient (F, nv) of acceleration's part in the normal equations, and its cost."""
    nv, count = len(information), stop - start
    bands, gradient = np.zeros((3, count, nv)), np.zeros((count, nv))
    first = max(start - 2, 0)
    middle = np.arange(first + 1, stop - 1)
    if not len(middle):
        return bands, gradient, 0.0
    moves = difference(poses[first : stop - 1], poses[first + 1 : stop])
    intervals = np.diff(times_s[first:stop])
    before, after = intervals[:-1], intervals[1:]
    span = (before + after) / 2
    tied = (before > 0) & (before < LONGEST_GAP_S) & (after > 0) & (after < LONGEST_GAP_S)
    before, after, span = (np.where(tied, value, 1.0) for value in (before, after, span))
    coefficients = np.stack([1 / before, -1 / before - 1 / after, 1 / after]) / span
    acceleration = (moves[1:] / after[:, None] - moves[:-1] / before[:, None]) / span[:, None]
    # An integral over time, in units of one observation at 30 frames a second, so that the frame rate does not change the result.
    weight = information * (np.where(tied, span, 0.0) * 30.0)[:, None]
    for a in range(3):
        row = middle - 1 + a - start
        inside = row >= 0
        gradient[row[inside]] += (coefficients[a, :, None] * weight * acceleration)[inside]
        for b in range(a + 1):
            inside = row - a + b >= 0
            bands[a - b, row[inside]] += (coefficients[a] * coefficients[b])[inside, None] * weight[inside]
    return bands, gradient, float(np.sum(weight * acceleration**2))
