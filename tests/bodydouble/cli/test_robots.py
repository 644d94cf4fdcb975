"""``bodydouble robots``: what it lists, checks and drafts, and what it says of files that are no robots."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bodydouble.cli.robots import app
from bodydouble.errors import FileExistsUsageError, UnknownNameError, UsageError
from bodydouble.retarget import Robot
from bodydouble.retarget.robot_file import ROBOTS_FOLDER

OPTIMUS = ROBOTS_FOLDER / "optimus"

ARM = """
<robot name="arm">
  <link name="base"><inertial><mass value="2"/><inertia ixx="0.01" iyy="0.01" izz="0.01"/></inertial></link>
  {links}
  {joints}
</robot>
"""


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """Write a left arm with a gripper-less hand: five hinges."""
    names = ("left_shoulder_pitch", "left_shoulder_roll", "left_elbow", "left_wrist_roll", "left_wrist_pitch")
    places, axes = ("0 0.2 0.4", "0 0.03 0", "0 0 -0.3", "0 0 -0.1", "0 0 -0.15"), ("0 1 0", "1 0 0", "0 1 0", "0 0 1", "0 1 0")
    links = "".join(
        f'<link name="{name}_link"><inertial><origin xyz="0 0 -0.05"/><mass value="0.5"/><inertia ixx="0.001" iyy="0.001" izz="0.0005"/></inertial></link>'
        for name in names
    )
    parents = ("base", *(f"{name}_link" for name in names))
    joints = "".join(
        f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{name}_link"/><origin xyz="{place}"/><axis xyz="{axis}"/>'
        '<limit lower="-2" upper="2" velocity="3" effort="20"/></joint>'
        for name, parent, place, axis in zip(names, parents, places, axes, strict=False)
    )
    path = tmp_path / "arm.urdf"
    path.write_text(ARM.format(links=links, joints=joints))
    return path


def test_robots_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    out = run("list").output
    assert "optimus" in out
    assert "can be fetched" in out
    assert "--urdf FILE" in out
    rows = {row["name"]: row for row in json.loads(run("list", "--json").output)}
    assert rows["optimus"]["joints"] == 78
    assert rows["optimus"]["state"] == "here"
    assert rows["shadow_right"]["fingers"] == {"right": 5}
    assert Path(rows["talos"]["toml"]).is_file()


def test_a_good_robot_exits_0_and_says_what_was_checked() -> None:
    result = run("check", "optimus")
    assert result.exit_code == 0
    assert "FAIL" not in result.output
    assert "zero pose" in result.output
    said = json.loads(run("check", "optimus", "--json").output)
    assert said["usable"] is True
    assert {check["verdict"] for check in said["checks"]} == {"PASS"}


def test_a_bad_robot_exits_1_with_every_finding(tmp_path: Path) -> None:
    shutil.copy(OPTIMUS / "optimus.urdf", tmp_path)
    text = (OPTIMUS / "optimus.toml").read_text()
    (tmp_path / "x.toml").write_text(text.replace('thorax = "torso"', 'thorax = "torsso"').replace('"neck_yaw"', '"neck_yav"'))
    result = run("check", tmp_path / "x.toml", "--json")
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert said["usable"] is False
    failed = " ".join(check["found"] for check in said["checks"] if check["verdict"] == "FAIL")
    assert "'torsso'" in failed
    assert "'neck_yav'" in failed
    assert "Did you mean 'neck_yaw'" in failed


def test_a_robot_that_does_not_exist_is_no_finding_but_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"robot 'optimos'.*Did you mean 'optimus'"):
        run("check", "optimos")
    with pytest.raises(UsageError, match=r"x\.toml does not exist"):
        run("check", tmp_path / "x.toml")


def test_another_description_can_be_checked(shared_data: Path) -> None:
    result = run("check", "leap_right", "--urdf", shared_data / "robots" / "leap_hand_right.urdf")
    assert result.exit_code == 0
    assert "16 actuated joints" in result.output


def test_a_description_that_can_be_fetched_is_fetched_by_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_data: Path
) -> None:
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path / "cache"))
    fetched = []

    def path_of(name: str, *_: object) -> Path:
        fetched.append(name)
        shutil.copy(shared_data / "robots" / "shadow_e3m5_left.xml", tmp_path / "left_hand.xml")
        return tmp_path

    monkeypatch.setattr("bodydouble.assets.path_of", path_of)
    assert run("check", "shadow_left").exit_code == 0
    assert set(fetched) == {"shadow_hand"}


def test_a_draft_is_written_checked_and_usable(arm: Path, tmp_path: Path) -> None:
    toml = tmp_path / "my_arm.toml"
    result = run("draft", arm, "-o", toml)
    assert result.exit_code == 0
    assert "human parts found 2 by name, 2 by place" in " ".join(result.output.split())
    robot = Robot.load(toml)
    assert robot.name == "my_arm"
    assert robot.file.skeleton == {
        "left_upper_arm": "left_shoulder_roll_link", "left_forearm": "left_elbow_link", "left_hand": "left_wrist_pitch_link", "thorax": "base",
    }  # fmt: skip
    assert not robot.floating
    assert "left_palm_position" in {task.name for task in robot.file.tasks}
    assert run("check", toml).exit_code == 0


def test_a_draft_is_printed_when_no_file_is_named(arm: Path) -> None:
    out = run("draft", arm, "--name", "lefty").output
    assert 'name = "lefty"' in out
    assert "[skeleton]" in out


def test_a_draft_replaces_nothing_unless_told_to(arm: Path, tmp_path: Path) -> None:
    toml = tmp_path / "arm.toml"
    toml.write_text("mine")
    with pytest.raises(FileExistsUsageError, match=r"arm\.toml already exists.*--force"):
        run("draft", arm, "-o", toml)
    assert toml.read_text() == "mine"
    run("draft", arm, "-o", toml, "--force")
    assert "[skeleton]" in toml.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<robot name='x'>", "is not a whole XML file"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><robot name="&a;"/>', "declares a document type or entities"),
        ('<robot xmlns:xacro="x"><xacro:arm/></robot>', "is a xacro that was not expanded"),
        ('<robot><link name="a"/></robot>', "no arm, leg, head or hand could be told"),
        ('<robot><link name="a"/><link name="b"/></robot>', "exactly one link that hangs on nothing"),
    ],
)
def test_what_is_no_robot_ends_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.urdf").write_text(text)
    command = [sys.executable, "-P", "-m", "bodydouble", "robots", "draft", str(tmp_path / "x.urdf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_draft_never_replaces_the_description_it_is_made_from(arm: Path) -> None:
    before = arm.read_bytes()
    with pytest.raises(UsageError, match="is the description itself"):
        run("draft", arm, "-o", arm, "--force")
    assert arm.read_bytes() == before
