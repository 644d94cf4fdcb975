"""Hands at work: pinches that close, and two hands on one object."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

CLOSED_M = 0.006
"""Thumb and fingertip of the person nearer than this are in touch; landmarks sit inside the flesh, so they never meet."""
OPEN_M = 0.030
"""Beyond this the distance is copied as it is."""
TOGETHER_M = 0.25
APART_M = 0.40
"""Hands nearer than the first work on one object, hands farther than the second do not."""


def smooth_step(x: FloatArray) -> FloatArray:
    """Return 0 below 0, 1 above 1, and a smooth way between."""
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def closed(apart: FloatArray) -> FloatArray:
    """Return the vector (T, 3) from thumb tip to fingertip with pinches closed: nothing is left of it below ``CLOSED_M``."""
    distance = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.asarray(apart * smooth_step((distance - CLOSED_M) / (OPEN_M - CLOSED_M)))


def pinch_share(apart: FloatArray, closes_below: float) -> FloatArray:
    """Return how much (T,) a pinch counts: 1 in touch, 0 from ``closes_below`` m on; 0 where unknown."""
    reach = np.linalg.norm(apart, axis=1) / closes_below
    share: FloatArray = np.nan_to_num(np.square(np.clip(1.0 - np.square(reach), 0.0, None)))
    return share


def pinched_tips(
    thumb: FloatArray, tips: list[FloatArray], vectors: list[FloatArray], shares: list[FloatArray]
) -> tuple[FloatArray, list[FloatArray]]:
    """Return the places (T, 3) of thumb tip and fingertips that agree with the wanted thumb-to-fingertip ``vectors`` as far as each ``share`` (T,) says.

    Thumb and finger meet half way; a thumb that pinches several goes to the middle of what they want of it.
    """
    total = np.zeros(len(thumb))
    shift = np.zeros_like(thumb)
    for tip, vector, share in zip(tips, vectors, shares, strict=True):
        total += share
        shift += share[:, None] * np.nan_to_num(0.5 * (tip - vector - thumb))
    moved = thumb + shift / np.maximum(total, 1.0)[:, None]
    found = []
    for tip, vector, share in zip(tips, vectors, shares, strict=True):
        pull = share[:, None] * np.nan_to_num(moved + vector - tip)
        found.append(tip + pull)
    return moved, found


def together(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return how much (T,) two hands at (T, 3) m work on one object, 0 to 1; 0 where one is unknown."""
    distance = np.linalg.norm(left - right, axis=1)
    return np.nan_to_num(smooth_step((APART_M - distance) / (APART_M - TOGETHER_M)))
