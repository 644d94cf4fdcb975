"""The ground the robot stands on: a grid that fades into the background, and the robot's shadow on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.viewer.ray_scene import RayScene
from bodydouble.viewer.view import View

FloatArray = npt.NDArray[np.float32]

HORIZON, TOP = np.array([0.80, 0.83, 0.87], np.float32), np.array([0.42, 0.50, 0.60], np.float32)
FLOOR, LINE = np.array([0.56, 0.59, 0.63], np.float32), np.array([0.36, 0.40, 0.45], np.float32)
"""Linear light."""
FADE_M = 5.0
GRID_M = 0.5
CELL_M, MARGIN_M = 0.025, 0.15
"""The shadow is computed on cells of this side (m), on the ground that it can reach and a margin around."""
LAMP = np.array([[0.0, 0.0], [0.06, 0.02], [-0.02, 0.06], [-0.06, -0.02], [0.02, -0.06]])
"""Where on a wide lamp each shadow ray goes: shadows are soft far from what throws them."""


class Ground:
    """The picture without a robot, for views that differ only by where on the ground they are."""

    def __init__(self, view: View, z: float) -> None:
        width, height = view.size
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        rays = view.directions(pixels)
        below = rays[..., 2] < -1e-4
        self._z = z
        self._first = int(np.argmax(below.any(axis=1)))  # the row where the ground begins
        ground = rays[self._first :]
        distance = (z - view.eye[2]) / np.minimum(ground[..., 2], np.float32(-1e-4))
        self._offset = (ground[..., :2] * distance[..., None]).astype(np.float32)
        self._soft = np.maximum(distance / view.focal_px / np.maximum(-ground[..., 2], 0.05), 1e-4).astype(np.float32)
        away = np.hypot(*np.moveaxis(self._offset - np.subtract(view.target, view.eye)[:2], -1, 0))
        self._fade = np.where(below[self._first :], np.exp(-((away / FADE_M) ** 2)), 0).astype(np.float32)
        up = np.clip(rays[..., 2:] / 0.5, 0, 1)
        self._sky = (HORIZON * (1 - up) + TOP * up).astype(np.float32)

    def empty(self, view: View) -> FloatArray:
        """Return (H, W, 3) linear light of the room without the robot."""
        return self._blend(_grid(self._places(view), self._soft), np.ones_like(self._fade))

    def with_shadow(self, view: View, scene: RayScene, vertices: FloatArray, light: FloatArray) -> FloatArray:
        """Return (H, W, 3) linear light with the shadow of a scene of ``vertices`` (V, 3); ``light`` (3,) points to the lamp."""
        import cv2

        patch = _shadow(scene, vertices, light, self._z)
        places = self._places(view)
        cells = (places - np.array(patch.corner, np.float32)) * np.float32(1 / CELL_M)
        light_in = cv2.remap(patch.light, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
        return self._blend(_grid(places, self._soft), np.asarray(light_in))

    def _places(self, view: View) -> FloatArray:
        """Return the point of the ground (rows, W, 2) that each pixel below the horizon shows."""
        return np.asarray(self._offset + np.asarray(view.eye[:2], np.float32), dtype=np.float32)

    def _blend(self, lines: FloatArray, light_in: FloatArray) -> FloatArray:
        image: FloatArray = self._sky.copy()
        floor = FLOOR + (LINE - FLOOR) * lines[..., None]
        floor *= light_in[..., None]
        image[self._first :] += self._fade[..., None] * (floor - image[self._first :])
        return image


def _grid(places: FloatArray, soft: FloatArray) -> FloatArray:
    """Return how much of each pixel a grid line covers; a line fainter than a pixel fades instead of flickering.

    ``soft`` is how many metres of ground a pixel spans.
    """
    coverage = np.zeros(soft.shape, np.float32)
    for spacing, width, strength in ((GRID_M, 0.010, 0.55), (2 * GRID_M, 0.016, 0.8)):
        turns = places * np.float32(1 / spacing)
        off = np.abs(turns - np.round(turns))
        nearest = np.minimum(off[..., 0], off[..., 1]) * np.float32(spacing)
        line = np.clip((width / 2 - nearest) / soft + 0.5, 0, 1) * np.minimum(1.0, width / soft)
        np.maximum(coverage, strength * line, out=coverage)
    return coverage


@dataclass(frozen=True)
class Patch:
    """The share of light on a rectangle of ground, in cells of ``CELL_M``."""

    corner: tuple[float, float]
    """x, y (m) of the first cell."""
    light: FloatArray
    """(rows along y, columns along x) in [0, 1]."""


def _shadow(scene: RayScene, vertices: FloatArray, light: FloatArray, z: float) -> Patch:
    """Return the ground that the robot can darken: shadow rays to a wide lamp, and rays straight up where something is close above."""
    import cv2

    low, high = vertices.min(axis=0), vertices.max(axis=0)
    # a point throws its shadow away from the lamp, further the higher it is
    reach = light[:2] / light[2] * max(float(high[2]) - z, 0.0)
    first = np.minimum(low[:2], low[:2] - reach) - MARGIN_M
    columns, rows = np.clip(np.ceil((np.maximum(high[:2], high[:2] - reach) + MARGIN_M - first) / CELL_M), 2, 400).astype(int)
    x, y = np.meshgrid(first[0] + CELL_M * np.arange(columns), first[1] + CELL_M * np.arange(rows))
    rays = np.empty((len(LAMP) + 1, rows, columns, 6), np.float32)
    rays[..., 0], rays[..., 1], rays[..., 2] = x, y, z
    side = np.cross(light, [0, 0, 1.0])
    side /= np.linalg.norm(side)
    for k, (a, b) in enumerate(LAMP):
        rays[k, ..., 3:] = light + a * side + b * np.cross(side, light)
    rays[-1, ..., 3:] = (0, 0, 1)
    hidden = scene.hidden(rays[:-1]).mean(axis=0)
    overhead = scene.cast(rays[-1].reshape(-1, 6)).distance.reshape(rows, columns)
    lamp = 1 - cv2.GaussianBlur(hidden.astype(np.float32), (0, 0), 1.0)
    contact = 1 - cv2.GaussianBlur(np.exp(-overhead / 0.08).astype(np.float32), (0, 0), 1.6)
    return Patch((float(first[0]), float(first[1])), np.asarray((0.50 + 0.50 * lamp) * (0.45 + 0.55 * contact), dtype=np.float32))
