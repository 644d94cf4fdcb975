"""Finding the points of a board in an image: OpenCV finds the board, ``board_refinement`` says where exactly its corners are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.consistency import FOR_BENDS, agreeing_markers, edge_bends, local_maps, without_outliers
from bodydouble.calibration.boards.dictionary import opencv_dictionary, possible_turns
from bodydouble.calibration.boards.refinement import FINE_PX, FittedCorners, Surroundings, fit_crossings, looks_right, too_unlike
from bodydouble.calibration.boards.tags import TagFinder, marker_detector, read_markers

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]

_REACH = 0.45
"""Of a square's side: how far from a crossing its edges are looked at; the next crossing begins to blur in at about a half."""
_LEAST_FOUND = 0.7
"""Of a checkerboard's corners: a view with fewer good ones is some other pattern that was taken for the board."""
_SEARCH_PX = 1000
"""Longer side of the image in which checkerboards are searched first: faster, and finds more than the full image."""


class BoardDetector:
    """Finds the points of one board in grey images.

    Holds detectors of OpenCV, which cannot be sent to other processes: make one in each.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        finders: dict[str, Callable[[Board], Any]] = {
            "charuco": CharucoFinder, "checkerboard": CheckerboardFinder, "aprilgrid": TagFinder, "markers": TagFinder
        }  # fmt: skip
        self._finder = finders[board.settings.type](board)

    def detect(self, grey: GreyImage) -> FloatArray:
        """Return the pixels (P, 2) of the board's points in a grey image (H, W) of uint8; NaN where a point was not found.

        Pixel (0, 0) is the centre of the upper left pixel. The back of a two-sided board is looked for where its front is not seen.
        """
        if grey.dtype != np.uint8 or grey.ndim != 2:
            raise ValueError(f"a grey image (H, W) of uint8 was expected, not {grey.shape} of {grey.dtype}")
        image = np.ascontiguousarray(255 - grey if self.board.settings.inverted else grey)
        pixels: FloatArray = self._finder.find(image)
        if getattr(self.board.settings, "two_sided", False) and not np.isfinite(pixels).any():
            pixels = self._finder.find(np.ascontiguousarray(image[:, ::-1]))
            pixels[:, 0] = image.shape[1] - 1 - pixels[:, 0]
        return pixels


class CharucoFinder:
    """The inner corners of a ChArUco board: its markers say which corners are near, each corner's own edges where it is."""

    def __init__(self, board: Board) -> None:
        import cv2

        settings: Any = board.settings
        self._square = settings.square_size
        self._points = board.targets.points[:, :2]
        ids = np.arange(settings.first_id, settings.first_id + settings.columns * settings.rows // 2)
        layout = cv2.aruco.CharucoBoard(
            (settings.columns, settings.rows), settings.square_size, settings.marker_size, opencv_dictionary(settings.dictionary), ids
        )
        layout.setLegacyPattern(settings.legacy_layout)
        self._index = {int(i): k for k, i in enumerate(np.asarray(layout.getIds()).ravel())}
        height = settings.rows * settings.square_size  # OpenCV's board has y down from the upper left corner
        self._markers = np.array([[[x, height - y] for x, y, _ in np.asarray(c)] for c in layout.getObjPoints()], dtype=np.float64)
        self._turns = possible_turns(settings.dictionary)
        self._detector = marker_detector(settings.dictionary)
        self._black = diagonals(settings.columns, settings.rows, white_first=settings.legacy_layout and settings.rows % 2 == 0)
        gap = (settings.square_size - settings.marker_size) / 2
        self._around = Surroundings(reach=_REACH * settings.square_size, gap=gap)

    def find(self, image: GreyImage) -> FloatArray:
        """Return the corners (P, 2) in an image of a board that is not inverted; NaN where not found."""
        result = np.full((len(self._points), 2), np.nan)
        markers, seen = read_markers(self._detector, image, self._index)
        good, seen = agreeing_markers(self._markers[markers], seen, self._square, self._turns)
        if not good.any():
            return result
        on_board, in_image = self._markers[markers][good].reshape(-1, 2), seen[good].reshape(-1, 2)
        unexplained, blur = np.full(len(result), np.nan), np.full(len(result), np.nan)
        for farthest in (1.0, 0.5, 0.5):  # from the markers, then twice further on from the corners that were found
            guess, axes = local_maps(on_board, in_image, self._points)
            todo = np.isnan(result[:, 0])
            fit = fit_crossings(image, np.where(todo[:, None], guess, np.nan), axes, self._black, self._around)
            new = looks_right(fit, guess, axes, self._square, farthest=farthest)
            if not new.any():
                break
            result = np.where(new[:, None], fit.pixels, result)
            unexplained, blur = np.where(new, 1 - fit.explained, unexplained), np.where(new, fit.blur, blur)
            result[too_unlike(unexplained)] = np.nan
            done = np.isfinite(result[:, 0])
            if done.all() or done.sum() < 4:
                break
            on_board, in_image = self._points[done], result[done]
        result = without_outliers(self._points, result, self._square, (image.shape[1], image.shape[0]))
        return _along_bent_edges(image, self._points, result, axes, self._black, self._around, blur)


class CheckerboardFinder:
    """The inner corners of a checkerboard, if all of them are in the image.

    The upper left square is black, which tells the two ways round apart where one side has an even and the other an odd number of squares. With
    both even or both odd the board looks the same turned by half; then the more upright of the two readings is taken, and cameras (or frames)
    that see the board turned by more than a quarter against each other disagree about its corners.
    """

    def __init__(self, board: Board) -> None:
        settings: Any = board.settings
        self._size = (settings.columns - 1, settings.rows - 1)
        self._square = settings.square_size
        self._points = board.targets.points[:, :2]
        self._black = diagonals(settings.columns, settings.rows, white_first=False)
        self._around = Surroundings(reach=_REACH * settings.square_size)

    def find(self, image: GreyImage) -> FloatArray:
        """Return the corners (P, 2) in an image of a board that is not inverted; NaN where not found."""
        import cv2

        small = min(1.0, _SEARCH_PX / max(image.shape))
        reduced = cv2.resize(image, None, fx=small, fy=small, interpolation=cv2.INTER_AREA) if small < 1 else image
        thorough = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE
        classic = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
        attempts = [(cv2.findChessboardCornersSB, reduced, thorough), (cv2.findChessboardCorners, reduced, classic)]
        if small < 1:
            attempts.append((cv2.findChessboardCornersSB, image, thorough))
        for search, where, flags in attempts:
            found, corners = search(where, self._size, flags=flags)
            if found:
                scale = image.shape[1] / where.shape[1]
                result = self._refined(image, (corners.reshape(-1, 2).astype(np.float64) + 0.5) * scale - 0.5)
                if result is not None:
                    return result
        return np.full((len(self._points), 2), np.nan)

    def _refined(self, image: GreyImage, corners: FloatArray) -> FloatArray | None:
        """Return the corners in the board's order, or None if they are not those of this board."""
        columns, rows = self._size
        best: tuple[float, FittedCorners, FloatArray] | None = None
        for way in _orders(corners.reshape(rows, columns, 2)):
            ordered = way.reshape(-1, 2)
            _, axes = local_maps(self._points, ordered, self._points)
            if np.median(np.linalg.det(axes)) > 0:  # y points up on the board and down in the image
                continue
            fit = fit_crossings(image, ordered, axes, self._black, self._around)
            good = looks_right(fit, ordered, axes, self._square)
            if good.mean() < _LEAST_FOUND:
                continue
            good &= ~too_unlike(np.where(good, 1 - fit.explained, np.nan))
            upright = -float(np.median(axes[:, 1, 1] / np.linalg.norm(axes[:, :, 1], axis=1)))
            if best is None or upright > best[0]:
                best = (upright, fit, np.where(good[:, None], fit.pixels, np.nan))
        if best is None:
            return None
        result = without_outliers(self._points, best[2], self._square, (image.shape[1], image.shape[0]))
        if np.isfinite(result[:, 0]).mean() < _LEAST_FOUND:
            return None
        return _along_bent_edges(image, self._points, result, None, self._black, self._around, best[1].blur)


def diagonals(columns: int, rows: int, *, white_first: bool) -> FloatArray:
    """Return for every inner corner, row by row from the upper left, 1 if the squares right above and left below it are black, else -1."""
    row, column = np.divmod(np.arange((columns - 1) * (rows - 1)), columns - 1)
    return np.where((row + column) % 2 == (0 if white_first else 1), 1.0, -1.0)


def _along_bent_edges(
    image: GreyImage,
    points: FloatArray,
    pixels: FloatArray,
    axes: FloatArray | None,
    black: FloatArray,
    around: Surroundings,
    blur: FloatArray,
) -> FloatArray:
    """Return the pixels (K, 2) fitted again, centred, with edges that bend as the lens bends the rows and columns of the board.

    ``axes`` (K, 2, 2) serve where fewer than four corners were found, from which better ones would come.
    """
    result, known = pixels.copy(), np.flatnonzero(np.isfinite(pixels[:, 0]))
    if len(known) >= 4:
        axes = local_maps(points[known], pixels[known], points[known])[1]
    elif axes is not None and len(known):
        axes = axes[known]
    else:
        return result
    bends = edge_bends(points[known], pixels[known]) if len(known) >= FOR_BENDS else None
    fit = fit_crossings(image, pixels[known], axes, black[known], around, bends=bends, blur=blur[known], still_px=FINE_PX)
    still = np.linalg.norm(fit.pixels - pixels[known], axis=1) < 1.0
    result[known[still]] = fit.pixels[still]
    return result


def _orders(grid: FloatArray) -> list[FloatArray]:
    """Return the four ways to walk through a grid (rows, columns, 2) that keep its rows rows; and, if it is square, the four others."""
    ways = [grid, grid[::-1, ::-1], grid[::-1], grid[:, ::-1]]
    return ways + [np.swapaxes(way, 0, 1) for way in ways] if grid.shape[0] == grid.shape[1] else ways
