"""Box-constrained quadratic programs with one-sided penalties, on symmetric matrices whose rows start at different columns (envelope storage)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


@compiled()
def envelope(H: FloatArray, first: IndexArray) -> None:
    """Write the first nonzero column (V,) of each row of lower ``H`` (V, V). Factors stay inside it (George and Liu 1981, 4.2)."""
    for i in range(len(H)):
        j = 0
        while j < i and H[i, j] == 0.0:
            j += 1
        first[i] = j


@compiled(fast=True)
def factor(H: FloatArray, first: IndexArray, free: npt.NDArray[np.bool_], damping: float, L: FloatArray) -> bool:
    """Write the Cholesky factor of ``H + damping I`` restricted to the free variables, identity for the others; False if it has none."""
    for i in range(len(H)):
        row = L[i]
        if not free[i]:
            for j in range(first[i], i):
                row[j] = 0.0
            row[i] = 1.0
            continue
        for j in range(first[i], i):
            if not free[j]:
                row[j] = 0.0
                continue
            s = H[i, j]
            other = L[j]
            for k in range(max(first[i], first[j]), j):
                s -= row[k] * other[k]
            row[j] = s / other[j]
        s = H[i, i] + damping
        for k in range(first[i], i):
            s -= row[k] * row[k]
        if not s > 0.0:
            return False
        row[i] = math.sqrt(s)
    return True


@compiled(fast=True)
def solve(L: FloatArray, first: IndexArray, x: FloatArray) -> None:
    """Overwrite the right-hand side ``x`` (V,) with the solution of ``L L' y = x``."""
    n = len(x)
    for i in range(n):
        s = x[i]
        for k in range(first[i], i):
            s -= L[i, k] * x[k]
        x[i] = s / L[i, i]
    for i in range(n - 1, -1, -1):
        x[i] /= L[i, i]
        s = x[i]
        for k in range(first[i], i):
            x[k] -= L[i, k] * s


@compiled(fast=True)
def _value(
    H: FloatArray,
    first: IndexArray,
    damping: float,
    g: FloatArray,
    rows: FloatArray,
    gaps: FloatArray,
    weights: FloatArray,
    count: int,
    x: FloatArray,
) -> float:
    value = 0.0
    for i in range(len(x)):
        s = 0.0
        for k in range(first[i], i):
            s += H[i, k] * x[k]
        value += x[i] * (s + 0.5 * (H[i, i] + damping) * x[i] + g[i])
    for c in range(count):
        gap = gaps[c]
        for i in range(len(x)):
            gap += rows[c, i] * x[i]
        if gap < 0.0:
            value += 0.5 * (weights[c] * gap) ** 2
    return value


@compiled(fast=True)
def _linearised(
    H: FloatArray, first: IndexArray, damping: float, g: FloatArray, rows: FloatArray, gaps: FloatArray, weights: FloatArray, count: int, x: FloatArray,
    gradient: FloatArray, full: FloatArray, full_first: IndexArray, closed: npt.NDArray[np.bool_],
) -> bool:  # fmt: skip
    """Write gradient and lower second derivative at ``x``, and which gaps are ``closed`` there; return whether these are the same as before."""
    n = len(x)
    for i in range(n):
        gradient[i] = damping * x[i] + g[i]
        full_first[i] = first[i]
    for i in range(n):
        s = H[i, i] * x[i]
        for k in range(first[i], i):
            s += H[i, k] * x[k]
            gradient[k] += H[i, k] * x[i]
        gradient[i] += s
    same = True
    for c in range(count):
        gap = gaps[c]
        for i in range(n):
            gap += rows[c, i] * x[i]
        now = gap < 0.0
        same = same and now == closed[c]
        closed[c] = now
        if now:
            ww = weights[c] * weights[c]
            lowest = n
            for i in range(n):
                if rows[c, i] != 0.0:
                    lowest = min(lowest, i)
                    full_first[i] = min(full_first[i], lowest)
                    gradient[i] += ww * gap * rows[c, i]
    if not same:
        for i in range(n):
            for k in range(full_first[i], first[i]):
                full[i, k] = 0.0
            for k in range(first[i], i + 1):
                full[i, k] = H[i, k]
        for c in range(count):
            if closed[c]:
                ww = weights[c] * weights[c]
                for i in range(n):
                    if rows[c, i] != 0.0:
                        for k in range(full_first[i], i + 1):
                            full[i, k] += ww * rows[c, i] * rows[c, k]
    return same


@compiled()
def box_qp(
    H: FloatArray, first: IndexArray, damping: float, g: FloatArray, rows: FloatArray, gaps: FloatArray, weights: FloatArray, count: int,
    lower: FloatArray, upper: FloatArray, L: FloatArray, x: FloatArray,
) -> bool:  # fmt: skip
    """Write the ``x`` (V,) that minimises a quadratic and one-sided penalties between ``lower`` and ``upper``; False if the matrix is not positive.

    The quadratic is ``x'(H + damping I)x / 2 + g'x``; of the first ``count`` ``rows`` (M, V), each costs ``(w min(0, gap + row x))^2 / 2``: what is near, but
    not yet too near, counts from where it would be. Projected Newton (Bertsekas 1982) as in box-constrained DDP (Tassa, Mansard and Todorov
    2014), started at zero; the penalties' kinks are handled as bounds are.
    """
    n = len(g)
    gradient, trial, step = np.empty(n), np.empty(n), np.empty(n)
    full, full_first = H.copy(), first.copy()
    free, before, closed = np.empty(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), np.zeros(max(count, 1), dtype=np.bool_)
    for i in range(n):
        x[i] = min(max(0.0, lower[i]), upper[i])
    value, tolerance = _value(H, first, damping, g, rows, gaps, weights, count, x), 0.0
    for turn in range(100):
        same = _linearised(H, first, damping, g, rows, gaps, weights, count, x, gradient, full, full_first, closed) and turn > 0
        largest = 0.0
        for i in range(n):
            free[i] = not ((x[i] <= lower[i] and gradient[i] > 0.0) or (x[i] >= upper[i] and gradient[i] < 0.0))
            same = same and free[i] == before[i]
            before[i] = free[i]
            if free[i]:
                largest = max(largest, abs(gradient[i]))
        if turn == 0:
            tolerance = 1e-9 * largest + 1e-12
        if largest < tolerance:
            return True
        if not same and not factor(full, full_first, free, damping, L):
            return False
        for i in range(n):
            step[i] = -gradient[i] if free[i] else 0.0
        solve(L, full_first, step)
        # Along a step through kinks a shorter one is often better than the first that is good enough. Bounds may bend a Newton step into one that
        # leads nowhere; a step down the gradient never is.
        best, best_scale = value, 0.0
        for attempt in range(2):
            scale = 1.0
            for _ in range(24):
                for i in range(n):
                    trial[i] = min(max(x[i] + scale * step[i], lower[i]), upper[i])
                new = _value(H, first, damping, g, rows, gaps, weights, count, trial)
                if new < best - 1e-13 * abs(best):
                    best, best_scale = new, scale
                elif best_scale > 0.0:
                    break
                scale *= 0.5
            if best_scale > 0.0 or attempt == 1:
                break
            for i in range(n):
                step[i] = -gradient[i] / max(full[i, i] + damping, 1e-300) if free[i] else 0.0
            for i in range(n):
                free[i] = False  # the factor is not of this step: have it made again
                before[i] = not before[i]
        for i in range(n):
            trial[i] = min(max(x[i] + best_scale * step[i], lower[i]), upper[i])
        moved = 0.0
        for i in range(n):
            moved = max(moved, abs(trial[i] - x[i]))
            x[i] = trial[i]
        value = best
        if moved < 1e-10:
            return True
    return True
