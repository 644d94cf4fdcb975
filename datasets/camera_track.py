"""The cameras of an episode over time: lenses, and where each was at each of its frames, with standard deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.camera_poses import ROOM
from bodydouble.hand_pose.human_motion import HumanMotion

if TYPE_CHECKING:
    from bodydouble.calibration import Rig, RigMotion

FloatArray = npt.NDArray[np.float64]

TERMS = 12
"""Of a distortion, at most; shorter ones are filled up with NaN."""


@dataclass(frozen=True)
class CameraTrack:
    """C cameras over T frames, in the order of the episode's cameras. NaN where not known; arrays are read-only."""

    models: tuple[str, ...]
    """Camera model of each, as in rig.toml."""
    intrinsics: FloatArray
    """(C, 4) fx, fy, cx, cy in px of the calibrated image (pixel centres at whole numbers)."""
    distortion: FloatArray
    """(C, 12) terms of the model, NaN beyond its last."""
    sigma: FloatArray
    """(C, 5) one standard deviation of focal length (px), principal point (px), rotation (rad) and position (m) on the body, clock (s)."""
    T_world_camera: FloatArray
    """(C, T, 4, 4) at each camera's own true times."""
    pose_sigma: FloatArray
    """(C, T, 2) one standard deviation of rotation (rad) and position (m) in the world; NaN where nobody said."""

    def __post_init__(self) -> None:
        count, frames = self.T_world_camera.shape[:2]
        freeze_arrays(self, {
            "intrinsics": ((count, 4), np.float64), "distortion": ((count, TERMS), np.float64), "sigma": ((count, 5), np.float64),
            "T_world_camera": ((count, frames, 4, 4), np.float64), "pose_sigma": ((count, frames, 2), np.float64),
        })  # fmt: skip


def track_cameras(rig: Rig, motion: HumanMotion, times_s: FloatArray, rig_motion: RigMotion | None = None) -> CameraTrack:
    """Return the cameras of ``motion`` over time; ``times_s`` (C, T) are their true times, ``rig_motion`` says how sure their bodies' poses are."""
    cameras = [rig.camera(name) for name in motion.cameras]
    T, pose_sigma = np.full((*times_s.shape, 4, 4), np.nan), np.full((*times_s.shape, 2), np.nan)
    sigma = np.full((len(cameras), 5), np.nan)
    distortion = np.full((len(cameras), TERMS), np.nan)
    for row, camera in enumerate(cameras):
        said = camera.sigma
        values = (said.focal_px, said.center_px, said.rotation_rad, said.position_m, said.time_offset_s)
        sigma[row] = [np.nan if value is None else value for value in values]
        distortion[row, : len(camera.model.distortion)] = camera.model.distortion
        mount = sigma[row, 2:4]
        if camera.body == ROOM:
            T[row], pose_sigma[row] = camera.T_body_camera, mount
        elif motion.camera_poses is not None:
            T[row] = motion.camera_poses[row]
            if rig_motion is not None and camera.body in rig_motion.bodies:
                pose_sigma[row] = _with_body(rig_motion, camera.body, times_s[row], mount, camera.T_body_camera[:3, 3])
    known = np.isfinite(times_s)
    T[~known] = np.nan
    pose_sigma[~np.isfinite(T).all(axis=(2, 3))] = np.nan
    from bodydouble.calibration.cameras.models import name_of

    lenses = np.array([[*camera.model.focal, *camera.model.center] for camera in cameras]).reshape(len(cameras), 4)
    return CameraTrack(tuple(str(name_of(camera.model)) for camera in cameras), lenses, distortion, sigma, T, pose_sigma)


def _with_body(rig_motion: RigMotion, body: str, times_s: FloatArray, mount: FloatArray, arm: FloatArray) -> FloatArray:
    found = np.full((len(times_s), 2), np.nan)
    known = np.isfinite(times_s)
    covariance = rig_motion.body(body).pose_at(times_s[known]).covariance
    variance = np.einsum("tii->ti", covariance)
    turn, place = variance[:, :3].mean(axis=1), variance[:, 3:].mean(axis=1)
    mounted = np.nan_to_num(mount) ** 2  # a mount that nobody gave a sigma adds nothing
    found[known, 0] = np.sqrt(turn + mounted[0])
    found[known, 1] = np.sqrt(place + turn * float(arm @ arm) * 2 / 3 + mounted[1])
    return found
