"""read_motion: any motion file to a HumanMotion, and what had to be assumed on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions.acclaim import INCH, motion_beside, read_acclaim, skeleton_beside
from bodydouble.retarget.motions.body_points import BodyPoints, observed
from bodydouble.retarget.motions.body_size import body_size
from bodydouble.retarget.motions.bvh import read_bvh
from bodydouble.retarget.motions.gaps import fill_gaps
from bodydouble.retarget.motions.human_motion import Assumption, human_motion_of
from bodydouble.retarget.motions.joint_capture import JointCapture, checked_rate
from bodydouble.retarget.motions.joint_names import Recognised, recognise
from bodydouble.retarget.motions.link_turns import link_turns, with_file_turns
from bodydouble.retarget.motions.marker_set import MARKERS_FOLDER, body_of_markers, likely_unit, load_marker_set, recognise_set
from bodydouble.retarget.motions.named_joints import read_named_joints
from bodydouble.retarget.motions.qualisys import read_qualisys
from bodydouble.retarget.motions.trunk_turns import hip_middle
from bodydouble.retarget.motions.unseen_fingers import marked_inferred, still_fingers, with_fingers
from bodydouble.retarget.motions.unseen_trunk import with_trunk
from bodydouble.retarget.motions.world_axes import METRES, check_unit, find_up, guess_unit, is_mirrored, to_z_up

FloatArray = npt.NDArray[np.float64]

CMU_RATE_HZ = 120.0
"""Rate of the CMU motion capture database; its AMC files do not say."""
KINDS = {
    ".h5": "human_motion", ".hdf5": "human_motion", ".bvh": "bvh", ".amc": "amc", ".asf": "amc", ".tsv": "qualisys", ".npy": "npy",
}  # fmt: skip
OPTIONS = {
    "rate_hz": ("--rate-hz", ("bvh", "amc", "qualisys", "npy")), "names": ("--names", ("npy",)), "asf": ("--asf", ("amc",)),
    "markers": ("--markers", ("qualisys",)),
}  # fmt: skip


@dataclass(frozen=True)
class ReadMotion:
    """A motion and how it was read."""

    motion: HumanMotion
    notes: tuple[str, ...]
    """What was assumed or inferred, one sentence each: rate, unit, upright axis, names, inferred parts."""
    kind: str
    """What the file is: "human_motion", "bvh", "amc", "qualisys" or "npy"."""


@dataclass(frozen=True)
class _Read:
    """Points in the world, and what else the way to a motion needs."""

    body: BodyPoints
    notes: list[str]
    axes_known: bool = True
    rest: dict[str, FloatArray] | None = None
    file: dict[str, FloatArray] | None = None
    assumed: dict[str, Assumption] | None = None


def read_motion(
    path: Path | str, *, rate_hz: float | None = None, names: Path | None = None, asf: Path | None = None, markers: Path | None = None
) -> ReadMotion:
    """Read a saved HumanMotion (.h5), a BVH, an ASF+AMC (either of the two), a Qualisys TSV or an NPY of named joints.

    ``rate_hz`` stands for what the file says; ``names`` is the JSON of an NPY, ``asf`` the skeleton of an AMC, ``markers`` the TOML of a TSV's marker
    set. The world is z up in metres and keeps the file's heading. Raises: UsageError for what the call must say better, DataError for a file
    that cannot be used.
    """
    path = Path(path)
    kind = _kind(path)
    given = {"rate_hz": rate_hz, "names": names, "asf": asf, "markers": markers}
    for name, (option, kinds) in OPTIONS.items():
        if given[name] is not None and kind not in kinds:
            raise UsageError(
                f"{option} says nothing about {path}: it is for {', '.join(sorted(s for s, k in KINDS.items() if k in kinds))} files."
            )
    if kind == "human_motion":
        return ReadMotion(HumanMotion.load(path), (), kind)
    if rate_hz is not None:
        checked_rate(rate_hz, "--rate-hz")
    if kind == "qualisys":
        read = _read_markers(path, rate_hz, markers)
    elif kind == "amc":
        read = _read_amc(path, rate_hz, asf)
    elif kind == "bvh":
        read = _in_world(path, read_bvh(path, rate_hz), [])
    else:
        capture, notes = read_named_joints(path, rate_hz, names)
        read = _in_world(path, capture, notes)
    return _finished(read, kind)


def _kind(path: Path) -> str:
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    kind = KINDS.get(path.suffix.lower())
    if path.is_dir() or kind is None:
        raise UsageError(f"{path} is no motion file; expected one of {', '.join(KINDS)}.")
    return kind


def _read_markers(path: Path, rate_hz: float | None, markers: Path | None) -> _Read:
    seen = read_qualisys(path, rate_hz)
    chosen = recognise_set(path, seen.names) if markers is None else load_marker_set(markers)
    made = body_of_markers(path, seen, chosen)
    where = markers if markers is not None else MARKERS_FOLDER / f"{chosen.name}.toml"

    def remedy(unit: str | None) -> str:
        named = f'unit = "{unit}"' if unit is not None else "its true unit"
        return f"Export it in {chosen.unit}, or pass --markers with a copy of {where} that says {named}."

    try:
        check_unit(
            made.body.places, METRES["m"], f"{chosen.unit} (marker set '{chosen.name}')",
            likely=lambda: likely_unit(path, seen, chosen), remedy=remedy,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return _Read(made.body, list(made.notes))


def _read_amc(path: Path, rate_hz: float | None, asf: Path | None) -> _Read:
    amc = motion_beside(path) if path.suffix.lower() == ".asf" else path
    skeleton = Path(asf) if asf is not None else path if amc != path else skeleton_beside(amc)
    capture = read_acclaim(amc, skeleton, CMU_RATE_HZ if rate_hz is None else rate_hz)
    notes, assumed = [f"skeleton: {skeleton.name}"], {}
    if rate_hz is None:
        notes.append(f"rate: {CMU_RATE_HZ:g} Hz assumed, as in the CMU database; AMC files do not say (--rate-hz)")
        assumed["rate_hz"] = Assumption(CMU_RATE_HZ)
    return replace(_in_world(amc, capture, notes), assumed=assumed)


def _unit_remedy(path: Path, unit: str | None) -> str:
    """Return where a file that names a unit wrongly says it."""
    if path.suffix.lower() == ".npy":
        return f'Give "units": "{unit}" in the JSON of its names.' if unit is not None else "Correct units in the JSON of its names."
    length = f": length {INCH / METRES[unit]:.4g}" if unit is not None else ""
    return f"Correct the :units of its skeleton (.asf){length}."


def _in_world(path: Path, capture: JointCapture, notes: list[str]) -> _Read:
    """Return a file's joints as human points, z up and in metres."""
    known = recognise(capture.names, str(path))
    notes = [*notes, _said_of_names(known, capture.names)]
    places = {point: capture.places[:, column] for point, column in known.columns.items()}
    rest = {} if capture.rest is None else {point: capture.rest[None, column] for point, column in known.columns.items()}
    metres = capture.metres
    try:
        if metres is None:
            unit, size = guess_unit(places)
            metres = METRES[unit]
            notes.append(f"unit: {unit}, by the size of the body ({size * 1.73:.2f} m)")
        else:
            said = next((name for name, value in METRES.items() if value == metres), f"{metres:g} m")
            check_unit(places, metres, said, remedy=lambda better: _unit_remedy(path, better))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    up = capture.axes or find_up(places, rest)
    axes_known = up is not None
    if capture.axes is None:
        notes.append(f"up: {up}, by the way the body stands" if up is not None else "up: z, assumed: no trunk shows it")
    turn = to_z_up(up or "z")
    if is_mirrored({point: place @ turn.T for point, place in places.items()}):
        turn = np.diag([1.0, -1.0, 1.0]) @ turn
        notes.append("axes: left-handed, since feet point backwards otherwise; y was turned round")
    filled = {point: fill_gaps(capture.times_s, place @ turn.T * metres) for point, place in places.items()}
    world = {point: place for point, (place, _) in filled.items()}
    source = observed(world)
    for point, (_, gaps) in filled.items():
        source[point][gaps] = Source.INTERPOLATED
    body = BodyPoints(capture.times_s, world, source)
    body = _with_pelvis(body)
    if capture.rotations is None:
        return _Read(body, notes, axes_known)
    at_rest = _with_pelvis(BodyPoints(np.zeros(1), {point: place @ turn.T * metres for point, place in rest.items()}, {}))
    file = {link: turn @ capture.rotations[:, column] @ turn.T for link, column in known.columns.items() if link in HUMAN_LINKS}
    return _Read(body, notes, axes_known, dict(at_rest.places), file)


def _with_pelvis(body: BodyPoints) -> BodyPoints:
    """Put the pelvis midway between the hips where these are known; files have it a hand's breadth higher or further back."""
    middle = hip_middle(body)
    if not np.isfinite(middle).any():
        return body
    source: Any = {**body.source, "pelvis": body.source.get("left_thigh", body.source.get("pelvis", observed({"p": middle})["p"]))}
    return replace(body, places={**body.places, "pelvis": middle}, source=source)


def _said_of_names(known: Recognised, names: tuple[str, ...]) -> str:
    unused = [name for name in known.unused if not name.lower().endswith("_end")]
    said = f"joints: named as by {known.dialect}"
    return said + (f"; not used: {', '.join(unused)}" if unused else "")


def _finished(read: _Read, kind: str) -> ReadMotion:
    body, notes = read.body, list(read.notes)
    size = body_size(body)
    if read.file is not None and read.rest is not None:
        body = with_file_turns(body, read.rest, read.file)
    completed = with_trunk(body, link_turns(body), axes_known=read.axes_known)
    if completed.inferred:
        notes.append(f"inferred: {'; '.join(completed.inferred)}")
    body = completed.body
    turns = link_turns(body)
    hands = {side: turns[f"{side}_hand"] for side in ("left", "right")}
    if still := still_fingers(body, hands):
        notes.append(f"fingers: those of the {' and '.join(still)} hand never move; beyond the knuckles they count as inferred")
        body = marked_inferred(body, still)
    body = with_fingers(body, hands)
    turns = link_turns(body)
    motion = human_motion_of(body, turns, size, read.assumed or {}, completed.placed)
    if not size.measured:
        notes.append(f"stature: {size.stature:.2f} m, assumed")
    if made := _inferred_landmarks(motion):
        notes.append(f"inferred from the links that carry them: {', '.join(made)}")
    return ReadMotion(motion, tuple(notes), kind)


def _inferred_landmarks(motion: HumanMotion) -> list[str]:
    groups = {
        "face": ("nose",), "heels": ("left_heel", "right_heel"), "toe tips": ("left_foot_index", "right_foot_index"),
        "knuckles": ("left_hand_index_mcp", "right_hand_index_mcp"), "fingertips": ("left_hand_index_tip", "right_hand_index_tip"),
    }  # fmt: skip
    found = []
    for group, names in groups.items():
        rows = [LANDMARK_NAMES.index(name) for name in names]
        if (motion.landmark_source[:, rows] == Source.INFERRED).any() and not (motion.landmark_source[:, rows] == Source.OBSERVED).any():
            found.append(group)
    return found
