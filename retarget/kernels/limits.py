"""Limits of range, speed and acceleration of all joints over all frames, as one convex set, for the alternating direction method of multipliers.

The quadratic program of a linearisation, ``min x'Hx / 2 + g'x`` with every joint inside its limits, is split as OSQP splits it (Stellato et al. 2020): a
linear system with a matrix that stays the same, and a clip. All three limits are written in rad: a position, a step, and a change of step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.frame import Problem

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

RANGE, STEP, CHANGE = range(3)


@compiled()
def limits_of(problem: Problem, start: int, stop: int, slack: float, bounds: FloatArray, coefficients: FloatArray) -> None:
    """Write lower and upper bounds (T', J, 3, 2) and, for each frame, how positions of t - 2, t - 1, t make a step and its change (T', 2, 3).

    Speed and acceleration leave a share ``slack`` of their limits unused.
    """
    times = problem.times
    for row in range(stop - start):
        t = start + row
        dt = times[t] - times[t - 1] if t > 0 else 1.0
        dt_before = times[t - 1] - times[t - 2] if t > 1 else dt
        h = 0.5 * (dt + dt_before)
        coefficients[row, 0, 0], coefficients[row, 0, 1], coefficients[row, 0, 2] = 0.0, -1.0, 1.0
        coefficients[row, 1, 0], coefficients[row, 1, 1], coefficients[row, 1, 2] = h / dt_before, -h / dt_before - h / dt, h / dt
        for j in range(len(problem.lower)):
            bounds[row, j, RANGE, 0], bounds[row, j, RANGE, 1] = problem.lower[j], problem.upper[j]
            step = min(problem.speed[j], problem.wanted_speed[t, j]) * (1.0 - slack) * dt
            bounds[row, j, STEP, 0], bounds[row, j, STEP, 1] = -step, step
            change = problem.acceleration[j] * (1.0 - slack) * h * h
            bounds[row, j, CHANGE, 0], bounds[row, j, CHANGE, 1] = -change, change


@compiled()
def limited(positions: FloatArray, row: int, j: int, kind: int, coefficients: FloatArray) -> float:
    """Return the value of one limit's quantity; positions are (T', J)."""
    if kind == RANGE:
        return float(positions[row, j])
    c = coefficients[row, kind - 1]
    value = c[1] * positions[row - 1, j] + c[2] * positions[row, j]
    if kind == CHANGE:
        value += c[0] * positions[row - 2, j]
    return float(value)


@compiled()
def broken(positions: FloatArray, bounds: FloatArray, coefficients: FloatArray, first: int, out: FloatArray) -> None:
    """Write how far (J, 3) rad each joint goes beyond each of its limits, 0 where it keeps them; positions are (T', J)."""
    out[:] = 0.0
    for row in range(first, len(positions)):
        for j in range(positions.shape[1]):
            for kind in range(min(row, CHANGE) + 1):
                value = limited(positions, row, j, kind, coefficients)
                out[j, kind] = max(out[j, kind], bounds[row, j, kind, 0] - value, value - bounds[row, j, kind, 1])


@compiled()
def add_stiffness(
    joints: IndexArray, rho: FloatArray, coefficients: FloatArray, variable: IndexArray, first: int, bands: FloatArray
) -> None:
    """Add the penalty's bands, ``A' rho A``, of some ``joints``, for limits of rows from ``first`` on; ``rho`` (J, 3)."""
    for row in range(first, len(coefficients)):
        for j in joints:
            v = variable[j]
            bands[row, v, 0] += rho[j, RANGE]
            for kind in range(STEP, min(row, CHANGE) + 1):
                c = coefficients[row, kind - 1]
                for a in range(2 - kind, 3):
                    for b in range(2 - kind, a + 1):
                        bands[row - 2 + a, v, a - b] += rho[j, kind] * c[a] * c[b]


@compiled()
def pull(
    joints: IndexArray, positions: FloatArray, kept: FloatArray, dual: FloatArray, rho: FloatArray, coefficients: FloatArray, variable: IndexArray,
    first: int, right: FloatArray,
) -> None:  # fmt: skip
    """Add ``A' rho (kept - dual - A positions)`` to the right-hand side (T', V); ``kept`` and ``dual`` are (T', J, 3)."""
    for row in range(first, len(positions)):
        for j in joints:
            v = variable[j]
            right[row, v] += rho[j, RANGE] * (kept[row, j, RANGE] - dual[row, j, RANGE] - positions[row, j])
            for kind in range(STEP, min(row, CHANGE) + 1):
                c = coefficients[row, kind - 1]
                force = rho[j, kind] * (kept[row, j, kind] - dual[row, j, kind] - limited(positions, row, j, kind, coefficients))
                for a in range(2 - kind, 3):
                    right[row - 2 + a, v] += c[a] * force


@compiled()
def clip_to_limits(
    joints: IndexArray, positions: FloatArray, bounds: FloatArray, coefficients: FloatArray, first: int, relaxation: float, kept: FloatArray,
    dual: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Move ``kept`` and ``dual`` of some ``joints`` on for new ``positions`` (T', J).

    Return how far (rad) these are out of their limits, and how far ``kept`` moved.
    """
    out, moved = 0.0, 0.0
    for row in range(first, len(positions)):
        for j in joints:
            for kind in range(min(row, CHANGE) + 1):
                value = limited(positions, row, j, kind, coefficients)
                low, high = bounds[row, j, kind, 0], bounds[row, j, kind, 1]
                out = max(out, low - value, value - high)
                mixed = relaxation * value + (1.0 - relaxation) * kept[row, j, kind] + dual[row, j, kind]
                now = min(max(mixed, low), high)
                moved = max(moved, abs(now - kept[row, j, kind]))
                kept[row, j, kind] = now
                dual[row, j, kind] = mixed - now
    return out, moved


@compiled()
def start_limits(
    joints: IndexArray, positions: FloatArray, bounds: FloatArray, coefficients: FloatArray, kept: FloatArray, dual: FloatArray
) -> None:
    """Write what ``kept`` and ``dual`` of some ``joints`` are at first, for given ``positions`` (T', J)."""
    for row in range(len(positions)):
        for j in joints:
            for kind in range(CHANGE + 1):
                dual[row, j, kind] = 0.0
                if row >= kind:
                    value = limited(positions, row, j, kind, coefficients)
                    kept[row, j, kind] = min(max(value, bounds[row, j, kind, 0]), bounds[row, j, kind, 1])
