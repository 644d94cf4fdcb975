"""What was true in a simulated recording; ``truth.h5``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.guarded_file import new_hdf5_file

FloatArray = npt.NDArray[np.float64]

TRUTH_NAME = "truth.h5"
_FORMAT = "bodydouble truth 1"


@dataclass(frozen=True)
class Truth:
    """The person, the rig and the cameras of a simulated recording. Arrays are read-only, positions in m in the world (the room's frame).

    Two clocks: M moments on the true clock at the rig's rate, and of each of C cameras the true instants of its K frames (NaN beyond its own
    number of frames).
    """

    recording: dict[str, str]
    """Camera to ``Recording.content_key([camera])`` of the recording that it belongs to."""
    settings: dict[str, Any]
    """What was asked for: rig, task, seconds, seed, size, faults with their parameters, and the person's stature and sizes."""
    times_s: FloatArray
    """(M,) true seconds from the start of the recording."""
    landmarks: FloatArray
    """(M, 75, 3)."""
    joint_names: tuple[str, ...]
    joints: FloatArray
    """(M, J, 3) joint centres."""
    body_names: tuple[str, ...]
    """Bodies of the rig that move."""
    T_world_body: FloatArray
    """(M, B, 4, 4)."""
    object_names: tuple[str, ...]
    T_world_object: FloatArray
    """(M, O, 4, 4)."""
    contacts: npt.NDArray[np.int8]
    """(M, 2, 5) of left and right hand and the five fingers from the thumb: index into ``object_names`` of what it touches, -1 for nothing."""
    cameras: tuple[str, ...]
    camera_times_s: FloatArray
    """(C, K) true instant of each frame that is in the videos, by its number there; NaN beyond."""
    T_world_camera: FloatArray
    """(C, K, 4, 4) true pose of the camera at that instant, a bump included."""
    camera_landmarks: FloatArray
    """(C, K, 75, 3) the landmarks at that instant."""
    pixels: FloatArray
    """(C, K, 75, 2) where they are in the camera's image, whether or not they can be seen; NaN where the lens does not image them."""
    visibility: npt.NDArray[np.uint8]
    """(C, K, 75) of ``moment.Visibility``."""
    faults: dict[str, Any] = field(default_factory=dict)
    """Name to what exactly was done, e.g. {"clock-offset": {"cameras": {"front": {"offset_s": 0.012}}}}."""

    def __post_init__(self) -> None:
        M, (C, K) = len(self.times_s), self.camera_times_s.shape
        J, B, O = len(self.joint_names), len(self.body_names), len(self.object_names)  # noqa: E741 - as in the docstrings
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "times_s": ((M,), np.float64), "landmarks": ((M, 75, 3), np.float64), "joints": ((M, J, 3), np.float64),
            "T_world_body": ((M, B, 4, 4), np.float64), "T_world_object": ((M, O, 4, 4), np.float64), "contacts": ((M, 2, 5), np.int8),
            "camera_times_s": ((C, K), np.float64), "T_world_camera": ((C, K, 4, 4), np.float64), "camera_landmarks": ((C, K, 75, 3), np.float64),
            "pixels": ((C, K, 75, 2), np.float64), "visibility": ((C, K, 75), np.uint8),
        }  # fmt: skip
        freeze_arrays(self, shapes)
        if len(self.cameras) != C:
            raise ValueError(f"{len(self.cameras)} camera names for {C} rows")

    def camera(self, name: str) -> int:
        """Return the row of a camera. Raises: UnknownNameError."""
        if name not in self.cameras:
            raise UnknownNameError("camera", name, "the truth file", self.cameras)
        return self.cameras.index(name)

    def _check_content(self) -> None:
        for name in ("recording", "settings", "faults"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is not an object with names")
        if not len(self.times_s) or not np.isfinite(self.times_s).all() or np.any(np.diff(self.times_s) <= 0):
            raise ValueError("times_s does not grow")
        if not np.isfinite(self.landmarks).all():
            raise ValueError("landmarks holds values that are not finite")

    def landmarks_at(self, times_s: npt.ArrayLike) -> FloatArray:
        """Return the landmarks (N, 75, 3) at true times (N,), by a cubic spline through the moments; NaN outside of them by more than a moment."""
        from scipy.interpolate import CubicSpline

        times = np.asarray(times_s, dtype=np.float64)
        if len(self.times_s) == 1:
            return np.where(np.abs(times - self.times_s[0])[:, None, None] < 1e-6, self.landmarks[0], np.nan)
        slack = float(np.median(np.diff(self.times_s)))
        found = CubicSpline(self.times_s, self.landmarks, axis=0)(times)
        outside = (times < self.times_s[0] - slack) | (times > self.times_s[-1] + slack)
        found[outside | ~np.isfinite(times)] = np.nan
        return np.asarray(found)

    def save(self, path: Path) -> None:
        """Write to an HDF5 file, compressed."""
        with new_hdf5_file(path) as (file, _):
            file.attrs["format"] = _FORMAT
            for item in fields(self):
                value = getattr(self, item.name)
                if isinstance(value, np.ndarray):
                    file.create_dataset(item.name, data=value, compression="gzip", compression_opts=4, shuffle=True)
                else:
                    file.attrs[item.name] = json.dumps(value)

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        try:
            with h5py.File(path, "r") as file:
                if file.attrs["format"] != _FORMAT:
                    raise ValueError(f"it is of the format '{file.attrs['format']}'")
                values: dict[str, Any] = {}
                for item in fields(cls):
                    values[item.name] = file[item.name][()] if item.name in file else json.loads(file.attrs[item.name])
                for name in ("joint_names", "body_names", "object_names", "cameras"):
                    values[name] = tuple(values[name])
                found = cls(**values)
                found._check_content()
                return found
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} is not a truth file of this version ({error}). Make the recording again with `bodydouble simulate`."
            ) from None
