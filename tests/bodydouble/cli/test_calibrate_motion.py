"""``bodydouble calibrate motion`` as a user calls it, after ``calibrate rig --tag-map``. What the cameras see is simulated; the images are empty."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from simulated_capture import as_built, person, room_tags, simulate
from typer.testing import CliRunner

from bodydouble.calibration import Rig, Sigma
from bodydouble.calibration.localization.rig_motion import RigMotion
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.transform import invert, pose_distance
from bodydouble.cli.calibrate import app
from bodydouble.errors import DataError, FileExistsUsageError, UnknownNameError, UsageError

BOARD, PLACES = room_tags()
run = CliRunner()


def call(*arguments: Any) -> Any:
    done = run.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def true_rig() -> Rig:
    return as_built(preset_rig("optimus-helmet5"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, true_rig: Rig) -> Path:
    """A folder with the true rig, the true map and an empty recording of the right size."""
    folder = tmp_path_factory.mktemp("motion")
    exact = {name: replace(camera, sigma=Sigma()) for name, camera in true_rig.cameras.items()}
    replace(true_rig, cameras=exact).save(folder / "rig.toml")
    TagMap(BOARD.targets, PLACES, (BOARD,), name="kitchen").save(folder / "tag_map.toml")
    BOARD.save(folder / "tags.toml")
    for name in true_rig.names:
        (folder / "take" / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "take" / name / "0.png"), np.zeros((1200, 1600), np.uint8))
    return folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, true_rig: Rig) -> Any:
    """Give a function that decides what is found in the recording, from now on."""

    def find(observations: Observations) -> None:
        from bodydouble.calibration.boards import observations as board_observations

        def observe(recording: Any, boards: Any, **options: Any) -> Observations:
            rows = [observations.cameras.index(name) for name in recording.cameras]
            part = Observations(
                recording.cameras, tuple(observations.image_size[c] for c in rows), observations.targets, observations.frame_index[rows],
                observations.times_s[rows], observations.pixels[rows],
            )  # fmt: skip
            options["progress"](1.0, 1.0)
            return part

        monkeypatch.setattr(board_observations, "observe", observe)

    return find


def test_poses_go_to_a_file_and_a_summary_to_the_reader(files: Path, true_rig: Rig, seen: Any, tmp_path: Path) -> None:
    observations, truth = simulate(true_rig, BOARD.targets, PLACES, person(), seconds=2, rate_hz=15, outliers=0.02)
    pixels = observations.pixels.copy()
    pixels[:, 10:14] = np.nan
    seen(replace(observations, pixels=pixels))
    out, picture = tmp_path / "rig_motion.h5", tmp_path / "path.svg"
    arguments = ("motion", files / "rig.toml", files / "tag_map.toml", files / "take")
    done = call(*arguments, "-o", out, "--report", picture)
    motion = RigMotion.load(out)
    body = motion.body("helmet")
    assert body.gaps() == [(10, 14)]
    _, away = pose_distance(truth.T_room_body("helmet", body.times_s[body.observed]), body.T_room_body[body.observed])
    assert away.max() < 1e-3
    assert motion.provenance["tag_map"] == str(files / "tag_map.toml")
    assert "86.7 %" in done.stdout
    assert "helmet: unseen 4 of 30 moments" in done.stdout
    assert "left out" in done.stdout
    assert "px off what the rest says" in done.stdout
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    with pytest.raises(FileExistsUsageError):
        call(*arguments, "-o", out)
    result = json.loads(call(*arguments, "-o", out, "--force", "--json").stdout)
    helmet = result["bodies"]["helmet"]
    assert helmet["located_pct"] == pytest.approx(100 * 26 / 30)
    assert helmet["gaps"][0]["moments"] == 4
    assert helmet["longest_gap_s"] == pytest.approx(4 / 15, abs=0.01)
    assert 0.05 < helmet["sigma_mm"]["median"] < 0.3
    assert helmet["outcomes"] == {"located": 26, "unseen": 4}
    assert 0.15 < result["noise_px"]["front"] < 0.25
    assert result["written"] == str(out)


def test_the_map_that_a_calibration_writes_serves_to_locate_the_rig(files: Path, true_rig: Rig, seen: Any, tmp_path: Path) -> None:
    observations, truth = simulate(true_rig, BOARD.targets, PLACES, person(), seconds=12, rate_hz=5)
    seen(observations)
    rig, room, out = tmp_path / "rig.toml", tmp_path / "tag_map.toml", tmp_path / "rig_motion.h5"
    call("rig", files / "take", "--board", files / "tags.toml", "--start", "optimus-helmet5", "--tag-map", room, "-o", rig)
    written = TagMap.load(room)
    assert written.targets.names == BOARD.targets.names
    assert written.sigma is not None
    result = json.loads(call("motion", rig, room, files / "take", "-o", out, "--json").stdout)
    assert result["covariance_of"] == ["pixels", "map", "rig"]
    assert result["bodies"]["helmet"]["located_pct"] == 100
    body = RigMotion.load(out).body("helmet")
    true = truth.T_room_body("helmet", body.times_s)
    # Frames of room and body are the calibration's own: steps of the body's way are the same length in both.
    step, true_step = invert(body.T_room_body[:-1]) @ body.T_room_body[1:], invert(true[:-1]) @ true[1:]
    turned = [np.arccos(np.clip((np.trace(T[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1)) for T in (step, true_step)]
    assert np.abs(turned[0] - turned[1]).max() < 2e-3


def test_a_video_that_is_a_part_of_the_calibrated_image_counts_from_its_corner(
    files: Path, true_rig: Rig, seen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bodydouble.capture import Recording

    observations, truth = simulate(true_rig, BOARD.targets, PLACES, person(), seconds=1, rate_hz=10)
    seen(replace(observations, pixels=observations.pixels - [0.0, 100.0]))
    monkeypatch.setattr(Recording, "crop_origin", lambda self, camera: (0, 100))
    monkeypatch.setattr(Recording, "image_size", lambda self, camera: (1600, 1000))
    call("motion", files / "rig.toml", files / "tag_map.toml", files / "take", "-o", tmp_path / "rig_motion.h5")
    body = RigMotion.load(tmp_path / "rig_motion.h5").body("helmet")
    _, away = pose_distance(truth.T_room_body("helmet", body.times_s), body.T_room_body)
    assert away.max() < 1e-3


def test_what_cannot_be_is_told_before_anything_is_searched(files: Path, seen: Any, true_rig: Rig, tmp_path: Path) -> None:
    arguments = ("motion", files / "rig.toml", files / "tag_map.toml", files / "take")
    with pytest.raises(UsageError, match=r"the picture is an SVG file"):
        call(*arguments, "-o", tmp_path / "rig_motion.h5", "--report", tmp_path / "path.png")
    with pytest.raises(UsageError, match="is a folder"):
        call(*arguments, "-o", tmp_path)
    with pytest.raises(UsageError, match="missing"):
        call("motion", files / "rig.toml", tmp_path / "missing.toml", files / "take", "-o", tmp_path / "rig_motion.h5")
    with pytest.raises(UnknownNameError, match="top"):
        call(*arguments, "-o", tmp_path / "rig_motion.h5", "--cameras", "top")
    observations, _ = simulate(true_rig, BOARD.targets, PLACES, person(), seconds=0.5, rate_hz=10)
    seen(replace(observations, pixels=np.full_like(observations.pixels, np.nan)))
    with pytest.raises(DataError, match="could not be located"):
        call(*arguments, "-o", tmp_path / "rig_motion.h5")
    assert list(tmp_path.iterdir()) == []
