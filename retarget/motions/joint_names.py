"""What the joints of a motion file are called, and which human points they are (``joint_names.toml``)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bodydouble.config import Settings, load_settings
from bodydouble.errors import DataError
from bodydouble.retarget.mapping import FINGERS, SIDES

TABLE = Path(__file__).with_name("joint_names.toml")
DIRECTIONS = ("hand_axis", "thumb_side")
"""Points of a hand (with the side before it) that only tell where it points."""

_NUMBERS = {"index": ("2", "1", "second"), "middle": ("3", "2", "third"), "ring": ("4", "3", "fourth"), "little": ("5", "4", "fifth")}


class _Dialect(Settings):
    name: str
    trunk: tuple[str, ...] = ()
    points: dict[str, tuple[str, ...]]


class _Table(Settings):
    dialect: tuple[_Dialect, ...]


@dataclass(frozen=True)
class KnownNames:
    """One dialect, written out and normalised."""

    name: str
    trunk: tuple[str, ...]
    points: Mapping[str, tuple[str, ...]]
    """Human point to the names that it may have, the best first."""


@dataclass(frozen=True)
class Recognised:
    """Which joints of a file are which human points."""

    dialect: str
    columns: Mapping[str, int]
    """Human point to the file's joint."""
    unused: tuple[str, ...]
    """Joints of unknown name."""


@functools.cache
def dialects() -> tuple[KnownNames, ...]:
    """Return all dialects of the table."""
    return tuple(
        KnownNames(entry.name, tuple(map(normal, entry.trunk)), _written_out(entry.points))
        for entry in load_settings(TABLE, _Table).dialect
    )


def normal(name: str) -> str:
    """Return a name without namespace, case, spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", re.split(r"[:|]", name)[-1].lower())


def recognise(names: tuple[str, ...], source: str) -> Recognised:
    """Return what the names mean in the dialect that knows most of them.

    Raises: DataError where nothing usable is known: neither an arm or a hand nor a trunk with its limbs.
    """
    best: Recognised | None = None
    for offered in _spellings(names):
        for dialect in dialects():
            found = _match(dialect, offered, names)
            if best is None or (len(found.columns), -len(found.unused)) > (len(best.columns), -len(best.unused)):
                best = found
    assert best is not None
    if not is_usable(set(best.columns)):
        known = "; ".join(f"{one.name}: {', '.join(_examples(one))}, ..." for one in dialects())
        raise DataError(
            f"{source}: its joints ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''}) are too few of known name to move a robot by. "
            f"Names that are known: {known}. Give its joints such names."
        )
    return best


def is_usable(points: set[str]) -> bool:
    """Tell whether points are enough to move something by: a wrist with its elbow or knuckles, or hips and knees, or hips and shoulders."""
    hand = any(f"{side}_hand" in points and len({p for p in points if p.startswith(f"{side}_")}) >= 2 for side in SIDES)
    both = {part for part in ("thigh", "shank", "upper_arm") if all(f"{side}_{part}" in points for side in SIDES)}
    return hand or both >= {"thigh", "shank"} or both >= {"thigh", "upper_arm"}


def _match(dialect: KnownNames, offered: tuple[str, ...], names: tuple[str, ...]) -> Recognised:
    rows = {name: row for row, name in reversed(list(enumerate(offered)))}
    columns = {}
    for point, aliases in dialect.points.items():
        row = next((rows[alias] for alias in aliases if alias in rows), None)
        if row is not None:
            columns[point] = row
    spine = [rows[name] for name in dialect.trunk if name in rows]
    if spine:
        columns["thorax"] = spine[-1]
    if len(spine) > 1:
        columns["spine"] = spine[0]
    used = {*columns.values(), *spine}
    return Recognised(dialect.name, columns, tuple(name for row, name in enumerate(names) if row not in used))


def _spellings(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the names as they are, and without what all of them begin with."""
    result = [tuple(normal(name) for name in names)]
    first, last = min(names), max(names)  # what these two begin with, all of them do
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    cut = re.match(r"(.*[^A-Za-z0-9])", first[:same])
    if cut:
        result.append(tuple(normal(name[cut.end() :]) for name in names))
    return result


def _examples(dialect: KnownNames) -> list[str]:
    wanted = ("pelvis", "left_upper_arm", "left_forearm", "left_hand", "left_thigh", "left_shank")
    return [dialect.points[point][0] for point in wanted if point in dialect.points]


def _written_out(points: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    result: dict[str, tuple[str, ...]] = {}
    for key, aliases in points.items():
        for side in SIDES if "{side}" in key else ("",):
            for finger in FINGERS if "{finger}" in key else ("",):
                spellings = (finger, "pinky") if finger == "little" else (finger,)
                number, digit, count = _NUMBERS.get(finger, ("", "", ""))
                filled = [
                    alias.format(side=side, s=side[:1], finger=spelling, number=number, digit=digit, count=count)
                    for alias in aliases
                    for spelling in spellings
                ]
                result[key.format(side=side, finger=finger)] = tuple(dict.fromkeys(map(normal, filled)))
    return result
