"""Frames of many episodes at random: the right ones, in every process, without keeping files open or memory filled."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.episode_frames import EpisodeFrames
from bodydouble.errors import DataError, UnknownNameError, UsageError


@pytest.fixture
def two_episodes(written_episode, simulated_episode, simulated_images, tmp_path) -> list[Path]:
    episode = simulated_episode()
    write_episode(tmp_path / "videos.h5", episode, images=simulated_images(episode), encoding="h264")
    return [written_episode, tmp_path / "videos.h5"]


def test_every_frame_of_every_episode_has_a_number(two_episodes):
    frames = EpisodeFrames(two_episodes, cameras=("wide",), horizon=2)
    assert len(frames) == 8
    episode = read_episode(two_episodes[0])
    for index in range(8):
        item = frames[index]
        assert (item["episode"], item["frame"]) == divmod(index, 4)
        np.testing.assert_allclose(item["state"], episode.trajectory.positions[index % 4])
        np.testing.assert_array_equal(item["state_source"], episode.trajectory.joint_source[index % 4])
        assert item["time_s"] == episode.times_s[index % 4]
    assert frames[-1]["frame"] == 3
    with pytest.raises(IndexError):
        frames[8]


def test_actions_are_the_next_positions_and_missing_beyond_the_end(two_episodes):
    frames = EpisodeFrames(two_episodes[:1], horizon=3)
    positions = read_episode(two_episodes[0]).trajectory.positions
    np.testing.assert_allclose(frames[0]["action"], positions[1:4])
    late = frames[2]
    np.testing.assert_allclose(late["action"][0], positions[3])
    assert np.isnan(late["action"][1:]).all()
    assert (late["action_source"][1:] == 0).all()
    assert (late["action_source"][0] == 1).all()


def test_an_image_that_is_not_there_is_black_and_says_so(two_episodes):
    frames = EpisodeFrames(two_episodes, cameras=("wide", "portrait"))
    for start in (0, 4):
        item = frames[start + 2]
        assert item["image_present.wide"] == 0
        assert not item["image.wide"].any()
        assert item["image.wide"].shape == (90, 160, 3)
        assert item["image_present.portrait"] == 1
        assert abs(int(item["image.portrait"][5, 5, 0]) - 40) <= 6


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_open_their_own_files(two_episodes, method):
    frames = EpisodeFrames(two_episodes, cameras=("wide",))
    here = frames[5]["state"].tolist()  # the parent has the file open when it forks
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert [item["state"].tolist() for item in pool.map(frames.__getitem__, [5] * 4)] == [here] * 4
    assert pickle.loads(pickle.dumps(frames))[5]["state"].tolist() == here


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader_of_torch_gets_every_frame_once(two_episodes, method):
    torch = pytest.importorskip("torch", reason="torch (of the extra 'simulate') is not installed")
    frames = EpisodeFrames(two_episodes, cameras=("wide",), horizon=2)
    loader = torch.utils.data.DataLoader(frames, batch_size=3, shuffle=True, num_workers=2, multiprocessing_context=method)
    seen = [(int(episode), int(frame)) for batch in loader for episode, frame in zip(batch["episode"], batch["frame"], strict=True)]
    assert sorted(seen) == [(episode, frame) for episode in range(2) for frame in range(4)]


def test_no_more_files_are_open_than_allowed(written_episode, tmp_path):
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.h5")
        shutil.copy(written_episode, paths[-1])
    frames = EpisodeFrames(paths, max_open=2)
    for index in range(0, len(frames), 4):
        frames[index]
    assert [episode.file.filename for episode in frames._open.values()] == [str(path) for path in paths[-2:]]
    frames.close()
    assert frames[0]["frame"] == 0


def test_what_is_no_episode_or_has_no_such_camera_is_named(two_episodes, tmp_path):
    with pytest.raises(UnknownNameError, match="wide"):
        EpisodeFrames(two_episodes, cameras=("widest",))
    with pytest.raises(UsageError, match="does not exist"):
        EpisodeFrames([tmp_path / "none.h5"])
    frames = EpisodeFrames(two_episodes)
    two_episodes[0].write_bytes(two_episodes[0].read_bytes()[:3000])
    with pytest.raises(DataError, match="bodydouble validate"):
        frames[0]
