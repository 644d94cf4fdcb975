"""Images as H.264 beside the episode: the same frames, checked, and never half there."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.cache import file_sha256
from bodydouble.datasets import read_episode, write_episode
from bodydouble.errors import DataError


@pytest.fixture
def with_videos(simulated_episode, simulated_images, tmp_path) -> Path:
    episode = simulated_episode()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode), encoding="h264")
    return tmp_path / "e.h5"


def test_every_frame_comes_back_nearly_as_it_was_in_any_order(with_videos, simulated_episode, simulated_images):
    read = read_episode(with_videos)
    wanted = {(camera, frame): image for camera, frame, image in simulated_images(simulated_episode())}
    for camera, frame in [*wanted, *reversed(wanted)]:
        image = read.image(camera, frame)
        assert image.shape == wanted[camera, frame].shape
        assert np.abs(image.astype(int) - wanted[camera, frame]).max() <= 6
    assert read.image("wide", 2) is None  # the camera dropped it


def test_long_videos_are_read_at_random_and_on_from_there(tmp_path, simulated_episode):
    from bodydouble.datasets.stored_videos import StoredVideos, VideoWriter

    writer = VideoWriter(tmp_path / "v.mp4")
    for frame in range(45):
        assert writer.add(np.full((64, 96, 3), 5 * frame, np.uint8)) == frame
    writer.close()
    with h5py.File(tmp_path / "e.h5", "w") as file:
        data = file.create_dataset("videos/front", data=np.array([-1, *range(45)]))
        data.attrs["file"] = "v.mp4"
    videos = StoredVideos(tmp_path / "e.h5", ("front",))
    assert videos.read("front", 0) is None
    for frame in (31, 32, 33, 7, 7, 45, 1, 12, 30, 29, 44):
        assert abs(float(videos.read("front", frame).mean()) - 5 * (frame - 1)) < 2


def test_the_file_names_each_video_and_its_checksum(with_videos):
    with h5py.File(with_videos) as file:
        assert "images" not in file
        for camera in ("portrait", "wide"):
            stored = file[f"videos/{camera}"].attrs
            assert file_sha256(with_videos.with_name(stored["file"])) == stored["sha256"]
            assert camera in stored["file"]
    assert not list(with_videos.parent.glob(".*"))


def test_replacing_an_episode_removes_the_videos_that_nothing_needs(with_videos, simulated_episode, simulated_images):
    before = set(with_videos.parent.glob("*.mp4"))
    episode = simulated_episode()
    brighter = [(camera, frame, np.minimum(image + 30, 255).astype(np.uint8)) for camera, frame, image in simulated_images(episode)]
    write_episode(with_videos, episode, images=brighter, encoding="h264", force=True)
    after = set(with_videos.parent.glob("*.mp4"))
    assert len(after) == 2
    assert not before & after
    write_episode(with_videos, episode, images=simulated_images(episode), force=True)
    assert not list(with_videos.parent.glob("*.mp4"))


def test_a_write_that_fails_keeps_the_old_episode_with_its_videos(with_videos, simulated_episode, simulated_images):
    before = {path.name: path.read_bytes() for path in with_videos.parent.iterdir()}
    episode = simulated_episode()
    with pytest.raises(DataError, match="gave no image"):
        write_episode(with_videos, episode, images=list(simulated_images(episode))[:-1], encoding="h264", force=True)
    assert {path.name: path.read_bytes() for path in with_videos.parent.iterdir()} == before


def test_images_out_of_order_and_of_changing_size_are_refused(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    images = list(simulated_images(episode))
    with pytest.raises(DataError, match="in order of time"):
        write_episode(tmp_path / "e.h5", episode, images=[images[1], images[0], *images[2:]], encoding="h264")
    images[1] = (images[1][0], images[1][1], np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(DataError, match="20x20"):
        write_episode(tmp_path / "e.h5", episode, images=images, encoding="h264")
    assert not list(tmp_path.iterdir())


def test_an_episode_with_videos_can_be_written_again_as_jpeg_and_handed_to_other_processes(with_videos, tmp_path):
    episode = read_episode(with_videos)
    write_episode(tmp_path / "jpeg.h5", episode)
    assert read_episode(tmp_path / "jpeg.h5").image("portrait", 3).shape == (128, 72, 3)
    videos = pickle.loads(pickle.dumps(episode.images))
    np.testing.assert_array_equal(videos.read("portrait", 1), episode.image("portrait", 1))


def test_a_video_that_was_left_behind_or_cut_is_named(with_videos):
    episode = read_episode(with_videos)
    video = next(with_videos.parent.glob("*portrait*.mp4"))
    video.rename(video.with_suffix(".away"))
    with pytest.raises(DataError, match=r"beside the episode"):
        episode.image("portrait", 0)
    video.write_bytes(video.with_suffix(".away").read_bytes()[:200])
    with pytest.raises(DataError):
        read_episode(with_videos).image("portrait", 0)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from bodydouble.datasets.stored_videos import VideoWriter\n"
        "from bodydouble.atomic import replacing\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))\n"
        "from bodydouble.errors import BodydoubleError\n"
        "from bodydouble.datasets.image_writing import video_files\n"
        "path = Path(sys.argv[1])\n"
        "rng = np.random.default_rng(0)\n"
        "try:\n"
        "    with video_files(path, ('a',)) as writers, replacing(path) as partial:\n"
        "        for _ in range(60):\n"
        "            writers['a'].add(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))\n"
        "        writers['a'].close()\n"
        "except BodydoubleError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path / "e.h5")], capture_output=True, text=True, check=False)
    assert "No space left" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())
