"""Reading videos: true times, upright frames, honest failures."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from bodydouble.capture.video import first_image_size, index_video, read_frames
from bodydouble.errors import DataError

VARIABLE = np.array([0.0, 0.04, 0.05, 0.2, 0.24, 0.9, 1.0])


def frame_number(image):
    return round((float(image[:, image.shape[1] * 3 // 4].mean()) - 40) / 12)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_times_are_the_containers_even_at_a_variable_rate(make_video, tmp_path, name):
    index = index_video(make_video(tmp_path / name, VARIABLE))
    assert np.allclose(index.times_s - index.times_s[0], VARIABLE, atol=1e-9)
    assert index.image_size == (64, 48)


def test_a_video_of_one_frame_is_a_video(make_video, tmp_path):
    assert len(index_video(make_video(tmp_path / "a.mp4", [0.0])).times_s) == 1


def test_frames_come_once_in_order_and_only_those_wanted(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    times = index_video(path).times_s
    read = [(index, frame_number(image)) for index, image in read_frames(path, np.array([1, 2, 7]), times, seek=True)]
    assert read == [(1, 1), (2, 2), (7, 7)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
@pytest.mark.parametrize("seek", [True, False])
def test_a_late_frame_is_the_same_with_and_without_seeking(make_video, tmp_path, name, seek):
    path = make_video(tmp_path / name, np.cumsum(np.random.default_rng(1).uniform(0.01, 0.1, 120)))
    times = index_video(path).times_s
    read = [(index, frame_number(image)) for index, image in read_frames(path, np.array([77, 78, 119]), times - times[0], seek=seek)]
    assert read == [(77, 77 % 16), (78, 78 % 16), (119, 119 % 16)]


def test_rotation_metadata_turns_the_frames_upright(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # a quarter turn clockwise, as phones held upright write it
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    index = index_video(path)
    assert index.image_size == first_image_size(path) == (48, 64)
    (_, image), *_ = read_frames(path, np.array([3]), index.times_s, seek=True)
    assert image.shape == (64, 48, 3)
    assert image[:28].max() < 30 < image[36:].min(), "the dark left half is on top now"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.mp4 does not exist"):
        index_video(tmp_path / "none.mp4")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.mp4 is empty"):
        index_video(tmp_path / "a.mp4")


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"hello" * 100)
    with pytest.raises(DataError, match=r"a\.mp4 cannot be read as a video"):
        index_video(tmp_path / "a.mp4")


def test_sound_without_pictures_is_refused(sound_only):
    with pytest.raises(DataError, match=r"no video stream \(it holds audio\)"):
        index_video(sound_only)


def test_frames_without_timestamps_are_refused_but_can_be_counted(make_video, tmp_path):
    path = make_video(tmp_path / "a.h264")
    with pytest.raises(DataError, match="frame 0 has no timestamp"):
        index_video(path)
    assert len(index_video(path, timed=False).times_s) == 10


def test_a_video_cut_off_before_its_index_is_unreadable(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DataError, match="cannot be read as a video"):
        index_video(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_video_that_breaks_off_names_its_last_good_time(make_video, tmp_path, name):
    path = make_video(tmp_path / name, np.arange(100) / 25, codec="mpeg4", options={"movflags": "faststart"} if name == "a.mp4" else None)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(DataError, match=r"breaks off: the last good frame is \d+ at \d\.\d+ s"):
        index_video(path)


def test_a_video_whose_middle_is_overwritten_is_refused(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4", np.arange(100) / 25)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 3
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(content)
    with pytest.raises(DataError, match="breaks off: the last good frame"):
        index_video(path)


def test_a_recording_that_was_killed_is_read_as_far_as_it_goes(make_video, tmp_path):
    """Matroska written to a pipe declares no length, like that of a process that was killed before it could."""
    import av

    whole = make_video(tmp_path / "whole.mkv", np.arange(100) / 25, codec="mpeg4")
    live = tmp_path / "live.mkv"
    with av.open(str(whole)) as source, av.open(str(live), "w", options={"live": "1"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = live.read_bytes()
    live.write_bytes(content[: int(0.6 * len(content))])
    count = len(index_video(live).times_s)
    assert 30 < count < 90


def test_reading_past_the_end_says_to_import_again(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"ends before frame 12, though 20 frames were found"):
        list(read_frames(path, np.array([12]), np.arange(20) / 25, seek=False))


def test_a_video_that_changed_since_its_import_is_noticed_when_seeking(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4", np.arange(120) / 25)
    times = np.arange(120) / 25
    times[90:] += 0.004
    with pytest.raises(DataError, match=r"frame 9[0-9]|ends before"):
        list(read_frames(path, np.array([80, 95]), times, seek=True))
