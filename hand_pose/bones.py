"""What is constant over a recording, from all chosen frames at once: bone lengths, equal left and right, and how the rig is worn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.anchors import Anchors
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, symmetric
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import PosePrior, fit_poses, linearise
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE, RELATIVE_SPREAD, TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

TYPICAL_SPREAD = 0.07
STATURE_MEAN, STATURE_SIGMA = 1.73, 0.10
"""m: adults of both sexes, NCD-RisC (2016), "A century of trends in adult human height", between the means of tall and short countries."""
CORRELATED = 2.0
"""Errors of a detector on neighbouring frames are alike: this many frames count as one."""
LONGEST_MOUNT_STEP = 0.1
"""m or rad."""
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


@dataclass(frozen=True)
class Constants:
    """What is the same all through a recording: the person's bones and how the rig is worn."""

    lengths: FloatArray
    """(B,) m."""
    anchors: Anchors | None
    """As they are worn; None where nothing is."""
    covariance: FloatArray
    """(B + 6W, B + 6W) of the lengths in m and of the W mounts (shift in m, turn in rad)."""
    poses: FloatArray
    """(F, nq) of the frames that it was estimated from."""

    @property
    def mount_sigma(self) -> FloatArray:
        """(W, 6) one standard deviation of how each worn thing sits: m, rad."""
        return np.sqrt(np.diag(self.covariance)[len(self.lengths) :]).reshape(-1, 6)

    def mounts(self) -> dict[str, dict[str, float]]:
        """Return how each worn thing sits relative to where it is meant to: name and unit to value and sigma."""
        found = {}
        if self.anchors is not None:
            for row, name in enumerate(self.anchors.names):
                for column, key in enumerate(("shift_x_m", "shift_y_m", "shift_z_m", "turn_x_rad", "turn_y_rad", "turn_z_rad")):
                    value, sigma = float(self.anchors.mounts[row, column]), float(self.mount_sigma[row, column])
                    found[f"{name}.{key}"] = {"value": value, "sigma": sigma}
        return found

    @property
    def hand_share(self) -> float:
        """One standard deviation of the hand's size as a share of it."""
        palm = BONES.index("middle_palm")
        return float(np.sqrt(self.covariance[palm, palm]) / self.lengths[palm])


def estimate_constants(
    observations: Observations, frames: npt.NDArray[np.intp], poses: FloatArray, stature: float, *, rounds: int = 4
) -> Constants:
    """Estimate bone lengths and mounts from some ``frames`` (F,), ascending, with ``poses`` (F, nq) to start from.

    Poses and constants are solved together: in each round the poses are fitted, then eliminated from the joint normal equations (Schur
    complement), which leaves the constants alone with what all frames say about them.
    """
    mean, sigma = typical_lengths(stature), length_sigmas(stature)
    lengths, anchors, bones = mean.copy(), observations.anchors, len(mean)
    count = bones + (6 * len(anchors.names) if anchors is not None else 0)
    hessian = np.eye(count)
    for _ in range(rounds):
        human = Human(lengths)
        current = replace(observations, anchors=anchors)
        poses = fit_poses(human, poses, current, frames, iterations=5)
        seen = current.select(frames)
        here = BatchedKinematics.of(human, poses)
        normal = linearise(human, poses, seen, PosePrior.of(human), here=here)
        information, pull, _ = seen.pull(here.detected)
        by_pose, by_bones = here.jacobian(detected=True), here.bone_jacobian(detected=True)
        weighted = _flat(np.matmul(information, by_bones))
        own, mixed, gradient = (
            np.zeros((len(frames), count, count)),
            np.zeros((len(frames), human.nv, count)),
            np.zeros((len(frames), count)),
        )
        own[:, :bones, :bones] = np.matmul(np.swapaxes(_flat(by_bones), 1, 2), weighted)
        mixed[:, :, :bones] = np.matmul(np.swapaxes(_flat(by_pose), 1, 2), weighted)
        gradient[:, :bones] = np.matmul(pull.reshape(len(frames), 1, -1), _flat(by_bones))[:, 0]
        prior_information, prior_gradient = np.zeros(count), np.zeros(count)
        prior_information[:bones], prior_gradient[:bones] = sigma**-2.0, (lengths - mean) / sigma**2
        if seen.anchors is not None:
            by_both = np.concatenate([by_pose, by_bones], axis=3)
            own[:, bones:, bones:], cross, gradient[:, bones:] = seen.anchors.mount_equations(here.detected, by_both)
            mixed[:, :, bones:], own[:, :bones, bones:] = cross[:, : human.nv], cross[:, human.nv :]
            own[:, bones:, :bones] = np.swapaxes(cross[:, human.nv :], 1, 2)
            prior_information[bones:], prior_gradient[bones:] = seen.anchors.mount_prior()
        right = np.concatenate([mixed, normal.gradient[..., None]], axis=2)
        solved = np.linalg.solve(symmetric(normal.hessian) + 1e-9 * np.eye(human.nv), right)
        eliminated = np.matmul(np.swapaxes(mixed, 1, 2), solved)
        hessian = (own - eliminated[..., :-1]).sum(axis=0) / CORRELATED + np.diag(prior_information)
        step = -np.linalg.solve(hessian, (gradient - eliminated[..., -1]).sum(axis=0) / CORRELATED + prior_gradient)
        by_length = np.clip(step[:bones], -0.15 * lengths, 0.15 * lengths)
        lengths = np.clip(lengths + by_length, 0.5 * mean, 1.6 * mean)
        if anchors is not None:
            step[bones:] *= min(1.0, LONGEST_MOUNT_STEP / max(float(np.abs(step[bones:]).max()), 1e-9))
            anchors = anchors.moved(step[bones:])
        if np.max(np.abs(by_length) / lengths) < 2e-3 and not np.abs(step[bones:]).max(initial=0.0) > 1e-3:
            break
    covariance = np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    return Constants(lengths, anchors, covariance, poses)


def _flat(jacobian: FloatArray) -> FloatArray:
    return jacobian.reshape(len(jacobian), -1, jacobian.shape[-1])
