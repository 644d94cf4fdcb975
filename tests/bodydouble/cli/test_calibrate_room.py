"""``bodydouble calibrate room`` and ``calibrate click`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.boards.pattern import board_pattern
from bodydouble.calibration.room.room_frame import FrameChange
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.calibration.transform import apply, invert, pose_distance, pose_from, pose_from_rotvec
from bodydouble.cli.calibrate_room import camera_of, click, named_images, room
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError

app = typer.Typer()
app.command("room")(room)
app.command("click")(click)
run = CliRunner()

BOARD = {"type": "charuco", "columns": 5, "rows": 7, "square_size": 0.12, "marker_size": 0.09, "dictionary": "DICT_4X4_50"}
ELSEWHERE = FrameChange(pose_from_rotvec([0.7, -1.9, 0.4], [2.0, -3.0, 0.7]))


def call(*arguments: Any) -> Any:
    done = run.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done


@pytest.fixture(scope="module")
def true_rig() -> Rig:
    model = PinholeCamera((640, 480), (600.0, 600.0), (319.5, 239.5), (-0.05, 0.02, 0.0, 0.0, 0.0))
    cameras = {}
    for name, azimuth in (("cam01", 0.4), ("cam02", 1.6), ("cam03", 2.9)):
        position = np.array([1.6 * np.cos(azimuth), 1.6 * np.sin(azimuth), 1.4])
        forward = (np.array([0.3, 0.4, 0.0]) - position) / np.linalg.norm(np.array([0.3, 0.4, 0.0]) - position)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        cameras[name] = MountedCamera(
            name, model, "room", pose_from(np.stack([right, np.cross(forward, right), forward], axis=1), position)
        )
    return Rig("true", ("room",), cameras)


@pytest.fixture
def folder(true_rig: Rig, tmp_path: Path) -> Path:
    """A rig that was calibrated in a frame of its own, points that were measured and clicked, and stills of a board on the floor."""
    ELSEWHERE.rig(true_rig).save(tmp_path / "rig.toml")
    points = np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.8, 0.2], [0.3, 0.4, 0.3], [0.1, 0.5, 0.1]])
    pixels = np.stack([camera.model.project(apply(camera.T_camera_body, points)) for camera in true_rig.cameras.values()])
    names = ("origin", "corner", "far corner", "box", "lamp", "can")
    ScenePoints(names, points, true_rig.names, pixels, 0.002, 0.5, ((640, 480),) * 3).save(tmp_path / "scene_points.toml")
    board = Board(parse_board(dict(BOARD), source="board.toml"), "board")
    board.save(tmp_path / "board.toml")
    (tmp_path / "stills").mkdir()
    for name, camera in true_rig.cameras.items():
        cv2.imwrite(str(tmp_path / "stills" / f"{name}_ext.png"), photograph(board, camera))
    return tmp_path


def photograph(board: Board, camera: MountedCamera) -> np.ndarray:
    """A grey image of the board with its lower left corner at the room's origin."""
    pattern = board_pattern(board)
    texture = pattern.image(1000.0).astype(np.float32)
    left, bottom, height = pattern.bounds[0] - pattern.quiet, pattern.bounds[1] - pattern.quiet, len(texture)
    rays = camera.model.rays(np.stack(np.meshgrid(np.arange(640), np.arange(480)), axis=-1)) @ camera.T_body_camera[:3, :3].T
    origin = camera.T_body_camera[:3, 3]
    with np.errstate(divide="ignore"):
        place = origin[:2] - origin[2] / rays[..., 2:] * rays[..., :2]
    u, v = (place[..., 0] - left) * 1000 - 0.5, height - 0.5 - (place[..., 1] - bottom) * 1000
    ground = cv2.GaussianBlur(texture, (0, 0), 1.5)
    seen = cv2.remap(ground, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=120)
    return np.clip(seen, 20, 230).astype(np.uint8)


def distance(written: Path, true: Rig) -> float:
    rig = Rig.load(written)
    return max(float(pose_distance(rig.camera(name).T_body_camera, true.camera(name).T_body_camera)[1]) for name in true.names)


def test_a_rig_gets_the_frame_of_measured_points(folder: Path, true_rig: Rig) -> None:
    done = call("room", folder / "rig.toml", "--points", folder / "scene_points.toml", "-o", folder / "room.toml")
    assert distance(folder / "room.toml", true_rig) < 1e-4
    assert "scale 1.0000" in done.stdout
    assert "not taken" in done.stdout
    assert "points are 0.0 mm off (RMS)" in done.stdout
    assert f"Written: {folder / 'room.toml'}" in done.stdout
    done = call("room", folder / "rig.toml", "--points", folder / "scene_points.toml", "-o", folder / "room.toml", "--force", "--json")
    result = json.loads(done.stdout)
    assert np.allclose(result["T_new_old"], invert(ELSEWHERE.T_new_old), atol=1e-4)
    assert result["scale"] == 1.0
    assert set(result["error_mm"]) == {"origin", "corner", "far corner", "box", "lamp", "can"}
    assert result["residual_px"]["cam02"]["far corner"] < 0.01
    assert result["warnings"] == result["outliers"] == []


def test_cameras_are_found_by_points_alone(folder: Path, true_rig: Rig) -> None:
    done = call("room", folder / "rig.toml", "--points", folder / "scene_points.toml", "--resect", "-o", folder / "room.toml")
    assert distance(folder / "room.toml", true_rig) < 1e-4
    assert "cam01: at (1.474, 0.623, 1.400) m, known to" in done.stdout
    assert "6 points, 0.0" in done.stdout
    done = call("room", folder / "rig.toml", "--points", folder / "scene_points.toml", "--resect", "-o", folder / "again.toml", "--json")
    result = json.loads(done.stdout)
    assert max(result["rms_px"].values()) < 0.01
    assert result["position_sigma_mm"]["cam03"] > 0
    assert max(result["point_shift_mm"].values()) < 0.01


def test_a_wrong_click_is_told(folder: Path, true_rig: Rig) -> None:
    scene = ScenePoints.load(folder / "scene_points.toml")
    pixels = scene.pixels.copy()
    pixels[1, 4] += 40
    ScenePoints(scene.names, scene.points, scene.cameras, pixels).save(folder / "wrong.toml")
    done = call("room", folder / "rig.toml", "--points", folder / "wrong.toml", "-o", folder / "room.toml")
    assert "WRONG: point 'lamp' in camera 'cam02' is 57 px from where the others put it" in done.stdout


def test_a_rig_gets_the_frame_of_a_board_on_the_floor(folder: Path, true_rig: Rig) -> None:
    done = call("room", folder / "rig.toml", "--board", folder / "board.toml", "--images", folder / "stills", "-o", folder / "room.toml")
    assert "pixels in cam01, cam02, cam03 are 0." in done.stdout
    assert distance(folder / "room.toml", true_rig) < 2e-3
    board = ("--board", folder / "board.toml", "--images", folder / "stills")
    done = call("room", folder / "rig.toml", *board, "--forward", "y", "--origin", "0.3,0.42,-0.01", "-o", folder / "turned.toml")
    T_room_turned = pose_from(pose_from_rotvec([0, 0, np.pi / 2], [0, 0, 0])[:3, :3], [0.3, 0.42, -0.01])
    assert distance(folder / "turned.toml", FrameChange(invert(T_room_turned)).rig(true_rig)) < 2e-3


def test_frames_of_a_recording_are_chosen_where_the_board_lies_still(folder: Path, true_rig: Rig, isolated_cache: Path) -> None:
    for name in true_rig.names:
        (folder / "recording" / name).mkdir(parents=True)
        image = cv2.imread(str(folder / "stills" / f"{name}_ext.png"))
        for k, shift in enumerate((0, 0, 30)):
            cv2.imwrite(str(folder / "recording" / name / f"{k}.png"), np.roll(image, shift, axis=1))
    board = ("--board", folder / "board.toml", "--images", folder / "recording")
    with pytest.raises(DataError, match="board 'board' did not lie still"):
        call("room", folder / "rig.toml", *board, "-o", folder / "room.toml")
    call("room", folder / "rig.toml", *board, "--frames", ":2", "-o", folder / "room.toml")
    assert distance(folder / "room.toml", true_rig) < 2e-3


def test_options_that_do_not_go_together_are_told(folder: Path) -> None:
    rig, points, board, out = folder / "rig.toml", folder / "scene_points.toml", folder / "board.toml", folder / "out.toml"
    for arguments, sentence in [
        ((), "give either --points"),
        (("--points", points, "--board", board), "give either --points"),
        (("--board", board, "--scale"), "--scale goes with --points"),
        (("--board", board, "--resect"), "--resect goes with --points"),
        (("--board", board), "--board needs --images"),
        (("--points", points, "--resect", "--scale"), "--scale goes without --resect"),
        (("--points", points, "--images", folder), "--images goes with --board"),
        (("--board", board, "--images", folder / "stills", "--origin", "1,2"), "--origin 1,2 is not X,Y,Z"),
        (("--board", board, "--images", folder / "stills", "--origin", "1,2,up"), "--origin 1,2,up is not X,Y,Z"),
        (("--board", board, "--images", folder / "stills", "--frames", "7"), "--frames 7 is not A:B"),
        (
            ("--board", board, "--images", folder / "stills", "--frames", "7:9"),
            "--frames 7:9 holds no frame; the recording has frames 0 to 0",
        ),
    ]:
        with pytest.raises(UsageError, match=sentence):
            call("room", rig, *arguments, "-o", out)
        assert not out.exists()
    with pytest.raises(FileExistsUsageError):
        call("room", rig, "--points", points, "-o", rig)


def test_stills_without_the_board_are_told(folder: Path) -> None:
    for path in (folder / "stills").iterdir():
        cv2.imwrite(str(path), np.full((480, 640), 128, np.uint8))
    board = ("--board", folder / "board.toml", "--images", folder / "stills")
    with pytest.raises(DataError, match=r"the board 'board' was not found in .*cam01_ext.png"):
        call("room", folder / "rig.toml", *board, "-o", folder / "out.toml")
    cv2.imwrite(str(folder / "stills" / "cam01_ext.png"), np.full((48, 64), 128, np.uint8))
    with pytest.raises(UsageError, match=r"cam01_ext.png is 64x48 px, but camera 'cam01' was calibrated at 640x480 px"):
        call("room", folder / "rig.toml", *board, "-o", folder / "out.toml")


def test_a_page_to_click_in_is_written(folder: Path) -> None:
    stills = [f"cam0{k}={folder / 'stills' / f'cam0{k}_ext.png'}" for k in (1, 2, 3)]
    done = call("click", folder / "scene_points.toml", *stills, "-o", folder / "click.html")
    assert "6 points to click in cam01, cam02, cam03." in done.stdout
    assert (folder / "click.html").stat().st_size > 30_000
    with pytest.raises(FileExistsUsageError):
        call("click", folder / "scene_points.toml", *stills, "-o", folder / "click.html")
    done = call(
        "click",
        folder / "scene_points.toml",
        folder / "stills",
        "--rig",
        folder / "rig.toml",
        "-o",
        folder / "click.html",
        "--force",
        "--json",
    )
    assert set(json.loads(done.stdout)["images"]) == {"cam01", "cam02", "cam03"}


def test_images_are_named_after_cameras(tmp_path: Path) -> None:
    for name in ("cam1.png", "cam12_ext.png", "note.png"):
        (tmp_path / name).write_bytes(b"")
    assert set(named_images([str(tmp_path)])) == {"cam1", "cam12_ext", "note"}
    assert named_images([str(tmp_path)], ["cam1", "cam12"]) == {"cam1": tmp_path / "cam1.png", "cam12": tmp_path / "cam12_ext.png"}
    assert named_images([f"left={tmp_path / 'cam1.png'}"]) == {"left": tmp_path / "cam1.png"}
    assert named_images([str(tmp_path / "cam12_ext.png")], ["cam1", "cam12"]) == {"cam12": tmp_path / "cam12_ext.png"}
    with pytest.raises(UsageError, match="two images are given for camera 'cam1'"):
        named_images([str(tmp_path / "cam1.png"), f"cam1={tmp_path / 'note.png'}"])
    with pytest.raises(UnknownNameError, match="camera 'note' is not in the rig; valid: cam1"):
        named_images([str(tmp_path / "note.png")], ["cam1"])
    with pytest.raises(UsageError, match=r"holds no images .*, each named after one of front"):
        named_images([str(tmp_path)], ["front"])
    assert camera_of("cam12_ext", ["cam1", "cam12"]) == "cam12"
    assert camera_of("cam12ext", ["cam1", "cam12"]) is None


def test_an_input_is_never_replaced_by_the_output(folder: Path):
    before = (folder / "scene_points.toml").read_text()
    for arguments in (
        ["room", folder / "rig.toml", "--points", folder / "scene_points.toml"],
        ["click", folder / "scene_points.toml", f"cam01={folder / 'none.png'}"],
    ):
        with pytest.raises(UsageError, match=r"scene_points\.toml is a file that this command reads, and it would be lost"):
            run.invoke(app, [*map(str, arguments), "-o", str(folder / "scene_points.toml"), "--force"], catch_exceptions=False)
    assert (folder / "scene_points.toml").read_text() == before


def test_the_help_shows_the_brackets_of_the_points_file():
    assert "[points]" in run.invoke(app, ["click", "--help"]).output
