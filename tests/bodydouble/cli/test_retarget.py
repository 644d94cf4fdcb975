"""``bodydouble retarget``: what it prints, what it writes, and what it says of inputs that cannot be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bodydouble.cli import inspect as inspect_verb
from bodydouble.cli.retarget import app, print_summary, speed_text
from bodydouble.errors import DataError, FileExistsUsageError, UsageError
from bodydouble.gates import Gate
from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.human import LINKS, Human, angle_names, joint_angles, named_lengths
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.retarget import Robot, RobotTrajectory
from bodydouble.retarget.quality import figure_limits
from bodydouble.retarget.trajectory_file import read_trajectory_file

FRAMES, RATE_HZ = 20, 60.0


def run(*arguments: object, verb: Any = app) -> Any:
    result = CliRunner().invoke(verb, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def person() -> HumanMotion:
    """Somebody who stands and bends the left elbow."""
    times = np.arange(FRAMES) / RATE_HZ
    human = Human(typical_lengths(1.73))
    configurations = np.tile(human.rest, (FRAMES, 1))
    configurations[:, 2] = -min(human.landmarks(human.rest)[:, 2])
    configurations[:, human.positions("left_elbow_flexion")] = (0.8 + 0.6 * np.sin(2 * np.pi * times))[:, None]
    return HumanMotion(
        times_s=times, frame="room", link_names=LINKS, link_poses=np.stack([human.link_poses(q) for q in configurations]), joint_names=angle_names(),
        joint_angles=np.stack([joint_angles(human, q) for q in configurations]), joint_source=np.ones((FRAMES, len(angle_names())), np.uint8),
        base_pose=configurations[:, :7], landmarks=np.stack([human.landmarks(q) for q in configurations]), landmark_sigma=np.full((FRAMES, 75), 0.01),
        landmark_source=np.full((FRAMES, 75), Source.OBSERVED, dtype=np.uint8), bone_lengths=named_lengths(human.lengths), stature=1.73, cameras=(),
        relabelled=np.empty((0, FRAMES), np.uint8), fit_error_px=np.zeros(FRAMES),
    )  # fmt: skip


@pytest.fixture(scope="module")
def motion(person: HumanMotion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "bend.h5"
    person.save(path)
    return path


@pytest.fixture(scope="module")
def done(motion: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("done") / "trajectory.h5"
    return out, run(motion, "-o", out, "--json")


def test_json_is_one_object_with_every_figure(done: tuple[Path, Any]) -> None:
    out, result = done
    found = json.loads(result.stdout)
    assert (found["frames"], found["robot"], found["stage"], found["trajectory"]) == (FRAMES, "optimus", "whole", str(out))
    for name in ("frames_per_second", "collision_pairs", "iterations_mean", "warmup_seconds"):
        assert found[name] > 0, name
    for name in figure_limits():
        assert set(found[name]) == {"value", "unit", "threshold", "verdict"}, name
    assert found["palm_position_mm"]["unit"] == "mm"
    assert found["joint_limit_violations"]["value"] == 0
    assert found["acceleration_limit_violations"]["verdict"] == "PASS"
    assert found["pinch_mm"]["value"] is None  # nobody pinches
    assert isinstance(found["unmet_tasks"], dict)
    assert isinstance(found["notes"], list)
    assert result.stderr == ""


def test_the_file_holds_the_motion_its_quality_and_what_it_came_from(done: tuple[Path, Any], motion: Path, person: HumanMotion) -> None:
    out, result = done
    content = read_trajectory_file(out)
    np.testing.assert_array_equal(content.trajectory.times_s, person.times_s)
    bent = content.trajectory.positions[:, content.trajectory.joint_names.index("left_elbow")]
    assert np.ptp(bent) > 0.5
    assert content.provenance["motion"] == motion.name
    assert content.provenance["robot"]["name"] == "optimus"
    assert {name: gate.as_dict() for name, gate in content.quality.items()}.items() <= json.loads(result.stdout).items()
    assert RobotTrajectory.load(out).frames == FRAMES


def test_inspect_shows_a_trajectory_file(done: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    found = json.loads(run(done[0], "--json", verb=inspect_verb.app).stdout)
    assert (found["frames"], found["actuated_joints"], found["robot"]) == (FRAMES, 78, "optimus")
    assert found["quality"]["palm_position_mm"]["unit"] == "mm"
    text = run(done[0], verb=inspect_verb.app).stdout
    for words in ("a robot's trajectory", f"{FRAMES} frames, 60.00 Hz", "bend.h5", "palm_position_mm", "left_hand"):
        assert words in text, words


def test_a_person_reads_figures_remedies_tasks_and_speed(
    motion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out, picture = tmp_path / "t.h5", tmp_path / "strip.png"
    text = run(motion, "-o", out, "--stream", "--picture", picture).stdout
    for words in (
        "palm_position_mm",
        "≤ 5 mm",
        "PASS",
        "trajectory",
        str(out),
        str(picture),
        f"{FRAMES} frames in",
        "frames a second, frame by frame",
    ):
        assert words in text, words
    assert picture.stat().st_size > 10_000
    gate = Gate("unmet_fraction", 0.5, "1", 0.02, "FAIL", "lower", "Choose another robot.")
    spoilt = replace(read_trajectory_file(out), quality={"unmet_fraction": gate}, unmet_tasks={"left_palm_position": 0.5})
    capsys.readouterr()
    print_summary(spoilt, ("The rate was assumed: 120 frames a second.",), {"trajectory": out}, 1.0)
    text = capsys.readouterr().out
    for words in ("FAIL unmet_fraction: Choose another robot.", "left_palm_position", "50.0 %", "The rate was assumed"):
        assert words in text, words


def test_a_figure_that_fails_is_no_failure_of_the_command(motion: Path, person: HumanMotion, tmp_path: Path) -> None:
    poses = person.link_poses.copy()
    poses[:, LINKS.index("left_hand"), :3, :3] = np.diag([1.0, -1.0, -1.0])  # fingers towards the elbow, as no wrist can
    replace(person, link_poses=poses).save(tmp_path / "broken.h5")
    result = run(tmp_path / "broken.h5", "-o", tmp_path / "t.h5", "--stream", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["palm_orientation_deg_p95"]["value"] > 20
    assert found["joint_limit_violations"]["value"] == 0
    assert found["unmet_fraction"]["verdict"] == "FAIL"
    assert "left_palm_orientation" in found["unmet_tasks"]


def test_outputs_are_checked_before_any_work(motion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr("bodydouble.retarget.Robot.load", never)
    (tmp_path / "mine.h5").write_text("mine")
    (tmp_path / "mine.png").write_text("mine")
    with pytest.raises(FileExistsUsageError):
        run(motion, "-o", tmp_path / "mine.h5")
    with pytest.raises(FileExistsUsageError):
        run(motion, "-o", tmp_path / "t.h5", "--picture", tmp_path / "mine.png")
    with pytest.raises(UsageError, match=r"is no picture \(.png\)"):
        run(motion, "-o", tmp_path / "t.h5", "--picture", tmp_path / "s.jpg")
    with pytest.raises(UsageError, match="is a folder"):
        run(motion, "-o", tmp_path)
    assert (tmp_path / "mine.h5").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.bvh",), "does not exist; an episode, a saved motion"),
        (("{folder}",), "is a folder; a motion was expected"),
        (("{motion}", "--rate-hz", "0"), "--rate-hz 0 is no rate"),
        (("{motion}", "--asf", "none.asf"), "--asf none.asf does not exist"),
        (("{motion}", "--robot", "optimas"), "Did you mean 'optimus'"),
        (("{trajectory}",), "is a robot's trajectory, made by `bodydouble retarget`"),
        (("{episode}", "--rate-hz", "60"), "--rate-hz: .* is an episode, which says all that itself"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_was_expected(
    arguments: tuple[str, ...], message: str, motion: Path, done: tuple[Path, Any], written_episode: Path, tmp_path: Path
) -> None:
    known = {"motion": motion, "folder": tmp_path, "trajectory": done[0], "episode": written_episode}
    with pytest.raises(UsageError, match=message):
        run(*(argument.format(**known) for argument in arguments), "-o", tmp_path / "t.h5")
    assert not (tmp_path / "t.h5").exists()


def test_a_motion_in_which_nobody_was_seen_fails_as_data(person: HumanMotion, tmp_path: Path) -> None:
    source = np.full((FRAMES, 75), Source.INFERRED, dtype=np.uint8)
    replace(person, landmark_source=source).save(tmp_path / "nobody.h5")
    with pytest.raises(DataError, match="nothing of a person was observed"):
        run(tmp_path / "nobody.h5", "-o", tmp_path / "t.h5")
    assert DataError.exit_code == 1


def test_a_stopped_run_leaves_nothing_half(motion: Path, person: HumanMotion, tmp_path: Path) -> None:
    long = 12_000
    arrays = ("link_poses", "joint_angles", "joint_source", "base_pose", "landmarks", "landmark_sigma", "landmark_source", "fit_error_px")
    reps = {name: np.repeat(getattr(person, name), long // FRAMES, axis=0) for name in arrays}
    replace(person, times_s=np.arange(long) / 600.0, relabelled=np.empty((0, long), np.uint8), **reps).save(tmp_path / "long.h5")
    command = [sys.executable, "-P", "-m", "bodydouble", "retarget", str(tmp_path / "long.h5"), "-o", str(tmp_path / "t.h5")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    time.sleep(4.0)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Stopped." in stderr
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["long.h5"]


def test_what_is_read_is_never_written_over_not_even_with_force(motion: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.h5"
    own.write_bytes(motion.read_bytes())
    (tmp_path / "link.h5").symlink_to(own)
    for out in (own, tmp_path / "link.h5"):
        with pytest.raises(UsageError, match="is read by this command and would be lost"):
            run(own, "-o", out, "--force")
    assert own.read_bytes() == motion.read_bytes()


def test_a_motion_whose_name_is_no_text_is_retargeted(motion: Path, tmp_path: Path) -> None:
    own = tmp_path / os.fsdecode(b"bend\xff.h5")
    try:
        own.write_bytes(motion.read_bytes())
    except OSError:
        pytest.skip("this file system refuses names that are no UTF-8")
    assert run(own, "-o", tmp_path / "out.h5", "--stream").exit_code == 0
    assert read_trajectory_file(tmp_path / "out.h5").provenance["motion"] == "bend?.h5"


def test_a_hand_whose_wrist_is_never_seen_fails_as_data(shared_data: Path, tmp_path: Path) -> None:
    hand = np.load(shared_data / "hands/dexretarget_hand_joints.npy")[:40].copy()
    hand[:, 0] = np.nan
    np.save(tmp_path / "hand.npy", hand)
    with pytest.raises(
        DataError, match="nothing in the motion can be followed by robot 'optimus': the right wrist is missing in all of its 40 frames"
    ) as raised:
        run(tmp_path / "hand.npy", "-o", tmp_path / "t.h5", "--rate-hz", "30")
    assert "a hand needs its wrist" in str(raised.value)
    assert not (tmp_path / "t.h5").exists()


@pytest.mark.parametrize("keep", [0, 40, 5000])
def test_a_file_that_is_cut_off_is_said_to_be(motion: Path, written_episode: Path, tmp_path: Path, keep: int) -> None:
    for whole in (motion, written_episode):
        cut = tmp_path / f"cut_{whole.name}"
        cut.write_bytes(whole.read_bytes()[:keep])
        with pytest.raises(DataError, match="is empty;" if keep == 0 else "is truncated or damaged") as raised:
            run(cut, "-o", tmp_path / "t.h5")
        assert "Copy it again" in str(raised.value)
        assert "synchronously" not in str(raised.value)


def test_one_frame_is_one_frame(done: tuple[Path, Any]) -> None:
    content = read_trajectory_file(done[0])
    assert speed_text(replace(content, trajectory=replace(content.trajectory, solver={})), 1.0) == f"{FRAMES} frames in 1.0 s"
    single: Any = SimpleNamespace(trajectory=SimpleNamespace(frames=1, solver={}))
    assert speed_text(single, 1.0) == "1 frame in 1.0 s"


def test_a_robot_without_mass_is_moved_without_balance_or_torques(motion: Path, tmp_path: Path) -> None:
    urdf = tmp_path / "light.urdf"
    urdf.write_text(re.sub(r"<inertial>.*?</inertial>", "", Robot.load("optimus").urdf_path.read_text(), flags=re.S))
    result = run(motion, "-o", tmp_path / "t.h5", "--urdf", urdf, "--stream", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["palm_position_mm"]["verdict"] == "PASS"
    for name in ("torque_share_p95", "effort_exceeded_pct", "out_of_balance_pct", "support_margin_mm"):
        assert found[name]["value"] is None, name
    assert np.isnan(read_trajectory_file(tmp_path / "t.h5").trajectory.torques).all()
