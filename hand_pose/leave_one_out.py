"""The error of leaving a camera out: a fit without it, compared with what it saw. It needs no truth, and the withheld camera decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.errors import BodydoubleError
from bodydouble.hand_pose.baseline import best_sides, triangulated_baseline
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LEFT_HAND, MAIN_JOINTS, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.metrics import median_and_p90
from bodydouble.hand_pose.simulation.truth import Truth
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
Refit = Callable[[Landmarks, Rig, CameraPoses], HumanMotion]
"""Fits anew, from nothing but what is passed."""
Errors = dict[str, dict[str, dict[str, float]]]
"""Column ("estimator", "baseline") to camera to {"median", "p90"} in px."""

HANDS = slice(LEFT_HAND.start, RIGHT_HAND.stop)


@dataclass(frozen=True)
class LeaveOneOut:
    """Errors over all frames and the 12 main joints, or the 42 hand landmarks, that the withheld camera detected, whatever it believed of them.

    Its labels are taken as they are. Empty with one camera.
    """

    body: Errors
    hands: Errors
    reasons: dict[str, str]
    """Camera to why there was no fit without it."""


def leave_each_out(
    landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, refit: Refit, *,
    truth: Truth | None = None, frame_index: npt.NDArray[np.int64] | None = None, progress: Progress = silent,
) -> LeaveOneOut:  # fmt: skip
    """Fit without each camera in turn, by ``refit`` and by plain triangulation, and compare with that camera's own detections.

    The triangulation takes the true sides, or without ``truth`` those of the fit without the camera. Frames that no other camera filmed are left out.
    """
    cameras = landmarks.cameras
    if len(cameras) < 2:
        return LeaveOneOut({}, {}, {cameras[0]: "it is the only camera"})
    nothing = median_and_p90([])
    body: Errors = {column: dict.fromkeys(cameras, nothing) for column in ("estimator", "baseline")}
    hands: Errors = {column: dict.fromkeys(cameras, nothing) for column in ("estimator", "baseline")}
    reasons: dict[str, str] = {}
    for number, camera in enumerate(cameras):
        progress(number, len(cameras))
        row = cameras.index(camera)
        if not np.isfinite(landmarks.pixels[row]).any():
            reasons[camera] = "it detected nothing"
            continue
        others = tuple(name for name in cameras if name != camera)
        filmed: npt.NDArray[np.bool_] = np.isfinite(landmarks.select(others).times_s).sum(axis=0) > 0
        rest = _at(landmarks.select(others), filmed)
        poses = _poses_at(camera_poses.select(others), filmed)
        try:
            fitted = refit(rest, rig.select(others), poses)
        except BodydoubleError as error:
            reasons[camera] = str(error)
            continue
        index = None if frame_index is None else np.delete(frame_index, row, axis=0)[:, filmed]
        plain = triangulated_baseline(best_sides(rest, fitted, truth, index), rig, poses)
        for column, points in (("estimator", fitted.landmarks), ("baseline", plain)):
            everywhere = np.full((landmarks.frames, 75, 3), np.nan)
            everywhere[filmed] = points
            error_px = withheld_error_px(everywhere, landmarks, rig, camera_poses, camera)
            body[column][camera] = median_and_p90(error_px[:, MAIN_JOINTS])
            hands[column][camera] = median_and_p90(error_px[:, HANDS])
    progress(len(cameras), len(cameras))
    return LeaveOneOut(body, hands, reasons)


def withheld_error_px(points: FloatArray, landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, camera: str) -> FloatArray:
    """Return (T, 75) px between landmarks (T, 75, 3) m in one camera's image and what that camera detected, under its own labels.

    Infinite for a point that the camera could not image; NaN where either is missing or the camera's pose is not known.
    """
    row = landmarks.cameras.index(camera)
    projected = camera_poses.project(rig.camera(camera).model, camera, points)
    distance = np.linalg.norm(projected - landmarks.pixels[row], axis=-1)
    both = np.isfinite(points).all(axis=-1) & np.isfinite(landmarks.pixels[row]).all(axis=-1)
    both &= camera_poses.known[camera_poses.cameras.index(camera)][:, None]
    return np.where(both, np.where(np.isfinite(distance), distance, np.inf), np.nan)


def _at(landmarks: Landmarks, frames: npt.NDArray[np.bool_]) -> Landmarks:
    if frames.all():
        return landmarks
    return Landmarks(
        landmarks.cameras, landmarks.times_s[:, frames], landmarks.pixels[:, frames], landmarks.confidence[:, frames], landmarks.shape_m[:, frames],
        landmarks.settings,
    )  # fmt: skip


def _poses_at(poses: CameraPoses, frames: npt.NDArray[np.bool_]) -> CameraPoses:
    if frames.all():
        return poses
    bodies = {name: T[frames] for name, T in poses.T_world_body.items()}
    return CameraPoses(poses.cameras, poses.T_world_camera[:, frames], poses.moving, bodies, poses.frame)
