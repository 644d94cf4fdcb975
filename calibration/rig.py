"""The rig: named rigid bodies, and named cameras each mounted on one of them; ``rig.toml``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.cameras.models import MODELS, name_of
from bodydouble.calibration.rig_file import AssumedSettings, MountSettings, RigSettings, SigmaSettings
from bodydouble.calibration.transform import invert, is_rotation, nearest_rotation
from bodydouble.config import load_settings, save_settings
from bodydouble.errors import UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

_EXACT = 1e-9
_FARTHEST_M = 50.0
"""Cameras of one person on one body stand no further apart; in millimetres the smallest helmet rig does."""


@dataclass(frozen=True)
class Sigma:
    """One standard deviation of each calibrated quantity of a camera; None where the calibration did not say."""

    focal_px: float | None = None
    center_px: float | None = None
    rotation_rad: float | None = None
    position_m: float | None = None
    time_offset_s: float | None = None


@dataclass(frozen=True)
class Assumed:
    """A value that was not measured but assumed, with one standard deviation; its name carries the unit."""

    value: float
    sigma: float


@dataclass(frozen=True)
class MountedCamera:
    """A camera and where it sits on a body of the rig."""

    name: str
    model: CameraModel
    body: str
    T_body_camera: FloatArray
    """(4, 4) pose of the camera (x right, y down, z forward) in the frame of its body; read-only."""
    sigma: Sigma = Sigma()
    time_offset_s: float = 0.0
    """True capture time minus stamped time; 0 where the clocks were not calibrated."""

    def __post_init__(self) -> None:
        T = np.array(self.T_body_camera, dtype=np.float64)
        fault = _fault_of_pose(T)
        if fault:
            raise UsageError(f"camera '{self.name}': T_body_camera {fault}.")
        if not is_rotation(T[:3, :3], tolerance=_EXACT):
            T[:3, :3] = nearest_rotation(T[:3, :3])
        T.flags.writeable = False
        object.__setattr__(self, "T_body_camera", T)
        if not math.isfinite(self.time_offset_s):
            raise UsageError(f"camera '{self.name}': time_offset_s is {self.time_offset_s}; expected a finite number of seconds.")

    @property
    def T_camera_body(self) -> FloatArray:
        """(4, 4) pose of the body in the camera: takes points of the body to the camera."""
        return invert(self.T_body_camera)


@dataclass(frozen=True)
class Rig:
    """Rigid bodies and the cameras mounted on them.

    The frame of a body "room" is the world (x forward, y left, z up) unless the calibration came with axes of its own.
    """

    name: str
    bodies: tuple[str, ...]
    cameras: dict[str, MountedCamera]
    assumed: dict[str, Assumed] = field(default_factory=dict)
    """What of this rig was assumed and not measured, e.g. "cam04.focal_px"; empty for a calibrated rig."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bodies", tuple(self.bodies))
        object.__setattr__(self, "cameras", dict(self.cameras))
        object.__setattr__(self, "assumed", dict(self.assumed))
        if len(set(self.bodies)) != len(self.bodies):
            raise UsageError(f"rig '{self.name}' names a body twice: {', '.join(self.bodies)}.")
        if not self.cameras:
            raise UsageError(f"rig '{self.name}' has no cameras; expected at least one [cameras.NAME].")
        for key, camera in self.cameras.items():
            if camera.name != key:
                raise UsageError(f"rig '{self.name}' lists camera '{camera.name}' under the name '{key}'.")
            if camera.body not in self.bodies:
                raise UnknownNameError("body", camera.body, f"rig '{self.name}' (where camera '{key}' is mounted)", self.bodies)
        for one, two in itertools.combinations(self.cameras.values(), 2):
            distance = float(np.linalg.norm(one.T_body_camera[:3, 3] - two.T_body_camera[:3, 3]))
            if one.body == two.body and distance > _FARTHEST_M:
                raise UsageError(
                    f"rig '{self.name}': cameras '{one.name}' and '{two.name}' on '{one.body}' are {distance:.0f} m apart; expected at most "
                    f"{_FARTHEST_M:.0f} m. The last column of T_body_camera is in metres: divide it by 1000 if it is in millimetres."
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cameras, in the rig's order."""
        return tuple(self.cameras)

    def camera(self, name: str) -> MountedCamera:
        """Return one camera. Raises: UnknownNameError listing the names."""
        if name not in self.cameras:
            raise UnknownNameError("camera", name, f"rig '{self.name}'", self.names)
        return self.cameras[name]

    def select(self, names: Iterable[str]) -> Rig:
        """Return the rig with some of its cameras, in the order asked for; all bodies stay. Raises: UnknownNameError."""
        chosen = {name: self.camera(name) for name in names}
        assumed = {
            key: value
            for key, value in self.assumed.items()
            if "." not in key or key.split(".")[0] in chosen or key.split(".")[0] not in self.cameras
        }
        return replace(self, cameras=chosen, assumed=assumed)

    def save(self, path: Path) -> None:
        """Write ``rig.toml``. Loading it gives the same rig to the last bit."""
        settings = RigSettings(
            name=self.name,
            bodies=self.bodies,
            cameras={name: _mount_settings(camera) for name, camera in self.cameras.items()},
            assumed={key: AssumedSettings(value=item.value, sigma=item.sigma) for key, item in self.assumed.items()},
        )
        save_settings(Path(path), settings, header=_HEADER)

    @classmethod
    def load(cls, path: Path) -> Rig:
        """Read ``rig.toml``.

        Raises: UsageError if the file is missing or not TOML, has an unknown or missing key, a rotation that is left-handed or
        not orthonormal, or numbers that cannot be a camera's.
        """
        settings = load_settings(Path(path), RigSettings)
        try:
            cameras = {name: _mounted(name, item) for name, item in settings.cameras.items()}
            assumed = {key: Assumed(item.value, item.sigma) for key, item in settings.assumed.items()}
            return cls(settings.name, settings.bodies, cameras, assumed)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None


def _mount_settings(camera: MountedCamera) -> MountSettings:
    model = camera.model
    kind = name_of(model)
    if kind is None:
        raise UsageError(f"camera '{camera.name}' has a {type(model).__name__}, which rig.toml cannot hold; it holds {', '.join(MODELS)}.")
    sigma = SigmaSettings(**vars(camera.sigma)) if camera.sigma != Sigma() else None
    return MountSettings.model_validate(
        {
            "model": kind, "body": camera.body, "image_size_px": model.image_size, "focal_px": model.focal, "center_px": model.center,
            "distortion": model.distortion, "T_body_camera": camera.T_body_camera.tolist(), "sigma": sigma,
            "time_offset_s": camera.time_offset_s or None,
        }
    )  # fmt: skip


def _mounted(name: str, settings: MountSettings) -> MountedCamera:
    try:
        model: CameraModel = MODELS[settings.model](settings.image_size_px, settings.focal_px, settings.center_px, settings.distortion)
    except ValueError as error:
        raise UsageError(f"camera '{name}' ({settings.model}): {error}.") from None
    sigma = Sigma(**settings.sigma.model_dump()) if settings.sigma else Sigma()
    return MountedCamera(name, model, settings.body, np.array(settings.T_body_camera), sigma, settings.time_offset_s or 0.0)


def _fault_of_pose(T: FloatArray) -> str | None:
    if T.shape != (4, 4) or not np.isfinite(T).all() or not np.array_equal(T[3], [0, 0, 0, 1]):
        return "is not a pose: expected a 4x4 matrix of finite numbers whose last row is 0, 0, 0, 1"
    if is_rotation(T[:3, :3]):
        return None
    determinant = float(np.linalg.det(T[:3, :3]))
    if is_rotation(-T[:3, :3]) or (determinant < 0 and is_rotation(T[:3, :3] @ np.diag([1.0, 1.0, -1.0]))):
        return f"is left-handed (determinant {determinant:+.3f}); one axis is mirrored, expected a rotation with determinant +1"
    return f"is not a rotation: its axes are not perpendicular and of length 1 within 0.0001 (determinant {determinant:+.4f})"


_HEADER = """Camera rig. Metres, radians, pixels. T_body_camera is the pose of the camera (x right, y down, z forward) in its body:
p_body = T_body_camera @ p_camera. Pixel (0, 0) is the centre of the upper left pixel.
distortion: pinhole k1 k2 p1 p2 k3, or with k4 k5 k6; fisheye k1 k2 k3 k4 (OpenCV's models and order); omni xi k1 k2 p1 p2;
double_sphere xi alpha; fisheye624 k0 k1 k2 k3 k4 k5 p0 p1 s0 s1 s2 s3.
time_offset_s: true capture time minus stamped time; left out where it is 0. sigma: one standard deviation of each."""
