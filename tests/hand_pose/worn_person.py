"""A simulated person who wears the helmet rig: the human tree with its hands before it, and what the helmet's cameras see of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig, contains, preset_rig
from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.start_pose import reach

FloatArray = npt.NDArray[np.float64]
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class WornPerson:
    """What the person did, what the cameras saw, and which views (C, T, 2) carry the other hand's label."""

    points: FloatArray
    rig: Rig
    landmarks: Landmarks
    camera_poses: CameraPoses
    flipped: npt.NDArray[np.bool_]


def worn_person(
    *, frames: int = 30, seed: int = 0, noise: float = 0.03, flips: float = 0.06, hidden: float = 0.05, stature: float = 1.80
) -> WornPerson:
    """Let both hands of a person work at a table for ``frames`` at 30 Hz.

    ``noise`` is a share of the hand's size in the image; a share ``flips`` of found hands has the wrong label, ``hidden`` is not found.
    """
    rng = np.random.default_rng(seed)
    rig, human = preset_rig("optimus-helmet5"), Human(typical_lengths(stature))
    times = np.arange(frames) / 30.0
    poses = [_pose(human, float(t)) for t in times]
    points = np.stack([human.landmarks(q) for q in poses])
    row = LANDMARK_NAMES.index
    T_head = np.tile(np.eye(4), (frames, 1, 1))
    for frame, q in enumerate(poses):
        T_head[frame, :3, :3] = human.link_rotation(q, "head")
    T_head[:, :3, 3] = (points[:, row("left_eye")] + points[:, row("right_eye")]) / 2
    T_world_camera = np.stack([T_head @ camera.T_body_camera for camera in rig.cameras.values()])
    camera_poses = CameraPoses(rig.names, T_world_camera, rig.names, {"helmet": T_head})
    shape = (len(rig.names), frames, 75)
    pixels, confidence, guess = np.full((*shape, 2), np.nan), np.full(shape, np.nan), np.full((*shape, 3), np.nan)
    flipped = np.zeros((*shape[:2], 2), dtype=bool)
    hands = (LEFT_HAND, RIGHT_HAND)
    for view in np.ndindex(shape[:2]):
        T = T_world_camera[view]
        in_camera = (points[view[1]] - T[:3, 3]) @ T[:3, :3]
        model = rig.cameras[rig.names[view[0]]].model
        uv = model.project(in_camera)
        found = [side for side in (0, 1) if contains(model, uv[hands[side]]).all() and rng.random() > hidden]
        labels = [side if rng.random() > flips else 1 - side for side in found]
        if len(found) == 2 and labels[0] == labels[1]:
            labels[1] = 1 - labels[0]
        for side, label in zip(found, labels, strict=True):
            size = np.ptp(uv[hands[side]], axis=0).max()
            pixels[view][hands[label]] = uv[hands[side]] + rng.normal(0, noise * size, (21, 2))
            confidence[view][hands[label]] = 0.9
            guess[view][hands[label]] = (in_camera[hands[side]] - in_camera[hands[side]].mean(axis=0)) * rng.normal(1.0, 0.05)
            flipped[view][label] = side != label
    landmarks = Landmarks(rig.names, np.tile(times, (len(rig.names), 1)), pixels, confidence, guess, {})
    return WornPerson(points, rig, landmarks, camera_poses, flipped)


def _pose(human: Human, t: float) -> FloatArray:
    q: FloatArray = human.rest.copy()
    q[:3] = 0.05 * np.sin(t), 0.03 * np.cos(t), 0.95
    turn = np.zeros(human.nv)
    turn[human.columns("head")] = 0.0, 0.45 + 0.1 * np.sin(2 * t), 0.3 * np.sin(t)
    turn[human.columns("neck")] = 0.0, 0.2, 0.0
    turn[human.columns("thoracic")] = 0.0, 0.1, 0.0
    q = human.integrate(q, turn)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        target = np.full((75, 3), np.nan)
        target[LANDMARK_NAMES.index(f"{side}_hand_wrist")] = (
            0.42 + 0.08 * np.sin(2 * t + sign), 0.18 * sign + 0.1 * np.sin(1.3 * t), 1.1 + 0.06 * np.cos(3 * t + sign)
        )  # fmt: skip
        q = reach(human, q[None], target[None], side, UP)[0]
        bend = np.zeros(human.nv)
        bend[human.columns(f"{side}_forearm_pronation")] = 0.9 + 0.3 * np.sin(t)
        bend[human.columns(f"{side}_wrist_flexion")] = -0.3 + 0.2 * np.sin(2 * t)
        for finger in ("index", "middle", "ring", "little"):
            bend[human.columns(f"{side}_{finger}_mcp")] = 0.5 + 0.3 * np.sin(2 * t)
            bend[human.columns(f"{side}_{finger}_pip")] = 0.6 + 0.3 * np.sin(2 * t + 1)
            bend[human.columns(f"{side}_{finger}_dip")] = 0.3
        q = human.integrate(q, bend)
    return q
