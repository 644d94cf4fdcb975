"""The file of one retargeted motion: the trajectory, how good it is, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py

from bodydouble.atomic import replacing
from bodydouble.errors import DataError, FileExistsUsageError, UsageError
from bodydouble.gates import Gate
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.retarget.trajectory import RobotTrajectory

FORMAT = "bodydouble-trajectory"
HDF5_MARK = b"\x89HDF\r\n\x1a\n"
"""What every HDF5 file begins with."""


@dataclass(frozen=True)
class TrajectoryFile:
    """What such a file holds."""

    trajectory: RobotTrajectory
    quality: Mapping[str, Gate]
    unmet_tasks: Mapping[str, float] = field(default_factory=dict)
    """Task name to the share of frames in which it was not met."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """The motion's name and file, the robot's file, versions."""


def write_trajectory_file(path: Path, content: TrajectoryFile, *, force: bool = False) -> None:
    """Write one HDF5 file, beside its place first: ``RobotTrajectory.load`` reads it too.

    Raises: FileExistsUsageError if ``path`` exists and not ``force``; OutOfSpaceError.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    with replacing(path, new=not force) as partial, new_hdf5_file(partial) as (file, check_disk):
        file.attrs["format"] = FORMAT
        content.trajectory.write(file)
        check_disk()
        # Python's JSON has NaN, for figures that could not be computed
        file.attrs["quality"] = json.dumps({name: asdict(gate) for name, gate in content.quality.items()})
        file.attrs["unmet_tasks"] = json.dumps(dict(content.unmet_tasks))
        file.attrs["provenance"] = json.dumps(dict(content.provenance), ensure_ascii=False)


def is_trajectory_file(path: Path) -> bool:
    """Tell whether ``path`` is an HDF5 file that calls itself one of these."""
    return hdf5_format(path) == FORMAT


def hdf5_format(path: Path) -> str:
    """Return what an HDF5 file says it is, "" where it says nothing or is none."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("format", ""))
    except OSError:
        return ""


def check_whole_hdf5(path: Path) -> None:
    """Raise DataError where ``path`` is empty, or begins as an HDF5 file and cannot be opened as one: cut off or damaged."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(HDF5_MARK))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if not begins:
        raise DataError(f"{path} is empty; a whole file was expected. Copy it again from where it is whole, or make it again.")
    if begins != HDF5_MARK:
        return  # no HDF5 file, as whoever reads it will say
    try:
        h5py.File(path, "r").close()
    except OSError:
        raise DataError(
            f"{path} is truncated or damaged (it begins as an HDF5 file, {path.stat().st_size} bytes are here, and not all can be read). "
            "Copy it again from where it is whole, or make it again."
        ) from None


def read_trajectory_file(path: Path) -> TrajectoryFile:
    """Read what ``write_trajectory_file`` wrote. Raises: UsageError if there is no such file; DataError if it is not one of those."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path} does not exist; a trajectory file (.h5) from `bodydouble retarget` was expected.")
    check_whole_hdf5(path)
    try:
        with h5py.File(path, "r") as file:
            trajectory = RobotTrajectory.read(file)
            quality = {name: Gate(**gate) for name, gate in json.loads(file.attrs["quality"]).items()}
            return TrajectoryFile(trajectory, quality, json.loads(file.attrs["unmet_tasks"]), json.loads(file.attrs["provenance"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a trajectory file of this version: {error}. Make it again with `bodydouble retarget`.") from None
