"""LeRobot's own reader, tools and converter on our exports, in the environment of ``make judges``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.samples import take_samples
from bodydouble.datasets.segments import Segment
from bodydouble.hand_pose.human_motion import Source

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets" / "exports"))
from natural_episode import images_of, make_export, natural_episode, psnr_db

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".judges" / "bin" / "python"
COMPAT = ROOT.parent / "shared" / "judges"

pytestmark = [
    pytest.mark.judges,
    pytest.mark.skipif(not PYTHON.exists(), reason="LeRobot's environment is missing; `make judges` makes it"),
    pytest.mark.skipif(not (COMPAT / "lerobot_compat.py").exists(), reason=f"{COMPAT / 'lerobot_compat.py'} is missing"),
]

SIZES = {"ego": (320, 240), "chest": (160, 120)}
LENGTHS = (24, 20, 31)


def judge(folder: Path, *arguments: Any) -> Any:
    """Run a judge in ``folder`` and return its output; an error is shown as it is."""
    environment = {**os.environ, "PYTHONPATH": str(COMPAT), "PYTHONWARNINGS": "ignore", "HF_HOME": str(folder / "hf"), "SVT_LOG": "1"}
    done = subprocess.run(
        [PYTHON, "-P", *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=570
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def answer(folder: Path, what: str, export: Path) -> Any:
    """Return what ``lerobot_judge.py`` answers."""
    return json.loads(judge(folder, Path(__file__).with_name("lerobot_judge.py"), what, export, folder).splitlines()[-1])


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three episodes: joints that stand still, each time elsewhere; joints that are unknown at first; a camera that drops frames; sentences within one."""
    folder = tmp_path_factory.mktemp("episodes")
    paths = []
    for number, length in enumerate(LENGTHS):
        segments = (Segment(0.2, 0.4, "reach"),) if number == 1 else ()
        episode = natural_episode(length, SIZES, joints=12, seed=number, segments=segments)
        trajectory, recording = episode.trajectory, episode.recording
        positions, source, taken = trajectory.positions.copy(), trajectory.joint_source.copy(), recording.times_s.copy()
        positions[:, 3] = 0.1 * number
        positions[:3, 5], source[:3, 5] = np.nan, Source.MISSING
        source[4, 6] = Source.INTERPOLATED
        taken[1, 7:9] = np.nan
        landmarks = replace(episode.landmarks, times_s=taken)
        episode = replace(
            episode, trajectory=replace(trajectory, positions=positions, joint_source=source), recording=replace(recording, times_s=taken),
            landmarks=landmarks, camera_track=None,
        )  # fmt: skip
        paths.append(folder / f"episode_{number}.h5")
        write_episode(paths[-1], episode, images=images_of(episode, seed=number))
    return paths


@pytest.fixture(scope="module", params=["h264", "av1"])
def exported(request: pytest.FixtureRequest, episodes: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_export(tmp_path_factory.mktemp(request.param), "lerobot", episodes, codec=request.param)[0]


def test_lerobots_reader_accepts_the_export_with_chunks_of_actions(exported, tmp_path):
    said = judge(tmp_path, COMPAT / "lerobot_v3_open.py", exported, "--backend", "pyav")
    assert f"OK lerobot reader: {len(LENGTHS)} episodes, {sum(LENGTHS)} frames" in said
    assert "'action': ((16, 12)" in said


def test_lerobot_shows_the_stored_images_the_samples_and_the_masks(exported, episodes, tmp_path):
    said = answer(tmp_path, "read", exported)
    assert said["batched"] == sum(LENGTHS)
    with np.load(tmp_path / "items.npz") as file:
        items = dict(file)
    start = 0
    for path, length in zip(episodes, LENGTHS, strict=True):
        episode = read_episode(path)
        samples = take_samples(episode, ExportSettings(), 30.0, tuple(SIZES))
        at = slice(start, start + length)
        assert said["tasks"][at] == list(samples.tasks)
        for name, signal in {"observation.state": samples.state, "action": samples.action, "observation.base": samples.base}.items():
            np.testing.assert_array_equal(items[name][at], signal.filled)
            np.testing.assert_array_equal(items["observation.mask." + name.removeprefix("observation.")][at], signal.source)
        fresh = np.stack([camera.fresh for camera in samples.cameras.values()], axis=1)
        assert fresh.sum() == 2 * length - 2
        np.testing.assert_array_equal(items["observation.mask.cameras"][at], fresh)
        for camera, shown in samples.cameras.items():
            images = items[f"observation.images.{camera}"][at].transpose(0, 2, 3, 1)
            worst = min(psnr_db(image, episode.image(camera, int(frame))) for image, frame in zip(images, shown.frame, strict=True))
            assert worst >= 32.0, camera
        start += length


def test_lerobots_tools_delete_and_merge_the_export(exported, tmp_path):
    said = answer(tmp_path, "tools", exported)
    assert (said["thinned"], said["merged"]) == (LENGTHS[0] + LENGTHS[2], said["expected"])
    assert said["different"] == []
    assert not any("file-001" in name and not name.startswith("meta") for name in said["files"]), "the deleted episode's files are gone"


def test_lerobot_normalises_every_number_to_something_moderate(exported, tmp_path):
    for way, largest in answer(tmp_path, "normalise", exported).items():
        assert {"action", "observation.state", "observation.mask.state", "observation.mask.cameras"} <= largest.keys()
        for name, size in largest.items():
            assert size < 100, (way, name)


def test_lerobot_combines_the_episodes_statistics_to_the_same(exported, tmp_path):
    different = answer(tmp_path, "statistics", exported)
    assert {name.rpartition("/")[2] for name in different} <= {"q01", "q10", "q90", "q99"}, "of numbers that stand still in each episode"
    assert not any(name.startswith("observation.images") for name in different)


def test_lerobots_converter_takes_the_gr00t_export(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    assert answer(tmp_path, "convert", out) == {"steps": sum(LENGTHS)}
    said = judge(tmp_path, COMPAT / "lerobot_v3_open.py", tmp_path / "converted", "--backend", "pyav")
    assert "annotation.human.task_description" in said
    assert answer(tmp_path, "read", tmp_path / "converted")["tasks"][LENGTHS[0] + 7] == "reach"
