"""Camera chains of Kalibr (``camchain.yaml``, ``camchain-imucam.yaml``), which OpenVINS and others read too.

| key of ``camN`` | here |
|---|---|
| ``camera_model``, ``distortion_model`` | pinhole, radtan or none: pinhole; pinhole, equidistant: fisheye; omni, radtan or none: omni; ds, none: double_sphere|
| ``intrinsics`` | pinhole fu fv pu pv; omni xi fu fv pu pv; ds xi alpha fu fv pu pv |
| ``distortion_coeffs`` | radtan k1 k2 p1 p2; equidistant k1 k2 k3 k4; none: empty |
| ``resolution`` | width, height |
| ``T_cam_imu`` (or OpenVINS' ``T_imu_cam``) | takes points of the IMU to the camera, in m: the IMU is the body |
| ``T_cn_cnm1`` | takes points of the camera before to this one, in m: without an IMU the first camera is the body |
| ``timeshift_cam_imu`` | s, t_imu = t_cam + shift: our ``time_offset_s``, with the IMU's clock for the true time |
| ``camera_name``, ``body`` | ours, which Kalibr passes over: names that are not camN, cam0 or imu |
| ``rostopic``, ``cam_overlaps`` | passed over |

Source: Kalibr's wiki, "Yaml formats" and "Supported models".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from bodydouble.atomic import write_atomically
from bodydouble.calibration.cameras.double_sphere import DoubleSphereCamera
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.omni import OmniCamera
from bodydouble.calibration.cameras.parametric_camera import ParametricCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.formats.file_text import read_text
from bodydouble.calibration.formats.mounting import cannot_hold, only_body, rig_from_file, rigid_from_matrix
from bodydouble.calibration.formats.yaml_text import parse_yaml
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_distance
from bodydouble.config import parse_settings
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]
Row = tuple[float, float, float, float]
Pose = tuple[Row, Row, Row, Row]

_CAMERA = re.compile(r"cam(\d+)")
_LENS_TERMS = {"pinhole": 0, "omni": 1, "ds": 2}
"""Intrinsics that come before fu fv pu pv."""
_DISTORTION_TERMS = {"radtan": 4, "equidistant": 4, "none": 0}
_PAIRS = {("pinhole", "radtan"), ("pinhole", "equidistant"), ("pinhole", "none"), ("omni", "radtan"), ("omni", "none"), ("ds", "none")}
_HELD = ("pinhole with five terms and k3 = 0", "fisheye", "omni", "double sphere")
_DIFFERENT_M, _DIFFERENT_RAD = 5e-3, 5e-3
"""Above this ``T_cn_cnm1`` and ``T_cam_imu`` contradict each other; below, one of them was rounded."""


class _Camera(BaseModel):
    """One ``camN``. Other programs add keys of their own, which say nothing about the camera and are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    camera_model: str
    intrinsics: tuple[float, ...]
    distortion_model: str
    distortion_coeffs: tuple[float, ...] = Field(default=())
    resolution: tuple[int, int]
    T_cn_cnm1: Pose | None = None
    T_cam_imu: Pose | None = None
    T_imu_cam: Pose | None = None
    timeshift_cam_imu: float = Field(0.0, allow_inf_nan=False)
    camera_name: str | None = None
    body: str | None = None


def read_kalibr(path: Path) -> Rig:
    """Read a camera chain as a rig whose cameras are all mounted on "imu", or on "cam0", the first camera, where there is no IMU.

    Raises: UsageError if the file is missing or is no camera chain, has a model that is not in the table above, a pose that is none, a chain with a
    gap, or poses that contradict each other.
    """
    path = Path(path)
    items = _items(path)
    cameras: list[MountedCamera] = []
    T_before_body: FloatArray | None = None
    any_imu = any(item.T_cam_imu or item.T_imu_cam for item in items.values())
    first = next(iter(items.values()))
    body = first.body or ("imu" if any_imu else "cam0")
    for number, item in items.items():
        name = item.camera_name or f"cam{number}"
        try:
            T_camera_body = _pose(number, item, T_before_body if number - 1 in items else None, any_imu=any_imu)
            model = _model(item)
        except ValueError as error:
            raise UsageError(f"{path}, cam{number}: {error}.") from None
        cameras.append(MountedCamera(name, model, body, invert(T_camera_body), time_offset_s=item.timeshift_cam_imu))
        T_before_body = T_camera_body
    return rig_from_file(path, cameras)


def write_kalibr(rig: Rig, path: Path) -> None:
    """Write the cameras of ``rig`` as a camera chain, cam0, cam1, ... in the rig's order, with the body in the place of the IMU.

    Where the first camera is the body's frame and no clock is off, no IMU is written. What the rig says of its sigmas and of assumed values is
    not, and ``cam_overlaps`` neither. Raises: UsageError if cameras are mounted on more than one body, or have a model that Kalibr has not.
    """
    body = only_body(rig, "Kalibr's camera chain")
    chain: dict[str, Any] = {}
    T_before_body: FloatArray | None = None
    clocks = any(camera.time_offset_s for camera in rig.cameras.values())
    has_imu = clocks or not np.array_equal(next(iter(rig.cameras.values())).T_body_camera, np.eye(4))
    for index, camera in enumerate(rig.cameras.values()):
        item = _item(camera)
        item |= {"camera_name": camera.name, "body": body, "rostopic": f"/{camera.name}/image_raw"}
        T_camera_body = camera.T_camera_body
        if has_imu:
            item["T_cam_imu"] = T_camera_body.tolist()
            item["timeshift_cam_imu"] = float(camera.time_offset_s)
        if T_before_body is not None:
            item["T_cn_cnm1"] = (T_camera_body @ invert(T_before_body)).tolist()
        chain[f"cam{index}"] = item
        T_before_body = T_camera_body
    import yaml

    text = yaml.safe_dump(chain, default_flow_style=None, allow_unicode=True, width=140)
    write_atomically(Path(path), text.encode("utf-8"))


def _items(path: Path) -> dict[int, _Camera]:
    try:
        values = parse_yaml(read_text(path, "a camera chain of Kalibr"))
    except ValueError as error:
        raise UsageError(f"{path} is not a camera chain of Kalibr: {error}.") from None
    keys = {key: match for key in values if (match := _CAMERA.fullmatch(str(key)))} if isinstance(values, dict) else {}
    if not keys:
        raise UsageError(f"{path} is not a camera chain of Kalibr: expected cam0, cam1, ... with camera_model, intrinsics and resolution.")
    items: dict[int, _Camera] = {}
    for key, match in sorted(keys.items(), key=lambda pair: int(pair[1][1])):
        if int(match[1]) in items:
            raise UsageError(f"{path} numbers two cameras {int(match[1])}.")
        if not isinstance(values[key], dict):
            raise UsageError(f"{path}: {key} is not a camera; expected camera_model, intrinsics and resolution.")
        items[int(match[1])] = parse_settings(values[key], _Camera, source=f"{path}, {key}")
    return items


def _pose(number: int, item: _Camera, T_before_body: FloatArray | None, *, any_imu: bool) -> FloatArray:
    """Return ``T_camera_body`` from the IMU's pose, from that of the camera before, or from both if they agree. Raises: ValueError."""
    own = rigid_from_matrix(item.T_cam_imu, "T_cam_imu") if item.T_cam_imu else None
    if item.T_imu_cam:
        from_imu = invert(rigid_from_matrix(item.T_imu_cam, "T_imu_cam"))
        _check_agreement(own, from_imu, "T_cam_imu", "T_imu_cam")
        own = from_imu if own is None else own
    chained = None
    if item.T_cn_cnm1 and number > 0 and T_before_body is not None:
        chained = rigid_from_matrix(item.T_cn_cnm1, "T_cn_cnm1") @ T_before_body
    _check_agreement(own, chained, "T_cam_imu", "T_cn_cnm1")
    if own is not None:
        return own
    if chained is not None:
        return chained
    if any_imu:
        raise ValueError("it has no T_cam_imu, and no T_cn_cnm1 to a camera before it, while others have the IMU")
    if T_before_body is None and number == 0:
        return np.eye(4)
    raise ValueError(f"it has no T_cn_cnm1 to a cam{number - 1} before it, so its place among the cameras is unknown")


def _check_agreement(one: FloatArray | None, other: FloatArray | None, name: str, other_name: str) -> None:
    if one is None or other is None:
        return
    angle, distance = pose_distance(one, other)
    if angle > _DIFFERENT_RAD or distance > _DIFFERENT_M:
        raise ValueError(
            f"{name} and {other_name} contradict each other by {1e3 * float(distance):.1f} mm and {np.degrees(float(angle)):.2f} degrees; "
            "remove the one that is wrong"
        )


def _model(item: _Camera) -> ParametricCamera:
    lens, bend = item.camera_model, {"equi": "equidistant"}.get(item.distortion_model, item.distortion_model)
    if (lens, bend) not in _PAIRS:
        raise ValueError(
            f"{lens} with {bend} is not among the models that are read here: pinhole with radtan, equidistant or none, omni with radtan or none, "
            "ds with none; calibrate with one of these (kalibr_calibrate_cameras --models)"
        )
    before, terms = _LENS_TERMS[lens], _DISTORTION_TERMS[bend]
    if len(item.intrinsics) != before + 4:
        raise ValueError(f"{lens} has {before + 4} intrinsics, but {len(item.intrinsics)} are given")
    if len(item.distortion_coeffs) != terms:
        raise ValueError(f"{bend} has {terms} distortion_coeffs, but {len(item.distortion_coeffs)} are given")
    first, (fu, fv, pu, pv) = item.intrinsics[:before], item.intrinsics[before:]
    sized = (item.resolution, (fu, fv), (pu, pv))
    if lens == "ds":
        return DoubleSphereCamera(*sized, first)
    if bend == "equidistant":
        return FisheyeCamera(*sized, item.distortion_coeffs)
    radtan = item.distortion_coeffs or (0.0,) * 4
    return OmniCamera(*sized, (*first, *radtan)) if lens == "omni" else PinholeCamera(*sized, (*radtan, 0.0))


def _item(camera: MountedCamera) -> dict[str, Any]:
    model = camera.model
    shared = [*model.focal, *model.center]
    match model:
        case PinholeCamera() if not any(model.distortion[4:]):
            lens, intrinsics, bend, terms = "pinhole", shared, "radtan", model.distortion[:4]
        case FisheyeCamera():
            lens, intrinsics, bend, terms = "pinhole", shared, "equidistant", model.distortion
        case OmniCamera():
            lens, intrinsics, bend, terms = "omni", [model.distortion[0], *shared], "radtan", model.distortion[1:]
        case DoubleSphereCamera():
            lens, intrinsics, bend, terms = "ds", [*model.distortion, *shared], "none", ()
        case _:
            raise cannot_hold(camera, "Kalibr's camera chain", _HELD)
    return {
        "camera_model": lens, "intrinsics": intrinsics, "distortion_model": bend, "distortion_coeffs": list(terms),
        "resolution": list(model.image_size),
    }  # fmt: skip
