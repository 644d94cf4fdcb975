"""The whole trajectory at once: every frame's rays, and smoothness of acceleration in true time.

The normal equations couple a frame to its two neighbours on either side, so they are a banded matrix, solved by banded Cholesky in time linear
in the number of frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import PosePrior, linearise
from bodydouble.hand_pose.skeleton import FINGERS
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

PELVIS_ACCELERATION = 6.0
"""m/s^2, one sigma, of the pelvis' path; rad/s^2 below. A jump reaches 10 to 20 m/s^2 for a moment."""
ACCELERATION = 40.0
"""rad/s^2 of body joints: everyday reaching peaks near 50 (elbow), fast throws are far above."""
FINGER_ACCELERATION = 60.0
WINDOW, OVERLAP = 240, 40
"""Frames solved together and shared by neighbouring windows: memory stays the same for a recording of any length."""


def smooth_trajectory(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, *,
    iterations: int = 4, report: Progress = silent,
) -> FloatArray:  # fmt: skip
    """Return configurations (T, nq) refined over time, from per-frame ``poses`` (T, nq) at ``times_s`` (T,)."""
    refined = poses.copy()
    frames = len(poses)
    starts = list(range(0, max(frames - OVERLAP, 1), WINDOW - OVERLAP))
    prior = PosePrior.of(human)
    for number, start in enumerate(starts):
        stop = min(start + WINDOW, frames)
        for round_ in range(iterations):
            _refine(human, refined, observations, times_s, prior, start, stop)
            report(number * iterations + round_ + 1, len(starts) * iterations)
    return refined


def acceleration_information(human: Human) -> FloatArray:
    """Return (nv,) one over sigma squared of each degree of freedom's acceleration."""
    sigma = np.full(human.nv, ACCELERATION)
    sigma[:3] = PELVIS_ACCELERATION
    for name in human.model.names[1:]:
        if any(part in str(name) for part in (*FINGERS, "thumb")):
            sigma[human.columns(str(name))] = FINGER_ACCELERATION
    information: FloatArray = sigma**-2.0
    return information


def _refine(
    human: Human, poses: FloatArray, observations: Observations, times_s: FloatArray, prior: PosePrior, start: int, stop: int
) -> None:
    """Take one damped Gauss-Newton step on frames ``start`` to ``stop`` in place; earlier frames stay as they are."""
    nv, count = human.nv, stop - start
    information = acceleration_information(human)
    blocks = np.zeros((3, count, nv, nv))  # [offset 0, 1, 2 frames back]
    gradient = np.zeros((count, nv))
    for row in range(count):
        normal = linearise(human, poses[start + row], observations, start + row, prior)
        blocks[0, row] = normal.hessian
        gradient[row] = normal.gradient
    first = max(start - 2, 0)
    steps = np.array([human.difference(poses[k], poses[k + 1]) for k in range(first, stop - 1)])
    diagonal = np.arange(nv)
    for middle in range(max(start - 1, 1), stop - 1):
        before, after = times_s[middle] - times_s[middle - 1], times_s[middle + 1] - times_s[middle]
        span = (before + after) / 2
        if not (0 < before < 0.5 and 0 < after < 0.5):
            continue
        coefficients = np.array([1 / before, -1 / before - 1 / after, 1 / after]) / span
        acceleration = (steps[middle - first] / after - steps[middle - 1 - first] / before) / span
        # An integral over time, in units of one observation at 30 frames a second, so that the frame rate does not change the result.
        weight = information * span * 30.0
        for a in range(3):
            row = middle - 1 + a - start
            if row < 0:
                continue
            gradient[row] += coefficients[a] * weight * acceleration
            for b in range(a + 1):
                if middle - 1 + b - start >= 0:
                    blocks[a - b, row, diagonal, diagonal] += coefficients[a] * coefficients[b] * weight
    step = -solve_block_banded(blocks, gradient)
    step *= min(1.0, 0.5 / max(float(np.max(np.abs(step))), 1e-9))
    for row in range(count):
        poses[start + row] = human.integrate(poses[start + row], step[row])


def solve_block_banded(blocks: FloatArray, right: FloatArray) -> FloatArray:
    """Solve a symmetric positive definite block-banded system.

    ``blocks`` (K, N, n, n): ``blocks[k, i]`` is the block at block row i, block column i - k. ``right`` (N, n). Returns (N, n).
    """
    bands, count, size, _ = blocks.shape
    bands = min(bands, count)
    width = bands * size
    lower = np.zeros((width, count * size))
    row, column = np.indices((size, size))
    for offset in range(bands):
        for i in range(offset, count):
            distance = offset * size + row - column
            keep = distance >= 0
            lower[distance[keep], ((i - offset) * size + column)[keep]] = blocks[offset, i][keep]
    lower[0] += 1e-9
    solution: FloatArray = solveh_banded(lower, right.ravel(), lower=True, overwrite_ab=True, check_finite=False)
    return solution.reshape(count, size)
