"""An open episode file and what the rules read from it, each part once and only when a rule asks for it."""

from __future__ import annotations

import functools
import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bodydouble.cache import file_sha256
from bodydouble.datasets.episode_file import read_provenance, rig_from_text
from bodydouble.datasets.schema import Field, fields_in
from bodydouble.datasets.stored_groups import read_landmarks
from bodydouble.datasets.validation.small_images import SmallImages, read_small_images
from bodydouble.errors import BodydoubleError
from bodydouble.hand_pose.camera_poses import CameraPoses, project
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.robot_listing import listing
from bodydouble.retarget.trajectory import RobotTrajectory

if TYPE_CHECKING:
    from bodydouble.calibration import Rig

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@functools.cache
def _model(name: str) -> Robot | None:
    """Return a robot that comes with bodydouble and whose description is here; None for any other. Kept: many files are of one robot."""
    # A name out of a file must not open a path or fetch anything.
    if not any(robot.name == name and robot.state == "here" for robot in listing()):
        return None
    try:
        return Robot.load(name)
    except BodydoubleError:
        return None


class OpenedEpisode:
    """The file of one episode while its rules run. Properties raise what a damaged file makes their readers raise."""

    def __init__(self, file: Any, path: Path) -> None:
        self.file, self.path = file, path
        self._digests: dict[str, list[bytes]] = {}
        self._small: dict[str, SmallImages | None] = {}

    @property
    def version(self) -> int:
        """Schema version."""
        return int(self.file.attrs["schema_version"])

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Datasets that a file of this version has."""
        return fields_in(self.version)

    def paths(self, field: Field) -> list[str]:
        """Return the paths that one field of the schema stands for; more than one where it is ``*``."""
        if field.name != "*":
            return [field.path]
        return [f"{field.group}/{name}" for name in self.file[field.group]] if field.group in self.file else []

    @cached_property
    def cameras(self) -> tuple[str, ...]:
        """Names of the C cameras."""
        return tuple(json.loads(self.file["recording"].attrs["cameras"]))

    @cached_property
    def times_s(self) -> FloatArray:
        """(T,)."""
        return np.asarray(self.file["robot/times_s"][()], dtype=np.float64)

    @property
    def frames(self) -> int:
        """T."""
        return len(self.times_s)

    @cached_property
    def camera_times_s(self) -> FloatArray:
        """(C, T) NaN where a camera has no frame."""
        return np.asarray(self.file["recording/times_s"][()], dtype=np.float64)

    @cached_property
    def present(self) -> BoolArray:
        """(C, T) where a camera has a frame."""
        return np.asarray(self.file["recording/present"][()] == 1)

    @cached_property
    def advances(self) -> bool:
        """Whether the times of the frames are known and grow, and those of no camera go back."""
        times = self.times_s
        rows = [row[np.isfinite(row)] for row in self.camera_times_s]
        return bool(np.isfinite(times).all() and (np.diff(times) > 0).all() and all((np.diff(row) >= 0).all() for row in rows))

    @cached_property
    def robot(self) -> RobotTrajectory:
        """The robot's motion."""
        return RobotTrajectory.read(self.file["robot"])

    @cached_property
    def motion(self) -> HumanMotion:
        """The person's motion."""
        return HumanMotion.read(self.file["human"])

    @cached_property
    def landmarks(self) -> Landmarks:
        """What the detectors saw, under their own labels."""
        return read_landmarks(self.file["landmarks"], self.cameras)

    @cached_property
    def labelled(self) -> Landmarks:
        """What the detectors saw, with left and right as the fit read them."""
        return self.landmarks.exchanged(self.motion.relabelled == 1)

    @cached_property
    def rig(self) -> Rig:
        """The rig."""
        return rig_from_text(self.file["rig"].asstr()[()])

    @cached_property
    def T_world_camera(self) -> FloatArray:
        """(C, T, 4, 4) at the cameras' own times, NaN where not known."""
        moving = self.motion.camera_poses
        return CameraPoses.static(self.rig, self.cameras, self.frames).T_world_camera if moving is None else moving

    @cached_property
    def projected(self) -> FloatArray:
        """(C, T, 75, 2) px of the calibrated image: the fitted person in every camera; NaN where not known or behind it."""
        rows = zip(self.cameras, self.T_world_camera, strict=True)
        found = [project(self.rig.camera(name).model, T, self.motion.landmarks) for name, T in rows]
        return np.stack(found) if found else np.empty((0, self.frames, 75, 2))

    @cached_property
    def robot_model(self) -> Robot | None:
        """The model of the robot if it is at hand and has the joints of the file."""
        model = _model(self.robot.robot)
        return model if model is not None and tuple(model.joint_names) == self.robot.joint_names else None

    @cached_property
    def same_robot_model(self) -> bool:
        """Whether the model at hand is the very one that the episode was made with."""
        said = read_provenance(self.file).get("robot")
        if self.robot_model is None or not isinstance(said, dict):
            return False
        model = self.robot_model
        return (said.get("toml_sha256"), said.get("urdf_sha256")) == (file_sha256(model.toml_path), file_sha256(model.urdf_path))

    def jpeg_digests(self, camera: str) -> list[bytes]:
        """Return the SHA-256 of each stored JPEG of one camera, empty where there is none."""
        if camera not in self._digests:
            stored = self.file["images"][camera]
            images = (bytes(stored[frame]) for frame in range(len(stored)))
            self._digests[camera] = [hashlib.sha256(data).digest() if data else b"" for data in images]
        return self._digests[camera]

    def small_images(self, camera: str) -> SmallImages | None:
        """Return small grey images of one camera, None where there are none that can be decoded."""
        if camera not in self._small:
            row = self.cameras.index(camera)
            width = int(self.file["recording/image_size"][row, 0])
            self._small[camera] = read_small_images(self.file, self.path, camera, self.present[row], width)
        return self._small[camera]

    def in_small_images(self, camera: str, pixels: FloatArray) -> FloatArray:
        """Return where pixels (..., 2) of a camera's calibrated image lie in its small images."""
        row, images = self.cameras.index(camera), self.small_images(camera)
        assert images is not None
        found: FloatArray = (pixels - self.file["recording/crop_origin_px"][row]) * images.scale
        return found
