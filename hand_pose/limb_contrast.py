"""How much a tapered limb at a given place looks like one in the images: unlike what is beside it, alike along it, alike in every camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import CameraModel
from bodydouble.calibration.transform import invert

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
RgbImage = npt.NDArray[np.uint8]

FEATURES = ("either_edge", "weaker_edge", "strong_edges", "uneven_across", "uneven_along", "light_along", "unlike_in_cameras", "seen")
"""Last axis of ``limb_features``: means over the stations of a part of the limb, each in [0, 1] (the first in [0, 2])."""

THICKNESSES = (0.72, 1.0, 1.3)
"""Limb radii tried, as shares of the given one: people and sleeves differ."""

_OFFSETS = np.array([-1.6, -1.3, -1.0, -0.75, -0.4, 0.0, 0.4, 0.75, 1.0, 1.3, 1.6])
"""Samples across, in radii. The edge of thickness k lies between samples 1 + k and 3 + k from the middle one."""
_MIDDLE = len(_OFFSETS) // 2
_EDGE, _STRONG_EDGE, _ACROSS, _ALONG, _LIGHT = 10.0, 25.0, 6.0, 10.0, 12.0
"""Differences, of 255, at which a change counts for two fifths."""


@dataclass(frozen=True)
class View:
    """One camera's image of an instant."""

    model: CameraModel
    """Of the image at its full size."""
    T_frame_camera: FloatArray
    """(4, 4) in the rigid frame that all views of the instant share."""
    rgb: RgbImage
    """(H, W, 3), at full size or reduced by a whole factor: see ``reduced``."""
    reduction: int = 1

    def reduced(self, focal_px: float = 200.0) -> View:
        """Return the view with its image averaged down to about this focal length; a sleeve is wide enough."""
        import cv2

        factor = max(round(self.model.focal[0] / focal_px), 1)
        if self.reduction != 1 or factor == 1:
            return self
        size = (self.rgb.shape[1] // factor, self.rgb.shape[0] // factor)
        small = cv2.resize(self.rgb[: size[1] * factor, : size[0] * factor], size, interpolation=cv2.INTER_AREA)
        return View(self.model, self.T_frame_camera, np.asarray(small, dtype=np.uint8), factor)


def limb_features(
    views: Sequence[View], stations: FloatArray, radii_m: FloatArray, behind: FloatArray | None = None, parts: Sequence[int] = (0,)
) -> Float32Array:
    """Return features (H, C, len(THICKNESSES), P, len(FEATURES)) of H straight limbs in C views.

    ``stations`` (H, S, 3) points along the axis of each, ``radii_m`` (S,); ``behind`` (H, Q, 3) points of what hangs on the limb's far end (the upper
    arm) and may hide it: stations that it hides do not count. All in the views' common frame. ``parts`` (P,) first station of each part.
    """
    H, S = stations.shape[:2]
    colours = np.zeros((3, len(_OFFSETS), len(views), H, S), dtype=np.float32)
    seen = np.zeros((len(views), H, S), dtype=bool)
    for number, view in enumerate(views):
        seen[number] = _profiles(view, stations, radii_m, behind, colours[:, :, number])
    return _features(colours, seen, parts)


def _profiles(view: View, stations: FloatArray, radii_m: FloatArray, behind: FloatArray | None, out: Float32Array) -> BoolArray:
    """Write the colours (3, 11, H, S) across each limb to ``out`` and return which stations (H, S) the view shows."""
    T = invert(view.T_frame_camera)
    points = stations @ T[:3, :3].T + T[:3, 3]
    across = np.cross(points, (points[:, -1] - points[:, 0])[:, None])
    across *= ((_OFFSETS[-1] * radii_m) / np.maximum(np.sqrt(np.einsum("hsi,hsi->hs", across, across)), 1e-9))[..., None]
    uv = view.model.project(np.stack([points - across, points, points + across]))
    uv = (uv - (view.reduction - 1) / 2) / view.reduction
    height, width = view.rgb.shape[:2]
    u, v = uv[..., 0], uv[..., 1]
    seen = ((u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)).all(axis=0)
    if behind is not None:
        seen &= ~_hidden(points, behind @ T[:3, :3].T + T[:3, 3])
    columns, rows = (_across(np.where(seen, values, 0.0).astype(np.float32), size) for values, size in ((u, width), (v, height)))
    rgb = view.rgb.reshape(-1, 3).take((rows * width + columns).ravel(), axis=0)
    red, green, blue = (rgb[:, k].astype(np.float32).reshape(columns.shape) for k in range(3))
    # Half the lightness, red-green and blue-yellow: shading changes the first most, so it counts half.
    sum_ = red + green
    np.subtract(red, green, out=out[1])
    np.subtract(blue, 0.5 * sum_, out=out[2])
    np.multiply(sum_, 0.225, out=out[0])
    out[0] += 0.05 * blue
    return np.asarray(seen)


def _across(ends: Float32Array, size: int) -> npt.NDArray[np.int32]:
    """Return whole pixel coordinates (11, H, S) on the parabola through (3, H, S): it follows the lens well enough over a few centimetres."""
    low, middle, high = ends
    t = (_OFFSETS / _OFFSETS[-1]).astype(np.float32)[:, None, None]
    pixels = (middle + 0.5) + t * (0.5 * (high - low)) + (t * t) * (0.5 * (high + low) - middle)
    return np.asarray(np.clip(pixels.astype(np.int32), 0, size - 1))


def _hidden(points: FloatArray, others: FloatArray, radius_m: float = 0.05) -> BoolArray:
    """Tell which points (H, S, 3) lie behind balls around ``others`` (H, Q, 3), camera frame."""
    distance = np.sqrt(np.einsum("hsi,hsi->hs", points, points))
    along = np.matmul(points / distance[..., None], others.transpose(0, 2, 1))
    beside = np.einsum("hqi,hqi->hq", others, others)[:, None] - along**2
    return np.asarray(((beside < radius_m**2) & (along > 0) & (along < distance[..., None] - radius_m)).any(axis=-1))


def _features(colours: Float32Array, seen: BoolArray, parts: Sequence[int]) -> Float32Array:
    """Return the features of colours (3, 11, C, H, S)."""
    C, H, S = seen.shape
    share = seen.astype(np.float32)
    found = np.zeros((len(THICKNESSES), len(FEATURES), C, H, len(parts)), dtype=np.float32)
    sizes = np.diff([*parts, S]).astype(np.float32)

    def mean(values: Float32Array) -> Float32Array:
        return np.asarray(np.add.reduceat(values * share, parts, axis=-1) / sizes, dtype=np.float32)

    inside = sum(colours[:, _MIDDLE + k] for k in range(-2, 3)) / np.float32(5)
    along = np.einsum("kchs,chs->kch", inside, share) / np.maximum(np.einsum("chs->ch", share), 1.0)
    coloured = (
        share * (np.abs(colours[1:]).max(axis=(0, 1, 3, 4)) > 0)[:, None, None]
    )  # a grey camera tells nothing about another's colours
    between = np.einsum("kchs,chs->khs", inside, coloured) / np.maximum(coloured.sum(axis=0), 1.0)
    off_axis, off_views = inside - along[..., None], (inside - between[:, None]) * (coloured > 0)
    found[:, 4] = mean(_saturated(off_axis[1] ** 2 + off_axis[2] ** 2, _ALONG))
    found[:, 5] = mean(_saturated(off_axis[0] ** 2, _LIGHT))
    found[:, 6] = mean(_saturated(off_views[1] ** 2 + off_views[2] ** 2, _ALONG))
    found[:, 7] = mean(np.ones_like(share))
    for thickness in range(len(THICKNESSES)):
        inner, outer = 1 + thickness, 3 + thickness
        left, right = (_squared(colours[:, _MIDDLE + s * inner] - colours[:, _MIDDLE + s * outer]) for s in (-1, 1))
        sides = _saturated(left, _EDGE), _saturated(right, _EDGE)
        found[thickness, 0] = mean(sides[0]) + mean(sides[1])
        found[thickness, 1] = mean(np.minimum(*sides))
        found[thickness, 2] = mean(_saturated(np.minimum(left, right), _STRONG_EDGE))
        found[thickness, 3] = mean(_saturated(_spread(colours[1:, _MIDDLE - inner : _MIDDLE + inner + 1]), _ACROSS))
    return np.ascontiguousarray(found.transpose(3, 2, 0, 4, 1))


def _squared(difference: Float32Array) -> Float32Array:
    return np.asarray(np.einsum("k...,k...->...", difference, difference))


def _spread(colours: Float32Array) -> Float32Array:
    """Return the variance (C, H, S) of colours (K, offsets, C, H, S) over the offsets, summed over K."""
    count = np.float32(colours.shape[1])
    first = np.einsum("ko...->k...", colours) / count
    second = np.einsum("ko...,ko...->...", colours, colours) / count
    return np.asarray(np.maximum(second - _squared(first), np.float32(0)))


def _saturated(squared: Float32Array, scale: float) -> Float32Array:
    return np.asarray(1.0 - np.exp(squared * np.float32(-0.5 / scale**2)), dtype=np.float32)
