"""Which part of each camera's image is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Crop = tuple[float, float, float, float]
"""left, top, width, height in px of the camera's video; the corner of the image is (0, 0)."""

MARGIN = 0.18
"""Of the person's size, kept free on every side: hair, fingertips and heels reach beyond the landmarks."""
NARROWEST, WIDEST = 0.55, 1.8
SMALLEST_SHARE = 0.3
"""Of the image's height: closer, the pixels show instead of the person."""


def whole(image_size: Sequence[tuple[int, int]]) -> list[Crop]:
    """Return the whole image of every camera."""
    return [(0.0, 0.0, float(width), float(height)) for width, height in image_size]


def around_person(pixels: Sequence[FloatArray], image_size: Sequence[tuple[int, int]]) -> list[Crop]:
    """Return for each camera the part that holds the person in all frames, every part of the same shape.

    ``pixels`` (T, 75, 2) a camera, NaN where unknown; ``image_size`` (width, height) a camera. A camera that never sees the person is shown whole.
    """
    boxes = [_box(points, size) for points, size in zip(pixels, image_size, strict=True)]
    shapes = [(box[2] / box[3]) for box in boxes if box is not None]
    if not shapes:
        return whole(image_size)
    aspect = float(np.clip(np.median(shapes), NARROWEST, WIDEST))
    return [_fitted(box, aspect, size) for box, size in zip(boxes, image_size, strict=True)]


def _box(points: FloatArray, size: tuple[int, int]) -> Crop | None:
    flat = points.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    inside = flat[((flat >= 0) & (flat < size)).all(axis=1)]
    if len(inside) < 10:
        return None
    # a single landmark far off must not decide what is shown
    low, high = np.quantile(inside, 0.002, axis=0), np.quantile(inside, 0.998, axis=0)
    margin = MARGIN * float(np.max(high - low)) * np.array([0.6, 1.0])
    width, height = high - low + 2 * margin
    return (float(low[0] - margin[0]), float(low[1] - margin[1]), float(width), float(height))


def _fitted(box: Crop | None, aspect: float, size: tuple[int, int]) -> Crop:
    """Return a crop of the given shape around ``box``, inside the image."""
    if box is None:
        box = (0.0, 0.0, float(size[0]), float(size[1]))
    left, top, width, height = box
    height = max(height, width / aspect, SMALLEST_SHARE * size[1])
    height = min(height, size[1], size[0] / aspect)
    width_now = height * aspect
    x = float(np.clip(left + width / 2 - width_now / 2, 0, size[0] - width_now))
    y = float(np.clip(top + box[3] / 2 - height / 2, 0, size[1] - height))
    return (x, y, width_now, height)
