"""All frames at once: one linearisation of every frame, and the terms that tie frames together.

Variables are in *parts* that no task couples (the fingers of a hand move against its palm, whatever the body does), so each part has
a banded system of its own. What ties frames together couples each variable only with itself: how it jerks, and its limits of range, speed
and acceleration, as an augmented Lagrangian (Nocedal and Wright 2006, 17.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from bodydouble.retarget.kernels.frame import Motion, Problem, linearise
from bodydouble.retarget.kernels.rotations import rotation_vector, turned
from bodydouble.retarget.kernels.tree import place, work_space

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

BAND = 4
"""Frames that one term ties together."""


class Calm(NamedTuple):
    """What ties frames together."""

    jerk_weight: FloatArray
    """(V,) s^3: cost of a jerk of 1 rad/s^3 (m/s^3), before squaring."""
    stiffness: FloatArray
    """(J,) of the penalty on broken limits."""
    range_force: FloatArray
    """(T, J) multiplier of the range; positive at the upper end, negative at the lower."""
    speed_force: FloatArray
    """(T, J) multiplier of the speed on the way to each frame."""
    acceleration_force: FloatArray
    """(T, J) multiplier of the change of speed at the frame before."""
    slack: float
    """Share of speed and acceleration limits that is left unused."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def linearise_all(
    problem: Problem, motion: Motion, start: int, stop: int, part_start: IndexArray, derivatives: bool, blocks: FloatArray, gradient: FloatArray
) -> float:
    """Return the cost of frames [start, stop); write the parts' lower blocks (T', sum n^2) and the gradient (T', V) if ``derivatives``."""
    tree = problem.tree
    variables = part_start[-1]
    H, placed = np.zeros((variables, variables)), work_space(tree)
    cost = 0.0
    for t in range(start, stop):
        place(tree, motion.base_rotation[t], motion.base_translation[t], motion.positions[t], placed)
        g = gradient[t - start]
        cost += linearise(problem, t, placed, motion.positions[t], derivatives, motion.residuals[t], H, g)
        if derivatives:
            at = 0
            for part in range(len(part_start) - 1):
                first, last = part_start[part], part_start[part + 1]
                for a in range(first, last):
                    for b in range(first, a + 1):
                        blocks[t - start, at + (a - first) * (last - first) + b - first] = H[a, b]
                at += (last - first) ** 2
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def jerk_coefficients(times: FloatArray, t: int, out: FloatArray) -> None:
    """Write how the positions of frames t - 3 to t make the jerk between them, for true, uneven times."""
    d1, d2, d3 = times[t - 2] - times[t - 3], times[t - 1] - times[t - 2], times[t] - times[t - 1]
    e1, e2 = 2.0 / (d1 + d2) / d2, 2.0 / (d2 + d3) / d2
    out[0] = -e1 / d1
    out[1] = e1 / d1 + e1 / d2 + e2 / d2
    out[2] = -e1 / d2 - e2 / d2 - e2 / d3
    out[3] = e2 / d3


@njit(cache=True)  # type: ignore[untyped-decorator]
def hinge(value: float, force: float, stiffness: float) -> tuple[float, float, float]:
    """Return cost, slope and curvature at ``value`` of the augmented Lagrangian of ``|value| <= 1`` with multiplier ``force``."""
    over = force + stiffness * (value - 1.0)
    if force >= 0.0 and over > 0.0:
        return 0.5 * over * over / stiffness, over, stiffness
    under = force + stiffness * (value + 1.0)
    if force <= 0.0 and under < 0.0:
        return 0.5 * under * under / stiffness, under, stiffness
    return 0.0, 0.0, 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def tie_frames(
    problem: Problem, calm: Calm, motion: Motion, start: int, stop: int, held: int, derivatives: bool, update: bool, bands: FloatArray,
    gradient: FloatArray,
) -> float:  # fmt: skip
    """Return the cost of what ties frames [start, stop) together; write its bands (T', V, BAND) and add to the gradient if ``derivatives``.

    Terms that touch only frames before ``held`` are left out: those frames are done. ``bands[t, v, m]`` couples variable v of frames t and t - m.
    ``update``: move the multipliers on instead.
    """
    tree, times = problem.tree, problem.times
    joints = motion.positions.shape[1]
    if derivatives:
        bands[:] = 0.0
    cost = 0.0
    c = np.empty(BAND)
    phi, M = np.zeros((BAND, 3)), np.empty((3, 3))
    for t in range(start, stop):
        row = t - start
        if t - start >= 3 and t >= held and not update:
            jerk_coefficients(times, t, c)
            for j in range(joints):
                v = tree.actuated_variable[j]
                w = calm.jerk_weight[v]
                value = 0.0
                for k in range(BAND):
                    value += c[k] * motion.positions[t - 3 + k, j]
                cost += 0.5 * (w * value) ** 2
                if derivatives:
                    _tie(bands, gradient, row, v, c, w * w, w * w * value)
            if tree.variable[0] >= 0:
                for i in range(3):
                    v = tree.variable[i]
                    w = calm.jerk_weight[v]
                    value = 0.0
                    for k in range(BAND):
                        value += c[k] * motion.base_translation[t - 3 + k, i]
                    cost += 0.5 * (w * value) ** 2
                    if derivatives:
                        _tie(bands, gradient, row, v, c, w * w, w * w * value)
                middle = motion.base_rotation[t - 1]
                for k in range(BAND):
                    R = motion.base_rotation[t - 3 + k]
                    for a in range(3):
                        for b in range(3):
                            M[a, b] = R[a, 0] * middle[b, 0] + R[a, 1] * middle[b, 1] + R[a, 2] * middle[b, 2]
                    rotation_vector(M, phi[k])
                for i in range(3):
                    v = tree.variable[3 + i]
                    w = calm.jerk_weight[v]
                    value = c[0] * phi[0, i] + c[1] * phi[1, i] + c[2] * phi[2, i] + c[3] * phi[3, i]
                    cost += 0.5 * (w * value) ** 2
                    if derivatives:
                        _tie(bands, gradient, row, v, c, w * w, w * w * value)
        if t < held:
            continue
        dt = times[t] - times[t - 1] if t > 0 else 1.0
        dt_before = times[t - 1] - times[t - 2] if t > 1 else 1.0
        for j in range(joints):
            v, k = tree.actuated_variable[j], calm.stiffness[j]
            position = motion.positions[t, j]
            half = 0.5 * (problem.upper[j] - problem.lower[j])
            value = (position - 0.5 * (problem.upper[j] + problem.lower[j])) / half
            if update:
                calm.range_force[t, j] = _next_force(value, calm.range_force[t, j], k)
            else:
                part, slope, curvature = hinge(value, calm.range_force[t, j], k)
                cost += part
                if derivatives and curvature > 0.0:
                    gradient[row, v] += slope / half
                    bands[row, v, 0] += curvature / (half * half)
            if row < 1:
                continue
            speed = (position - motion.positions[t - 1, j]) / dt
            limit = min(problem.speed[j], problem.wanted_speed[t, j]) * (1.0 - calm.slack)
            if update:
                calm.speed_force[t, j] = _next_force(speed / limit, calm.speed_force[t, j], k)
            else:
                part, slope, curvature = hinge(speed / limit, calm.speed_force[t, j], k)
                cost += part
                if derivatives and curvature > 0.0:
                    c[0], c[1], c[2], c[3] = 0.0, 0.0, -1.0 / (dt * limit), 1.0 / (dt * limit)
                    _tie(bands, gradient, row, v, c, curvature, slope)
            if row < 2:
                continue
            limit = problem.acceleration[j] * (1.0 - calm.slack)
            scale = 2.0 / (dt + dt_before) / limit
            change = (speed - (motion.positions[t - 1, j] - motion.positions[t - 2, j]) / dt_before) * scale
            if update:
                calm.acceleration_force[t, j] = _next_force(change, calm.acceleration_force[t, j], k)
            else:
                part, slope, curvature = hinge(change, calm.acceleration_force[t, j], k)
                cost += part
                if derivatives and curvature > 0.0:
                    c[0], c[1], c[2], c[3] = 0.0, scale / dt_before, -scale / dt_before - scale / dt, scale / dt
                    _tie(bands, gradient, row, v, c, curvature, slope)
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def _next_force(value: float, force: float, stiffness: float) -> float:
    _, slope, _ = hinge(value, force, stiffness)
    return slope


@njit(cache=True)  # type: ignore[untyped-decorator]
def _tie(bands: FloatArray, gradient: FloatArray, row: int, v: int, c: FloatArray, curvature: float, slope: float) -> None:
    """Add a term of frames row - 3 to row with coefficients ``c``."""
    for a in range(BAND):
        if c[a] == 0.0:
            continue
        gradient[row - 3 + a, v] += slope * c[a]
        for b in range(a + 1):
            bands[row - 3 + a, v, a - b] += curvature * c[a] * c[b]


@njit(cache=True)  # type: ignore[untyped-decorator]
def assemble(
    blocks: FloatArray, bands: FloatArray, at: int, first: int, last: int, skip: int, damping: float, out: FloatArray
) -> None:
    """Write one part's banded matrix as LAPACK wants its lower half: ``out[column, row - column]`` ((T' - skip) n, (BAND - 1) n + 1)."""
    frames, n = len(blocks), last - first
    out[:] = 0.0
    for t in range(skip, frames):
        base = (t - skip) * n
        for a in range(n):
            for b in range(a + 1):
                out[base + b, a - b] = blocks[t, at + a * n + b]
            out[base + a, 0] += bands[t, first + a, 0] + damping
            for m in range(1, BAND):
                if t - m >= skip:
                    out[base - m * n + a, m * n] += bands[t, first + a, m]


@njit(cache=True)  # type: ignore[untyped-decorator]
def moved_by(problem: Problem, motion: Motion, step: FloatArray, scale: float, start: int, skip: int, out: Motion) -> None:
    """Write ``motion`` moved by ``scale`` times ``step`` (T', V) to ``out``, but for the first ``skip`` frames."""
    tree = problem.tree
    for row in range(skip, len(step)):
        t = start + row
        for j in range(motion.positions.shape[1]):
            out.positions[t, j] = motion.positions[t, j] + scale * step[row, tree.actuated_variable[j]]
        if tree.variable[0] >= 0:
            for i in range(3):
                out.base_translation[t, i] = motion.base_translation[t, i] + scale * step[row, tree.variable[i]]
            x, y, z = scale * step[row, tree.variable[3]], scale * step[row, tree.variable[4]], scale * step[row, tree.variable[5]]
            turned(motion.base_rotation[t], x, y, z, out.base_rotation[t])


@njit(cache=True)  # type: ignore[untyped-decorator]
def largest(step: FloatArray) -> float:
    """Return the greatest absolute value, NaN if one is."""
    most = 0.0
    for value in step.ravel():
        if math.isnan(value):
            return math.nan
        most = max(most, abs(value))
    return most
