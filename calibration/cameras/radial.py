"""The odd function by which lenses bend a radius or an angle, its range of use and its inverse.

``r (1 + k1 r^2 + k2 r^4 + ...) / (1 + d1 r^2 + d2 r^4 + ...)``; most lenses have no denominator.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Coefficients = tuple[float, ...]

_ITERATIONS = 100
_TOLERANCE = 1e-15
_BEFORE_POLE = 1 - 1e-9
"""How near to a zero of the denominator the function is used: there it is huge but still has its sign."""


def distort(r: FloatArray, coefficients: Coefficients, denominator: Coefficients = ()) -> FloatArray:
    """Return the bent ``r`` element by element."""
    r2 = r * r
    bent = r * even(r2, coefficients)
    return bent / even(r2, denominator) if denominator else bent


def distort_derivative(r: FloatArray, coefficients: Coefficients, denominator: Coefficients = ()) -> FloatArray:
    """Return the derivative of ``distort`` with respect to ``r``."""
    r2 = r * r
    slope = even(r2, _slopes(coefficients))
    if not denominator:
        return slope
    below = even(r2, denominator)
    return (slope - 2 * r2 * even(r2, coefficients) / below * even_derivative(r2, denominator)) / below


def monotone_limit(coefficients: Coefficients, denominator: Coefficients = (), tangential: float = 0.0) -> float:
    """Return the first ``r > 0`` where ``distort`` stops growing, or infinity.

    Beyond it the function folds back, so that two directions would share one pixel: the model says nothing there. ``tangential`` is the length of
    (p1, p2): such terms take away up to six times that times ``r`` of the slope, in one direction. Short of the limit, the whole distortion is the
    gradient of a convex function and therefore one to one.
    """
    n, d = np.array([1.0, *coefficients]), np.array([1.0, *denominator])
    orders, below = 2 * np.arange(len(n)), 2 * np.arange(len(d))
    slope = np.convolve(n * (1 + orders), d) - np.convolve(n, d * below)  # of r n / d, times d^2, as a polynomial in r^2
    pole = _BEFORE_POLE * math.sqrt(first_positive_root(d))
    if not tangential:
        return min(math.sqrt(first_positive_root(slope)), pole)
    lost = np.convolve([0.0, 6 * tangential], _in_r(np.convolve(d, d)))
    across = np.convolve([0.0, 6 * tangential], _in_r(d))
    return min(first_positive_root(_minus(_in_r(slope), lost)), first_positive_root(_minus(_in_r(n), across)), pole)


def undistort(distorted: FloatArray, coefficients: Coefficients, limit: float, denominator: Coefficients = ()) -> FloatArray:
    """Return the ``r`` in [0, limit] that ``distort`` maps to each value; NaN where there is none.

    Newton's method inside a bracket that shrinks, halving it where Newton does not halve its own steps (near an inflection with a flat slope): it cannot
    leave the monotone branch, and it ends (rtsafe of Press et al., "Numerical Recipes", section 9.4).
    """
    target = np.asarray(distorted, dtype=np.float64)
    flat = target.ravel()
    high = np.minimum(np.maximum(np.nan_to_num(flat), 1.0), limit)  # not the limit at once: it may be so far that its powers overflow
    for _ in range(200):
        short = (distort(high, coefficients, denominator) < flat) & (high < limit)
        if not short.any():
            break
        high = np.where(short, np.minimum(2 * high, limit), high)
    reachable = (flat >= 0) & (flat <= distort(high, coefficients, denominator))
    result = np.full_like(flat, np.nan)
    left = np.flatnonzero(reachable)
    wanted, low, high = flat[left], np.zeros(len(left)), high[left]
    r, moved = np.minimum(wanted, high), high.copy()
    for _ in range(_ITERATIONS):
        error = distort(r, coefficients, denominator) - wanted
        np.copyto(high, r, where=error > 0)
        np.copyto(low, r, where=error < 0)
        slope = distort_derivative(r, coefficients, denominator)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = r - error / slope
        good = (step > low) & (step < high) & (np.abs(step - r) <= 0.5 * moved)
        following = np.where(error == 0, r, np.where(good, step, 0.5 * (low + high)))
        moved = np.abs(following - r)
        r = following
        on = np.flatnonzero(moved > _TOLERANCE * np.maximum(1.0, np.abs(r)))
        if len(on) < len(left):
            result[left] = r
            left, wanted, low, high, r, moved = left[on], wanted[on], low[on], high[on], r[on], moved[on]
        if not len(left):
            break
    result[left] = r
    return result.reshape(target.shape)


def even(r2: FloatArray, coefficients: Coefficients) -> FloatArray:
    """Return ``1 + k1 r2 + k2 r2^2 + ...`` element by element."""
    if not coefficients:
        return np.ones_like(r2)
    value = np.full_like(r2, coefficients[-1])
    for k in reversed(coefficients[:-1]):
        value *= r2
        value += k
    value *= r2
    value += 1.0
    return value


def even_derivative(r2: FloatArray, coefficients: Coefficients) -> FloatArray:
    """Return the derivative of ``even`` with respect to ``r2``."""
    if not coefficients:
        return np.zeros_like(r2)
    value = np.full_like(r2, len(coefficients) * coefficients[-1])
    for i in range(len(coefficients) - 1, 0, -1):
        value *= r2
        value += i * coefficients[i - 1]
    return value


def first_positive_root(ascending: npt.ArrayLike) -> float:
    """Return the smallest positive root of ``1 + a r + b r^2 + ...``, given by its coefficients (1, a, b, ...), or infinity."""
    inverses = np.roots(
        np.asarray(ascending, dtype=np.float64)
    )  # in 1 / r, where the leading coefficient is 1 however small the last terms are
    real = inverses.real[np.abs(inverses.imag) <= 1e-9 * np.abs(inverses)]
    largest = real.max(initial=0.0)
    return float(1.0 / largest) if largest > 0 else float("inf")


def _slopes(coefficients: Coefficients) -> Coefficients:
    return tuple((2 * i + 3) * k for i, k in enumerate(coefficients))


def _in_r(ascending: FloatArray) -> FloatArray:
    """Return the coefficients in r of a polynomial in r^2."""
    spread = np.zeros(2 * len(ascending) - 1)
    spread[::2] = ascending
    return spread


def _minus(one: FloatArray, other: FloatArray) -> FloatArray:
    difference = np.zeros(max(len(one), len(other)))
    difference[: len(one)] += one
    difference[: len(other)] -= other
    return difference
