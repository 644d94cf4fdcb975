"""The odd polynomial by which lenses bend a radius or an angle, its range of use and its inverse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_ITERATIONS = 100
_TOLERANCE = 1e-15


def distort(r: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    """Return ``r (1 + k1 r^2 + k2 r^4 + ...)`` element by element."""
    return r * _even(r * r, coefficients)


def distort_derivative(r: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    """Return the derivative of ``distort`` with respect to ``r``."""
    return _even(r * r, tuple((2 * i + 3) * k for i, k in enumerate(coefficients)))


def monotone_limit(coefficients: tuple[float, ...]) -> float:
    """Return the first ``r > 0`` where ``distort`` stops growing, or infinity.

    Beyond it the polynomial folds back, so that two directions would share one pixel: the model says nothing there.
    """
    slope = [1.0] + [(2 * i + 3) * k for i, k in enumerate(coefficients)]
    inverse_squares = np.roots(slope)  # in 1 / r^2, where the leading coefficient is 1 however small the last terms are
    real = inverse_squares.real[np.abs(inverse_squares.imag) <= 1e-9 * np.abs(inverse_squares)]
    largest = real.max(initial=0.0)
    return float(1.0 / np.sqrt(largest)) if largest > 0 else float("inf")


def undistort(distorted: FloatArray, coefficients: tuple[float, ...], limit: float) -> FloatArray:
    """Return the ``r`` in [0, limit] that ``distort`` maps to each value; NaN where there is none.

    Newton's method inside a bracket that shrinks, halving it where Newton does not halve its own steps (near an inflection with a flat slope): it cannot
    leave the monotone branch, and it ends (rtsafe of Press et al., "Numerical Recipes", section 9.4).
    """
    target = np.asarray(distorted, dtype=np.float64)
    low = np.zeros_like(target)
    high = np.minimum(np.maximum(np.nan_to_num(target), 1.0), limit)  # not the limit at once: it may be so far that its powers overflow
    for _ in range(200):
        short = (distort(high, coefficients) < target) & (high < limit)
        if not short.any():
            break
        high = np.where(short, np.minimum(2 * high, limit), high)
    reachable = (target >= 0) & (target <= distort(high, coefficients))
    r = np.clip(np.nan_to_num(target), low, high)
    moved = high - low
    for _ in range(_ITERATIONS):
        error = distort(r, coefficients) - target
        high = np.where(error > 0, r, high)
        low = np.where(error < 0, r, low)
        slope = distort_derivative(r, coefficients)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = r - error / slope
        middle = 0.5 * (low + high)
        good = (step > low) & (step < high) & (np.abs(step - r) <= 0.5 * moved)
        following = np.where(error == 0, r, np.where(good, step, middle))
        moved = np.abs(following - r)
        done = moved <= _TOLERANCE * np.maximum(1.0, np.abs(r))
        r = following
        if bool(np.all(done | ~reachable)):
            break
    return np.where(reachable, r, np.nan)


def _even(r2: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    value = np.zeros_like(r2)
    for k in reversed(coefficients):
        value = (value + k) * r2
    return value + 1.0
