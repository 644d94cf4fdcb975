"""Two cameras under each other's names: then nothing agrees, and exchanged everything does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from bodydouble.calibration.drift.fit import fit, residuals
from bodydouble.calibration.drift.placement import Placement, first_places
from bodydouble.calibration.drift.points import SharedPoints

_POINTS, _FEWEST = 300, 20
_GROSS = 2.0
"""Expected errors by which points must be off before exchanged cameras are thought of."""
_BETTER = 0.5
_MOST = 20.0


def find_exchange(points: SharedPoints) -> tuple[int, int] | None:
    """Return the two cameras whose videos were exchanged, or None."""
    count = min(points.blocks, max(_POINTS // points.part.shape[1], _FEWEST))
    chosen = points.select(np.unique(np.linspace(0, points.blocks - 1, count).round().astype(np.int64)))
    as_named = _disagreement(chosen)
    if not as_named > _GROSS:
        return None
    pairs = [
        pair
        for pair in itertools.combinations(range(len(points.models)), 2)
        if points.models[pair[0]].image_size == points.models[pair[1]].image_size
    ]
    off = {pair: _disagreement(_exchanged(chosen, pair)) for pair in pairs}
    best = min(off, key=off.__getitem__, default=None)
    return best if best is not None and off[best] < _BETTER * as_named else None


def _exchanged(points: SharedPoints, pair: tuple[int, int]) -> SharedPoints:
    order = np.arange(len(points.models))
    order[list(pair)] = order[list(pair)[::-1]]
    return replace(points, pixels=points.pixels[order], sigma=points.sigma[order])


def _disagreement(points: SharedPoints) -> float:
    """Return the mean distance between seen and predicted points in units of their expected errors; none counts more than ``_MOST``."""
    C = len(points.models)
    motion, window = np.tile(np.eye(4), (1, C, 1, 1)), np.zeros(points.blocks, dtype=np.int64)
    start = Placement(motion, first_places(points, motion, window))
    placed = start.placed
    if not placed.any():
        return _MOST
    some = points.select(placed)
    fitted = fit(some, Placement(motion, start.place[placed]), window[placed], np.zeros(C, dtype=bool), 1.0)
    off = np.linalg.norm(residuals(some, fitted, window[placed]), axis=-1) / some.sigma
    values = np.concatenate([np.nan_to_num(off[some.seen], nan=_MOST), np.full(int(points.seen[:, ~placed].sum()), _MOST)])
    return float(np.minimum(values, _MOST).mean())
