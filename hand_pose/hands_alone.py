"""A recording that shows hands and nobody: where the person may be whose hands they are. All of it is a guess, to start a fit from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.worn import Worn

FloatArray = npt.NDArray[np.float64]

KNUCKLE = 9
HAND_TO_EYES = (-0.25, 0.25)
"""m behind and above the wrist. Nearer than most hands at work, so that no arm has to be stretched: one that is holds its hand back in the fit."""
ASIDE = 0.15
"""m that a hand is beside the middle of the body."""
LEVEL = 0.3
"""Fingers that point up or down by more than this leave less than a third of their direction level; the person then faces the camera."""


def person_behind(points: FloatArray, camera: FloatArray) -> Worn:
    """Return a person of whom hands are at points (T, 75, 3) m, NaN where not seen, before a camera at (3,); z is up.

    The person faces where the fingers point on average. One and the same place for the whole recording.
    """
    up = np.array([0.0, 0.0, 1.0])
    hands = {"left": points[:, LEFT_HAND], "right": points[:, RIGHT_HAND]}
    wrists = {side: hand[np.isfinite(hand[:, 0, 0]), 0] for side, hand in hands.items()}
    fingers = np.concatenate([hand[:, KNUCKLE] - hand[:, 0] for hand in hands.values()])
    fingers = fingers[np.isfinite(fingers).all(axis=1)]
    pointing = (fingers / np.maximum(np.linalg.norm(fingers, axis=1, keepdims=True), 1e-9)).mean(axis=0) if len(fingers) else np.zeros(3)
    middle = np.concatenate(list(wrists.values())).mean(axis=0) if len(fingers) else np.zeros(3)
    forward = pointing * (1.0, 1.0, 0.0)
    if np.linalg.norm(forward) < LEVEL:
        forward = (camera - middle) * (1.0, 1.0, 0.0)
    forward = forward / max(float(np.linalg.norm(forward)), 1e-9) if np.linalg.norm(forward) > 1e-6 else np.array([1.0, 0.0, 0.0])
    left = np.cross(up, forward)
    total = sum(map(len, wrists.values()))
    beside = (len(wrists["right"]) - len(wrists["left"])) / max(total, 1) * ASIDE
    eyes = middle + HAND_TO_EYES[0] * forward + HAND_TO_EYES[1] * up + beside * left
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([forward, left, up], axis=1), eyes
    return Worn(np.tile(T, (len(points), 1, 1)), up, np.tile(forward, (len(points), 1)), None)
