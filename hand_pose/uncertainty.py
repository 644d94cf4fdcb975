"""How sure a fit is of each landmark and joint: the posterior of the whole trajectory, the residuals' own spread, and the model's own error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import HAND_NAMES, LEFT_HAND
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import BLOCK, PosePrior, linearise
from bodydouble.hand_pose.trajectory_fit import temporal_covariance

FloatArray = npt.NDArray[np.float64]

CORRELATED = 4.0
"""Errors of a detector on neighbouring frames are alike: this many frames count as one."""
MEDIAN_OF_RAYLEIGH = 1.18
"""Median length of a two-dimensional normal error of unit sigma."""
BODY_ERROR_M, PALM_ERROR_M, FINGER_ERROR_M, TIP_ERROR_M = 0.015, 0.004, 0.005, 0.006
"""m along each axis: what no residual shows. Skin moves over joints, a detector's points are off by a constant, real joints have no fixed axes."""


@dataclass(frozen=True)
class Uncertainty:
    """Of T frames."""

    landmark_covariance: FloatArray
    """(T, 75, 3, 3) m^2 in the world."""
    joint_sigma: FloatArray
    """(T, J) rad, from what was seen in each frame alone."""
    median_residual: FloatArray
    """(T,) sigmas; NaN where nothing was seen."""


def uncertainty(human: Human, configurations: FloatArray, observations: Observations, times_s: FloatArray) -> Uncertainty:
    """Return what the fit (T, nq) knows and how well.

    Landmarks: the inverse of the trajectory's normal equations, with what neighbouring frames say, carried through the tree. Joints: what one frame
    says by itself and without assuming a posture, since an angle that was only assumed was not observed.
    """
    frames = len(configurations)
    covariance, joint_sigma = np.empty((frames, 75, 3, 3)), np.empty((frames, human.nv - 6))
    median = _median_residual(human, configurations, observations)
    factor = np.maximum(np.nan_to_num(median) / MEDIAN_OF_RAYLEIGH, 1.0)
    for part, posterior in temporal_covariance(human, configurations, observations, times_s, correlated=CORRELATED):
        for first in range(part.start, part.stop, BLOCK):
            rows = slice(first, min(first + BLOCK, part.stop))
            here = BatchedKinematics.of(human, configurations[rows])
            covariance[rows] = landmark_covariance(here, posterior[rows.start - part.start : rows.stop - part.start])
            joint_sigma[rows] = _joint_sigma(human, configurations[rows], observations, rows, here)
    covariance *= (factor**2)[:, None, None, None]
    covariance += model_error()[:, None, None] ** 2 * np.eye(3)
    return Uncertainty(covariance, joint_sigma * factor[:, None], median)


def model_error() -> FloatArray:
    """Return (75,) m along each axis."""
    kinds = {"tip": TIP_ERROR_M, "wrist": PALM_ERROR_M, "mcp": PALM_ERROR_M, "cmc": PALM_ERROR_M}
    hand = [kinds.get(name.rpartition("_")[2], FINGER_ERROR_M) for name in HAND_NAMES]
    return np.array([BODY_ERROR_M] * LEFT_HAND.start + hand + hand)


def landmark_covariance(here: BatchedKinematics, posterior: FloatArray) -> FloatArray:
    """Return (F, 75, 3, 3) m^2 from the covariance (F, nv, nv) of the configurations."""
    jacobian = here.jacobian()
    frames, nv = posterior.shape[:2]
    spread = np.matmul(jacobian.reshape(frames, -1, nv), posterior).reshape(jacobian.shape)
    return np.matmul(spread, np.swapaxes(jacobian, 2, 3))


def _joint_sigma(human: Human, q: FloatArray, observations: Observations, rows: slice, here: BatchedKinematics) -> FloatArray:
    normal = linearise(human, q, observations.select(np.arange(rows.start, rows.stop)), PosePrior.of(human), assume=False, here=here)
    diagonal = np.arange(human.nv)
    normal.hessian[:, diagonal, diagonal] += 1e-9
    sigma = np.empty((len(q), human.nv))
    for row, hessian in enumerate(normal.hessian):
        factor, _ = lapack.dpotrf(hessian.T, lower=1, clean=1, overwrite_a=1)
        inverse, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
        sigma[row] = np.sqrt(np.sum(inverse**2, axis=0))
    return sigma[:, 6:]


def _median_residual(human: Human, configurations: FloatArray, observations: Observations) -> FloatArray:
    points = np.concatenate(
        [BatchedKinematics.of(human, configurations[first : first + BLOCK]).detected for first in range(0, len(configurations), BLOCK)]
    )
    scaled, _ = observations.residuals(points)
    sizes = np.where(observations.weight > 0, np.linalg.norm(scaled, axis=-1), np.nan)
    sizes = np.moveaxis(sizes, 1, 0).reshape(len(points), -1)
    median = np.full(len(points), np.nan)
    some = np.isfinite(sizes).any(axis=1)
    median[some] = np.nanmedian(sizes[some], axis=1)
    return median
