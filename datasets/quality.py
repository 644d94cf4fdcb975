"""Quality figures, the gates they pass or fail, and the grade of an episode."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import Field

from bodydouble.config import Settings, parse_settings

Verdict = Literal["PASS", "WARN", "FAIL", "INFO"]
Grade = Literal["A", "B", "C", "D"]

GRADES: dict[Grade, str] = {
    "A": "all gates pass",
    "B": "some gates warn",
    "C": "calibration or scale is assumed, or less than half of the hand frames were observed",
    "D": "a gate failed",
}


class FigureLimits(Settings):
    """What one quality figure means and what is good enough: one table of ``quality.toml``."""

    purpose: str
    unit: str
    better: Literal["lower", "higher"]
    reason: str
    pass_limit: float | None = Field(default=None, alias="pass")
    warn: float | None = None
    required: bool = False
    remedy: str = ""

    def verdict(self, value: float) -> Verdict:
        """Judge a value; one that is not finite is WARN where there is a limit to hold it against."""
        if self.pass_limit is None:
            return "INFO"
        if not math.isfinite(value):
            return "WARN"
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
def figure_limits() -> Mapping[str, FigureLimits]:
    """Return the figures of ``quality.toml`` by name."""
    text = resources.files("bodydouble.datasets").joinpath("quality.toml").read_text(encoding="utf-8")
    return {name: parse_settings(table, FigureLimits, source=f"quality.toml [{name}]") for name, table in tomllib.loads(text).items()}


def judge(figures: Mapping[str, float]) -> dict[str, Gate]:
    """Hold measured figures against their limits.

    ``figures`` maps names to values, NaN for one that could not be computed (WARN, never PASS). A figure that does not apply is left out
    (skew of one camera), but the required ones count as not computed when absent. A figure without a table in ``quality.toml`` only
    informs.
    """
    limits = figure_limits()
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


def unit_of(name: str) -> str:
    """Return the unit that a figure's name ends in (``skew_p95_ms``), "count" where it names none."""
    units = {"px": "px", "pct": "%", "ms": "ms", "s": "s", "mm": "mm", "m": "m", "deg": "deg", "rad": "rad", "frames": "frames"}
    return units.get(name.rsplit("_", 1)[-1], "count")


def grade(gates: Mapping[str, Gate], *, assumed: Iterable[str] = ()) -> Grade:
    """Return the grade of an episode, the worst that applies.

    D: any gate FAIL. C: ``assumed`` names something (calibration, scale) that was not measured, or less than half of the hand frames were
    observed (or nobody counted them). B: some gate WARN. A: all PASS.
    """
    verdicts = {gate.verdict for gate in gates.values()}
    hands = gates["hand_observed_pct"].value if "hand_observed_pct" in gates else math.nan
    if "FAIL" in verdicts:
        return "D"
    if tuple(assumed) or not hands >= 50.0:
        return "C"
    return "B" if "WARN" in verdicts else "A"
