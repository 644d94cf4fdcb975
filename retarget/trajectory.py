"""RobotTrajectory: what one robot does over time, and how far it is from what was asked of it."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.guarded_file import new_hdf5_file

FloatArray = npt.NDArray[np.float64]

_SERIES = ("task_errors", "flags", "contacts")
"""Fields that are a name to one value a frame."""


@dataclass(frozen=True)
class RobotTrajectory:
    """Motion of one robot over T frames and J actuated joints. Arrays are read-only; a missing value is NaN."""

    robot: str
    times_s: FloatArray
    """(T,) seconds from the start of the recording."""
    frame: str
    """What ``base_pose`` is relative to, as ``HumanMotion.frame``."""
    joint_names: tuple[str, ...]
    joint_groups: dict[str, tuple[str, ...]]
    """Group name to joint names; every actuated joint is in exactly one group."""
    positions: FloatArray
    """(T, J) rad."""
    velocities: FloatArray
    """(T, J) rad/s, finite differences of ``positions`` over true times (first row repeats the second's interval)."""
    torques: FloatArray
    """(T, J) N m, inverse dynamics with the base as given; NaN where it was not computed."""
    joint_source: npt.NDArray[np.uint8]
    """(T, J) of hand_pose Source: how the human motion behind each joint is known."""
    base_pose: FloatArray
    """(T, 7) base position in m and quaternion xyzw in the world."""
    lower: FloatArray
    """(J,) rad."""
    upper: FloatArray
    """(J,) rad."""
    velocity_limit: FloatArray
    """(J,) rad/s."""
    effort_limit: FloatArray
    """(J,) N m."""
    task_errors: dict[str, FloatArray] = field(default_factory=dict)
    """Task name to (T,) error after the solve, in m (``..._position``) or rad (``..._orientation``, ``..._direction``); NaN where the task had no target."""
    flags: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    """Name to (T,) 0/1, e.g. "task_unmet"."""
    accelerations: FloatArray | None = None
    """(T, J) rad/s^2, differences of neighbouring speeds over the mean of their two intervals: row t looks back at t - 1 and t - 2, rows 0 and 1 are NaN.
    None, as everything below, in files written before there was one."""
    acceleration_limit: FloatArray | None = None
    """(J,) rad/s^2."""
    supported_torques: FloatArray | None = None
    """(T, J) N m, inverse dynamics with a free base that the planted feet hold up; NaN where they cannot."""
    centre_of_pressure: FloatArray | None = None
    """(T, 2) m in the world, the zero-moment point on the ground; NaN where no foot is planted."""
    support_margin: FloatArray | None = None
    """(T,) m from the centre of pressure to the edge of the planted feet, positive inside; NaN where no foot is planted."""
    contacts: dict[str, npt.NDArray[np.uint8]] | None = None
    """Contact point of the robot to (T,) 0/1: planted."""
    solver: dict[str, float | str] | None = None
    """How it was solved: "stage" ("stream" or "whole"), "frames_per_second", "warmup_seconds", "iterations_mean", "collision_pairs"."""

    def __post_init__(self) -> None:
        frames, joints = len(self.times_s), len(self.joint_names)
        expected: dict[str, tuple[int, ...]] = {
            "times_s": (frames,), "positions": (frames, joints), "velocities": (frames, joints), "torques": (frames, joints),
            "joint_source": (frames, joints), "base_pose": (frames, 7), "lower": (joints,), "upper": (joints,),
            "velocity_limit": (joints,), "effort_limit": (joints,),
        }  # fmt: skip
        optional: dict[str, tuple[int, ...]] = {
            "accelerations": (frames, joints), "acceleration_limit": (joints,), "supported_torques": (frames, joints),
            "centre_of_pressure": (frames, 2), "support_margin": (frames,),
        }  # fmt: skip
        expected |= {name: shape for name, shape in optional.items() if getattr(self, name) is not None}
        freeze_arrays(self, {name: (shape, np.uint8 if name == "joint_source" else np.float64) for name, shape in expected.items()})

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times_s)

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
            elif item.name in _SERIES and value is not None:
                group.require_group(item.name)  # also where it is empty: that is not the same as not known
                for name, data in value.items():
                    group.create_dataset(f"{item.name}/{name}", data=data)
            elif value is not None:
                group.attrs[item.name] = json.dumps(value)

    @classmethod
    def load(cls, path: Path) -> RobotTrajectory:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        try:
            with h5py.File(path, "r") as file:
                return cls.read(file)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a robot trajectory file of this version: {error}") from None

    @classmethod
    def read(cls, group: Any) -> RobotTrajectory:
        """Read from an open HDF5 group that ``write`` filled."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name in _SERIES:
                if item.name in group:
                    values[item.name] = {name: data[()] for name, data in group[item.name].items()}
            elif item.name in group:
                values[item.name] = group[item.name][()]
            elif item.name in group.attrs or item.default is MISSING:
                values[item.name] = json.loads(group.attrs[item.name])
        values["joint_names"] = tuple(values["joint_names"])
        values["joint_groups"] = {name: tuple(joints) for name, joints in values["joint_groups"].items()}
        return cls(**values)
