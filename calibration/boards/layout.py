"""Which board do these markers belong to? From where each lies beside the others, and its number."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FARTHEST = 2.6
"""In marker sides: neighbours farther away are not used to tell how markers lie beside each other."""
_OFF_GRID = 0.25
"""In steps of the grid: how far a neighbour may be off it."""
_MOST_COLUMNS = 60
_LEAST_MARKERS = 3
_UNIT = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])


@dataclass(frozen=True)
class Grid:
    """Markers on a regular grid, in their own reading direction: column to the right, row up."""

    cells: IntArray
    """(M, 2) column and row, from any origin."""
    used: npt.NDArray[np.bool_]
    """(M,) which markers hang together."""
    pitch: float
    """From cell to cell, in marker sides."""
    diagonal: bool
    """Whether neighbours touch at corners, as the white squares of a chessboard do: then cells are squares."""


@dataclass(frozen=True)
class Layout:
    """A board that fits the numbers of the markers."""

    kind: Literal["charuco", "aprilgrid"]
    columns: int
    rows: int
    """At least; markers of further rows may not have been seen."""
    first_id: int
    white_first: bool
    """ChArUco: whether the upper left square is white."""
    begins: int
    """First row of which a marker was seen."""
    matched: int
    """Markers that are where this board has them."""


def marker_grid(corners: FloatArray) -> Grid | None:
    """Return how markers (M, 4, 2) px lie beside each other, or None if they do not lie on one grid.

    Every marker is its own ruler: a homography to its unit square tells where its neighbours are, which perspective and distortion change little
    over a few squares.
    """
    import cv2

    count = len(corners)
    offsets = np.full((count, count, 2), np.nan)
    for k in range(count):
        H, _ = cv2.findHomography(corners[k], _UNIT, 0)
        if H is None:
            continue
        centres = cv2.perspectiveTransform(corners.mean(axis=1)[:, None], H)[:, 0]
        offsets[k] = centres - centres[k]
    near = np.abs(offsets).max(axis=2) < _FARTHEST
    np.fill_diagonal(near, False)
    steps = offsets[near]
    if len(steps) == 0:
        return None
    small, large = np.abs(steps).min(axis=1), np.abs(steps).max(axis=1)
    axial, diagonal = large[small < 0.3 * large], large[small > 0.7 * large]
    along = float(np.median(axial[axial < 1.3 * axial.min()])) if len(axial) else np.inf
    across = float(np.median(diagonal[diagonal < 1.3 * diagonal.min()])) if len(diagonal) else np.inf
    if not min(along, across) < np.inf:
        return None
    on_squares = across < 0.75 * along
    pitch = across if on_squares else along
    if pitch < 1.02:
        return None
    cells, used = _walk(offsets / pitch, near)
    return Grid(cells, used, pitch, on_squares) if used.sum() >= 2 else None


def _walk(steps: FloatArray, near: npt.NDArray[np.bool_]) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Number the cells of all markers that hang together, from the one with most neighbours on."""
    whole = np.rint(np.nan_to_num(steps)).astype(np.int64)
    with np.errstate(invalid="ignore"):
        linked = near & (np.abs(steps - whole).max(axis=2) < _OFF_GRID) & (np.abs(whole).sum(axis=2) > 0)
    linked &= linked.T & (whole == -np.swapaxes(whole, 0, 1)).all(axis=2)
    cells, used = np.zeros((len(steps), 2), dtype=np.int64), np.zeros(len(steps), dtype=bool)
    start = int(linked.sum(axis=1).argmax())
    used[start] = True
    queue = deque([start])
    while queue:
        k = queue.popleft()
        for other in np.flatnonzero(linked[k] & ~used):
            cells[other] = cells[k] + whole[k, other]
            used[other] = True
            queue.append(int(other))
    return cells, used


def board_layout(grid: Grid, ids: Sequence[int]) -> Layout | None:
    """Return the board whose numbering fits most markers of a grid, or None if fewer than three do; a board that starts at 0 is preferred."""
    cells = grid.cells[grid.used]
    numbers = np.asarray(ids, dtype=np.int64)[grid.used]
    if len(numbers) < _LEAST_MARKERS:
        return None
    found = _charuco_layout(cells, numbers) if grid.diagonal else _tag_grid_layout(cells, numbers)
    return found if found is not None and found.matched >= max(_LEAST_MARKERS, 0.6 * len(numbers)) else None


def _charuco_layout(cells: IntArray, ids: IntArray) -> Layout | None:
    """Numbers grow to the right in a row of squares, row by row from the top, over the white squares."""
    best: tuple[tuple[int, int, int], Layout] | None = None
    down = cells[:, 1].max() - cells[:, 1]
    across = cells[:, 0] - cells[:, 0].min()
    for first in (0, *sorted({int(ids.min())} - {0})):
        for columns in range(max(2, int(across.max()) + 1), _MOST_COLUMNS + 1):
            for white_first in (False, True):
                row, column = _white_square(ids - first, columns, white_first)
                (shift, matched), *_ = Counter(zip((row - down).tolist(), (column - across).tolist(), strict=True)).most_common(1)
                fits = (row - down == shift[0]) & (column - across == shift[1])
                if shift[0] < 0 or shift[1] < 0 or (across + shift[1]).max() >= columns:
                    continue
                rank = (matched, -first, -columns)
                if best is None or rank > best[0]:
                    rows = max(int(row[fits].max()) + 1, 2)
                    best = (rank, Layout("charuco", columns, rows, first, white_first, int(row[fits].min()), matched))
        if best is not None and best[1].matched == len(ids):
            break
    return None if best is None else best[1]


def _white_square(number: IntArray, columns: int, white_first: bool) -> tuple[IntArray, IntArray]:
    """Return row and column of the white square with each number."""
    pair, rest = np.divmod(number, columns)  # two rows have as many white squares as there are columns
    upper = (columns + 1) // 2 if white_first else columns // 2
    in_upper = rest < upper
    row = 2 * pair + np.where(in_upper, 0, 1)
    place = np.where(in_upper, rest, rest - upper)
    column = 2 * place + np.where(in_upper, 0 if white_first else 1, 1 if white_first else 0)
    return row, column


def _tag_grid_layout(cells: IntArray, ids: IntArray) -> Layout | None:
    """Numbers grow to the right in a row of tags, row by row from the bottom."""
    best: tuple[tuple[int, int, int], Layout] | None = None
    across, up = (cells - cells.min(axis=0)).T
    width = int(across.max()) + 1
    for columns in range(width, _MOST_COLUMNS + 1):
        starts = Counter((ids - up * columns - across).tolist())
        start, matched = starts.most_common(1)[0]
        if matched < _LEAST_MARKERS or start < 0:
            continue
        fits = ids - up * columns - across == start
        row, column = divmod(int(start), columns)
        whole = column + width <= columns  # then it may be a part of a board that starts at 0
        first, rows = (0, row + int(up[fits].max()) + 1) if whole else (int(start), int(up[fits].max()) + 1)
        if not whole and columns != width:
            continue
        if up.max() == 0:
            columns, first, rows = width, int(start), 1
        rank = (matched, -first, -columns)
        if best is None or rank > best[0]:
            best = (rank, Layout("aprilgrid", columns, rows, first, False, row if whole and rows > 1 else 0, matched))
    return None if best is None else best[1]


def together(layouts: Sequence[Layout]) -> Layout | None:
    """Return the layout that most markers of several images are for, with all rows that any of them shows, and none before those."""
    votes: dict[tuple[object, ...], list[Layout]] = defaultdict(list)
    for layout in layouts:
        votes[layout.kind, layout.columns, layout.first_id, layout.white_first].append(layout)
    if not votes:
        return None
    chosen = max(votes.values(), key=lambda group: sum(layout.matched for layout in group))
    largest = max(chosen, key=lambda layout: (layout.rows, layout.matched))
    return _without_unseen_rows(replace(largest, begins=min(layout.begins for layout in chosen)))


def _without_unseen_rows(layout: Layout) -> Layout:
    """Return the layout from the first row on of which something was seen: more likely its numbers do not start at 0."""
    skipped = layout.begins
    if skipped == 0:
        return layout
    if layout.kind == "aprilgrid":
        return replace(layout, rows=layout.rows - skipped, first_id=layout.first_id + skipped * layout.columns, begins=0)
    white_first = layout.white_first != (skipped % 2 == 1)
    upper = (layout.columns + 1) // 2 if layout.white_first else layout.columns // 2
    before = skipped // 2 * layout.columns + (upper if skipped % 2 else 0)
    return replace(layout, rows=layout.rows - skipped, first_id=layout.first_id + before, white_first=white_first, begins=0)
