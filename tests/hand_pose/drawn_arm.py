"""Images of one drawn arm, before a textured background, as worn cameras see it."""

from __future__ import annotations

import cv2
import numpy as np

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.transform import invert, pose_from
from bodydouble.hand_pose.limb_contrast import View

MODEL = FisheyeCamera((400, 300), (170.0, 170.0), (199.5, 149.5))
WRIST = np.array([0.02, 0.05, 0.45])
FOREARM_M = 0.25
SLEEVE = (60, 110, 80)
RADII_M = (0.030, 0.044)


def looking(position: tuple[float, float, float], at: np.ndarray = WRIST) -> np.ndarray:
    """Return the pose (4, 4) of an upright camera."""
    z = at - position
    z = z / np.linalg.norm(z)
    x = np.cross([0.0, 1.0, 0.0], z)
    x = x / np.linalg.norm(x)
    return pose_from(np.stack([x, np.cross(z, x), z], axis=1), np.array(position))


POSES = (looking((-0.15, -0.05, 0.0)), looking((0.15, -0.05, 0.02)), looking((0.0, -0.20, 0.10)))


def drawn_views(direction: np.ndarray, *, sleeve: tuple[int, int, int] = SLEEVE, poses: tuple[np.ndarray, ...] = POSES) -> list[View]:
    """Return what cameras see of a forearm that points from WRIST in ``direction`` (3,)."""
    rng = np.random.default_rng(3)
    views = []
    for pose in poses:
        image = cv2.resize(rng.integers(120, 250, (12, 16, 3), dtype=np.uint8), (400, 300), interpolation=cv2.INTER_NEAREST)
        T = invert(pose)
        share = np.linspace(0.0, 1.0, 40)[:, None]
        axis = (WRIST + share * FOREARM_M * direction) @ T[:3, :3].T + T[:3, 3]
        across = np.cross(axis, direction @ T[:3, :3].T)
        across *= (RADII_M[0] + (RADII_M[1] - RADII_M[0]) * share) / np.linalg.norm(across, axis=1, keepdims=True)
        outline = MODEL.project(np.concatenate([axis - across, (axis + across)[::-1]]))
        cv2.fillPoly(image, [np.round(outline * 16).astype(np.int32)], sleeve, shift=4)
        image = np.clip(image + rng.normal(0.0, 3.0, image.shape), 0, 255).astype(np.uint8)
        views.append(View(MODEL, pose, image))
    return views


def hand_before(direction: np.ndarray, side: str = "right") -> np.ndarray:
    """Return landmarks (21, 3) of a flat hand that goes on straight from a forearm."""
    across = np.cross(direction, [0.0, 0.0, 1.0])
    across = across / np.linalg.norm(across) * (1.0 if side == "right" else -1.0)
    hand = np.tile(WRIST, (21, 1))
    for finger, offset in enumerate((0.035, 0.025, 0.008, -0.008, -0.025)):
        for joint in range(4):
            hand[1 + 4 * finger + joint] += offset * across - direction * (0.06 + 0.03 * joint)
    return hand


def turned(direction: np.ndarray, degrees: float, about: np.ndarray) -> np.ndarray:
    """Return a direction turned about an axis."""
    rotation, _ = cv2.Rodrigues(np.radians(degrees) * np.asarray(about, dtype=float) / np.linalg.norm(about))
    return rotation @ direction
