"""How fast a body turned and went at each moment, as the moments before and after it say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.localization.moment_poses import Knots

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LONGEST_STEP_S = 0.25
"""Moments further apart say nothing about how fast the body moved in between."""
_RATE_DOUBT = 0.2
"""Share of the change of rate from one moment to the next by which a central difference may be wrong."""
_LEAST_ACCELERATION = (0.2, 0.05)
"""rad/s^2, m/s^2: bodies that seem stiller than that are not reckoned with."""


def rates_of(
    times_s: FloatArray, moments: int, rows: IntArray, best: Knots, covariance: FloatArray, good: BoolArray, prior: MotionPrior
) -> tuple[Knots, BoolArray, FloatArray]:
    """Return knots (M,) whose rates are what neighbouring moments say, which moments have such neighbours, and how lively the motion was (2,)."""
    T, variance = np.broadcast_to(np.eye(4), (moments, 4, 4)).copy(), np.zeros((moments, 6))
    T[rows], variance[rows] = best.T, np.einsum("mii->mi", covariance)[:, :6]
    gap = np.diff(times_s)
    linked = good[:-1] & good[1:] & (gap > 0) & (gap <= _LONGEST_STEP_S)
    gap = np.where(linked, gap, 1.0)
    step = np.concatenate([rotation.log(np.swapaxes(T[:-1, :3, :3], 1, 2) @ T[1:, :3, :3]), np.diff(T[:, :3, 3], axis=0)], axis=1)
    speed = np.where(linked[:, None], step / gap[:, None], 0.0)
    none = np.zeros((1, 6))
    before, after = np.concatenate([none, speed]), np.concatenate([speed, none])
    h1, h2 = np.append(1.0, gap)[:, None], np.append(gap, 1.0)[:, None]
    has_before, has_after = np.append(False, linked)[:, None], np.append(linked, False)[:, None]
    both = has_before & has_after
    noise = np.concatenate([none, variance[:-1]]), np.concatenate([variance[1:], none])
    rate = np.where(both, (before * h2 + after * h1) / (h1 + h2), np.where(has_before, before, after))
    acceleration = np.where(both, 2 * (after - before) / (h1 + h2), 0.0)
    bend, own_noise = _acceleration(acceleration, both, variance, h1, h2, noise)
    size, lively = np.full(2, np.nan), np.repeat(prior.acceleration, 3)
    if both.any():
        excess = (np.square(bend) - own_noise)[both[:, 0]].mean(axis=0)
        size = np.sqrt(np.maximum([excess[:3].mean(), excess[3:].mean()], np.square(_LEAST_ACCELERATION)))
        lively = np.repeat(size, 3)
    acceleration = bend * np.square(lively) / (np.square(lively) + own_noise)
    of_both = np.sqrt((noise[0] + noise[1]) / np.square(h1 + h2) + np.square(_RATE_DOUBT * (after - before)))
    h = np.where(has_before, h1, h2)
    of_one = np.sqrt((np.where(has_before, noise[0], noise[1]) + variance) / np.square(h) + np.square(0.5 * h * lively))
    unknown = np.broadcast_to(np.repeat(prior.velocity, 3), rate.shape)
    sigma = np.where(both, of_both, np.where(has_before | has_after, of_one, unknown))
    return Knots(T, rate, acceleration, rate, np.maximum(sigma, 1e-6)), (has_before | has_after)[:, 0], size


def _acceleration(
    second: FloatArray, both: BoolArray, variance: FloatArray, h1: FloatArray, h2: FloatArray, noise: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return accelerations (M, 6) and the variance of their noise, from second differences.

    Where five moments follow each other, those of three are so mixed that the pose in the middle does not count: else its error would come back
    into itself by the frames that were taken before and after.
    """
    own = (noise[0] + 4 * variance + noise[1]) / np.square(h1 * h2)
    inner = both.copy()
    inner[1:-1] &= both[:-2] & both[2:]
    inner[[0, -1]] = False
    mixed, less = second.copy(), own.copy()
    mixed[1:-1] = (second[:-2] + second[1:-1] + second[2:]) / 3
    less[1:-1] = (noise[0][:-2] + noise[0][1:-1] + noise[1][1:-1] + noise[1][2:]) / 9 / np.square(h1 * h2)[1:-1]
    return np.where(inner, mixed, second), np.where(inner, less, own)
