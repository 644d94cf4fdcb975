"""Which unit of length a file means, where the format leaves that to whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UsageError

Unit = Literal["m", "cm", "mm"]
UNITS: dict[str, float] = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
"""Metres in each."""

_NEAREST_M, _FARTHEST_M = 0.01, 50.0
"""The two cameras of a rig that are furthest apart are so by no less (two lenses do not fit) and no more (a rig is in one room)."""


def metres_in(unit: str) -> float:
    """Return the metres in a unit. Raises: UsageError listing the known ones."""
    if unit not in UNITS:
        raise UsageError(f"'{unit}' is not a unit of length that is known here; valid: {', '.join(UNITS)}.")
    return UNITS[unit]


def metres_per_unit(path: Path, positions: npt.ArrayLike, *, said: str | None, asked: str | None) -> float:
    """Return the metres in one unit of a file.

    ``positions`` (n, 3) are the cameras' places in the file's unit, ``said`` is the unit that the file names, ``asked`` the caller's. Raises: UsageError
    when neither says one, the two differ, or the cameras of a rig cannot be so near or far apart.
    """
    span, measured = _span(np.asarray(positions, dtype=np.float64).reshape(-1, 3))
    for unit in (said, asked):
        if unit is not None:
            metres_in(unit)
    if said is not None and asked is not None and said != asked:
        raise UsageError(
            f"{path} says that its unit of length is {said}, but {asked} was asked for; leave the unit out, or correct the file."
        )
    unit = said or asked
    if span == 0:
        return UNITS[unit or "m"]
    if unit is None:
        raise UsageError(
            f"{path} does not say its unit of length, and one has to be given (--unit, or unit=...): {measured} is {_in_each_unit(span)}."
        )
    if measured.startswith("the distance") and not _NEAREST_M <= span * UNITS[unit] <= _FARTHEST_M:
        raise UsageError(
            f"{path} is in another unit of length than {unit}: {measured} would be {span * UNITS[unit]:.4g} m, expected {_NEAREST_M:g} to "
            f"{_FARTHEST_M:g} m. It is {_in_each_unit(span)}."
        )
    return UNITS[unit]


def _in_each_unit(span: float) -> str:
    return ", ".join(f"{span * metres:.4g} m if the unit is {unit}" for unit, metres in reversed(UNITS.items()))


def _span(positions: npt.NDArray[np.float64]) -> tuple[float, str]:
    """Return the length that shows the scale best, and what it is."""
    if len(positions) > 1:
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        return float(apart.max()), "the distance of the cameras that are furthest apart"
    return float(np.linalg.norm(positions)), "the camera's distance from the origin"
