"""Left from right by shape alone: fingers curl towards the palm, and face and feet point forwards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

WRIST, INDEX_KNUCKLE, MIDDLE_KNUCKLE, LITTLE_KNUCKLE = 0, 5, 9, 17
FINGERS = ((5, 8), (9, 12), (13, 16), (17, 20))
"""Knuckle and tip."""


def curl(hand: FloatArray) -> FloatArray:
    """Return (T,) how far, in palm lengths, fingertips of a hand (T, 21, 3) are beyond the plane of its palm, on the side from which wrist, index and
    little knuckle appear anticlockwise: negative for a left hand that is bent as hands are, positive for a right one.
    """
    wrist = hand[:, WRIST]
    normal = np.cross(hand[:, INDEX_KNUCKLE] - wrist, hand[:, LITTLE_KNUCKLE] - wrist)
    normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    beyond = [np.einsum("ti,ti->t", hand[:, tip] - hand[:, knuckle], normal) for knuckle, tip in FINGERS]
    found: FloatArray = np.mean(beyond, axis=0) / np.linalg.norm(hand[:, MIDDLE_KNUCKLE] - wrist, axis=-1)
    return found


def backwards(points: Mapping[str, FloatArray]) -> FloatArray:
    """Return (T,) 1 where both face and feet point behind the person, as left and right shoulder and hip say what is ahead; 0 where not, NaN unknown."""
    left, right = (0.5 * (points[f"{side}_shoulder"] + points[f"{side}_hip"]) for side in ("left", "right"))
    up = 0.5 * (points["left_shoulder"] + points["right_shoulder"] - points["left_hip"] - points["right_hip"])
    ahead = np.cross(left - right, up)
    face = points["nose"] - 0.5 * (points["left_ear"] + points["right_ear"])
    feet = sum(points[f"{side}_foot_index"] - points[f"{side}_heel"] for side in ("left", "right"))
    towards = np.stack([np.einsum("ti,ti->t", way, ahead) for way in (face, feet)])
    return np.where(np.isfinite(towards).all(axis=0), (towards < 0).all(axis=0), np.nan)
