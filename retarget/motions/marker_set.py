"""Marker sets: which markers, stuck on a person's skin, stand for which human points. Each is a TOML in ``retarget/markers/``."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from bodydouble.config import Settings, load_settings
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions.body_points import BodyPoints, SourceArray
from bodydouble.retarget.motions.gaps import fill_gaps
from bodydouble.retarget.motions.qualisys import Markers
from bodydouble.retarget.motions.rotations import axes_along, known_rows, least_rotation, turned
from bodydouble.retarget.motions.world_axes import METRES, body_size, fits_person, to_z_up
from bodydouble.retarget.motions.zero_pose import LANDMARK_OF_POINT

FloatArray = npt.NDArray[np.float64]

MARKERS_FOLDER = Path(__file__).parent.parent / "markers"
POINTS = (*HUMAN_LINKS, *(point for point in LANDMARK_OF_POINT if point not in HUMAN_LINKS))


class FrameEntry(Settings):
    """Axes made of markers. A name in it is a marker, or a point that an earlier entry made; several stand for their mean."""

    name: str
    first: tuple[tuple[str, ...], tuple[str, ...]]
    """From where to where the first axis points."""
    second: tuple[tuple[str, ...], tuple[str, ...]]
    """From where to where the second axis leans; it is made perpendicular to the first. The third makes them right-handed."""


class PointEntry(Settings):
    """One human point."""

    point: str
    markers: tuple[str, ...]
    """Markers (or points that an earlier entry made) whose mean is where it starts from."""
    frame: str = "world"
    """Whose axes ``offset_mm`` is in: a frame of this set, or the world (z up)."""
    offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the mean of the markers to the human point."""
    source: Literal["observed", "inferred"] = "observed"
    """inferred: where the offset is a guess that the markers do not determine."""
    sigma_mm: float | None = Field(default=None, gt=0)
    """How far off the point may be, one standard deviation."""


class LinkEntry(Settings):
    """How a human link is turned: two of its axes (x forward, y left, z up in the zero pose), in the axes of a frame of this set."""

    link: str
    frame: str
    x: tuple[float, float, float] | None = None
    y: tuple[float, float, float] | None = None
    z: tuple[float, float, float] | None = None
    upright: bool = False
    """Turn it further so that its z axis is vertical on average: what stuck-on markers do not say of a trunk."""


class MarkerSet(Settings):
    """All of a marker set's TOML."""

    name: str
    description: str = ""
    unit: str = "mm"
    up: str = "z"
    """The file's axis that points up."""
    recognised_by: tuple[str, ...]
    """A file with all of these markers is of this set."""
    ignored: tuple[str, ...] = ()
    """Patterns of markers that are not on the person."""
    frames: tuple[FrameEntry, ...] = ()
    points: tuple[PointEntry, ...]
    links: tuple[LinkEntry, ...] = ()


@dataclass(frozen=True)
class MarkedBody:
    """What a marker set made of a file."""

    body: BodyPoints
    notes: tuple[str, ...]


def marker_sets() -> tuple[MarkerSet, ...]:
    """Return the shipped marker sets."""
    return tuple(load_marker_set(path) for path in sorted(MARKERS_FOLDER.glob("*.toml")))


def load_marker_set(path: Path) -> MarkerSet:
    """Read a marker set and check its names. Raises: UsageError naming file and key, UnknownNameError for a point, link or frame."""
    chosen = load_settings(path, MarkerSet)
    frames = tuple(frame.name for frame in chosen.frames)
    for point in chosen.points:
        _known("human point", point.point, "the human skeleton", POINTS)
        _known("frame", point.frame, f"marker set {path}", (*frames, "world"))
    for link in chosen.links:
        _known("human link", link.link, "the human skeleton", HUMAN_LINKS)
        _known("frame", link.frame, f"marker set {path}", frames)
        if sum(axis is not None for axis in (link.x, link.y, link.z)) != 2:
            raise UsageError(f"{path}: link '{link.link}' needs exactly two of the keys x, y and z.")
    _known("unit", chosen.unit, f"marker set {path}", tuple(METRES))
    return chosen


def recognise_set(path: Path, names: tuple[str, ...]) -> MarkerSet:
    """Return the shipped set that a file's markers belong to. Raises: UsageError listing the sets and the file's markers."""
    sets = marker_sets()
    fitting = [one for one in sets if set(one.recognised_by) <= set(names)]
    if not fitting:
        listed = "; ".join(f"{one.name} ({', '.join(one.recognised_by)})" for one in sets)
        raise UsageError(
            f"{path}: its markers ({', '.join(names)}) are of no known set. Known sets and what they need: {listed}. Pass --markers with a TOML of yours."
        )
    return max(fitting, key=lambda one: len(one.recognised_by))


def body_of_markers(path: Path, markers: Markers, chosen: MarkerSet) -> MarkedBody:
    """Return the human points that a set makes of a file's markers, short gaps filled. Raises: DataError where a marker that the set needs is not there."""
    scale, turn = METRES[chosen.unit], to_z_up(chosen.up)
    made: dict[str, tuple[FloatArray, SourceArray]] = {}
    for column, name in enumerate(markers.names):
        place, filled = fill_gaps(markers.times_s, markers.places[:, column])
        seen = known_rows(place)
        source = np.where(filled, Source.INTERPOLATED, np.where(seen, Source.OBSERVED, Source.MISSING)).astype(np.uint8)
        made[name] = (place @ turn.T * scale, source)
    frames: dict[str, FloatArray] = {}
    lacking: set[str] = set()
    places: dict[str, FloatArray] = {}
    sources: dict[str, SourceArray] = {}
    sigma: dict[str, float] = {}
    waiting = list(chosen.frames)
    for entry in chosen.points:
        waiting = _make_frames(waiting, made, frames)
        if entry.frame != "world" and entry.frame not in frames:
            lacking |= _missing(entry.markers, made) or {f"those of frame '{entry.frame}'"}
            continue
        if absent := _missing(entry.markers, made):
            lacking |= absent
            continue
        place, source = _mean(entry.markers, made)
        offset = np.array(entry.offset_mm) / 1000
        place = place + (offset if entry.frame == "world" else turned(frames[entry.frame], offset[None]))
        source = np.where(known_rows(place), source, Source.MISSING).astype(np.uint8)
        if entry.source == "inferred":
            source = np.where(source > 0, Source.INFERRED, Source.MISSING).astype(np.uint8)
        made[entry.point] = (place, source)
        places[entry.point], sources[entry.point] = place, source
        if entry.sigma_mm is not None:
            sigma[entry.point] = entry.sigma_mm / 1000
    _make_frames(waiting, made, frames)
    if not places:
        raise DataError(f"{path} lacks the markers of every point of set '{chosen.name}': {', '.join(sorted(lacking))}.")
    turns = {entry.link: _turn(entry, frames[entry.frame]) for entry in chosen.links if entry.frame in frames}
    used = {name for entry in chosen.points for name in entry.markers}
    used |= {name for entry in chosen.frames for ends in (entry.first, entry.second) for end in ends for name in end}
    return MarkedBody(
        BodyPoints(markers.times_s, places, sources, turns, sigma), tuple(_notes(markers, chosen, used, lacking)),
    )  # fmt: skip


def likely_unit(path: Path, markers: Markers, chosen: MarkerSet) -> str | None:
    """Return the unit in which a file's markers make a person; None for none. The offsets of a set are no markers' and don't grow with the unit."""
    for unit in METRES:
        if fits_person(body_size(body_of_markers(path, markers, chosen.model_copy(update={"unit": unit})).body.places)):
            return unit
    return None


def _notes(markers: Markers, chosen: MarkerSet, used: set[str], lacking: set[str]) -> list[str]:
    notes = [f"markers: set '{chosen.name}', {chosen.unit}, {chosen.up} up; they sit on the skin, and joints are offsets from them"]
    unused = [name for name in markers.names if name not in used]
    ignored = [name for name in unused if any(fnmatch.fnmatch(name, pattern) for pattern in chosen.ignored)]
    other = [name for name in unused if name not in ignored]
    if ignored:
        notes.append(f"markers not on the person: {', '.join(ignored)}")
    if other:
        notes.append(f"markers of no known use: {', '.join(other)}")
    if lacking:
        notes.append(f"markers of the set that the file lacks: {', '.join(sorted(lacking))}")
    return notes


def _known(kind: str, name: str, owner: str, choices: tuple[str, ...]) -> None:
    if name not in choices:
        raise UnknownNameError(kind, name, owner, choices)


def _missing(names: tuple[str, ...], made: dict[str, tuple[FloatArray, SourceArray]]) -> set[str]:
    return {name for name in names if name not in made}


def _mean(names: tuple[str, ...], made: dict[str, tuple[FloatArray, SourceArray]]) -> tuple[FloatArray, SourceArray]:
    places = np.mean([made[name][0] for name in names], axis=0)
    sources = np.max([made[name][1] for name in names], axis=0)  # observed < interpolated < inferred
    return places, sources


def _make_frames(
    entries: list[FrameEntry], made: dict[str, tuple[FloatArray, SourceArray]], frames: dict[str, FloatArray]
) -> list[FrameEntry]:
    """Make those frames whose markers are all there, in place; return the others."""
    left = []
    for entry in entries:
        ends = (*entry.first, *entry.second)
        if any(_missing(end, made) for end in ends):
            left.append(entry)
            continue
        a, b, c, d = (_mean(end, made)[0] for end in ends)
        frames[entry.name] = axes_along(b - a, d - c, "xy")
    return left


def _turn(entry: LinkEntry, frame: FloatArray) -> FloatArray:
    given = [(name, np.array(axis)) for name, axis in (("x", entry.x), ("y", entry.y), ("z", entry.z)) if axis is not None]
    (first, a), (second, b) = given
    turn = frame @ axes_along(a, b, first + second)
    if entry.upright:
        up = turn[known_rows(turn), 2].mean(axis=0) if known_rows(turn).any() else np.array([0.0, 0.0, 1.0])
        turn = turn @ least_rotation(np.array([0.0, 0.0, 1.0]), up / np.linalg.norm(up))
    return turn
