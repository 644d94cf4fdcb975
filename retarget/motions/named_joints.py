"""NPY files of joint positions (T, N, 3), with the joints' names in a JSON beside them; 21 rows without names are one hand of MediaPipe."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.landmarks import HAND_NAMES
from bodydouble.retarget.motions.joint_capture import JointCapture, check_numbers, checked_rate, evenly, text_of
from bodydouble.retarget.motions.joint_names import normal
from bodydouble.retarget.motions.rotations import unit
from bodydouble.retarget.motions.world_axes import METRES

FloatArray = npt.NDArray[np.float64]

RATE_KEYS = ("rate_hz", "frame_rate", "fps")
CURL_SURE = 0.05
"""Fingertips must be this share of the palm's length off its plane, on average, to tell which hand it is."""


@dataclass(frozen=True)
class Description:
    """What a JSON says of an NPY."""

    path: Path
    names: tuple[str, ...]
    metres: float | None
    axes: str | None
    rate_hz: float | None


def read_named_joints(path: Path, rate_hz: float | None = None, names: Path | None = None) -> tuple[JointCapture, list[str]]:
    """Read an NPY (T, N, 3) of joint positions; NaN where a joint is missing. Also return notes on what was taken to be so.

    The JSON is ``names``, else ``<stem>*.json`` or ``*_joints.json`` beside the NPY with as many names as it has joints. Keys: joint_names, units, axes
    ("z up"), rate_hz. Raises: DataError for an array that is not of this kind; UsageError where names or the rate are not known.
    """
    places = _load(path)
    check_numbers(path, places)
    described = _description(path, names, places.shape[1])
    notes: list[str] = []
    if described is not None:
        notes.append(f"names: {described.path.name}")
        joint_names = described.names
        if _is_hand(joint_names):
            side, why = which_hand(path, places[:, [[normal(n) for n in joint_names].index(normal(h)) for h in HAND_NAMES]])
            notes.append(f"hand: {side}, {why}")
            joint_names = tuple(f"{side}_hand_{name}" for name in joint_names)
    else:
        side, why = which_hand(path, places)
        notes += ["names: none beside the file; 21 rows are taken to be a hand in MediaPipe's order", f"hand: {side}, {why}"]
        joint_names = tuple(f"{side}_hand_{name}" for name in HAND_NAMES)
    rate = rate_hz if rate_hz is not None else described.rate_hz if described is not None else None
    if rate is None:
        if len(places) > 1:
            raise UsageError(f"{path} does not say how many frames a second it has; pass --rate-hz with the rate of the recording.")
        rate = 1.0
    rate = checked_rate(rate, "--rate-hz" if rate_hz is not None else str(described.path) if described else str(path))
    capture = JointCapture(
        joint_names, evenly(len(places), rate), places,
        metres=described.metres if described else None, axes=described.axes if described else None,
    )  # fmt: skip
    return capture, notes


def which_hand(path: Path, hand: FloatArray) -> tuple[str, str]:
    """Return the side of a hand (T, 21, 3) in MediaPipe's order, and how it is known: by the file's name, by the way its fingers curl, or not at all.

    Towards the thumb, out of the palm and against the fingers are right-handed axes on a right hand. The palm is where the fingertips bend to.
    """
    named = re.findall(r"(?<![a-z])(left|right)(?![a-z])", path.stem.lower())
    fingers = unit(hand[:, 9] - hand[:, 0])
    thumbwards = hand[:, 5] - hand[:, 17]
    normals = unit(np.cross(fingers, thumbwards))  # where the palm of a left hand faces
    length = np.linalg.norm(hand[:, 9] - hand[:, 0], axis=1)
    tips = hand[:, [8, 12, 16, 20]].mean(axis=1) - hand[:, [5, 9, 13, 17]].mean(axis=1)
    off = np.sum(tips * normals, axis=1) / np.where(length > 0, length, np.nan)
    curl = float(np.mean(off[np.isfinite(off)])) if np.isfinite(off).any() else 0.0
    shape = "left" if curl > CURL_SURE else "right" if curl < -CURL_SURE else None
    if len(set(named)) == 1:
        side = named[0]
        return side, "by the file's name" + (f", though its fingers curl as a {shape} hand's" if shape not in (None, side) else "")
    if shape is not None:
        return shape, "by the way its fingers curl"
    return "right", "assumed: neither the file's name nor its fingers tell"


def _load(path: Path) -> FloatArray:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as an NPY array of numbers: it is cut off, of another kind, or holds objects ({error})."
        ) from None
    if not isinstance(loaded, np.ndarray) or loaded.dtype.kind not in "fiu":
        raise DataError(f"{path} does not hold one array of numbers; joint positions (frames, joints, 3) were expected.")
    if loaded.ndim != 3 or loaded.shape[2] != 3:
        flat = " Two coordinates a point are not enough: 3D positions are needed." if loaded.shape[-1:] == (2,) else ""
        raise DataError(f"{path} holds an array {loaded.shape}; joint positions (frames, joints, 3) were expected.{flat}")
    return loaded.astype(np.float64)


def _is_hand(names: tuple[str, ...]) -> bool:
    return {normal(name) for name in HAND_NAMES} <= {normal(name) for name in names}


def _description(path: Path, names: Path | None, joints: int) -> Description | None:
    if names is not None:
        found = _read_json(names)
        if len(found.names) != joints:
            raise UsageError(f"{names} names {len(found.names)} joints, but {path} has {joints}.")
        return found
    own = sorted(path.parent.glob(f"{_escaped(path.stem)}*.json"))
    others = [one for one in sorted(path.parent.glob("*_joints.json")) if one not in own]
    read = [one for one in map(_perhaps_names, [*own, *others]) if one is not None]
    fitting = [one for one in read if len(one.names) == joints]
    if fitting and fitting[0].path in own:
        return fitting[0]
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        raise UsageError(
            f"{path}: {', '.join(one.path.name for one in fitting)} all name {joints} joints; pass --names with the right one."
        )
    if joints == len(HAND_NAMES):
        return None
    there = "; ".join(f"{one.path.name} names {len(one.names)}" for one in read) or f"no {path.stem}*.json or *_joints.json is beside it"
    raise UsageError(
        f"{path} has {joints} joints and their names are not known ({there}); pass --names with a JSON that has the key joint_names."
    )


def _perhaps_names(path: Path) -> Description | None:
    """Return what a JSON that lies beside the file says, None where it is about something else."""
    try:
        return _read_json(path)
    except DataError:
        return None


def _escaped(stem: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", stem)


def _read_json(path: Path) -> Description:
    try:
        values: Any = json.loads(text_of(path, "JSON"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}.") from None
    names = values.get("joint_names") if isinstance(values, dict) else values
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} has no list of joint_names; a JSON with the keys joint_names, units and axes was expected.")
    settings: dict[str, Any] = values if isinstance(values, dict) else {}
    rate = next((settings[key] for key in RATE_KEYS if key in settings), None)
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        raise DataError(f"{path}: the rate {rate!r} is not a number.")
    metres = None
    if settings.get("units") is not None:
        said = str(settings["units"])
        unit_name = {"metres": "m", "meters": "m", "millimetres": "mm", "centimetres": "cm", "inches": "inch"}.get(said, said)
        if unit_name not in METRES:
            raise UnknownNameError("unit", said, str(path), METRES)
        metres = METRES[unit_name]
    axes = settings.get("axes")
    return Description(path, tuple(names), metres, None if axes is None else str(axes), None if rate is None else float(rate))
