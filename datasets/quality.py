"""The gates of an episode's quality figures, and its grade."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from bodydouble.gates import FigureLimits, Gate, judge_figures, read_figure_limits

Grade = Literal["A", "B", "C", "D"]

GRADES: dict[Grade, str] = {
    "A": "all gates pass",
    "B": "some gates warn",
    "C": "calibration or scale is assumed, or less than half of the hand frames were observed",
    "D": "a gate failed",
}


def figure_limits() -> Mapping[str, FigureLimits]:
    """Return the figures of ``quality.toml`` by name."""
    return read_figure_limits("bodydouble.datasets", "quality.toml")


def judge(figures: Mapping[str, float]) -> dict[str, Gate]:
    """Hold an episode's figures against ``quality.toml``; see ``judge_figures``. Skew of one camera is left out, what is required is not."""
    return judge_figures(figures, figure_limits())


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
