"""How wrong the cameras of a simulated recording are taken to be: their clocks and their places, against the truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
        there = frame_index[row] >= 0
        frames = frame_index[row][there]
        poses, true = camera_poses.T_world_camera[row][there], truth.T_world_camera[own][frames]
        turn = np.einsum("nij,nik->njk", poses[:, :3, :3], true[:, :3, :3])
        # The chord keeps small angles exact, where the cosine of the trace does not.
        angle = 2 * np.arcsin(np.clip(np.linalg.norm(turn - np.eye(3), axis=(1, 2)) / np.sqrt(8), 0.0, 1.0))
        found[name] = {
            "clock_ms": _largest(1e3 * np.abs(times_s[row][there] - truth.camera_times_s[own][frames])),
            "position_mm": _largest(1e3 * np.linalg.norm(poses[:, :3, 3] - true[:, :3, 3], axis=1)),
            "rotation_deg": _largest(np.degrees(angle)),
        }
    return found


def _largest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")
