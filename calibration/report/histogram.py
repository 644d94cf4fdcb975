"""Histograms of the report: of signed held-out distance errors, and of a camera's reprojection errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.report.svg import drawing, line, polyline, rectangle, round_step, tick_text, ticks, words
from bodydouble.calibration.report.text import NOT_MEASURED, quantity

FloatArray = npt.NDArray[np.float64]

_HEADROOM = 1.12
_TAIL = 99.5
_MOST_MEDIANS = 10.0
"""The axis spans ``_TAIL`` per cent of the values, and at most so many medians; the rest is counted beside it, so that a few wild values do not
flatten the others."""


def distance_histogram(errors_mm: FloatArray, *, width: float = 860, height: float = 240) -> str:
    """Draw signed errors (D,) of board distances in mm around zero, with the band that holds half of them by size."""
    if len(errors_mm) == 0:
        return empty_drawing(width, 80, f"held-out distance errors: {NOT_MEASURED}")
    reach = _reach(np.abs(errors_mm))
    step = round_step(2 * reach, 60)
    reach = step * np.ceil(reach / step)
    share = _shares(errors_mm, np.linspace(-reach, reach, 2 * round(reach / step) + 1))
    left, right, top, bottom, highest = 46.0, width - 14, 14.0, height - 40, _HEADROOM * float(share.max())
    content = _frame(left, right, top, bottom, highest, "share of distances")
    half = float(np.median(np.abs(errors_mm)))

    def x(value: float) -> float:
        return float(left + (value + reach) / (2 * reach) * (right - left))

    content.append(rectangle(x(-min(half, reach)), top, x(min(half, reach)) - x(-min(half, reach)), bottom - top, "band"))
    content += _bars(share, left, right, top, bottom, highest)
    content.append(line(x(0), top, x(0), bottom, "zero"))
    content += _axis(-reach, reach, left, right, bottom, "triangulated minus true distance (mm)")
    low, high = int((errors_mm < -reach).sum()), int((errors_mm > reach).sum())
    if low:
        content.append(words(left + 4, top + 12, f"◂ {low} beyond", "small"))
    if high:
        content.append(words(right - 4, top + 12, f"{high} beyond ▸", "small", anchor="end"))
    return drawing(
        width, height, content, label=f"Histogram of {len(errors_mm)} held-out distance errors, half of them within {half:.2f} mm"
    )


def error_histogram(
    solved_px: FloatArray, held_out_px: FloatArray, *, name: str, reach: float | None = None, width: float = 320, height: float = 200
) -> str:
    """Draw lengths of reprojection errors in px as bars, and those on held-out moments as a line, each as a share of its own number.

    ``reach`` is where the axis ends; left out, where nearly all values do.
    """
    both = np.concatenate([solved_px, held_out_px])
    if len(both) == 0:
        return empty_drawing(width, height, f"reprojection: {NOT_MEASURED}")
    reach = histogram_reach(both) if reach is None else reach
    edges = np.linspace(0, reach, 31)
    shares = [_shares(values, edges) for values in (solved_px, held_out_px) if len(values)]
    left, right, top, bottom = 40.0, width - 16, 14.0, height - 36
    highest = _HEADROOM * max(1e-3, *(float(share.max()) for share in shares))
    content = _frame(left, right, top, bottom, highest, "share of corners")
    if len(solved_px):
        content += _bars(shares[0], left, right, top, bottom, highest)
    if len(held_out_px):
        content.append(_steps(shares[-1], left, right, top, bottom, highest))
    content += _axis(0, reach, left, right, bottom, "error (px)")
    beyond = int((both > reach).sum())
    if beyond:
        content.append(words(right - 2, top + 10, f"{beyond} beyond ▸", "small", anchor="end"))
    label = f"Histogram of the reprojection errors of {name}; median {quantity(float(np.median(both)), 'px')}"
    return drawing(width, height, content, label=label)


def histogram_reach(values: FloatArray) -> float:
    """Return a round number that nearly all positive values stay below; 1 without values."""
    if len(values) == 0:
        return 1.0
    top = _reach(values)
    step = round_step(top, 8)
    return step * math.ceil(top / step - 1e-9)


def _reach(values: FloatArray) -> float:
    return max(min(float(np.percentile(values, _TAIL)), _MOST_MEDIANS * float(np.median(values))), 1e-6)


def empty_drawing(width: float, height: float, text: str) -> str:
    """Draw a frame that says what is missing."""
    return drawing(
        width, height, [rectangle(0.5, 0.5, width - 1, height - 1, "frame"), words(width / 2, height / 2 + 4, text, "small", anchor="middle")],
        label=text,
    )  # fmt: skip


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    return np.asarray(np.histogram(values, edges)[0] / len(values))


def _frame(left: float, right: float, top: float, bottom: float, highest: float, unit: str) -> list[str]:
    content = []
    step = round_step(100 * highest, 4)
    for value in ticks(0, 100 * highest, 4):
        y = bottom - value / (100 * highest) * (bottom - top)
        content.append(line(left, y, right, y, "grid"))
        content.append(words(left - 5, y + 3.5, f"{tick_text(value, step)} %", "small", anchor="end"))
    content.append(words(left + 4, top - 3, unit, "small quiet"))
    return content


def _bars(share: FloatArray, left: float, right: float, top: float, bottom: float, highest: float) -> list[str]:
    scale, wide = (bottom - top) / highest, (right - left) / len(share)
    return [
        rectangle(left + i * wide + 0.5, bottom - value * scale, max(wide - 1, 0.5), value * scale, "bar")
        for i, value in enumerate(share)
        if value > 0
    ]


def _steps(share: FloatArray, left: float, right: float, top: float, bottom: float, highest: float) -> str:
    x = np.repeat(np.linspace(left, right, len(share) + 1), 2)[1:-1]
    y = np.repeat(bottom - share / highest * (bottom - top), 2)
    return polyline(np.stack([x, y], axis=1), "outline")


def _axis(low: float, high: float, left: float, right: float, bottom: float, title: str) -> list[str]:
    step = round_step(high - low, 8)
    content = [line(left, bottom, right, bottom, "axis")]
    for value in ticks(low, high, 8):
        x = left + (value - low) / (high - low) * (right - left)
        content.append(line(x, bottom, x, bottom + 4, "axis"))
        content.append(words(x, bottom + 15, tick_text(value, step), "small", anchor="middle"))
    content.append(words((left + right) / 2, bottom + 30, title, "small quiet", anchor="middle"))
    return content
