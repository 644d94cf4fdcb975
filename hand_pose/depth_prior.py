"""One camera's missing depth: the pose model's own 3D guess, taken for what it is, a prior on which way each limb points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES, MAIN_JOINTS, POSE, Landmarks

FloatArray = npt.NDArray[np.float64]

LIMB_DEPTH_SIGMA = 0.06
"""m: error of the depth difference along a limb. MediaPipe's world landmarks of limbs vary by 13 % in length between photographs of one person."""
FINGER_DEPTH_SIGMA = 0.012
_BODY_LIMBS = [
    ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
    ("left_shoulder", "nose"), ("right_shoulder", "nose"), ("left_ear", "right_ear"),
    *[(f"{side}_{one}", f"{side}_{two}") for side in ("left", "right") for one, two in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "foot_index"))],
]  # fmt: skip
_HAND_PARENT = [None, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]
LIMBS = np.array(
    [[LANDMARK_NAMES.index(one), LANDMARK_NAMES.index(two)] for one, two in _BODY_LIMBS]
    + [[first + parent, first + child] for first in (33, 54) for child, parent in enumerate(_HAND_PARENT) if parent is not None]
)
"""(K, 2) landmark pairs whose depth difference is used."""


@dataclass(frozen=True)
class DepthPrior:
    """Expected depth differences along limbs, from one camera."""

    forward: FloatArray
    """(3,) the camera's viewing direction in the world."""
    difference: FloatArray
    """(T, K) m, depth of the second landmark minus the first; NaN where not seen."""
    information: FloatArray
    """(T, K) one over sigma squared, zero where not seen."""

    @classmethod
    def of(cls, landmarks: Landmarks, T_world_camera: FloatArray, scale: float) -> DepthPrior:
        """Take the prior from the only camera of ``landmarks``; ``scale`` is the person's size over the model's."""
        shape = landmarks.shape_m[0] * scale
        difference = shape[:, LIMBS[:, 1], 2] - shape[:, LIMBS[:, 0], 2]
        seen = np.isfinite(difference)
        fingers = LIMBS[:, 0] >= 33
        sigma = np.where(fingers, FINGER_DEPTH_SIGMA, LIMB_DEPTH_SIGMA)
        trust = np.minimum(np.nan_to_num(landmarks.confidence[0][:, LIMBS[:, 0]]), np.nan_to_num(landmarks.confidence[0][:, LIMBS[:, 1]]))
        return cls(T_world_camera[:3, 2], difference, np.where(seen, trust / sigma**2, 0.0))

    def pull(self, here: BatchedKinematics) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the normal equations (F, nv, nv), (F, nv) and cost (F,); Cauchy's loss."""
        one, two = LIMBS[:, 0], LIMBS[:, 1]
        points = here.detected @ self.forward
        residual = np.where(self.information > 0, points[:, two] - points[:, one] - self.difference, 0.0)
        along = here.jacobian_along(self.forward)
        rows = along[:, two] - along[:, one]
        squared = residual**2 * self.information
        influence = self.information / (1.0 + squared / 9.0)
        hessian = np.matmul(np.swapaxes(rows * influence[..., None], 1, 2), rows)
        gradient = np.matmul((influence * residual)[:, None], rows)[:, 0]
        return hessian, gradient, np.sum(9.0 * np.log1p(squared / 9.0), axis=1)

    def select(self, frames: npt.NDArray[np.intp]) -> DepthPrior:
        """Return that of some frames."""
        return DepthPrior(self.forward, self.difference[frames], self.information[frames])


def shape_scale(landmarks: Landmarks, torso: float) -> float:
    """Return the person's size over the pose model's, from the torso length in m (hips' to shoulders' midpoint); 1 if never seen."""
    shape = landmarks.shape_m[0, :, POSE]
    model = np.linalg.norm((shape[:, 11] + shape[:, 12] - shape[:, 23] - shape[:, 24]) / 2, axis=-1)
    return float(torso / np.nanmedian(model)) if np.isfinite(model).any() else 1.0


def place_shape(
    landmarks: Landmarks, rays: FloatArray, origin: FloatArray, T_world_camera: FloatArray, scale: float, frame: int
) -> FloatArray:
    """Return the pose model's shape (75, 3) m in the world, moved to where the rays of the main joints pass it closest; NaN if unseen."""
    shape = landmarks.shape_m[0, frame] * scale @ T_world_camera[:3, :3].T
    rows = [index for index in MAIN_JOINTS if np.isfinite(shape[index]).all() and np.isfinite(rays[index]).all()]
    points = np.full((75, 3), np.nan)
    if len(rows) < 4:
        return points
    projectors = np.eye(3) - rays[rows, :, None] * rays[rows, None, :]
    right = np.einsum("nij,nj->i", projectors, origin - shape[rows])
    points[POSE] = shape[POSE] + np.linalg.solve(projectors.sum(axis=0), right)
    return points


assert len(_HAND_PARENT) == len(HAND_NAMES)
