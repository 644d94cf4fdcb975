"""Person, furniture and objects as a camera sees them, drawn over the empty room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.camera_rays import CameraRays
from bodydouble.hand_pose.simulation.light import SHADE, TO_KEY_LIGHT
from bodydouble.hand_pose.simulation.scene import NOTHING, Hits, Scene

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_SUBPIXELS = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]], dtype=np.float32)
"""(u, v) of the rays of a pixel at an edge: a grid turned so that near-vertical and near-horizontal edges get four steps."""
_STEP = 8.0
"""Pixels' widths: where neighbours are further apart in depth than that, one stands before the other."""
_OFF_SURFACE_M = 0.002
_SOFT_PX = 5


@dataclass(frozen=True, eq=False)
class Paper:
    """Tags on furniture, pixel by pixel (H, W): brightness, share of the pixel, and the surface that they lie on."""

    brightness: Float32Array
    cover: Float32Array
    surface: npt.NDArray[np.int16]

    def on(self, surface: npt.NDArray[np.int16], colour: Float32Array, at: tuple[npt.NDArray[np.int64], ...]) -> Float32Array:
        """Return colours (..., 3) of surfaces (...,) with what lies on them at pixels ``at``."""
        cover = np.where(self.surface[at] == surface, self.cover[at], 0)[..., None]
        return np.asarray(colour + cover * (self.brightness[at][..., None] - colour))


@dataclass(frozen=True, eq=False)
class _Coarse:
    """What every other pixel of every other row sees, (h, w), and where between them it is all the same."""

    surface: npt.NDArray[np.int16]
    triangle: npt.NDArray[np.int64]
    distance_m: Float32Array
    colour: npt.NDArray[np.uint8]
    """(h, w, 3)"""
    mixed: npt.NDArray[np.bool_]
    """(h - 1, w - 1) squares between four pixels that do not see the same."""


class SceneView:
    """One image in the making."""

    def __init__(self, scene: Scene, rays: CameraRays, T_world_camera: FloatArray) -> None:
        self._scene, self._rays = scene, rays
        self._R, self._eye = T_world_camera[:3, :3].astype(np.float32), T_world_camera[:3, 3].astype(np.float32)
        # Of each triangle's first corner, and how the others differ from it.
        self._corner_colours = scene.colours_from(T_world_camera[:3, 3])[scene.builder.triangles]
        self._corner_colours[:, 1:] -= self._corner_colours[:, :1]

    def _cast(self, directions: Float32Array) -> tuple[npt.NDArray[np.int16], Hits, Float32Array]:
        """Return surface (N,), hits and colour (N, 3), 0 for nothing, of directions (N, 3) of the world."""
        rays = np.empty((len(directions), 6), dtype=np.float32)
        rays[:, :3], rays[:, 3:] = self._eye, directions
        hits = self._scene.cast(rays)
        surface = self._scene.builder.surface[hits.triangle]
        colour = np.zeros((len(rays), 3), dtype=np.float32)
        met = np.flatnonzero(surface != NOTHING)
        corners, weights = self._corner_colours[hits.triangle[met]], hits.weights[met]
        colour[met] = corners[:, 0] + corners[:, 1] * weights[:, :1] + corners[:, 2] * weights[:, 1:]
        return surface, hits, colour

    def _coarse(self) -> _Coarse:
        d = self._rays.directions[:, ::2, ::2]
        shape = d.shape[1:]
        surface, hits, colour = self._cast(d.reshape(3, -1).T @ self._R.T)
        surface, distance = surface.reshape(shape), hits.distance_m.reshape(shape)
        a, b, c, e = (surface[rows, columns] for rows in (slice(-1), slice(1, None)) for columns in (slice(-1), slice(1, None)))
        mixed = (a != b) | (a != c) | (a != e)
        near = np.where(np.isfinite(distance), distance, 0)
        corners = [near[rows, columns] for rows in (slice(-1), slice(1, None)) for columns in (slice(-1), slice(1, None))]
        most, least = np.maximum.reduce(corners), np.minimum.reduce(corners)
        mixed |= most - least > (2 * _STEP * self._rays.pixel_rad) * least
        return _Coarse(surface, hits.triangle.reshape(shape), distance, (colour + 0.5).astype(np.uint8).reshape(*shape, 3), mixed)

    def draw(self, out: Image, room_distance_m: Float32Array, paper: Paper | None, *, shadows: bool) -> None:
        """Draw over the image (H, W, 3) of the empty room, whose distance (H, W) along the rays is given."""
        coarse = self._coarse()
        edges = np.nonzero(self._mixed_pixels(coarse))
        behind = out[edges]
        self._paint(coarse, out, paper)
        out[edges] = self._edges(edges, behind, paper)
        if shadows:
            self._shade(coarse, out, room_distance_m)

    def _mixed_pixels(self, coarse: _Coarse) -> npt.NDArray[np.bool_]:
        height, width = self._rays.size
        h, w = coarse.mixed.shape
        mixed = np.zeros((2 * h + 1, 2 * w + 1), dtype=bool)
        for a in range(3):
            for b in range(3):
                mixed[a : a + 2 * h : 2, b : b + 2 * w : 2] |= coarse.mixed
        return mixed[:height, :width]

    def _paint(self, coarse: _Coarse, out: Image, paper: Paper | None) -> None:
        """Draw what is between pixels that all see the same surface; what is not is drawn wrongly here."""
        import cv2

        height, width = self._rays.size
        surface = np.repeat(np.repeat(coarse.surface, 2, axis=0), 2, axis=1)[:height, :width]
        fine = cv2.warpAffine(
            coarse.colour, np.array([[0.5, 0, 0], [0, 0.5, 0]]), (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        if paper is not None:
            at = np.nonzero((paper.cover > 0) & (paper.surface == surface))
            fine[at] = (paper.on(surface[at], fine[at].astype(np.float32), at) + 0.5).astype(np.uint8)
        cv2.copyTo(fine, (surface != NOTHING).astype(np.uint8), out)

    def _edges(self, at: tuple[npt.NDArray[np.int64], ...], behind: Image, paper: Paper | None) -> Image:
        """Return the colours (N, 3) of pixels at edges, before ``behind``, the room there."""
        S = len(_SUBPIXELS)
        directions = self._rays.between(at[0], at[1], _SUBPIXELS).reshape(-1, 3) @ self._R.T
        surface, _, colour = self._cast(directions)
        surface, colour = surface.reshape(-1, S), colour.reshape(-1, S, 3)
        total = behind * (surface == NOTHING).sum(axis=1, dtype=np.float32)[:, None]
        for s in range(S):
            total += colour[:, s] if paper is None else paper.on(surface[:, s], colour[:, s], at)
        return np.asarray((total / S + 0.5).astype(np.uint8))

    def _shade(self, coarse: _Coarse, out: Image, room_distance_m: Float32Array) -> None:
        """Darken where something stands before the key light: what the scene's triangles lose of their light, and the floor."""
        import cv2

        height, width = self._rays.size
        h, w = coarse.surface.shape
        far = cv2.copyMakeBorder(room_distance_m, 0, 2 * h - 1 - height, 0, 2 * w - 1 - width, cv2.BORDER_REPLICATE)[::2, ::2]
        met = coarse.surface != NOTHING
        distance = np.where(met, coarse.distance_m, far).ravel()
        directions = self._rays.directions[:, ::2, ::2].reshape(3, -1).T @ self._R.T
        points = self._eye + directions * (distance - _OFF_SURFACE_M)[:, None]
        kept = np.ones(h * w, dtype=np.float32)
        kept[met.ravel()] = self._scene.kept_in_shade[coarse.triangle[met]]
        kept[~met.ravel() & (points[:, 2] < 0.01)] = SHADE
        tried = np.flatnonzero(kept < 0.99)
        rays = np.empty((len(tried), 6), dtype=np.float32)
        rays[:, :3], rays[:, 3:] = points[tried] + TO_KEY_LIGHT * np.float32(_OFF_SURFACE_M), TO_KEY_LIGHT
        kept[tried[~self._scene.blocked(rays)]] = 1.0
        fine = cv2.resize(cv2.blur(kept.reshape(h, w), (_SOFT_PX, _SOFT_PX)), (2 * w, 2 * h), interpolation=cv2.INTER_LINEAR)[
            :height, :width
        ]
        np.multiply(out, fine[..., None], out=out, casting="unsafe")
