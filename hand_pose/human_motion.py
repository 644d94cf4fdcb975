"""HumanMotion: the person as a kinematic tree over time, and how each part of it is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, POSE, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]
SourceArray = npt.NDArray[np.uint8]


class Source(IntEnum):
    """How a value is known. Only OBSERVED values were measured at that instant."""

    MISSING = 0
    OBSERVED = 1
    INTERPOLATED = 2
    INFERRED = 3


@dataclass(frozen=True)
class HumanMotion:
    """One person's motion over T frames. Arrays are read-only; a missing value is NaN with source MISSING.

    The tree's zero pose is a person standing upright with the arms hanging, palms towards the thighs, and every link frame parallel to the
    world: x forward, y left, z up.
    """

    times_s: FloatArray
    """(T,) seconds from the start of the recording."""
    frame: str
    """What positions are relative to: "room" (metric, from a calibrated rig), "odometry" (worn cameras whose way was found from their images: it starts at
    the head's first pose and is level with the head on average), "camera" (one camera: upright axes at the camera) or "head" (worn cameras of whose motion
    nothing is known: axes of the body that they are on)."""
    link_names: tuple[str, ...]
    link_poses: FloatArray
    """(T, L, 4, 4) T_world_link."""
    joint_names: tuple[str, ...]
    """One name a scalar joint angle, without the free-flyer."""
    joint_angles: FloatArray
    """(T, J) rad."""
    joint_source: SourceArray
    """(T, J) of ``Source``."""
    base_pose: FloatArray
    """(T, 7) pelvis position in m and quaternion xyzw in the world."""
    landmarks: FloatArray
    """(T, 75, 3) m in the world, of the fitted tree."""
    landmark_sigma: FloatArray
    """(T, 75) m, one standard deviation along the worst known axis; NaN where not estimated."""
    landmark_source: SourceArray
    """(T, 75) of ``Source``."""
    bone_lengths: dict[str, float]
    """m, constant over the recording by construction, equal left and right."""
    stature: float
    """m; see ``assumed`` for whether it was estimated or assumed."""
    cameras: tuple[str, ...]
    """Cameras used, the order of ``relabelled``."""
    relabelled: npt.NDArray[np.uint8]
    """(C, T) 1 where the fit read that view with left and right exchanged, 255 where the camera had no person."""
    fit_error_px: FloatArray
    """(T,) root mean square reprojection error of the used landmarks; NaN where nothing was seen."""
    flags: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    """Name to (T,) 0/1: frames to distrust, e.g. "person_changed", "no_person", "high_residual"."""
    assumed: dict[str, dict[str, float]] = field(default_factory=dict)
    """What was not measured but assumed, e.g. {"stature": {"value": 1.73, "sigma": 0.07}}."""
    estimated: dict[str, dict[str, float]] = field(default_factory=dict)
    """What was estimated besides the motion and may interest, with its sigma, e.g. how the helmet sits: {"helmet.shift_x_m": {"value": ..., "sigma": ...}}."""
    landmark_covariance: FloatArray | None = None
    """(T, 75, 6) m^2 in the world: xx, xy, xz, yy, yz, zz; NaN where not estimated; None in files written before there was one."""
    triangulated: FloatArray | None = None
    """(T, 75, 3) m, the robust triangulation before the tree was fitted, NaN where not seen by two cameras; None for one camera."""
    camera_poses: FloatArray | None = None
    """(C, T, 4, 4) T_world_camera at each camera's own times, NaN where not known; None where no camera moves: the rig says it then."""

    def __post_init__(self) -> None:
        frames, links, joints, cameras = len(self.times_s), len(self.link_names), len(self.joint_names), len(self.cameras)
        expected: dict[str, tuple[int, ...]] = {
            "times_s": (frames,), "link_poses": (frames, links, 4, 4), "joint_angles": (frames, joints), "joint_source": (frames, joints),
            "base_pose": (frames, 7), "landmarks": (frames, 75, 3), "landmark_sigma": (frames, 75), "landmark_source": (frames, 75),
            "relabelled": (cameras, frames), "fit_error_px": (frames,),
        }  # fmt: skip
        if self.landmark_covariance is not None:
            expected["landmark_covariance"] = (frames, 75, 6)
        if self.triangulated is not None:
            expected["triangulated"] = (frames, 75, 3)
        if self.camera_poses is not None:
            expected["camera_poses"] = (cameras, frames, 4, 4)
        integers = ("joint_source", "landmark_source", "relabelled")
        freeze_arrays(self, {name: (shape, np.uint8 if name in integers else np.float64) for name, shape in expected.items()})

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times_s)

    def spread(self) -> FloatArray:
        """Return (T, 75, 3, 3) m^2: the covariance of each landmark, or of a sphere of ``landmark_sigma`` where no covariance was kept."""
        if self.landmark_covariance is not None:
            return unpacked(self.landmark_covariance)
        return self.landmark_sigma[..., None, None] ** 2 * np.eye(3)

    def link(self, name: str) -> FloatArray:
        """Return (T, 4, 4) T_world_link of one link. Raises: UnknownNameError."""
        if name not in self.link_names:
            raise UnknownNameError("link", name, "the human tree", self.link_names)
        return self.link_poses[:, self.link_names.index(name)]

    def landmark(self, name: str) -> FloatArray:
        """Return (T, 3) of one landmark in the world. Raises: UnknownNameError."""
        if name not in LANDMARK_NAMES:
            raise UnknownNameError("landmark", name, "the 75 landmarks", LANDMARK_NAMES)
        return self.landmarks[:, LANDMARK_NAMES.index(name)]

    def source_fractions(self) -> dict[str, dict[str, float]]:
        """Return the share of landmarks observed / interpolated / inferred / missing for body, left hand and right hand."""
        parts = {"body": POSE, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}
        return {
            part: {source.name.lower(): float(np.mean(self.landmark_source[:, rows] == source)) for source in Source}
            for part, rows in parts.items()
        }

    def save(self, path: Path) -> None:
        """Write to an HDF5 file."""
        with new_hdf5_file(path) as (file, _):
            self.write(file)

    def write(self, group: Any) -> None:
        """Write into an open HDF5 group."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                group.create_dataset(item.name, data=value)
            elif item.name == "flags":
                for name, flag in value.items():
                    group.create_dataset(f"flags/{name}", data=flag)
            elif value is not None:
                group.attrs[item.name] = json.dumps(value)

    @classmethod
    def load(cls, path: Path) -> HumanMotion:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        try:
            with h5py.File(path, "r") as file:
                return cls.read(file)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a human motion file of this version: {error}") from None

    @classmethod
    def read(cls, group: Any) -> HumanMotion:
        """Read from an open HDF5 group that ``write`` filled."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name == "flags":
                values["flags"] = {name: data[()] for name, data in group["flags"].items()} if "flags" in group else {}
            elif item.name in group:
                values[item.name] = group[item.name][()]
            elif item.name in group.attrs:
                decoded = json.loads(group.attrs[item.name])
                values[item.name] = tuple(decoded) if isinstance(decoded, list) else decoded
        return cls(**values)


_UPPER = ((0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2))


def packed(covariance: FloatArray) -> FloatArray:
    """Return (..., 6) of symmetric matrices (..., 3, 3): xx, xy, xz, yy, yz, zz."""
    found: FloatArray = covariance[..., _UPPER[0], _UPPER[1]]
    return found


def unpacked(covariance: FloatArray) -> FloatArray:
    """Return symmetric matrices (..., 3, 3) of (..., 6): xx, xy, xz, yy, yz, zz."""
    found: FloatArray = covariance[..., np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])]
    return found


def largest_sigma(covariance: FloatArray) -> FloatArray:
    """Return (...) the standard deviation along the worst axis of covariances (..., 3, 3), NaN where they are."""
    known = np.isfinite(covariance).all(axis=(-2, -1))
    found = np.full(known.shape, np.nan)
    found[known] = np.sqrt(np.linalg.eigvalsh(covariance[known])[:, -1].clip(0))
    return found
