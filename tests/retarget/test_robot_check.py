"""Checking a robot: every problem at once, each with a verdict and a remedy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from bodydouble.check import Check
from bodydouble.retarget import Robot
from bodydouble.retarget.drafting import draft_robot
from bodydouble.retarget.robot_check import check_robot, overlaps
from bodydouble.retarget.robot_listing import listing


@pytest.fixture
def copied(robot: Robot, tmp_path: Path) -> Path:
    """Return optimus' TOML beside its URDF, with few capsules, which are not looked for anew."""
    shutil.copy(robot.urdf_path, tmp_path)
    path = Path(shutil.copy(robot.toml_path, tmp_path))
    start = path.read_text().index("ignore = [", path.read_text().index("[collision]"))
    rows = ", ".join(f'{{ link = "{side}_forearm", a = [0, 0, 0], b = [0, 0, -0.2], radius = 0.04 }}' for side in ("left", "right"))
    rows += ', { link = "torso", a = [0, 0, 0.1], b = [0, 0, 0.3], radius = 0.1 }'
    end = path.read_text().index("\n]", start) + 2
    path.write_text(path.read_text()[:start] + f"capsules = [{rows}]" + path.read_text()[end:])
    return path


def edit(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


def test_optimus_passes_every_check(robot: Robot) -> None:
    checks = check_robot("optimus")
    assert [check for check in checks if check.verdict != "PASS"] == []
    assert {"robot file", "names", "ranges", "zero pose", "left and right", "tasks", "capsules", "rest posture"} <= {c.name for c in checks}


def test_every_wrong_name_is_listed_at_once_with_the_near_ones(copied: Path) -> None:
    edit(copied, ('"neck_yaw"', '"neck_yav"'), ('thorax = "torso"', 'thorax = "torsso"'), ('landmarks = ["nose"', 'landmarks = ["nost"'))
    failed = [check for check in check_robot(copied) if check.verdict == "FAIL"]
    said = "\n".join(check.found for check in failed)
    assert "'neck_yaw'" in said
    assert "Did you mean 'torso'" in said
    assert "Did you mean 'nose'" in said
    assert "no group holds neck_yaw" in said
    assert all(check.remedy for check in failed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight = 4.0", "wieght = 4.0", "Did you mean 'weight'"),
        ("[groups]", "[groups", "is not valid TOML"),
        ('urdf = "optimus.urdf"', "", "give either `urdf` or `mjcf`"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding(copied: Path, old: str, new: str, message: str) -> None:
    (check,) = check_robot(edit(copied, (old, new)))
    assert (check.name, check.verdict) == ("robot file", "FAIL")
    assert message in check.found


def test_a_description_that_is_cut_short_is_a_finding(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    urdf.write_text(urdf.read_text()[:5000])
    check = found(check_robot(copied), "description")
    assert check.verdict == "FAIL"
    assert "It may be cut short" in check.found
    assert check.remedy


def test_left_and_right_exchanged_is_found(copied: Path) -> None:
    text = copied.read_text()
    start, end = text.index("[skeleton]"), text.index("# ---", text.index("[skeleton]"))
    lines = text[start:end].splitlines()
    swapped = []
    for line in lines:
        if "{side}" in line:
            for side, other in (("left", "right"), ("right", "left")):
                key, _, value = line.partition("=")
                swapped.append(f"{key.replace('{side}', side)}={value.replace('{side}', other)}")
        else:
            swapped.append(line)
    copied.write_text(text[:start] + "\n".join(swapped) + "\n" + text[end:])
    check = found(check_robot(copied), "left and right")
    assert check.verdict == "FAIL"
    assert "to the right of the right one" in check.found
    assert "Exchange left and right" in check.remedy


def test_fingers_counted_from_the_wrong_side_are_found(copied: Path) -> None:
    edit(copied, ('"{side}_{finger}_proximal" = "{side}_{finger}_proximal"\n', "".join(
        f'{side}_{finger}_proximal = "{side}_{other}_proximal"\n'
        for side in ("left", "right")
        for finger, other in zip(("index", "middle", "ring", "little"), ("little", "ring", "middle", "index"), strict=True)
    )), ('"{side}_{finger}_tip" = "{side}_{finger}_tip"\n', "".join(
        f'{side}_{finger}_tip = "{side}_{other}_tip"\n'
        for side in ("left", "right")
        for finger, other in zip(("index", "middle", "ring", "little"), ("little", "ring", "middle", "index"), strict=True)
    ) + '"{side}_thumb_tip" = "{side}_thumb_tip"\n'), ('"{side}_thumb_tip" = "{side}_thumb_tip"\n', ""))  # fmt: skip
    wrong = [check for check in check_robot(copied) if check.name == "left and right"]
    assert [check.verdict for check in wrong] == ["FAIL", "FAIL"]
    assert "the left hand is the other one" in wrong[0].found


def test_a_zero_pose_that_is_not_a_persons_is_found(copied: Path) -> None:
    edit(copied, ("[rest]", '[zero]\n"{side}_elbow" = 90.0\n[rest]'))
    check = found(check_robot(copied), "zero pose")
    assert check.verdict == "FAIL"
    assert "90 degrees off" in check.found
    assert "[zero]" in check.remedy
    edit(copied, ('[zero]\n"{side}_elbow" = 90.0', '[zero]\n"{side}_elbow" = 40.0'))
    assert found(check_robot(copied), "zero pose").verdict == "WARN"


def test_axes_that_are_not_the_persons_are_found(copied: Path) -> None:
    edit(copied, ("[rest]", "[orientation]\nleft_palm = [0.0, 0.0, 180.0]\n[rest]"))
    check = found(check_robot(copied), "zero pose")
    assert check.verdict == "FAIL"
    assert "left hand from the person's axes" in check.found


def test_a_rest_posture_in_collision_names_the_parts(copied: Path) -> None:
    edit(copied, ('"{side}_elbow" = 15.0', '"{side}_elbow" = 100.0\n"{side}_shoulder_yaw" = 80.0'))
    robot = Robot.load(copied)
    assert overlaps(robot, robot.rest)
    check = found(check_robot(copied), "rest posture")
    assert check.verdict == "FAIL"
    assert (
        "left_forearm and torso" in check.found
        or "torso and left_forearm" in check.found
        or "left_forearm and right_forearm" in check.found
    )
    assert overlaps(robot, robot.zero) == {}


def test_a_rest_posture_out_of_range_is_a_finding(copied: Path) -> None:
    edit(copied, ('"{side}_knee" = 3.0', '"{side}_knee" = -3.0'))
    check = found(check_robot(copied), "limits")
    assert check.verdict == "FAIL"
    assert "rest angle of joint 'left_knee' is -3.0 degrees, outside its range 0.0 to 135.0" in check.found


def test_limits_that_are_missing_or_assumed_are_findings(copied: Path) -> None:
    edit(copied.with_name("optimus.urdf"), ('effort="10" velocity="10"', ""))
    edit(copied, ("acceleration = 100.0", ""))
    checks = check_robot(copied)
    assert found(checks, "limits of velocity").found == "1 joints (neck_yaw ...): 10 rad/s is assumed"
    assert found(checks, "limits of effort").verdict == "WARN"
    assert found(checks, "limits of acceleration").verdict == "WARN"
    edit(copied.with_name("optimus.urdf"), ('<limit lower="-0.785398163" upper="0.785398163" />', ""))
    check = found(check_robot(copied), "limits")
    assert check.verdict == "FAIL"
    assert "no range for neck_yaw" in check.found


def test_tasks_that_nothing_can_serve_and_joints_that_nothing_moves_are_warned_of(copied: Path) -> None:
    edit(copied, ("[skeleton]", '[skeleton]\nleft_toes = "left_toes"'), ('"{side}_toes" = "{side}_toes"\n', 'right_toes = "right_toes"\n'))
    text = copied.read_text()
    task = '[[tasks]]\nname = "stiff"\nkind = "relative_position"\norigin = "left_foot"\nrobot = "left_heel"\nweight = 1.0\n'
    copied.write_text(text + "\n" + task)
    check = found(check_robot(copied), "tasks")
    assert check.verdict == "WARN"
    assert "stiff" in check.found


def test_a_joint_that_nothing_moves_is_warned_of(shared_data: Path, tmp_path: Path) -> None:
    text = draft_robot(shared_data / "robots" / "unitree_g1_29dof_dex3.urdf", beside=tmp_path).text
    lines = [line for line in text.splitlines() if not line.startswith(("left_middle", "right_middle"))]
    (tmp_path / "g1.toml").write_text("\n".join(lines))
    check = found(check_robot(tmp_path / "g1.toml"), "driven joints")
    assert check.verdict == "WARN"
    assert "left_hand_middle_0_joint" in check.found


def test_bones_of_different_length_and_uneven_soles_are_warned_of(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    text = urdf.read_text()
    at = text.index('<origin xyz="', text.index('<joint name="right_elbow"'))
    urdf.write_text(text[:at] + '<origin xyz="0 0 -0.2"' + text[text.index('"', at + 13) + 1 :])
    edit(copied, ('contacts = ["left_heel"', 'contacts = ["left_heel", "left_shank"'))
    checks = check_robot(copied)
    assert found(checks, "bones").verdict == "WARN"
    assert "upper arm 310 mm left, 200 mm right" in found(checks, "bones").found
    assert found(checks, "contacts").verdict == "WARN"


def test_links_without_mass_and_missing_meshes_are_warned_of(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    edit(urdf, ('<mass value="0.45"/>', '<mass value="0"/>'))
    edit(
        urdf,
        ('<geometry><cylinder radius="0.04" length="0.085"/></geometry>', '<geometry><mesh filename="package://x/neck.stl"/></geometry>'),
    )
    checks = check_robot(copied)
    assert "without mass: neck" in found(checks, "masses").found
    assert "1 of 1 mesh files are not here (package://x/neck.stl ...)" in found(checks, "meshes").found
    assert not [check for check in checks if check.verdict == "FAIL"]


def test_a_floating_robot_without_feet_or_contacts_is_warned_of(copied: Path) -> None:
    edit(copied, ('contacts = ["left_heel", "left_toe_tip", "right_heel", "right_toe_tip"]', ""))
    check = found(check_robot(copied), "contacts")
    assert check.verdict == "WARN"
    assert "skate" in check.found


def test_another_description_can_be_checked(robot: Robot, copied: Path) -> None:
    copied.with_name("optimus.urdf").unlink()
    assert found(check_robot(copied), "description").verdict == "FAIL"
    assert found(check_robot(copied, robot.urdf_path), "description").verdict == "PASS"


def test_robots_are_listed_without_fetching_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path))
    monkeypatch.setattr("bodydouble.assets.fetch", lambda *_: pytest.fail("nothing is to be fetched"))
    robots = {status.name: status for status in listing()}
    assert (robots["optimus"].joints, robots["optimus"].fingers, robots["optimus"].state) == (78, {"left": 5, "right": 5}, "here")
    assert (robots["unitree_g1_dex3"].joints, robots["unitree_g1_dex3"].fingers) == (43, {"left": 3, "right": 3})
    assert robots["unitree_g1_dex3"].state == "can be fetched"
    assert (robots["leap_left"].state, robots["leap_left"].fingers) == ("not here", {"left": 4})
    assert "dex-urdf" in robots["leap_left"].source
    assert np.all([status.summary for status in robots.values()])


def test_a_robot_without_any_mass_is_warned_of(copied: Path) -> None:
    urdf = copied.with_name("optimus.urdf")
    urdf.write_text(re.sub(r"<inertial>.*?</inertial>", "", urdf.read_text(), flags=re.S))
    check = found(check_robot(copied), "masses")
    assert (check.verdict, check.found) == ("WARN", "the robot has no mass: none of its links has an <inertial> with one")
    assert "Balance is not kept and torques are not computed" in check.remedy
