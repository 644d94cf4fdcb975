"""A trajectory's file keeps the motion, its quality and what it was made from, whole or not at all."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.errors import DataError, FileExistsUsageError, UsageError
from bodydouble.gates import Gate
from bodydouble.retarget import RobotTrajectory
from bodydouble.retarget.trajectory_file import TrajectoryFile, is_trajectory_file, read_trajectory_file, write_trajectory_file


@pytest.fixture
def content() -> TrajectoryFile:
    shape = (3, 2)
    trajectory = RobotTrajectory(
        robot="two", times_s=np.arange(3) / 60, frame="room", joint_names=("a", "b"), joint_groups={"all": ("a", "b")}, positions=np.ones(shape),
        velocities=np.zeros(shape), torques=np.full(shape, np.nan), joint_source=np.ones(shape, dtype=np.uint8), base_pose=np.zeros((3, 7)),
        lower=np.full(2, -1.0), upper=np.full(2, 1.0), velocity_limit=np.full(2, 10.0), effort_limit=np.ones(2),
    )  # fmt: skip
    quality = {
        "palm_position_mm": Gate("palm_position_mm", 12.5, "mm", 5.0, "WARN", "lower", "Move nearer."),
        "pinch_mm": Gate("pinch_mm", math.nan, "mm", 5.0, "INFO"),
    }
    return TrajectoryFile(trajectory, quality, {"left_palm_position": 0.25}, {"motion": "take – 3", "robot": {"name": "two"}})


def test_it_comes_back_whole(content: TrajectoryFile, tmp_path: Path) -> None:
    write_trajectory_file(tmp_path / "t.h5", content)
    again = read_trajectory_file(tmp_path / "t.h5")
    np.testing.assert_array_equal(again.trajectory.positions, content.trajectory.positions)
    assert again.quality["palm_position_mm"] == content.quality["palm_position_mm"]
    assert math.isnan(again.quality["pinch_mm"].value)
    assert (again.unmet_tasks, again.provenance) == (content.unmet_tasks, content.provenance)
    assert is_trajectory_file(tmp_path / "t.h5")


def test_whoever_wants_the_motion_alone_can_load_it(content: TrajectoryFile, tmp_path: Path) -> None:
    write_trajectory_file(tmp_path / "t.h5", content)
    np.testing.assert_array_equal(RobotTrajectory.load(tmp_path / "t.h5").positions, content.trajectory.positions)


def test_an_existing_file_is_kept_unless_it_may_be_replaced(content: TrajectoryFile, tmp_path: Path) -> None:
    (tmp_path / "t.h5").write_text("mine")
    with pytest.raises(FileExistsUsageError):
        write_trajectory_file(tmp_path / "t.h5", content)
    assert (tmp_path / "t.h5").read_text() == "mine"
    write_trajectory_file(tmp_path / "t.h5", content, force=True)
    assert is_trajectory_file(tmp_path / "t.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["t.h5"]


def test_other_files_are_refused_in_one_sentence(content: TrajectoryFile, tmp_path: Path) -> None:
    content.trajectory.save(tmp_path / "bare.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "something else"
    for name in ("bare.h5", "text.h5", "other.h5"):
        assert not is_trajectory_file(tmp_path / name)
        with pytest.raises(DataError, match="is not a trajectory file of this version"):
            read_trajectory_file(tmp_path / name)
    with pytest.raises(UsageError, match="does not exist"):
        read_trajectory_file(tmp_path / "none.h5")
