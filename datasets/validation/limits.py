"""What found figures are held against: ``validation.toml``."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bodydouble.check import Check, Verdict
from bodydouble.gates import FigureLimits, read_figure_limits

AGAIN = "Make the episode again with `bodydouble process`."
LARGEST = 1e300
"""Stands for infinity, which no limit allows."""


def validation_limits() -> Mapping[str, FigureLimits]:
    """Return the figures of ``validation.toml`` by name."""
    return read_figure_limits("bodydouble.datasets", "validation.toml")


def limit(figure: str) -> float:
    """Return the last value of a figure that is PASS."""
    found = validation_limits()[figure].pass_limit
    assert found is not None
    return found


def last_warning(figure: str) -> float:
    """Return the last value of a figure that does not FAIL."""
    found = validation_limits()[figure].warn
    assert found is not None
    return found


def verdict(figure: str, value: float) -> Verdict:
    """Judge a value; NaN, which nothing is known of, is PASS."""
    if math.isnan(value):
        return "PASS"
    found = validation_limits()[figure].verdict(float(min(max(value, -LARGEST), LARGEST)))
    return "PASS" if found == "INFO" else found


def complaints(check: str, figure: str, value: float, found: str) -> list[Check]:
    """Return the line of a report about a value that is beyond its limit; none about one that is not."""
    judged = verdict(figure, value)
    return [] if judged == "PASS" else [Check(check, judged, found, validation_limits()[figure].remedy)]
