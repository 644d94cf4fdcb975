"""Calibrations of Project Aria glasses: JSON as ``projectaria_tools`` writes it, or as one object a camera.

| | ``device_calibration_to_json_string`` | one object a camera |
|---|---|---|
| cameras | list ``CameraCalibrations``, each with ``Label`` | mapping ``cameras`` by name |
| lens | ``Projection.Name`` FisheyeRadTanThinPrism, ``Projection.Params`` | ``model`` FISHEYE624, ``projection_params`` |
| numbers | f cx cy k0 ... k5 p0 p1 s0 ... s3 | the same |
| size | ``ConfigData.ImageWidth``, ``ImageHeight`` | ``width``, ``height`` |
| pose in the device, m | ``T_Device_Camera`` with ``Translation`` and ``UnitQuaternion`` [w, [x, y, z]] | ``T_device_camera`` 4x4 |

Pixel (0, 0) is the centre of the upper left pixel, as everywhere here. Source: Project Aria's documentation, "Camera Intrinsic Models" and "Coordinate
Frame Conventions"; projectaria_tools 2.3.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from bodydouble.calibration.cameras.fisheye624 import Fisheye624Camera
from bodydouble.calibration.formats.file_text import read_text
from bodydouble.calibration.formats.mounting import rig_from_file, rigid, rigid_from_matrix
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.config import parse_settings
from bodydouble.errors import UsageError

_NAMES = ("FISHEYE624", "FisheyeRadTanThinPrism")
_PARAMETERS = 15
BODY = "device"

Vector = tuple[float, float, float]
Row = tuple[float, float, float, float]


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Camera(_Loose):
    width: int
    height: int
    model: str
    projection_params: tuple[float, ...]
    T_device_camera: tuple[Row, Row, Row, Row]


class _Projection(_Loose):
    Name: str
    Params: tuple[float, ...]


class _Size(_Loose):
    ImageWidth: int
    ImageHeight: int


class _Pose(_Loose):
    Translation: Vector
    UnitQuaternion: tuple[float, Vector]


class _ToolsCamera(_Loose):
    Label: str
    Projection: _Projection
    ConfigData: _Size
    T_Device_Camera: _Pose


def read_aria(path: Path) -> Rig:
    """Read the cameras of Aria glasses as a rig of Fisheye624 cameras mounted on "device".

    Raises: UsageError if the file is missing, is no such calibration, or has another camera model or a pose that is none.
    """
    path = Path(path)
    values = _values(path)
    cameras: list[MountedCamera] = []
    if isinstance(values.get("CameraCalibrations"), list):
        for index, item in enumerate(values["CameraCalibrations"]):
            tools = parse_settings(item, _ToolsCamera, source=f"{path}, CameraCalibrations[{index}]")
            size = (tools.ConfigData.ImageWidth, tools.ConfigData.ImageHeight)
            cameras.append(_mounted(path, tools.Label, size, tools.Projection.Name, tools.Projection.Params, tools.T_Device_Camera))
    elif isinstance(values.get("cameras"), dict):
        for name, item in values["cameras"].items():
            camera = parse_settings(item, _Camera, source=f"{path}, camera '{name}'")
            cameras.append(
                _mounted(path, name, (camera.width, camera.height), camera.model, camera.projection_params, camera.T_device_camera)
            )
    if not cameras:
        raise UsageError(f'{path} holds no cameras of Aria glasses; expected a list "CameraCalibrations" or an object "cameras".')
    return rig_from_file(path, cameras)


def _mounted(path: Path, name: str, size: tuple[int, int], model: str, numbers: tuple[float, ...], pose: Any) -> MountedCamera:
    try:
        if model not in _NAMES:
            raise ValueError(f"its model is {model}, but only {' or '.join(_NAMES)} is read here")
        if len(numbers) != _PARAMETERS:
            raise ValueError(f"it has {len(numbers)} projection parameters; expected {_PARAMETERS} (f cx cy k0 ... k5 p0 p1 s0 ... s3)")
        f, cx, cy, *distortion = numbers
        lens = Fisheye624Camera(size, (f, f), (cx, cy), tuple(distortion))
        if isinstance(pose, _Pose):
            T_device_camera = rigid(_rotation(*pose.UnitQuaternion), pose.Translation, "T_Device_Camera")
        else:
            T_device_camera = rigid_from_matrix(pose, "T_device_camera")
    except ValueError as error:
        raise UsageError(f"{path}, camera '{name}': {error}.") from None
    return MountedCamera(name, lens, BODY, T_device_camera)


def _rotation(w: float, xyz: Vector) -> np.ndarray[Any, np.dtype[np.float64]]:
    from scipy.spatial.transform import Rotation

    quaternion = np.array([*xyz, w])
    if abs(float(np.linalg.norm(quaternion)) - 1) > 1e-4:
        raise ValueError("UnitQuaternion is not of length 1; expected [w, [x, y, z]]")
    return np.asarray(Rotation.from_quat(quaternion).as_matrix())


def _values(path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"it names '{twice}' twice")
        return dict(pairs)

    try:
        values = json.loads(read_text(path, "a calibration of Aria glasses in JSON"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a calibration of Aria glasses: {error}.") from None
    return values if isinstance(values, dict) else {}
