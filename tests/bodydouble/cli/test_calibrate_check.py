"""``bodydouble calibrate check`` as a user calls it: on rendered boards, and on simulated landmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_capture import charuco, hand_held, standing_rig, with_clocks
from simulated_person import SimulatedPerson, moved, see_person
from simulated_recording import photograph, small_rig, write_video
from typer.testing import CliRunner

from bodydouble.calibration import Rig
from bodydouble.calibration.transform import pose_from
from bodydouble.cli.calibrate import app
from bodydouble.cli.calibrate_check import PAGE
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.landmarks import Landmarks

run = CliRunner()
FRAMES = 30
BOARD = charuco(5, 4, 0.08)


def call(*arguments: Any, code: int = 0) -> Any:
    done = run.invoke(app, ["check", *(str(argument) for argument in arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def answer(*arguments: Any, code: int = 0) -> dict[str, Any]:
    return dict(json.loads(call(*arguments, "--json", code=code).stdout))


@dataclass(frozen=True)
class Take:
    """A board that is moved before three small cameras, and the true rig."""

    folder: Path
    rig: Rig

    @property
    def recording(self) -> Path:
        return self.folder / "take"

    @property
    def board(self) -> tuple[str, Path]:
        return "--board", self.folder / "board.toml"

    def rig_file(self, rig: Rig, name: str = "other.toml") -> Path:
        rig.save(self.folder / name)
        return self.folder / name


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Take]:
    folder, rig = tmp_path_factory.mktemp("check"), small_rig()
    motion, middle = hand_held(1, spread=(0.2, 0.25, 0.15)), pose_from(np.eye(3), -BOARD.targets.points.mean(axis=0))
    for name, camera in rig.cameras.items():
        frames = [photograph(BOARD, camera.model, camera.T_camera_body @ motion(k / 10) @ middle, seed=k) for k in range(FRAMES)]
        write_video(folder / "take" / f"{name}.mp4", frames)
    BOARD.save(folder / "board.toml")
    rig.save(folder / "rig.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODYDOUBLE_CACHE", str(folder / "cache"))
        yield Take(folder, rig)


def test_a_rig_that_stands_still_ends_with_0_and_one_sentence(take: Take) -> None:
    done = call(take.folder / "rig.toml", take.recording, *take.board)
    assert "No camera has moved: a turn of" in " ".join(done.stdout.split())
    assert done.stdout.count("still") == 3


def test_a_camera_that_turned_is_named_with_exit_code_1_and_a_picture(take: Take, tmp_path: Path) -> None:
    rig = take.rig_file(moved(take.rig, "cam1", [0.0, 3.0, 0.0]))
    done = call(rig, take.recording, *take.board, "-o", tmp_path / "report", code=1)
    said = " ".join(done.stdout.split())
    assert "cam1 has moved: turned by" in said
    assert "(to the left)" in said
    assert "Calibrate the rig again" in said
    page = (tmp_path / "report" / PAGE).read_text()
    assert page.count("<svg") == 6
    assert "cam1 has moved" in page
    assert "http" not in page


def test_a_program_gets_one_object_with_what_is_not_known_as_null(take: Take) -> None:
    found = answer(take.rig_file(moved(take.rig, "cam2", [2.0, 0.0, 0.0])), take.recording, *take.board, code=1)
    assert (found["finding"], found["moved"], found["suspects"]) == ("moved", True, ["cam2"])
    assert found["cameras"]["cam2"]["turned_deg"] == pytest.approx(2.0, abs=4 * found["cameras"]["cam2"]["sigma_turned_deg"])
    assert found["cameras"]["cam0"]["state"] == "still"
    assert found["since_s"] is None
    assert found["report"] is None
    assert found["not_checked"] == {}


def test_cameras_that_rig_or_recording_lack_are_named_and_the_others_checked(take: Take) -> None:
    names = {"cam0": "cam0", "cam1": "cam1", "cam2": "left"}
    other = replace(take.rig, cameras={names[n]: replace(camera, name=names[n]) for n, camera in take.rig.cameras.items()})
    found = answer(take.rig_file(other), take.recording, *take.board)
    assert found["not_checked"] == {"left": "it is not in the recording", "cam2": "it is not in the rig"}
    assert set(found["cameras"]) == {"cam0", "cam1"}
    assert "left was not checked: it is not in the recording" in call(take.rig_file(other), take.recording, *take.board).stdout
    chosen = answer(take.folder / "rig.toml", take.recording, *take.board, "--cameras", "cam0,cam2")
    assert (list(chosen["cameras"]), chosen["not_checked"]) == (["cam0", "cam2"], {})


def test_what_cannot_be_compared_is_refused_before_images_are_searched(take: Take) -> None:
    renamed = replace(take.rig, cameras={f"c{k}": replace(camera, name=f"c{k}") for k, camera in enumerate(take.rig.cameras.values())})
    with pytest.raises(UsageError, match=r"at least two cameras, and none are in both: the rig has c0, c1, c2, the recording cam0"):
        call(take.rig_file(renamed), take.recording)
    with pytest.raises(UsageError, match="at least two cameras, and cam0 is in both"):
        call(take.rig_file(take.rig.select(["cam0"])), take.recording)
    with pytest.raises(UnknownNameError, match="camera 'cam9' is not in rig"):
        call(take.folder / "rig.toml", take.recording, "--cameras", "cam0,cam9")
    apart = replace(
        take.rig, bodies=take.rig.names, cameras={name: replace(camera, body=name) for name, camera in take.rig.cameras.items()}
    )
    with pytest.raises(UsageError, match="No two of the cameras sit on the same body"):
        call(take.rig_file(apart), take.recording)
    wide = replace(take.rig.camera("cam1").model, image_size=(500, 360))
    cropped = replace(take.rig, cameras={**take.rig.cameras, "cam1": replace(take.rig.camera("cam1"), model=wide)})
    with pytest.raises(UsageError, match=r"'cam1': its video is 480x360 px but it was calibrated at 500x360 px.*crop"):
        call(take.rig_file(cropped), take.recording)


def test_a_recording_without_a_person_says_what_to_film(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = see_person(small_rig(), seconds=1, landmarks=75)
    detected(monkeypatch, replace(nobody, pixels=np.full_like(nobody.pixels, np.nan)))
    with pytest.raises(DataError, match=r"Nobody was seen in any of the 90 frames.*--board"):
        call(take.folder / "rig.toml", take.recording)


def detected(monkeypatch: pytest.MonkeyPatch, person: SimulatedPerson) -> None:
    """Let the detector find simulated landmarks, whatever the images show."""

    def detect(recording: Any, sets: Any, **_: Any) -> Landmarks:
        return Landmarks(
            recording.cameras, person.times_s, person.pixels, person.confidence, np.full((*person.pixels.shape[:3], 3), np.nan)
        )

    monkeypatch.setattr("bodydouble.hand_pose.detection.detect", detect)


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A recording of nothing by four cameras of the size of ``standing_rig``'s."""
    for name in standing_rig().names:
        write_video(tmp_path / "blank" / f"{name}.mp4", [np.full((720, 1280), 90, np.uint8)] * 3)
    return tmp_path / "blank"


def test_a_move_during_the_recording_is_told_with_its_time(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = standing_rig()
    rig.save(tmp_path / "rig.toml")
    detected(monkeypatch, see_person(rig, seed=3, seconds=20, landmarks=75, after=moved(rig, "cam0", [2.0, 1.0, 0.0]), moved_at_s=8.0))
    done = call(tmp_path / "rig.toml", blank, code=1)
    assert "cam0 has moved, from 8." in " ".join(done.stdout.split())
    assert done.stdout.count(" s: cam0 ") == len(answer(tmp_path / "rig.toml", blank, code=1)["windows"])


def test_calibrated_clocks_are_not_added_twice(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = with_clocks(standing_rig(), {"cam1": 0.2})
    rig.save(tmp_path / "rig.toml")
    person = see_person(rig, seconds=8, landmarks=75)
    detected(monkeypatch, person)
    assert answer(tmp_path / "rig.toml", blank)["noise_px"] < 7  # 0.2 s wrong, the limbs are 40 px elsewhere


def test_too_little_in_common_ends_with_1_and_says_what_to_film(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = standing_rig()
    rig.save(tmp_path / "rig.toml")
    person = see_person(rig, seconds=2, landmarks=75)
    alone = person.pixels.copy()
    alone[1:] = np.nan
    detected(monkeypatch, replace(person, pixels=alone))
    said = " ".join(call(tmp_path / "rig.toml", blank, code=1).stdout.split())
    assert "Too little was seen by several cameras" in said
    assert "Film a person, or a board" in said


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(take: Take, tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match=r"taken is a file; --report takes a folder"):
        run.invoke(
            app, ["check", str(tmp_path / "no_rig.toml"), str(take.recording), "-o", str(tmp_path / "taken")], catch_exceptions=False
        )
    assert (tmp_path / "taken").read_text() == "mine"
