"""``bodydouble import``."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.capture import Recording
from bodydouble.cli.import_recording import app, parse_crops
from bodydouble.errors import UnknownNameError, UsageError


def video(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def rig_file(path: Path, *names: str, size=(64, 48)) -> Path:
    model = PinholeCamera(size, (60.0, 60.0), (31.5, 23.5))
    Rig("test", ("room",), {name: MountedCamera(name, model, "room", np.eye(4)) for name in names}).save(path)
    return path


@pytest.fixture
def videos(tmp_path):
    return [str(video(tmp_path / f"{name}.mp4")) for name in ("left", "right")]


def run(*arguments: str):
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_it_makes_a_recording_and_shows_a_table(videos, tmp_path):
    result = run(*videos, "-o", str(tmp_path / "rec"), "--task", "lift the cup")
    assert result.exit_code == 0
    assert "5 of 5 moments have a frame of every camera" in result.output
    assert "bodydouble process" in result.output
    assert Recording.open(tmp_path / "rec").settings.task == "lift the cup"


def test_json_is_one_object_and_nothing_else(videos, tmp_path):
    described = json.loads(run(*videos, "-o", str(tmp_path / "rec"), "--crop", "left=1,2", "--json").stdout)
    assert described["cameras"]["left"] == {
        "frames": 5, "first_s": 0.0, "last_s": pytest.approx(0.16), "rate_hz": pytest.approx(25), "longest_gap_ms": pytest.approx(40),
        "image_size_px": [64, 48], "crop_origin_px": [1, 2],
    }  # fmt: skip
    assert described["frame_sets"] == described["complete_frame_sets"] == 5


def test_the_rigs_cameras_that_were_recorded_come_with_it(videos, tmp_path):
    run(*videos, "-o", str(tmp_path / "rec"), "--rig", str(rig_file(tmp_path / "big.toml", "right", "left", "top")))
    assert Rig.load(Recording.open(tmp_path / "rec").rig_path).names == ("left", "right")


def test_a_rig_without_one_of_the_cameras_leaves_nothing(videos, tmp_path):
    with pytest.raises(UnknownNameError, match="camera 'right' is not in rig 'test'"):
        run(*videos, "-o", str(tmp_path / "rec"), "--rig", str(rig_file(tmp_path / "rig.toml", "left")))
    assert not (tmp_path / "rec").exists()


def test_a_rig_of_another_size_names_the_option(videos, tmp_path):
    with pytest.raises(UsageError, match=r"64x48 px but it was calibrated at 72x48 px.*--crop left=X,Y"):
        run(*videos, "-o", str(tmp_path / "rec"), "--rig", str(rig_file(tmp_path / "rig.toml", "left", "right", size=(72, 48))))
    assert not (tmp_path / "rec").exists()


@pytest.mark.parametrize("text", ["left", "left=1", "left=1,2,3", "left=-1,0", "=1,2", "left=1.5,2"])
def test_a_crop_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match=r"is not NAME=X,Y"):
        parse_crops([text])


def test_a_crop_given_twice_is_refused():
    with pytest.raises(UsageError, match="twice for camera 'left'"):
        parse_crops(["left=1,2", "left=3,4"])
    assert parse_crops(["left=1,2", "a=b=3, 4"]) == {"left": (1, 2), "a=b": (3, 4)}


def test_help_ends_with_an_example():
    assert "Example: bodydouble import" in run("--help").output
