"""Calibration files of aniposelib and of what follows it (Anipose, Pose2Sim, FreeMoCap): TOML, cameras in the world by axis and angle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w
from pydantic import BaseModel, ConfigDict

from bodydouble.atomic import write_atomically
from bodydouble.calibration.camera_model import CameraModel
from bodydouble.calibration.fisheye import FisheyeCamera
from bodydouble.calibration.pinhole import PinholeCamera
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_from_rotvec, rotvec_of
from bodydouble.config import parse_settings, read_toml
from bodydouble.errors import UsageError

Unit = Literal["m", "cm", "mm"]
_METRES: dict[str, float] = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}

Vector = tuple[float, float, float]


class _Camera(BaseModel):
    """One table of the file. Other programs add keys of their own, which say nothing about the camera and are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    size: tuple[int, int]
    matrix: tuple[Vector, Vector, Vector]
    distortions: tuple[float, ...]
    rotation: Vector
    translation: Vector
    fisheye: bool = False


def read_aniposelib(path: Path, unit: Unit) -> Rig:
    """Read an aniposelib calibration as a rig whose cameras are mounted on the "room".

    ``unit`` is that of the file's translations, which the file does not say: "m", "cm" or "mm". Rotation (axis times angle) and
    translation take points of the world to the camera.

    Raises: UsageError if the file is missing, is not such a file, or holds what the camera models cannot.
    """
    scale = _scale(unit)
    tables = {key: value for key, value in read_toml(Path(path)).items() if key != "metadata" and isinstance(value, dict)}
    if not tables:
        raise UsageError(
            f"{path} holds no cameras; expected tables like [cam_0] with name, size, matrix, distortions, rotation and translation."
        )
    cameras: dict[str, MountedCamera] = {}
    for key, values in tables.items():
        item = parse_settings(values, _Camera, source=f"{path}, camera table [{key}]")
        if item.name in cameras:
            raise UsageError(f"{path} holds two cameras named '{item.name}'.")
        try:
            model = _model(item)
        except ValueError as error:
            raise UsageError(f"{path}, camera '{item.name}': {error}.") from None
        T_camera_room = pose_from_rotvec(item.rotation, np.array(item.translation) * scale)
        cameras[item.name] = MountedCamera(item.name, model, "room", invert(T_camera_room))
    return Rig(Path(path).stem, ("room",), cameras)


def write_aniposelib(rig: Rig, path: Path, unit: Unit) -> None:
    """Write ``rig`` as an aniposelib calibration, with translations in ``unit`` ("m", "cm" or "mm").

    Raises: UsageError if cameras are mounted on more than one body (the format knows one world), or have another model.
    """
    scale = _scale(unit)
    bodies = sorted({camera.body for camera in rig.cameras.values()})
    if len(bodies) > 1:
        listed = ", ".join(bodies)
        raise UsageError(
            f"aniposelib's format has one world, but the cameras of rig '{rig.name}' are mounted on {listed}; select those of one body."
        )
    tables: dict[str, Any] = {}
    for index, camera in enumerate(rig.cameras.values()):
        model = camera.model
        if not isinstance(model, PinholeCamera | FisheyeCamera):
            raise UsageError(
                f"camera '{camera.name}' has a {type(model).__name__}, which aniposelib's format cannot hold; it holds pinhole and fisheye."
            )
        (fx, fy), (cx, cy) = model.focal, model.center
        table: dict[str, Any] = {
            "name": camera.name,
            "size": list(model.image_size),
            "matrix": [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]],
            "distortions": list(model.distortion),
            "rotation": rotvec_of(camera.T_camera_body).tolist(),
            "translation": (camera.T_camera_body[:3, 3] / scale).tolist(),
        }
        if isinstance(model, FisheyeCamera):
            table["fisheye"] = True
        tables[f"cam_{index}"] = table
    write_atomically(Path(path), tomli_w.dumps({**tables, "metadata": {}}).encode("utf-8"))


def _model(item: _Camera) -> CameraModel:
    (fx, skew, cx), (below, fy, cy), last = item.matrix
    if skew or below or last != (0.0, 0.0, 1.0):
        raise ValueError("its matrix is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    if item.fisheye:
        return FisheyeCamera(item.size, (fx, fy), (cx, cy), item.distortions)
    if len(item.distortions) not in (4, 5):
        raise ValueError(f"it has {len(item.distortions)} distortion terms; a pinhole camera has 5 (k1 k2 p1 p2 k3), or 4 without k3")
    distortion = (*item.distortions, 0.0)[:5]
    return PinholeCamera(item.size, (fx, fy), (cx, cy), distortion)


def _scale(unit: str) -> float:
    if unit not in _METRES:
        raise UsageError(f"'{unit}' is not a unit of length that is known here; valid: {', '.join(_METRES)}.")
    return _METRES[unit]
