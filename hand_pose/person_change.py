"""Notice that the detector has jumped to another person: the torso is suddenly elsewhere, or of another size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import POSE_NAMES, Landmarks

JUMP_TORSOS_PER_S = 25.0
"""A torso (0.5 m) that moves faster than this many of its own lengths a second is another one: 12 m/s is a sprinter's top speed."""
JUMP_TORSOS = 0.8
"""And by at least this many lengths, since a detector's error of a few pixels in one frame is no motion."""
SIZE_RATIO = 1.8
"""A torso that changes its apparent length by this factor between frames less than 0.2 s apart."""


def person_changes(landmarks: Landmarks) -> npt.NDArray[np.bool_]:
    """Return (T,) True from the frame in which most of the cameras that see somebody jump to somebody else, until they jump again.

    One camera of several that loses its person is an outlier, which the fit rejects; it is not flagged.
    """
    frames = landmarks.frames
    jumps, seen = np.zeros(frames, dtype=int), np.zeros(frames, dtype=int)
    index = {name: row for row, name in enumerate(POSE_NAMES)}
    for camera in range(len(landmarks.cameras)):
        points, times = landmarks.pixels[camera], landmarks.times_s[camera]
        hips = (points[:, index["left_hip"]] + points[:, index["right_hip"]]) / 2
        shoulders = (points[:, index["left_shoulder"]] + points[:, index["right_shoulder"]]) / 2
        length, center = np.linalg.norm(hips - shoulders, axis=1), (hips + shoulders) / 2
        found = np.flatnonzero(np.isfinite(length))
        seen[found] += 1
        for before, after in pairwise(found):
            interval = max(times[after] - times[before], 1e-3)
            size = max(length[before], length[after])
            moved = float(np.linalg.norm(center[after] - center[before])) / size
            ratio = size / max(min(length[before], length[after]), 1.0)
            jumped = moved > max(JUMP_TORSOS, JUMP_TORSOS_PER_S * interval)
            jumps[after] += jumped or (ratio > SIZE_RATIO and moved > JUMP_TORSOS / 2 and interval < 0.2)
    changed = (seen > 0) & (jumps * 2 > seen)
    # The first person is the recording's: frames are marked while somebody else is followed.
    other: npt.NDArray[np.bool_] = np.cumsum(changed) % 2 == 1
    return other
