"""The empty room as a camera sees it: textured planes and tags, exact to a small part of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.pattern import tag_pattern
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import apply, invert
from bodydouble.hand_pose.simulation.camera_rays import CameraRays
from bodydouble.hand_pose.simulation.light import light_on
from bodydouble.hand_pose.simulation.mip_map import MipMap
from bodydouble.hand_pose.simulation.room import Room
from bodydouble.hand_pose.simulation.room_textures import ceiling_texture, floor_texture, wall_texture

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_TEXEL_M = 0.004
_LEVELS = 5
_BAND = 24
"""Rows of an image at a time: what is computed of them stays in the processor's cache."""
_CELL_TEXELS = 16
_TAG_LEVELS = 6
_INK, _PAPER_WHITE = 24, 236
_SUBPIXELS = np.array([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]], dtype=np.float32)
_SLANT = 0.5
"""0 to read slanted surfaces as finely as their near side needs, 1 as coarsely as their depth does; between, neither blurred nor grainy."""
_FLAT = 0.003
"""m: a tag that close to a wall is on it."""


@dataclass(frozen=True)
class TagView:
    """A tag in an image: what covers pixels ``rows`` x ``columns``."""

    tag: int
    rows: slice
    columns: slice
    brightness: Float32Array
    """(h, w) 0 to 255, where it covers anything."""
    cover: Float32Array
    """(h, w) share of the pixel, 0 to 1."""


class RoomView:
    """Draws one room without anything in it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        rng = np.random.default_rng([room.seed, 12])
        features = rng.permutation(["door", "window", "stripe", "board"])
        self._low, self._high = room.low.astype(np.float32), room.high.astype(np.float32)
        textures, self._per_metre = [], np.empty((6, 2), dtype=np.float32)
        for plane in range(6):  # x low, x high, y low, y high, floor, ceiling
            axis, side = divmod(plane, 2)
            span = [room.size_m[k] for k in range(3) if k != axis]
            size = tuple(16 * round(length / _TEXEL_M / 16) for length in span)
            self._per_metre[plane] = np.array(size) / span
            density = float(self._per_metre[plane].mean())
            if axis < 2:
                texture = wall_texture(rng, (size[0], size[1]), density, str(features[plane]))[::-1]
            else:
                texture = (ceiling_texture if side else floor_texture)(rng, (size[0], size[1]), density)
            normal = np.zeros(3, dtype=np.float32)
            normal[axis] = 1 - 2 * side
            light = max(float(light_on(normal)), 0.9 if plane == 5 else 0.0)
            textures.append(np.clip(texture * light, 0, 255).astype(np.uint8))
        self._mip = MipMap.of(textures, _LEVELS)
        self._on_room = self._is_on_room(room.T_world_tag)

    @property
    def on_furniture(self) -> npt.NDArray[np.int64]:
        """Rows of the tags that are on furniture and not on the room itself."""
        return np.flatnonzero(~self._on_room)

    def image(self, model: CameraModel, rays: CameraRays, T_world_camera: FloatArray) -> tuple[Image, Float32Array]:
        """Return the room and its tags (H, W, 3), and how far away it is (H, W), in m along each ray."""
        height, width = rays.size
        out, distance = np.empty((height, width, 3), dtype=np.uint8), np.empty((height, width), dtype=np.float32)
        R, origin = T_world_camera[:3, :3].astype(np.float32), T_world_camera[:3, 3].astype(np.float32)
        tables = self._tables(origin, rays.pixel_rad)
        for top in range(0, height, _BAND):
            rows = slice(top, min(top + _BAND, height))
            d = (R @ rays.directions[:, rows, :width].reshape(3, -1)).reshape(3, -1, width)
            self._draw_planes(d, origin, tables, out[rows], distance[rows])
        for view in self.tags(np.flatnonzero(self._on_room), model, rays, T_world_camera):
            part = out[view.rows, view.columns]
            mixed = part + view.cover[..., None] * (view.brightness[..., None] - part)
            part[:] = (mixed + 0.5).astype(np.uint8)
        return out, distance

    def _is_on_room(self, T_world_tag: FloatArray) -> npt.NDArray[np.bool_]:
        position, normal = T_world_tag[:, :3, 3], T_world_tag[:, :3, 2]
        low = (np.abs(position - self.room.low) < _FLAT) & (normal > 0.999)
        high = (np.abs(position - self.room.high) < _FLAT) & (normal < -0.999)
        return np.asarray((low | high).any(axis=1))

    def _tables(self, origin: Float32Array, pixel_rad: float) -> tuple[Float32Array, ...]:
        """Return what texture coordinates and the level of detail are computed from: by plane, and by plane and level."""
        off = np.stack([origin - self._low, self._high - origin], axis=1).ravel()
        finest = np.log2(pixel_rad * self._per_metre.mean(axis=1)) - _SLANT * np.log2(np.maximum(off, 1e-3)) + 0.15
        scale = self._per_metre[:, None] * self._mip.scale[None, :, None]  # (6, L, 2)
        first = np.array([[self._low[k] for k in range(3) if k != plane // 2] for plane in range(6)], dtype=np.float32)
        offset = self._mip.offset - first[:, None] * scale
        return (finest.astype(np.float32), *(np.ascontiguousarray(item[..., k].ravel()) for item in (scale, offset) for k in (0, 1)))

    def _draw_planes(
        self, d: Float32Array, origin: Float32Array, tables: tuple[Float32Array, ...], out: Image, distance: Float32Array
    ) -> None:
        import cv2

        finest, scale_u, scale_v, offset_u, offset_v = tables
        with np.errstate(divide="ignore"):
            t = []
            for axis in range(3):
                ahead = d[axis] > 0
                t.append(np.where(ahead, self._high[axis] - origin[axis], origin[axis] - self._low[axis]) / np.abs(d[axis]))
        np.minimum(t[0], t[1], out=distance)
        np.minimum(distance, t[2], out=distance)
        on_z, on_x = t[2] <= distance, t[0] <= distance
        x, y, z = (distance * d[k] + origin[k] for k in range(3))
        side = np.where(on_z, d[2], np.where(on_x, d[0], d[1])) > 0
        plane = np.where(on_z, 4, np.where(on_x, 0, 2)) + side
        level = np.log2(distance)
        level *= 1 + _SLANT
        level += finest[plane]
        row = np.clip(level, 0, _LEVELS - 1).astype(np.intp)
        row += plane * _LEVELS
        u, v = np.where(on_x & ~on_z, y, x), np.where(on_z, y, z)
        u *= scale_u[row]
        u += offset_u[row]
        v *= scale_v[row]
        v += offset_v[row]
        cv2.remap(self._mip.image, u, v, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)

    @cached_property
    def _tag_mip(self) -> MipMap:
        patterns = []
        board = self.room.board
        for g, size in enumerate(board.tag_sizes):
            image = tag_pattern(board, g).image(8 * _CELL_TEXELS / size)
            light = float(light_on(self.room.T_world_tag[g, :3, 2].astype(np.float32)))
            shade = (_INK + (_PAPER_WHITE - _INK) / 255 * image.astype(np.float32)) * light
            patterns.append(np.clip(shade, 0, 255).astype(np.uint8))
        return MipMap.of(patterns, _TAG_LEVELS)

    def tags(self, which: npt.NDArray[np.int64], model: CameraModel, rays: CameraRays, T_world_camera: FloatArray) -> list[TagView]:
        """Return how those of the tags ``which`` look that face the camera and are in its image, whatever stands before them."""
        T_tag_camera = invert(self.room.T_world_tag[which]) @ T_world_camera
        sizes = self.room.tag_size_m[which] * (10 / 8)
        outline = _outline(sizes)
        pixels = model.project(apply(invert(T_tag_camera)[:, None], outline))
        height, width = rays.size
        views = []
        for k in np.flatnonzero(T_tag_camera[:, 2, 3] > 0.01):
            seen = np.isfinite(pixels[k, :, 0])
            if not seen.any():
                continue
            if seen.all():
                low, high = np.floor(pixels[k].min(axis=0)).astype(int) - 1, np.ceil(pixels[k].max(axis=0)).astype(int) + 2
            else:
                low, high = np.zeros(2, dtype=int), np.array([width, height])
            low, high = np.maximum(low, 0), np.minimum(high, [width, height])
            if (high <= low).any():
                continue
            rows, columns = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
            drawn = self._draw_tag(int(which[k]), float(sizes[k]), T_tag_camera[k], rays, rows, columns)
            if drawn is not None:
                views.append(TagView(int(which[k]), rows, columns, *drawn))
        return views

    def _draw_tag(
        self, tag: int, paper_m: float, T_tag_camera: FloatArray, rays: CameraRays, rows: slice, columns: slice
    ) -> tuple[Float32Array, Float32Array] | None:
        import cv2

        beyond = slice(rows.start, rows.stop + 1), slice(columns.start, columns.stop + 1)
        d = rays.directions[:, beyond[0], beyond[1]]
        h, w = d.shape[1:]
        d = (T_tag_camera[:3, :3].astype(np.float32) @ d.reshape(3, -1)).reshape(3, h, w)
        origin = T_tag_camera[:3, 3].astype(np.float32)
        d[2] = np.where(d[2] < -1e-4, d[2], np.nan)
        t = -origin[2] / d[2]
        # In texels of the finest pattern, from its upper left corner; one more row and column tell how fast they change.
        side = 10.0 * _CELL_TEXELS
        per_metre = np.float32(side / paper_m)
        x, y = (origin[0] + t * d[0]) * per_metre + side / 2, side / 2 - (origin[1] + t * d[1]) * per_metre
        by_u, by_v = [np.diff(a, axis=1)[:-1] for a in (x, y)], [np.diff(a, axis=0)[:, :-1] for a in (x, y)]
        x, y = x[:-1, :-1], y[:-1, :-1]
        area = np.abs(by_u[0] * by_v[1] - by_u[1] * by_v[0])
        near = (x > -side) & (x < 2 * side) & (y > -side) & (y < 2 * side) & (area > 0)
        if not near.any():
            return None
        level = int(np.clip(np.rint(0.5 * np.log2(np.median(area[near])) - 1.0), 0, _TAG_LEVELS - 1))
        mip = self._tag_mip
        scale, (offset_u, offset_v) = mip.scale[level], mip.offset[tag, level]
        u = x + _SUBPIXELS[:, 0, None, None] * by_u[0] + _SUBPIXELS[:, 1, None, None] * by_v[0]
        v = y + _SUBPIXELS[:, 0, None, None] * by_u[1] + _SUBPIXELS[:, 1, None, None] * by_v[1]
        inside = (u > 0) & (u < side) & (v > 0) & (v < side)
        u *= scale
        u += offset_u
        v *= scale
        v += offset_v
        value = cv2.remap(mip.image, u.reshape(-1, w - 1), v.reshape(-1, w - 1), cv2.INTER_LINEAR).reshape(u.shape)
        cover = inside.sum(axis=0, dtype=np.float32)
        brightness = (value * inside).sum(axis=0, dtype=np.float32) / np.maximum(cover, 1)
        cover /= len(_SUBPIXELS)
        return brightness, cover


def _outline(sizes: FloatArray) -> FloatArray:
    """Return points (G, 16, 3) along the edges of squares of sides ``sizes`` (G,)."""
    step = np.array([-0.5, -0.25, 0.0, 0.25])
    edge = np.full(4, 0.5)
    square = np.concatenate([np.stack(pair, axis=1) for pair in ((step, edge), (edge, -step), (-step, -edge), (-edge, step))])
    return np.asarray(np.concatenate([square, np.zeros((16, 1))], axis=1) * sizes[:, None, None])
