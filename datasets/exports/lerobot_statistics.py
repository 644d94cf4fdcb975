"""Statistics as LeRobot 0.6 normalises with them: min, max, mean, std, count and quantiles of every feature, per episode and of all episodes.

They are over what is known: a fill beside a mask of 0 counts nowhere, so that it does not pull the mean towards 0; a number that no frame of an episode
knows is described by its fills. ``count`` is the number of frames all the same, as LeRobot has one for a whole feature. Quantiles are exact, where LeRobot
reads them off a histogram. Episodes are combined by LeRobot's own formula, so that its tools get the same of the same episodes.

Nothing is divided by almost nothing. The std of a number is at least ``LEAST_STD``. And quantiles that lie closer together than one std are put where those of
a normal distribution would: LeRobot's formula takes the mean of the episodes' quantiles, so that a joint that stands still in every episode, each time
elsewhere, would have two equal ones and be normalised to millions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.exports.video_export import ImageHistogram

Statistics = dict[str, npt.NDArray[Any]]
"""Name of a figure to its values (D,), or (3, 1, 1) of images, whose brightness is 0 to 1."""

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
FIGURES = ("min", "max", "mean", "std", "count", *QUANTILES)

LEAST_STD = 1e-3
"""rad, m or 1."""


def describe_numbers(values: npt.NDArray[Any], known: npt.NDArray[np.bool_] | None = None, *, least_std: float = LEAST_STD) -> Statistics:
    """Return the statistics of (N, D) values, or of (N,) as one number, over the rows that are ``known`` (N, D)."""
    numbers = values.reshape(len(values), -1).astype(np.float64)
    counted = np.ones(numbers.shape, dtype=bool) if known is None else known.reshape(numbers.shape)
    numbers = np.where(counted | ~counted.any(axis=0), numbers, np.nan)
    figures = {
        "min": np.nanmin(numbers, axis=0), "max": np.nanmax(numbers, axis=0), "mean": np.nanmean(numbers, axis=0),
        "std": np.maximum(np.nanstd(numbers, axis=0), least_std), "count": np.array([len(numbers)]),
    }  # fmt: skip
    quantile = np.nanquantile if np.isnan(numbers).any() else np.quantile  # the first is slow
    levels = np.asarray(quantile(numbers, list(QUANTILES.values()), axis=0))
    return _apart(figures | dict(zip(QUANTILES, levels, strict=True)))


def describe_images(histogram: ImageHistogram) -> Statistics:
    """Return the statistics of each colour of the images."""
    counts, levels = histogram.counts.astype(np.float64), np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0.0))
    below = np.cumsum(histogram.counts, axis=1)
    figures = {"min": levels[(below > 0).argmax(axis=1)], "max": levels[(below == below[:, -1:]).argmax(axis=1)], "mean": mean, "std": std}
    figures |= {name: levels[(below >= share * total[:, None]).argmax(axis=1)] for name, share in QUANTILES.items()}
    shaped = {name: values.reshape(3, 1, 1) for name, values in figures.items()}
    return {name: np.array([histogram.images]) if name == "count" else shaped[name] for name in FIGURES}


def combine(parts: Sequence[Mapping[str, Statistics]]) -> dict[str, Statistics]:
    """Return the statistics of all episodes of those of each, by LeRobot's ``aggregate_stats``."""
    return {feature: _combined([part[feature] for part in parts]) for feature in parts[0]}


def _combined(parts: Sequence[Statistics]) -> Statistics:
    stacked = {name: np.stack([part[name] for part in parts]) for name in FIGURES}
    total = stacked["count"].sum(axis=0)
    weight = stacked["count"].reshape(-1, *[1] * (stacked["mean"].ndim - 1))

    def weighted(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray((values * weight).sum(axis=0) / total)

    mean = weighted(stacked["mean"])
    spread = stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2
    figures = {
        "min": stacked["min"].min(axis=0),
        "max": stacked["max"].max(axis=0),
        "mean": mean,
        "std": np.sqrt(weighted(spread)),
        "count": total,
    }
    return _apart(figures | {name: weighted(stacked[name]) for name in QUANTILES})


def _apart(figures: Statistics) -> Statistics:
    """Return the statistics with no pair of quantiles closer together than one std."""
    moved = dict(figures)
    for lower, upper, deviations in (("q01", "q99", 2.326), ("q10", "q90", 1.282)):
        close = figures[upper] - figures[lower] < figures["std"]
        moved[lower] = np.where(close, np.minimum(figures[lower], figures["mean"] - deviations * figures["std"]), figures[lower])
        moved[upper] = np.where(close, np.maximum(figures[upper], figures["mean"] + deviations * figures["std"]), figures[upper])
    return moved
