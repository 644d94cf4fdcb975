"""The schema's page, its versions, and files of every version that was ever written."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.datasets import read_episode, validate_episode, write_episode
from bodydouble.datasets.schema import FIELDS, READABLE_VERSIONS, SCHEMA_VERSION, fields_in
from bodydouble.datasets.schema_page import schema_page

GOLDEN = Path(__file__).parent / "golden"
PAGE = Path(__file__).parents[2] / "datasets" / "SCHEMA.md"


def golden(version: int) -> Path:
    return GOLDEN / f"episode_v{version}.h5"


def test_the_page_is_printed_from_the_definition():
    assert PAGE.read_text(encoding="utf-8") == schema_page()


def test_there_is_a_file_of_every_version():
    assert READABLE_VERSIONS[-1] == SCHEMA_VERSION
    for version in READABLE_VERSIONS:
        with h5py.File(golden(version)) as file:
            assert file.attrs["schema_version"] == version


@pytest.mark.parametrize("version", READABLE_VERSIONS)
def test_a_file_of_every_version_is_valid_and_says_what_it_said(version):
    assert [check for check in validate_episode(golden(version)) if check.verdict == "FAIL"] == []
    episode = read_episode(golden(version))
    assert episode.task == "raise the left arm – höher"
    assert episode.frames == 4
    np.testing.assert_allclose(episode.trajectory.positions[:, 1], 2.0 * np.arange(4) / 60.0)
    np.testing.assert_array_equal(episode.actions[:-1], episode.trajectory.positions[1:])
    assert np.isnan(episode.actions[-1]).all()
    assert (episode.action_source[-1] == 0).all()
    assert episode.image("wide", 2) is None
    assert episode.image("wide", 3).shape == (90, 160, 3)
    np.testing.assert_array_equal(episode.camera_track.T_world_camera[0, 1], episode.rig.cameras["portrait"].T_body_camera)
    assert np.isnan(episode.camera_track.T_world_camera[1, 2]).all()


@pytest.mark.parametrize("version", READABLE_VERSIONS)
def test_writing_an_old_episode_again_migrates_it(version, tmp_path):
    write_episode(tmp_path / "e.h5", read_episode(golden(version)))
    assert [check for check in validate_episode(tmp_path / "e.h5") if check.verdict == "FAIL"] == []
    with h5py.File(tmp_path / "e.h5") as file:
        assert file.attrs["schema_version"] == SCHEMA_VERSION
        assert all(field.path in file for field in FIELDS if not field.optional and field.name != "*")


def test_a_version_from_the_future_is_refused_with_the_ones_that_are_read(tmp_path):
    from bodydouble.errors import DataError

    path = tmp_path / "e.h5"
    path.write_bytes(golden(SCHEMA_VERSION).read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(DataError, match=r"versions 1, 2\. Update bodydouble"):
        read_episode(path)


def test_later_versions_only_add():
    assert {field.path for field in fields_in(1)} < {field.path for field in fields_in(2)}
