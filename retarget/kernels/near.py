"""Pairs that are near each other in all frames, as one-sided constraints of the whole trajectory: gap + row x >= 0 for the step x of a frame.

They join the limits of the joints in the method of multipliers (`limits.py`). A force that holds two parts apart has a greatest value, so that a pair that
cannot be parted bends the trajectory only so far.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.collisions import near_pairs
from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.frame import MOST_NEAR, Motion, Problem
from bodydouble.retarget.kernels.tree import place, work_space

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


@compiled()
def near_in_frames(
    problem: Problem, motion: Motion, start: int, stop: int, part_start: IndexArray, pair_part: IndexArray, frame: IndexArray,
    pair: IndexArray, gap: FloatArray, row: FloatArray,
) -> int:  # fmt: skip
    """Return how many pairs are near in frames [start, stop); write the frame (from 0), the pair, its gap (m) and its gradient by its part's variables.

    Of a pair that belongs to several parts the trunk's variables count. Where there is no more room, later frames are left out.
    """
    tree, count, variables = problem.tree, 0, part_start[-1]
    if len(problem.capsules.pairs) == 0:
        return 0
    placed = work_space(tree)
    rows, gaps, which = np.empty((MOST_NEAR, variables)), np.empty(MOST_NEAR), np.empty(MOST_NEAR, dtype=np.int64)
    for t in range(start, stop):
        place(tree, motion.base_rotation[t], motion.base_translation[t], motion.positions[t], placed)
        found = near_pairs(tree, problem.capsules, placed, rows, gaps, which)
        for c in range(found):
            if count == len(gap):
                return count
            first, last = part_start[pair_part[which[c]]], part_start[pair_part[which[c]] + 1]
            frame[count], pair[count], gap[count] = t - start, which[c], gaps[c]
            for i in range(first, last):
                row[count, i - first] = rows[c, i]
            count += 1
    return count


@compiled()
def opened(
    used: IndexArray, frame: IndexArray, gap: FloatArray, row: FloatArray, step: FloatArray, first: int, last: int, out: FloatArray
) -> None:
    """Write the gaps after a step (T', V) of some of the near pairs, all of one part."""
    for k in used:
        value = gap[k]
        for i in range(last - first):
            value += row[k, i] * step[frame[k], first + i]
        out[k] = value


@compiled()
def add_near_stiffness(used: IndexArray, frame: IndexArray, row: FloatArray, rho: FloatArray, at: int, n: int, blocks: FloatArray) -> None:
    """Add ``rho row' row`` to the lower blocks of one part."""
    for k in used:
        block = blocks[frame[k]]
        for a in range(n):
            if row[k, a] != 0.0:
                for b in range(a + 1):
                    block[at + a * n + b] += rho[k] * row[k, a] * row[k, b]


@compiled()
def pull_apart(
    used: IndexArray, frame: IndexArray, gap: FloatArray, row: FloatArray, kept: FloatArray, dual: FloatArray, rho: FloatArray, first: int, n: int,
    right: FloatArray,
) -> None:  # fmt: skip
    """Add ``row' rho (kept - dual - gap)`` to the right-hand side (T', V)."""
    for k in used:
        force = rho[k] * (kept[k] - dual[k] - gap[k])
        for i in range(n):
            right[frame[k], first + i] += force * row[k, i]


@compiled()
def clip_gaps(
    used: IndexArray, opened_gap: FloatArray, relaxation: float, strongest: FloatArray, rho: FloatArray, kept: FloatArray, dual: FloatArray
) -> tuple[float, float]:
    """Move ``kept`` and ``dual`` on for new gaps; return how far (m) some are too near, and how far ``kept`` moved."""
    out, moved = 0.0, 0.0
    for k in used:
        out = max(out, -opened_gap[k])
        mixed = relaxation * opened_gap[k] + (1.0 - relaxation) * kept[k] + dual[k]
        now = max(mixed, 0.0)
        moved = max(moved, abs(now - kept[k]))
        dual[k] = max(mixed - now, -strongest[k] / rho[k])
        kept[k] = now
    return out, moved
