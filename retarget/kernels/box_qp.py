"""Box-constrained quadratic programs on symmetric matrices whose rows start at different columns (envelope, or skyline, storage)."""

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
def _gradient(H: FloatArray, first: IndexArray, damping: float, g: FloatArray, x: FloatArray, out: FloatArray) -> float:
    """Write ``(H + damping I) x + g`` and return ``x'(H + damping I)x / 2 + g'x``."""
    n = len(x)
    for i in range(n):
        out[i] = damping * x[i]
    for i in range(n):
        s = H[i, i] * x[i]
        for k in range(first[i], i):
            s += H[i, k] * x[k]
            out[k] += H[i, k] * x[i]
        out[i] += s
    value = 0.0
    for i in range(n):
        value += x[i] * (0.5 * out[i] + g[i])
        out[i] += g[i]
    return value


@compiled()
def box_qp(
    H: FloatArray, first: IndexArray, damping: float, g: FloatArray, lower: FloatArray, upper: FloatArray, L: FloatArray, x: FloatArray
) -> bool:
    """Write the ``x`` (V,) that minimises ``x'(H + damping I)x / 2 + g'x`` between ``lower`` and ``upper``; False if the matrix is not positive.

    Projected Newton (Bertsekas 1982) as in box-constrained DDP (Tassa, Mansard and Todorov 2014), started at zero.
    """
    n = len(g)
    gradient, trial, step = np.empty(n), np.empty(n), np.empty(n)
    free, before = np.empty(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for i in range(n):
        x[i] = min(max(0.0, lower[i]), upper[i])
    value = _gradient(H, first, damping, g, x, gradient)
    for turn in range(25):
        same = turn > 0
        largest = 0.0
        for i in range(n):
            free[i] = not ((x[i] <= lower[i] and gradient[i] > 0.0) or (x[i] >= upper[i] and gradient[i] < 0.0))
            same = same and free[i] == before[i]
            before[i] = free[i]
            if free[i]:
                largest = max(largest, abs(gradient[i]))
        if largest < 1e-12:
            return True
        if not same and not factor(H, first, free, damping, L):
            return False
        for i in range(n):
            step[i] = -gradient[i] if free[i] else 0.0
        solve(L, first, step)
        scale, clipped = 1.0, False
        for _ in range(12):
            clipped = False
            for i in range(n):
                trial[i] = x[i] + scale * step[i]
                if trial[i] < lower[i] or trial[i] > upper[i]:
                    trial[i] = min(max(trial[i], lower[i]), upper[i])
                    clipped = True
            slope = 0.0
            for i in range(n):
                slope += gradient[i] * (trial[i] - x[i])
            new = _value(H, first, damping, g, trial)
            if new <= value + 0.1 * slope:
                break
            scale *= 0.5
        moved = 0.0
        for i in range(n):
            moved = max(moved, abs(trial[i] - x[i]))
            x[i] = trial[i]
        value = _gradient(H, first, damping, g, x, gradient)
        if (not clipped and scale == 1.0) or moved < 1e-14:
            # A full Newton step that hit nothing is the answer on this face; it is the answer if no bound wants to let go.
            done = True
            for i in range(n):
                if not free[i] and ((x[i] <= lower[i] and gradient[i] < -1e-10) or (x[i] >= upper[i] and gradient[i] > 1e-10)):
                    done = False
            if done or moved < 1e-14:
                return True
    return True


@compiled(fast=True)
def _value(H: FloatArray, first: IndexArray, damping: float, g: FloatArray, x: FloatArray) -> float:
    value = 0.0
    for i in range(len(x)):
        s = 0.0
        for k in range(first[i], i):
            s += H[i, k] * x[k]
        value += x[i] * (s + 0.5 * (H[i, i] + damping) * x[i] + g[i])
    return value
