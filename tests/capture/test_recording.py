"""The recording's folder."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bodydouble.capture import Recording, import_videos
from bodydouble.errors import DataError, UnknownNameError, UsageError


def frame_number(image):
    return round((float(image[:, image.shape[1] * 3 // 4].mean()) - 40) / 12)


@pytest.fixture
def recording(make_video, tmp_path):
    videos = [make_video(tmp_path / "in" / "front.mp4"), make_video(tmp_path / "in" / "left.mp4", size=(80, 64))]
    return import_videos(videos, tmp_path / "rec", crops={"left": (3, 4)}, task="lift the cup")


def test_it_tells_what_it_holds(recording):
    opened = Recording.open(recording.folder)
    assert opened.cameras == ("front", "left")
    assert (opened.image_size("front"), opened.image_size("left")) == ((64, 48), (80, 64))
    assert (opened.crop_origin("front"), opened.crop_origin("left")) == (None, (3, 4))
    assert (opened.settings.task, opened.settings.clock, opened.rig_path) == ("lift the cup", "container", None)
    assert np.allclose(opened.times("front"), np.arange(10) / 25)


def test_frames_come_with_their_index_and_true_time(recording):
    read = [(index, time, frame_number(image)) for index, time, image in recording.frames("front", [2, 5])]
    assert read == [(2, 0.08, 2), (5, 0.2, 5)]
    assert len(list(recording.frames("left"))) == 10
    assert frame_number(recording.read("left", 9)) == 9


def test_several_cameras_come_in_step(recording):
    sets = recording.frame_sets(start_s=0.1)
    assert sets.present.all()
    assert sets.frame_index[0, 0] == 3


def test_selected_cameras_are_the_only_ones(recording):
    left = recording.select(["left"])
    assert left.cameras == ("left",)
    assert left.frame_sets().cameras == ("left",)
    with pytest.raises(UnknownNameError, match=r"camera 'front' is not in recording 'rec'; valid: left"):
        left.times("front")


def test_an_unknown_camera_lists_the_near_names(recording):
    with pytest.raises(UnknownNameError, match="Did you mean 'front'"):
        recording.select(["frnt"])
    with pytest.raises(UsageError, match="at least and at most once"):
        recording.select([])
    with pytest.raises(UsageError, match="at least and at most once"):
        recording.select(["front", "front"])


@pytest.mark.parametrize(
    ("indices", "said"),
    [([10], "Frame 10 of camera 'front' does not exist; it has frames 0 to 9"), ([-1], "Frame -1"), ([3, 3], "do not increase")],
)
def test_frames_that_are_not_there_are_refused(recording, indices, said):
    with pytest.raises(UsageError, match=said):
        list(recording.frames("front", indices))


def test_its_key_depends_on_videos_times_and_crops_but_not_on_the_task(recording):
    key = recording.content_key()
    path = recording.folder / "recording.toml"
    path.write_text(path.read_text().replace("lift the cup", "drop the cup"))
    assert Recording.open(recording.folder).content_key() == key
    assert recording.content_key(["front"]) != key
    times = recording.folder / "timestamps.csv"
    times.write_text(times.read_text().replace("front,9,0.36", "front,9,0.37"))
    assert Recording.open(recording.folder).content_key() != key


def test_it_can_be_sent_to_another_process(recording):
    assert pickle.loads(pickle.dumps(recording)).content_key() == recording.content_key()


def test_times_of_a_folder_put_together_by_hand_are_read_from_the_videos(recording):
    (recording.folder / "timestamps.csv").unlink()
    by_hand = Recording.open(recording.folder)
    assert np.array_equal(by_hand.times("front"), recording.times("front"))
    again = Recording.open(recording.folder)
    assert by_hand.content_key() == again.content_key() == recording.content_key()
    assert not (recording.folder / "timestamps.csv").exists(), "opening writes nothing into it"


def test_times_that_came_from_outside_are_not_made_up(recording):
    path = recording.folder / "recording.toml"
    path.write_text(path.read_text().replace('"container"', '"external"'))
    (recording.folder / "timestamps.csv").unlink()
    with pytest.raises(DataError, match=r"timestamps\.csv is missing"):
        Recording.open(recording.folder)


def test_a_missing_folder_and_a_folder_of_something_else_are_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        Recording.open(tmp_path / "none")
    with pytest.raises(UsageError, match=r"not a recording: it has no recording\.toml"):
        Recording.open(tmp_path)


def test_a_missing_video_is_named(recording):
    (recording.folder / "left.mp4").unlink()
    with pytest.raises(DataError, match=r"video of camera 'left' is missing: .*left\.mp4"):
        Recording.open(recording.folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('task = "lift', 'tsk = "lift', r"unknown key 'tsk'.*Did you mean 'task'"),
        ('video = "front.mp4"', 'vidoe = "front.mp4"', r"cameras\.front\.vidoe"),
        ('video = "front.mp4"', 'video = "/data/front.mp4"', "inside the recording's folder"),
        ('video = "front.mp4"', 'video = "../front.mp4"', "inside the recording's folder"),
        ('clock = "container"', 'clock = "wall"', "clock"),
    ],
)
def test_wrong_settings_name_the_key(recording, old, new, said):
    path = recording.folder / "recording.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=said):
        Recording.open(recording.folder)


def test_a_recording_without_cameras_is_refused(tmp_path):
    (tmp_path / "recording.toml").write_text('name = "a"\n[cameras]\n')
    with pytest.raises(UsageError, match="cameras"):
        Recording.open(tmp_path)


def test_a_video_of_another_size_than_declared_is_noticed(recording, make_video):
    make_video(recording.folder / "front.mp4", size=(32, 32))
    with pytest.raises(DataError, match=r"Frame 0 of camera 'front' is 32x32 px; .*says 64x48"):
        next(recording.frames("front"))
