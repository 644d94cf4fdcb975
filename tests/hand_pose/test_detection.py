"""Real models on a few real frames: what is kept is not done twice, and a process that dies says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bodydouble import assets
from bodydouble.capture import Recording, frame_results, import_videos
from bodydouble.errors import DataError
from bodydouble.hand_pose.detection import HAND_MODEL, POSE_MODEL, detect
from bodydouble.hand_pose.detector import Detector, DetectorSettings
from bodydouble.hand_pose.landmarks import LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks

CROP = (7, 11)


def grey_video(path: Path, frames: int = 3) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 128, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 60)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory, pose_model, hand_model) -> Iterator[Path]:
    """A cache without results for the tests of this module, with the models of the real one."""
    folder = tmp_path_factory.mktemp("detection_cache")
    (folder / "assets").symlink_to(assets.assets_folder(), target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODYDOUBLE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory, sample_videos, cache) -> Recording:
    """cam03 as a part of its calibrated image, cam04 as it is, and a camera that sees a grey wall."""
    folder = tmp_path_factory.mktemp("detection")
    videos = [sample_videos / "videos" / "cam03.mp4", sample_videos / "videos" / "cam04.mp4", grey_video(folder / "wall.mp4")]
    return import_videos(videos, folder / "recording", crops={"cam03": CROP})


@pytest.fixture(scope="module")
def reports() -> list[tuple[float, float]]:
    return []


@pytest.fixture(scope="module")
def detected(recording, reports) -> Landmarks:
    return detect(recording, recording.frame_sets(stop=3), progress=lambda done, total: reports.append((done, total)))


def test_a_person_is_found_in_every_frame_and_nobody_before_a_grey_wall(detected):
    assert detected.cameras == ("cam03", "cam04", "wall")
    assert np.isfinite(detected.pixels[:2, :, POSE]).all()
    assert (detected.confidence[:2][:, :, list(MAIN_JOINTS)] > 0.3).mean() > 0.9
    for values in (detected.pixels, detected.confidence, detected.shape_m):
        assert np.isnan(values[2]).all()
    np.testing.assert_allclose(detected.times_s[2], [0, 1 / 60, 2 / 60], atol=1e-3)


def test_a_process_finds_what_the_detector_finds_and_adds_the_crop_origin(recording, detected, pose_model, hand_model):
    detector = Detector(pose_model, hand_model, DetectorSettings())
    for row, (camera, origin) in enumerate({"cam03": CROP, "cam04": (0, 0)}.items()):
        view = detector.detect(recording.read(camera, 1))
        assert np.array_equal(detected.pixels[row, 1], view.pixels + origin, equal_nan=True)
        assert np.array_equal(detected.confidence[row, 1], view.confidence, equal_nan=True)
        assert np.array_equal(detected.shape_m[row, 1], view.shape_m, equal_nan=True)
    detector.close()


def test_a_hand_that_was_found_hangs_at_its_wrist_and_one_that_was_not_is_nan(detected):
    found = 0
    for hand, wrist in ((LEFT_HAND, 15), (RIGHT_HAND, 16)):
        points = detected.pixels[:2, :, hand]
        seen = np.isfinite(points).all(axis=(2, 3))
        assert np.array_equal(seen, np.isfinite(points).any(axis=(2, 3)))
        assert np.array_equal(seen, np.isfinite(detected.confidence[:2, :, hand]).any(axis=2))
        torso = np.linalg.norm(detected.pixels[:2, :, 11] - detected.pixels[:2, :, 23], axis=-1)
        away = np.linalg.norm(points[:, :, 0] - detected.pixels[:2, :, wrist], axis=-1)
        assert (away[seen] < 0.3 * torso[seen]).all()
        found += seen.sum()
    assert found > 0


def test_the_settings_name_the_models_by_their_hash(detected):
    assert len(detected.settings[POSE_MODEL]) == len(detected.settings[HAND_MODEL]) == 64
    assert detected.settings["min_pose_confidence"] == "0.5"


def test_progress_counts_every_cameras_frames(detected, reports):
    assert reports[0] == (0, 9)
    assert reports[-1] == (9, 9)


def test_what_was_detected_once_starts_no_process(recording, detected, monkeypatch):
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a process was started"))
    again = detect(recording, recording.frame_sets(stop=3))
    assert np.array_equal(again.pixels, detected.pixels, equal_nan=True)
    part = detect(recording.select(["cam04"]), recording.select(["cam04"]).frame_sets(start=1, stop=2))
    assert np.array_equal(part.pixels[0, 0], detected.pixels[1, 1], equal_nan=True)


def test_other_settings_are_other_results(recording, detected, monkeypatch):
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: (_ for _ in ()).throw(InterruptedError))
    with pytest.raises(InterruptedError):
        detect(recording, recording.frame_sets(stop=3), DetectorSettings(min_hand_confidence=0.6))


def test_an_absent_frame_is_nan_and_not_the_next_one(recording, detected, monkeypatch):
    """The wall's video has three frames; of the fourth moment it has none."""
    sets = recording.select(["wall"]).frame_sets()
    assert len(sets) == 3
    both = recording.frame_sets(start=2, stop=3)
    shifted = type(both)(both.cameras, both.master, both.times_s, both.frame_index, both.present & [[True], [False], [True]],
                         np.where([[True], [False], [True]], both.camera_times_s, np.nan))  # fmt: skip
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a process was started"))
    found = detect(recording, shifted)
    assert np.isnan(found.pixels[1]).all()
    assert np.array_equal(found.pixels[0, 0], detected.pixels[0, 2], equal_nan=True)


def test_a_killed_process_is_one_sentence_and_what_was_finished_is_kept(recording, detected):
    """Frames 62 and 63 are one block; the process is killed while it is at the next."""
    one = recording.select(["cam04"])
    sets = one.frame_sets(start=62, stop=66)
    calls: list[float] = []

    def kill(done: float, total: float) -> None:
        calls.append(done)
        if done == 3:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(
        DataError, match=r"The detector of camera 'cam04' was killed by signal 9; .*run the same command again.*--workers 1"
    ):
        detect(one, sets, progress=kill)
    assert not multiprocessing.active_children()
    assert calls[0] == 0
    rest: list[float] = []
    landmarks = detect(one, sets, progress=lambda done, total: rest.append(done))
    assert rest[0] == 2
    assert np.isfinite(landmarks.pixels[0, :, POSE]).all()


def test_a_damaged_result_is_detected_again(recording, detected, cache, monkeypatch):
    wanted = []
    monkeypatch.setattr(
        frame_results, "run_in_processes", lambda jobs, *_, **__: wanted.extend((job.camera, len(job.indices)) for _, job in jobs)
    )
    files = sorted((cache / "landmarks").rglob("000000.h5"))
    contents = [file.read_bytes() for file in files]
    try:
        for file in files:
            file.write_bytes(b"cut off")
        with pytest.raises(DataError, match=r"was not kept .* run the same command again"):
            detect(recording, recording.frame_sets(stop=3))
    finally:
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
    assert wanted == [("cam03", 3), ("cam04", 3), ("wall", 3)]


def test_a_video_that_breaks_in_the_middle_is_named(tmp_path, cache):
    recording = import_videos([grey_video(tmp_path / "broken.mp4", frames=40)], tmp_path / "recording")
    video = recording.video_path("broken")
    content = bytearray(video.read_bytes())
    start, end = content.index(b"mdat") + 800, content.index(b"moov")
    content[start:end] = b"\xff" * (end - start)
    video.write_bytes(content)
    with pytest.raises(DataError, match=r"broken"):
        detect(recording, recording.frame_sets())
    assert not multiprocessing.active_children()
