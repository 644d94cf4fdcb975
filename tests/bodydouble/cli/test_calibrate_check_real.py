"""``bodydouble calibrate check`` on two real recordings: rigs that stood still, and the same with a camera turned in the rig's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulated_person import moved
from typer.testing import CliRunner

from bodydouble.calibration import read_rig
from bodydouble.cli.calibrate import app
from bodydouble.cli.demo import make_recording

run = CliRunner()


def answer(*arguments: Any, code: int = 0) -> dict[str, Any]:
    done = run.invoke(app, ["check", *(str(argument) for argument in arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_the_real_four_cameras_stand_still_and_one_that_is_turned_is_named(sample_videos: Path, tmp_path: Path) -> None:
    recording = make_recording(sample_videos, tmp_path / "recording").folder
    qualisys = sample_videos / "calibration" / "Calib.qca.txt"
    still = answer(qualisys, recording, "--cameras", "cam01,cam02,cam03,cam04")
    assert (still["finding"], still["suspects"]) == ("still", [])
    rig = read_rig(recording / "rig.toml")
    for turn in ([1.0, 0.0, 0.0], [0.0, -1.0, 0.0]):
        moved(rig, "cam02", turn).save(tmp_path / "turned.toml")
        found = answer(tmp_path / "turned.toml", recording, code=1)
        assert (found["finding"], found["suspects"]) == ("moved", ["cam02"])
        assert found["cameras"]["cam02"]["turned_deg"] == pytest.approx(1.0, abs=2.5 * found["cameras"]["cam02"]["sigma_turned_deg"])
        assert found["cameras"]["cam02"]["after_px"] < 0.4 * found["cameras"]["cam02"]["before_px"]


@pytest.mark.slow
def test_a_real_board_confirms_its_own_calibration_and_names_a_turned_camera(shared_data: Path, tmp_path: Path) -> None:
    take = shared_data / "multicam_calib" / "caliscope_hands_board"
    board = ("--board", take / "charuco.toml")
    made = run.invoke(app, ["rig", str(take), *map(str, board), "-o", str(tmp_path / "rig.toml")], catch_exceptions=False)
    assert made.exit_code == 0
    assert answer(tmp_path / "rig.toml", take, *board)["finding"] == "still"
    moved(read_rig(tmp_path / "rig.toml"), "cam_2", [1.0, 0.0, 0.0]).save(tmp_path / "turned.toml")
    found = answer(tmp_path / "turned.toml", take, *board, code=1)
    assert (found["finding"], found["suspects"]) == ("moved", ["cam_2"])
    assert found["cameras"]["cam_2"]["turned_deg"] == pytest.approx(1.0, abs=3 * found["cameras"]["cam_2"]["sigma_turned_deg"])
