"""``bodydouble evaluate``: what it prints, what it refuses, and that nothing is computed twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bodydouble.capture import Recording, frame_results, open_recording
from bodydouble.cli.app import main
from bodydouble.cli.evaluate import STAGE_TEXTS, app, evaluation_table, truth_of
from bodydouble.datasets import pipeline
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.evaluation import MEASURES, Evaluation
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.hand_pose.leave_one_out import LeaveOneOut
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.truth import Truth


def run(*arguments: object):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def made_up_truth(recording: Recording) -> Truth:
    """A truth of the right recording and of nobody who was in it."""
    C, K = len(recording.cameras), max(len(times) for times in recording.times_s.values())
    times = np.arange(K) / 60
    nobody = np.random.default_rng(0).normal(size=(K, 75, 3))
    none = np.zeros((K, 0, 4, 4))
    return Truth(
        recording={name: recording.content_key([name]) for name in recording.cameras}, settings={}, times_s=times, landmarks=nobody, joint_names=(),
        joints=np.zeros((K, 0, 3)), body_names=(), T_world_body=none, object_names=(), T_world_object=none, contacts=np.full((K, 2, 5), -1),
        cameras=recording.cameras, camera_times_s=np.tile(times, (C, 1)), T_world_camera=np.tile(np.eye(4), (C, K, 1, 1)),
        camera_landmarks=np.tile(nobody, (C, 1, 1, 1)), pixels=np.full((C, K, 75, 2), 500.0), visibility=np.full((C, K, 75), Visibility.VISIBLE),
    )  # fmt: skip


@pytest.fixture
def copied(sample_cache, tmp_path) -> Path:
    """The sample's recording in a folder of its own, where a truth file can be put."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in sample_cache.recording.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def must_not_start(monkeypatch):
    """What is refused is refused before minutes are spent on it."""
    monkeypatch.setattr(pipeline, "detect", lambda *_, **__: pytest.fail("detection was started"))


def test_without_truth_the_object_holds_what_can_be_told_and_null_for_the_rest(sample_cache):
    done = run(sample_cache.recording, "--stop", "10", "--json")
    values = json.loads(done.stdout)
    assert done.stderr == ""
    assert (values["frames"], values["simulated"], values["cameras"]) == (10, False, ["cam01", "cam02", "cam03", "cam04"])
    assert values["mkpe_mm"] is values["mkpe_baseline_mm"] is values["lost_track_ratio"] is values["covariance_95_coverage"] is None
    assert set(values["leave_one_out_px"]) == {"cam01", "cam02", "cam03", "cam04"}
    assert all(0 < error["median"] <= error["p90"] < 1000 for error in values["leave_one_out_px"].values())
    assert values["leave_one_out_px"]["cam04"]["median"] < 30
    assert values["bone_length_variation_pct"] < 0.01 < values["baseline"]["bone_length_variation_pct"]
    assert set(values["missing_frames"].values()) == {0}
    assert values["clock_offsets_ms"] == {
        key: {"offset_ms": None, "sigma_ms": None} for key in values["cameras"]
    }  # a sixth of a second tells nothing
    assert values["fit_seconds"] > 0
    assert values["detect_seconds"] > 0


def test_a_recording_without_anybody_ends_in_one_sentence_and_exit_code_1(sample_cache, monkeypatch, capsys):
    def nobody(recording, frame_sets, **_):
        shape = (len(recording.cameras), len(frame_sets), 75)
        return Landmarks(
            recording.cameras, frame_sets.camera_times_s, np.full((*shape, 2), np.nan), np.full(shape, np.nan), np.full((*shape, 3), np.nan)
        )

    monkeypatch.setattr(pipeline, "detect", nobody)
    monkeypatch.setattr(sys, "argv", ["bodydouble", "evaluate", str(sample_cache.recording), "--stop", "8", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "No frame shows" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_a_second_evaluation_computes_nothing_and_knows_how_long_the_first_took(sample_cache, monkeypatch):
    first = json.loads(run(sample_cache.recording, "--stop", "10", "--json").stdout)
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a detector was started"))
    monkeypatch.setattr(pipeline, "estimate", lambda *_, **__: pytest.fail("a fit was started"))
    assert json.loads(run(sample_cache.recording, "--stop", "10", "--json").stdout) == first


def test_frames_that_were_detected_in_another_run_have_no_known_time(sample_cache):
    values = json.loads(run(sample_cache.recording, "--start", "2", "--stop", "5", "--json").stdout)
    assert values["detect_seconds"] is None
    assert values["fit_seconds"] > 0


def test_the_table_has_units_both_columns_and_each_camera(sample_cache):
    done = run(sample_cache.recording, "--stop", "10")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "recording (no truth): 10 frames, 4 cameras"
    assert lines[1] == "figure estimator baseline unit"
    assert any(line.startswith("body: without cam04, median / p90") and line.endswith("px") for line in lines)
    assert any(line.startswith("bone lengths: deviation / mean 0.00") and line.endswith("%") for line in lines)
    assert "simulated" not in done.stdout
    assert "the fit with all cameras" in done.stdout


def test_with_truth_it_says_that_it_is_simulated(copied):
    made_up_truth(Recording.open(copied)).save(copied / "truth.h5")
    done = run(copied, "--stop", "10")
    assert done.stdout.splitlines()[0].startswith("recording (simulated): 10 frames, 4 cameras")
    values = json.loads(run(copied, "--stop", "10", "--json").stdout)
    assert values["simulated"] is True
    assert (values["hand_frames"], values["lost_track_ratio"]) == (20, 1)
    assert values["mkpe_mm"] is None  # a hand that is lost is in no mean
    assert values["body_mpjpe_observed_mm"] > 100
    assert 0 <= values["covariance_95_coverage"] < 0.2


def test_another_estimator_can_be_judged_in_its_place(sample_cache):
    values = json.loads(run(sample_cache.recording, "--stop", "10", "--estimator", "robust", "--json").stdout)
    assert values["estimator"] == "robust"
    assert values["bone_length_variation_pct"] > 1.0
    assert values["leave_one_out_px"]["cam04"]["median"] > 0


def test_one_camera_has_no_other_to_be_compared_with(sample_cache):
    done = run(sample_cache.recording, "--stop", "10", "--cameras", "cam04", "--json")
    values = json.loads(done.stdout)
    assert values["leave_one_out_px"] is None
    assert values["not_refitted"] == {"cam04": "it is the only camera"}
    lines = run(sample_cache.recording, "--stop", "10", "--cameras", "cam04").stdout.splitlines()
    assert lines[0].rstrip() == "recording (no truth): 10 frames, 1 camera"
    assert "cam04 is never withheld: it is the only camera" in lines


def test_a_truth_of_other_videos_is_refused_with_both_keys(copied, must_not_start):
    recording = Recording.open(copied)
    truth = made_up_truth(recording)
    wrong = {**truth.recording, "cam02": "0123456789abcdef"}
    Truth(**{**vars(truth), "recording": wrong}).save(copied / "truth.h5")
    with pytest.raises(
        DataError,
        match=r"truth.h5 is of another recording, or this one was changed .* camera 'cam02' .* expected 0123456789abcdef. Put this",
    ):
        run(copied)
    assert truth_of(recording.select(["cam01", "cam04"]), copied) is not None


def test_a_truth_of_other_cameras_is_refused_and_those_it_knows_are_offered(copied, must_not_start):
    recording = Recording.open(copied)
    truth = made_up_truth(recording)
    renamed = ("front", "left", "right", "back")
    Truth(**{**vars(truth), "cameras": renamed, "recording": dict.fromkeys(renamed, "key")}).save(copied / "truth.h5")
    with pytest.raises(DataError, match=r"of the cameras front, left, right, back, expected cam01, cam02, cam03, cam04"):
        run(copied)
    made_up_truth(recording.select(["cam01", "cam03"])).save(copied / "truth.h5")
    with pytest.raises(DataError, match=r"has no camera 'cam02'; it has cam01, cam03. Evaluate those with --cameras cam01,cam03"):
        run(copied)


def test_a_damaged_truth_is_named(copied, must_not_start):
    made_up_truth(Recording.open(copied)).save(copied / "truth.h5")
    content = (copied / "truth.h5").read_bytes()
    (copied / "truth.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"truth.h5 is not a truth file of this version"):
        run(copied)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recording": None}, "recording is not an object with names"),
        ({"times_s": np.zeros(10)}, "times_s does not grow"),
        ({"landmarks": np.full((10, 75, 3), np.nan)}, "landmarks holds values that are not finite"),
    ],
)
def test_a_truth_that_cannot_be_is_named(copied, must_not_start, changed, said):
    truth = made_up_truth(Recording.open(copied))
    M = len(truth.times_s)
    fitting = {name: np.resize(value, (M, *value.shape[1:])) if isinstance(value, np.ndarray) else value for name, value in changed.items()}
    Truth(**{**vars(truth), **fitting}).save(copied / "truth.h5")
    with pytest.raises(DataError, match=rf"truth.h5 is not a truth file of this version \({said}\). Make"):
        run(copied)


def test_the_truth_of_a_folder_of_videos_is_found_beside_them(sample_cache, tmp_path, must_not_start):
    for name in ("cam03.mp4", "cam04.mp4"):
        (tmp_path / name).symlink_to(sample_cache.recording / name)
    opened = open_recording(tmp_path)
    assert truth_of(opened, tmp_path) is None
    made_up_truth(opened).save(tmp_path / "truth.h5")
    found = truth_of(open_recording(tmp_path), tmp_path)
    assert found is not None
    assert found.cameras == ("cam03", "cam04")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--cameras", "cam04,cam5"], UnknownNameError, "camera 'cam5' is not in recording 'recording'"),
        (["--cameras", ","], UsageError, "names no camera"),
        (["--stature", "175"], UsageError, "is not a person's height in metres"),
        (["--rig", "nowhere.toml"], UsageError, "nowhere.toml"),
        (["--estimator", "best"], UnknownNameError, "estimator 'best'.*fit, robust, linear"),
        (["--start", "5", "--stop", "5"], UsageError, "The range of frames 5 to 5 is empty"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_done(sample_cache, must_not_start, arguments, error, said):
    with pytest.raises(error, match=said):
        run(sample_cache.recording, *arguments)


def test_a_rig_of_other_cameras_is_refused(sample_cache, tmp_path, must_not_start):
    text = (sample_cache.recording / "rig.toml").read_text()
    for number in "1234":
        text = text.replace(f"cam0{number}", f"view{number}")
    (tmp_path / "rig.toml").write_text(text)
    with pytest.raises(UsageError, match=r"Camera 'cam01' of the recording is not in the rig .* Give the right rig with --rig"):
        run(sample_cache.recording, "--rig", tmp_path / "rig.toml")


def test_every_stage_has_a_text_for_its_bar():
    assert set(STAGE_TEXTS) == {*pipeline.STAGES[:3], "leave_out"}


def test_numbers_that_are_not_there_are_dashes_and_not_nan():
    nothing = {"median": float("nan"), "p90": float("nan")}
    figures = dict.fromkeys(MEASURES, float("nan")) | {"lost_track_ratio": 0.031, "side_errors": 2, "accel_error": 1.234}
    left_out = LeaveOneOut({"estimator": {"a": {"median": 3.0, "p90": float("inf")}}, "baseline": {"a": nothing}}, {}, {})
    table = evaluation_table(Evaluation(("a",), 3, True, figures, figures, left_out), "take")
    columns = [list(column.cells) for column in table.columns]
    rows = {row[0]: row[1:] for row in zip(*columns, strict=True)}
    assert rows["hands: lost tracks"] == ("3.1", "3.1", "%")
    assert rows["hands: left/right errors"] == ("2", "2", "hand-frames")
    assert rows["wrists, seen or not"] == ("–", "–", "mm")
    assert rows["truth within the 95 % region"] == ("–", "", "%")
    assert rows["body: without a, median / p90"] == ("3.00 / behind it", "– / –", "px")
    assert table.title == "take (simulated): 3 frames, 1 camera"
