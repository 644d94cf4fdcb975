"""How sure a fit is of each landmark and joint: the posterior of the whole trajectory, the residuals' own spread, and the model's own error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.noise import KINDS, MEDIAN_OF_RAYLEIGH, kinds
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import BLOCK, PosePrior, linearise
from bodydouble.hand_pose.trajectory_fit import temporal_covariance

FloatArray = npt.NDArray[np.float64]

CORRELATED = 4.0
"""Errors of a detector on neighbouring frames are alike: this many frames count as one."""
ALIKE = {"body joint": 0.5, "body surface": 0.5, "palm": 1.3, "finger": 1.4, "tip": 1.7, "outer finger": 2.2}
"""Part of a detection's expected error that is the same in all cameras and for as long as the hand looks the same: more rays do not make it smaller. A
detector that cannot see a finger puts it at the same wrong place in every view. From simulated people (tests/benchmarks/simulated_accuracy.py)."""
MODEL_ERROR_M = {"face": 0.012, "shoulder": 0.015, "elbow": 0.015, "wrist": 0.008, "hip": 0.020, "knee": 0.020, "ankle": 0.030, "heel": 0.030,
                 "foot_index": 0.030, "pinky": 0.008, "index": 0.008, "thumb": 0.008, "hand": 0.003}  # fmt: skip
"""m along each axis: what no residual shows. Skin moves over joints, real joints have no fixed axes, real trunks bend everywhere."""
INFERRED_ERROR_M = {
    "face": 0.01,
    "shoulder": 0.050,
    "elbow": 0.030,
    "hip": 0.050,
    "knee": 0.020,
    "ankle": 0.020,
    "heel": 0.020,
    "foot_index": 0.020,
}
"""m, added where a landmark was not observed: postures are assumed by sigmas that leave out what people do on purpose. ``INFERRED_HAND_M`` for others."""
INFERRED_HAND_M = 0.020
ONE_PLACE = 0.07
"""Distance between cameras over that of a hand below which they see it as from one place: rays that meet at 4 degrees."""
FACE = 11


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
    alike = np.array([ALIKE[name] for name in KINDS])[kinds()]
    scaled = alike * detection_error_m(human, configurations, observations) * factor[:, None]
    extra = scaled**2 + model_error() ** 2
    covariance += extra[..., None, None] * np.eye(3)
    return Uncertainty(covariance, joint_sigma * factor[:, None], median)


def model_error() -> FloatArray:
    """Return (75,) m along each axis."""
    return np.array(
        [
            MODEL_ERROR_M["face"] if row < FACE else MODEL_ERROR_M.get(_plain(name), MODEL_ERROR_M["hand"])
            for row, name in enumerate(LANDMARK_NAMES)
        ]
    )


def inferred_error() -> FloatArray:
    """Return (75,) m along each axis, of landmarks that were not observed."""
    return np.array(
        [
            INFERRED_ERROR_M["face"] if row < FACE else INFERRED_ERROR_M.get(_plain(name), INFERRED_HAND_M)
            for row, name in enumerate(LANDMARK_NAMES)
        ]
    )


def detection_error_m(human: Human, configurations: FloatArray, observations: Observations) -> FloatArray:
    """Return (T, 75) m, the expected error of one detection of each landmark at its distance; 0 where it was not seen."""
    found = np.zeros((len(configurations), 75))
    for first in range(0, len(configurations), BLOCK):
        rows = slice(first, first + BLOCK)
        points = BatchedKinematics.of(human, configurations[rows]).detected
        distance = np.linalg.norm(points - observations.origins[:, rows, None], axis=-1)
        weight = observations.weight[:, rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            information = np.where(weight > 0, weight / (observations.sigma_rad[:, rows] * distance) ** 2, 0.0).sum(axis=0)
            found[rows] = np.where(information > 0, np.sqrt(weight.sum(axis=0) / information), 0.0)
    return found


def single_view_covariance(points: FloatArray, observations: Observations, length_share: float) -> FloatArray:
    """Return (T, 75, 3, 3) m^2 that hands have beyond that where one camera alone saw them, or several as if from one place.

    How far such a hand is comes from the lengths of its bones, which are known to ``length_share`` (one sigma over the length): along the ray it
    is as unsure as they are.
    """
    found = np.zeros((len(points), 75, 3, 3))
    for rows in (LEFT_HAND, RIGHT_HAND):
        seen: npt.NDArray[np.bool_] = np.asarray((observations.weight[..., rows] > 0).any(axis=-1))
        first: FloatArray = observations.origins[np.argmax(seen, axis=0), np.arange(len(points))]
        beside = np.where(seen, np.linalg.norm(observations.origins - first, axis=2), 0.0).max(axis=0)
        distance = np.linalg.norm(points[:, rows].mean(axis=1) - first, axis=1)
        frames = np.flatnonzero(seen.any(axis=0) & (beside < ONE_PLACE * distance))
        away = points[frames, rows] - first[frames, None]
        found[frames, rows] = length_share**2 * away[..., :, None] * away[..., None, :]
    return found


def _plain(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def landmark_covariance(here: BatchedKinematics, posterior: FloatArray) -> FloatArray:
    """Return (F, 75, 3, 3) m^2 from the covariance (F, nv, nv) of the configurations."""
    jacobian = here.jacobian()
    frames, nv = posterior.shape[:2]
    spread = np.matmul(jacobian.reshape(frames, -1, nv), posterior).reshape(jacobian.shape)
    return np.asarray(np.matmul(spread, np.swapaxes(jacobian, 2, 3)))


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
