"""The measure of a fit against the images: nothing left out, and the share of relabelled views beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose.camera_poses import ROOM, project
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks

FloatArray = npt.NDArray[np.float64]

MIN_VISIBILITY = 0.5
"""Detections that the pose model believes at least this much are counted."""


@dataclass(frozen=True)
class Reprojection:
    """Distances between fitted and detected joints.

    ``error_px`` (C, T, 12): NaN where the pose model did not see the joint with the least visibility. ``relabelled_share``: of the views with a
    person, those whose left and right the fit exchanged.
    """

    error_px: FloatArray
    relabelled_share: float

    @property
    def median_px(self) -> float:
        """Median over every camera, frame and joint; NaN if none was seen."""
        return float(np.nanmedian(self.error_px)) if np.isfinite(self.error_px).any() else float("nan")

    @property
    def p95_px(self) -> float:
        """95th percentile of the same."""
        return float(np.nanpercentile(self.error_px, 95)) if np.isfinite(self.error_px).any() else float("nan")


def reprojection_residuals(motion: HumanMotion, landmarks: Landmarks, rig: Rig) -> Reprojection:
    """Compare the twelve main joints of the fit with each view's detection under the label that the fit gave to that view.

    Every camera, frame and joint with visibility >= 0.5 counts. A joint that the fit puts behind a camera counts as infinitely far. Where cameras
    move, (C, T, 54): the 42 landmarks of the hands follow, which are all that worn cameras see; they count in those alone. So they do where no body
    was seen at all.
    """
    exchanged = motion.relabelled == 1
    labelled = landmarks.exchanged(exchanged)
    by_hands = motion.camera_poses is not None or not sees_bodies(landmarks)
    joints = [*MAIN_JOINTS, *range(LEFT_HAND.start, RIGHT_HAND.stop)] if by_hands else [*MAIN_JOINTS]
    pixels, visibility = labelled.pixels[:, :, joints], labelled.confidence[:, :, joints].copy()
    errors = np.full(visibility.shape, np.nan)
    for row, name in enumerate(landmarks.cameras):
        camera = rig.camera(name)
        if motion.camera_poses is not None:
            projected = project(camera.model, motion.camera_poses[row], motion.landmarks[:, joints])
            visibility[row, np.isnan(motion.camera_poses[row, :, 0, 0])] = np.nan
            if camera.body == ROOM:
                visibility[row, :, len(MAIN_JOINTS) :] = np.nan
        else:
            T = camera.T_camera_body
            projected = camera.model.project(motion.landmarks[:, joints] @ T[:3, :3].T + T[:3, 3])
        distance = np.linalg.norm(projected - pixels[row], axis=-1)
        errors[row] = np.where(np.isfinite(projected).all(axis=-1), distance, np.inf)
    errors = np.where((np.nan_to_num(visibility) >= MIN_VISIBILITY) & np.isfinite(motion.landmarks[None, :, joints, 0]), errors, np.nan)
    seen = motion.relabelled != 255
    return Reprojection(errors, float(exchanged[seen].mean()) if seen.any() else float("nan"))


def sees_bodies(landmarks: Landmarks) -> bool:
    """Tell whether any camera ever saw more of a person than hands."""
    return bool(np.isfinite(landmarks.pixels[:, :, POSE]).any())
