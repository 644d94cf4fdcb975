"""Distances between capsules, their gradients, and the cost of coming nearer than a margin."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.tree import Placed, Tree, place, work_space

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


class Capsules(NamedTuple):
    """C capsules on the joints of a ``Tree``, and P pairs of them to be kept apart."""

    joint: IndexArray
    """(C,) -1 for the base."""
    a: FloatArray
    """(C, 3) m, one end of the segment in the joint's frame."""
    b: FloatArray
    """(C, 3) m, the other."""
    radius: FloatArray
    """(C,) m."""
    pairs: IndexArray
    """(P, 2)."""
    chain_start: IndexArray
    """(1 + N + 1,) into ``chain``; row 0 is the base."""
    chain: IndexArray
    """Motions that move each joint and have a variable."""
    margin: FloatArray
    """(P,) m: what is kept between the two of a pair."""
    influence: FloatArray
    """(P,) m beyond the margin from which a pair is watched."""
    weight: FloatArray
    """(P,) cost of 1 m inside the margin, before squaring."""


@compiled()
def place_capsules(capsules: Capsules, placed: Placed, ends: FloatArray) -> None:
    """Write the ends (C, 2, 3) m of all capsules in the world."""
    for c in range(len(capsules.joint)):
        j = capsules.joint[c] + 1
        R, p = placed.rotation[j], placed.translation[j]
        for i in range(3):
            ends[c, 0, i] = p[i] + R[i, 0] * capsules.a[c, 0] + R[i, 1] * capsules.a[c, 1] + R[i, 2] * capsules.a[c, 2]
            ends[c, 1, i] = p[i] + R[i, 0] * capsules.b[c, 0] + R[i, 1] * capsules.b[c, 1] + R[i, 2] * capsules.b[c, 2]


@compiled()
def segment_distance(p0: FloatArray, p1: FloatArray, q0: FloatArray, q1: FloatArray, near: FloatArray) -> float:
    """Return the distance (m) between two segments; write the nearest points (2, 3) (Ericson 2005, 5.1.9)."""
    ux, uy, uz = p1[0] - p0[0], p1[1] - p0[1], p1[2] - p0[2]
    vx, vy, vz = q1[0] - q0[0], q1[1] - q0[1], q1[2] - q0[2]
    wx, wy, wz = p0[0] - q0[0], p0[1] - q0[1], p0[2] - q0[2]
    a, e = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz
    f = vx * wx + vy * wy + vz * wz
    c = ux * wx + uy * wy + uz * wz
    if a < 1e-18 and e < 1e-18:
        s, t = 0.0, 0.0
    elif a < 1e-18:
        s, t = 0.0, min(max(f / e, 0.0), 1.0)
    elif e < 1e-18:
        s, t = min(max(-c / a, 0.0), 1.0), 0.0
    else:
        b = ux * vx + uy * vy + uz * vz
        det = a * e - b * b
        s = min(max((b * f - c * e) / det, 0.0), 1.0) if det > 1e-12 * a * e else 0.5
        t = (b * s + f) / e
        if t < 0.0:
            t, s = 0.0, min(max(-c / a, 0.0), 1.0)
        elif t > 1.0:
            t, s = 1.0, min(max((b - c) / a, 0.0), 1.0)
    near[0, 0], near[0, 1], near[0, 2] = p0[0] + s * ux, p0[1] + s * uy, p0[2] + s * uz
    near[1, 0], near[1, 1], near[1, 2] = q0[0] + t * vx, q0[1] + t * vy, q0[2] + t * vz
    dx, dy, dz = near[0, 0] - near[1, 0], near[0, 1] - near[1, 1], near[0, 2] - near[1, 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@compiled()
def _may_touch(capsules: Capsules, ends: FloatArray, c: int, d: int, margin: float) -> bool:
    """Tell whether the spheres around two capsules come within the margin: the broad phase."""
    gap = capsules.radius[c] + capsules.radius[d] + margin
    square, half_c, half_d = 0.0, 0.0, 0.0
    for i in range(3):
        square += (0.5 * (ends[c, 0, i] + ends[c, 1, i] - ends[d, 0, i] - ends[d, 1, i])) ** 2
        half_c += (ends[c, 0, i] - ends[c, 1, i]) ** 2
        half_d += (ends[d, 0, i] - ends[d, 1, i]) ** 2
    reach = gap + 0.5 * (math.sqrt(half_c) + math.sqrt(half_d))
    return bool(square < reach * reach)


@compiled()
def pair_distances(capsules: Capsules, placed: Placed, out: FloatArray) -> None:
    """Write the distance (P,) m between the surfaces of each pair, negative where they overlap; infinite where they are clearly apart."""
    ends, near = np.empty((len(capsules.joint), 2, 3)), np.empty((2, 3))
    place_capsules(capsules, placed, ends)
    for k in range(len(capsules.pairs)):
        c, d = capsules.pairs[k, 0], capsules.pairs[k, 1]
        out[k] = math.inf
        if _may_touch(capsules, ends, c, d, capsules.margin[k]):
            between = segment_distance(ends[c, 0], ends[c, 1], ends[d, 0], ends[d, 1], near)
            out[k] = between - capsules.radius[c] - capsules.radius[d]


@compiled()
def deepest(
    tree: Tree, capsules: Capsules, rotations: FloatArray, translations: FloatArray, positions: FloatArray, start: int, depth: FloatArray
) -> None:
    """Write how deep (T',) m any pair overlaps in the frames from ``start`` on, 0 where none does; poses (T, 3, 3), (T, 3) and positions (T, J)."""
    placed, distances = work_space(tree), np.empty(len(capsules.pairs))
    for row in range(len(depth)):
        t = start + row
        place(tree, rotations[t], translations[t], positions[t], placed)
        pair_distances(capsules, placed, distances)
        depth[row] = 0.0
        for distance in distances:
            depth[row] = max(depth[row], -distance)


@compiled()
def collision_cost(capsules: Capsules, placed: Placed) -> float:
    """Return ``sum (w max(0, margin - distance))^2 / 2``."""
    cost = 0.0
    ends, near = np.empty((len(capsules.joint), 2, 3)), np.empty((2, 3))
    place_capsules(capsules, placed, ends)
    for k in range(len(capsules.pairs)):
        c, d = capsules.pairs[k, 0], capsules.pairs[k, 1]
        if _may_touch(capsules, ends, c, d, capsules.margin[k]):
            between = segment_distance(ends[c, 0], ends[c, 1], ends[d, 0], ends[d, 1], near)
            inside = max(0.0, capsules.margin[k] - (between - capsules.radius[c] - capsules.radius[d]))
            cost += 0.5 * (capsules.weight[k] * inside) ** 2
    return cost


@compiled()
def near_pairs(tree: Tree, capsules: Capsules, placed: Placed, rows: FloatArray, gaps: FloatArray, which: IndexArray) -> int:
    """Return how many pairs are so near that they are watched; write gap, gradient (V,) and number of the pair for each.

    The gap is the distance less the margin; it changes by ``row x`` for a step ``x`` of the variables. Where there is no more room in ``gaps``, the rest
    is left out.
    """
    count = 0
    ends, near = np.empty((len(capsules.joint), 2, 3)), np.empty((2, 3))
    place_capsules(capsules, placed, ends)
    for k in range(len(capsules.pairs)):
        c, d = capsules.pairs[k, 0], capsules.pairs[k, 1]
        influence = capsules.influence[k]
        if not _may_touch(capsules, ends, c, d, capsules.margin[k] + influence):
            continue
        between = segment_distance(ends[c, 0], ends[c, 1], ends[d, 0], ends[d, 1], near)
        gap = between - capsules.radius[c] - capsules.radius[d] - capsules.margin[k]
        if gap >= influence:
            continue
        nx, ny, nz = near[0, 0] - near[1, 0], near[0, 1] - near[1, 1], near[0, 2] - near[1, 2]
        if between < 1e-6:  # the axes cross: any way out will do, the one between the middles is a good one
            nx = ends[c, 0, 0] + ends[c, 1, 0] - ends[d, 0, 0] - ends[d, 1, 0]
            ny = ends[c, 0, 1] + ends[c, 1, 1] - ends[d, 0, 1] - ends[d, 1, 1]
            nz = ends[c, 0, 2] + ends[c, 1, 2] - ends[d, 0, 2] - ends[d, 1, 2]
        norm = math.sqrt(nx * nx + ny * ny + nz * nz)
        if norm < 1e-12:
            nx, ny, nz, norm = 0.0, 0.0, 1.0, 1.0
        nx, ny, nz = nx / norm, ny / norm, nz / norm
        row = rows[count]
        row[:] = 0.0
        for side in range(2):
            joint = capsules.joint[c if side == 0 else d] + 1
            sign = 1.0 if side == 0 else -1.0
            x = near[side]
            for e in range(capsules.chain_start[joint], capsules.chain_start[joint + 1]):
                m = capsules.chain[e]
                w, v = placed.angular[m], placed.linear[m]
                row[tree.variable[m]] += sign * (
                    nx * (v[0] + w[1] * x[2] - w[2] * x[1])
                    + ny * (v[1] + w[2] * x[0] - w[0] * x[2])
                    + nz * (v[2] + w[0] * x[1] - w[1] * x[0])
                )
        for i in range(len(row)):
            if abs(row[i]) < 1e-9:  # what carries both along, but for rounding
                row[i] = 0.0
        gaps[count], which[count] = gap, k
        count += 1
        if count == len(gaps):
            break
    return count
