"""The rig that films a simulated recording: a given one at the size asked for, built exactly, with cameras in the room."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.presets import BACKPACK, HELMET
from bodydouble.calibration.rig import MountedCamera, Rig, Sigma
from bodydouble.calibration.transform import pose_from
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.camera_poses import ROOM

FloatArray = npt.NDArray[np.float64]

WORN = (HELMET, BACKPACK)
"""Bodies of a rig that a simulated person wears."""
_ROOM_SIZE = (1600, 1200)
_ROOM_FIELD_RAD = math.radians(70.0)
_ROOM_HEIGHT_M = 2.2
_ROOM_DISTANCE_M = 2.4
_TO_WALL_M = 2.45
"""How far from the middle of the simulated room, along x and y, a camera can hang."""
_AROUND_DEG = (40.0, -40.0, 110.0, -110.0, 75.0, -75.0, 150.0, -150.0)
"""From straight ahead of the person to their left; from the front first, because from behind left and right are easily mistaken."""
MOST_ROOM_CAMERAS = len(_AROUND_DEG)
_LARGEST_PX = 8192


def filmed_rig(rig: Rig, size: tuple[int, int] | None) -> Rig:
    """Return a rig as it films: images of ``size`` (by default its own), clocks in step, and nothing uncertain about it.

    Raises: UsageError for a size that its images cannot be scaled to; UnknownNameError for a body that is neither of ``WORN`` nor "room".
    """
    for camera in rig.cameras.values():
        if camera.body not in (*WORN, ROOM):
            raise UnknownNameError("body", camera.body, f"the simulation (camera '{camera.name}' is mounted on it)", (*WORN, ROOM))
    cameras = {
        name: MountedCamera(name, scaled_to(camera.model, size, name=name), camera.body, camera.T_body_camera, Sigma(), 0.0)
        for name, camera in rig.cameras.items()
    }
    return Rig(rig.name, rig.bodies, cameras)


def with_room_cameras(rig: Rig, count: int, *, p_world: FloatArray, forward: FloatArray) -> Rig:
    """Return the rig with ``count`` cameras "room_1", ... on the body "room", around the point ``p_world`` (3,), which they look at.

    They are 2.2 m high and hang at the walls at most, pinhole cameras of 70 degrees across; ``forward`` (3,) is where the person looks. The images are
    1600 px wide, or as wide as the widest of the rig's if that is less.

    Raises: UsageError for names that the rig has already.
    """
    if not count:
        return rig
    width = min(_ROOM_SIZE[0], max(camera.model.image_size[0] for camera in rig.cameras.values()))
    height = 2 * round(width * _ROOM_SIZE[1] / _ROOM_SIZE[0] / 2)
    focal = (width / 2) / math.tan(_ROOM_FIELD_RAD / 2)
    model = PinholeCamera((width, height), (focal, focal), ((width - 1) / 2, (height - 1) / 2))
    ahead = math.atan2(forward[1], forward[0])
    added: dict[str, MountedCamera] = {}
    for name, degrees in zip(room_camera_names(rig, count), _AROUND_DEG, strict=False):
        angle = ahead + math.radians(degrees)
        offset = _ROOM_DISTANCE_M * np.array([math.cos(angle), math.sin(angle)])
        position = np.array([*np.clip(p_world[:2] + offset, -_TO_WALL_M, _TO_WALL_M), _ROOM_HEIGHT_M])
        added[name] = MountedCamera(name, model, ROOM, _looking(position, p_world))
    return replace(rig, bodies=tuple(dict.fromkeys((*rig.bodies, ROOM))), cameras=rig.cameras | added)


def room_camera_names(rig: Rig, count: int) -> tuple[str, ...]:
    """Return what ``with_room_cameras`` calls them. Raises: UsageError for a count that cannot be, or a name that the rig has already."""
    if not 0 <= count <= MOST_ROOM_CAMERAS:
        raise UsageError(f"--room-cameras {count} cannot be; expected 0 to {MOST_ROOM_CAMERAS}.")
    names = tuple(f"room_{number}" for number in range(1, count + 1))
    for name in names:
        if name in rig.cameras:
            raise UsageError(f"Rig '{rig.name}' has a camera '{name}' already; rename it, or leave --room-cameras out.")
    return names


def scaled_to(model: CameraModel, size: tuple[int, int] | None, *, name: str = "camera") -> Any:
    """Return a camera whose images (by its calibration W x H) are resized to ``size``; its field of view stays.

    A pixel's centre is at whole numbers, so the image starts at -0.5: u' = (u + 0.5) s - 0.5. Raises: UsageError naming the camera for odd sizes
    (H.264 in 4:2:0 has none), or another ratio of width to height.
    """
    width, height = model.image_size
    if size is None and (width % 2 or height % 2):
        raise UsageError(
            f"Camera '{name}' has images of {width}x{height} px, and the videos need even numbers; give one with --size, "
            f"e.g. --size {width + width % 2}x{height + height % 2}."
        )
    to_width, to_height = size or (width, height)
    if min(to_width, to_height) < 16 or max(to_width, to_height) > _LARGEST_PX or to_width % 2 or to_height % 2:
        raise UsageError(f"--size {to_width}x{to_height} cannot be; expected even numbers from 16 to {_LARGEST_PX}, e.g. --size 800x600.")
    if abs(to_width * height / width - to_height) > 1 and abs(to_height * width / height - to_width) > 1:
        fitting = 2 * round(to_width * height / width / 2)
        raise UsageError(
            f"--size {to_width}x{to_height} has not the shape of the {width}x{height} images of camera '{name}'; "
            f"give e.g. --size {to_width}x{fitting}."
        )
    x, y = to_width / width, to_height / height
    kind: Any = type(model)
    center = ((model.center[0] + 0.5) * x - 0.5, (model.center[1] + 0.5) * y - 0.5)
    return kind((to_width, to_height), (model.focal[0] * x, model.focal[1] * y), center, model.distortion)


def _looking(position: FloatArray, p_world: FloatArray) -> FloatArray:
    """Return the pose (4, 4) of an upright camera that looks at a point."""
    z = (p_world - position) / np.linalg.norm(p_world - position)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    return pose_from(np.stack([x, np.cross(z, x), z], axis=1), position)
