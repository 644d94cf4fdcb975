"""Where every camera was at each of its frames: static ones always at one place, worn ones where their body was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import CameraModel, Rig
from bodydouble.calibration.localization.rig_motion import RigMotion
from bodydouble.calibration.presets import BACKPACK, HELMET
from bodydouble.calibration.transform import invert, nearest_rotation, pose_from
from bodydouble.errors import UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

ROOM = "room"
"""The body that is the world."""
HEAD_FRAME = "head"
"""``CameraPoses.frame`` where nothing tells how the only moving body moved: the head's frame is the world then."""


@dataclass(frozen=True)
class CameraPoses:
    """Poses of C cameras over T frame sets, each at the camera's own true time. Arrays are read-only; NaN where not known."""

    cameras: tuple[str, ...]
    T_world_camera: FloatArray
    """(C, T, 4, 4)."""
    moving: tuple[str, ...] = ()
    """Cameras on bodies that move."""
    T_world_body: Mapping[str, FloatArray] = field(default_factory=dict)
    """Moving body ("helmet", "backpack") to its poses (T, 4, 4) at the mean time of each frame set; of a body of another name, which is taken to be
    worn on the head, the poses of the head: origin between the eyes, x forward, y left, z up."""
    frame: str = ROOM
    """What the world is: "room"; "odometry" where visual odometry tells the motion against its start; or "head" where everything is relative to the
    body that the cameras are on."""

    def __post_init__(self) -> None:
        poses = np.array(self.T_world_camera, dtype=np.float64)
        if poses.ndim != 4 or poses.shape[0] != len(self.cameras) or poses.shape[2:] != (4, 4):
            raise ValueError(f"CameraPoses.T_world_camera has shape {poses.shape}; expected ({len(self.cameras)}, T, 4, 4)")
        bodies = {name: np.array(T, dtype=np.float64) for name, T in self.T_world_body.items()}
        for name, T in bodies.items():
            if T.shape != poses.shape[1:]:
                raise ValueError(f"CameraPoses.T_world_body['{name}'] has shape {T.shape}; expected {poses.shape[1:]}")
        for array in (poses, *bodies.values()):
            array.flags.writeable = False
        object.__setattr__(self, "T_world_camera", poses)
        object.__setattr__(self, "T_world_body", bodies)

    @classmethod
    def static(cls, rig: Rig, cameras: tuple[str, ...], frames: int) -> Self:
        """Return the poses of cameras on "room". Raises: UsageError for a camera on a body that moves."""
        moving = [f"'{name}' on '{rig.camera(name).body}'" for name in cameras if rig.camera(name).body != ROOM]
        if moving:
            raise UsageError(
                f"camera {', '.join(moving)} moves with its body, whose motion is not known here. Give the poses of the cameras (a tag map of the "
                "room tells them), or choose cameras mounted on 'room' with --cameras."
            )
        return cls(cameras, np.stack([np.broadcast_to(rig.camera(name).T_body_camera, (frames, 4, 4)) for name in cameras]))

    @classmethod
    def of(cls, rig: Rig, cameras: tuple[str, ...], times_s: FloatArray, motion: RigMotion) -> Self:
        """Return the poses of cameras of a rig whose bodies moved as ``motion`` says.

        ``times_s`` (C, T) true time of each camera's frame, NaN where it has none; a moving camera has no pose there, nor in a gap of the motion.
        Raises: UnknownNameError for a body whose motion is not known.
        """
        T_world_camera = np.full((*times_s.shape, 4, 4), np.nan)
        for row, name in enumerate(cameras):
            camera = rig.camera(name)
            T_world_camera[row] = (
                camera.T_body_camera if camera.body == ROOM else _poses_at(motion, camera.body, times_s[row]) @ camera.T_body_camera
            )
        middle = _mean_times(times_s)
        bodies = dict.fromkeys(rig.camera(name).body for name in cameras if rig.camera(name).body != ROOM)
        return cls(
            cameras, T_world_camera, tuple(name for name in cameras if rig.camera(name).body != ROOM),
            {body: _poses_at(motion, body, middle) @ T_body_head(rig, body) for body in bodies},
        )  # fmt: skip

    @classmethod
    def relative_to_body(cls, rig: Rig, cameras: tuple[str, ...], frames: int) -> Self:
        """Return the poses in the frame of the one moving body that all cameras are on, which is the world then ("head").

        Raises: UsageError where cameras are on several bodies, which move against each other.
        """
        bodies = list(dict.fromkeys(rig.camera(name).body for name in cameras))
        if len(bodies) != 1 or bodies[0] == ROOM:
            raise UsageError(
                f"The cameras are on {len(bodies)} bodies that move against each other ({', '.join(bodies)}), and nothing says how: put a tag map of "
                "the room (`bodydouble calibrate rig --tag-map`) beside the recording as tag_map.toml or give it with --tag-map, "
                f"or choose the cameras of one body with --cameras {','.join(n for n in cameras if rig.camera(n).body == bodies[-1])}."
            )
        T_head_body = invert(T_body_head(rig, bodies[0]))
        poses = np.stack([np.broadcast_to(T_head_body @ rig.camera(name).T_body_camera, (frames, 4, 4)) for name in cameras])
        return cls(cameras, poses, cameras, {bodies[0]: np.broadcast_to(np.eye(4), (frames, 4, 4))}, HEAD_FRAME)

    @property
    def frames(self) -> int:
        """Number of frame sets."""
        return int(self.T_world_camera.shape[1])

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(C, T) True where a camera has a pose."""
        return np.isfinite(self.T_world_camera[..., 0, 0])

    def of_camera(self, name: str) -> FloatArray:
        """Return (T, 4, 4) of one camera. Raises: UnknownNameError."""
        return np.asarray(self.T_world_camera[self._row(name)])

    def select(self, cameras: tuple[str, ...]) -> Self:
        """Return the poses of some cameras, in the order asked for; what is known of the bodies stays. Raises: UnknownNameError."""
        rows = [self._row(name) for name in cameras]
        moving = tuple(name for name in cameras if name in self.moving)
        return type(self)(cameras, self.T_world_camera[rows], moving, self.T_world_body, self.frame)

    def project(self, model: CameraModel, camera: str, points: FloatArray) -> FloatArray:
        """Return where points (T, N, 3) of the world lie in a camera's calibrated image (T, N, 2); NaN where it or its pose cannot tell."""
        return project(model, self.of_camera(camera), points)

    def _row(self, name: str) -> int:
        if name not in self.cameras:
            raise UnknownNameError("camera", name, "the camera poses", self.cameras)
        return self.cameras.index(name)


def body_poses(rig: Rig, body: str, poses: CameraPoses) -> FloatArray:
    """Return T_world_body (T, 4, 4) of a body in its own frame, at the instants of the first of its cameras that has a pose; NaN where none has."""
    found = np.full((poses.frames, 4, 4), np.nan)
    for name in poses.cameras:
        camera = rig.camera(name)
        if camera.body == body:
            missing = np.isnan(found[:, 0, 0])
            found[missing] = poses.of_camera(name)[missing] @ invert(camera.T_body_camera)
    return found


def T_body_head(rig: Rig, body: str) -> FloatArray:
    """Return (4, 4) the head's frame in a body that is worn on it: origin between the eyes, x forward, y left, z up.

    Bodies of our own design have it already; that of a body of another name is taken from its cameras, which look forward and upright on average.
    """
    if body in (HELMET, BACKPACK):
        return np.eye(4)
    T = np.mean([camera.T_body_camera for camera in rig.cameras.values() if camera.body == body], axis=0)
    R = nearest_rotation(np.stack([T[:3, 2], -T[:3, 0], -T[:3, 1]], axis=1))
    return pose_from(R, T[:3, 3])


def project(model: CameraModel, T_world_camera: FloatArray, points: FloatArray) -> FloatArray:
    """Return pixels (T, N, 2) of points (T, N, 3) in a camera at poses (T, 4, 4), NaN where not known or not in front of it."""
    away = points - T_world_camera[:, None, :3, 3]
    in_camera = np.einsum("tji,tnj->tni", T_world_camera[:, :3, :3], away)
    pixels = np.full((*points.shape[:2], 2), np.nan)
    there = np.isfinite(in_camera).all(axis=-1)
    pixels[there] = model.project(in_camera[there])
    return pixels


def _poses_at(motion: RigMotion, body: str, times_s: FloatArray) -> FloatArray:
    poses = np.full((len(times_s), 4, 4), np.nan)
    there = np.isfinite(times_s)
    poses[there] = motion.body(body).pose_at(times_s[there]).T_room_body
    return poses


def _mean_times(times_s: FloatArray) -> FloatArray:
    there = np.isfinite(times_s)
    count = there.sum(axis=0)
    mean: FloatArray = np.where(count > 0, np.where(there, times_s, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return mean
