"""Which way is up in a file, how long its unit is, and whether its axes are right-handed: told by the body that moves in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.motions.rotations import known_rows, unit
from bodydouble.retarget.motions.zero_pose import zero_offset

FloatArray = npt.NDArray[np.float64]

METRES: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "inch/0.45": 0.0254 / 0.45}
"""m of a unit. The last is what the CMU database's files are in."""
DOUBT: dict[str, float] = {"m": 0.0, "cm": 0.0, "mm": 0.0, "inch": 0.2, "inch/0.45": 0.3}
"""How much worse (log of the size) a person may fit a usual unit before a rare one is believed: a small child in cm is no giant in inches."""
UPS = ("x", "y", "z", "-x", "-y", "-z")
SIZES = (0.5, 1.6)
"""Of an adult's: a person, child or giant, beyond these was not measured in that unit."""
MIRRORED = -0.3
"""Cosine between where a body's left and up say that it faces and where its feet or nose point and its knees bend, below which the axes are left-handed."""
LITTLE = 1e-3
"""A cue whose vectors are shorter than this on average tells nothing."""
LEVEL = np.array([1.0, 1.0, 0.0])
UP_SURE = 0.6
"""Share of the trunk's direction that must be along one axis, on average, for that axis to be the upright one."""


def to_z_up(up: str) -> FloatArray:
    """Return the rotation (3, 3) from a file's axes, named by the one that points up, to z up.

    The axes are exchanged in turn, so that the usual y up, z forward, x left becomes z up, x forward, y left. Raises: UnknownNameError.
    """
    name = re.sub(r"[ _-]*up$", "", up.strip().lower()).removeprefix("+")
    if name not in UPS:
        raise UnknownNameError("axis", up, "the axes that can point up", UPS)
    axis = "xyz".index(name[-1])
    turn = np.zeros((3, 3))
    for row in range(3):
        turn[row, (row + axis + 1) % 3] = 1.0
    return np.diag([1.0, -1.0, -1.0]) @ turn if name[0] == "-" else turn


def guess_unit(places: Mapping[str, FloatArray]) -> tuple[str, float]:
    """Return the unit that makes the person's bones nearest to an adult's, and their size over an adult's in it.

    ``places``: human point to (T, 3) in the file's unit. Raises: DataError where no unit makes a person of them, or no two of them are a bone.
    """
    size = body_size(places)
    if not np.isfinite(size) or size <= 0:
        raise DataError("its unit cannot be found: no bone between two of its points is long enough to tell the body's size.")
    unit_name = min(METRES, key=lambda name: abs(np.log(size * METRES[name])) + DOUBT[name])
    found = size * METRES[unit_name]
    if not SIZES[0] <= found <= SIZES[1]:
        raise DataError(
            f"its body would be {found * 1.73:.3g} m tall in {unit_name}, and no better in {', '.join(n for n in METRES if n != unit_name)}: "
            "these are no person's joints, or it is in an unknown unit."
        )
    return unit_name, found


def check_unit(
    places: Mapping[str, FloatArray], metres: float, said: str, *, likely: Callable[[], str | None] | None = None,
    remedy: Callable[[str | None], str] | None = None,
) -> None:  # fmt: skip
    """Raise DataError where a body in the unit that a file names has no person's size, and name the unit that would fit.

    ``likely`` finds that unit where it is not told by the size alone; ``remedy`` says where the unit (None: not known) is to be given.
    """
    size = body_size(places)
    if size == 0:
        raise DataError("its joints all lie on one another: no bone between two of them has a length. The file is damaged or empty.")
    if not np.isfinite(size) or SIZES[0] <= size * metres <= SIZES[1]:
        return
    better = likely() if likely is not None else _nearest_unit(size)
    hint = f"; it looks like {better}" if better is not None else ""
    todo = f" {remedy(better)}" if remedy is not None else ""
    raise DataError(f"it says {said}, but then its body would be {size * metres * 1.73:.3g} m tall{hint}.{todo}")


def fits_person(size: float) -> bool:
    """Tell whether a body of ``size`` times an adult's is a person's."""
    return SIZES[0] <= size <= SIZES[1]


def _nearest_unit(size: float) -> str | None:
    better = min(METRES, key=lambda name: abs(np.log(max(size, 1e-12) * METRES[name])) + DOUBT[name])
    return better if fits_person(size * METRES[better]) else None


def body_size(places: Mapping[str, FloatArray]) -> float:
    """Return the median of bone lengths over typical ones: of limbs, else of hands; NaN where there is no bone, 0 where none has a length."""
    limbs = [
        pair for side in SIDES for chain in (("thigh", "shank", "foot"), ("upper_arm", "forearm", "hand")) for pair in _pairs(side, chain)
    ]
    hands = [(f"{side}_hand", f"{side}_{finger}_proximal") for side in SIDES for finger in FINGERS]
    hands += [
        pair
        for side in SIDES
        for finger in FINGERS
        for pair in _pairs(side, (f"{finger}_proximal", f"{finger}_middle", f"{finger}_distal"))
    ]
    widths = [("left_thigh", "right_thigh"), ("left_upper_arm", "right_upper_arm")]
    found = False
    for bones in (limbs, hands, widths):
        ratios = [_length(places[a], places[b]) / np.linalg.norm(zero_offset(b, a)) for a, b in bones if a in places and b in places]
        found = found or bool(np.isfinite(ratios).any())
        ratios = [ratio for ratio in ratios if np.isfinite(ratio) and ratio > 0]
        if ratios:
            return float(np.median(ratios))
    return 0.0 if found else float("nan")


def _pairs(side: str, chain: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"{side}_{a}", f"{side}_{b}") for a, b in pairwise(chain)]


def _length(a: FloatArray, b: FloatArray) -> float:
    lengths = np.linalg.norm(b - a, axis=1)
    known = lengths[np.isfinite(lengths)]
    return float(np.median(known)) if len(known) else float("nan")


def find_up(places: Mapping[str, FloatArray], rest: Mapping[str, FloatArray] | None = None) -> str | None:
    """Return the axis along which the trunk stands on average ("z", "-y", ...); of a file with a rest pose (1, 3) a point, where that one's does if the
    frames do not tell. None where there is no trunk, or it lies in every direction.
    """
    for points in (places, rest or {}):
        along = trunk_direction(points)
        if along is None:
            continue
        axis = int(np.argmax(np.abs(along)))
        if abs(along[axis]) >= UP_SURE:
            return ("-" if along[axis] < 0 else "") + "xyz"[axis]
    return None


def trunk_direction(places: Mapping[str, FloatArray]) -> FloatArray | None:
    """Return the mean over time of the unit vectors (3,) up the trunk, or from feet to pelvis where there is none; None where neither is known."""
    for below, above in (
        (("left_thigh", "right_thigh"), ("left_upper_arm", "right_upper_arm")),
        (("left_thigh", "right_thigh"), ("neck",)),
        (("pelvis",), ("neck",)),
        (("pelvis",), ("left_upper_arm", "right_upper_arm")),
        (("left_foot", "right_foot"), ("left_thigh", "right_thigh")),
        (("left_upper_arm", "right_upper_arm"), ("head",)),
    ):
        if all(name in places for name in (*below, *above)):
            start, end = (np.mean([places[name] for name in names], axis=0) for names in (below, above))
            found = unit(end - start)
            known = known_rows(found)
            if known.any():
                return np.asarray(found[known].mean(axis=0))
    return None


def is_mirrored(places: Mapping[str, FloatArray]) -> bool:
    """Tell whether left and right contradict the way feet and nose point and knees bend: z is up, and the axes are left-handed (or the names exchanged)."""
    for a, b in (("left_thigh", "right_thigh"), ("left_upper_arm", "right_upper_arm")):
        if a in places and b in places:
            left = unit((places[a] - places[b]) * LEVEL)
            cues = [_mean_along(pointing, unit(np.cross(left, up))) for pointing, up in _pointing(places)]
            cues += [_mean_along(axis, left) for axis in _knee_axes(places)]
            known = [cue for cue in cues if np.isfinite(cue)]
            return bool(known) and float(np.mean(known)) < MIRRORED
    return False


def _pointing(places: Mapping[str, FloatArray]) -> list[tuple[FloatArray, FloatArray]]:
    """Return vectors (T, 3) that point forward, seen from a part of the body whose own up (T, 3) is the second of each pair: feet from shanks, noses."""
    found = []
    for side in SIDES:
        knee, ankle = places.get(f"{side}_shank"), places.get(f"{side}_foot")
        for end in (places.get(f"{side}_toes"), places.get(f"{side}_toe_tip")):
            if knee is not None and ankle is not None and end is not None:
                found.append((end - ankle, knee - ankle))
    if all(name in places for name in ("nose", "left_ear", "right_ear")):
        nose = places["nose"] - (places["left_ear"] + places["right_ear"]) / 2
        found.append((nose * LEVEL, np.broadcast_to([0.0, 0.0, 1.0], nose.shape)))
    return found


def _knee_axes(places: Mapping[str, FloatArray]) -> list[FloatArray]:
    """Return vectors (T, 3) to the left along the axes of the knees, the longer the more they are bent."""
    legs = [[f"{side}_{part}" for part in ("thigh", "shank", "foot")] for side in SIDES]
    return [
        np.cross(unit(places[knee] - places[hip]), unit(places[ankle] - places[knee]))
        for hip, knee, ankle in legs
        if {hip, knee, ankle} <= set(places)
    ]


def _mean_along(vectors: FloatArray, directions: FloatArray) -> float:
    """Return the cosine between vectors and unit directions (T, 3), averaged by the vectors' lengths; NaN where these are all near zero."""
    length, along = np.linalg.norm(vectors, axis=1), np.sum(vectors * directions, axis=1)
    known = np.isfinite(along)
    total = float(length[known].sum())
    return float(along[known].sum()) / total if total > LITTLE * max(int(known.sum()), 1) else float("nan")
