"""process(): stages in order, each kept by content, and every wrong input refused before anything is done or written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bodydouble.calibration import Rig
from bodydouble.capture import Recording, import_videos
from bodydouble.datasets import pipeline, read_episode
from bodydouble.datasets.measure import bone_length_variation_pct, quality_figures
from bodydouble.datasets.pipeline import ProcessSettings, cameras_from, find_rig, process
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError

TEN = ProcessSettings(stop=10)


@pytest.fixture
def recording(sample_cache) -> Recording:
    return Recording.open(sample_cache.recording)


@pytest.fixture
def no_detection(monkeypatch):
    from bodydouble.capture import frame_results

    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a detector was started"))


@pytest.fixture
def must_not_start(monkeypatch):
    """What is refused is refused before minutes are spent on it."""
    monkeypatch.setattr(pipeline, "detect", lambda *_, **__: pytest.fail("detection was started"))


def changed(recording: Recording, folder: Path, **replaced: str) -> Recording:
    """Return a copy of a recording whose rig.toml or recording.toml has some text replaced."""
    shutil.copytree(recording.folder, folder)
    for old, new in replaced.values():
        for name in ("rig.toml", "recording.toml"):
            (folder / name).write_text((folder / name).read_text().replace(old, new))
    return Recording.open(folder)


def test_a_second_run_takes_every_stage_from_the_cache(recording, tmp_path, no_detection, monkeypatch):
    process(recording, tmp_path / "first.h5", ProcessSettings(stop=2))
    for stage in ("estimate", "retarget"):
        monkeypatch.setattr(pipeline, stage, lambda *_, **__: pytest.fail("a stage was run again"))
    stages = []
    episode = process(
        recording, tmp_path / "again.h5", ProcessSettings(stop=2), progress=lambda stage, done, total: stages.append((stage, done / total))
    )
    assert [stage for index, (stage, _) in enumerate(stages) if index == 0 or stages[index - 1][0] != stage] == list(pipeline.STAGES[1:])
    assert {stage: done for stage, done in stages} == dict.fromkeys(pipeline.STAGES[1:], 1.0)
    assert read_episode(tmp_path / "again.h5").grade == episode.grade


def test_the_same_input_gives_the_same_motion_to_the_bit(recording, sample_run, tmp_path, no_detection):
    process(recording, tmp_path / "again.h5", TEN)
    one, two = read_episode(sample_run.episode), read_episode(tmp_path / "again.h5")
    assert np.array_equal(one.trajectory.positions, two.trajectory.positions)
    assert np.array_equal(one.motion.joint_angles, two.motion.joint_angles)


def test_a_shorter_range_uses_the_detections_of_the_longer_one(recording, tmp_path, no_detection):
    episode = process(recording, tmp_path / "part.h5", ProcessSettings(start=3, stop=6))
    assert episode.frames == 3
    assert np.array_equal(episode.recording.frame_index, np.tile([3, 4, 5], (4, 1)))
    assert episode.provenance["frame_range"] == [3, 6]


def test_one_frame_is_an_episode(recording, tmp_path, no_detection):
    process(recording, tmp_path / "one.h5", ProcessSettings(start=4, stop=5))
    episode = read_episode(tmp_path / "one.h5")
    assert (episode.frames, episode.duration_s) == (1, 0.0)
    assert np.isfinite(episode.trajectory.positions).all()


def test_a_given_stature_is_another_result_and_is_recorded(recording, tmp_path, no_detection):
    episode = process(recording, tmp_path / "tall.h5", ProcessSettings(stop=2, stature=1.9))
    assert episode.motion.stature == 1.9
    assert episode.provenance["settings"]["stature"] == 1.9


def test_two_of_the_cameras_are_enough(recording, tmp_path, no_detection):
    episode = process(recording, tmp_path / "two.h5", ProcessSettings(stop=3, cameras=("cam04", "cam02")))
    assert episode.cameras == episode.rig.names == ("cam04", "cam02")
    assert episode.motion.triangulated is not None


def test_one_camera_with_its_rig_keeps_the_rig(recording, tmp_path, no_detection):
    episode = process(recording, tmp_path / "one.h5", ProcessSettings(stop=2, cameras=("cam04",)))
    assert set(episode.assumed) == {"stature"}
    assert episode.grade in ("C", "D")


def test_one_camera_without_a_rig_is_graded_no_better_than_c_and_says_what_was_assumed(recording, tmp_path, no_detection):
    process(recording, tmp_path / "one.h5", ProcessSettings(stop=3, cameras=("cam04",), ignore_rig=True))
    episode = read_episode(tmp_path / "one.h5")
    assert {"cam04.focal_px", "cam04.roll_rad", "cam04.pitch_rad", "stature"} == set(episode.assumed)
    assert episode.grade in ("C", "D")
    assert episode.motion.frame == "camera"
    for limit in ("joint", "velocity", "acceleration"):
        assert episode.quality[f"{limit}_limit_violations"].value == 0
    assert episode.quality["self_penetration_mm"].value < 1
    assert episode.trajectory.solver["stage"] == "whole"


def test_an_existing_episode_is_left_alone_and_nothing_is_done(recording, tmp_path, must_not_start):
    out = tmp_path / "episode.h5"
    out.write_text("precious")
    with pytest.raises(FileExistsUsageError, match="--force"):
        process(recording, out, TEN)
    assert out.read_text() == "precious"


def test_force_replaces_it(recording, tmp_path, no_detection):
    out = tmp_path / "episode.h5"
    out.write_text("old")
    process(recording, out, ProcessSettings(stop=1), force=True)
    assert read_episode(out).frames == 1


def test_several_cameras_without_a_rig_say_what_can_be_done(recording, tmp_path, must_not_start):
    with pytest.raises(UsageError, match=r"4 cameras \(cam01, cam02, cam03, cam04\) but no rig.*rig\.toml.*--rig FILE.*--cameras cam01"):
        process(recording, tmp_path / "e.h5", ProcessSettings(ignore_rig=True))


def test_an_unknown_camera_lists_the_near_names(recording, tmp_path, must_not_start):
    with pytest.raises(UnknownNameError, match=r"camera 'cam4' .*valid: cam01, cam02, cam03, cam04.*Did you mean .*'cam04'"):
        process(recording, tmp_path / "e.h5", ProcessSettings(cameras=("cam4",)))


def test_an_unknown_robot_lists_the_robots(recording, tmp_path, must_not_start):
    with pytest.raises(UsageError, match=r"'optimos'.*Did you mean 'optimus'"):
        process(recording, tmp_path / "e.h5", ProcessSettings(robot="optimos"))


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (7, 3), (100, 110), (-1, 5)])
def test_a_range_without_frames_says_how_many_there_are(recording, tmp_path, must_not_start, start, stop):
    with pytest.raises(UsageError, match="100 frames"):
        process(recording, tmp_path / "e.h5", ProcessSettings(start=start, stop=stop))


def test_a_camera_that_only_the_rig_has_and_the_reverse_are_refused(recording, tmp_path, must_not_start):
    Rig.load(recording.rig_path).select(("cam01", "cam02", "cam03")).save(tmp_path / "small.toml")
    with pytest.raises(UsageError, match=r"Camera 'cam04' of the recording is not in the rig.*--cameras cam01,cam02,cam03"):
        process(recording, tmp_path / "e.h5", ProcessSettings(rig=tmp_path / "small.toml"))
    with pytest.raises(UsageError, match=r"Camera 'cam04' of the rig is not in the recording"):
        process(recording.select(("cam01", "cam02", "cam03")), tmp_path / "e.h5", TEN)


def test_a_video_of_another_size_than_calibrated_names_both_and_the_option(recording, tmp_path, must_not_start):
    folder = tmp_path / "rec"
    shutil.copytree(recording.folder, folder)
    settings = folder / "recording.toml"
    lines = settings.read_text().splitlines(keepends=True)
    kept, dropping = [], False
    for line in lines:
        dropping = line.startswith("crop_origin_px") or (dropping and not line.startswith("["))
        if line.startswith("crop_origin_px"):
            dropping = not line.rstrip().endswith("]")
            continue
        if dropping:
            dropping = not line.strip().endswith("]")
            continue
        kept.append(line)
    settings.write_text("".join(kept))
    with pytest.raises(UsageError, match=r"1080x1920 px but it was calibrated at 1088x1920 px.*--crop cam01=X,Y"):
        process(Recording.open(folder), tmp_path / "e.h5", TEN)


def test_times_in_milliseconds_are_refused_and_frames_once_a_second_are_not(recording, tmp_path, must_not_start):
    def slower(factor):
        times = {name: np.asarray(recording.times(name) * factor) for name in recording.cameras}
        return Recording(recording.folder, recording.settings, recording.cameras, times)

    with pytest.raises(DataError, match=r"camera 'cam01' are 16.7 s apart, .*divide them by 1000 if they are in milliseconds"):
        process(slower(1000), tmp_path / "episode.h5", TEN)
    assert list(tmp_path.iterdir()) == []
    pipeline._check_times(slower(60))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('model = "pinhole"', 'model = "pinhole"\nfocus = 3', "unknown key"), ('model = "pinhole"', 'model = "pinhol"', "pinhol")],
)
def test_a_wrong_rig_file_names_the_key(recording, tmp_path, must_not_start, old, new, said):
    text = recording.rig_path.read_text()
    assert old in text
    (tmp_path / "rig.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=said):
        process(recording, tmp_path / "e.h5", ProcessSettings(rig=tmp_path / "rig.toml"))


def test_a_rig_that_is_not_there_is_named(recording, tmp_path, must_not_start):
    with pytest.raises(UsageError, match=r"nowhere\.toml does not exist"):
        process(recording, tmp_path / "e.h5", ProcessSettings(rig=tmp_path / "nowhere.toml"))


def test_a_video_without_a_person_is_one_sentence_and_leaves_no_file(sample_cache, tmp_path):
    from fractions import Fraction

    import av

    with av.open(str(tmp_path / "wall.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(2):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 128, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    wall = import_videos([tmp_path / "wall.mp4"], tmp_path / "rec")
    with pytest.raises(DataError, match=r"No frame shows a person's shoulders and hips"):
        process(wall, tmp_path / "e.h5")
    assert not (tmp_path / "e.h5").exists()


def test_an_error_while_writing_leaves_the_old_episode(recording, tmp_path, no_detection, monkeypatch):
    out = tmp_path / "episode.h5"
    out.write_text("precious")

    def broken(*_, **__):
        raise DataError("Frame 3 of camera 'cam02' cannot be decoded.")

    monkeypatch.setattr(Recording, "frames", broken)
    with pytest.raises(DataError, match="cannot be decoded"):
        process(recording, out, ProcessSettings(stop=2), force=True)
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["episode.h5"]


def test_the_rig_file_given_goes_before_the_recordings(recording, tmp_path):
    Rig.load(recording.rig_path).save(tmp_path / "other.toml")
    assert find_rig(recording, ProcessSettings())[1] == str(recording.rig_path)
    assert find_rig(recording, ProcessSettings(rig=tmp_path / "other.toml"))[1] == str(tmp_path / "other.toml")


def test_camera_names_may_be_given_once_or_with_commas():
    assert cameras_from(["a,b", " c "]) == ("a", "b", "c")
    assert cameras_from(["", ","]) == ()


def test_figures_are_measured_and_not_read_off(simulated_episode):
    """A bone that gets longer in one frame is seen in the landmarks."""
    from dataclasses import replace

    motion = simulated_episode().motion
    still = np.repeat(motion.landmarks[:1], motion.frames, axis=0)
    assert bone_length_variation_pct(replace(motion, landmarks=still.copy())) == 0.0
    forearm = still[0, 15] - still[0, 13]
    still[1, 15] += 0.02 * forearm
    assert bone_length_variation_pct(replace(motion, landmarks=still.copy())) == pytest.approx(2.0)
    assert np.isnan(bone_length_variation_pct(replace(motion, landmarks=np.full_like(still, np.nan))))


def test_a_figure_that_cannot_be_computed_is_nan(simulated_episode):
    from dataclasses import replace

    episode = simulated_episode()
    flags = {name: np.zeros(episode.frames, np.uint8) for name in ("person_changed", "no_person", "high_residual")}
    flags["no_person"][2] = 1
    motion = replace(episode.motion, flags=flags)
    figures = quality_figures(motion, episode.landmarks, episode.rig, replace(episode.trajectory, flags={}))
    assert np.isnan(figures["task_unmet_pct"])
    assert figures["no_person_frames"] == 1
    assert "skew_p95_ms" not in figures
    assert 0 < figures["hand_observed_pct"] < 100
