"""robomimic's own reader opens the export: ``SequenceDataset`` in a data loader of two workers, and its script that describes a data set."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.datasets import write_episode
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import delete_episodes, export, merge_exports

pytestmark = pytest.mark.judges

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def python() -> Path:
    """Give the interpreter that robomimic is installed for."""
    path = ROOT / ".judges" / "bin" / "python"
    if not path.exists():
        pytest.skip("robomimic is not installed: run `make judges`")
    return path


@pytest.fixture(scope="module")
def judge() -> Path:
    """Give the program that opens a file with robomimic's reader."""
    path = ROOT.parent / "shared" / "judges" / "robomimic_open.py"
    if not path.exists():
        pytest.skip("../shared/judges/robomimic_open.py is not beside this checkout")
    return path


@pytest.fixture
def exported(simulated_episode: Any, simulated_images: Callable[[Any], Iterator[Any]], tmp_path: Path) -> Callable[..., Path]:
    """Export simulated episodes, one for each recording named."""

    def make(name: str, *recordings: str, **settings: Any) -> Path:
        paths = []
        for recording in recordings:
            episode = simulated_episode()
            moved = episode.trajectory.positions + np.array([0.0, 0.001, 0.002]) * (1 + int.from_bytes(recording.encode(), "big"))
            episode = replace(episode, trajectory=replace(episode.trajectory, positions=moved), provenance={"videos": {"wide": recording}})
            paths.append(tmp_path / f"{name}-{recording}.h5")
            write_episode(paths[-1], episode, images=simulated_images(episode))
        plan = plan_export("robomimic", paths, ExportSettings(allow_unconsented=True, **settings))
        export(plan, tmp_path / f"{name}.hdf5")
        return tmp_path / f"{name}.hdf5"

    return make


def said_of(python: Path, *arguments: object, cwd: Path) -> str:
    done = subprocess.run([python, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("settings", [{}, {"state": "positions+velocities", "action": "delta"}, {"cameras": (), "joints": ("left_arm",)}])
def test_sequences_are_read_by_two_workers(python, judge, exported, tmp_path, settings):
    said = said_of(python, judge, exported("e", "a", "b", **settings), "--workers", 2, cwd=tmp_path)
    assert "OK robomimic reader: 2 demos, 8 sequences" in said
    assert "outside [-1, 1]" not in said
    assert ("'wide_image': (16, 90, 160, 3)" in said) == (settings.get("cameras") != ())


def test_both_sides_can_be_asked_for(python, judge, exported, tmp_path):
    path = exported("e", *"abcdefghijkl", image_size=(40, 30))
    counts = []
    for side in ("train", "valid"):
        said = said_of(python, judge, path, "--workers", 2, "--filter", side, cwd=tmp_path)
        counts.append(int(re.search(r"reader: (\d+) demos", said).group(1)))
    assert sum(counts) == 12
    assert min(counts) > 0


def test_a_merged_export_that_lost_an_episode_is_read_too(python, judge, exported, tmp_path):
    merge_exports([exported("one", "a", "b"), exported("two", "c")], tmp_path / "both.hdf5")
    delete_episodes(tmp_path / "both.hdf5", ["0"])
    assert "OK robomimic reader: 2 demos, 8 sequences" in said_of(python, judge, tmp_path / "both.hdf5", "--workers", 2, cwd=tmp_path)


def test_robomimics_script_describes_it(python, exported, tmp_path):
    said = said_of(python, "-m", "robomimic.scripts.get_dataset_info", "--dataset", exported("e", "a", "b"), cwd=tmp_path)
    assert "total transitions: 8" in said
    assert '"env_name": "optimus"' in said
    assert "filter key valid with 1 demos" in said
