"""How large corner errors are: a Student t distribution whose scale is found along with everything else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views

FloatArray = npt.NDArray[np.float64]

FREEDOM = 5.0
"""Degrees of freedom of the t distribution: 91 % as efficient as least squares on Gaussian noise, and a corner that is 10 sigma off pulls a
fifteenth as hard."""
SMALLEST_SIGMA_PX = 0.01
_UNSEEN = 1e6
"""Squared error in sigmas of a point that the model cannot project; none counts as larger."""


def squared_error(residual: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return (V, n) squared lengths of residuals (V, n, 2) in units of ``sigma`` (V,)."""
    square = np.square(residual).sum(axis=-1) / np.square(sigma)[:, None]
    return np.where(np.isfinite(square), np.minimum(square, _UNSEEN), _UNSEEN)


def weight_of(residual: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return (V, n) how much each point counts: about 1 for one that is ``sigma`` (V,) off in each direction."""
    return (FREEDOM + 2) / (FREEDOM + squared_error(residual, sigma))


def cost_of(residual: FloatArray, views: Views, sigma: FloatArray) -> float:
    """Return twice the negative log likelihood of the residuals, up to a constant; ``sigma`` (C,)."""
    square = squared_error(residual, sigma[views.camera])
    return float((FREEDOM + 2) * np.log1p(square[views.seen] / FREEDOM).sum())


def scale_of(residual: FloatArray, views: Views, cameras: int, unknowns: float, *, common: bool = False) -> FloatArray:
    """Return (C,) the most likely scale of the t distribution, corrected for the unknowns that the residuals have absorbed.

    The correction is that of least squares; a robust fit absorbs more, which leaves the scale low by about 0.3 times the share of unknowns among
    the observations. ``common``: one scale for all cameras. A camera without points has a scale of 1 px.
    """
    correction = _correction(views, unknowns)
    if common:
        return np.full(cameras, _scale(residual[views.seen], correction))
    rows = [views.camera == c for c in range(cameras)]
    return np.array([_scale(residual[own][views.seen[own]], correction) for own in rows])


def _scale(residual: FloatArray, correction: float) -> float:
    """Return the most likely scale of residuals (N, 2)."""
    square = np.square(residual).sum(axis=-1)
    square = square[np.isfinite(square)]
    if len(square) == 0:
        return 1.0
    variance = max(float(np.median(square)) / 1.386, SMALLEST_SIGMA_PX**2)  # the median of chi2 with two degrees of freedom
    for _ in range(30):
        variance = max(float(np.mean((FREEDOM + 2) / (FREEDOM + square / variance) * square) / 2), SMALLEST_SIGMA_PX**2)
    return float(np.sqrt(variance * correction))


def _correction(views: Views, unknowns: float) -> float:
    """Return by how much the variance of the errors is larger than that of residuals from which so many unknowns were found."""
    total = 2.0 * float(views.seen.sum())
    return total / max(total - unknowns, 0.25 * total, 1.0)


def variance_of(residual: FloatArray, views: Views, sigma: FloatArray, unknowns: float) -> FloatArray:
    """Return (C,) the variance of a Gaussian corner error that would leave the estimate as uncertain as it is (Huber, 1981, ch. 6)."""
    correction = _correction(views, unknowns)
    result = np.square(sigma)
    for c in range(len(sigma)):
        rows = views.camera == c
        square = squared_error(residual[rows], sigma[views.camera[rows]])[views.seen[rows]]
        if len(square) == 0:
            continue
        weight = (FREEDOM + 2) / (FREEDOM + square)
        pull = np.mean(np.square(weight) * square) / 2
        slope = np.mean(weight - weight * square / (FREEDOM + square))
        result[c] = np.square(sigma[c]) * pull / max(slope, 0.1) ** 2 * correction
    return np.maximum(result, SMALLEST_SIGMA_PX**2)
