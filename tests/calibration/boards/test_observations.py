"""Boards found in every frame of a recording, where they truly are, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from simulated_capture import charuco, hand_held
from simulated_recording import GREY, SIZE, photograph, small_rig

from bodydouble.calibration.boards import observations as board_observations
from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.observations import observe
from bodydouble.calibration.transform import apply, pose_from
from bodydouble.capture import open_recording
from bodydouble.errors import DataError, UsageError

BOARD = charuco(5, 4, 0.08)
FRAMES = 4


@dataclass(frozen=True)
class Filmed:
    """Stills of a board in two cameras, and where its corners are in them."""

    folder: Path
    pixels: np.ndarray


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filmed]:
    folder, motion, pixels = tmp_path_factory.mktemp("filmed"), hand_held(1, spread=(0.2, 0.25, 0.15)), []
    for name, camera in small_rig(2).cameras.items():
        (folder / "take" / name).mkdir(parents=True)
        for k in range(FRAMES):
            T = camera.T_camera_body @ motion(1.5 * k) @ pose_from(np.eye(3), -BOARD.targets.points.mean(axis=0))
            cv2.imwrite(str(folder / "take" / name / f"{k}.png"), photograph(BOARD, camera.model, T, seed=k))
            pixels.append(camera.model.project(apply(T, BOARD.targets.points)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODYDOUBLE_CACHE", str(folder / "cache"))
        yield Filmed(folder / "take", np.array(pixels).reshape(2, FRAMES, -1, 2))


def test_corners_are_found_where_they_are(filmed: Filmed) -> None:
    told: list[tuple[float, float]] = []
    seen = observe(open_recording(filmed.folder, stills=True), [BOARD], progress=lambda done, total: told.append((done, total)))
    assert seen.cameras == ("cam0", "cam1")
    assert seen.image_size == (SIZE, SIZE)
    assert seen.targets.names == ("board",)
    assert seen.frame_index.tolist() == [[0, 1, 2, 3]] * 2
    assert np.isnan(seen.times_s).all(), "stills have no times"
    assert seen.seen.mean() > 0.8
    assert np.nanmax(np.abs(seen.pixels - filmed.pixels)) < 0.1
    assert told[-1] == (8, 8)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_was_found_is_not_looked_for_again(filmed: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = open_recording(filmed.folder, stills=True)
    before = observe(recording, [BOARD])

    def unexpected(*arguments: Any, **options: Any) -> None:
        raise AssertionError("images were searched again")

    monkeypatch.setattr("bodydouble.capture.frame_results.run_in_processes", unexpected)
    assert np.array_equal(observe(recording, [BOARD]).pixels, before.pixels, equal_nan=True)
    with pytest.raises(AssertionError):
        observe(recording, [charuco(5, 4, 0.07)])  # another board is another search


def test_pixels_of_a_part_are_those_of_the_whole_image(filmed: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = open_recording(filmed.folder, stills=True)
    whole = observe(recording, [BOARD])
    monkeypatch.setattr(type(recording), "crop_origin", lambda self, camera: (30, 12) if camera == "cam1" else None)
    part = observe(recording, [BOARD])
    assert np.array_equal(part.pixels[0], whole.pixels[0], equal_nan=True)
    assert np.allclose(part.pixels[1], whole.pixels[1] + [30, 12], equal_nan=True)


def test_several_boards_are_found_side_by_side(filmed: Filmed) -> None:
    absent = Board(BOARD.settings.model_copy(update={"dictionary": "DICT_4X4_50"}), "absent")
    told: list[tuple[float, float]] = []
    recording = open_recording(filmed.folder, stills=True)
    seen = observe(recording, [absent, BOARD], progress=lambda done, total: told.append((done, total)))
    assert seen.targets.names == ("absent", "board")
    assert not seen.seen[..., seen.targets.points_of(0)].any()
    assert np.array_equal(seen.pixels[..., seen.targets.points_of(1), :], observe(recording, [BOARD]).pixels, equal_nan=True)
    assert told[-1] == (16, 16)
    with pytest.raises(UsageError, match="Two boards or tags are called 'board'"):
        observe(recording, [BOARD, BOARD])
    with pytest.raises(DataError, match=r"Looked for 'absent' \(charuco 5x4 squares of 80 mm, markers of 60 mm, DICT_4X4_50\)"):
        observe(recording, [absent])


def test_the_cache_knows_the_code_that_finds_boards() -> None:
    """A change of the detector must not be hidden by what the last one found."""
    names = {path.name for path in board_observations._CODE}
    assert {"detection.py", "refinement.py", "consistency.py", "tags.py"} <= names
    assert all(path.is_file() for path in board_observations._CODE)


def test_a_camera_that_sees_nothing_is_no_error_while_another_does(filmed: Filmed, tmp_path: Path) -> None:
    (tmp_path / "take").mkdir()
    (tmp_path / "take" / "cam0").symlink_to(filmed.folder / "cam0")
    (tmp_path / "take" / "wall").mkdir()
    for k in range(FRAMES):
        cv2.imwrite(str(tmp_path / "take" / "wall" / f"{k}.png"), np.full((SIZE[1], SIZE[0]), GREY, np.uint8))
    seen = observe(open_recording(tmp_path / "take", stills=True), [BOARD])
    assert seen.seen.any(axis=(1, 2)).tolist() == [True, False]
