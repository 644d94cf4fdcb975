"""Calibration files of Qualisys Track Manager (``.qca.txt``, XML)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import is_rotation, pose_from
from bodydouble.errors import UsageError

_SUBPIXELS = 64.0
"""Qualisys writes focal lengths, centres and sensor limits in 1/64 px."""
_HALF_TURN_ABOUT_X = np.diag([1.0, -1.0, -1.0])
"""Qualisys' camera looks along -z with y up; OpenCV's along z with y down."""
_MM = 1e-3


def read_qualisys(path: Path, names: Sequence[str] | None = None) -> Rig:
    """Read the active cameras of a Qualisys calibration as a rig of pinhole cameras in the "room".

    ``names`` renames the cameras in the order of the file; by default each is called by its serial. Positions are written in mm and
    the rotation transposed: its rows are the camera's axes in the room. Pixel coordinates count from the middle of the first pixel,
    as OpenCV's do (``sensorMaxU`` of a 1088 px image is 1087 * 64), and from the sensor's corner, so that the video window's left
    and top are subtracted from the centre. The distortion terms have OpenCV's meaning and sign.

    Raises: UsageError if the file is missing, is not such a file, or holds what this reader cannot represent.
    """
    root = _parse(Path(path))
    elements = [camera for camera in root.iter("camera") if camera.get("active", "1") != "0"]
    if not elements:
        raise UsageError(f'{path} has no active cameras; expected <cameras><camera active="1" ...> elements of a Qualisys calibration.')
    if names is not None and len(names) != len(elements):
        serials = ", ".join(element.get("serial", "?") for element in elements)
        raise UsageError(f"{path} has {len(elements)} active cameras ({serials}) but {len(names)} names were given: {', '.join(names)}.")
    cameras: dict[str, MountedCamera] = {}
    for index, element in enumerate(elements):
        name = names[index] if names is not None else element.get("serial") or f"camera{index + 1}"
        if name in cameras:
            raise UsageError(f"{path} holds two cameras named '{name}'.")
        try:
            cameras[name] = _camera(name, element)
        except ValueError as error:
            raise UsageError(f"{path}, camera '{name}': {error}.") from None
    return Rig(Path(path).name.split(".")[0], ("room",), cameras)


def _camera(name: str, element: ElementTree.Element) -> MountedCamera:
    if _number(element, ".", "viewrotation", default=0.0) != 0.0:
        raise ValueError(
            "its view is rotated (viewrotation is not 0), which this reader does not undo; export the calibration with viewrotation 0"
        )
    left, top, right, bottom = (_number(element, "fov_video", key) for key in ("left", "top", "right", "bottom"))
    size = (round(right - left) + 1, round(bottom - top) + 1)
    if _number(element, "intrinsic", "skew", default=0.0) != 0.0:
        raise ValueError("its pixels are skewed (skew is not 0), which the pinhole model does not hold")
    fx, fy, cx, cy = (
        _number(element, "intrinsic", key) / _SUBPIXELS for key in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    )
    k1, k2, k3 = (_number(element, "intrinsic", f"radialDistortion{i}", default=0.0) for i in (1, 2, 3))
    p1, p2 = (_number(element, "intrinsic", f"tangentalDistortion{i}", default=0.0) for i in (1, 2))  # the format's own spelling
    model = PinholeCamera(size, (fx, fy), (cx - left, cy - top), (k1, k2, p1, p2, k3))
    rows = np.array([[_number(element, "transform", f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
    if not is_rotation(rows):
        raise ValueError(f"its rotation is not right-handed and orthonormal (determinant {np.linalg.det(rows):+.4f})")
    position = np.array([_number(element, "transform", axis) for axis in "xyz"]) * _MM
    return MountedCamera(name, model, "room", pose_from(rows.T @ _HALF_TURN_ABOUT_X, position))


def _number(element: ElementTree.Element, tag: str, key: str, *, default: float | None = None) -> float:
    child = element if tag == "." else element.find(tag)
    text = child.get(key) if child is not None else None
    if text is None:
        if default is not None:
            return default
        raise ValueError(f"{f'<{tag}>' if child is None else f'attribute {key} of <{tag}>'} is missing")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"attribute {key} is {text!r}; a number was expected")
    return value


def _parse(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; a Qualisys calibration file (.qca.txt) was expected.") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise UsageError(f"{path} is not a Qualisys calibration: it is not XML ({error}).") from None
    if root.tag != "calibration":
        raise UsageError(f"{path} is not a Qualisys calibration: its root is <{root.tag}>, expected <calibration>.")
    return root
