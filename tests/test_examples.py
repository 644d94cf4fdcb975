"""The examples are the documentation: each is short, says what it shows, and runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def run(name: str, *arguments: object, cache: Path) -> str:
    (path,) = FOLDER.glob(name)
    command = [sys.executable, "-P", str(path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "BODYDOUBLE_CACHE": str(cache)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples_and_all_of_them_are_run_here():
    assert [path.name[:2] for path in EXAMPLES] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_documented_and_guarded(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in ast.get_docstring(ast.parse(text))
    assert '\nif __name__ == "__main__":\n' in text  # detection starts processes, which import the script again


def test_videos_become_an_episode(sample_run, tmp_path):
    out = run("01_*.py", tmp_path, 3, cache=sample_run.cache)
    assert "3 frames, 78 joints, grade" in out
    assert "cam04 stands at" in out
    assert "PASS  joint_limit_violations = 0 count" in out
    assert (tmp_path / "episode.h5").is_file()


def test_an_episode_is_read(sample_run):
    out = run("02_*.py", sample_run.episode, cache=sample_run.cache)
    assert "positions (10, 78) rad, times 0.000 to 0.150 s" in out
    assert "left_hand  25 joints" in out
    assert "cam03: RGB (960, 544, 3)" in out
    assert "nan" not in out


def test_lenses_are_found_in_the_samples_stills(sample_videos, sample_run):
    out = run("03_*.py", cache=sample_run.cache)
    assert [line[:9] for line in out.splitlines()] == [f"int_cam0{number}" for number in (1, 2, 3, 4)]
    for line in out.splitlines():
        focal, sigma = (float(word) for word in re.search(r"focal length ([\d.]+) \+- ([\d.]+) px", line).groups())
        assert focal == pytest.approx(1679, rel=0.01)  # the sample's Qualisys calibration says 1674 to 1682 px
        assert 0 < sigma < 5


def test_a_rig_is_calibrated_from_a_recording(shared_data, sample_run, tmp_path):
    folder = shared_data / "multicam_calib" / "caliscope_hands_board"
    out = run("03_*.py", folder, folder / "charuco.toml", tmp_path, cache=sample_run.cache)
    assert re.search(r"half are within 0\.[0-2]\d mm", out)
    assert {path.name for path in tmp_path.iterdir()} == {"rig.toml", "calibration_report.html", "calibration_report.json"}


def test_a_simulated_person_is_estimated_and_compared_with_the_truth(simulated_take, sample_run):
    out = run("04_*.py", simulated_take, 4, cache=sample_run.cache)
    assert "simulated person of 1.66 m, 60 moments, cameras front, left_down" in out
    error_mm, lost = re.search(r"hands, where two cameras see them: ([\d.]+) mm from the truth, (\d+) % lost", out).groups()
    assert 2 < float(error_mm) < 40
    assert int(lost) <= 50


def test_a_new_robot_is_drafted_checked_and_moved(sample_run, tmp_path):
    out = run("05_*.py", sample_run.episode, tmp_path, cache=sample_run.cache)
    assert "stranger.toml: human parts found by geometry 65" in out
    assert "fingers of 'part" in out
    assert "FAIL" not in out
    assert "stranger: 78 joints followed 10 frames" in out
    for task in ("left_palm_position", "right_palm_position", "left_index_tip_position"):
        assert float(re.search(rf"{task}: ([\d.]+) mm", out)[1]) < 30
    assert (tmp_path / "stranger.toml").is_file()


def test_an_episode_is_read_frame_by_frame_and_exported(sample_run, tmp_path):
    out = run("06_*.py", sample_run.episode, tmp_path, cache=sample_run.cache)
    assert "action (16, 78)" in out
    assert "finite everywhere: True" in out
