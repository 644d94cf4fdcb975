"""Poses between two moments at which a body was located."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]


def between(
    T_before: FloatArray, T_after: FloatArray, rate_before: FloatArray, rate_after: FloatArray, cov_before: FloatArray, cov_after: FloatArray,
    gap_s: FloatArray, late_s: FloatArray, acceleration: tuple[float, float],
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return poses (N, 4, 4) and covariances (N, 6, 6) ``late_s`` (N,) after the first of two poses that are ``gap_s`` apart.

    Rotation vector and position follow a cubic that has the rates (N, 6) at its ends; where one is NaN both go straight. The covariance is that of
    the two poses, mixed as the cubic mixes them, plus what a body may do in between: with accelerations that come and go within
    ``MotionPrior.settling_s``, a white-noise-on-acceleration model pinned at both ends has the variance q h^3 u^3 (1 - u)^3 / 3 (rates known), or
    q h^3 u^2 (1 - u)^2 / 3 (not known), with q = acceleration^2 settling_s (the posterior of a cubic smoothing spline; Wahba, "Spline Models", 1990).
    """
    turned = rotation.log(np.swapaxes(T_before[:, :3, :3], 1, 2) @ T_after[:, :3, :3])
    way = np.concatenate([turned, T_after[:, :3, 3] - T_before[:, :3, 3]], axis=1)
    smooth: npt.NDArray[np.bool_] = np.asarray(np.isfinite(rate_before).all(axis=1) & np.isfinite(rate_after).all(axis=1))
    h, u = gap_s[:, None], (late_s / gap_s)[:, None]
    start, end = np.where(smooth[:, None], h * rate_before, way), np.where(smooth[:, None], h * rate_after, way)
    # The rate of the rotation vector is the body's angular velocity through the inverse right Jacobian, which is the identity at the start.
    end[:, :3] = np.where(smooth[:, None], np.einsum("nij,nj->ni", rotation.right_jacobian_inverse(turned), end[:, :3]), turned)
    gone = (3 * u**2 - 2 * u**3) * way + (u - 2 * u**2 + u**3) * start + (u**3 - u**2) * end
    T = pose_from(T_before[:, :3, :3] @ rotation.exp(gone[:, :3]), T_before[:, :3, 3] + gone[:, 3:])
    share = np.where(smooth[:, None], 3 * u**2 - 2 * u**3, u)[..., None]
    covariance = (1 - share) ** 2 * cov_before + share**2 * cov_after
    default = MotionPrior()
    size = np.where(np.isfinite(acceleration), acceleration, default.acceleration)
    pinned = np.where(smooth, (u * (1 - u))[:, 0] ** 3, (u * (1 - u))[:, 0] ** 2) / 3
    q = np.repeat(np.square(size) * default.settling_s, 3)
    rows = np.arange(6)
    covariance[:, rows, rows] += q * (gap_s**3 * pinned)[:, None]
    return T, covariance
