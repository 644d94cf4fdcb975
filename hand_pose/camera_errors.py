"""How wrong the cameras of a simulated recording are taken to be: their clocks and their places, against the truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_distance
from bodydouble.hand_pose.baseline import at_frames
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.simulation.truth import Truth

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def camera_errors(times_s: FloatArray, frame_index: IntArray, camera_poses: CameraPoses, truth: Truth) -> dict[str, dict[str, float]]:
    """Return camera to the largest ``clock_ms``, and the largest ``position_mm`` and ``rotation_deg`` of where it is taken to have been.

    ``times_s`` (C, T) are the instants that the recording and its rig claim, ``frame_index`` (C, T) the numbers of the frames in the videos, negative where
    there is none. NaN where nothing is known. Poses are those at the claimed instants: a wrong clock of a moving camera shows there, too.
    """
    found = {}
    for row, name in enumerate(camera_poses.cameras):
        own = truth.camera(name)
        poses, true = camera_poses.T_world_camera[row], at_frames(truth.T_world_camera[own], frame_index[row], np.nan)
        known = np.isfinite(poses).all(axis=(1, 2)) & np.isfinite(true).all(axis=(1, 2))
        angle, distance = pose_distance(true[known], poses[known])
        found[name] = {
            "clock_ms": _largest(1e3 * np.abs(times_s[row] - at_frames(truth.camera_times_s[own], frame_index[row], np.nan))),
            "position_mm": _largest(1e3 * distance),
            "rotation_deg": _largest(np.degrees(angle)),
        }
    return found


def _largest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")
