"""timestamps.csv, ours and Caliscope's."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.capture.timestamps import read_timestamps, write_timestamps
from bodydouble.errors import DataError

CALISCOPE = "sync_index,cam_id,frame_index,frame_time\n26,1,26,12.6\n26,0,26,12.5\n27,0,27,12.7\n27,1,27,12.8\n"


def write(folder, text):
    path = folder / "timestamps.csv"
    path.write_text(text)
    return path


def test_written_times_read_back_to_the_nanosecond(tmp_path):
    times = {"front": np.array([0.0, 1 / 60, 2 / 60]), "left, down": np.array([0.001, 5000.123456789])}
    write_timestamps(tmp_path / "t.csv", times)
    back = read_timestamps(tmp_path / "t.csv", {"front": 3, "left, down": None})
    for name in times:
        assert np.abs(back[name] - times[name]).max() <= 5e-10


def test_caliscopes_rows_belong_to_the_frames_in_the_order_of_sync_index(tmp_path):
    times = read_timestamps(write(tmp_path, CALISCOPE), {"cam_0": 2, "port_1": 2})
    assert times["cam_0"].tolist() == [12.5, 12.7]
    assert times["port_1"].tolist() == [12.6, 12.8]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no times"),
        ("camera,frame_index,time_s\n", "holds no times"),
        ("a,b\n1,2\n", r"has the columns a,b; expected camera,frame_index,time_s or Caliscope's"),
        ("camera,frame_index,time_s\ncan,0,0\n", r"no rows for camera 'cam'; it has can\. Did you mean 'can'"),
        ("camera,frame_index,time_s\ncam,0,0\ncam,2,1\n", "not numbered 0 to 1 without gaps"),
        ("camera,frame_index,time_s\ncam,0,0\ncam,0,1\n", "not numbered 0 to 1 without gaps"),
        ("camera,frame_index,time_s\ncam,0,0\n", "has 1 times for camera 'cam', but its video has 2 frames"),
        ("camera,frame_index,time_s\ncam,0,1.0\ncam,1,1.0\n", r"frame 1 of camera 'cam' is at 1\.000000 s, not after"),
        ("camera,frame_index,time_s\ncam,0,zero\n", r"line 2: 'cam,0,zero' is not"),
        ("camera,frame_index,time_s\ncam,0\n", "line 2"),
        ("camera,frame_index,time_s\ncam,0,nan\n", r"line 2: the time is 'nan'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read_timestamps(write(tmp_path, text), {"cam": 2})


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_timestamps(tmp_path / "none.csv", {})
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a CSV file"):
        read_timestamps(tmp_path / "b.csv", {})
