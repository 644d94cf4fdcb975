"""Robots load by name or path, and say what is wrong with their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.retarget import Robot, robot_names
from bodydouble.retarget.robot_file import load_robot_file


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
    assert robot_names() == (
        "allegro_left", "allegro_right", "fourier_gr1t2", "leap_left", "leap_right", "optimus", "shadow_left", "shadow_right", "talos",
        "unitree_g1_dex3",
    )  # fmt: skip
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


SHIPPED = {
    "allegro_left": ("allegro_hand_left.urdf", 16), "allegro_right": ("allegro_hand_right.urdf", 16), "fourier_gr1t2": ("fourier_gr1t2_hand12.urdf", 56),
    "leap_left": ("leap_hand_left.urdf", 16), "leap_right": ("leap_hand_right.urdf", 16), "shadow_left": ("shadow_e3m5_left.xml", 20),
    "shadow_right": ("shadow_e3m5_right.xml", 20), "talos": ("talos_full_v2.urdf", 32), "unitree_g1_dex3": ("unitree_g1_29dof_dex3.urdf", 43),
}  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_robots_load_with_their_published_files(shared_data: Path, name: str) -> None:
    file, joints = SHIPPED[name]
    robot = Robot.load(name, shared_data / "robots" / file)
    assert robot.name == name
    assert len(robot.joint_names) == joints
    assert robot.floating == (joints > 30)
    assert {task.name for task in robot.file.tasks} > {f"{name.split('_')[-1] if joints < 30 else 'left'}_index_tip_position"}
    assert not (robot.rest < robot.lower).any()
    assert not (robot.rest > robot.upper).any()


def test_loading_is_quick(robot: Robot) -> None:
    import time

    began = time.perf_counter()
    assert len(Robot.load("optimus").collision.pairs) > 0
    assert time.perf_counter() - began < 0.5
    assert robot.collision is robot.collision


def test_a_description_that_is_not_here_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path))
    with pytest.raises(
        UsageError,
        match=r"robot 'leap_left' needs leap_hand_left\.urdf \(dexsuite/dex-urdf.*put it at .*--urdf FILE.*extends = \"leap_left\"",
    ):
        Robot.load("leap_left")
    (tmp_path / "robots").mkdir()
    shutil.copy(shared_data / "robots" / "leap_hand_left.urdf", tmp_path / "robots")
    assert len(Robot.load("leap_left").joint_names) == 16


def test_a_description_of_an_asset_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path) -> None:
    asked = []

    def path_of(name: str) -> Path:
        asked.append(name)
        shutil.copy(shared_data / "robots" / "shadow_e3m5_right.xml", tmp_path / "right_hand.xml")
        return tmp_path

    monkeypatch.setattr("bodydouble.assets.path_of", path_of)
    assert Robot.load("shadow_right").urdf_path == tmp_path / "right_hand.xml"
    assert asked == ["shadow_hand"]


def test_every_shipped_asset_holds_the_file_that_its_robot_names() -> None:
    from bodydouble.asset_catalogue import catalogue
    from bodydouble.retarget.robot_file import find_robot, load_robot_file

    named = set()
    for name in robot_names():
        file = load_robot_file(find_robot(name))
        if file.asset:
            assert (file.urdf or file.mjcf) in {f.path for f in catalogue()[file.asset].files}
            named.add(file.asset)
    assert named == {asset.name for asset in catalogue().values() if asset.kind == "robot"}


def test_another_description_may_be_given(robot: Robot, tmp_path: Path) -> None:
    text = robot.urdf_path.read_text().replace('<mass value="7.2"/>', '<mass value="8.2"/>')
    (tmp_path / "heavier.urdf").write_text(text)
    heavier = Robot.load("optimus", tmp_path / "heavier.urdf")
    assert sum(i.mass for i in heavier.model.inertias) == pytest.approx(sum(i.mass for i in robot.model.inertias) + 1.0)


def test_a_fixed_base_is_where_it_is_mounted(robot: Robot, copied: Path) -> None:
    fixed = Robot.load(edit(copied, 'urdf = "optimus.urdf"', 'urdf = "optimus.urdf"\nbase = "fixed"'))
    assert fixed.model.nq == 78
    assert fixed.joint_names == robot.joint_names
    base = [0.3, -0.2, 1.0, 0.0, 0.0, np.sin(0.4), np.cos(0.4)]
    np.testing.assert_allclose(fixed.link_poses(robot.rest, base), robot.link_poses(robot.rest, base), atol=1e-12)
    np.testing.assert_array_equal(fixed.joints_between(None, "left_palm"), robot.joints_between(None, "left_palm"))
    assert fixed.configuration(robot.rest, base).shape == (78,)


def test_points_count_as_links(copied: Path) -> None:
    edit(
        copied,
        "[skeleton]",
        '[[points]]\nfor = { side = ["left", "right"] }\nname = "{side}_pen"\nlink = "{side}_index_distal"\nat = [0, 0, -0.1]\n\n[skeleton]',
    )
    robot = Robot.load(edit(copied, '"{side}_{finger}_tip" = "{side}_{finger}_tip"', '"{side}_{finger}_tip" = "{side}_{finger}_tip"'))
    assert robot.link_names[-2:] == ("left_pen", "right_pen")
    pen, distal = robot.link_poses(robot.rest, [0, 0, 0, 0, 0, 0, 1], ["right_pen", "right_index_distal"])
    np.testing.assert_allclose(pen[:3, 3], distal[:3, :3] @ [0, 0, -0.1] + distal[:3, 3], atol=1e-12)
    assert robot.joints_between(None, "left_pen")[robot.joint_names.index("left_index_dip")]


def test_zero_is_the_posture_that_bones_are_measured_in(robot: Robot, copied: Path) -> None:
    bent = Robot.load(edit(copied, "[rest]", '[zero]\n"{side}_elbow" = 90.0\n\n[rest]'))
    assert bent.zero[bent.joint_names.index("left_elbow")] == pytest.approx(np.pi / 2)
    assert bent.zero_points()["left_palm"][0] == pytest.approx(robot.zero_points()["left_palm"][0] + 0.26, abs=0.05)
    with pytest.raises(UsageError, match=r"zero angle of joint 'left_elbow' is 190\.0 degrees, outside its range"):
        Robot.load(edit(copied, '"{side}_elbow" = 90.0', '"{side}_elbow" = 190.0'))


def test_a_link_may_be_turned_from_its_human_counterpart(robot: Robot, copied: Path) -> None:
    turned = Robot.load(edit(copied, "[rest]", '[orientation]\n"{side}_palm" = [90.0, 0.0, 45.0]\n\n[rest]'))
    expected = Rotation.from_euler("xyz", [90, 0, 45], degrees=True).as_matrix()
    np.testing.assert_allclose(turned.link_rotation_offset("right_palm"), expected, atol=1e-12)
    np.testing.assert_array_equal(turned.link_rotation_offset("head"), np.eye(3))


def test_limits_may_be_given_by_joint_group_or_default(copied: Path) -> None:
    edit(
        copied,
        "acceleration = 100.0",
        "velocity = { neck = 3.0, neck_pitch = 2.0 }\nacceleration = { default = 80.0, torso = 20.0 }\neffort = { left_knee = 77.0 }",
    )
    edit(copied, "[rest]", "[range]\nneck_yaw = [-20.0, 30.0]\n\n[rest]")
    robot = Robot.load(copied)
    by_name = {name: i for i, name in enumerate(robot.joint_names)}
    assert [robot.velocity_limit[by_name[n]] for n in ("neck_yaw", "neck_pitch", "torso_yaw")] == [3.0, 2.0, 10.0]
    assert [robot.acceleration[by_name[n]] for n in ("torso_yaw", "left_knee", "left_index_mcp")] == [20.0, 80.0, 400.0]
    assert robot.effort_limit[by_name["left_knee"]] == 77.0
    np.testing.assert_allclose(np.degrees([robot.lower[by_name["neck_yaw"]], robot.upper[by_name["neck_yaw"]]]), [-20, 30])


def test_limits_that_nobody_gives_are_assumed_and_listed(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    edit(urdf, 'effort="10" velocity="10"', "")
    edit(copied, "acceleration = 100.0 # rad/s^2, assumed", "")
    robot = Robot.load(copied)
    assert robot.assumed["velocity"] == robot.assumed["effort"] == ("neck_yaw",)
    assert "torso_yaw" in robot.assumed["acceleration"]
    assert "left_index_mcp" not in robot.assumed["acceleration"]
    i = robot.joint_names.index("neck_yaw")
    assert (robot.velocity_limit[i], robot.effort_limit[i], robot.acceleration[i]) == (10.0, np.inf, 100.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("acceleration = 100.0", "acceleration = { nek = 3.0 }", r"joint or group 'nek'.*Did you mean 'neck'"),
        ("acceleration = 100.0", "acceleration = -3.0", r"acceleration.*must be greater than 0"),
        ("acceleration = 100.0", 'mjcf = "x.xml"', r"give either `urdf` or `mjcf`"),
        ("acceleration = 100.0", 'base = "flying"', r"base.*'floating' or 'fixed'"),
        ("[rest]", "[mimic]\nneck_yaw = { joint = \"neck_pitc\" }\n[rest]", r"joint 'neck_pitc'.*Did you mean 'neck_pitch'"),
        ("[rest]", "[mimic]\nneck_yaw = { joint = \"neck_pitch\" }\n[rest]", r"joint 'neck_yaw' follows another one, so it can't be in a group"),
        ("[rest]", "[zero]\nneck_yav = 3.0\n[rest]", r"joint 'neck_yav'.*Did you mean 'neck_yaw'"),
        ("[rest]", "[orientation]\nleft_plam = [0, 0, 0]\n[rest]", r"link 'left_plam'.*Did you mean 'left_palm'"),
        ("[rest]", '[[points]]\nname = "head"\nlink = "torso"\nat = [0, 0, 0]\n[rest]', r"point 'head' is called as a link of optimus.urdf is"),
        ("[rest]", '[[points]]\nname = "pen"\nlink = "torsi"\nat = [0, 0, 0]\n[rest]', r"link 'torsi'.*Did you mean 'torso'"),
        ('["*_ring_knuckle", "*"]', '["*_ring_knukle", "*"]', r"link or pattern '\*_ring_knukle'"),
        ('"left_heel", "left_toe_tip"', '"left_heal", "left_toe_tip"', r"human part 'left_heal' is not in \[skeleton\].*Did you mean 'left_heel'"),
        ("acceleration = 100.0", "acceleration = 100.0\nextends = \"optimos\"", r"robot 'optimos'.*Did you mean 'optimus'"),
        ("acceleration = 100.0", "acceleration = 100.0\nextends = \"optimus.toml\"", r"leads back to itself"),
    ],
)  # fmt: skip
def test_a_mistake_in_what_is_known_of_a_robot_is_one_clear_sentence(copied: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Robot.load(edit(copied, old, new))
    assert "\n" not in str(caught.value)


def test_a_robot_file_may_extend_another(robot: Robot, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'extends = "optimus"\nname = "mine"\n[rest]\nleft_elbow = 40.0\n[[tasks]]\nname = "left_palm_position"\nkind = "position"\n'
        'robot = "left_palm"\nweight = 3.0\n'
    )
    mine = Robot.load(tmp_path / "mine.toml")
    assert mine.name == "mine"
    assert mine.urdf_path == robot.urdf_path
    assert np.degrees(mine.rest[mine.joint_names.index("left_elbow")]) == pytest.approx(40.0)
    assert mine.rest[mine.joint_names.index("right_elbow")] == robot.rest[robot.joint_names.index("right_elbow")]
    assert {task.name for task in mine.file.tasks} == {task.name for task in robot.file.tasks}
    assert next(task.weight for task in mine.file.tasks if task.name == "left_palm_position") == 3.0


def test_a_robot_like_another_takes_over_the_tasks_of_the_parts_that_it_has(robot: Robot, tmp_path: Path) -> None:
    text = robot.toml_path.read_text()
    groups = text[text.index("[groups]") : text.index("# Degrees")]
    (tmp_path / "arms.toml").write_text(
        f'name = "arms"\nurdf = "{robot.urdf_path}"\nlike = "optimus"\n{groups}\n[skeleton]\npelvis = "pelvis"\n"{{side}}_forearm" = "{{side}}_forearm"\n'
        '"{side}_hand" = "{side}_wrist"\n'
    )
    arms = Robot.load(tmp_path / "arms.toml")
    names = {task.name for task in arms.file.tasks}
    assert {"pelvis_position", "left_palm_position", "left_forearm_direction", "between_hands_position"} <= names
    assert not any("index" in name or "shoulder" in name or "foot" in name for name in names)
    assert next(task.robot for task in arms.file.tasks if task.name == "left_palm_position") == "left_wrist"
    assert arms.file.regularisation == robot.file.regularisation


def test_a_robot_that_is_like_itself_is_told_so(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(f'extends = "optimus"\nlike = "{two}"\n')
    two.write_text(f'extends = "optimus"\nlike = "{one}"\n')
    with pytest.raises(UsageError, match="leads back to itself"):
        load_robot_file(one)


@pytest.mark.parametrize("line", ["acceleration = nan", "[velocity]\nhead_yaw = nan", "[range]\nhead_yaw = [nan, 10.0]"])
def test_nan_is_no_number_anywhere_in_a_robots_file(tmp_path: Path, line: str) -> None:
    toml = tmp_path / "nan.toml"
    toml.write_text(f'extends = "optimus"\n{line}\n')
    with pytest.raises(UsageError, match="is nan, which is no number"):
        load_robot_file(toml)
