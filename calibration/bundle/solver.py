"""Solve normal equations whose local unknowns form a chain in time, each tied to all of the few global ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.normal import Normal

FloatArray = npt.NDArray[np.float64]


class SingularError(Exception):
    """The equations do not decide all unknowns, or are not finite."""


@dataclass(frozen=True)
class Solution:
    """``H x = gradient``."""

    global_step: FloatArray
    """(size,)"""
    local_step: FloatArray
    """(M, K)"""
    covariance: FloatArray
    """(size, size) the global part of the inverse of H as damped; empty unless asked for."""


def solve(normal: Normal, *, damping: float = 0.0, covariance: bool = False) -> Solution:
    """Solve with every diagonal element of H enlarged by the factor ``1 + damping`` (Marquardt, 1963). Raises: SingularError."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, cho_solve_banded, cholesky_banded

    M, K, size = normal.local_global.shape
    S, b = normal.global_global.copy(), normal.global_gradient.copy()
    S[np.arange(size), np.arange(size)] *= 1 + damping
    try:
        if M * K:
            band = cholesky_banded(_band(normal, damping), lower=True, overwrite_ab=True, check_finite=True)
            right = np.concatenate([normal.local_global, normal.local_gradient[..., None]], axis=2).reshape(M * K, size + 1)
            X = cho_solve_banded((band, True), right, check_finite=False)
            coupling = normal.local_global.reshape(M * K, size)
            S -= coupling.T @ X[:, :size]
            b -= coupling.T @ X[:, size]
        factor = cho_factor(S, lower=True, check_finite=True) if size else None
        x = cho_solve(factor, b) if factor is not None else b
        inverse = cho_solve(factor, np.eye(size)) if factor is not None and covariance else np.empty((0, 0))
    except (LinAlgError, ValueError):
        raise SingularError from None
    y = (X[:, size] - X[:, :size] @ x).reshape(M, K) if M * K else np.zeros((M, K))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise SingularError
    return Solution(x, y, inverse)


def _band(normal: Normal, damping: float) -> FloatArray:
    """Return the local part of H in LAPACK's lower banded form; unknowns that nothing touches become the identity."""
    M, K, _ = normal.local_global.shape
    chained = bool(normal.local_next.any())
    band = np.zeros((2 * K if chained else K, M, K))
    diagonal = np.einsum("mii->mi", normal.local_local)
    for below in range(K):
        column = np.arange(K - below)
        band[below][:, : K - below] = normal.local_local[:, column + below, column]
    band[0] = np.where(diagonal <= 0, 1.0, diagonal * (1 + damping))
    if chained:
        following = np.swapaxes(normal.local_next, 1, 2)  # row: unknown of the later moment, column: of the earlier
        for offset in range(1, 2 * K):
            column = np.arange(max(0, K - offset), min(K, 2 * K - offset))
            band[offset][:-1, column] += following[:, column + offset - K, column]
    return band.reshape(len(band), M * K)
