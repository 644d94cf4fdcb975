"""Calibrations in the YAML of OpenCV's ``cv2.FileStorage``, and ROS' ``camera_info`` YAML: one camera a file, or a rig of ours in one.

OpenCV prescribes a syntax and no keys. These are read, in capitals or not; the first of a row is what is written.

| keys | meaning |
|---|---|
| ``camera_matrix``, ``K`` | 3x3, px |
| ``distortion_coefficients``, ``dist_coeffs``, ``distCoeffs``, ``D`` | pinhole k1 k2 p1 p2 k3 (k4 k5 k6); fisheye k1 k2 k3 k4; omni k1 k2 p1 p2 |
| ``image_width`` and ``image_height``; ``image_size``, ``resolution`` | px; the latter two width, height |
| ``fisheye_model`` (OpenCV's calibration sample), ``fisheye`` | 1 for ``cv2.fisheye``; 0 for pinhole |
| ``distortion_model`` (ROS) | plumb_bob, rational_polynomial; fisheye, equidistant |
| ``xi`` (``cv2.omnidir``) | mirror parameter: an omni camera |
| ``camera_name``, ``name`` | the file's name without extension where missing |
| ``R`` (3x3, or 3 numbers: axis times angle), ``rvec``; ``T``, ``tvec`` | p_camera = R p_body + T, as ``cv2.projectPoints`` takes them; both or neither |
| ``unit`` | of T: m, cm or mm; where missing it has to be given |
| ``body`` | what R and T are relative to; "room" where missing |
| ``time_offset_s`` | ours: true capture time minus stamped time; 0 where missing |
| ``cameras`` | ours: a sequence with the keys above for each camera of a rig; ``rig`` is its name |

Four coefficients are a fisheye's or a pinhole's without k3, and which is not to be seen from them: the file has to say so, except those of the project
surround-view-system-introduction, known by their ``project_matrix``, which are fisheyes. A camera without R and T is mounted on a body of its own
name, since its place is unknown. Whatever else a file holds (homographies, board points, errors) is passed over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import write_atomically
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.omni import OmniCamera
from bodydouble.calibration.cameras.parametric_camera import ParametricCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.formats.camera_matrix import camera_from_matrix, focal_and_center, matrix_of
from bodydouble.calibration.formats.file_text import read_text
from bodydouble.calibration.formats.length_unit import Unit, metres_in, metres_per_unit
from bodydouble.calibration.formats.mounting import cannot_hold, check_names, rig_from_file, rigid
from bodydouble.calibration.formats.yaml_text import matrix_from, number, parse_yaml
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_from_rotvec
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]

_MATRIX = ("camera_matrix", "k")
_DISTORTION = ("distortion_coefficients", "dist_coeffs", "distcoeffs", "d")
_SIZE = ("image_size", "resolution")
_ROTATION = ("r", "rvec")
_TRANSLATION = ("t", "tvec")
_FISHEYE_OF_MODEL = {"plumb_bob": False, "rational_polynomial": False, "fisheye": True, "equidistant": True}


def read_opencv(*paths: Path, unit: Unit | None = None) -> Rig:
    """Read one file, or several of one camera each, as a rig; the table above says what they may hold.

    ``unit`` is that of translations, for files that do not name theirs. Raises: UsageError if a file is missing, is no such file, lacks the camera
    matrix, distortion or image size, does not say which lens its four coefficients are for, or holds what the camera models cannot.
    """
    cameras: list[MountedCamera] = []
    names: list[str] = []
    for path in map(Path, paths):
        values = _values(path)
        listed = values.get("cameras")
        name = path.name.split(".")[0]
        names.append(str(values.get("rig", name)))
        tables = [_camera_table(path, index, item) for index, item in enumerate(listed)] if isinstance(listed, list) else [values]
        said = str(values["unit"]) if "unit" in values else None
        cameras += _cameras(path, tables, said, unit, default_name=None if isinstance(listed, list) else name)
    together = names[0] if len(names) == 1 else Path(paths[0]).resolve().parent.name
    return rig_from_file(Path(paths[0]), cameras, together)


def write_opencv(rig: Rig, path: Path, unit: Unit = "m") -> None:
    """Write the cameras of ``rig``: a single one's keys at the top, where any program finds them, several below ``cameras``.

    Translations are in ``unit``, which the file names. What the rig says of its sigmas and of assumed values is not written. Raises: UsageError for
    camera models that OpenCV has not.
    """
    import cv2

    metres = metres_in(unit)
    storage = cv2.FileStorage("rig.yaml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    try:
        items = [_item(camera, metres) for camera in rig.cameras.values()]
        if len(items) == 1:
            _put(storage, {**items[0], "unit": unit, "rig": rig.name})
        else:
            _put(storage, {"rig": rig.name, "unit": unit})
            storage.startWriteStruct("cameras", cv2.FILE_NODE_SEQ)
            for item in items:
                storage.startWriteStruct("", cv2.FILE_NODE_MAP)
                _put(storage, item)
                storage.endWriteStruct()
            storage.endWriteStruct()
    finally:
        text = storage.releaseAndGetString()
    write_atomically(Path(path), text.encode("utf-8"))


def _values(path: Path) -> dict[str, Any]:
    try:
        values = _lower(parse_yaml(read_text(path, "a calibration in OpenCV's YAML")))
    except ValueError as error:
        raise UsageError(f"{path} is not a calibration in OpenCV's YAML: {error}.") from None
    if not any(key in values for key in (*_MATRIX, "cameras")):
        raise UsageError(f"{path} is not a calibration in OpenCV's YAML: it has no camera_matrix (or K), and no cameras.")
    return values


def _camera_table(path: Path, index: int, item: Any) -> dict[str, Any]:
    try:
        return _lower(item)
    except ValueError:
        raise UsageError(f"{path}: cameras[{index}] is not a camera; expected camera_name, camera_matrix and so on.") from None


def _cameras(
    path: Path, tables: list[dict[str, Any]], said: str | None, asked: Unit | None, *, default_name: str | None
) -> list[MountedCamera]:
    names: list[str] = []
    models: list[ParametricCamera] = []
    poses: list[FloatArray | None] = []
    offsets: list[float] = []
    for index, table in enumerate(tables):
        named = table.get("camera_name", table.get("name", default_name))
        name = f"cameras[{index}]" if named is None else str(named)
        try:
            if named is None:
                raise ValueError("it has no camera_name")
            models.append(_model(table))
            poses.append(_T_camera_body(table))
            offsets.append(number(table.get("time_offset_s", 0.0)))
        except ValueError as error:
            raise UsageError(f"{path}, camera '{name}': {error}.") from None
        names.append(name)
    check_names(path, names)
    placed = [invert(T)[:3, 3] for T in poses if T is not None]
    scale = metres_per_unit(path, placed, said=said, asked=asked) if placed else 1.0
    cameras = []
    for name, table, model, T_camera_body, offset in zip(names, tables, models, poses, offsets, strict=True):
        if T_camera_body is None:
            cameras.append(MountedCamera(name, model, str(table.get("body", name)), np.eye(4), time_offset_s=offset))
            continue
        T_camera_body[:3, 3] *= scale
        cameras.append(MountedCamera(name, model, str(table.get("body", "room")), invert(T_camera_body), time_offset_s=offset))
    return cameras


def _model(table: dict[str, Any]) -> ParametricCamera:
    matrix = _array(table, _MATRIX)
    coefficients = _array(table, _DISTORTION)
    if matrix is None or coefficients is None:
        raise ValueError(f"it has no {'camera_matrix (or K)' if matrix is None else 'distortion_coefficients (or dist_coeffs, D)'}")
    matrix = matrix.reshape(3, 3) if matrix.size == 9 else matrix
    terms = coefficients.ravel().tolist()
    size = _image_size(table)
    if "xi" in table:
        if len(terms) != 4:
            raise ValueError(f"it has xi and {len(terms)} distortion terms; an omni camera has 4 (k1 k2 p1 p2)")
        xi = _array(table, ("xi",))
        assert xi is not None
        return OmniCamera(size, *focal_and_center(matrix), (float(xi.ravel()[0]), *terms))
    return camera_from_matrix(size, matrix, terms, fisheye=_is_fisheye(table, len(terms)))


def _is_fisheye(table: dict[str, Any], terms: int) -> bool:
    for key in ("fisheye_model", "fisheye"):
        if key in table:
            return bool(table[key]) if isinstance(table[key], bool) else number(table[key]) != 0
    if "distortion_model" in table:
        named = str(table["distortion_model"])
        if named not in _FISHEYE_OF_MODEL:
            raise ValueError(f"its distortion_model is '{named}'; expected {', '.join(_FISHEYE_OF_MODEL)}")
        return _FISHEYE_OF_MODEL[named]
    if terms != 4 or "project_matrix" in table:
        return terms == 4
    raise ValueError(
        "it has 4 distortion coefficients and does not say which lens they are for; add fisheye_model: 1 for k1 k2 k3 k4 of cv2.fisheye, or "
        "fisheye_model: 0 for k1 k2 p1 p2"
    )


def _image_size(table: dict[str, Any]) -> tuple[int, int]:
    if "image_width" in table and "image_height" in table:
        numbers = [number(table["image_width"]), number(table["image_height"])]
    else:
        size = _array(table, _SIZE)
        if size is None or size.size != 2:
            raise ValueError("it does not say the size of its images; add image_width and image_height")
        numbers = size.ravel().tolist()
    if not all(value == int(value) for value in numbers if np.isfinite(value)) or not np.isfinite(numbers).all():
        raise ValueError(f"the size of its images is {numbers[0]:g} x {numbers[1]:g}; expected whole pixels")
    return int(numbers[0]), int(numbers[1])


def _T_camera_body(table: dict[str, Any]) -> FloatArray | None:
    rotation, translation = _array(table, _ROTATION), _array(table, _TRANSLATION)
    if rotation is None and translation is None:
        return None
    if rotation is None or translation is None:
        raise ValueError(f"it has {'T' if rotation is None else 'R'} only; expected both R and T, or neither")
    if translation.size != 3 or rotation.size not in (3, 9):
        raise ValueError("R and T are not a rotation of 3x3 numbers (or 3: axis times angle) and a translation of 3")
    if rotation.size == 9:
        return rigid(rotation.reshape(3, 3), translation.ravel(), "R")
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise ValueError("R and T are not finite numbers")
    return pose_from_rotvec(rotation.ravel(), translation.ravel())


def _array(table: dict[str, Any], keys: tuple[str, ...]) -> FloatArray | None:
    """Return what stands under the first of ``keys`` that is there, as an array of numbers. Raises: ValueError."""
    key = next((key for key in keys if key in table), None)
    if key is None:
        return None
    value = table[key]
    if isinstance(value, dict):
        value = matrix_from(value)
    if isinstance(value, np.ndarray):
        return value
    rows = value if isinstance(value, list) else [value]
    try:
        return np.array([[number(item) for item in row] if isinstance(row, list) else number(row) for row in rows])
    except ValueError as error:
        raise ValueError(f"{key} is not a matrix of numbers ({error})") from None


def _lower(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError("it is not a mapping of keys to values")
    return {str(key).lower(): value for key, value in values.items()}


def _item(camera: MountedCamera, metres: float) -> dict[str, Any]:
    model = camera.model
    item: dict[str, Any] = {
        "camera_name": camera.name, "image_width": model.image_size[0], "image_height": model.image_size[1],
        "camera_matrix": np.array(matrix_of(model)),
    }  # fmt: skip
    match model:
        case PinholeCamera() | FisheyeCamera():
            item |= {"distortion_coefficients": np.array([model.distortion]).T, "fisheye_model": int(isinstance(model, FisheyeCamera))}
        case OmniCamera():
            item |= {"distortion_coefficients": np.array([model.distortion[1:]]).T, "xi": model.distortion[0]}
        case _:
            raise cannot_hold(camera, "OpenCV's YAML", ("pinhole", "fisheye", "omni"))
    item["body"] = camera.body
    if camera.time_offset_s:
        item["time_offset_s"] = float(camera.time_offset_s)
    if camera.body != camera.name or not np.array_equal(camera.T_body_camera, np.eye(4)):
        item |= {"R": camera.T_camera_body[:3, :3], "T": camera.T_camera_body[:3, 3:] / metres}
    return item


def _put(storage: Any, item: dict[str, Any]) -> None:
    for key, value in item.items():
        if isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False)  # OpenCV writes what is in quotes as it is, and leaves out quotes that YAML needs
        storage.write(key, np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value)
