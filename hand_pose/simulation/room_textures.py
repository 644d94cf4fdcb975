"""What the walls, floor and ceiling of a simulated room look like, painted from a seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Texture = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]


def floor_texture(rng: np.random.Generator, size: tuple[int, int], texels_per_metre: float) -> Texture:
    """Return wooden planks (H, W, 3); ``size`` is (width, height) in texels."""
    width, height = size
    plank, length = round(0.14 * texels_per_metre), round(1.2 * texels_per_metre)
    base = np.array([(176, 142, 104), (150, 118, 86), (168, 156, 140)][int(rng.integers(3))], dtype=np.float32)
    image = np.empty((height, width, 3), dtype=np.float32)
    grain = _noise(rng, width, height, (3, 90)) * 9 + _noise(rng, width, height, (2, 25)) * 5
    for row, top in enumerate(range(0, height, plank)):
        shift = int(rng.integers(length))
        for left in range(-shift, width, length):
            tone = 1 + 0.09 * rng.standard_normal()
            rows, columns = slice(top, min(top + plank, height)), slice(max(left, 0), min(left + length, width))
            if columns.start >= columns.stop:
                continue
            image[rows, columns] = base * tone
            image[rows, columns.start : columns.start + 1] *= 0.7
        image[top : top + 1] *= 0.72 if row else 1.0
    return _finished(image + grain[..., None])


def wall_texture(rng: np.random.Generator, size: tuple[int, int], texels_per_metre: float, feature: str) -> Texture:
    """Return plaster (H, W, 3), upper row first, with posters and a ``feature``: "door", "window", "stripe" or "board"."""
    width, height = size
    base = np.array([(206, 204, 196), (196, 204, 208), (214, 206, 190)][int(rng.integers(3))], dtype=np.float32)
    image = np.broadcast_to(base, (height, width, 3)).copy()
    image += (_noise(rng, width, height, (60, 60)) * 5 + _noise(rng, width, height, (4, 4)) * 3)[..., None]
    m = texels_per_metre

    def rectangle(left: float, bottom: float, right: float, top: float, colour: npt.ArrayLike) -> Float32Array:
        part = image[round(height - top * m) : round(height - bottom * m), round(left * m) : round(right * m)]
        part[:] = np.asarray(colour, dtype=np.float32)
        return part

    along = width / m
    rectangle(0, 0, along, 0.09, base * 0.62)
    if feature == "door":
        rectangle(0.3 * along, 0, 0.3 * along + 0.96, 2.12, base * 0.7)
        rectangle(0.3 * along + 0.05, 0, 0.3 * along + 0.91, 2.07, (142, 104, 74))
        rectangle(0.3 * along + 0.80, 1.0, 0.3 * along + 0.87, 1.03, (210, 210, 200))
    elif feature == "window":
        rectangle(0.28 * along, 1.0, 0.72 * along, 2.2, (235, 235, 232))
        for left, right in ((0.29, 0.495), (0.505, 0.71)):
            pane = rectangle(left * along, 1.05, right * along, 2.15, (196, 214, 232))
            pane += np.linspace(25, -30, pane.shape[0], dtype=np.float32)[:, None, None]
    elif feature == "stripe":
        rectangle(0, 1.02, along, 1.14, rng.uniform(60, 170, 3))
    else:
        rectangle(0.3 * along, 0.9, 0.7 * along, 2.0, (120, 120, 118))
        rectangle(0.305 * along, 0.93, 0.695 * along, 1.97, (70, 96, 84))
    for left in rng.permutation(np.arange(0.15, along - 0.9, 0.95))[:3]:
        bottom, wide, tall = rng.uniform(1.0, 1.5), rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.8)
        poster = rectangle(left, bottom, left + wide, bottom + tall, rng.uniform(110, 225, 3))
        for _ in range(int(rng.integers(2, 6))):
            y, x = int(rng.integers(poster.shape[0])), int(rng.integers(poster.shape[1]))
            poster[y : y + int(rng.integers(6, 40)), x : x + int(rng.integers(6, 60))] = rng.uniform(50, 220, 3)
    return _finished(image)


def ceiling_texture(rng: np.random.Generator, size: tuple[int, int], texels_per_metre: float) -> Texture:
    """Return white tiles (H, W, 3) with lamps."""
    width, height = size
    image = np.full((height, width, 3), 214, dtype=np.float32) + (_noise(rng, width, height, (5, 5)) * 3)[..., None]
    tile = round(0.62 * texels_per_metre)
    image[::tile] *= 0.85
    image[:, ::tile] *= 0.85
    for top in range(tile, height - tile, 3 * tile):
        for left in range(tile, width - tile, 2 * tile):
            image[top + 4 : top + tile - 3, left + 4 : left + tile - 3] = 255
    return _finished(image)


def _noise(rng: np.random.Generator, width: int, height: int, grain: tuple[int, int]) -> Float32Array:
    """Return smooth noise (H, W) of unit standard deviation, with grains of (height, width) texels."""
    import cv2

    rows, columns = (max(2, round(size / step) + 1) for size, step in zip((height, width), grain, strict=True))
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _finished(image: Float32Array) -> Texture:
    return np.clip(image, 0, 255).astype(np.uint8)
