"""The examples are the documentation: each is short, says what it shows, and runs."""

from __future__ import annotations

import ast
import os
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
    assert [path.name[:2] for path in EXAMPLES] == ["01", "02"]


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
