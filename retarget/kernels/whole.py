"""All frames at once: one linearisation of every frame, and the terms that tie frames together.

Variables are in *parts* that no task couples (the fingers of a hand move against its palm, whatever the body does), so each part has
a banded system of its own. What ties frames together couples each variable only with itself: how it jerks, and its limits of range, speed
and acceleration.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.collisions import collision_cost
from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.frame import Motion, Problem, linearise
from bodydouble.retarget.kernels.rotations import rotation_vector, turned
from bodydouble.retarget.kernels.tree import place, work_space

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

BAND = 4
"""Frames that one term ties together."""


@compiled()
def linearise_all(
    problem: Problem, motion: Motion, start: int, stop: int, part_start: IndexArray, derivatives: bool, blocks: FloatArray, gradient: FloatArray,
    costs: FloatArray,
) -> None:  # fmt: skip
    """Write the cost (T',) of each of the frames [start, stop), and the parts' lower blocks (T', sum n^2) and the gradient (T', V) if ``derivatives``."""
    tree = problem.tree
    variables = part_start[-1]
    H, placed = np.zeros((variables, variables)), work_space(tree)
    for t in range(start, stop):
        place(tree, motion.base_rotation[t], motion.base_translation[t], motion.positions[t], placed)
        g = gradient[t - start]
        costs[t - start] = linearise(problem, t, placed, motion.positions[t], derivatives, motion.residuals[t], H, g)
        if len(problem.capsules.pairs):
            costs[t - start] += collision_cost(problem.capsules, placed)
        if derivatives:
            at = 0
            for part in range(len(part_start) - 1):
                first, last = part_start[part], part_start[part + 1]
                for a in range(first, last):
                    for b in range(first, a + 1):
                        blocks[t - start, at + (a - first) * (last - first) + b - first] = H[a, b]
                at += (last - first) ** 2


@compiled()
def jerk_coefficients(times: FloatArray, t: int, out: FloatArray) -> None:
    """Write how the positions of frames t - 3 to t make the jerk between them, for true, uneven times."""
    d1, d2, d3 = times[t - 2] - times[t - 3], times[t - 1] - times[t - 2], times[t] - times[t - 1]
    e1, e2 = 2.0 / (d1 + d2) / d2, 2.0 / (d2 + d3) / d2
    out[0] = -e1 / d1
    out[1] = e1 / d1 + e1 / d2 + e2 / d2
    out[2] = -e1 / d2 - e2 / d2 - e2 / d3
    out[3] = e2 / d3


@compiled()
def tie_frames(
    problem: Problem, jerk_weight: FloatArray, motion: Motion, start: int, stop: int, held: int, derivatives: bool, bands: FloatArray,
    gradient: FloatArray,
) -> float:  # fmt: skip
    """Return the cost of the jerks of frames [start, stop); write its bands (T', V, BAND) and add to the gradient if ``derivatives``.

    ``jerk_weight`` (V,) s^3: cost of 1 rad/s^3 (m/s^3), before squaring. Jerks among frames before ``held`` are left out: those frames are done.
    ``bands[t, v, m]`` couples variable v of frames t and t - m.
    """
    tree, times = problem.tree, problem.times
    if derivatives:
        bands[:] = 0.0
    cost = 0.0
    c = np.empty(BAND)
    phi, M = np.zeros((BAND, 3)), np.empty((3, 3))
    for t in range(max(start + BAND - 1, held), stop):
        row = t - start
        jerk_coefficients(times, t, c)
        for j in range(motion.positions.shape[1]):
            v = tree.actuated_variable[j]
            w = jerk_weight[v]
            value = 0.0
            for k in range(BAND):
                value += c[k] * motion.positions[t - 3 + k, j]
            cost += 0.5 * (w * value) ** 2
            if derivatives:
                _tie(bands, gradient, row, v, c, w * w, w * w * value)
        if tree.variable[0] < 0:
            continue
        for i in range(3):
            v = tree.variable[i]
            w = jerk_weight[v]
            value = 0.0
            for k in range(BAND):
                value += c[k] * motion.base_translation[t - 3 + k, i]
            cost += 0.5 * (w * value) ** 2
            if derivatives:
                _tie(bands, gradient, row, v, c, w * w, w * w * value)
        # Seen from a frame in the middle, turns are small enough to be added.
        middle = motion.base_rotation[t - 1]
        for k in range(BAND):
            R = motion.base_rotation[t - 3 + k]
            for a in range(3):
                for b in range(3):
                    M[a, b] = R[a, 0] * middle[b, 0] + R[a, 1] * middle[b, 1] + R[a, 2] * middle[b, 2]
            rotation_vector(M, phi[k])
        for i in range(3):
            v = tree.variable[3 + i]
            w = jerk_weight[v]
            value = c[0] * phi[0, i] + c[1] * phi[1, i] + c[2] * phi[2, i] + c[3] * phi[3, i]
            cost += 0.5 * (w * value) ** 2
            if derivatives:
                _tie(bands, gradient, row, v, c, w * w, w * w * value)
    return cost


@compiled()
def _tie(bands: FloatArray, gradient: FloatArray, row: int, v: int, c: FloatArray, curvature: float, slope: float) -> None:
    """Add a term of frames row - 3 to row with coefficients ``c``."""
    for a in range(BAND):
        if c[a] == 0.0:
            continue
        gradient[row - 3 + a, v] += slope * c[a]
        for b in range(a + 1):
            bands[row - 3 + a, v, a - b] += curvature * c[a] * c[b]


@compiled()
def assemble(
    blocks: FloatArray, bands: FloatArray, at: int, first: int, last: int, skip: int, damping: FloatArray, out: FloatArray
) -> None:
    """Write one part's banded matrix as LAPACK wants its lower half: ``out[column, row - column]`` ((T' - skip) n, (BAND - 1) n + 1).

    ``damping`` (V,) is added to the diagonal.
    """
    frames, n = len(blocks), last - first
    out[:] = 0.0
    for t in range(skip, frames):
        base = (t - skip) * n
        for a in range(n):
            for b in range(a + 1):
                out[base + b, a - b] = blocks[t, at + a * n + b]
            out[base + a, 0] += bands[t, first + a, 0] + damping[first + a]
            for m in range(1, BAND):
                if t - m >= skip:
                    out[base - m * n + a, m * n] += bands[t, first + a, m]


@compiled()
def moved_by(problem: Problem, motion: Motion, step: FloatArray, shares: FloatArray, start: int, skip: int, out: Motion) -> None:
    """Write ``motion`` moved by a share (T',) of ``step`` (T', V) to ``out``, but for the first ``skip`` frames."""
    tree = problem.tree
    for row in range(skip, len(step)):
        t, scale = start + row, shares[row]
        for j in range(motion.positions.shape[1]):
            out.positions[t, j] = motion.positions[t, j] + scale * step[row, tree.actuated_variable[j]]
        if tree.variable[0] >= 0:
            for i in range(3):
                out.base_translation[t, i] = motion.base_translation[t, i] + scale * step[row, tree.variable[i]]
            x, y, z = scale * step[row, tree.variable[3]], scale * step[row, tree.variable[4]], scale * step[row, tree.variable[5]]
            turned(motion.base_rotation[t], x, y, z, out.base_rotation[t])


@compiled()
def largest(step: FloatArray) -> float:
    """Return the greatest absolute value, NaN if one is."""
    most = 0.0
    for value in step.ravel():
        if math.isnan(value):
            return math.nan
        most = max(most, abs(value))
    return most
