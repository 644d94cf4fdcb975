"""Estimators by name, to be compared: the whole fit, and what there is without a model of the person."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.errors import UnknownNameError
from bodydouble.hand_pose.baseline import triangulated_baseline
from bodydouble.hand_pose.camera_poses import ROOM, CameraPoses
from bodydouble.hand_pose.estimation import EstimatorSettings, estimate, master_times, triangulated_points
from bodydouble.hand_pose.human import LINKS, angle_names
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.hand_pose.observations import Observations
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

FIT = "fit"
"""The name of the estimator that ``process`` uses."""


class Estimator(Protocol):
    """What finds a person's motion from landmarks; see ``estimation.estimate``."""

    def __call__(
        self,
        landmarks: Landmarks,
        rig: Rig,
        settings: EstimatorSettings = ...,
        *,
        camera_poses: CameraPoses | None = ...,
        progress: Progress = ...,
    ) -> HumanMotion:
        """Return the motion."""
        ...


def estimator(name: str) -> Estimator:
    """Return an estimator by its name. Raises: UnknownNameError."""
    if name not in ESTIMATORS:
        raise UnknownNameError("estimator", name, "the estimators", tuple(ESTIMATORS))
    return ESTIMATORS[name]


def triangulated_robustly(
    landmarks: Landmarks, rig: Rig, settings: EstimatorSettings = EstimatorSettings(), *,
    camera_poses: CameraPoses | None = None, progress: Progress = silent,
) -> HumanMotion:  # fmt: skip
    """Return every landmark of every frame triangulated by itself: the best pair of cameras, then all that agree. Sides are as detected."""
    poses = _poses(landmarks, rig, camera_poses)
    points = triangulated_points(Observations.of(landmarks, rig, poses))
    progress(1.0, 1.0)
    return _points_alone(points, landmarks, poses)


def triangulated_linearly(
    landmarks: Landmarks, rig: Rig, settings: EstimatorSettings = EstimatorSettings(), *,
    camera_poses: CameraPoses | None = None, progress: Progress = silent,
) -> HumanMotion:  # fmt: skip
    """Return every landmark of every frame by confidence-weighted linear least squares. Sides are as detected."""
    poses = _poses(landmarks, rig, camera_poses)
    points = triangulated_baseline(landmarks, rig, poses)
    progress(1.0, 1.0)
    return _points_alone(points, landmarks, poses)


ESTIMATORS: dict[str, Estimator] = {FIT: estimate, "robust": triangulated_robustly, "linear": triangulated_linearly}
"""Name to what it names."""


def _poses(landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses | None) -> CameraPoses:
    return CameraPoses.static(rig, landmarks.cameras, landmarks.frames) if camera_poses is None else camera_poses.select(landmarks.cameras)


def _points_alone(points: FloatArray, landmarks: Landmarks, poses: CameraPoses) -> HumanMotion:
    """Return a motion of which only landmarks (T, 75, 3) are known: no tree, no joint angles, no uncertainty."""
    frames, joints = landmarks.frames, angle_names()
    seen = np.isfinite(points).all(axis=2)
    nobody = np.isnan(landmarks.pixels).all(axis=(2, 3))
    return HumanMotion(
        times_s=master_times(landmarks), frame=poses.frame if poses.moving else ROOM, link_names=LINKS,
        link_poses=np.full((frames, len(LINKS), 4, 4), np.nan), joint_names=joints, joint_angles=np.full((frames, len(joints)), np.nan),
        joint_source=np.full((frames, len(joints)), Source.MISSING, dtype=np.uint8), base_pose=np.full((frames, 7), np.nan), landmarks=points,
        landmark_sigma=np.full((frames, 75), np.nan), landmark_source=np.where(seen, Source.OBSERVED, Source.MISSING).astype(np.uint8),
        bone_lengths={}, stature=float("nan"), cameras=landmarks.cameras, relabelled=np.where(nobody, 255, 0).astype(np.uint8),
        fit_error_px=np.full(frames, np.nan), triangulated=points, camera_poses=poses.T_world_camera if poses.moving else None,
    )  # fmt: skip
