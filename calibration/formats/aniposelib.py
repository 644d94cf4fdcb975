"""Calibration files of aniposelib and of what follows it (Anipose, Pose2Sim, FreeMoCap): TOML, cameras in the world by axis and angle.

The format does not say its unit of length: Anipose and FreeMoCap mean millimetres, Pose2Sim metres. Files written here say it, in ``[metadata]``, where
the other programs look for nothing and keep what they find.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from bodydouble.atomic import write_atomically
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.parametric_camera import ParametricCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.formats.camera_matrix import camera_from_matrix, matrix_of
from bodydouble.calibration.formats.length_unit import Unit, metres_in, metres_per_unit
from bodydouble.calibration.formats.mounting import cannot_hold, check_names, only_body, rig_from_file
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_from_rotvec, rotvec_of
from bodydouble.config import parse_settings, read_toml
from bodydouble.errors import UsageError

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
    time_offset_s: float = Field(0.0, allow_inf_nan=False)
    """Ours: aniposelib does not look for it."""


class _Metadata(BaseModel):
    """``[metadata]``, in which each program keeps what it likes; these keys are ours."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    unit: str | None = None
    body: str = "room"


def read_aniposelib(path: Path, unit: Unit | None = None) -> Rig:
    """Read an aniposelib calibration as a rig whose cameras are mounted on the "room", or on the body that the file names.

    ``unit`` is that of the file's translations, "m", "cm" or "mm", for files that do not say it. Rotation (axis times angle) and translation take
    points of the world to the camera.

    Raises: UsageError if the file is missing, is not such a file, does not say its unit while ``unit`` does not either, or holds what the camera models
    cannot.
    """
    path = Path(path)
    if unit is not None:
        metres_in(unit)
    values = read_toml(path)
    tables = {key: value for key, value in values.items() if key != "metadata" and isinstance(value, dict)}
    if not tables:
        raise UsageError(
            f"{path} holds no cameras; expected tables like [cam_0] with name, size, matrix, distortions, rotation and translation."
        )
    metadata = parse_settings(values.get("metadata", {}), _Metadata, source=f"{path}, table [metadata]")
    models: list[ParametricCamera] = []
    poses: list[npt.NDArray[np.float64]] = []
    items = [parse_settings(table, _Camera, source=f"{path}, camera table [{key}]") for key, table in tables.items()]
    check_names(path, [item.name for item in items])
    for item in items:
        try:
            models.append(camera_from_matrix(item.size, item.matrix, item.distortions, fisheye=item.fisheye))
        except ValueError as error:
            raise UsageError(f"{path}, camera '{item.name}': {error}.") from None
        if not np.isfinite([*item.rotation, *item.translation]).all():
            raise UsageError(f"{path}, camera '{item.name}': its rotation and translation are not finite numbers.")
        poses.append(pose_from_rotvec(item.rotation, item.translation))
    scale = metres_per_unit(path, [invert(T)[:3, 3] for T in poses], said=metadata.unit, asked=unit)
    cameras = []
    for item, model, T_camera_body in zip(items, models, poses, strict=True):
        T_camera_body[:3, 3] *= scale
        cameras.append(MountedCamera(item.name, model, metadata.body, invert(T_camera_body), time_offset_s=item.time_offset_s))
    return rig_from_file(path, cameras, path.stem)


def write_aniposelib(rig: Rig, path: Path, unit: Unit = "m") -> None:
    """Write ``rig`` as an aniposelib calibration, with translations in ``unit`` ("m", "cm" or "mm"), which the file says.

    What the rig says of its sigmas and of assumed values is not written. Raises: UsageError if cameras are mounted on more than one body (the format
    knows one world), or have another model than pinhole or fisheye.
    """
    metres = metres_in(unit)
    body = only_body(rig, "aniposelib's format")
    tables: dict[str, Any] = {}
    for index, camera in enumerate(rig.cameras.values()):
        model = camera.model
        if not isinstance(model, PinholeCamera | FisheyeCamera):
            raise cannot_hold(camera, "aniposelib's format", ("pinhole", "fisheye"))
        table: dict[str, Any] = {
            "name": camera.name,
            "size": list(model.image_size),
            "matrix": matrix_of(model),
            "distortions": list(model.distortion),
            "rotation": rotvec_of(camera.T_camera_body).tolist(),
            "translation": (camera.T_camera_body[:3, 3] / metres).tolist(),
        }
        if isinstance(model, FisheyeCamera):
            table["fisheye"] = True
        if camera.time_offset_s:
            table["time_offset_s"] = camera.time_offset_s
        tables[f"cam_{index}"] = table
    write_atomically(Path(path), tomli_w.dumps({**tables, "metadata": {"unit": unit, "body": body}}).encode("utf-8"))
