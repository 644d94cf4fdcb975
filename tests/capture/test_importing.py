"""Making recordings from videos that were taken elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bodydouble.atomic import OutOfSpaceError
from bodydouble.capture import Recording, import_videos, open_recording
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError


@pytest.fixture
def videos(make_video, tmp_path):
    return [make_video(tmp_path / "in" / f"{name}.mp4") for name in ("a", "b")]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "in")


def test_videos_are_copied_and_the_folder_can_be_moved(videos, tmp_path):
    import_videos(videos, tmp_path / "rec")
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "rec").rename(tmp_path / "moved")
    assert Recording.open(tmp_path / "moved").read("a", 3).shape == (48, 64, 3)
    assert str(tmp_path) not in (tmp_path / "moved" / "recording.toml").read_text()
    assert leftovers(tmp_path) == ["moved"]


def test_time_counts_from_the_first_frame_of_any_camera(make_video, tmp_path):
    early = make_video(tmp_path / "early.mkv", np.arange(10) / 25 + 0.5)
    late = make_video(tmp_path / "late.mkv", np.arange(10) / 25 + 0.62)
    recording = import_videos([early, late], tmp_path / "rec")
    assert recording.times("early")[0] == 0
    assert recording.times("late")[0] == pytest.approx(0.12)


def test_progress_reaches_its_total(videos, tmp_path):
    seen = []
    import_videos(videos, tmp_path / "rec", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_existing_recording_stays_without_force_and_is_replaced_with_it(videos, tmp_path):
    import_videos(videos, tmp_path / "rec", task="old")
    with pytest.raises(FileExistsUsageError, match="--force"):
        import_videos(videos, tmp_path / "rec", task="new")
    assert Recording.open(tmp_path / "rec").settings.task == "old"
    assert import_videos(videos[:1], tmp_path / "rec", task="new", force=True).settings.task == "new"
    assert not (tmp_path / "rec" / "b.mp4").exists()
    assert leftovers(tmp_path) == ["rec"]


def test_force_never_deletes_what_is_not_a_recording(videos, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"not a recording .* --force does not delete it"):
        import_videos(videos, tmp_path / "home", force=True)
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_a_recording_can_be_replaced_by_one_of_its_own_videos(videos, tmp_path):
    import_videos(videos, tmp_path / "rec")
    again = import_videos([tmp_path / "rec" / "a.mp4"], tmp_path / "rec", force=True)
    assert again.cameras == ("a",)
    assert again.read("a", 0).shape == (48, 64, 3)


def test_a_failed_import_leaves_the_old_recording_and_nothing_else(videos, tmp_path):
    import_videos(videos, tmp_path / "rec", task="old")

    def refuse(recording):
        raise UsageError("the rig does not fit")

    with pytest.raises(UsageError, match="does not fit"):
        import_videos(videos, tmp_path / "rec", task="new", force=True, finish=refuse)
    assert Recording.open(tmp_path / "rec").settings.task == "old"
    assert leftovers(tmp_path) == ["rec"]


def test_ctrl_c_leaves_nothing(videos, tmp_path):
    def interrupt(recording):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_videos(videos, tmp_path / "rec", finish=interrupt)
    assert leftovers(tmp_path) == []


def test_a_killed_import_leaves_nothing_under_the_final_name(videos, tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from bodydouble.capture import import_videos\n"
        "import_videos([Path(p) for p in sys.argv[2:]], Path(sys.argv[1]), finish=lambda r: os.kill(os.getpid(), signal.SIGKILL))"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "rec"), *map(str, videos)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "rec").exists()
    assert import_videos(videos, tmp_path / "rec").cameras == ("a", "b")


def test_a_full_disk_is_noticed_before_copying(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(OutOfSpaceError, match="MB free; nothing was written"):
        import_videos(videos, tmp_path / "rec")
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_while_copying_leaves_nothing(videos, tmp_path, monkeypatch):
    def full(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutOfSpaceError, match="No space left"):
        import_videos(videos, tmp_path / "rec")
    assert leftovers(tmp_path) == []


def test_a_missing_video_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.mp4 does not exist"):
        import_videos([tmp_path / "none.mp4"], tmp_path / "rec")


def test_an_unreadable_video_leaves_nothing(videos, tmp_path):
    videos[1].write_bytes(b"not a video")
    with pytest.raises(DataError, match=r"b\.mp4 cannot be read as a video"):
        import_videos(videos, tmp_path / "rec")
    assert leftovers(tmp_path) == []


def test_a_file_name_that_is_no_text_is_refused(videos, tmp_path):
    odd = videos[0].rename(videos[0].with_name("a\udcff.mp4"))
    with pytest.raises(UsageError, match="holds bytes that are no text"):
        import_videos([odd], tmp_path / "rec")
    assert leftovers(tmp_path) == []


def test_two_videos_of_one_name_are_refused(videos, make_video, tmp_path):
    with pytest.raises(UsageError, match="would both be camera 'a'"):
        import_videos([*videos, make_video(tmp_path / "in" / "other" / "a.mkv")], tmp_path / "rec")


def test_no_video_at_all_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No video was given"):
        import_videos([], tmp_path / "rec")


def test_a_crop_of_an_unknown_camera_lists_the_videos(videos, tmp_path):
    with pytest.raises(UnknownNameError, match="camera 'c' is not in the videos; valid: a, b"):
        import_videos(videos, tmp_path / "rec", crops={"c": (0, 0)})


def test_videos_of_different_clocks_are_refused(make_video, tmp_path):
    pair = [make_video(tmp_path / "a.mkv"), make_video(tmp_path / "b.mkv", np.arange(10) / 25 + 100)]
    with pytest.raises(DataError, match=r"'a' \(0\.000 to 0\.360 s\) and 'b' .* no time in common"):
        import_videos(pair, tmp_path / "rec")


def test_capture_times_beside_the_videos_go_before_the_containers(videos, tmp_path):
    rows = [f"{camera},{i},{50 + i * 0.1 + shift}" for camera, shift in (("a", 0.0), ("b", 0.003)) for i in range(10)]
    (tmp_path / "in" / "timestamps.csv").write_text("camera,frame_index,time_s\n" + "\n".join(rows))
    recording = import_videos(videos, tmp_path / "rec")
    assert recording.settings.clock == "external"
    assert np.allclose(recording.times("a"), np.arange(10) / 10)
    assert np.allclose(recording.frame_sets().skew_ms, 3.0)


# --- open_recording


def test_a_recording_is_opened_as_it_is(videos, tmp_path):
    import_videos(videos, tmp_path / "rec")
    assert open_recording(tmp_path / "rec").folder == tmp_path / "rec"


def test_a_folder_of_videos_is_imported_once_and_left_untouched(videos, tmp_path):
    (tmp_path / "in" / "rig.toml").write_text("")
    before = sorted(path.name for path in (tmp_path / "in").iterdir())
    first = open_recording(tmp_path / "in")
    assert first.cameras == ("a", "b")
    assert first.settings.name == "in"
    assert first.rig_path is not None
    assert first.read("b", 4).shape == (48, 64, 3)
    assert open_recording(tmp_path / "in").folder == first.folder
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == before


def test_a_changed_video_is_imported_again(videos, make_video, tmp_path):
    first = open_recording(tmp_path / "in")
    make_video(videos[0], np.arange(5) / 25)
    second = open_recording(tmp_path / "in")
    assert second.folder != first.folder
    assert len(second.times("a")) == 5


def links_to(videos: list[Path], folder: Path) -> Path:
    folder.mkdir()
    for video in videos:
        (folder / video.name).symlink_to(video)
    return folder


def test_capture_times_beside_links_go_before_those_beside_what_they_point_to(videos, tmp_path):
    def write(folder: Path, interval: float) -> None:
        rows = [f"{camera},{i},{i * interval}" for camera in "ab" for i in range(10)]
        (folder / "timestamps.csv").write_text("camera,frame_index,time_s\n" + "\n".join(rows))

    write(tmp_path / "in", 0.1)
    assert np.allclose(open_recording(links_to(videos, tmp_path / "bare")).times("a"), np.arange(10) * 0.1)
    linked = links_to(videos, tmp_path / "linked")
    write(linked, 0.2)
    assert np.allclose(open_recording(linked).times("a"), np.arange(10) * 0.2)


def test_the_same_videos_beside_another_rig_get_that_rig(videos, tmp_path):
    for name in ("one", "two"):
        (links_to(videos, tmp_path / name) / "rig.toml").write_text(f"# {name}")
    for name in ("one", "two"):
        rig = open_recording(tmp_path / name).rig_path
        assert rig is not None
        assert rig.read_text() == f"# {name}"


def test_one_video_is_a_recording_of_one_camera(videos):
    recording = open_recording(videos[0])
    assert (recording.cameras, recording.settings.name) == (("a",), "a")


def images(folder: Path, count: int = 12) -> Path:
    import cv2

    folder.mkdir(parents=True)
    for index in range(1, count + 1):
        cv2.imwrite(str(folder / f"frame{index}.png"), np.full((48, 64, 3), (index, 2 * index, 3 * index), np.uint8))
    return folder


def test_folders_of_images_are_cameras_with_the_times_of_the_csv(tmp_path):
    images(tmp_path / "in" / "top")
    (tmp_path / "in" / "timestamps.csv").write_text("camera,frame_index,time_s\n" + "\n".join(f"top,{i},{i / 7}" for i in range(12)))
    recording = open_recording(tmp_path / "in")
    assert recording.image_size("top") == (64, 48)
    index, time, image = next(recording.frames("top", [9]))
    assert (index, time) == (9, pytest.approx(9 / 7))
    assert image[0, 0].tolist() == [30, 20, 10], "frame10 comes after frame9, as RGB"


def test_images_without_times_are_refused(tmp_path):
    images(tmp_path / "in" / "top", 2)
    with pytest.raises(DataError, match=r"do not say when they were taken; put a timestamps\.csv"):
        open_recording(tmp_path / "in")


def test_a_broken_image_is_named(tmp_path):
    folder = images(tmp_path / "in" / "top", 3)
    (tmp_path / "in" / "timestamps.csv").write_text("camera,frame_index,time_s\ntop,0,0\ntop,1,1\ntop,2,2\n")
    recording = open_recording(tmp_path / "in")
    (folder / "frame2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"frame2\.png cannot be read as an image"):
        list(recording.frames("top"))


def test_a_folder_without_videos_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UsageError, match=r"neither a recording .* nor a folder with one video or image folder a camera"):
        open_recording(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        open_recording(tmp_path / "none")


def test_caliscopes_sample_has_its_true_capture_times(caliscope_sample):
    recording = open_recording(caliscope_sample)
    assert recording.cameras == ("cam_0", "cam_1", "cam_2", "cam_3")
    assert recording.settings.clock == "external"
    sets = recording.frame_sets()
    assert len(sets) == 111
    assert sets.present.all()
    assert np.median(sets.skew_ms) == pytest.approx(3.0, abs=0.1)
    assert sets.skew_ms.max() == pytest.approx(42.7, abs=0.1)
