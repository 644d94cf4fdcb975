"""``rig_motion.h5``: one group a body, arrays as in ``BodyMotion``, a mask beside them for readers of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

from bodydouble.atomic import replacing
from bodydouble.calibration.localization.rig_motion import BodyMotion, Outcome, RigMotion
from bodydouble.errors import DataError, FileExistsUsageError
from bodydouble.guarded_file import new_hdf5_file

FORMAT, VERSION = "bodydouble rig motion", 1
_ARRAYS = {
    "T_room_body": "pose of the body in the room, p_room = T @ p_body, m; NaN where not observed",
    "covariance": "of (rotation about the body's axes in rad, position in the room in m)",
    "rate": "angular velocity in the body's axes rad/s, velocity in the room m/s; NaN where unknown",
    "outcome": ", ".join(f"{item.value} {item.name}" for item in Outcome),
    "points": "points that agree with the pose",
    "targets": "targets that these are on",
}


def write_rig_motion(path: Path, motion: RigMotion, *, force: bool = False) -> None:
    """Write the file: the old one or the whole new one. Raises: FileExistsUsageError unless ``force``; OutOfSpaceError."""
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    with replacing(path, new=not force) as partial, new_hdf5_file(partial) as (file, check):
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        about = {name: getattr(motion, name) for name in ("rig", "room", "covariance_of", "noise_px", "rejected", "provenance")}
        about["bodies"] = list(motion.bodies)  # groups come back in the order of the alphabet
        file.create_dataset("about", data=json.dumps(about))  # attributes hold no more than 64 kB
        file.create_dataset("times_s", data=motion.times_s).attrs["is"] = "true time of each moment, s; NaN for stills"
        for name, body in motion.bodies.items():
            group = file.create_group(f"bodies/{name}")
            group.attrs["acceleration"], group.attrs["slack"] = body.acceleration, body.slack
            for array, meaning in _ARRAYS.items():
                group.create_dataset(array, data=getattr(body, array)).attrs["is"] = meaning
            group.create_dataset("observed", data=body.observed).attrs["is"] = "where outcome is 0"
            check()


def read_rig_motion(path: Path) -> RigMotion:
    """Read the file. Raises: DataError if it is not one of those, or was made by a newer version."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise KeyError("it does not say that it is one")
            if int(file.attrs["version"]) > VERSION:
                raise KeyError(f"it has version {int(file.attrs['version'])}, this program reads up to {VERSION}; update bodydouble")
            about = json.loads(file["about"].asstr()[()])
            times = file["times_s"][()]
            bodies = {}
            for name in about.pop("bodies"):
                group = file[f"bodies/{name}"]
                arrays = {array: group[array][()] for array in _ARRAYS}
                bodies[name] = BodyMotion(times, acceleration=_pair(group, "acceleration"), slack=_pair(group, "slack"), **arrays)
            return RigMotion(bodies=bodies, **{**about, "covariance_of": tuple(about["covariance_of"])})
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise DataError(f"{path} is not a rig motion file that this version reads: {reason}.") from None


def _pair(group: Any, name: str) -> tuple[float, float]:
    first, second = group.attrs[name]
    return float(first), float(second)
