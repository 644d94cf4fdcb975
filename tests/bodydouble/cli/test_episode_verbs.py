"""inspect, validate and render, called as a person calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import h5py
import pytest


def bodydouble(*arguments):
    return subprocess.run([sys.executable, "-m", "bodydouble", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_inspect_json_is_the_object_that_programs_rely_on(written_episode):
    done = bodydouble("inspect", written_episode, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == [
        "actuated_joints", "joint_groups", "frames", "rate_hz", "duration_s", "cameras", "grade", "masks", "quality", "provenance",
    ]  # fmt: skip
    assert (found["actuated_joints"], found["frames"], found["grade"]) == (3, 4, "A")
    assert found["rate_hz"] == pytest.approx(60.0)
    assert found["joint_groups"]["neck"] == ["neck_yaw"]
    assert set(found["masks"]) == {"body", "left_hand", "right_hand"}
    assert set(found["masks"]["body"]) == {"observed", "interpolated", "inferred"}
    assert set(found["quality"]["reprojection_median_px"]) == {"value", "unit", "threshold", "verdict"}
    assert found["provenance"]["simulated"] is True


def test_inspect_shows_what_a_person_asks_for(written_episode):
    done = bodydouble("inspect", written_episode)
    assert done.returncode == 0, done.stderr
    for words in (
        "4 frames, 60.00 Hz",
        "3 actuated joints",
        "portrait",
        "left_arm",
        "reprojection_median_px",
        "A: all gates pass",
        "seed: 0",
    ):
        assert words in done.stdout


def test_validate_exits_0_for_a_valid_1_for_a_broken_and_2_for_a_missing_file(written_episode, tmp_path):
    assert bodydouble("validate", written_episode).returncode == 0
    missing = bodydouble("validate", written_episode, tmp_path / "no.h5")
    assert missing.returncode == 2
    assert "no such file" in missing.stderr
    with h5py.File(written_episode, "r+") as file:
        file["robot/positions"][1, 1] = 5.0
    broken = bodydouble("validate", written_episode, "--json")
    assert broken.returncode == 1
    answer = json.loads(broken.stdout)
    assert answer["valid"] is False
    assert any(check["verdict"] == "FAIL" and check["remedy"] for check in answer["episodes"][0]["checks"])


@pytest.mark.parametrize("verb", [["inspect"], ["render", "-o", "out.mp4"]])
def test_a_file_that_is_no_episode_is_one_sentence(tmp_path, verb):
    (tmp_path / "text.h5").write_text("hello")
    done = bodydouble(verb[0], tmp_path / "text.h5", *verb[1:])
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_size_that_is_none_is_one_sentence(written_episode):
    done = bodydouble("render", written_episode, "--size", "big")
    assert done.returncode == 2
    assert "--size 1280x720" in done.stderr


def test_an_output_that_is_no_video_and_no_picture_is_one_sentence(written_episode, tmp_path):
    done = bodydouble("render", written_episode, "-o", tmp_path / "preview.gif")
    assert done.returncode == 2
    assert "neither a video (.mp4) nor a picture (.png)" in done.stderr
    assert not (tmp_path / "preview.gif").exists()


def test_inspect_tells_the_size_of_the_stored_images(written_episode):
    lines = bodydouble("inspect", written_episode).stdout.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("wide")] == [["wide", "160x90", "160x90"]]


@pytest.mark.parametrize("verb", ["inspect", "validate", "render"])
def test_help_ends_in_an_example(verb):
    done = bodydouble(verb, "--help")
    assert done.returncode == 0
    assert f"Example: bodydouble {verb}" in done.stdout


CRASHES = """import bodydouble.datasets, os, signal
check = bodydouble.datasets.validate_episode
def crash(path):
    if path.name == "bad.h5":
        os.kill(os.getpid(), signal.SIGSEGV)
    return check(path)
bodydouble.datasets.validate_episode = crash
"""


def test_a_file_that_crashes_hdf5_fails_and_the_others_are_checked(written_episode, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(CRASHES)
    (tmp_path / "bad.h5").write_bytes(written_episode.read_bytes())
    command = [sys.executable, "-m", "bodydouble", "validate", str(tmp_path / "bad.h5"), str(written_episode), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path / "code")})
    assert done.returncode == 1, done.stderr
    bad, good = json.loads(done.stdout)["episodes"]
    assert not bad["valid"]
    assert "crashes HDF5" in bad["checks"][0]["found"]
    assert good["valid"]
    assert "Traceback" not in done.stderr
