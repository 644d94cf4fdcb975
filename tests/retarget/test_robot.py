"""Robots load by name or path, and say what is wrong with their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.retarget import Robot, robot_names


@pytest.fixture
def copied(robot: Robot, tmp_path: Path) -> Path:
    shutil.copy(robot.urdf_path, tmp_path)
    return Path(shutil.copy(robot.toml_path, tmp_path))


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_robot_is_found_by_name_and_by_path(robot: Robot, copied: Path) -> None:
    assert robot_names() == ("optimus",)
    assert Robot.load(copied).joint_names == robot.joint_names
    assert Robot.load(str(copied)).joint_names == robot.joint_names


def test_an_unknown_robot_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"robot 'optimos'.*Did you mean 'optimus'"):
        Robot.load("optimos")


def test_a_missing_robot_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.toml does not exist"):
        Robot.load(tmp_path / "x.toml")


def test_arrays_cannot_be_changed(robot: Robot) -> None:
    with pytest.raises(ValueError, match="read-only"):
        robot.lower[0] = 0.0


def test_a_configuration_puts_each_joint_in_its_row(robot: Robot) -> None:
    positions = np.arange(78) / 100.0
    q = robot.configuration(positions, [1, 2, 3, 0, 0, 0, 1])
    for name, value in zip(robot.joint_names, positions, strict=True):
        assert q[robot.model.joints[robot.model.getJointId(name)].idx_q] == value
    np.testing.assert_array_equal(q[:7], [1, 2, 3, 0, 0, 0, 1])


def test_link_poses_follow_the_base(robot: Robot) -> None:
    turn = Rotation.from_rotvec([0.1, 0.4, -0.3])
    T_world_base = np.eye(4)
    T_world_base[:3, :3], T_world_base[:3, 3] = turn.as_matrix(), [1, 2, 3]
    still = robot.link_poses(robot.rest, [0, 0, 0, 0, 0, 0, 1])
    carried = robot.link_poses(robot.rest[None], np.concatenate([[1, 2, 3], turn.as_quat()])[None])[0]
    np.testing.assert_allclose(carried, T_world_base @ still, atol=1e-12)


def test_members_of_a_group_or_a_joint(robot: Robot) -> None:
    assert robot.members("neck") == ("neck_yaw", "neck_pitch")
    assert robot.members("left_knee") == ("left_knee",)
    with pytest.raises(UnknownNameError, match=r"Did you mean .*left_knee"):
        robot.members("left_kne")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"neck_yaw"', '"neck_yav"', r"joint 'neck_yav' is not in optimus.urdf.*Did you mean 'neck_yaw'"),
        ('robot = "torso"', 'robot = "torsoo"', r"link 'torsoo' is not in optimus.urdf.*Did you mean 'torso'"),
        ('pelvis = "pelvis"', 'pelvus = "pelvis"', r"human part 'pelvus'.*Did you mean 'pelvis'"),
        ('landmarks = ["nose"', 'landmarks = ["nost"', r"landmark 'nost'.*Did you mean 'nose'"),
        ('joints = ["torso"]', 'joints = ["torsi"]', r"joint or group 'torsi'.*Did you mean 'torso'"),
        ("weight = 6.0", "wieght = 6.0", r"unknown key 'tasks.0.wieght'.*Did you mean 'weight'"),
        ("weight = 6.0", "weight = -6.0", r"tasks.0.weight.*greater than 0"),
        ('kind = "position"', 'kind = "positon"', r"tasks.0.kind.*'positon'"),
        ("acceleration = 100.0", "acceleration = 100.0\nspeed = 3", r"unknown key 'speed'"),
        ('["torso_yaw", "torso_pitch"]', '["torso_yaw"]', r"no group holds torso_pitch"),
        ('["neck_yaw", "neck_pitch"]', '["neck_yaw", "neck_pitch", "torso_yaw"]', r"'torso_yaw' is in the groups 'neck' and 'torso'"),
        ('name = "pelvis_orientation"', 'name = "pelvis_position"', r"two tasks are called 'pelvis_position'"),
        ('origin = "{side}_upper_arm"\n', "", r"is a direction and needs the key 'origin'"),
        ('thorax = "torso"\n', "", r"names the link 'torso', which has no human counterpart"),
        ('urdf = "optimus.urdf"', 'urdf = "optimos.urdf"', r"'optimos.urdf' is not beside it"),
        ('"{side}_knee" = 3.0', '"{side}_knee" = -3.0', r"rest angle of joint 'left_knee' is -3.0 degrees, outside its range 0.0 to 135.0"),
    ],
)
def test_a_mistake_in_the_mapping_is_one_clear_sentence(copied: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Robot.load(edit(copied, old, new))
    assert "\n" not in str(caught.value)


def test_joints_without_a_range_are_named(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    edit(urdf, '<limit lower="-0.785398163" upper="0.785398163" effort="10" velocity="10"/>', "")
    with pytest.raises(UsageError, match=r"no range for neck_yaw; give each actuated joint a <limit>.*\[range\]"):
        Robot.load(copied)


def test_a_broken_urdf_is_refused(copied: Path) -> None:
    copied.with_name("optimus.urdf").write_text("<robot name='x'>")
    with pytest.raises(DataError, match=r"optimus.urdf is not a whole XML file: no element found at line 1"):
        Robot.load(copied)
