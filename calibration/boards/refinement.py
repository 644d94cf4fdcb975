"""Corners to a small part of a pixel: a blurred crossing, or a blurred right angle, fitted to the grey values around each corner.

Two straight edges through the corner are blurred by a Gaussian; where both are known, the grey value is a plane (paper, light) plus a contrast times
the product of two error functions. Least squares over all pixels that hold nothing but these edges: with evenly noisy pixels no unbiased corner
has less noise. Gradient methods such as OpenCV's ``cornerSubPix`` weigh a small round window and see the markers beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.consistency import sides_px
from bodydouble.calibration.boards.corner_model import Windows, fit_edges

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
_Belongs = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], BoolArray]

_CORNERS_AT_ONCE = 128
_LARGEST_RADIUS = 15
"""Half the side of the largest window in px: beyond, the lens bends the edges more than further pixels help."""
_LARGEST_AT_ENDS = 25
"""The same where edges end: their ends are left out, so that it takes more of them."""
_SMALLEST_RADIUS = 3
_SLACK_PX = 1.5
_SLACK_BLURS = 2.5
"""How far the blur of what lies beside a corner's edges reaches: in px as long as the blur is not known, then in blurs."""
_LEAST_CLEAR = 0.4
"""Part of a gap that is used however far the blur reaches."""
_LEAST_EXPLAINED = 0.5
_MOST_UNEXPLAINED = 0.12
_MORE_UNEXPLAINED = 3.0
"""Times the median of the board's corners."""
_LEAST_CONTRAST = 4.0
"""In grey values."""
_FARTHEST = 0.3
"""Of a square's side: how far a corner may be from where it was expected."""
_NARROWEST_PX = 5.0
_NARROWEST_BLURS = 4.0
"""Seen narrower, a square's edges blur into each other."""
COARSE_PX = 0.02
FINE_PX = 1e-3
"""When a corner is still: for a first fit, whose window is not centred, and for the last."""


@dataclass(frozen=True)
class Surroundings:
    """Which part of the board around a corner holds nothing but the corner's own two edges; all in m.

    ``u`` and ``v`` are the board's coordinates from the corner along its two edges.
    """

    reach: float
    """Along the edges."""
    gap: float = math.inf
    """From an edge into the white: further in is a marker, or what the board lies on."""
    border: float = math.inf
    """From an edge into the black: further in is a tag's code. For right angles only."""


@dataclass(frozen=True)
class FittedCorners:
    """What a fit found for K corners; NaN where it found none."""

    pixels: FloatArray
    """(K, 2)"""
    explained: FloatArray
    """(K,) part of the variance of the grey values that the two edges explain, at most 1."""
    contrast: FloatArray
    """(K,) white minus black in grey values; negative where black and white are swapped."""
    blur: FloatArray
    """(K,) standard deviation of the blur in px."""

    def without(self, which: BoolArray) -> FittedCorners:
        """Return the fits with NaN in place of some."""
        one = np.where(which, np.nan, 1.0)
        return FittedCorners(self.pixels * one[:, None], self.explained * one, self.contrast * one, self.blur * one)

    def completed_by(self, others: FittedCorners) -> FittedCorners:
        """Return the fits with those of ``others`` in place of NaN."""
        missing = np.isnan(self.explained)
        pixels = np.where(missing[:, None], others.pixels, self.pixels)
        rest = (np.where(missing, getattr(others, name), getattr(self, name)) for name in ("explained", "contrast", "blur"))
        return FittedCorners(pixels, *rest)


def fit_crossings(
    image: GreyImage, pixels: FloatArray, axes: FloatArray, black: FloatArray, around: Surroundings, *, bends: FloatArray | None = None,
    blur: FloatArray | None = None, still_px: float = COARSE_PX,
) -> FittedCorners:  # fmt: skip
    """Fit the crossings of two edges, as of a chessboard, near ``pixels`` (K, 2).

    ``axes`` (K, 2, 2): its columns are the pixels that a metre along u and along v makes. ``black`` (K,): 1 where the squares with u v > 0 are black,
    -1 where those with u v < 0 are. ``bends`` (K, 2, 2): how the edge along u [:, 0] and the one along v [:, 1] bend, a vector in 1/px; straight
    if not given. The windows stay where ``pixels`` are: fit a second time, from the result, with the ``blur`` (K,) px that came out and with
    ``still_px=FINE_PX``, for the last hundredths.
    """

    def belongs(u: FloatArray, v: FloatArray, sign: FloatArray, slack: FloatArray) -> BoolArray:
        near = np.maximum(np.abs(u), np.abs(v)) <= around.reach
        white = u * v * sign < 0
        return near & ~(white & (np.minimum(np.abs(u), np.abs(v)) > _clear(around.gap, slack)))

    bends = np.zeros((len(pixels), 2, 2)) if bends is None else bends
    return _fit_all(
        image, pixels, axes, bends, np.asarray(black, dtype=np.float64), around.reach, belongs, blur, crossing=True, still_px=still_px
    )


def fit_right_angles(
    image: GreyImage, pixels: FloatArray, axes: FloatArray, around: Surroundings, *, bends: FloatArray | None = None,
    blur: FloatArray | None = None, still_px: float = COARSE_PX,
) -> FittedCorners:  # fmt: skip
    """Fit the corners of black tags on white near ``pixels`` (K, 2): u and v run along the tag's edges into the tag; the rest as for crossings.

    What lies within the blur of the very tip is left out: it depends on the shape of the blur, while the edges do not.
    """

    def belongs(u: FloatArray, v: FloatArray, sign: FloatArray, slack: FloatArray) -> BoolArray:
        least, most = np.minimum(u, v), np.maximum(u, v)
        code = least > _clear(around.border, slack)
        outside = least < -_clear(around.gap, slack)
        tip = most < 2 * slack
        return (most <= around.reach) & ~code & ~outside & ~tip

    bends = np.zeros((len(pixels), 2, 2)) if bends is None else bends
    return _fit_all(image, pixels, axes, bends, np.ones(len(pixels)), around.reach, belongs, blur, crossing=False, still_px=still_px)


def looks_right(fit: FittedCorners, guess: FloatArray, axes: FloatArray, square: FloatArray | float, *, farthest: float = 1.0) -> BoolArray:
    """Tell which fits (K,) look like what was fitted, are near the guess (K, 2), and belong to squares that are not seen edge on.

    ``square``: the side of the squares, in m, one for all or (K,); ``farthest``: part of the distance from the guess that is usually allowed.
    """
    allowed = np.maximum(farthest * _FARTHEST * sides_px(axes, square), 1.0)
    narrowest = np.linalg.svd(np.nan_to_num(axes), compute_uv=False)[:, 1] * square
    with np.errstate(invalid="ignore"):
        narrow = (narrowest < _NARROWEST_PX) | (narrowest < _NARROWEST_BLURS * fit.blur)
        near = np.linalg.norm(fit.pixels - guess, axis=1) < allowed
        return np.asarray(near & ~narrow & (fit.explained > _LEAST_EXPLAINED) & (fit.contrast > _LEAST_CONTRAST))


def too_unlike(unexplained: FloatArray) -> BoolArray:
    """Tell which corners (K,) are partly hidden or in a reflection: more unlike a crossing than the others of their view; not where NaN."""
    if not np.isfinite(unexplained).any():
        return np.zeros(len(unexplained), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(unexplained > max(_MOST_UNEXPLAINED, _MORE_UNEXPLAINED * float(np.nanmedian(unexplained))))


def _clear(width: float, slack: FloatArray) -> FloatArray:
    """Return how much of a strip beside an edge is not blurred into by what lies beyond, in m."""
    return np.asarray(np.maximum(width - slack, _LEAST_CLEAR * width))


def _fit_all(
    image: GreyImage, pixels: FloatArray, axes: FloatArray, bends: FloatArray, sign: FloatArray, reach: float, belongs: _Belongs,
    blur: FloatArray | None, *, crossing: bool, still_px: float,
) -> FittedCorners:  # fmt: skip
    count, (height, width) = len(pixels), image.shape
    result = FittedCorners(np.full((count, 2), np.nan), *(np.full(count, np.nan) for _ in range(3)))
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(pixels).all(axis=1) & np.isfinite(axes).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(axes))) > 1e-6)
        usable &= (pixels >= 1).all(axis=1) & (pixels[:, 0] < width - 2) & (pixels[:, 1] < height - 2)
    extent = np.abs(np.nan_to_num(axes)).sum(axis=2).max(axis=1) * reach
    order = np.flatnonzero(usable)
    order = order[np.argsort(extent[order])]  # windows of like size together
    slack = np.full(count, _SLACK_PX) if blur is None else np.maximum(_SLACK_PX, _SLACK_BLURS * blur)
    largest = _LARGEST_RADIUS if crossing else _LARGEST_AT_ENDS
    for start in range(0, len(order), _CORNERS_AT_ONCE):
        some = order[start : start + _CORNERS_AT_ONCE]
        radius = int(np.clip(math.ceil(extent[some].max()), _SMALLEST_RADIUS, largest))
        windows = _windows(image, pixels[some], axes[some], bends[some], sign[some], slack[some], radius, belongs, crossing)
        fit = fit_edges(windows, _first_shape(pixels[some], axes[some]), still_px=still_px)
        result.pixels[some], result.blur[some] = fit.shape[:, :2], np.exp(fit.shape[:, 4])
        result.contrast[some] = -fit.contrast * (2 * sign[some] if crossing else 1)
        result.explained[some] = 1 - fit.rest / np.maximum(windows.spread, 1e-9)
    return result


def _first_shape(pixels: FloatArray, axes: FloatArray) -> FloatArray:
    """Return shapes (K, 5) with the edges where the board's axes say: along u the distance from the edge v, and the other way round."""
    inverse = np.linalg.inv(axes)
    directions = np.arctan2(inverse[:, :, 1], inverse[:, :, 0])
    return np.concatenate([pixels, directions, np.zeros((len(pixels), 1))], axis=1)


def _windows(
    image: GreyImage, middle: FloatArray, axes: FloatArray, bends: FloatArray, sign: FloatArray, slack_px: FloatArray, radius: int,
    belongs: _Belongs, crossing: bool,
) -> Windows:  # fmt: skip
    height, width = image.shape
    corner = np.rint(middle).astype(np.int64)
    dy, dx = (d.ravel() for d in np.mgrid[-radius : radius + 1, -radius : radius + 1])
    x, y = corner[:, :1] + dx, corner[:, 1:] + dy
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    grey = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    away_x, away_y = x - middle[:, :1], y - middle[:, 1:]
    inverse = np.linalg.inv(axes)
    u, v = (inverse[:, k, :1] * away_x + inverse[:, k, 1:] * away_y for k in (0, 1))
    slack = (slack_px / np.sqrt(np.abs(np.linalg.det(axes))))[:, None]
    used = inside & belongs(u, v, sign[:, None], slack)
    normals = inverse / np.linalg.norm(inverse, axis=2, keepdims=True)
    bend = np.einsum("kij,kij->ki", normals, bends[:, ::-1])  # the distance in u is from the edge along v
    order = np.argsort(~used, axis=1, kind="stable")[:, : max(int(used.sum(axis=1).max()), 1)]
    xs, ys, greys, weights = (np.take_along_axis(item, order, axis=1).astype(np.float32) for item in (away_x, away_y, grey, used))
    return Windows(middle, xs, ys, greys, weights, bend, crossing)
