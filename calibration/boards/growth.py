"""Checkerboards of unknown size: a piece that OpenCV finds, grown by rows and columns as long as there are crossings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.consistency import local_maps
from bodydouble.calibration.boards.refinement import Surroundings, fit_crossings, looks_right, too_unlike

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]

_SEEDS = ((4, 4), (3, 3))
_SEARCH_PX = 1000
_LARGEST = 60
"""Corners each way: no board has more."""
_LEAST_OF_A_LINE = 0.7
_LEAST_CONTRAST = 0.7
"""Of its neighbour's: beyond the last crossings, the corner of a black square on white looks like a crossing of half the contrast."""
_AROUND = Surroundings(reach=0.4)


def find_any_checkerboard(image: GreyImage) -> tuple[int, int] | None:
    """Return (columns, rows) of inner corners of the checkerboard in a grey image, or None; columns >= rows.

    What of the board is outside the image or covered is not counted.
    """
    import cv2

    small = min(1.0, _SEARCH_PX / max(image.shape))
    reduced = cv2.resize(image, None, fx=small, fy=small, interpolation=cv2.INTER_AREA) if small < 1 else image
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_LARGER
    best = (0, 0)
    for seed in _SEEDS:
        found, corners, meta = cv2.findChessboardCornersSBWithMeta(reduced, seed, flags)
        if not found or meta is None or corners is None:
            continue
        rows, columns = meta.shape
        grown = _grown(reduced, corners.reshape(rows, columns, 2).astype(np.float64))
        if grown is not None and grown[0] * grown[1] > best[0] * best[1]:
            best = grown
    return (max(best), min(best)) if min(best) >= 3 else None


def _grown(image: GreyImage, corners: FloatArray) -> tuple[int, int] | None:
    """Return (columns, rows) of inner corners after growing a piece (rows, columns, 2) to all sides; None if it is no checkerboard."""
    rows, columns = corners.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    points, pixels = grid.reshape(-1, 2).astype(np.float64), corners.reshape(-1, 2)
    _, axes = local_maps(points, pixels, points)
    odd = (points.sum(axis=1) % 2) * 2 - 1
    fits = {sign: fit_crossings(image, pixels, axes, sign * odd, _AROUND) for sign in (1.0, -1.0)}
    good = {sign: looks_right(fit, pixels, axes, 1.0) for sign, fit in fits.items()}
    sign = max(good, key=lambda key: good[key].sum())
    if good[sign].mean() < _LEAST_OF_A_LINE:
        return None
    inner = _inner(np.where(good[sign], fits[sign].contrast, 0.0).reshape(rows, columns))
    if inner is None:
        return None
    low, high = np.array([inner[1].start, inner[0].start]), np.array([inner[1].stop - 1, inner[0].stop - 1])
    kept = good[sign] & (points >= low).all(axis=1) & (points <= high).all(axis=1)
    points, pixels, contrast = points[kept], fits[sign].pixels[kept], fits[sign].contrast[kept]
    usual = float(np.median(1 - fits[sign].explained[kept]))
    growing = True
    while growing and (high - low).max() < _LARGEST:
        growing = False
        for axis in (0, 1):
            for end in (low, high):
                line = _line(low, high, axis, end)
                guess, axes = local_maps(points, pixels, line)
                signs = sign * ((line.sum(axis=1) % 2) * 2 - 1)
                fit = fit_crossings(image, guess, axes, signs, _AROUND)
                good_line = looks_right(fit, guess, axes, 1.0, farthest=0.7)
                unexplained = np.append(np.where(good_line, 1 - fit.explained, np.nan), [usual] * (len(line) + 1))
                good_line &= ~too_unlike(unexplained)[: len(line)]
                nearest = ((line[:, None] - points[None]) ** 2).sum(axis=2).argmin(axis=1)
                good_line &= fit.contrast > _LEAST_CONTRAST * contrast[nearest]
                if good_line.mean() >= _LEAST_OF_A_LINE:
                    points, pixels = np.concatenate([points, line[good_line]]), np.concatenate([pixels, fit.pixels[good_line]])
                    contrast = np.concatenate([contrast, fit.contrast[good_line]])
                    end[axis] += 1 if end is high else -1
                    growing = True
    columns, rows = (high - low + 1).tolist()
    return columns, rows


def _inner(contrast: FloatArray) -> tuple[slice, slice] | None:
    """Return the rows and columns of a piece without outermost lines that are corners of squares; None if less than three lines are left."""
    top, bottom, left, right = 0, contrast.shape[0], 0, contrast.shape[1]
    while min(bottom - top, right - left) >= 3:
        part = contrast[top:bottom, left:right]
        pairs = ((part[0], part[1]), (part[-1], part[-2]), (part[:, 0], part[:, 1]), (part[:, -1], part[:, -2]))
        faint = [float(np.median(outer)) < _LEAST_CONTRAST * float(np.median(next_one)) for outer, next_one in pairs]
        if not any(faint):
            return slice(top, bottom), slice(left, right)
        top, bottom, left, right = top + faint[0], bottom - faint[1], left + faint[2], right - faint[3]
    return None


def _line(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], axis: int, end: npt.NDArray[np.int64]) -> FloatArray:
    """Return the points (N, 2) of the next line beyond one side of the grid."""
    other = 1 - axis
    line = np.zeros((high[other] - low[other] + 1, 2))
    line[:, other] = np.arange(low[other], high[other] + 1)
    line[:, axis] = end[axis] + (1 if end is high else -1)
    return line
