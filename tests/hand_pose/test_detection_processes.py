"""What keeps two detections of one video, and a killed one, from doing harm; without models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.errors import BodydoubleError
from bodydouble.hand_pose.detection import _SHAPES, _Job
from bodydouble.hand_pose.detector import DetectorSettings


def job(folder: Path, frames: int) -> _Job:
    return _Job(folder, "front", np.arange(frames), folder, DetectorSettings(), (folder, folder))


def found(value: float) -> dict:
    return {name: np.full(shape, value) for name, shape in _SHAPES.items()}


def test_detections_of_one_block_by_several_at_a_time_are_all_kept(tmp_path):
    one = job(tmp_path, 24)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: one.keep(0, [index], [found(index)]), range(24)))
    index, values = one.load(0)
    assert sorted(index.tolist()) == list(range(24))
    assert np.array_equal(values["confidence"][:, 0], index)
    assert len(one.missing()) == 0


def test_frames_detected_in_any_order_of_ranges_keep_their_own_values(tmp_path):
    one = job(tmp_path, 30)
    for first in (10, 0, 20):
        indices = list(range(first, first + 10))
        one.keep(0, indices, [found(index) for index in indices])
    index, values = one.load(0)
    assert np.array_equal(values["confidence"][:, 0], index)


@pytest.mark.parametrize("spoil", ["shape", "dtype", "group", "cut", "garbage", "empty"])
def test_a_kept_file_that_is_not_as_it_should_be_is_detected_again(tmp_path, spoil):
    one = job(tmp_path, 3)
    one.keep(0, [0, 1, 2], [found(1.0)] * 3)
    path = one.block_path(0)
    if spoil in ("cut", "garbage", "empty"):
        content = path.read_bytes()
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": os.urandom(5000), "empty": b""}[spoil])
    else:
        with h5py.File(path, "r+") as file:
            name = "index" if spoil == "dtype" else "pixels"
            del file[name]
            if spoil == "group":
                file.create_group(name)
            else:
                file[name] = np.zeros(3) if spoil == "dtype" else np.zeros((2, 75, 2))
    assert one.missing().tolist() == [0, 1, 2]
    one.keep(0, [0, 1, 2], [found(2.0)] * 3)
    assert one.load(0)[1]["confidence"][0, 0] == 2.0


PARENT = """
import multiprocessing, sys, time
from bodydouble.hand_pose.detection import _end_with_parent

def work():
    _end_with_parent()
    time.sleep(120)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work, daemon=True)
    process.start()
    time.sleep(1.0)
    print(process.pid, flush=True)
    time.sleep(120)
"""


def test_a_process_ends_when_the_one_that_started_it_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not runs(child)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BodydoubleError, match="a file stands where a folder is needed"):
        job(tmp_path / "file" / "landmarks", 1).keep(0, [0], [found(0.0)])
