"""How far a detection may be off: from the size of what was looked at, the model's score, speed in the image and the kind of landmark.

The logarithm of sigma is linear in the logarithms of those. The coefficients of hands were measured on simulated people (3400 views of hands with known
truth, tasks table, carry and shelf; ``tests/benchmarks/measure_detector_offsets.py`` finds the same rays): a score of 0.6 means ten times the error of a
score of 0.98. How large errors are in a recording itself is estimated from the residuals of a first fit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES, LEFT_HAND, POSE, RIGHT_HAND, Landmarks

FloatArray = npt.NDArray[np.float64]

KINDS = ("body joint", "body surface", "palm", "finger", "tip", "outer finger")
"""Outer fingers are ring and little finger with their tips: hidden behind the others more often than not."""
SHARE = {"body joint": 0.018, "body surface": 0.027, "palm": 0.029, "finger": 0.021, "tip": 0.022, "outer finger": 0.044}
"""One sigma as a share of the person's height, of the hand's size in the image, at the score ``GOOD_SCORE``. Bodies: 11 px for a person 600 px tall; COCO's
annotators differ by 0.025 (eyes) to 0.107 (hips) of the square root of the person's area (Ronchi and Perona 2017, "Benchmarking and error diagnosis").
"""
GOOD_SCORE = 0.97
SCORE_FLOOR = 0.01
"""Added to one minus the score, so that a score of one is not a promise."""
SCORE_EXPONENT = 0.8
SPEED, SPEED_EXPONENT = 0.1, 0.4
"""Sizes of the hand a frame, from which its speed counts."""
MIN_ERROR_PX = 3.0
MIN_HAND_ERROR_PX = 1.5
COARSE = ("pinky", "index", "thumb", "heel", "foot_index", "ear", "eye", "eye_inner", "eye_outer", "mouth", "nose")
"""The pose model's points on hands, feet and face sit on skin, not on joints, and are less exact than its joints."""
PRIOR_RAYS = 300.0
"""So many residuals of a camera and kind count as much as the default."""
SMALLEST, LARGEST = 0.6, 3.0
"""Factors on the defaults: residuals of a fit are smaller than errors, and those of an outlier larger."""
MEDIAN_OF_RAYLEIGH = 1.18
"""Median length of a two-dimensional normal error of unit sigma."""


def kinds() -> npt.NDArray[np.intp]:
    """Return the kind (75,) of each landmark, an index into ``KINDS``."""
    found = []
    for name in LANDMARK_NAMES[POSE]:
        plain = name.removeprefix("left_").removeprefix("right_")
        found.append("body surface" if plain in COARSE or plain.startswith("mouth") else "body joint")
    for name in (*HAND_NAMES, *HAND_NAMES):
        outer = name.startswith(("ring", "little")) and not name.endswith("mcp")
        palm = name == "wrist" or name.endswith("cmc") or (name.endswith("mcp") and not name.startswith("thumb"))
        found.append("outer finger" if outer else "palm" if palm else "tip" if name.endswith("tip") else "finger")
    return np.array([KINDS.index(kind) for kind in found])


def expected_error_px(landmarks: Landmarks) -> FloatArray:
    """Return (C, T, 75) one sigma in px of each landmark along each axis; NaN where nothing was seen."""
    share = np.array([SHARE[name] for name in KINDS])[kinds()]
    sigma = np.full(landmarks.confidence.shape, np.nan)
    for rows, least in ((POSE, MIN_ERROR_PX), (LEFT_HAND, MIN_HAND_ERROR_PX), (RIGHT_HAND, MIN_HAND_ERROR_PX)):
        points = landmarks.pixels[:, :, rows]
        seen = np.asarray(np.isfinite(points).all(axis=-1, keepdims=True))
        some = np.asarray(seen.any(axis=2))
        high = np.where(some, np.where(seen, points, -np.inf).max(axis=2), np.nan)
        low = np.where(some, np.where(seen, points, np.inf).min(axis=2), np.nan)
        extent = extent_px = np.max(high - low, axis=-1)
        if rows is not POSE:
            score = np.nan_to_num(landmarks.confidence[:, :, rows.start], nan=GOOD_SCORE).clip(0.0, 1.0)
            extent = extent * ((1.0 + SCORE_FLOOR - score) / (1.0 + SCORE_FLOOR - GOOD_SCORE)) ** SCORE_EXPONENT
            extent = extent * (1.0 + _speed((high + low) / 2, extent_px) / SPEED) ** SPEED_EXPONENT
        body = 1.5 if rows is POSE else 1.0  # points on skin have a larger floor, as they have a larger share
        floor = least * np.where(share[rows] > SHARE["body joint"], body, 1.0)
        sigma[..., rows] = np.maximum(share[rows] * extent[..., None], floor)
        sigma[..., rows] = np.where(np.isfinite(extent)[..., None], sigma[..., rows], np.nan)
    return sigma


def rescaled(sigma_rad: FloatArray, weight: FloatArray, scaled: FloatArray) -> FloatArray:
    """Return sigma (C, T, 75) with each camera's and kind's scale as the residuals ``scaled`` (C, T, 75, 2) of a fit have it.

    The median absolute residual, drawn towards the default where rays are few.
    """
    sizes = np.where(weight > 0, np.linalg.norm(np.nan_to_num(scaled), axis=-1), np.nan)
    kind, factor = kinds(), np.ones(weight.shape[::2])
    for camera in range(len(weight)):
        for number in range(len(KINDS)):
            own = sizes[camera][:, kind == number]
            own = own[np.isfinite(own)]
            if len(own):
                measured = float(np.median(own)) / MEDIAN_OF_RAYLEIGH
                share = len(own) / (len(own) + PRIOR_RAYS)
                factor[camera, kind == number] = np.clip(max(measured, 1e-3) ** share, SMALLEST, LARGEST)
    return sigma_rad * factor[:, None]


def _speed(middle: FloatArray, extent: FloatArray) -> FloatArray:
    """Return (C, T) how many of its sizes (C, T) something at ``middle`` (C, T, 2) px moves a frame; 0 where that is not known."""
    with np.errstate(invalid="ignore"):
        step = np.linalg.norm(np.diff(middle, axis=1), axis=-1)
        both = np.stack([np.pad(step, ((0, 0), (1, 0)), constant_values=np.nan), np.pad(step, ((0, 0), (0, 1)), constant_values=np.nan)])
        known = np.isfinite(both)
        mean = np.where(known, both, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return np.where(extent > 0, mean / np.where(extent > 0, extent, 1.0), 0.0)
