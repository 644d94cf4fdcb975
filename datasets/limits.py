"""Counting where stored robot motion leaves its limits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""rad and rad/s: rounding of a solver that stops on its limit, far below anything a motor could follow."""


def outside_range(positions: FloatArray, lower: FloatArray, upper: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (T, J) True where a position (T, J) in rad is outside ``lower``, ``upper`` (J,). NaN is not outside."""
    return np.asarray((positions < lower - TOLERANCE) | (positions > upper + TOLERANCE))


def finite_speeds(positions: FloatArray, times_s: FloatArray) -> FloatArray:
    """Return (T-1, J) rad/s: finite differences of positions (T, J) in rad over true times (T,) in s."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.diff(positions, axis=0) / np.diff(times_s)[:, None])


def too_fast(positions: FloatArray, times_s: FloatArray, velocity_limit: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (T-1, J) True where the finite difference over true time exceeds ``velocity_limit`` (J,) in rad/s. NaN is not too fast."""
    return np.asarray(np.abs(finite_speeds(positions, times_s)) > velocity_limit + TOLERANCE)
