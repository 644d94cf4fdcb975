"""What a calibration must reach for a purpose: the limits of ``thresholds.toml``."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

from pydantic import Field

from bodydouble.check import Verdict
from bodydouble.config import Settings, parse_settings
from bodydouble.errors import UnknownNameError


class Limits(Settings):
    """The last value that passes and the last that only warns; without ``warn`` a check never fails."""

    pass_limit: float = Field(alias="pass")
    warn: float | None = None


class Threshold(Settings):
    """What one check measures and what is good enough for each purpose."""

    title: str
    what: str
    unit: str
    better: Literal["lower", "higher"]
    reason: str
    remedy: str
    limits: dict[str, Limits]

    def verdict(self, value: float, purpose: str) -> Verdict:
        """Judge a value for a purpose; one that is not finite was not measured, which is WARN."""
        limits = self.limits[purpose]
        if not math.isfinite(value):
            return "WARN"
        if self._within(value, limits.pass_limit):
            return "PASS"
        return "WARN" if limits.warn is None or self._within(value, limits.warn) else "FAIL"

    def limit_text(self, purpose: str) -> str:
        """Return the last value that passes, e.g. "passes at 0.5 mm or less"."""
        limit = f"{self.limits[purpose].pass_limit:g} {self.unit}".strip()
        return f"passes at {limit} or {'less' if self.better == 'lower' else 'more'}"

    def _within(self, value: float, limit: float) -> bool:
        return value <= limit if self.better == "lower" else value >= limit


class ThresholdsFile(Settings):
    """All of ``thresholds.toml``."""

    purposes: dict[str, str]
    checks: dict[str, Threshold]


@functools.cache
def thresholds_file() -> ThresholdsFile:
    """Return the purposes and the thresholds of every check."""
    text = resources.files("bodydouble.calibration.report").joinpath("thresholds.toml").read_text(encoding="utf-8")
    return parse_settings(tomllib.loads(text), ThresholdsFile, source="thresholds.toml")


def purposes() -> Mapping[str, str]:
    """Return what a calibration can be judged for: name to what it means."""
    return thresholds_file().purposes


def thresholds(purpose: str) -> Mapping[str, Threshold]:
    """Return the thresholds of every check in the file's order. Raises: UnknownNameError for a purpose that the file does not have."""
    file = thresholds_file()
    if purpose not in file.purposes:
        raise UnknownNameError("purpose", purpose, "thresholds.toml", file.purposes)
    return file.checks
