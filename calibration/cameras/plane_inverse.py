"""The inverse of a smooth one-to-one map of a disc in the image plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
PlaneMap = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]]
"""From x, y to u, v and du/dx, du/dy, dv/dx, dv/dy; all (N,)."""

_STEPS = 60
_CONVERGED = 1e-15
_ACCEPTED = 1e-9


def invert_plane_map(
    plane_map: PlaneMap, u: FloatArray, v: FloatArray, x: FloatArray, y: FloatArray, limit: float
) -> tuple[FloatArray, FloatArray]:
    """Return the x, y (N,), no further than ``limit`` from the origin, that the map takes to ``u``, ``v``; NaN where none was found.

    Newton's method from ``x``, ``y``; a step that would leave the disc ends on its edge, and one that leads further away is halved until it does not. What
    does not reach ``u``, ``v`` within 1e-9 is no inverse.
    """
    scale = 1.0 + np.abs(u) + np.abs(v)
    left = np.flatnonzero(np.isfinite(x) & np.isfinite(scale))
    best_x, best_y, miss = np.full_like(u, np.nan), np.full_like(u, np.nan), np.full_like(u, np.inf)
    trial_x, trial_y = x[left], y[left]
    step_x, step_y = np.zeros(len(left)), np.zeros(len(left))
    for _ in range(_STEPS):
        to_u, to_v, ux, uy, vx, vy = plane_map(trial_x, trial_y)
        eu, ev = u[left] - to_u, v[left] - to_v
        off = np.hypot(eu, ev) / scale[left]
        better = off < miss[left]
        nearer = left[better]
        best_x[nearer], best_y[nearer], miss[nearer] = trial_x[better], trial_y[better], off[better]
        on = miss[left] > _CONVERGED
        if not on.any():
            break
        determinant = ux * vy - uy * vx
        step_x = np.where(better, (vy * eu - uy * ev) / determinant, 0.5 * step_x)[on]
        step_y = np.where(better, (ux * ev - vx * eu) / determinant, 0.5 * step_y)[on]
        left = left[on]
        trial_x, trial_y = best_x[left] + step_x, best_y[left] + step_y
        inside = np.minimum(1.0, limit / np.hypot(trial_x, trial_y))
        trial_x *= inside
        trial_y *= inside
    found = miss <= _ACCEPTED
    return np.where(found, best_x, np.nan), np.where(found, best_y, np.nan)
