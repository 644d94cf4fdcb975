"""The whole trajectory at once: every frame's rays, and smoothness of acceleration in true time.

The normal equations couple a frame to its two neighbours on either side, so they are a banded matrix, solved by banded Cholesky in time linear
in the number of frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.batched_kinematics import difference, integrate
from bodydouble.hand_pose.block_banded import Factor, solve_block_banded
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import BLOCK, PosePrior, linearise
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
    diagonal = np.arange(human.nv)
    for number, start in enumerate(starts):
        stop = min(start + WINDOW, frames)
        damping = 1e-3
        blocks, gradient, cost = _equations(human, refined, observations, times_s, prior, information, start, stop)
        for _ in range(iterations):
            blocks[0][:, diagonal, diagonal] *= 1.0 + damping
            step = -solve_block_banded(blocks, gradient)
            longest = np.abs(step).max(axis=1, keepdims=True)
            moved = np.concatenate(
                [
                    refined[:start],
                    integrate(refined[start:stop], step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, 1e-9))),
                    refined[stop:],
                ]
            )
            trial = _equations(human, moved, observations, times_s, prior, information, start, stop)
            if trial[2] < cost:
                settled = cost - trial[2] < SETTLED * cost
                refined, damping = moved, damping / 10
                blocks, gradient, cost = trial
                if settled:
                    break
            else:
                blocks[0][:, diagonal, diagonal] /= 1.0 + damping
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
    for start in range(0, frames, WINDOW - 2 * margin):
        stop = min(start + WINDOW - 2 * margin, frames)
        first, last = max(start - margin, 0), min(stop + margin, frames)
        blocks, _, _ = _equations(
            human, poses[first:last], observations, times_s[first:last], prior, information, 0, last - first, first, correlated
        )
        yield slice(start, stop), Factor.of(blocks).inverse_diagonal()[start - first : stop - first]


def acceleration_information(human: Human) -> FloatArray:
    """Return (nv,) one over sigma squared of each degree of freedom's acceleration."""
    sigma = np.full(human.nv, ACCELERATION)
    sigma[:3] = PELVIS_ACCELERATION
    for name in human.model.names[1:]:
        if any(part in str(name) for part in (*FINGERS, "thumb")):
            sigma[human.columns(str(name))] = FINGER_ACCELERATION
    information: FloatArray = sigma**-2.0
    return information


def _equations(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, prior: PosePrior, information: FloatArray,
    start: int, stop: int, first_frame: int = 0, correlated: float = 1.0,
) -> tuple[FloatArray, FloatArray, float]:  # fmt: skip
    """Return the normal equations (3, F, nv, nv) and (F, nv), and the cost, of frames ``start`` to ``stop``; earlier frames stay as they are.

    ``poses`` and ``times_s`` begin at ``first_frame`` of the observations.
    """
    nv, count = human.nv, stop - start
    blocks, gradient, cost = np.zeros((3, count, nv, nv)), np.empty((count, nv)), 0.0
    for first in range(0, count, BLOCK):
        part = slice(first, min(first + BLOCK, count))
        seen = observations.select(np.arange(part.start, part.stop) + start + first_frame)
        normal = linearise(human, poses[start + part.start : start + part.stop], seen, prior)
        blocks[0, part], gradient[part] = normal.hessian, normal.gradient
        cost += float(normal.cost.sum())
    if correlated != 1.0:
        blocks[0] /= correlated
    first = max(start - 2, 0)
    middle = np.arange(first + 1, stop - 1)
    if not len(middle):
        return blocks, gradient, cost
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
    diagonal = np.arange(nv)
    for a in range(3):
        row = middle - 1 + a - start
        inside = row >= 0
        gradient[row[inside]] += (coefficients[a, :, None] * weight * acceleration)[inside]
        for b in range(a + 1):
            inside = row - a + b >= 0
            added = (coefficients[a] * coefficients[b])[inside, None] * weight[inside]
            blocks[a - b, row[inside, None], diagonal, diagonal] += added
    return blocks, gradient, cost + float(np.sum(weight * acceleration**2))
