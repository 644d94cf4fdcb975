"""Camera arrays of Caliscope (``camera_array.toml``): TOML, cameras in the world in metres, turned by a matrix or by axis and angle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from bodydouble.calibration.formats.camera_matrix import camera_from_matrix
from bodydouble.calibration.formats.mounting import rig_from_file, rigid
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_from_rotvec
from bodydouble.config import parse_settings, read_toml
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]
Numbers = list[float | list[float]]
Vector = tuple[float, float, float]


class _Camera(BaseModel):
    """One ``[cameras.N]``. How the images are shown and how often the board was seen says nothing about the camera and is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    cam_id: int | None = None
    size: tuple[int, int]
    matrix: tuple[Vector, Vector, Vector] | None = None
    distortions: Numbers | None = None
    rotation: Numbers | None = None
    translation: Numbers | None = None
    fisheye: bool = False
    ignore: bool = False


def read_caliscope(path: Path) -> Rig:
    """Read a camera array as a rig whose cameras are called "cam_N", after Caliscope's videos, and mounted on the "room".

    Rotation and translation (m) take points of the world to the camera. Cameras that Caliscope ignores are left out; one without a pose is mounted
    on a body of its own name, since its place is unknown. Raises: UsageError if the file is missing, is no camera array, or has a camera without
    intrinsics, with a pose that is none, or with what the camera models cannot hold.
    """
    path = Path(path)
    tables = read_toml(path).get("cameras")
    if not isinstance(tables, dict) or not tables:
        raise UsageError(
            f"{path} holds no cameras; expected tables like [cameras.0] with size, matrix, distortions, rotation and translation."
        )
    cameras: list[MountedCamera] = []
    for key, values in tables.items():
        if not isinstance(values, dict):
            raise UsageError(f"{path}: cameras.{key} is not a camera; expected a table [cameras.{key}].")
        item = parse_settings(
            {name: value for name, value in values.items() if value != "null"}, _Camera, source=f"{path}, camera table [cameras.{key}]"
        )
        if item.ignore:
            continue
        name = f"cam_{key if item.cam_id is None else item.cam_id}"
        try:
            cameras.append(_mounted(name, item))
        except ValueError as error:
            raise UsageError(f"{path}, camera '{name}': {error}.") from None
    if not cameras:
        raise UsageError(f"{path} holds only cameras with ignore = true; take one back in Caliscope.")
    return rig_from_file(path, cameras)


def _mounted(name: str, item: _Camera) -> MountedCamera:
    if item.matrix is None or item.distortions is None:
        raise ValueError("it has no matrix or no distortions, so Caliscope has not calibrated its lens yet")
    model = camera_from_matrix(item.size, item.matrix, _flat(item.distortions).tolist(), fisheye=item.fisheye)
    if item.rotation is None and item.translation is None:
        return MountedCamera(name, model, name, np.eye(4))
    if item.rotation is None or item.translation is None:
        raise ValueError(
            f"it has a {'rotation' if item.rotation else 'translation'} only; expected both, or neither while its place is unknown"
        )
    translation = _flat(item.translation)
    numbers = _flat(item.rotation)
    if translation.size != 3 or numbers.size not in (3, 9):
        raise ValueError("its pose is not a rotation of 3 or 3x3 numbers and a translation of 3")
    T_camera_room = pose_from_rotvec(numbers, translation) if numbers.size == 3 else rigid(numbers.reshape(3, 3), translation, "rotation")
    return MountedCamera(name, model, "room", invert(T_camera_room))


def _flat(values: Any) -> FloatArray:
    return np.concatenate([np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values]) if values else np.zeros(0)
