"""A rig from whichever file describes it, and into any that can: formats are told apart by what the files hold, not by their names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodydouble.atomic import check_can_be_written
from bodydouble.calibration.formats.aniposelib import read_aniposelib, write_aniposelib
from bodydouble.calibration.formats.aria import read_aria
from bodydouble.calibration.formats.caliscope import read_caliscope
from bodydouble.calibration.formats.file_text import read_text
from bodydouble.calibration.formats.kalibr import read_kalibr, write_kalibr
from bodydouble.calibration.formats.length_unit import Unit, metres_in
from bodydouble.calibration.formats.opencv import read_opencv, write_opencv
from bodydouble.calibration.formats.qualisys import read_qualisys
from bodydouble.calibration.formats.yaml_text import parse_yaml
from bodydouble.calibration.rig import Rig
from bodydouble.errors import FileExistsUsageError, UnknownNameError, UsageError


@dataclass(frozen=True)
class RigFormat:
    """A kind of calibration file."""

    file: str
    """What it is called, in a sentence."""
    read: Callable[[Path, Unit | None], Rig]
    write: Callable[[Rig, Path, Unit], None] | None = None
    """None where nothing else than its own program needs to read it."""
    unit: Unit | None = None
    """The unit of length that all of its files have; None where each has its own."""


RIG_FORMATS: dict[str, RigFormat] = {
    "rig": RigFormat("rig.toml", lambda path, unit: Rig.load(path), lambda rig, path, unit: rig.save(path), "m"),
    "aniposelib": RigFormat("aniposelib's TOML (Anipose, Pose2Sim, FreeMoCap)", read_aniposelib, write_aniposelib),
    "opencv": RigFormat("OpenCV's or ROS' YAML", lambda path, unit: read_opencv(path, unit=unit), write_opencv),
    "kalibr": RigFormat(
        "Kalibr's camchain.yaml", lambda path, unit: read_kalibr(path), lambda rig, path, unit: write_kalibr(rig, path), "m"
    ),
    "qualisys": RigFormat("Qualisys' .qca.txt", lambda path, unit: read_qualisys(path), unit="mm"),
    "caliscope": RigFormat("Caliscope's camera_array.toml", lambda path, unit: read_caliscope(path), unit="m"),
    "aria": RigFormat("Project Aria's calibration JSON", lambda path, unit: read_aria(path), unit="m"),
}
"""By the name that ``--to`` takes."""

RIG_FILES = ", ".join(item.file for item in RIG_FORMATS.values())
"""For the help of options that take a rig."""


def read_rig(path: Path, unit: Unit | None = None) -> Rig:
    """Read a rig from any of ``RIG_FORMATS``, told apart by their content.

    ``unit`` is the unit of length of files that do not say theirs (aniposelib's and OpenCV's). Raises: UsageError when the file is missing, a folder,
    empty, none of them (lists them), one with a mistake in it (says which), or has another unit than ``unit``.
    """
    path = Path(path)
    name = rig_format_of(path)
    fmt = RIG_FORMATS[name]
    if unit is not None:
        metres_in(unit)
        if fmt.unit not in (None, unit):
            raise UsageError(f"{path} is {fmt.file}, whose unit of length is always {fmt.unit}, not {unit}; leave the unit out.")
    return fmt.read(path, unit)


def write_rig(rig: Rig, path: Path, fmt: str, unit: Unit = "m") -> None:
    """Write a rig in one of ``RIG_FORMATS`` that can be written: "rig", "aniposelib", "opencv" or "kalibr".

    ``unit`` is that of the lengths in the file, where its format leaves the choice. Raises: UnknownNameError listing the formats; UsageError for a
    unit that the format has not, and for what it cannot hold.
    """
    writers = {name: item for name, item in RIG_FORMATS.items() if item.write is not None}
    if fmt not in writers:
        raise UnknownNameError("format", fmt, "those that a rig can be written in", tuple(writers))
    chosen = writers[fmt]
    metres_in(unit)
    if chosen.unit not in (None, unit):
        raise UsageError(f"{chosen.file} is always in {chosen.unit}; it cannot be written in {unit}.")
    assert chosen.write is not None
    chosen.write(rig, Path(path), unit)


def convert_rig(source: Path, target: Path, fmt: str, *, unit: Unit | None = None, target_unit: Unit = "m", force: bool = False) -> Rig:
    """Read a calibration of any format, write it in another, and return it.

    ``unit`` is the source's where it does not say one, ``target_unit`` that of the new file. Raises: FileExistsUsageError if the target is there and not
    ``force``; as ``read_rig`` and ``write_rig``.
    """
    target = Path(target)
    if target.exists() and not force:
        raise FileExistsUsageError(target)
    rig = read_rig(source, unit)
    check_can_be_written(target)
    write_rig(rig, target, fmt, target_unit)
    return rig


def rig_format_of(path: Path) -> str:
    """Return the name in ``RIG_FORMATS`` of a file's format. Raises: UsageError as ``read_rig``."""
    path = Path(path)
    text = read_text(path, f"a calibration ({RIG_FILES})")
    start = text.lstrip()[:1]
    found: str | None = None
    if start == "<":
        found = "qualisys" if "<opencv_storage" not in text else None
    elif start == "{":
        found = "aria"
    else:
        found = _of_toml_or_yaml(path, text)
    if found is None:
        raise UsageError(f"{path} is none of the calibrations that can be read: {RIG_FILES}.")
    return found


def _of_toml_or_yaml(path: Path, text: str) -> str | None:
    if path.suffix.lower() == ".toml" or path.suffix.lower() not in (".yaml", ".yml"):
        try:
            return _of_toml(path, tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            if path.suffix.lower() == ".toml":
                raise UsageError(f"{path} is not valid TOML: {error}") from None
    try:
        return _of_yaml(parse_yaml(text))
    except ValueError as error:
        if path.suffix.lower() in (".yaml", ".yml"):
            raise UsageError(f"{path}: {error}.") from None
    return None


def _of_toml(path: Path, values: dict[str, Any]) -> str | None:
    cameras = values.get("cameras")
    tables = [table for table in cameras.values() if isinstance(table, dict)] if isinstance(cameras, dict) else []
    if any("matrix" in table or "cam_id" in table for table in tables):
        return "caliscope"
    if tables or "bodies" in values or path.name == "rig.toml":
        return "rig"
    if any(isinstance(table, dict) and {"matrix", "distortions", "rotation", "translation"} & table.keys() for table in values.values()):
        return "aniposelib"
    return None


def _of_yaml(values: Any) -> str | None:
    if not isinstance(values, dict):
        return None
    if any(re.fullmatch(r"cam\d+", str(key)) and isinstance(value, dict) for key, value in values.items()):
        return "kalibr"
    keys = {str(key).lower() for key in values}
    return "opencv" if keys & {"camera_matrix", "k", "cameras"} else None
