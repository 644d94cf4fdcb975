"""Finding the corners of tags: of an AprilGrid, or of single tags in a room."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.consistency import FOR_BENDS, agreeing_markers, edge_bends, local_maps, without_outliers
from bodydouble.calibration.boards.dictionary import DICTIONARIES, half_turned, opencv_dictionary, possible_turns
from bodydouble.calibration.boards.refinement import (
    COARSE_PX,
    FINE_PX,
    FittedCorners,
    Surroundings,
    fit_crossings,
    fit_right_angles,
    looks_right,
    too_unlike,
)

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]

_REACH = 0.45
"""Of a tag's side: how far from its corners a tag's edges are looked at."""
_REACH_BESIDE = 0.9
"""Of the narrower of gap and border: the same where black squares meet the corners."""
_DIAGONAL = np.array([-1.0, 1.0, -1.0, 1.0])
"""For the corners of a tag from the upper left one clockwise: whether the tag lies where u v > 0."""
_INWARDS = np.array([[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
"""For the same corners: the directions of x and y that lead into the tag."""


class TagFinder:
    """AprilGrids and single tags. Where black squares meet the tags, their corners are crossings as on a chessboard, else right angles."""

    def __init__(self, board: Board) -> None:
        settings: Any = board.settings
        self._index = {i: k for k, i in enumerate(board.tag_ids)}
        self._sizes = np.array(board.tag_sizes)
        self._points = board.targets.points[:, :2]
        self._grid = settings.type == "aprilgrid"
        self._turns = possible_turns(settings.dictionary) if self._grid else (half_turned(settings.dictionary),)
        bit = 1 / (DICTIONARIES[settings.dictionary][0] + 2 * settings.border_bits)
        self._border = settings.border_bits * bit
        self._widths = np.repeat(2 * self._border * self._sizes, 4)
        self._gap = settings.tag_spacing if self._grid else bit
        self._crossing = self._grid and settings.corner_squares
        self._detector = marker_detector(settings.dictionary, border_bits=settings.border_bits, close_together=self._grid)

    def find(self, image: GreyImage) -> FloatArray:
        """Return the corners (P, 2) of the tags in an image of black tags on white; NaN where not found."""
        result = np.full((len(self._points), 2), np.nan)
        tags, seen = read_markers(self._detector, image, self._index)
        if not len(tags):
            return result
        places = self._points.reshape(-1, 4, 2)[tags]
        if self._grid and len(tags) > 1:
            good, seen = agreeing_markers(places, seen, self._sizes[0], self._turns)
            tags, seen, places = tags[good], seen[good], places[good]
        else:
            seen = np.roll(seen, self._turns[0], axis=1)
        guess, axes = np.full((len(result), 2), np.nan), np.full((len(result), 2, 2), np.nan)
        for k, place, pixels in zip(tags, places, seen, strict=True):
            guess[4 * k : 4 * k + 4], axes[4 * k : 4 * k + 4] = local_maps(place, pixels, place)
        return self._refined(image, guess, axes)

    def _refined(self, image: GreyImage, guess: FloatArray, axes: FloatArray) -> FloatArray:
        """Return the corners (P, 2) near ``guess`` that look like it; of a grid also those of tags that were not read."""
        fit = self._fit(image, guess, axes)
        good = looks_right(fit, guess, axes, self._widths)
        if self._crossing and 8 <= good.sum() < len(good):
            far, far_axes = local_maps(self._points[good], fit.pixels[good], self._points)
            more = self._fit(image, np.where(good[:, None], np.nan, far), far_axes)
            new = looks_right(more, far, far_axes, self._widths)
            fit = fit.without(~good).completed_by(more.without(~new))
            axes, good = np.where(new[:, None, None], far_axes, axes), good | new
        if self._grid:
            good &= ~too_unlike(np.where(good, 1 - fit.explained, np.nan))
        pixels = np.where(good[:, None], fit.pixels, np.nan)
        if self._grid:
            pixels = without_outliers(self._points, pixels, self._sizes[0], (image.shape[1], image.shape[0]))
        known = np.isfinite(pixels[:, 0])
        bends = np.zeros((len(pixels), 2, 2))
        if self._grid and known.sum() >= FOR_BENDS:
            bends[known] = edge_bends(self._points[known], pixels[known])
        last = self._fit(image, pixels, axes, bends=bends, blur=fit.blur, still_px=FINE_PX)
        return np.where(looks_right(last, pixels, axes, self._widths)[:, None], last.pixels, np.nan)

    def _fit(
        self, image: GreyImage, guess: FloatArray, axes: FloatArray, *, bends: FloatArray | None = None, blur: FloatArray | None = None,
        still_px: float = COARSE_PX,
    ) -> FittedCorners:  # fmt: skip
        if self._crossing:
            around = Surroundings(reach=_REACH_BESIDE * min(self._gap, self._border) * self._sizes[0])
            black = np.resize(_DIAGONAL, len(guess))
            return fit_crossings(image, guess, axes, black, around, bends=bends, blur=blur, still_px=still_px)
        inwards = axes * np.resize(_INWARDS, (len(guess), 2))[:, None, :]
        fits = []
        for size in np.unique(self._sizes):
            around = Surroundings(reach=_REACH * size, gap=self._gap * size, border=self._border * size)
            some = np.where(np.repeat(self._sizes == size, 4)[:, None], guess, np.nan)
            fits.append(fit_right_angles(image, some, inwards, around, bends=bends, blur=blur, still_px=still_px))
        merged = fits[0]
        for fit in fits[1:]:
            merged = merged.completed_by(fit)
        return merged


def read_markers(detector: Any, image: GreyImage, index: dict[int, int]) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return which of the markers of ``index`` (id to number) are in an image, (M,), and their corners (M, 4, 2); not those seen twice."""
    corners, ids, _ = detector.detectMarkers(image)
    found = [] if ids is None else [(int(i), c.reshape(4, 2)) for i, c in zip(ids.ravel(), corners, strict=True) if int(i) in index]
    times = Counter(i for i, _ in found)
    found = [(i, c) for i, c in found if times[i] == 1]
    return (
        np.array([index[i] for i, _ in found], dtype=np.int64),
        np.array([c for _, c in found], dtype=np.float64).reshape(-1, 4, 2),
    )


def marker_detector(dictionary: str, *, border_bits: int = 1, close_together: bool = False) -> Any:
    """Return OpenCV's detector of single markers, set up to read small and blurred ones; ``close_together`` for tags that touch each other."""
    import cv2

    parameters = cv2.aruco.DetectorParameters()
    parameters.markerBorderBits = border_bits
    parameters.perspectiveRemovePixelPerCell = 8
    parameters.minMarkerPerimeterRate = 0.015
    if close_together:
        parameters.adaptiveThreshWinSizeStep = 4
    return cv2.aruco.ArucoDetector(opencv_dictionary(dictionary), parameters)
