"""Making a simulated recording: whole or not at all, the same whatever made it, with every fault as asked for."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from moving_dot import SIZE, SPEED, TROUBLE, moving_dot, rig, settings

from bodydouble.atomic import OutOfSpaceError
from bodydouble.calibration.rig import Rig, Sigma
from bodydouble.calibration.transform import invert, rotvec_of
from bodydouble.capture import Recording
from bodydouble.capture.video import index_video
from bodydouble.errors import BodydoubleError, DataError, FileExistsUsageError, UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.simulation import BLOCK, simulate
from bodydouble.hand_pose.simulation.truth import Truth


def make(out, asked=None, **options):
    return simulate(asked or settings(), out, **{"make": moving_dot, "workers": 1} | options)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "take"
    make(out)
    return Recording.open(out), Truth.load(out / "truth.h5")


def dot_in(image):
    """Where the white dot is."""
    weight = np.clip(image[..., 1].astype(float) - 60, 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def same(one: Truth, two: Truth) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(two, f.name), equal_nan=getattr(one, f.name).dtype.kind == "f")
        if isinstance(getattr(one, f.name), np.ndarray)
        else getattr(one, f.name) == getattr(two, f.name)
        for f in fields(Truth)
    )


def test_it_is_an_ordinary_recording_that_says_that_it_is_simulated(plain):
    recording, truth = plain
    assert recording.cameras == ("a", "b")
    assert sorted(path.name for path in recording.folder.iterdir()) == [
        "a.mp4", "b.mp4", "recording.toml", "rig.toml", "timestamps.csv", "truth.h5",
    ]  # fmt: skip
    for name in recording.cameras:
        np.testing.assert_allclose(recording.times(name), np.arange(21) / 30, atol=1e-9)
        np.testing.assert_allclose(index_video(recording.video_path(name)).times_s, np.arange(21) / 30, atol=1e-6)
        assert recording.image_size(name) == SIZE
    assert recording.settings.operator == "simulated person, seed 1"
    assert (recording.folder / "recording.toml").read_text().startswith("# A SIMULATED recording")
    assert truth.settings["person"] == {"stature_m": 1.7}
    assert truth.faults == {}


def test_the_dot_is_where_the_truth_says(plain):
    recording, truth = plain
    for name in recording.cameras:
        c = truth.camera(name)
        for index, _, image in recording.frames(name):
            np.testing.assert_allclose(dot_in(image), truth.pixels[c, index, 0], atol=0.3)


def test_the_truth_belongs_to_the_recording_camera_by_camera(plain):
    recording, truth = plain
    assert truth.recording == {name: recording.content_key([name]) for name in recording.cameras}


def test_the_rig_is_the_true_one_and_nothing_of_it_is_uncertain(plain):
    recording, truth = plain
    found = Rig.load(recording.folder / "rig.toml")
    for name, camera in found.cameras.items():
        assert (camera.sigma, camera.time_offset_s) == (Sigma(), 0.0)
        T = truth.T_world_body[:, truth.body_names.index("helmet")] @ camera.T_body_camera
        np.testing.assert_allclose(truth.T_world_camera[truth.camera(name)], T, atol=1e-12)


def test_moments_hold_what_the_scenario_says(plain):
    _, truth = plain
    np.testing.assert_allclose(truth.landmarks[:, 0, 1], -0.2 + SPEED * truth.times_s)
    np.testing.assert_array_equal(truth.camera_landmarks[0], truth.landmarks)
    assert truth.contacts[truth.times_s > 0.3, 0].tolist() == [[0, 0, -1, -1, -1]] * 11
    assert (truth.contacts[:, 1] == -1).all()


def test_several_processes_make_the_same_truth_and_the_same_videos(plain, tmp_path):
    told = []
    make(tmp_path / "take", workers=2, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert same(Truth.load(tmp_path / "take" / "truth.h5"), plain[1])
    assert (tmp_path / "take" / "truth.h5").read_bytes() == (plain[0].folder / "truth.h5").read_bytes()
    assert told[0] == ("render", 0, 42)
    assert ("render", 42, 42) in told
    assert told[-1][:1] == ("join",)
    assert not multiprocessing.active_children()
    assert [path.name for path in tmp_path.iterdir()] == ["take"]


@pytest.mark.parametrize("seconds", [1 / 30, BLOCK / 30, (BLOCK + 1) / 30])
def test_any_number_of_frames_can_be_made(tmp_path, seconds):
    truth = make(tmp_path / "take", settings(seconds=seconds))
    assert truth.camera_times_s.shape == (2, round(seconds * 30))


def test_an_offset_and_a_drift_are_in_the_images_and_in_the_truth_but_not_in_the_stamps(tmp_path):
    truth = make(tmp_path / "take", settings(faults=("clock-offset=a:0.1", "clock-drift=b:0.05")))
    recording = Recording.open(tmp_path / "take")
    stamps = np.arange(21) / 30
    for name, true_times in (("a", stamps + 0.1), ("b", stamps * 1.05)):
        c = truth.camera(name)
        np.testing.assert_allclose(recording.times(name), stamps, atol=1e-9)
        np.testing.assert_allclose(truth.camera_times_s[c], true_times, atol=1e-12)
        np.testing.assert_allclose(truth.camera_landmarks[c, :, 0, 1], -0.2 + SPEED * true_times)
        np.testing.assert_allclose(dot_in(recording.read(name, 20)), truth.pixels[c, 20, 0], atol=0.3)
    np.testing.assert_array_equal(truth.times_s, stamps)


def test_dropped_frames_are_missing_from_video_stamps_and_truth(tmp_path):
    truth = make(tmp_path / "take", settings(faults=("dropped=b:0.2",)))
    recording = Recording.open(tmp_path / "take")
    missing = truth.faults["dropped"]["cameras"]["b"]["moments"]
    kept = np.setdiff1d(np.arange(21), missing)
    assert len(missing) == 4
    np.testing.assert_allclose(recording.times("b"), kept / 30, atol=1e-9)
    np.testing.assert_allclose(index_video(recording.video_path("b")).times_s, kept / 30, atol=1e-6)
    np.testing.assert_allclose(truth.camera_times_s[1, : len(kept)], kept / 30)
    assert np.isnan(truth.camera_times_s[1, len(kept) :]).all()
    assert (truth.visibility[1, len(kept) :] == Visibility.NOT_FILMED).all()
    for index, _, image in recording.frames("b"):
        np.testing.assert_allclose(dot_in(image), truth.pixels[1, index, 0], atol=0.3)
    assert len(recording.times("a")) == 21


def test_a_bumped_camera_moves_half_way_and_the_rig_file_does_not_know(tmp_path):
    truth = make(tmp_path / "take", settings(faults=("bumped=a",)))
    camera = Rig.load(tmp_path / "take" / "rig.toml").cameras["a"]
    T_body_camera = invert(truth.T_world_body[:, 0]) @ truth.T_world_camera[0]
    moved = invert(camera.T_body_camera) @ T_body_camera
    late = truth.times_s >= 0.35
    np.testing.assert_allclose(np.degrees(np.linalg.norm(rotvec_of(moved), axis=1)), np.where(late, 3.0, 0.0), atol=1e-6)
    np.testing.assert_allclose(moved[late], np.broadcast_to(truth.faults["bumped"]["cameras"]["a"]["T_camera_bumped"], moved[late].shape))
    np.testing.assert_allclose(dot_in(Recording.open(tmp_path / "take").read("a", 20)), truth.pixels[0, 20, 0], atol=0.3)


def test_a_covered_lens_sees_nothing_in_the_middle_third(tmp_path):
    truth = make(tmp_path / "take", settings(faults=("covered=a",)))
    dark = np.array([image.max() < 40 for _, _, image in Recording.open(tmp_path / "take").frames("a")])
    np.testing.assert_array_equal(dark, (truth.times_s >= 0.7 / 3) & (truth.times_s < 1.4 / 3))
    np.testing.assert_array_equal(truth.visibility[0] == Visibility.HIDDEN, np.repeat(dark[:, None], 75, axis=1))
    assert (truth.visibility[1] == Visibility.VISIBLE).all()


def test_room_cameras_stand_still_and_are_in_the_rig(tmp_path):
    truth = make(tmp_path / "take", settings("a", room_cameras=2, seconds=0.1))
    assert truth.cameras == ("a", "room_1", "room_2")
    found = Rig.load(tmp_path / "take" / "rig.toml")
    for name in ("room_1", "room_2"):
        assert found.cameras[name].body == "room"
        np.testing.assert_array_equal(
            truth.T_world_camera[truth.camera(name)], np.broadcast_to(found.cameras[name].T_body_camera, (3, 4, 4))
        )


def test_what_is_there_is_left_unless_forced(tmp_path):
    out = tmp_path / "take"
    make(out, settings(seconds=0.1))
    before = (out / "truth.h5").read_bytes()
    with pytest.raises(FileExistsUsageError):
        make(out, settings(seconds=0.2))
    assert (out / "truth.h5").read_bytes() == before
    make(out, settings(seconds=0.2), force=True)
    assert len(Truth.load(out / "truth.h5").times_s) == 6


def test_a_folder_that_is_no_recording_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("precious")
    with pytest.raises(UsageError, match="not a recording"):
        make(tmp_path / "photos", force=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_rendered_before_a_failure_is_kept_and_a_second_run_goes_on(plain, tmp_path, monkeypatch, workers):
    monkeypatch.setenv(TROUBLE, "error")
    with pytest.raises((DataError, ZeroDivisionError), match="no light"):
        make(tmp_path / "take", workers=workers)
    assert not (tmp_path / "take").exists()
    monkeypatch.delenv(TROUBLE)
    told = []
    make(tmp_path / "take", progress=lambda stage, done, total: told.append(done))
    assert told[0] >= (2 * BLOCK if workers == 1 else 0)  # of two, the other may not have got that far
    assert same(Truth.load(tmp_path / "take" / "truth.h5"), plain[1])


def test_other_settings_start_anew(tmp_path, monkeypatch):
    monkeypatch.setenv(TROUBLE, "error")
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "take")
    monkeypatch.delenv(TROUBLE)
    told = []
    make(tmp_path / "take", replace(settings(), seed=2), progress=lambda stage, done, total: told.append(done))
    assert told[0] == 0


def test_a_part_that_was_damaged_is_rendered_again(tmp_path, monkeypatch, plain):
    monkeypatch.setenv(TROUBLE, "error")
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "take")
    monkeypatch.delenv(TROUBLE)
    (kept,) = tmp_path.glob(".take*/block_*.npz")
    kept.write_bytes(kept.read_bytes()[:2000])
    make(tmp_path / "take")
    assert same(Truth.load(tmp_path / "take" / "truth.h5"), plain[1])


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(TROUBLE, "full")
    with pytest.raises(OutOfSpaceError, match=r"No space left while writing .*take"):
        make(tmp_path / "take")
    assert not (tmp_path / "take").exists()


@pytest.mark.parametrize("largest", [500, 8000])
def test_a_disk_that_is_full_at_the_end_keeps_what_was_rendered(tmp_path, largest):
    """Of 500 bytes no video fits; of 8000, all but the truth."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(stage: str, done: float, total: float) -> None:
        if stage == "join":
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))

    try:
        with pytest.raises(OutOfSpaceError, match=r"No space left while writing .*/take;"):
            make(tmp_path / "take", progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = []
    make(tmp_path / "take", progress=lambda stage, done, total: told.append((done, total)))
    assert told[0] == (42, 42)
    assert [path.name for path in tmp_path.iterdir()] == ["take"]


@pytest.mark.parametrize(("name", "error"), [("n" * 300, UsageError), ("file/take", BodydoubleError)])
def test_a_place_that_cannot_be_written_is_said_before_the_person_is_made(tmp_path, name, error):
    (tmp_path / "file").write_text("precious")

    def must_not_start(settings):
        raise AssertionError("the person is made")

    with pytest.raises(error, match="cannot be written"):
        simulate(settings(), tmp_path / name, make=must_not_start)
    assert (tmp_path / "file").read_text() == "precious"


def test_two_processes_do_not_make_one_recording(tmp_path):
    import fcntl

    folder = tmp_path / ".take.simulating.partial"
    folder.mkdir()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="being made by another process"):
            make(tmp_path / "take")


STOPPED = """
import sys
from pathlib import Path
from moving_dot import moving_dot, settings
from bodydouble.hand_pose.simulation.simulation import simulate

if __name__ == "__main__":
    try:
        simulate(settings(seconds=3.0), Path(sys.argv[1]), make=moving_dot, workers=2, progress=lambda *told: print(*told, flush=True))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_where_it_was(tmp_path, how):
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), TROUBLE: "slow"}
    command = [sys.executable, str(script), str(tmp_path / "take")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    for line in run.stdout:
        if line.startswith("render 80 "):
            break
    if how == signal.SIGINT:
        os.killpg(run.pid, how)  # as a terminal does: to the process and to those that it started
    else:
        run.send_signal(how)
    _, complaints = run.communicate(timeout=20)
    assert "Traceback" not in complaints
    assert run.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "take").exists()
    told = []
    make(tmp_path / "take", settings(seconds=3.0), progress=lambda stage, done, total: told.append(done))
    assert 2 * BLOCK <= told[0] < 180
    assert Truth.load(tmp_path / "take" / "truth.h5").camera_times_s.shape == (2, 90)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"seconds": 0.01}, UsageError, "takes 0.02 s at least"),
        ({"faults": ("drop",)}, UnknownNameError, "Did you mean 'dropped'"),
        ({"faults": ("covered=c",)}, UnknownNameError, "camera 'c'"),
        ({"size": (95, 64)}, UsageError, "even numbers"),
        ({"room_cameras": 9}, UsageError, "expected 0 to 8"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(tmp_path, asked, error, said):
    with pytest.raises(error, match=said):
        make(tmp_path / "take", settings(**asked))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", [{"seconds": 0.0}, {"seconds": -1}, {"seconds": float("nan")}, {"seconds": 1e9}, {"seed": -1}])
def test_numbers_that_cannot_be_are_refused_at_once(asked):
    with pytest.raises(UsageError, match="cannot be; expected"):
        settings(**asked)


def test_a_camera_inside_the_person_is_named(tmp_path):
    T = rig("a").cameras["a"].T_body_camera.copy()
    T[:3, 3] = 0.0
    inside = replace(rig("a").cameras["a"], T_body_camera=T)
    with pytest.raises(UsageError, match="Camera 'a' is inside the person at the start"):
        make(tmp_path / "take", settings(rig=Rig("row", ("helmet",), {"a": inside})))


def test_the_truth_can_be_read_as_json(plain):
    assert json.loads(json.dumps(plain[1].settings)) == plain[1].settings
