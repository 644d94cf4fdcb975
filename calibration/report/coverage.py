"""Where in its image a camera saw corners: counts on a grid of cells, the covered share, and the third that lacks most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

CELLS = 12
"""Cells along the longer side of the image; cells are nearly square."""
_PLACES = (
    ("upper left third", "upper middle third", "upper right third"),
    ("middle left third", "centre", "middle right third"),
    ("lower left third", "lower middle third", "lower right third"),
)


@dataclass(frozen=True)
class Coverage:
    """Corners seen in each cell of the image."""

    count: npt.NDArray[np.int64]
    """(rows, columns)"""
    visible: npt.NDArray[np.bool_]
    """(rows, columns) cells that the lens can see; the corners of a fisheye image are often outside of it."""

    def __post_init__(self) -> None:
        shape = np.shape(self.count)
        freeze_arrays(self, {"count": (shape, np.int64), "visible": (shape, np.bool_)})

    @property
    def share(self) -> float:
        """Share of the visible cells in which at least one corner was seen, 0 to 1."""
        return float((self.count > 0)[self.visible].mean()) if self.visible.any() else float("nan")

    def emptiest_thirds(self, most: int = 2) -> tuple[str, ...]:
        """Return the names of the thirds of the image with the largest share of empty cells, worst first; empty where all is covered."""
        lacking = []
        rows, columns = self.count.shape
        for r, row in enumerate(np.array_split(np.arange(rows), 3)):
            for c, column in enumerate(np.array_split(np.arange(columns), 3)):
                part = np.ix_(row, column)
                visible = self.visible[part]
                if visible.any():
                    lacking.append((float((self.count[part] == 0)[visible].mean()), int(visible.sum()), _PLACES[r][c]))
        lacking = [item for item in lacking if item[0] > 0]
        return tuple(place for *_, place in sorted(lacking, reverse=True)[:most])


def grid_shape(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of the cells of an image."""
    width, height = image_size
    cell = max(width, height) / CELLS
    return max(1, round(height / cell)), max(1, round(width / cell))


def cell_of(pixels: FloatArray, image_size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return (N, 2) row and column of the cell of each pixel (N, 2); pixels beyond the image count to its nearest cell."""
    rows, columns = grid_shape(image_size)
    width, height = image_size
    place = (pixels[:, ::-1] + 0.5) / [height / rows, width / columns]
    return np.clip(np.floor(place), 0, [rows - 1, columns - 1]).astype(np.int64)


def coverage_of(model: CameraModel, pixels: FloatArray) -> Coverage:
    """Count corners seen at pixels (N, 2) in the cells of a camera's image."""
    rows, columns = grid_shape(model.image_size)
    count = np.zeros((rows, columns), dtype=np.int64)
    cell = cell_of(pixels, model.image_size)
    np.add.at(count, (cell[:, 0], cell[:, 1]), 1)
    width, height = model.image_size
    u, v = np.meshgrid((np.arange(columns) + 0.5) * width / columns - 0.5, (np.arange(rows) + 0.5) * height / rows - 0.5)
    visible = np.isfinite(model.rays(np.stack([u, v], axis=-1))).all(axis=-1)
    return Coverage(count, visible | (count > 0))
