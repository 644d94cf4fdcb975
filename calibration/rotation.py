"""Rotations as vectors (axis times angle), with the Jacobians that an optimiser needs; batched over leading axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_SMALL = 1e-4
"""rad; below it the series' next terms are under 1e-16."""


def hat(v: npt.ArrayLike) -> FloatArray:
    """Return the matrices (..., 3, 3) with ``hat(v) @ u = v x u``."""
    vector = np.asarray(v, dtype=np.float64)
    matrix = np.zeros((*vector.shape, 3))
    matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 2] = -vector[..., 2], vector[..., 1], -vector[..., 0]
    matrix[..., 1, 0], matrix[..., 2, 0], matrix[..., 2, 1] = vector[..., 2], -vector[..., 1], vector[..., 0]
    return matrix


def exp(rotvec: npt.ArrayLike) -> FloatArray:
    """Return the rotation matrices (..., 3, 3) of rotation vectors (..., 3) in rad (Rodrigues)."""
    a, b, _ = _coefficients(rotvec)
    matrix = hat(rotvec)
    return np.asarray(np.eye(3) + a * matrix + b * (matrix @ matrix))


def log(R: npt.ArrayLike) -> FloatArray:
    """Return the rotation vectors (..., 3) in rad of rotation matrices (..., 3, 3); the angle is in [0, pi]."""
    from scipy.spatial.transform import Rotation

    matrices = np.asarray(R, dtype=np.float64)
    vectors: FloatArray = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(matrices.shape[:-1])


def right_jacobian(rotvec: npt.ArrayLike) -> FloatArray:
    """Return J (..., 3, 3) with ``exp(v + d) = exp(v) exp(J d)`` to first order (Sola et al., arXiv 1812.01537, eq. 143)."""
    _, b, c = _coefficients(rotvec)
    matrix = hat(rotvec)
    return np.asarray(np.eye(3) - b * matrix + c * (matrix @ matrix))


def right_jacobian_inverse(rotvec: npt.ArrayLike) -> FloatArray:
    """Return the inverse (..., 3, 3) of ``right_jacobian``, for angles below 2 pi (Sola et al., eq. 144)."""
    v = np.asarray(rotvec, dtype=np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    safe = np.where(angle > _SMALL, angle, 1.0)
    d = np.where(angle > _SMALL, 1 / safe**2 - 1 / (2 * safe * np.tan(safe / 2)), 1 / 12 + angle**2 / 720)
    matrix = hat(v)
    return np.asarray(np.eye(3) + 0.5 * matrix + d * (matrix @ matrix))


def _coefficients(rotvec: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sin(t)/t, (1 - cos t)/t^2 and (t - sin t)/t^3, each (..., 1, 1)."""
    angle = np.linalg.norm(np.asarray(rotvec, dtype=np.float64), axis=-1)[..., None, None]
    large = angle > _SMALL
    t = np.where(large, angle, 1.0)
    square = angle**2
    return (
        np.where(large, np.sin(t) / t, 1 - square / 6),
        np.where(large, 2 * np.sin(t / 2) ** 2 / t**2, 0.5 - square / 24),
        np.where(large, (t - np.sin(t)) / t**3, 1 / 6 - square / 120),
    )
