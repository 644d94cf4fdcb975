"""Residuals of all tasks and their normal equations.

Residuals by kind, ``x`` the place and ``R`` the rotation of the task's frame, ``o`` and ``O`` those of its origin, ``t`` and ``T`` the target:

- position ``x - t`` (m, world); relative_position ``O'(x - o) - t`` (m, axes of the frame it is seen from)
- direction ``u - t``, ``u = (x - o) / |x - o|``; relative_direction ``O' u - t``; axis ``R a - t`` (for small errors the angle in rad)
- orientation ``log(R T')`` (rad, world); relative_orientation ``log(O' R T')`` (rad, axes of the origin)
- above: ``min(0, x_z - t_z)`` (m): nothing while the point is above the height
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.rotations import inverse_left_jacobian, rotation_vector
from bodydouble.retarget.kernels.tree import Placed, Tree

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

POSITION, RELATIVE_POSITION, DIRECTION, RELATIVE_DIRECTION, AXIS, ORIENTATION, RELATIVE_ORIENTATION, ABOVE = range(8)
KINDS = {
    "position": POSITION, "relative_position": RELATIVE_POSITION, "direction": DIRECTION, "relative_direction": RELATIVE_DIRECTION, "axis": AXIS,
    "orientation": ORIENTATION, "relative_orientation": RELATIVE_ORIENTATION, "above": ABOVE,
}  # fmt: skip
MOVES_AT, MOVES_OF, TURNS_INSIDE = 1, 2, 4


class Tasks(NamedTuple):
    """K tasks over the frames of a ``Tree``."""

    kind: IndexArray
    """(K,) as above."""
    at: IndexArray
    """(K,) frame that is placed or turned."""
    of: IndexArray
    """(K,) frame that distances and directions start from, -1 where there is none."""
    inside: IndexArray
    """(K,) frame in whose axes the residual is, -1 for the world."""
    axis: FloatArray
    """(K, 3)."""
    entry_start: IndexArray
    """(K + 1,) into the entries: one a motion that changes the task."""
    entry_motion: IndexArray
    entry_column: IndexArray
    """Column of the task's small Jacobian."""
    entry_role: IndexArray
    """Sum of MOVES_AT, MOVES_OF, TURNS_INSIDE."""
    column_start: IndexArray
    """(K + 1,) into ``column_variable``."""
    column_variable: IndexArray
    """Variable of each column, ascending within a task."""


@compiled()
def task_residual(tasks: Tasks, k: int, placed: Placed, vector: FloatArray, rotation: FloatArray, out: FloatArray) -> None:
    """Write the residual (3,) of task ``k`` for its target vector (3,) or rotation (3, 3)."""
    kind, at, of, inside = tasks.kind[k], tasks.at[k], tasks.of[k], tasks.inside[k]
    x = placed.frame_translation[at]
    if kind == POSITION:
        for i in range(3):
            out[i] = x[i] - vector[i]
    elif kind == ABOVE:
        out[0], out[1], out[2] = 0.0, 0.0, min(0.0, x[2] - vector[2])
    elif kind == AXIS:
        R, a = placed.frame_rotation[at], tasks.axis[k]
        for i in range(3):
            out[i] = R[i, 0] * a[0] + R[i, 1] * a[1] + R[i, 2] * a[2] - vector[i]
    elif kind in (ORIENTATION, RELATIVE_ORIENTATION):
        R = placed.frame_rotation[at]
        E, M = np.empty((3, 3)), np.empty((3, 3))
        for i in range(3):
            for j in range(3):
                E[i, j] = R[i, 0] * rotation[j, 0] + R[i, 1] * rotation[j, 1] + R[i, 2] * rotation[j, 2]
        if kind == RELATIVE_ORIENTATION:
            Q = placed.frame_rotation[inside]
            for i in range(3):
                for j in range(3):
                    M[i, j] = Q[0, i] * E[0, j] + Q[1, i] * E[1, j] + Q[2, i] * E[2, j]
            rotation_vector(M, out)
        else:
            rotation_vector(E, out)
    else:
        o = placed.frame_translation[of]
        dx, dy, dz = x[0] - o[0], x[1] - o[1], x[2] - o[2]
        if kind in (DIRECTION, RELATIVE_DIRECTION):
            length = max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-9)
            dx, dy, dz = dx / length, dy / length, dz / length
        if inside >= 0:
            Q = placed.frame_rotation[inside]
            dx, dy, dz = (
                Q[0, 0] * dx + Q[1, 0] * dy + Q[2, 0] * dz,
                Q[0, 1] * dx + Q[1, 1] * dy + Q[2, 1] * dz,
                Q[0, 2] * dx + Q[1, 2] * dy + Q[2, 2] * dz,
            )
        out[0], out[1], out[2] = dx - vector[0], dy - vector[1], dz - vector[2]


@compiled()
def task_jacobian(tasks: Tasks, k: int, placed: Placed, residual: FloatArray, out: FloatArray) -> None:
    """Write the Jacobian (columns, 3) of task ``k``, whose residual is ``residual`` (3,), by its variables."""
    kind, at, of, inside = tasks.kind[k], tasks.at[k], tasks.of[k], tasks.inside[k]
    for c in range(tasks.column_start[k + 1] - tasks.column_start[k]):
        out[c, 0], out[c, 1], out[c, 2] = 0.0, 0.0, 0.0
    first, last = tasks.entry_start[k], tasks.entry_start[k + 1]
    if kind == ABOVE and residual[2] >= 0.0:
        return
    if kind in (ORIENTATION, RELATIVE_ORIENTATION):
        K = np.empty((3, 3))
        inverse_left_jacobian(residual, K)
        if kind == RELATIVE_ORIENTATION:
            Q = placed.frame_rotation[inside].copy()
            for i in range(3):
                a, b, c3 = K[i, 0], K[i, 1], K[i, 2]
                for j in range(3):
                    K[i, j] = a * Q[j, 0] + b * Q[j, 1] + c3 * Q[j, 2]
        for e in range(first, last):
            role = tasks.entry_role[e]
            sign = (1.0 if role & MOVES_AT else 0.0) - (1.0 if role & TURNS_INSIDE else 0.0)
            w, c = placed.angular[tasks.entry_motion[e]], tasks.entry_column[e]
            for i in range(3):
                out[c, i] += sign * (K[i, 0] * w[0] + K[i, 1] * w[1] + K[i, 2] * w[2])
        return
    if kind == AXIS:
        R, a = placed.frame_rotation[at], tasks.axis[k]
        ax = R[0, 0] * a[0] + R[0, 1] * a[1] + R[0, 2] * a[2]
        ay = R[1, 0] * a[0] + R[1, 1] * a[1] + R[1, 2] * a[2]
        az = R[2, 0] * a[0] + R[2, 1] * a[1] + R[2, 2] * a[2]
        for e in range(first, last):
            w, c = placed.angular[tasks.entry_motion[e]], tasks.entry_column[e]
            out[c, 0] += w[1] * az - w[2] * ay
            out[c, 1] += w[2] * ax - w[0] * az
            out[c, 2] += w[0] * ay - w[1] * ax
        return
    x = placed.frame_translation[at]
    if kind in (POSITION, ABOVE):
        for e in range(first, last):
            m, c = tasks.entry_motion[e], tasks.entry_column[e]
            w, v = placed.angular[m], placed.linear[m]
            if kind == POSITION:
                out[c, 0] += v[0] + w[1] * x[2] - w[2] * x[1]
                out[c, 1] += v[1] + w[2] * x[0] - w[0] * x[2]
            out[c, 2] += v[2] + w[0] * x[1] - w[1] * x[0]
        return
    o = placed.frame_translation[of]
    dx, dy, dz = x[0] - o[0], x[1] - o[1], x[2] - o[2]
    along = kind in (DIRECTION, RELATIVE_DIRECTION)
    scale = 1.0
    if along:
        length = max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-9)
        dx, dy, dz, scale = dx / length, dy / length, dz / length, 1.0 / length
    for e in range(first, last):
        m, c, role = tasks.entry_motion[e], tasks.entry_column[e], tasks.entry_role[e]
        w, v = placed.angular[m], placed.linear[m]
        jx, jy, jz = 0.0, 0.0, 0.0
        if role & MOVES_AT:
            jx += v[0] + w[1] * x[2] - w[2] * x[1]
            jy += v[1] + w[2] * x[0] - w[0] * x[2]
            jz += v[2] + w[0] * x[1] - w[1] * x[0]
        if role & MOVES_OF:
            jx -= v[0] + w[1] * o[2] - w[2] * o[1]
            jy -= v[1] + w[2] * o[0] - w[0] * o[2]
            jz -= v[2] + w[0] * o[1] - w[1] * o[0]
        if along:
            away = jx * dx + jy * dy + jz * dz
            jx, jy, jz = (jx - away * dx) * scale, (jy - away * dy) * scale, (jz - away * dz) * scale
        if inside >= 0:
            if role & TURNS_INSIDE:
                jx -= w[1] * dz - w[2] * dy
                jy -= w[2] * dx - w[0] * dz
                jz -= w[0] * dy - w[1] * dx
            Q = placed.frame_rotation[inside]
            jx, jy, jz = (
                Q[0, 0] * jx + Q[1, 0] * jy + Q[2, 0] * jz,
                Q[0, 1] * jx + Q[1, 1] * jy + Q[2, 1] * jz,
                Q[0, 2] * jx + Q[1, 2] * jy + Q[2, 2] * jz,
            )
        out[c, 0] += jx
        out[c, 1] += jy
        out[c, 2] += jz


@compiled()
def add_tasks(
    tree: Tree, tasks: Tasks, placed: Placed, vectors: FloatArray, rotations: FloatArray, weights: FloatArray, derivatives: bool,
    residuals: FloatArray, H: FloatArray, g: FloatArray,
) -> float:  # fmt: skip
    """Return the cost ``sum (w |r|)^2 / 2`` of one frame, write the residuals (K, 3); add to lower ``H`` (V, V) and ``g`` (V,) if ``derivatives``."""
    cost = 0.0
    widest = 0
    for k in range(len(tasks.kind)):
        widest = max(widest, tasks.column_start[k + 1] - tasks.column_start[k])
    J = np.empty((widest, 3))
    for k in range(len(tasks.kind)):
        weight = weights[k]
        r = residuals[k]
        if weight <= 0.0:
            r[0], r[1], r[2] = math.nan, math.nan, math.nan
            continue
        task_residual(tasks, k, placed, vectors[k], rotations[k], r)
        ww = weight * weight
        cost += 0.5 * ww * (r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
        if not derivatives:
            continue
        task_jacobian(tasks, k, placed, r, J)
        start, stop = tasks.column_start[k], tasks.column_start[k + 1]
        for a in range(stop - start):
            row = tasks.column_variable[start + a]
            j0, j1, j2 = ww * J[a, 0], ww * J[a, 1], ww * J[a, 2]
            g[row] += j0 * r[0] + j1 * r[1] + j2 * r[2]
            for b in range(a + 1):
                H[row, tasks.column_variable[start + b]] += j0 * J[b, 0] + j1 * J[b, 1] + j2 * J[b, 2]
    return cost
