"""What is printed of a board: black rectangles in metres, to draw to scale or to render as a camera sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.dictionary import DICTIONARIES, marker_bits
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pattern:
    """Black rectangles that do not overlap on white paper, in the frame of one target: x right, y up, m."""

    black: FloatArray
    """(N, 4) left, bottom, right, top."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top of the pattern."""
    quiet: float
    """Width of the plain zone that must surround the pattern, in m: white, or black where the board is inverted."""
    inverted: bool
    """Whether black and white are swapped, the quiet zone included."""

    def __post_init__(self) -> None:
        freeze_arrays(self, {"black": ((len(self.black), 4), np.float64)})

    def mirrored(self) -> Pattern:
        """Return what the back of a two-sided board carries, as seen from behind with y still up."""
        left, _, right, _ = self.bounds
        swapped = self.black.copy()
        swapped[:, [0, 2]] = left + right - self.black[:, [2, 0]]
        return Pattern(swapped, self.bounds, self.quiet, self.inverted)

    def image(self, pixels_per_metre: float, *, margin: float | None = None) -> npt.NDArray[np.uint8]:
        """Return the pattern as a grey image, every pixel the mean over its area; ``margin`` in m around it, by default the quiet zone."""
        margin = self.quiet if margin is None else margin
        left, bottom, right, top = self.bounds
        width, height = (math.ceil((size + 2 * margin) * pixels_per_metre - 1e-9) for size in (right - left, top - bottom))
        dark = np.zeros((height, width))
        origin = np.array([left - margin, top + margin])
        for x0, y0, x1, y1 in self.black:
            left_px, right_px = (x0 - origin[0]) * pixels_per_metre, (x1 - origin[0]) * pixels_per_metre
            cover(dark, left_px, right_px, (origin[1] - y1) * pixels_per_metre, (origin[1] - y0) * pixels_per_metre)
        return np.rint(255 * (dark if self.inverted else 1 - dark)).clip(0, 255).astype(np.uint8)


def board_pattern(board: Board) -> Pattern:
    """Return what a ChArUco board, a checkerboard or an AprilGrid looks like. Single tags: ``tag_pattern``."""
    settings = board.settings
    if settings.type == "markers":
        raise ValueError("single tags have a pattern each: use tag_pattern")
    if settings.type == "aprilgrid":
        return _grid_pattern(board)
    size = settings.square_size
    columns, rows = settings.columns, settings.rows
    white_first = settings.type == "charuco" and settings.legacy_layout and rows % 2 == 0
    black: list[FloatArray] = []
    marker = settings.first_id if settings.type == "charuco" else 0
    for row in range(rows):
        for column in range(columns):
            x, y = column * size, (rows - 1 - row) * size
            if ((row + column) % 2 == 0) != white_first:
                black.append(np.array([[x, y, x + size, y + size]]))
            elif settings.type == "charuco":
                inset = (size - settings.marker_size) / 2
                black.append(_tag(settings.dictionary, marker, settings.marker_size, 1, x + inset, y + inset))
                marker += 1
    return Pattern(np.concatenate(black), (0.0, 0.0, columns * size, rows * size), size / 4, settings.inverted)


def tag_pattern(board: Board, index: int) -> Pattern:
    """Return what the tag ``ids[index]`` of a set of single tags looks like; the origin is its centre."""
    settings = board.settings
    if settings.type != "markers":
        raise ValueError(f"a {settings.type} is one pattern: use board_pattern")
    size = board.tag_sizes[index]
    black = _tag(settings.dictionary, settings.ids[index], size, settings.border_bits, -size / 2, -size / 2)
    bit = size / (DICTIONARIES[settings.dictionary][0] + 2 * settings.border_bits)
    return Pattern(black, (-size / 2, -size / 2, size / 2, size / 2), bit, settings.inverted)


def _grid_pattern(board: Board) -> Pattern:
    settings = board.settings
    assert settings.type == "aprilgrid"
    size, gap = settings.marker_size, settings.marker_size * settings.tag_spacing
    black = []
    for k, number in enumerate(board.tag_ids):
        row, column = divmod(k, settings.columns)
        x, y = column * (size + gap), row * (size + gap)
        black.append(_tag(settings.dictionary, number, size, settings.border_bits, x, y))
    across, up = (count * size + (count - 1) * gap for count in (settings.columns, settings.rows))
    if not settings.corner_squares:
        return Pattern(np.concatenate(black), (0.0, 0.0, across, up), gap, settings.inverted)
    for row in range(settings.rows + 1):
        for column in range(settings.columns + 1):
            x, y = column * (size + gap) - gap, row * (size + gap) - gap
            black.append(np.array([[x, y, x + gap, y + gap]]))
    return Pattern(np.concatenate(black), (-gap, -gap, across + gap, up + gap), gap, settings.inverted)


def _tag(dictionary: str, number: int, size: float, border: int, x: float, y: float) -> FloatArray:
    """Return the black rectangles (N, 4) of a tag whose lower left corner is at (x, y); runs of black cells in a row are one."""
    cells = np.pad(~marker_bits(dictionary, number), border, constant_values=True)
    step = size / len(cells)
    rectangles = []
    for row, line in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        bottom = y + (len(cells) - 1 - row) * step
        rectangles += [[x + a * step, bottom, x + b * step, bottom + step] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return np.array(rectangles)


def cover(dark: npt.NDArray[np.floating[Any]], x0: float, x1: float, y0: float, y1: float, ink: float = 1.0) -> None:
    """Add to every pixel (H, W) ``ink`` times the part of its area that a rectangle covers; pixel i covers [i, i + 1], y is down."""
    parts = []
    for low, high, count in ((y0, y1, dark.shape[0]), (x0, x1, dark.shape[1])):
        first, last = max(0, math.floor(low)), min(count, math.ceil(high))
        cells = np.arange(first, last)
        parts.append((slice(first, last), np.clip(np.minimum(high, cells + 1) - np.maximum(low, cells), 0, 1)))
    dark[parts[0][0], parts[1][0]] += ink * np.outer(parts[0][1], parts[1][1])
