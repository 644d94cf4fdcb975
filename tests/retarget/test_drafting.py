"""A robot file drafted from names and geometry: complete, right, and checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.errors import DataError
from bodydouble.retarget import Robot
from bodydouble.retarget.body_plan import find_body_plan
from bodydouble.retarget.description import read_description
from bodydouble.retarget.drafting import draft_robot, roll_pitch_yaw
from bodydouble.retarget.part_names import digit_of, part_of, side_of, words
from bodydouble.retarget.robot_check import check_robot
from bodydouble.retarget.robot_file import ROBOTS_FOLDER, find_robot, load_robot_file

OPTIMUS = ROBOTS_FOLDER / "optimus" / "optimus.urdf"
SHARED = {
    "allegro_hand_left.urdf": (16, 15), "allegro_hand_right.urdf": (16, 15), "fourier_gr1t2_hand12.urdf": (56, 61),
    "fourier_left_hand_12dof.urdf": (12, 16), "fourier_right_hand_12dof.urdf": (12, 16), "leap_hand_left.urdf": (16, 15),
    "leap_hand_right.urdf": (16, 15), "shadow_e3m5_left.xml": (20, 23), "shadow_e3m5_right.xml": (20, 23), "talos_full_v2.urdf": (32, 39),
    "unitree_g1_29dof_dex3.urdf": (43, 48),
}  # fmt: skip
"""File to actuated joints, and at least so many tasks."""


def renamed(
    folder: Path, *, links: str = "body{}", joints: str = "j{}", turn: tuple[float, float, float] = (0, 0, 0)
) -> tuple[Path, dict[str, str]]:
    """Write optimus with names that say nothing, and its root link turned (degrees); return the file and old to new link names."""
    root = ElementTree.parse(OPTIMUS).getroot()
    new = {link.get("name", ""): links.format(i) for i, link in enumerate(root.findall("link"))}
    for link in root.findall("link"):
        link.set("name", new[link.get("name", "")])
    for i, joint in enumerate(root.findall("joint")):
        joint.set("name", joints.format(i))
        for end in ("parent", "child"):
            element = joint.find(end)
            assert element is not None
            element.set("link", new[element.get("link", "")])
    if any(turn):
        root_turn = Rotation.from_euler("xyz", turn, degrees=True)
        for element in root.findall("joint"):
            if element.find("parent").get("link") == new["pelvis"]:  # type: ignore[union-attr]
                origin = element.find("origin")
                assert origin is not None
                place = root_turn.inv().apply(np.array([float(v) for v in origin.get("xyz", "").split()]))
                angles = (root_turn.inv() * Rotation.from_euler("xyz", [float(v) for v in origin.get("rpy", "0 0 0").split()])).as_euler(
                    "xyz"
                )
                origin.set("xyz", " ".join(map(str, place)))
                origin.set("rpy", " ".join(map(str, angles)))
    path = folder / "nameless.urdf"
    path.write_text(ElementTree.tostring(root, encoding="unicode"))
    return path, new


def drafted(path: Path, folder: Path) -> dict[str, Any]:
    """Draft a robot beside its file and return the TOML's values."""
    draft = draft_robot(path, beside=folder)
    (folder / f"{draft.name}.toml").write_text(draft.text)
    return tomllib.loads(draft.text)


def test_what_is_drafted_for_optimus_is_what_was_written_by_hand(tmp_path: Path) -> None:
    values = drafted(OPTIMUS, tmp_path)
    ours = load_robot_file(find_robot("optimus"))
    assert values["skeleton"] == ours.skeleton
    assert values["base"] == "floating"
    assert sorted(values["contacts"]) == sorted(ours.contacts)
    assert {name: set(group) for name, group in values["groups"].items()} == {name: set(group) for name, group in ours.groups.items()}
    assert "zero" not in values  # it stands as a person does at its own zero
    assert "orientation" not in values
    landmarks = {joint: entry.landmarks for entry in ours.joints for name in entry.joints for joint in ours.groups.get(name, (name,))}
    for entry in values["joints"]:
        for joint in entry["joints"]:
            assert tuple(entry["landmarks"]) == landmarks[joint], joint


def test_a_robot_whose_names_say_nothing_is_told_by_its_shape(tmp_path: Path) -> None:
    path, new = renamed(tmp_path)
    values = drafted(path, tmp_path)
    ours = load_robot_file(find_robot("optimus")).skeleton
    feet = {f"{side}_{point}" for side in ("left", "right") for point in ("heel", "toe_tip")}
    assert {part: link for part, link in values["skeleton"].items() if part not in feet} == {
        part: new[link] for part, link in ours.items() if part not in feet
    }
    robot = Robot.load(tmp_path / "nameless.toml")
    true = Robot.load("optimus").zero_points()
    for part in feet:  # their names are gone, so they are put where the foot's shapes end
        np.testing.assert_allclose(robot.zero_points()[values["skeleton"][part]], true[ours[part]], atol=0.025)


@pytest.mark.parametrize("turn", [(0, 0, 90), (0, 0, 180), (90, 0, 0)])
def test_a_root_link_that_is_turned_is_set_upright(tmp_path: Path, turn: tuple[float, float, float]) -> None:
    path, _ = renamed(tmp_path, links="{}", turn=turn)
    # Names stay as they are: left and right of a turned robot can't be told by y.
    text = path.read_text()
    names = [link.get("name", "") for link in ElementTree.parse(OPTIMUS).getroot().findall("link")]
    joints = [joint.get("name", "") for joint in ElementTree.parse(OPTIMUS).getroot().findall("joint")]
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for key in ("name", "link"):
            value = element.get(key)
            if value is not None and value.isdigit():
                element.set(key, names[int(value)])
            elif value is not None and value[:1] == "j" and value[1:].isdigit():
                element.set(key, joints[int(value[1:])])
    path.write_text(ElementTree.tostring(root, encoding="unicode"))
    values = drafted(path, tmp_path)
    assert "mount" in values
    robot, true = Robot.load(tmp_path / "nameless.toml"), Robot.load("optimus")
    places, expected = robot.zero_points(), true.zero_points()
    for link in ("head", "left_foot", "right_index_tip", "left_palm"):
        np.testing.assert_allclose(places[link], expected[link], atol=1e-6)
    R = robot.link_poses(robot.zero, [0, 0, 0, 0, 0, 0, 1], ["pelvis"])[0, :3, :3] @ robot.link_rotation_offset("pelvis")
    np.testing.assert_allclose(R, np.eye(3), atol=1e-6)


def test_guessed_fingertips_are_near_where_they_are(tmp_path: Path) -> None:
    root = ElementTree.parse(OPTIMUS).getroot()
    for element in [e for e in root if (e.get("name") or "").endswith(("_tip", "_tip_fixed", "_heel", "_heel_fixed"))]:
        root.remove(element)
    (tmp_path / "tipless.urdf").write_text(ElementTree.tostring(root, encoding="unicode"))
    values = drafted(tmp_path / "tipless.urdf", tmp_path)
    robot, true = Robot.load(tmp_path / "tipless.toml"), Robot.load("optimus")
    for digit in ("thumb", "index", "middle", "ring", "little"):
        point = values["skeleton"][f"left_{digit}_tip"]
        assert point in {entry["name"] for entry in values["points"]}
        off = robot.zero_points()[point] - true.zero_points()[f"left_{digit}_tip"]
        assert np.linalg.norm(off) < 0.009, digit


@pytest.mark.parametrize("name", SHARED)
def test_published_robots_work_out_of_the_box(shared_data: Path, tmp_path: Path, name: str) -> None:
    values = drafted(shared_data / "robots" / name, tmp_path)
    joints, tasks = SHARED[name]
    (toml,) = tmp_path.glob("*.toml")
    checks = check_robot(toml)
    assert [check for check in checks if check.verdict == "FAIL"] == []
    robot = Robot.load(toml)
    assert len(robot.joint_names) == joints
    assert len(robot.file.tasks) >= tasks
    assert robot.floating == (joints > 30)
    assert len(robot.collision.pairs) > 0
    assert values["like"] == "optimus"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("unitree_g1_29dof_dex3.urdf", {
            "pelvis": "pelvis", "thorax": "torso_link", "left_thigh": "left_hip_roll_link", "left_shank": "left_knee_link", "left_foot": "left_ankle_roll_link",
            "right_upper_arm": "right_shoulder_roll_link", "right_forearm": "right_elbow_link", "right_hand": "right_wrist_yaw_link",
            "left_thumb_metacarpal": "left_hand_thumb_1_link", "left_index_proximal": "left_hand_index_0_link",
            "left_middle_middle": "left_hand_middle_1_link",
        }),
        ("talos_full_v2.urdf", {
            "left_clavicle": "arm_left_1_link", "left_upper_arm": "arm_left_3_link", "left_forearm": "arm_left_4_link", "left_hand": "arm_left_7_link",
            "right_shank": "leg_right_4_link", "right_foot": "leg_right_6_link", "head": "head_2_link", "neck": "head_1_link", "spine": "torso_1_link",
        }),
        ("allegro_hand_right.urdf", {
            "right_index_tip": "link_3.0_tip", "right_ring_proximal": "link_9.0", "right_thumb_tip": "link_15.0_tip", "right_hand": "wrist",
        }),
        ("allegro_hand_left.urdf", {"left_index_tip": "link_11.0_tip", "left_ring_proximal": "link_1.0", "left_thumb_proximal": "link_15.0"}),
        ("leap_hand_right.urdf", {"right_index_proximal": "mcp_joint", "right_middle_distal": "fingertip_2", "right_ring_tip": "ring_tip_head"}),
        ("shadow_e3m5_left.xml", {
            "left_forearm": "lh_forearm", "left_hand": "lh_palm", "left_little_middle": "lh_lfmiddle", "left_thumb_distal": "lh_thdistal",
        }),
    ],
)  # fmt: skip
def test_parts_of_published_robots_are_the_right_ones(shared_data: Path, tmp_path: Path, name: str, parts: dict[str, str]) -> None:
    skeleton = drafted(shared_data / "robots" / name, tmp_path)["skeleton"]
    assert {part: skeleton.get(part) for part in parts} == parts


def test_a_robot_whose_arms_point_forward_at_zero_is_brought_to_hang(shared_data: Path, tmp_path: Path) -> None:
    values = drafted(shared_data / "robots" / "unitree_g1_29dof_dex3.urdf", tmp_path)
    assert values["zero"] == {"left_elbow_joint": 90.0, "right_elbow_joint": 90.0}
    (toml,) = tmp_path.glob("*.toml")
    robot = Robot.load(toml)
    tip, wrist = (robot.zero_points()[robot.file.skeleton[f"left_{part}"]] for part in ("index_tip", "hand"))
    assert (tip - wrist)[2] < -0.15  # fingers hang down
    thumb = robot.zero_points()[robot.file.skeleton["left_thumb_tip"]]
    assert thumb[1] < wrist[1]  # the palm, and the thumb before it, face the thigh


def test_each_hand_alone_hangs_with_its_palm_inwards(shared_data: Path, tmp_path: Path) -> None:
    for name in ("allegro_hand_left.urdf", "shadow_e3m5_right.xml", "leap_hand_left.urdf", "fourier_right_hand_12dof.urdf"):
        drafted(shared_data / "robots" / name, tmp_path)
    for toml in tmp_path.glob("*.toml"):
        robot = Robot.load(toml)
        side = "left" if "left" in toml.stem else "right"
        places, skeleton = robot.zero_points(), robot.file.skeleton
        knuckle, tip = places[skeleton[f"{side}_middle_proximal"]], places[skeleton[f"{side}_middle_tip"]]
        assert (tip - knuckle)[2] < -0.05, toml.stem
        assert places[skeleton[f"{side}_index_proximal"]][0] > places[skeleton[f"{side}_ring_proximal"]][0], toml.stem
        rest = robot.link_poses(robot.rest, [0, 0, 0, 0, 0, 0, 1], [skeleton[f"{side}_middle_tip"]])[0, :3, 3]
        bent_to = (rest - tip)[1] * (-1 if side == "left" else 1)
        assert bent_to > 0.005, toml.stem  # bent fingers come to the palm's side: a left palm faces right


def test_a_robot_without_legs_stands_on_a_fixed_base(tmp_path: Path) -> None:
    root = ElementTree.parse(OPTIMUS).getroot()
    legs = ("hip", "thigh", "knee", "shank", "ankle", "foot", "toe", "heel")
    for element in [e for e in root if any(word in (e.get("name") or "") for word in legs)]:
        root.remove(element)
    (tmp_path / "torso.urdf").write_text(ElementTree.tostring(root, encoding="unicode"))
    values = drafted(tmp_path / "torso.urdf", tmp_path)
    assert values["base"] == "fixed"
    assert "left_foot" not in values["skeleton"]
    assert values["skeleton"]["left_hand"] == "left_palm"
    robot = Robot.load(tmp_path / "torso.toml")
    assert len(robot.joint_names) == 64
    assert not robot.floating
    assert not any("foot" in task.name or "thigh" in task.name for task in robot.file.tasks)
    assert all(check.verdict != "FAIL" for check in check_robot(tmp_path / "torso.toml"))


def test_missing_ranges_are_assumed_and_said_to_be(tmp_path: Path) -> None:
    text = OPTIMUS.read_text()
    start = text.index('<joint name="neck_yaw"')
    cut = text.index("<limit", start)
    (tmp_path / "r.urdf").write_text(text[:cut] + text[text.index("/>", cut) + 2 :])
    draft = draft_robot(tmp_path / "r.urdf", beside=tmp_path)
    assert "neck_yaw = [-90.0, 90.0] # assumed: the file gives none" in draft.text
    (tmp_path / "r.toml").write_text(draft.text)
    robot = Robot.load(tmp_path / "r.toml")
    assert robot.upper[robot.joint_names.index("neck_yaw")] == pytest.approx(np.pi / 2)


def test_what_has_no_limbs_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cart.urdf").write_text(
        '<robot name="cart"><link name="a"/><link name="b"/><joint name="w" type="continuous"><parent link="a"/><child link="b"/></joint></robot>'
    )
    with pytest.raises(DataError, match=r"no arm, leg, head or hand could be told in the 1 joints of 'cart'") as caught:
        draft_robot(tmp_path / "cart.urdf")
    assert "\n" not in str(caught.value)


def test_every_entry_says_how_it_was_found() -> None:
    draft = draft_robot(OPTIMUS)
    skeleton = draft.text.split("[skeleton]")[1].split("\n\n")[0].strip().splitlines()
    assert len(skeleton) == sum(draft.counts.values()) == 65
    assert all(line.partition(" # ")[2] in ("by its name", "by its place", "a guess: check it") for line in skeleton)


def test_grippers_are_thumb_and_index(shared_data: Path) -> None:
    plan = find_body_plan(read_description(shared_data / "robots" / "talos_full_v2.urdf"))
    for hand in plan.hands:
        assert hand.gripper
        assert list(hand.fingers) == ["thumb", "index"]
    assert any("coupled jaws" in remark for remark in plan.remarks)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("left_hip_pitch_joint", ("left", None, "hip")), ("LHipYawPitch", ("left", None, "hip")), ("rh_FFJ4", ("right", "index", None)),
        ("rh_ffproximal", ("right", "index", None)), ("lh_lfmetacarpal", ("left", "little", None)), ("lh_thbase", ("left", "thumb", None)),
        ("L_pinky_proximal_link", ("left", "little", None)), ("leg_left_3_joint", ("left", None, "leg")), ("joint_12.0", (None, None, None)),
        ("left_upper_arm_pitch_link", ("left", None, "shoulder")), ("right_lower_arm_link", ("right", None, "forearm")),
        ("l_forearm", ("left", None, "forearm")),
        ("left_middle_middle", ("left", "middle", None)), ("bearing_link", (None, None, None)), ("head_1_joint", (None, None, "head")),
        ("gripper_left_inner_double_link", ("left", None, "hand")), ("spring", (None, None, None)),
    ],
)  # fmt: skip
def test_names_say_side_finger_and_part(name: str, said: tuple[str | None, str | None, str | None]) -> None:
    assert (side_of(name), digit_of([name]), part_of(name)) == said


def test_names_are_cut_into_words() -> None:
    assert words("rh_FFJ4") == ("rh", "ff", "j", "4")
    assert words("LHipYaw") == ("l", "hip", "yaw")
    assert words("link_3.0_tip") == ("link", "3", "0", "tip")


@pytest.mark.parametrize("angles", [(0.1, 0.2, 0.3), (1.0, np.pi / 2, 0.4), (np.pi, 0, -1), (0, -np.pi / 2, 0)])
def test_angles_of_a_rotation_give_it_back(angles: tuple[float, float, float]) -> None:
    rotation = Rotation.from_euler("xyz", angles).as_matrix()
    np.testing.assert_allclose(Rotation.from_euler("xyz", roll_pitch_yaw(rotation)).as_matrix(), rotation, atol=1e-7)


def with_limits(folder: Path, source: Path, lower: str, upper: str, *, count: int = 0) -> Path:
    """Write a robot again, the limits of its first ``count`` joints (0: all) changed."""
    path = folder / "changed.urdf"
    text = source.read_text()
    path.write_text(re.sub(r"<limit[^>]*/>", f'<limit lower="{lower}" upper="{upper}" effort="10" velocity="10"/>', text, count=count))
    return path


def test_limits_of_0_to_0_are_none_given_and_assumed(shared_data: Path, tmp_path: Path) -> None:
    urdf = with_limits(tmp_path, shared_data / "robots/unitree_g1_29dof_dex3.urdf", "0", "0")
    draft = draft_robot(urdf)
    assert draft.text.count("# assumed: the file gives none") == 43
    (tmp_path / "changed.toml").write_text(draft.text)
    assert len(Robot.load(tmp_path / "changed.toml", urdf).joint_names) == 43


@pytest.mark.parametrize(
    ("lower", "upper", "count", "said"),
    [
        ("1", "-1", 1, r"the limits of joint 'left_hip_pitch_joint' are inverted \(lower 1, upper -1\)"),
        ("1", "-1", 0, r"the limits of joint 'left_hip_pitch_joint' and of 42 other joints are inverted"),
        ("0.5", "0.5", 2, r"the limits of joint 'left_hip_pitch_joint' and of 1 other joint are empty \(lower 0.5, upper 0.5\)"),
    ],
)
def test_limits_that_leave_no_range_are_one_sentence(
    shared_data: Path, tmp_path: Path, lower: str, upper: str, count: int, said: str
) -> None:
    urdf = with_limits(tmp_path, shared_data / "robots/unitree_g1_29dof_dex3.urdf", lower, upper, count=count)
    with pytest.raises(DataError, match=said + r".*Correct them in the file, or make a joint that does not move .fixed. there"):
        draft_robot(urdf)
