"""Editing a written episode in place, with checksums made again, so that what is wrong afterwards is what was edited and not a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bodydouble.datasets.hand_head_poses import human_poses, robot_poses
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget import Robot
from bodydouble.retarget.limits import finite_accelerations, finite_rates
from bodydouble.retarget.trajectory import RobotTrajectory


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Open an episode file to be written into; its checksums are those of the new content afterwards."""
    with h5py.File(path, "r+") as file:
        yield file
        reseal(file)


def reseal(file: Any) -> None:
    """Make the checksums of every dataset that has one again."""

    def again(_: str, item: Any) -> None:
        if (
            isinstance(item, h5py.Dataset)
            and "sha256" in item.attrs
            and h5py.check_vlen_dtype(item.dtype) is None
            and "file" not in item.attrs
        ):
            item.attrs["sha256"] = hashlib.sha256(np.ascontiguousarray(item[()]).tobytes()).hexdigest()

    file.visititems(again)
    for stored in file.get("images", {}).values():
        digests = (hashlib.sha256(bytes(data)).digest() for data in stored if len(data))
        stored.attrs["sha256"] = hashlib.sha256(b"".join(digests)).hexdigest()


def put_positions(file: Any, positions: Any, robot: Robot | None = None) -> None:
    """Store other robot positions, and everything that is worked out from them."""
    times, frames = file["robot/times_s"][()], len(positions)
    file["robot/positions"][()] = positions
    rates, sudden = finite_rates(times, positions), finite_accelerations(times, positions)
    file["robot/velocities"][()] = np.concatenate([rates[:1], rates])
    if "robot/accelerations" in file:
        file["robot/accelerations"][()] = np.concatenate([np.full((2, positions.shape[1]), np.nan), sudden])
    file["robot/actions"][()] = np.concatenate([positions[1:], np.full((1, positions.shape[1]), np.nan)])
    if robot is not None:
        for name, poses in robot_poses(RobotTrajectory.read(file["robot"]), robot).items():
            file[f"poses/robot/{name}"][()] = poses
    assert len(times) == frames


def put_person_poses(file: Any) -> None:
    """Store the poses of the person's hands and head that the stored links give."""
    for name, poses in human_poses(HumanMotion.read(file["human"]), RobotTrajectory.read(file["robot"])).items():
        file[f"poses/human/{name}"][()] = poses
