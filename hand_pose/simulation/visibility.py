"""Whether a landmark can be seen by a camera, and if not, why."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel, contains
from bodydouble.calibration.transform import apply, invert
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.simulation.moment import Part, Visibility
from bodydouble.hand_pose.simulation.scene import FIRST_FACE, Scene

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_FLESH_M = {
    "shoulder": 0.10, "elbow": 0.065, "wrist": 0.05, "hip": 0.16, "knee": 0.085, "ankle": 0.065, "heel": 0.05, "foot_index": 0.05, "ear": 0.045,
    "eye": 0.03, "nose": 0.025, "mouth": 0.025,
    "hand_wrist": 0.045, "cmc": 0.035, "mcp": 0.028, "pip": 0.018, "dip": 0.016, "ip": 0.018, "tip": 0.016,
}  # fmt: skip
"""m: how far before a landmark its own skin may be met. A joint's centre lies in flesh, more so where the camera looks along the bone."""
_BESIDE = {
    "shoulder": ("TORSO",), "elbow": (), "wrist": ("HAND",), "hip": ("TORSO",), "ankle": ("FOOT",), "hand_wrist": ("ARM",), "cmc": ("ARM",),
}  # fmt: skip
"""Other parts whose skin may lie over a landmark."""
_OF_PART = {
    "shoulder": "ARM", "elbow": "ARM", "wrist": "ARM", "pinky": "HAND", "index": "HAND", "thumb": "HAND", "hip": "LEG", "knee": "LEG",
    "ankle": "LEG", "heel": "FOOT", "foot_index": "FOOT",
}  # fmt: skip


def visibility_in(
    scene: Scene, landmarks: FloatArray, model: CameraModel, T_world_camera: FloatArray
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return the ``Visibility`` (75,) of landmarks (75, 3) of the world in a camera, and their pixels (75, 2), NaN where the lens does not image them.

    A ray to the landmark decides: visible if it meets nothing before it but the flesh around the joint, hidden by itself if it meets the landmark's own
    part further off, else hidden. A hand behind its own forearm is hidden.
    """
    eye = np.asarray(T_world_camera, dtype=np.float64)[:3, 3]
    pixels = model.project(apply(invert(T_world_camera), landmarks))
    towards = landmarks - eye
    distance = np.linalg.norm(towards, axis=1)
    rays = np.concatenate([np.broadcast_to(eye, towards.shape), towards / np.maximum(distance, 1e-9)[:, None]], axis=1).astype(np.float32)
    hits = scene.cast(rays)
    surface = scene.builder.surface[hits.triangle]
    own, beside, flesh = _landmark_table()
    before = distance - hits.distance_m
    part = np.clip(surface, 0, FIRST_FACE - 1)
    person = (surface >= 0) & (surface < FIRST_FACE)
    on_own, on_beside = person & (part == own), person & beside[np.arange(len(own)), part]
    result = np.full(len(landmarks), Visibility.HIDDEN, dtype=np.uint8)
    result[on_own] = Visibility.SELF_HIDDEN
    result[(before <= 0.001) | ((on_own | on_beside) & (before <= flesh))] = Visibility.VISIBLE
    result[~contains(model, pixels)] = Visibility.OUTSIDE
    return result, pixels


@lru_cache(maxsize=1)
def _landmark_table() -> tuple[npt.NDArray[np.int64], BoolArray, FloatArray]:
    """Return the ``Part`` (75,) of every landmark, the parts (75, 10) that may lie over it besides, and the depth (75,) in m of the flesh around it."""
    own, flesh = np.zeros(75, dtype=np.int64), np.zeros(75)
    beside = np.zeros((75, len(Part)), dtype=bool)
    for row, name in enumerate(LANDMARK_NAMES):
        side = "LEFT" if "left" in name else "RIGHT"
        bare = name.replace("left_", "").replace("right_", "")
        if bare.startswith("hand_"):
            kind = "hand_wrist" if bare == "hand_wrist" else bare.rsplit("_", 1)[1]
            own[row] = Part[f"{side}_HAND"]
        else:
            kind = "nose" if bare == "nose" else bare
            kind = "mouth" if bare.startswith("mouth") else "eye" if bare.startswith("eye") else kind
            own[row] = Part[f"{side}_{_OF_PART[bare]}"] if bare in _OF_PART else Part.HEAD
        flesh[row] = _FLESH_M["mcp" if kind in ("pinky", "index", "thumb") else kind]
        for other in _BESIDE.get(kind, ()):
            beside[row, Part[other] if other == "TORSO" else Part[f"{side}_{other}"]] = True
    return own, beside, flesh
