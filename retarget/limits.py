"""Whether a stored trajectory keeps its robot's limits: counted on what is stored, not on what the solver meant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""rad, rad/s and rad/s^2, and the same share of the limit: what rounding may add."""


class LimitViolations(NamedTuple):
    """How many values of a trajectory are beyond their limit, over all frames and joints, the base excluded."""

    range: int
    velocity: int
    acceleration: int | None
    """None where the trajectory's file does not say what the limit is."""


class BeyondLimits(NamedTuple):
    """Which values are beyond their limit."""

    range: npt.NDArray[np.bool_]
    """(T, J)."""
    velocity: npt.NDArray[np.bool_]
    """(T - 1, J)."""
    acceleration: npt.NDArray[np.bool_] | None
    """(T - 2, J), none for fewer than three frames; None where there is no limit to hold it against."""


def limit_violations(trajectory: RobotTrajectory) -> LimitViolations:
    """Count joint positions out of range, joint steps that are too fast, and changes of speed that are too sudden; see ``beyond_limits``."""
    beyond = beyond_limits(trajectory)
    acceleration = None if beyond.acceleration is None else int(beyond.acceleration.sum())
    return LimitViolations(int(beyond.range.sum()), int(beyond.velocity.sum()), acceleration)


def beyond_limits(trajectory: RobotTrajectory) -> BeyondLimits:
    """Mark each value that is beyond its limit by more than ``TOLERANCE``.

    Speed is the difference of stored positions over the true time between them, acceleration as in ``finite_accelerations``. What is not finite, or
    is over a time that does not advance, counts as beyond.
    """
    positions = trajectory.positions
    inside = (positions >= trajectory.lower - _slack(trajectory.lower)) & (positions <= trajectory.upper + _slack(trajectory.upper))
    advances = np.diff(trajectory.times_s)[:, None] > 0
    velocities, accelerations = finite_rates(trajectory.times_s, positions), finite_accelerations(trajectory.times_s, positions)
    with np.errstate(invalid="ignore"):
        slow = (np.abs(velocities) <= trajectory.velocity_limit + _slack(trajectory.velocity_limit)) & advances
        limit = trajectory.acceleration_limit
        gentle = None if limit is None else (np.abs(accelerations) <= limit + _slack(limit)) & advances[1:] & advances[:-1]
    return BeyondLimits(~inside, ~slow, None if gentle is None else ~gentle)


def finite_rates(times_s: FloatArray, values: FloatArray) -> FloatArray:
    """Return the speeds (T - 1, ...) of values (T, ...): each the difference of two neighbours over the true time between them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates: FloatArray = np.diff(values, axis=0) / _column(np.diff(times_s), values.ndim)
    return rates


def finite_accelerations(times_s: FloatArray, values: FloatArray) -> FloatArray:
    """Return the accelerations (T - 2, ...) of values (T, ...): differences of neighbouring speeds over the mean of their two intervals."""
    if len(times_s) < 3:
        return np.empty((0, *values.shape[1:]))
    dt = np.diff(times_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        accelerations: FloatArray = np.diff(finite_rates(times_s, values), axis=0) / _column(0.5 * (dt[1:] + dt[:-1]), values.ndim)
    return accelerations


def _slack(limit: FloatArray) -> FloatArray:
    slack: FloatArray = TOLERANCE + TOLERANCE * np.abs(limit)
    return slack


def _column(values: FloatArray, dimensions: int) -> FloatArray:
    return values.reshape(-1, *[1] * (dimensions - 1))
