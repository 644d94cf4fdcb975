"""Stills as recordings: numbered, not timed, and only for those who say that they can do without times."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodydouble.capture import Recording, import_videos, open_recording
from bodydouble.errors import DataError, UsageError


def stills(folder: Path, count: int, *, size: tuple[int, int] = (40, 30), odd: dict[int, tuple[int, int]] | None = None) -> Path:
    """Write images of which the k-th is 10 k bright; some of another size (width, height)."""
    folder.mkdir(parents=True)
    for index in range(count):
        width, height = (odd or {}).get(index, size)
        assert cv2.imwrite(str(folder / f"DSC{index}.png"), np.full((height, width, 3), 10 * index, np.uint8))
    return folder


@pytest.fixture
def room(tmp_path) -> Path:
    """Two cameras that took twelve stills each of a board that was put down in twelve places."""
    stills(tmp_path / "room" / "left", 12)
    stills(tmp_path / "room" / "right", 12, size=(60, 20))
    return tmp_path / "room"


def test_the_kth_stills_of_all_cameras_are_in_step(room):
    recording = open_recording(room, stills=True)
    assert recording.is_stills
    assert recording.cameras == ("left", "right")
    assert (recording.image_size("left"), recording.image_size("right")) == ((40, 30), (60, 20))
    sets = recording.frame_sets()
    assert sets.present.all()
    assert np.array_equal(sets.frame_index, [np.arange(12), np.arange(12)])
    assert {camera: recording.read(camera, 10)[0, 0, 0] for camera in recording.cameras} == {"left": 100, "right": 100}
    assert recording.frame_sets(start=3, stop=5).frame_index.tolist() == [[3, 4], [3, 4]]


def test_one_folder_of_images_is_a_camera(room, monkeypatch):
    assert open_recording(room / "left", stills=True).cameras == ("left",)
    monkeypatch.chdir(room / "right")
    recording = open_recording(Path("."), stills=True)
    assert recording.cameras == ("right",)
    assert len(list(recording.frames("right"))) == 12


def test_their_numbers_are_not_written_down_as_times(room):
    recording = open_recording(room, stills=True)
    assert not (recording.folder / "timestamps.csv").exists()
    with pytest.raises(UsageError, match=r"'room' holds stills, which have no times; give the range in frames"):
        recording.frame_sets(start_s=2.0)


def test_who_needs_times_is_refused_in_one_sentence(room):
    said = r"left is a folder of images, which do not say when they were taken; put a timestamps\.csv"
    with pytest.raises(DataError, match=said):
        open_recording(room)
    kept = open_recording(room, stills=True).folder
    with pytest.raises(DataError, match=said):
        open_recording(room)
    with pytest.raises(DataError, match=said):
        import_videos([room / "left"], room.parent / "rec")
    for opened in (Recording.open, open_recording):
        with pytest.raises(DataError, match=r'holds stills, .* \(recording\.toml says clock = "none"\); only a calibration takes them'):
            opened(kept)
    assert Recording.open(kept, stills=True).cameras == ("left", "right")


def test_images_with_times_keep_them(room):
    rows = [f"{camera},{index},{5 + index / 10}" for camera in ("left", "right") for index in range(12)]
    (room / "timestamps.csv").write_text("\n".join(["camera,frame_index,time_s", *rows]))
    recording = open_recording(room, stills=True)
    assert not recording.is_stills
    assert recording.times("right")[3] == pytest.approx(0.3)


def test_videos_keep_their_times_where_stills_are_allowed(make_video, tmp_path):
    make_video(tmp_path / "in" / "front.mp4")
    assert not open_recording(tmp_path / "in", stills=True).is_stills
    assert not open_recording(tmp_path / "in" / "front.mp4", stills=True).is_stills


def test_stills_beside_a_video_are_refused(make_video, room):
    make_video(room / "top.mp4")
    with pytest.raises(DataError, match="left is a folder of images"):
        open_recording(room, stills=True)


def test_different_numbers_of_stills_name_both_cameras_once_they_have_to_be_in_step(room):
    (room / "right" / "DSC4.png").unlink()
    recording = open_recording(room, stills=True)
    assert len(recording.select(["right"]).frame_sets()) == 11
    with pytest.raises(DataError, match=r"Camera 'left' has 12 stills but 'right' has 11: "):
        recording.frame_sets()


@pytest.mark.parametrize("wanted", [range(6), [3], [3, 4]])
def test_images_of_different_sizes_name_both_files(tmp_path, wanted):
    stills(tmp_path / "in" / "cam", 6, odd={3: (30, 40)})
    recording = open_recording(tmp_path / "in", stills=True)
    with pytest.raises(DataError, match=r"in/cam/DSC3\.png is 30x40 px but .*in/cam/DSC0\.png is 40x30 px"):
        list(recording.frames("cam", wanted))
    assert len(list(recording.frames("cam", [0, 1, 2, 4, 5]))) == 5


def test_images_of_another_size_than_declared_by_hand_name_the_settings(tmp_path):
    stills(tmp_path / "rec" / "cam", 3)
    (tmp_path / "rec" / "recording.toml").write_text(
        'name = "rec"\nclock = "none"\n[cameras.cam]\nvideo = "cam"\nimage_size_px = [64, 48]\n'
    )
    recording = Recording.open(tmp_path / "rec", stills=True)
    for index in (0, 2):
        with pytest.raises(DataError, match=rf"Frame {index} of camera 'cam' is 40x30 px; .*recording\.toml says 64x48"):
            recording.read("cam", index)


def test_a_recording_put_together_by_hand_holds_stills_of_every_camera(make_video, tmp_path):
    stills(tmp_path / "rec" / "left", 3)
    make_video(tmp_path / "rec" / "top.mp4")
    (tmp_path / "rec" / "none").mkdir()
    for video in ("top.mp4", "none"):
        (tmp_path / "rec" / "recording.toml").write_text(
            f'name = "rec"\nclock = "none"\n[cameras.left]\nvideo = "left"\n[cameras.other]\nvideo = "{video}"\n'
        )
        with pytest.raises(DataError, match=rf"{video} holds no images, though .*recording\.toml says"):
            Recording.open(tmp_path / "rec", stills=True)


def test_an_image_that_changed_is_another_recording(room):
    first = open_recording(room, stills=True)
    key = first.content_key()
    assert cv2.imwrite(str(room / "left" / "DSC2.png"), np.full((30, 40, 3), 99, np.uint8))
    os.utime(room / "left" / "DSC2.png", ns=(1, 1))
    second = open_recording(room, stills=True)
    assert second.folder != first.folder
    assert second.content_key() != key


def test_an_image_that_cannot_be_read_is_named(room):
    (room / "left" / "DSC7.png").write_bytes(b"\x89PNG no more")
    recording = open_recording(room, stills=True)
    with pytest.raises(DataError, match=r"room/left/DSC7\.png cannot be read as an image"):
        list(recording.frames("left"))


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nor a folder with one video or image folder a camera"):
        open_recording(tmp_path, stills=True)
