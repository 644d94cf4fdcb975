"""Bone lengths: constant over the recording, equal left and right, from all chosen frames at once with an anthropometric prior."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import PosePrior, fit_pose, linearise
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE, RELATIVE_SPREAD, TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

TYPICAL_SPREAD = 0.07
STATURE_MEAN, STATURE_SIGMA = 1.73, 0.10
"""m: adults of both sexes, NCD-RisC (2016), "A century of trends in adult human height", between the means of tall and short countries."""
CORRELATED = 4.0
"""Errors of a detector on neighbouring frames are alike: this many frames count as one."""
_RULERS = (
    ("shoulder", "elbow", "upper_arm"), ("elbow", "wrist", "forearm"), ("hip", "knee", "thigh"), ("knee", "ankle", "shank"),
)  # fmt: skip


def typical_lengths(stature: float) -> FloatArray:
    """Return the prior mean (B,) m of the bone lengths for a stature in m."""
    return np.array([TYPICAL_LENGTHS[name] for name in BONES]) * stature / REFERENCE_STATURE


def length_sigmas(stature: float) -> FloatArray:
    """Return the prior sigma (B,) m for a given stature."""
    shares = np.array([RELATIVE_SPREAD.get(name, TYPICAL_SPREAD) for name in BONES])
    return shares * typical_lengths(stature)


def stature_from_limbs(triangulated: FloatArray) -> tuple[float, float]:
    """Return stature and sigma in m from triangulated landmarks (T, 75, 3): limbs' medians over their typical lengths, with the population prior.

    Each limb tells the stature to 7 % (the spread between people), so six or eight limbs tell it to about 3 %.
    """
    names = LANDMARK_NAMES.index
    ratios = []
    for one, two, bone in _RULERS:
        for side in ("left", "right"):
            length = np.linalg.norm(triangulated[:, names(f"{side}_{one}")] - triangulated[:, names(f"{side}_{two}")], axis=-1)
            if np.isfinite(length).sum() >= 1:
                ratios.append(float(np.nanmedian(length)) / TYPICAL_LENGTHS[bone])
    if not ratios:
        return STATURE_MEAN, STATURE_SIGMA
    measured = float(np.median(ratios)) * REFERENCE_STATURE
    sigma = TYPICAL_SPREAD * measured / np.sqrt(max(len(ratios) / 2, 1.0))
    information = 1 / sigma**2 + 1 / STATURE_SIGMA**2
    return (measured / sigma**2 + STATURE_MEAN / STATURE_SIGMA**2) / information, float(information**-0.5)


def estimate_bones(
    observations: Observations, frames: npt.NDArray[np.intp], poses: list[FloatArray], stature: float, *, rounds: int = 6
) -> tuple[FloatArray, list[FloatArray]]:
    """Return bone lengths (B,) m and the poses of ``frames`` that go with them.

    Poses and lengths are solved together: in each round the poses are fitted, then eliminated from the joint normal equations (Schur
    complement), which leaves the lengths alone with what all frames say about them.
    """
    mean, sigma = typical_lengths(stature), length_sigmas(stature)
    lengths = mean.copy()
    for _ in range(rounds):
        human = Human(lengths)
        prior = PosePrior.of(human)
        hessian, gradient = np.diag(1 / sigma**2), (lengths - mean) / sigma**2
        for row, frame in enumerate(frames):
            poses[row] = fit_pose(human, poses[row], observations, int(frame), prior, iterations=5)
            here = human.kinematics(poses[row], by_bones=True)
            information, pull, _ = observations.pull(here.landmarks, int(frame))
            normal = linearise(human, poses[row], observations, int(frame), prior)
            assert here.landmark_bone_jacobian is not None
            by_bones = here.landmark_bone_jacobian
            weighted = np.matmul(information, by_bones)
            cross = _flat(here.landmark_jacobian).T @ _flat(weighted)
            solved = np.linalg.solve(normal.hessian + 1e-9 * np.eye(human.nv), np.column_stack([cross, normal.gradient]))
            hessian += (_flat(by_bones).T @ _flat(weighted) - cross.T @ solved[:, :-1]) / CORRELATED
            gradient += (_flat(by_bones).T @ pull.ravel() - cross.T @ solved[:, -1]) / CORRELATED
        step = np.linalg.solve(hessian, -gradient)
        step = np.clip(step, -0.15 * lengths, 0.15 * lengths)
        lengths = np.clip(lengths + step, 0.5 * mean, 1.6 * mean)
        if np.max(np.abs(step) / lengths) < 2e-3:
            break
    return lengths, poses


def _flat(jacobian: FloatArray) -> FloatArray:
    return jacobian.reshape(-1, jacobian.shape[-1])
