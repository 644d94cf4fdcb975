"""Landmarks in the images: MediaPipe's 33 pose, 21 left-hand and 21 right-hand points of one person."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.guarded_file import new_hdf5_file

FloatArray = npt.NDArray[np.float64]

POSE_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel",
    "left_foot_index", "right_foot_index",
)  # fmt: skip
HAND_NAMES = (
    "wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip", "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "little_mcp", "little_pip", "little_dip", "little_tip",
)  # fmt: skip
LANDMARK_NAMES = POSE_NAMES + tuple(f"left_hand_{n}" for n in HAND_NAMES) + tuple(f"right_hand_{n}" for n in HAND_NAMES)
"""The 75 landmarks in the order of every ``[..., 75, ...]`` array. MediaPipe's names and order (its "pinky" tip is our "little")."""

POSE = slice(0, 33)
LEFT_HAND = slice(33, 54)
RIGHT_HAND = slice(54, 75)
MAIN_JOINTS = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""Shoulders, elbows, wrists, hips, knees and ankles: the twelve pose landmarks that body errors are measured on."""


def swapped_sides() -> npt.NDArray[np.intp]:
    """Return the 75 indices that exchange left and right: ``pixels[..., swapped_sides(), :]`` is the relabelled view."""
    names = {name: index for index, name in enumerate(LANDMARK_NAMES)}

    def other(name: str) -> str:
        if name.startswith("left_"):
            return "right_" + name[5:]
        if name.startswith("right_"):
            return "left_" + name[6:]
        return {"mouth_left": "mouth_right", "mouth_right": "mouth_left"}.get(name, name)

    return np.array([names[other(name)] for name in LANDMARK_NAMES], dtype=np.intp)


@dataclass(frozen=True)
class ForearmDirections:
    """Which way forearms were seen to point, by the hand at whose wrist they begin. Arrays are read-only; T frame sets."""

    body: str
    """Body of the rig whose frame the directions are in."""
    direction: FloatArray
    """(T, 2, 3) unit vectors from the wrist to the elbow of the hands that are called left and right, in that body's frame; NaN where not seen."""
    information: FloatArray
    """(T, 2, 3, 3) inverse covariance in 1/rad^2, zero along the direction."""

    def __post_init__(self) -> None:
        frames = len(self.direction)
        freeze_arrays(self, {"direction": ((frames, 2, 3), np.float64), "information": ((frames, 2, 3, 3), np.float64)})


@dataclass(frozen=True)
class Landmarks:
    """What the detectors saw, camera by camera, on the recording's frame sets. Arrays are read-only.

    Shapes: C cameras, T frame sets. A landmark that was not detected is NaN in ``pixels`` and ``confidence``.
    """

    cameras: tuple[str, ...]
    times_s: FloatArray
    """(C, T) true capture time of each camera's frame, seconds from the start of the recording; NaN where the camera has no frame."""
    pixels: FloatArray
    """(C, T, 75, 2) in pixels of the calibrated image (the recording's crop origin already added)."""
    confidence: FloatArray
    """(C, T, 75) in [0, 1]: visibility for the pose; for hands, whose landmarks have none, the model's score of the whole hand."""
    shape_m: FloatArray
    """(C, T, 75, 3) the model's own 3D guess in metres, axes of the camera (x right, y down, z forward), pose centred on the hips
    and hands on the hand: a prior on shape, not a measurement."""
    settings: dict[str, str] = field(default_factory=dict)
    """What detected them: model names with their SHA-256, options."""
    forearms: ForearmDirections | None = None
    """What worn cameras show of forearms, which no landmark model finds there."""

    def __post_init__(self) -> None:
        views = (len(self.cameras), self.times_s.shape[1])
        shapes = {"times_s": views, "pixels": (*views, 75, 2), "confidence": (*views, 75), "shape_m": (*views, 75, 3)}
        freeze_arrays(self, {name: (shape, np.float64) for name, shape in shapes.items()})

    @property
    def frames(self) -> int:
        """Number of frame sets."""
        return int(self.times_s.shape[1])

    def select(self, cameras: tuple[str, ...]) -> Landmarks:
        """Return the landmarks of some cameras, in the order asked for. Raises: UnknownNameError."""
        for name in cameras:
            if name not in self.cameras:
                raise UnknownNameError("camera", name, "the landmarks", self.cameras)
        rows = [self.cameras.index(name) for name in cameras]
        return Landmarks(
            cameras, self.times_s[rows], self.pixels[rows], self.confidence[rows], self.shape_m[rows], self.settings, self.forearms
        )

    def exchanged(self, swap: npt.NDArray[np.bool_]) -> Landmarks:
        """Return the landmarks with left and right exchanged in the views (C, T) that ``swap`` marks."""
        other = swapped_sides()
        pixels = np.where(swap[..., None, None], self.pixels[:, :, other], self.pixels)
        confidence = np.where(swap[..., None], self.confidence[:, :, other], self.confidence)
        shape_m = np.where(swap[..., None, None], self.shape_m[:, :, other], self.shape_m)
        return Landmarks(self.cameras, self.times_s, pixels, confidence, shape_m, self.settings, self.forearms)

    def save(self, path: Path) -> None:
        """Write to an HDF5 file."""
        with new_hdf5_file(path) as (file, _):
            file.attrs["cameras"] = list(self.cameras)
            for name, value in self.settings.items():
                file.attrs[f"settings.{name}"] = value
            for name in ("times_s", "pixels", "confidence", "shape_m"):
                file.create_dataset(name, data=getattr(self, name))
            if self.forearms is not None:
                group = file.create_group("forearms")
                group.attrs["body"] = self.forearms.body
                group["direction"], group["information"] = self.forearms.direction, self.forearms.information

    @classmethod
    def load(cls, path: Path) -> Landmarks:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        try:
            with h5py.File(path, "r") as file:
                settings = {k.removeprefix("settings."): str(v) for k, v in file.attrs.items() if k.startswith("settings.")}
                arrays = {name: file[name][()] for name in ("times_s", "pixels", "confidence", "shape_m")}
                forearms = None
                if "forearms" in file:
                    group = file["forearms"]
                    forearms = ForearmDirections(str(group.attrs["body"]), group["direction"][()], group["information"][()])
                return cls(tuple(str(c) for c in file.attrs["cameras"]), settings=settings, forearms=forearms, **arrays)
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is not a landmarks file of this version: {error}") from None
