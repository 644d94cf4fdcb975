"""Stills of several cameras with a list of them are opened as a recording."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bodydouble.capture import open_recording
from bodydouble.errors import DataError


@pytest.fixture
def folder(tmp_path: Path, isolated_cache: Path) -> Path:
    """Two cameras of different rates, as they are unpacked from glasses."""
    found = tmp_path / "cup"
    found.mkdir()
    lines = ["camera,index,file,capture_timestamp_ns,exposure_s"]
    for camera, times_ms in {"rgb": (0, 100), "left": (3, 36, 70, 103)}.items():
        for index, time_ms in enumerate(times_ms):
            name = f"{camera}_{index:02d}.png"
            cv2.imwrite(str(found / name), np.full((20, 30, 3), 10 * index, np.uint8))
            lines.append(f"{camera},{index},{name},{9_000_000_000 + time_ms * 1_000_000},0.001")
    (found / "frames.csv").write_text("\n".join(lines) + "\n")
    (found / "calibration.json").write_text("{}")
    return found


def test_times_are_those_of_the_list_and_the_calibration_goes_with_it(folder):
    recording = open_recording(folder)
    assert set(recording.cameras) == {"rgb", "left"}
    np.testing.assert_allclose(recording.times("left"), [0.003, 0.036, 0.070, 0.103], atol=1e-9)
    np.testing.assert_allclose(recording.times("rgb"), [0.0, 0.1], atol=1e-9)
    assert recording.read("left", 2)[0, 0, 0] == 20
    assert recording.rig_path is not None
    assert recording.rig_path.name == "calibration.json"
    assert open_recording(folder).folder == recording.folder


def test_a_listed_image_that_is_gone_is_named(folder):
    (folder / "left_02.png").unlink()
    with pytest.raises(DataError, match=r"lists left_02\.png, which is not beside it"):
        open_recording(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [("camera,file\n", "no column 'index'"), ("camera,index,file,capture_timestamp_ns\n", "lists no image"),
     ("camera,index,file,capture_timestamp_ns\nleft,0,left_00.png,soon\n", "cannot be read")],
)  # fmt: skip
def test_a_list_that_cannot_be_read_says_why(folder, text, said):
    (folder / "frames.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        open_recording(folder)
