"""Quality figures and the limits they are held against: one table of a TOML a figure."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import Field

from bodydouble.config import Settings, parse_settings

Verdict = Literal["PASS", "WARN", "FAIL", "INFO"]


class FigureLimits(Settings):
    """What one quality figure means and what is good enough."""

    purpose: str
    unit: str
    better: Literal["lower", "higher"]
    reason: str
    pass_limit: float | None = Field(default=None, alias="pass")
    warn: float | None = None
    required: bool = False
    absent: Literal["WARN", "INFO"] = "WARN"
    """Verdict on a value that is not finite: INFO for a figure that has nothing to measure in many sound inputs (a pinch, where nobody pinches)."""
    remedy: str = ""

    def verdict(self, value: float) -> Verdict:
        """Judge a value; one that is not finite is never PASS where there is a limit to hold it against."""
        if self.pass_limit is None:
            return "INFO"
        if not math.isfinite(value):
            return self.absent
        if self._within(value, self.pass_limit):
            return "PASS"
        return "WARN" if self.warn is None or self._within(value, self.warn) else "FAIL"

    def _within(self, value: float, limit: float) -> bool:
        return value <= limit if self.better == "lower" else value >= limit


@dataclass(frozen=True)
class Gate:
    """One quality figure with its limit and verdict.

    ``value`` is NaN where the figure could not be computed; ``threshold`` is the last value that passes, None for one that only informs.
    """

    name: str
    value: float
    unit: str
    threshold: float | None
    verdict: Verdict
    better: Literal["lower", "higher"] = "lower"
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return ``{value, unit, threshold, verdict}`` ready for JSON: a value that could not be computed is None."""
        value: float | int | None = self.value if math.isfinite(self.value) else None
        if value is not None and self.unit in ("count", "frames") and value == int(value):
            value = int(value)
        return {"value": value, "unit": self.unit, "threshold": self.threshold, "verdict": self.verdict}


@functools.cache
def read_figure_limits(package: str, file: str) -> Mapping[str, FigureLimits]:
    """Return the figures of a TOML that lies in a package, by name. Raises: UsageError naming the key that is wrong."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return {name: parse_settings(table, FigureLimits, source=f"{file} [{name}]") for name, table in tomllib.loads(text).items()}


def judge_figures(figures: Mapping[str, float], limits: Mapping[str, FigureLimits]) -> dict[str, Gate]:
    """Hold measured figures against their limits, in the order of the limits.

    ``figures`` maps names to values, NaN for one that could not be computed. A figure that does not apply is left out, but the required ones count as
    not computed when absent. A figure without a limit only informs.
    """
    missing = {name: math.nan for name, limit in limits.items() if limit.required and name not in figures}
    ordered = [name for name in limits if name in figures or name in missing] + [name for name in figures if name not in limits]
    values = {**figures, **missing}
    return {name: _gate(name, float(values[name]), limits.get(name)) for name in ordered}


def _gate(name: str, value: float, limits: FigureLimits | None) -> Gate:
    if limits is None:
        return Gate(name, value, unit_of(name), None, "INFO")
    verdict = limits.verdict(value)
    remedy = limits.remedy if verdict in ("WARN", "FAIL") else ""
    if verdict == "WARN" and not math.isfinite(value):
        remedy = f"It could not be computed, so it is not known to be good. {remedy}".strip()
    return Gate(name, value, limits.unit, limits.pass_limit, verdict, limits.better, remedy)


UNITS = {"px": "px", "pct": "%", "ms": "ms", "s": "s", "mm": "mm", "m": "m", "deg": "deg", "rad": "rad", "frames": "frames"}


def unit_of(name: str) -> str:
    """Return the unit that a figure's name ends in (``skew_p95_ms``), "count" where it names none."""
    return UNITS.get(name.rsplit("_", 1)[-1], "count")
