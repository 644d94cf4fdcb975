"""Drawings over a camera's image: where corners were seen, and in which direction the solved rig misses them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.report.coverage import Coverage, cell_of, grid_shape
from bodydouble.calibration.report.histogram import empty_drawing
from bodydouble.calibration.report.summary import CameraSummary
from bodydouble.calibration.report.svg import at, circle, drawing, line, rectangle, round_step, strokes, words
from bodydouble.calibration.report.text import NOT_MEASURED, quantity

FloatArray = npt.NDArray[np.float64]

LEVELS = (1, 4, 16, 64)
"""Fewest corners in a cell for each of the shades of the coverage map."""
MOST_ARROWS = 300
"""Single residuals drawn for one camera, picked evenly; all of them count in the medians."""
_FEWEST = 5
"""Residuals in a cell for their median to say something."""
_SIDE = 320.0
_TALLEST = 300.0


def coverage_map(camera: CameraSummary) -> str:
    """Draw how many corners were seen in each cell of the image; cells without any are crossed out."""
    _, width, height = _scaled(camera.model.image_size)
    coverage = camera.coverage
    rows, columns = coverage.count.shape
    tall, wide = height / rows, width / columns
    content = [rectangle(0.5, 0.5, width - 1, height - 1, "frame")]
    for low, css in zip(LEVELS, ("shade1", "shade2", "shade3", "shade4"), strict=True):
        high = next((level for level in LEVELS if level > low), np.inf)
        content.append(_cells((coverage.count >= low) & (coverage.count < high), wide, tall, css))
    gaps = (coverage.count == 0) & coverage.visible
    content.append(_cells(gaps, wide, tall, "gap"))
    content.append(_crosses(gaps, wide, tall))
    content.append(_cells(~coverage.visible, wide, tall, "unseen"))
    for third in (1, 2):
        content.append(line(width * third / 3, 0, width * third / 3, height, "thirds"))
        content.append(line(0, height * third / 3, width, height * third / 3, "thirds"))
    return drawing(width, height, content, label=f"Where {camera.name} saw corners: {_share_text(coverage)} of its image", css="map")


def _share_text(coverage: Coverage) -> str:
    return quantity(100 * coverage.share, "%")


def residual_map(camera: CameraSummary) -> str:
    """Draw residuals (from seen to predicted), magnified: single ones thin, the median of each cell thick; a bar gives the scale."""
    scale, width, height = _scaled(camera.model.image_size)
    good = np.isfinite(camera.residual).all(axis=-1)
    pixels, residual = camera.pixels[good], camera.residual[good]
    if len(pixels) == 0:
        return empty_drawing(width, height, f"residuals: {NOT_MEASURED}")
    length = np.linalg.norm(residual, axis=-1)
    typical = max(float(np.percentile(length, 75)), 1e-6)
    magnified = round_step(0.06 * _SIDE / scale / typical, 1) / 2
    content = [rectangle(0.5, 0.5, width - 1, height - 1, "frame")]
    chosen = np.unique(np.linspace(0, len(pixels) - 1, min(len(pixels), MOST_ARROWS)).astype(np.int64))
    longest = 0.25 * _SIDE
    steps = residual * scale * magnified
    drawn = steps * np.minimum(1.0, longest / np.maximum(np.linalg.norm(steps, axis=-1, keepdims=True), 1e-9))
    content.append(strokes((pixels[chosen] + 0.5) * scale, drawn[chosen], "thin"))
    place, middle = _cell_medians(pixels, residual, camera.model.image_size)
    content.append(strokes((place + 0.5) * scale, middle * scale * magnified, "thick"))
    content += [circle(x, y, 1.8, "dot") for x, y in (place + 0.5) * scale]
    bar = round_step(60 / scale / magnified, 1) / 2
    size = bar * scale * magnified
    content.append(rectangle(4, height - 22, max(size, 6.5 * len(f"{bar:g} px")) + 10, 19, "backing"))
    content.append(line(9, height - 7, 9 + size, height - 7, "thick"))
    content.append(words(9, height - 11, f"{bar:g} px", "small"))
    return drawing(width, height, content, label=f"Residuals of {camera.name}, {magnified:g} times as long as they are", css="map")


def _cell_medians(pixels: FloatArray, residual: FloatArray, image_size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return mean place (K, 2) and median residual (K, 2) of every cell with enough of them."""
    cell = cell_of(pixels, image_size)
    which = cell[:, 0] * grid_shape(image_size)[1] + cell[:, 1]
    enough = [here for number in np.unique(which) if (here := which == number).sum() >= _FEWEST]
    place = np.array([pixels[here].mean(axis=0) for here in enough]).reshape(-1, 2)
    return place, np.array([np.median(residual[here], axis=0) for here in enough]).reshape(-1, 2)


def _scaled(image_size: tuple[int, int]) -> tuple[float, float, float]:
    """Return the scale at which an image fits its place, and its size there."""
    width, height = image_size
    scale = min(_SIDE / width, _TALLEST / height)
    return scale, width * scale, height * scale


def _cells(which: npt.NDArray[np.bool_], wide: float, tall: float, css: str) -> str:
    """Return cells of the grid as one path."""
    parts = (f"M{at(c * wide)} {at(r * tall)}h{at(wide)}v{at(tall)}h{at(-wide)}z" for r, c in np.argwhere(which))
    text = "".join(parts)
    return f'<path class="{css}" d="{text}"/>' if text else ""


def _crosses(which: npt.NDArray[np.bool_], wide: float, tall: float) -> str:
    parts = (f"M{at((c + 0.3) * wide)} {at((r + 0.3) * tall)}l{at(0.4 * wide)} {at(0.4 * tall)}" for r, c in np.argwhere(which))
    text = "".join(parts)
    return f'<path class="crossed" d="{text}"/>' if text else ""
