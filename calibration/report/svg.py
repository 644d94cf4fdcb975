"""Pieces of SVG drawings for the report: styled by the page's classes, so that they follow light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.report.text import escaped

FloatArray = npt.NDArray[np.float64]

CHARACTER = 6.3
"""Width of a character of a drawing's labels, at most about this many units."""


def drawing(width: float, height: float, content: Iterable[str], *, label: str, css: str = "") -> str:
    """Return a drawing of ``content`` in units of about one CSS pixel; ``label`` says what it shows to those who cannot see it."""
    kind = f' class="{css}"' if css else ""
    return (
        f'<svg{kind} viewBox="0 0 {at(width)} {at(height)}" width="{at(width)}" height="{at(height)}" role="img">'
        f"<title>{escaped(label)}</title>{''.join(content)}</svg>"
    )


def at(value: float) -> str:
    """Return a coordinate, short."""
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    return f'<line class="{css}" x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}"/>'


def rectangle(x: float, y: float, width: float, height: float, css: str, *, tip: str = "") -> str:
    """Return a rectangle; ``tip`` shows when the pointer rests on it."""
    shape = f'<rect class="{css}" x="{at(x)}" y="{at(y)}" width="{at(width)}" height="{at(height)}"'
    return f"{shape}><title>{escaped(tip)}</title></rect>" if tip else f"{shape}/>"


def circle(x: float, y: float, radius: float, css: str) -> str:
    """Return a disc."""
    return f'<circle class="{css}" cx="{at(x)}" cy="{at(y)}" r="{at(radius)}"/>'


def words(x: float, y: float, text: str, css: str = "", *, anchor: str = "start") -> str:
    """Return a label with its baseline at ``y``; ``anchor`` is start, middle or end."""
    kind = f' class="{css}"' if css else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{kind} x="{at(x)}" y="{at(y)}"{place}>{escaped(text)}</text>'


def polyline(points: FloatArray, css: str, *, closed: bool = False) -> str:
    """Return a line through points (N, 2)."""
    places = " ".join(f"{at(x)},{at(y)}" for x, y in points)
    return f'<{"polygon" if closed else "polyline"} class="{css}" points="{places}"/>'


def strokes(starts: FloatArray, steps: FloatArray, css: str) -> str:
    """Return many short lines from ``starts`` (N, 2) along ``steps`` (N, 2) as one path."""
    parts = (f"M{at(x)} {at(y)}l{at(dx)} {at(dy)}" for (x, y), (dx, dy) in zip(starts, steps, strict=True))
    return f'<path class="{css}" d="{"".join(parts)}"/>'


def shortened(text: str, most: int) -> str:
    """Return text of at most so many characters, with an ellipsis in the middle where some were left out."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2 + (most - 1) % 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def round_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, the smallest that divides ``span`` into at most so many parts."""
    if not (math.isfinite(span) and span > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(step * power for step in (1, 2, 5, 10) if span / (step * power) <= most * (1 + 1e-9))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round values between two, both included where they are round."""
    step = round_step(high - low, most)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float, step: float) -> str:
    """Return the label of a tick with no more decimals than the ticks need."""
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value:.{places}f}" if value else "0"
