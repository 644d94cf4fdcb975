"""A few of the random kills of ``tests/kill_at_random.py``, which does hundreds."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bodydouble import assets


@pytest.fixture(scope="module")
def killing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_at_random", Path(__file__).parents[2] / "kill_at_random.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("format_name", ["lerobot", "robomimic"])
def test_exports_survive_being_killed(killing, sample_run, tmp_path, format_name):
    count = killing.kill_export(sample_run.episode, tmp_path, format_name, 4, np.random.default_rng(os.getpid()))
    assert count.kills == 4
    assert (count.lost, count.half, count.failed_reruns) == (0, 0, 0)


def test_processing_survives_being_killed(killing, sample_run, tmp_path, monkeypatch):
    # A copy of the results, for the script deletes some of them and others use the originals.
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "assets").symlink_to(assets.assets_folder(), target_is_directory=True)
    for stage in sample_run.cache.iterdir():
        if stage.name != "assets" and stage.is_dir():
            shutil.copytree(stage, cache / stage.name)
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(cache))
    count = killing.kill_process(sample_run.recording, tmp_path, 3, 10, "h264", np.random.default_rng(os.getpid()))
    assert (count.kills, count.lost, count.half, count.failed_reruns) == (3, 0, 0, 0)
