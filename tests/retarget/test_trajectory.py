"""A trajectory comes back from its file as it was; files written before a field existed are still read."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.errors import DataError
from bodydouble.retarget import RobotTrajectory

NEW = ("accelerations", "acceleration_limit", "supported_torques", "centre_of_pressure", "support_margin", "contacts", "solver")


def trajectory() -> RobotTrajectory:
    shape = (3, 2)
    return RobotTrajectory(
        robot="two", times_s=np.arange(3) / 60, frame="room", joint_names=("a", "b"), joint_groups={"all": ("a", "b")}, positions=np.zeros(shape),
        velocities=np.zeros(shape), torques=np.full(shape, np.nan), joint_source=np.ones(shape, dtype=np.uint8), base_pose=np.zeros((3, 7)),
        lower=np.full(2, -1.0), upper=np.full(2, 1.0), velocity_limit=np.full(2, 10.0), effort_limit=np.ones(2),
        task_errors={"palm_position": np.arange(3.0)}, flags={"task_unmet": np.array([0, 1, 0], np.uint8)},
    )  # fmt: skip


def complete() -> RobotTrajectory:
    return replace(
        trajectory(), accelerations=np.full((3, 2), 2.0), acceleration_limit=np.full(2, 100.0), supported_torques=np.full((3, 2), np.nan),
        centre_of_pressure=np.array([[0.0, 1.0], [np.nan, np.nan], [2.0, 3.0]]), support_margin=np.array([0.1, np.nan, -0.1]),
        contacts={"left_heel": np.array([1, 1, 0], np.uint8)}, solver={"stage": "whole", "frames_per_second": 250.0},
    )  # fmt: skip


@pytest.mark.parametrize("original", [trajectory(), complete()], ids=["without the newer fields", "complete"])
def test_it_comes_back_as_it_was(original: RobotTrajectory, tmp_path: Path) -> None:
    original.save(tmp_path / "t.h5")
    again = RobotTrajectory.load(tmp_path / "t.h5")
    for item in fields(RobotTrajectory):
        before, after = getattr(original, item.name), getattr(again, item.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(after, before, err_msg=item.name)
        elif isinstance(before, dict) and before and isinstance(next(iter(before.values())), np.ndarray):
            assert list(after) == list(before)
            for name in before:
                np.testing.assert_array_equal(after[name], before[name], err_msg=name)
        else:
            assert after == before, item.name


def test_no_contact_points_are_not_the_same_as_unknown_ones(tmp_path: Path) -> None:
    replace(trajectory(), contacts={}).save(tmp_path / "t.h5")
    assert RobotTrajectory.load(tmp_path / "t.h5").contacts == {}


def test_a_file_from_before_the_newer_fields_has_none_of_them(tmp_path: Path) -> None:
    complete().save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        for name in NEW:
            if name in file:
                del file[name]
            else:
                del file.attrs[name]
    again = RobotTrajectory.load(tmp_path / "t.h5")
    assert [getattr(again, name) for name in NEW] == [None] * len(NEW)


def test_newer_arrays_are_read_only_and_of_the_right_shape() -> None:
    with pytest.raises(ValueError, match="read-only"):
        complete().accelerations[0] = 1.0  # type: ignore[index]
    with pytest.raises(ValueError, match=r"support_margin has shape \(2,\); expected \(3,\)"):
        replace(trajectory(), support_margin=np.zeros(2))


def test_a_file_without_what_every_trajectory_has_is_refused_in_one_sentence(tmp_path: Path) -> None:
    trajectory().save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        del file.attrs["robot"]
    with pytest.raises(DataError, match="is not a robot trajectory file"):
        RobotTrajectory.load(tmp_path / "t.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="is not a robot trajectory file"):
        RobotTrajectory.load(tmp_path / "text.h5")
