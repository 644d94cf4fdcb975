"""Numbers and names as the report writes them: with units, and "not measured" for what was not."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

NOT_MEASURED = "not measured"
_MOST_NAMES, _LONGEST_NAME = 8, 20
"""More names, or longer ones, cover each other in a drawing."""


def escaped(text: str) -> str:
    """Return text that means the same inside HTML, in elements and attributes."""
    return html.escape(text, quote=True)


def number(value: float | None, digits: int = 3) -> str:
    """Return a value with so many significant digits and, from 0.01 on, at most three decimal places; "not measured" for NaN, infinity and None."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:.0f}"
    if not 0.01 <= abs(value) < 1e9:
        return f"{value:.2g}"
    return f"{value:.{min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), 3)}f}"


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """Return a value with its unit."""
    text = number(value, digits)
    return text if not unit or text == NOT_MEASURED else f"{text} {unit}"


def with_sigma(value: float, sigma: float | None, places: int) -> str:
    """Return "value ± sigma" with so many decimal places; sigma is left out where there is none."""
    if not math.isfinite(value):
        return NOT_MEASURED
    text = f"{value:.{places}f}"
    return f"{text} ± {sigma:.{places}f}" if sigma is not None and math.isfinite(sigma) else text


def listed(names: Iterable[str]) -> str:
    """Return "'a', 'b' and 'c'"."""
    quoted = [f"'{name}'" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def counted(count: int, noun: str) -> str:
    """Return "1 view", "12,345 views"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def short_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Return what stands for names where there is little room: themselves, or their numbers from 1 on if they are many or long."""
    crowded = len(names) > _MOST_NAMES or any(len(name) > _LONGEST_NAME for name in names)
    return tuple(str(number) for number in range(1, len(names) + 1)) if crowded else tuple(names)
