"""``bodydouble process``: exit codes, what it prints, and what is left when it is stopped."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bodydouble import assets
from bodydouble.capture import frame_results
from bodydouble.cli.process import STAGE_TEXTS, app
from bodydouble.datasets import read_episode
from bodydouble.datasets.pipeline import STAGES
from bodydouble.errors import FileExistsUsageError, UsageError

COMMAND = [sys.executable, "-P", "-m", "bodydouble", "process"]


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def bodydouble(*arguments: object, cache: Path, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BODYDOUBLE_CACHE": str(cache), "COLUMNS": "200"}
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, **options)


@pytest.fixture
def empty_cache(tmp_path, pose_model, hand_model) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "assets").symlink_to(assets.assets_folder(), target_is_directory=True)
    return folder


def test_every_stage_has_a_text_for_its_bar():
    assert set(STAGE_TEXTS) == set(STAGES)


def test_json_is_one_object_and_nothing_else(sample_cache, tmp_path):
    done = run(sample_cache.recording, "-o", tmp_path / "e.h5", "--stop", "2", "--json")
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["episode"]) == (2, str(tmp_path / "e.h5"))
    assert summary["grade"] == read_episode(tmp_path / "e.h5").grade
    assert set(summary["quality"]["reprojection_median_px"]) == {"value", "unit", "threshold", "verdict"}
    assert done.stderr == ""


def test_one_uncalibrated_camera_is_graded_c_with_what_was_assumed_in_the_table(sample_cache, tmp_path):
    done = run(sample_cache.recording, "-o", tmp_path / "one.h5", "--cameras", "cam04", "--rig", "none", "--stop", "3")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    assert "Assumed, not measured:" in words
    assert "cam04.focal_px" in words
    assert "stature 1.73 ± 0.1" in words
    assert "Grade C" in words or "Grade D" in words


def test_an_existing_output_exits_2_and_stays_as_it_was(sample_run, tmp_path):
    out = tmp_path / "episode.h5"
    out.write_text("precious")
    done = bodydouble(sample_run.recording, "-o", out, "--stop", "2", cache=sample_run.cache)
    assert done.returncode == 2
    assert (
        done.stderr == f"Error: {out} already exists and was left as it is. Pass --force to replace it, or choose another output with -o.\n"
    )
    assert out.read_text() == "precious"
    with pytest.raises(FileExistsUsageError):
        run(sample_run.recording, "-o", out)


def test_force_replaces_the_output(sample_cache, tmp_path):
    out = tmp_path / "episode.h5"
    out.write_text("old")
    assert run(sample_cache.recording, "-o", out, "--stop", "1", "--force").exit_code == 0
    assert read_episode(out).frames == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rig", "none"], "4 cameras (cam01, cam02, cam03, cam04) but no rig"),
        (["--cameras", "cam04,cam5"], "camera 'cam5' is not in recording 'recording'; valid: cam01, cam02, cam03, cam04."),
        (["--start", "5", "--stop", "5"], "The range of frames 5 to 5 is empty"),
        (["--robot", "optimu"], "Did you mean 'optimus'?"),
        (["--stature", "175"], "--stature 175.0 is not a person's height in metres; expected 0.5 to 2.5"),
        (["--stature", "0.2"], "expected 0.5 to 2.5, e.g. --stature 1.73"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_a_wrong_option_exits_2_with_one_sentence_and_writes_nothing(sample_cache, tmp_path, monkeypatch, capsys, arguments, said):
    from bodydouble.cli import app as command

    monkeypatch.setattr(sys, "argv", ["bodydouble", "process", str(sample_cache.recording), "-o", str(tmp_path / "e.h5"), *arguments])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_not_there_and_an_output_that_is_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere does not exist"):
        run(tmp_path / "nowhere", "-o", tmp_path / "e.h5")
    with pytest.raises(UsageError, match=r"is a folder; the name of an episode file was expected"):
        run(tmp_path, "-o", tmp_path, "--force")


def test_a_video_that_cannot_be_read_exits_1_and_is_named(tmp_path, empty_cache):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "front.mp4").write_bytes(b"no video at all" * 100)
    done = bodydouble(folder, "-o", tmp_path / "e.h5", cache=empty_cache)
    assert done.returncode == 1
    assert "front.mp4" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("limit", "kept"), [(8_000, []), (60_000, ["landmarks"]), (500_000, ["landmarks", "motion", "trajectory"])])
def test_a_full_disk_in_any_stage_exits_1_and_leaves_nothing_half(sample_run, empty_cache, tmp_path, limit, kept):
    """No file may grow beyond the limit: too little for the landmarks, for the motion, for the episode."""
    if limit > 8_000:
        shutil.copytree(sample_run.cache / "landmarks", empty_cache / "landmarks")
    out = tmp_path / "out"
    out.mkdir()
    (out / "e.h5").write_text("precious")
    done = bodydouble(
        sample_run.recording, "-o", out / "e.h5", "--force", "--stop", "10", cache=empty_cache,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Error: No space left while writing" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "e.h5").read_text() == "precious"
    assert [path.name for path in out.iterdir()] == ["e.h5"]
    assert not list(empty_cache.glob("*/**/.*partial"))
    assert sorted(path.name for path in empty_cache.iterdir() if path.name != "assets" and any(path.rglob("*.h5"))) == kept


def test_without_models_and_network_it_exits_1_and_says_what_is_needed(sample_run, tmp_path, monkeypatch):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    done = bodydouble(sample_run.recording, "-o", tmp_path / "e.h5", "--stop", "2", cache=tmp_path / "nothing")
    assert done.returncode == 1
    assert "Error: 'pose_landmarker_full.task' could not be fetched" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "e.h5").exists()


def test_a_folder_of_videos_is_as_good_as_a_recording(sample_cache, tmp_path, monkeypatch):
    """The same video under the same name: not even its detections are made again."""
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a detector was started"))
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(sample_cache.recording / "cam04.mp4", folder)
    done = run(folder, "-o", tmp_path / "e.h5", "--stop", "2", "--json")
    assert json.loads(done.stdout)["frames"] == 2
    assert [path.name for path in folder.iterdir()] == ["cam04.mp4"]


def processes_of_group(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(member) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def start(sample_run, cache: Path, out: Path) -> subprocess.Popen[str]:
    command = [*COMMAND, str(sample_run.recording), "-o", str(out), "--cameras", "cam03,cam04", "--start", "20", "--stop", "23"]
    environment = {**os.environ, "BODYDOUBLE_CACHE": str(cache), "COLUMNS": "200"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_ctrl_c_while_detecting_leaves_no_process_and_no_file_and_the_same_command_succeeds(sample_run, empty_cache, tmp_path):
    out = tmp_path / "e.h5"
    process = start(sample_run, empty_cache, out)
    deadline = time.monotonic() + 60
    while len(processes_of_group(process.pid)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the command
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped. What was finished is kept; the same command goes on from there." in errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 5  # multiprocessing's own resource tracker ends when it notices that the command is gone
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of_group(process.pid) == []
    assert not out.exists()
    process = start(sample_run, empty_cache, out)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert read_episode(out).frames == 3


@pytest.mark.parametrize("stage", ["estimate", "retarget", "write_episode"])
def test_ctrl_c_in_a_later_stage_leaves_nothing_and_keeps_the_stages_before(sample_cache, tmp_path, monkeypatch, capsys, stage):
    from bodydouble.cli import app as command
    from bodydouble.datasets import pipeline

    def stopped(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "e.h5"
    out.write_text("precious")
    monkeypatch.setattr(pipeline, stage, stopped)
    # A stature of its own, so that no stage after the detection is in the cache.
    stature = str(1.70 + 0.01 * ["estimate", "retarget", "write_episode"].index(stage))
    arguments = ["process", str(sample_cache.recording), "-o", str(out), "--force", "--stop", "2", "--stature", stature]
    monkeypatch.setattr(sys, "argv", ["bodydouble", *arguments])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == 130
    assert "Stopped. What was finished is kept" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["e.h5"]


def test_help_ends_with_an_example():
    assert "Example: bodydouble process" in run("--help").output
