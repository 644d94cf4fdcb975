"""``bodydouble calibrate intrinsics``, ``rig`` and ``convert`` as a user calls them, on small simulated recordings and on real stills."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_capture import charuco, hand_held, simulate
from simulated_recording import GREY, SIZE, GreyImage, photograph, small_rig, write_video
from typer.testing import CliRunner

from bodydouble.calibration import PinholeCamera, Rig
from bodydouble.calibration.boards.board import Board, join_targets
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.connections import NotConnectedError
from bodydouble.calibration.formats.qualisys import read_qualisys
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.transform import apply, invert, pose_distance, pose_from
from bodydouble.cli.calibrate import app
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError

run = CliRunner()

FRAMES = 24
BOARD = charuco(5, 4, 0.08)


@dataclass(frozen=True)
class Take:
    """A board that is moved before three cameras."""

    folder: Path
    rig: Rig
    images: dict[str, list[GreyImage]]

    @property
    def recording(self) -> Path:
        return self.folder / "take"

    @property
    def board(self) -> Path:
        return self.folder / "board.toml"


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Take]:
    """The recording, with a cache of its own in which what was found in the images stays for all tests."""
    folder, rig = tmp_path_factory.mktemp("calibrate"), small_rig()
    motion, middle = hand_held(1, spread=(0.2, 0.25, 0.15)), pose_from(np.eye(3), -BOARD.targets.points.mean(axis=0))
    images = {
        name: [photograph(BOARD, camera.model, camera.T_camera_body @ motion(k / 10) @ middle, seed=k) for k in range(FRAMES)]
        for name, camera in rig.cameras.items()
    }
    for name, frames in images.items():
        write_video(folder / "take" / f"{name}.mp4", frames)
    BOARD.save(folder / "board.toml")
    rig.save(folder / "true.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODYDOUBLE_CACHE", str(folder / "cache"))
        yield Take(folder, rig, images)


def call(*arguments: Any, code: int = 0) -> Any:
    done = run.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def refused(error: type[Exception], sentence: str, verb: str, *arguments: Any, out: Path) -> None:
    """Call a verb that must end with a sentence, and leave nothing behind."""
    with pytest.raises(error, match=sentence):
        call(verb, *arguments, "-o", out)
    assert not out.exists()


@pytest.fixture(scope="module")
def calibrated(take: Take) -> dict[str, Any]:
    """What ``calibrate rig`` printed as JSON, with its rig in ``rig.toml`` and its report in ``report``."""
    done = call("rig", take.recording, "--board", take.board, "-o", take.folder / "rig.toml", "--report", take.folder / "report", "--json")
    return dict(json.loads(done.stdout))


def test_a_rig_is_calibrated_to_few_millimetres_by_a_dozen_small_images(take: Take, calibrated: dict[str, Any]) -> None:
    found = Rig.load(take.folder / "rig.toml")
    for name in ("cam1", "cam2"):
        ours, true = (invert(rig.camera("cam0").T_body_camera) @ rig.camera(name).T_body_camera for rig in (found, take.rig))
        angle, distance = pose_distance(ours, true)
        assert distance < 3e-3
        assert np.degrees(angle) < 0.2
        assert found.camera(name).model.focal == pytest.approx((420.0, 420.0), rel=2e-3)
        assert found.camera(name).sigma.position_m is not None
    assert calibrated["held_out"]["board_distance_mm"]["rmse"] < 0.2


def test_the_report_holds_the_keys_that_programs_read(take: Take, calibrated: dict[str, Any]) -> None:
    report = json.loads((take.folder / "report" / "calibration_report.json").read_text())
    assert "<html" in (take.folder / "report" / "calibration_report.html").read_text()[:200]
    held_out = report["held_out"]
    assert 0 < held_out["board_distance_mm"]["median"] < held_out["board_distance_mm"]["rmse"] < held_out["board_distance_mm"]["p95"]
    assert held_out["frames"] == FRAMES // 2
    assert 100 < held_out["corners"] <= 12 * FRAMES // 2
    assert set(held_out["reprojection_px"]) == set(report["time_offsets_ms"]) == {"cam0", "cam1", "cam2"}
    assert all(0 < item["median"] < 0.3 and 0 < item["rms"] < 0.5 for item in held_out["reprojection_px"].values())
    assert all(abs(offset) < 3 for offset in report["time_offsets_ms"].values())
    assert report["detect_seconds"] > 0
    assert 0 < report["solve_seconds"] < 60
    assert report["verdict"] in ("PASS", "WARN", "FAIL")
    assert {key: calibrated[key] for key in ("held_out", "verdict", "time_offsets_ms")} == {
        key: report[key] for key in ("held_out", "verdict", "time_offsets_ms")
    }
    assert calibrated["rig"] == str(take.folder / "rig.toml")
    assert calibrated["warnings"] == []


@pytest.mark.parametrize(("train", "held_out"), [("odd", FRAMES // 2), ("all", 0)])
def test_the_frames_to_solve_with_are_a_choice(take: Take, calibrated: dict[str, Any], train: str, held_out: int, tmp_path: Path) -> None:
    done = call("rig", take.recording, "--board", take.board, "--train-frames", train, "-o", tmp_path / "rig.toml", "--json")
    report = json.loads(done.stdout)
    assert report["held_out"]["frames"] == held_out
    assert (report["held_out"]["board_distance_mm"]["median"] is None) == (held_out == 0)
    assert report["frames"]["solved"] == FRAMES - held_out


def test_timestamps_of_a_common_trigger_can_be_believed(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "rig.toml"
    call("rig", take.recording, "--board", take.board, "--clocks", "stamped", "-o", out)
    assert {camera.time_offset_s for camera in Rig.load(out).cameras.values()} == {0.0}
    assert set(calibrated["time_offsets_ms"].values()) != {0.0}


def test_lenses_that_are_known_are_kept(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "rig.toml"
    done = call("rig", take.recording, "--board", take.board, "--fix-intrinsics", take.folder / "true.toml", "-o", out)
    found = Rig.load(out)
    assert [camera.model for camera in found.cameras.values()] == [camera.model for camera in take.rig.cameras.values()]
    assert "Wrote" in done.stdout
    assert "times as far apart" not in done.stdout


def test_some_cameras_can_be_left_out(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    call("rig", take.recording, "--board", take.board, "--cameras", "cam2,cam0", "-o", tmp_path / "rig.toml")
    assert Rig.load(tmp_path / "rig.toml").names == ("cam2", "cam0")
    arguments = ("rig", take.recording, "--board", take.board, "--cameras", "cam0,cam7")
    refused(UnknownNameError, "camera 'cam7' is not in recording 'take'; valid: cam0, cam1, cam2", *arguments, out=tmp_path / "other.toml")


def test_a_strict_run_exits_1_where_the_verdict_is_fail(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    arguments = ("rig", take.recording, "--board", take.board, "--strict", "-o", tmp_path / "rig.toml", "--json")
    with seen_instead(observed(take, noise_px=2.0)):
        done = call(*arguments, code=1)
    assert json.loads(done.stdout)["verdict"] == "FAIL"
    assert (tmp_path / "rig.toml").exists(), "the rig is written whatever the verdict"


def test_outputs_that_are_there_are_kept_without_force(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    written = (take.folder / "rig.toml").read_text()
    with pytest.raises(FileExistsUsageError, match=r"rig\.toml already exists and was left as it is\. Pass --force"):
        call("rig", take.recording, "--board", take.board, "-o", take.folder / "rig.toml")
    assert (take.folder / "rig.toml").read_text() == written
    arguments = ("rig", take.recording, "--board", take.board)
    sentence = "calibration_report.html already exists and was left as it is. Pass --force to replace it, or choose another folder"
    refused(UsageError, sentence, *arguments, "--report", take.folder / "report", out=tmp_path / "rig.toml")
    (tmp_path / "old.toml").write_text("old")
    call(*arguments, "-o", tmp_path / "old.toml", "--force")
    assert Rig.load(tmp_path / "old.toml").names == take.rig.names


def test_what_cannot_be_asked_for_is_told_before_any_image_is_read(take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*arguments: Any, **options: Any) -> None:
        raise AssertionError("images were read")

    monkeypatch.setattr("bodydouble.calibration.boards.observations.observe", unexpected)
    out, board = tmp_path / "rig.toml", ("--board", take.board)
    (tmp_path / "a file").write_text("")
    for error, sentence, arguments in [
        (UnknownNameError, "value 'third' is not in --train-frames; valid: even, odd, all", (*board, "--train-frames", "third")),
        (UnknownNameError, "value 'hands' is not in --targets; valid: auto, moving, still", (*board, "--targets", "hands")),
        (UnknownNameError, "value 'exact' is not in --clocks; valid: found, stamped", (*board, "--clocks", "exact")),
        (UnknownNameError, "value 'fish' is not in --lens; valid: auto, pinhole, pinhole8, fisheye", (*board, "--lens", "fish")),
        (UnknownNameError, "purpose 'feet' is not in thresholds.toml; valid: hands, body", (*board, "--purpose", "feet")),
        (UnknownNameError, "rig 'optimus-helmet6' is not in the presets", (*board, "--start", "optimus-helmet6")),
        (UnknownNameError, "camera 'cam0' is not in rig 'optimus-helmet5'", (*board, "--start", "optimus-helmet5")),
        (UsageError, "none.toml does not exist", (*board, "--fix-intrinsics", tmp_path / "none.toml")),
        (UsageError, "none.toml does not exist; expected a board's file. `bodydouble board find", ("--board", tmp_path / "none.toml")),
        (UsageError, "is named for two outputs", (*board, "--tag-map", out)),
        (UsageError, "--tag-map is for boards and tags that stand still", (*board, "--tag-map", tmp_path / "map.toml")),
        (UsageError, "--report takes a folder", (*board, "--report", tmp_path / "a file")),
    ]:
        refused(error, re.escape(sentence), "rig", take.recording, *arguments, out=out)
    with pytest.raises(UsageError, match="is a folder; the name of a file was expected"):
        call("rig", take.recording, *board, "-o", tmp_path)
    refused(UsageError, r"take holds 3 cameras \(cam0, cam1, cam2\)", "intrinsics", take.recording, *board, out=out)
    refused(UsageError, "nowhere does not exist; expected a recording's folder", "rig", tmp_path / "nowhere", *board, out=out)


def test_unknown_keys_and_names_that_are_given_twice_are_told(take: Take, tmp_path: Path) -> None:
    out = tmp_path / "rig.toml"
    (tmp_path / "typo.toml").write_text(take.board.read_text() + "squaresize = 0.1\n")
    sentence = r"typo.toml: unknown key 'squaresize' \(valid keys: .*Did you mean 'square_size'"
    refused(UsageError, sentence, "rig", take.recording, "--board", tmp_path / "typo.toml", out=out)
    (tmp_path / "rig_typo.toml").write_text((take.folder / "true.toml").read_text().replace("focal_px", "focal"))
    arguments = ("rig", take.recording, "--board", take.board)
    refused(UsageError, "unknown key 'cameras.cam0.focal'", *arguments, "--fix-intrinsics", tmp_path / "rig_typo.toml", out=out)
    refused(UsageError, "Two boards or tags are called 'board'", *arguments, "--board", take.board, out=out)
    for name in ("cam0.mp4", "cam0.mkv"):
        (tmp_path / "twice" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "twice" / name).write_bytes(b"")
    refused(UsageError, "would both be camera 'cam0'", "rig", tmp_path / "twice", "--board", take.board, out=out)


def test_a_video_of_another_size_than_the_known_lens_is_told(take: Take, tmp_path: Path) -> None:
    cameras = {
        name: replace(camera, model=PinholeCamera((640, 360), (420.0, 420.0), (319.5, 179.5))) for name, camera in take.rig.cameras.items()
    }
    replace(take.rig, cameras=cameras).save(tmp_path / "wide.toml")
    for option in ("--fix-intrinsics", "--start"):
        sentence = "camera 'cam0': its video is 480x360 px but it was calibrated at 640x360 px. If the video is a part cut out"
        refused(
            UsageError, sentence, "rig", take.recording, "--board", take.board, option, tmp_path / "wide.toml", out=tmp_path / "rig.toml"
        )  # fmt: skip


def test_images_of_two_sizes_are_not_one_camera(take: Take, tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "front"
    folder.mkdir()
    for k, image in enumerate(take.images["cam0"][:4]):
        cv2.imwrite(str(folder / f"{k}.png"), image if k < 3 else image[:300])
    sentence = "3.png is 480x300 px but .*0.png is 480x360 px. The images of one camera have one size"
    refused(DataError, sentence, "intrinsics", folder, "--board", take.board, out=tmp_path / "front.toml")


def test_a_part_of_a_calibrated_image_is_calibrated_in_the_whole_image(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    """The pixels of a video that was declared to be cut out at (20, 10) are those of the whole image."""
    folder = tmp_path / "cut"
    for name, frames in take.images.items():
        write_video(folder / f"{name}.mp4", [frame[10:350, 20:460] for frame in frames[:16]])
    cut = "".join(f'[cameras.{name}]\nvideo = "{name}.mp4"\ncrop_origin_px = [20, 10]\n' for name in take.images)
    (folder / "recording.toml").write_text(f'name = "cut"\nclock = "container"\n{cut}')
    out = tmp_path / "rig.toml"
    sentence = "Camera 'cam0': its video is declared to be a part of a larger image, cut out at 20,10"
    refused(UsageError, sentence, "rig", folder, "--board", take.board, out=out)
    done = call("rig", folder, "--board", take.board, "--fix-intrinsics", take.folder / "true.toml", "-o", out, "--json")
    assert json.loads(done.stdout)["held_out"]["board_distance_mm"]["rmse"] < 0.2
    assert Rig.load(out).camera("cam0").model == take.rig.camera("cam0").model


def test_a_video_that_breaks_off_is_told_with_the_last_good_frame(take: Take, tmp_path: Path) -> None:
    video = write_video(tmp_path / "take" / "cam0.mp4", take.images["cam0"], cut_off=0.5)
    sentence = r"cam0.mp4 breaks off: the last good frame is \d+ at .* Copy it again, or keep the good part"
    refused(DataError, sentence, "intrinsics", video, "--board", take.board, out=tmp_path / "cam.toml")
    write_video(tmp_path / "take" / "cam1.mp4", take.images["cam1"])
    refused(DataError, sentence, "rig", tmp_path / "take", "--board", take.board, out=tmp_path / "rig.toml")


def test_where_no_board_is_found_it_says_what_was_looked_for(take: Take, tmp_path: Path) -> None:
    video = write_video(tmp_path / "front.mp4", [np.full((SIZE[1], SIZE[0]), GREY, np.uint8)] * 3)
    other = Board(parse_board(BOARD.settings.model_dump(exclude_none=True) | {"inverted": True}, source="x"), "other")
    other.save(tmp_path / "other.toml")
    sentence = (
        r"No board was found in any of the 3 frames of front\. Looked for 'board' \(charuco 5x4 squares of 80 mm, markers of 60 mm, DICT_5X5_100\); "
        r"'other' \(.*, inverted\)\. `bodydouble board find IMAGE` tells which board"
    )
    boards = ("--board", take.board, "--board", tmp_path / "other.toml")
    refused(DataError, sentence, "intrinsics", video, *boards, out=tmp_path / "front.toml")


def observed(take: Take, **options: Any) -> Observations:
    """What the cameras of ``take`` would see of another take: projected, not found in images."""
    motions = {"board": hand_held(3, spread=(0.2, 0.25, 0.15))}
    seen, _ = simulate(take.rig, BOARD.targets, np.full((1, 4, 4), np.nan), motions, seconds=2.4, rate_hz=10, **options)
    return seen


def seen_instead(seen: Observations) -> Any:
    """Let the cameras have seen this, whatever is in their images."""
    patch = pytest.MonkeyPatch.context()

    class Patched:
        def __enter__(self) -> None:
            self.patch = patch.__enter__()
            self.patch.setattr("bodydouble.calibration.boards.observations.observe", lambda *a, **k: seen)

        def __exit__(self, *error: Any) -> None:
            patch.__exit__(*error)

    return Patched()


def only_frames(seen: Observations, **kept: slice) -> Observations:
    """Return what was seen with the frames of some cameras left out."""
    frames = np.zeros(seen.frame_index.shape, dtype=bool)
    for name, part in kept.items():
        frames[seen.cameras.index(name), part] = True
    return seen.where(frames)


def test_cameras_that_are_not_connected_are_named_with_what_to_film(take: Take, tmp_path: Path) -> None:
    arguments, out = ("rig", take.recording, "--board", take.board), tmp_path / "rig.toml"
    seen = observed(take)
    with seen_instead(only_frames(seen, cam0=slice(15), cam1=slice(15), cam2=slice(15, None))):
        sentence = (
            r"not connected: 'cam0', 'cam1' are tied together, but 'cam2' saw the board \d+ times, never at the same time as 'cam\d': film it "
            "where both see it"
        )
        refused(NotConnectedError, sentence, *arguments, out=out)
    with seen_instead(only_frames(seen, cam0=slice(None), cam2=slice(None))):
        sentence = "No board or tag was found in the images of 'cam1', so it cannot be placed. Film .* or leave it out with --cameras"
        refused(NotConnectedError, sentence, *arguments, out=out)


def test_too_few_views_are_told(take: Take, tmp_path: Path) -> None:
    video, out = take.recording / "cam0.mp4", tmp_path / "cam0.toml"
    for frames, sentence in [(slice(2), "Only 2 views show the board .* expected at least 3"), (slice(1), "Only one view shows the board")]:
        with seen_instead(one_camera(only_frames(observed(take, noise_px=0.0), cam0=frames))):
            refused(DataError, rf"cam0\.mp4: {sentence}", "intrinsics", video, "--board", take.board, out=out)
    seen = observed(take, noise_px=0.01)
    still = replace(seen, pixels=np.repeat(seen.pixels[:, :1], seen.moments, axis=1))
    with seen_instead(one_camera(still)):
        refused(DataError, "Only one view .* unlike the other views", "intrinsics", video, "--board", take.board, out=out)


def one_camera(seen: Observations) -> Observations:
    return Observations(seen.cameras[:1], seen.image_size[:1], seen.targets, seen.frame_index[:1], seen.times_s[:1], seen.pixels[:1])


def test_a_board_that_is_only_seen_edge_on_is_told(take: Take, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    camera, points = take.rig.camera("cam0").model, BOARD.targets.points
    pixels = np.full((1, 20, len(points), 2), np.nan)
    for k in range(20):
        tilt = np.radians(rng.uniform(84, 87))
        turned = np.array([[1, 0, 0], [0, -np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), -np.cos(tilt)]])
        middle = np.array([rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02), rng.uniform(0.6, 1.2)])
        pixels[0, k] = camera.project(apply(pose_from(turned, middle - turned @ points.mean(axis=0)), points)) + rng.normal(
            0, 0.02, (len(points), 2)
        )
    frames = np.arange(20)[None]
    with seen_instead(Observations(("cam0",), (SIZE,), BOARD.targets, frames, frames / 10, pixels)):
        sentence = "edge-on in every view, which says nothing about the lens. Turn it towards the camera, in tilts of 20 to 50 degrees"
        arguments = ("intrinsics", take.recording / "cam0.mp4", "--board", take.board)
        refused(DataError, sentence, *arguments, out=tmp_path / "cam0.toml")


def test_a_wrong_square_size_is_told_by_the_known_distances_of_the_cameras(take: Take, tmp_path: Path) -> None:
    too_large = BOARD.settings.model_copy(update={"square_size": 0.1, "marker_size": 0.075})
    board, known = tmp_path / "board.toml", take.folder / "true.toml"
    Board(too_large, "board").save(board)
    shutil.copy(known, tmp_path / "start.toml")
    arguments = (
        "rig",
        take.recording,
        "--board",
        board,
        "--fix-intrinsics",
        known,
        "--start",
        tmp_path / "start.toml",
        "-o",
        tmp_path / "rig.toml",
    )
    warnings = json.loads(call(*arguments, "--json").stdout)["warnings"]
    for warning, source in zip(warnings, ("start.toml", "true.toml"), strict=True):
        assert re.search(rf"cam0, cam1, cam2 came out 1\.25\d? times as far apart as in \S+{re.escape(source)}", warning)
        assert re.search(r"square_size of 'board' is 0\.0(8|80|799)\d* m and not 0\.1 m", warning)
    text = " ".join(call(*arguments, "--force").stdout.split())
    assert "WARN cam0, cam1, cam2 came out 1.2" in text


def test_a_wrong_size_of_one_of_two_boards_is_told_by_the_other(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    arguments = ("rig", take.recording, "--board", take.board, "--board", tmp_path / "second.toml", "--json")
    with seen_instead(two_boards(take, tmp_path / "second.toml", wrong=1.03)):
        report = json.loads(call(*arguments, "-o", tmp_path / "rig.toml").stdout)
    assert report["verdict"] == "FAIL"
    told = " ".join(f"{check['verdict']} {check['name']}: {check['found']}. {check['remedy']}" for check in report["checks"])
    assert re.search(r"(WARN|FAIL) size against the board file.*'second'.*Measure '(second|board)' with a ruler", told)


def two_boards(take: Take, file: Path, *, wrong: float) -> Observations:
    """Return what is seen of two boards, the second of which is ``wrong`` times as large in its ``file`` as in truth."""
    second = charuco(6, 5, 0.06)
    targets = join_targets([BOARD.targets, replace(second.targets, names=("second",))])
    motions = {"board": hand_held(3, spread=(0.2, 0.25, 0.15)), "second": hand_held(4, spread=(0.2, 0.25, 0.15))}
    seen, _ = simulate(take.rig, targets, np.full((2, 4, 4), np.nan), motions, seconds=4.5, rate_hz=10)
    Board(second.settings.model_copy(update={"square_size": 0.06 * wrong, "marker_size": 0.045 * wrong}), "second").save(file)
    return replace(seen, targets=join_targets([BOARD.targets, Board.load(file).targets]))


def test_an_adjustment_that_diverges_is_told_and_never_written(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    seen = observed(take)
    pixels = seen.pixels.copy()
    pixels[1] = np.random.default_rng(0).permutation(pixels[1])  # as if it were a video of another take
    out, report = tmp_path / "rig.toml", tmp_path / "report"
    with seen_instead(replace(seen, pixels=pixels)):
        sentence = "The adjustment diverged: .* Nothing was written"
        refused(DataError, sentence, "rig", take.recording, "--board", take.board, "--report", report, out=out)
    assert not any(report.iterdir())


def test_a_lens_is_found_with_its_uncertainty_and_what_to_film_next(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    video, out = take.recording / "cam0.mp4", tmp_path / "cam0.toml"
    done = call("intrinsics", video, "--board", take.board, "-o", out)
    assert "cam0: pinhole, focal length 4" in done.stdout
    assert "WARN image coverage" in done.stdout
    found = json.loads(call("intrinsics", video, "--board", take.board, "-o", out, "--force", "--json").stdout)
    assert found["camera"] == "cam0"
    assert found["image_size_px"] == [480, 360]
    assert found["focal_px"] == pytest.approx([420, 420], rel=5e-3)
    assert 0 < found["sigma"]["fx"] < 4
    assert set(found["sigma"]) == {"fx", "fy", "cx", "cy", *(f"distortion_{k}" for k in range(1, 6))}
    assert found["rms_px"] < 0.1
    assert found["rejected"] == {}
    assert found["frames"] == FRAMES
    assert len(found["views"]) <= found["frames_with_board"] <= FRAMES
    assert found["verdict"] == "WARN"
    written = Rig.load(out).camera("cam0")
    assert written.model.focal == tuple(found["focal_px"])
    assert written.sigma.focal_px == pytest.approx(np.hypot(found["sigma"]["fx"], found["sigma"]["fy"]) / np.sqrt(2))


def test_what_was_written_for_one_lens_serves_as_known_lens(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    for name in take.images:
        call("intrinsics", take.recording / f"{name}.mp4", "--board", take.board, "-o", tmp_path / f"{name}.toml")
    lens = Rig.load(tmp_path / "cam1.toml")
    arguments = ("rig", take.recording, "--board", take.board, "--cameras", "cam1", "--fix-intrinsics", tmp_path / "cam1.toml")
    call(*arguments, "-o", tmp_path / "rig.toml")
    assert Rig.load(tmp_path / "rig.toml").camera("cam1").model == lens.camera("cam1").model
    refused(
        UnknownNameError, "camera 'cam0' is not in rig 'cam1'", "rig", take.recording, "--board", take.board,
        "--fix-intrinsics", tmp_path / "cam1.toml", out=tmp_path / "other.toml",
    )  # fmt: skip


def test_a_lens_of_real_stills_agrees_with_the_laboratorys(sample_videos: Path, tmp_path: Path, isolated_results: Path) -> None:
    """Pose2Sim's stills of a checkerboard, against Qualisys' own calibration; ``test_intrinsics`` does all four cameras."""
    (tmp_path / "board.toml").write_text('type = "checkerboard"\ncolumns = 8\nrows = 5\nsquare_size = 0.06\n')
    stills = sample_videos / "calibration" / "intrinsics" / "int_cam01_img"
    found = json.loads(call("intrinsics", stills, "--board", tmp_path / "board.toml", "-o", tmp_path / "cam.toml", "--json").stdout)
    true = read_qualisys(sample_videos / "calibration" / "Calib.qca.txt").camera("cam01").model
    assert found["focal_px"] == pytest.approx(true.focal, rel=0.01)
    assert found["rms_px"] < 0.3
    assert found["lens"] == "pinhole"
    assert found["views"] == [f"cam01_0{k}_int.jpg" for k in range(1, 8)]


def test_a_calibration_is_converted(take: Take, tmp_path: Path) -> None:
    call("convert", take.folder / "true.toml", tmp_path / "camchain.yaml", "--to", "kalibr")
    call("convert", tmp_path / "camchain.yaml", tmp_path / "back.toml", "--to", "rig")
    assert Rig.load(tmp_path / "back.toml").camera("cam2").model == take.rig.camera("cam2").model
    with pytest.raises(UnknownNameError, match=r"format 'colmap' is not in .*; valid: rig, aniposelib, opencv, kalibr"):
        call("convert", take.folder / "true.toml", tmp_path / "other", "--to", "colmap")
    with pytest.raises(FileExistsUsageError):
        call("convert", take.folder / "true.toml", tmp_path / "back.toml", "--to", "rig")


def bodydouble(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bodydouble", "calibrate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})


def test_mistakes_exit_2_and_data_that_will_not_do_exit_1_with_one_sentence(take: Take, calibrated: dict[str, Any], tmp_path: Path) -> None:
    wrong = bodydouble("rig", take.recording, "--board", take.board, "-o", tmp_path / "rig.toml", "--train-frames", "third")
    assert (wrong.returncode, wrong.stderr) == (2, "Error: value 'third' is not in --train-frames; valid: even, odd, all.\n")
    video = write_video(tmp_path / "cam0.mp4", take.images["cam0"], cut_off=0.5)
    broken = bodydouble("intrinsics", video, "--board", take.board, "-o", tmp_path / "rig.toml")
    assert broken.returncode == 1
    assert broken.stderr.startswith(f"Error: {video} breaks off")
    assert broken.stderr.count("\n") == 1
    assert broken.stdout == wrong.stdout == ""


def test_ctrl_c_keeps_what_was_finished_and_writes_nothing(take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, out = tmp_path / "cache", tmp_path / "rig.toml"
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(cache))
    command = [
        sys.executable,
        "-P",
        "-m",
        "bodydouble",
        "calibrate",
        "rig",
        take.recording,
        "--board",
        take.board,
        "-o",
        out,
        "--workers",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until(lambda: any(cache.glob("boards/*/*")) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the command
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("Stopped. What was finished is kept; the same command goes on from there.\n")
    assert "Traceback" not in errors
    assert not out.exists()
    assert any(cache.glob("boards/*/*"))


def wait_until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_board_file_is_never_replaced_by_the_output(take: Take):
    before = take.board.read_text()
    for command in ("rig", "intrinsics"):
        with pytest.raises(UsageError, match=r"board\.toml is a file that this command reads, and it would be lost"):
            run.invoke(
                app, [command, str(take.recording), "--board", str(take.board), "-o", str(take.board), "--force"], catch_exceptions=False
            )
    assert take.board.read_text() == before
