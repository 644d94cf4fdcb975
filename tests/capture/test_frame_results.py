"""Frames done in processes of their own: nothing twice, nothing lost, and a process that dies says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bodydouble.capture import Recording, frame_results, import_videos
from bodydouble.capture.frame_results import KEPT_EVERY
from bodydouble.errors import DataError, UnknownNameError, UsageError

SHAPES = {"colour": (3,), "process": ()}
FRAMES = 200

# A process that is started anew imports what it is to do; of these tests it knows nothing.
MODULE = """
import os, time
from dataclasses import dataclass
from bodydouble.errors import MissingDependencyError

@dataclass(frozen=True)
class MakeMean:
    trouble: str = ""

    def __call__(self):
        done = []

        def mean(rgb):
            done.append(rgb)
            if self.trouble == "slow":
                time.sleep(0.05)
            if self.trouble == "error" and len(done) == 20:
                raise ZeroDivisionError("no light")
            if self.trouble == "exit" and len(done) == 20:
                os._exit(3)
            if self.trouble == "shape":
                return {"colour": rgb.mean(axis=0), "process": os.getpid()}
            return {"colour": rgb[:, rgb.shape[1] * 3 // 4].mean(axis=0), "process": os.getpid()}

        if self.trouble == "model":
            raise MissingDependencyError("The model is not there; fetch it.")
        return mean
"""


@pytest.fixture
def make_mean(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mean_colour_of_a_frame.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    from mean_colour_of_a_frame import MakeMean

    yield MakeMean
    del sys.modules["mean_colour_of_a_frame"]


@pytest.fixture
def recording(make_video, tmp_path) -> Recording:
    """A long video and a short one."""
    long = make_video(tmp_path / "in" / "long.mp4", np.arange(FRAMES) / 25)
    return import_videos([long, make_video(tmp_path / "in" / "short.mkv")], tmp_path / "rec")


@pytest.fixture
def find(recording, make_mean):
    def find(indices, *, of=recording, trouble="", key=(), **options):
        return frame_results.frame_results(of, indices, stage="means", key=key, shapes=SHAPES, make=make_mean(trouble), **options)

    return find


@pytest.fixture
def no_process(monkeypatch):
    def forbid():
        monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: pytest.fail("a process was started"))

    return forbid


def frame_numbers(colour):
    return np.round((colour.mean(axis=-1) - 40) / 12).astype(int)


def test_rows_are_in_the_order_of_the_frames_asked_for(find):
    found = find({"long": [150, 3, 70, 3], "short": []})
    assert frame_numbers(found["long"]["colour"]).tolist() == [150 % 16, 3, 70 % 16, 3]
    assert found["short"]["colour"].shape == (0, 3)
    assert found["long"]["process"].shape == (4,)


def test_what_was_done_once_is_not_done_again_in_any_range(find, no_process):
    first = find({"long": range(60, 70), "short": range(10)})
    no_process()
    again = find({"long": [69, 63]})
    assert np.array_equal(again["long"]["colour"], first["long"]["colour"][[9, 3]])


def test_only_what_is_missing_is_done(find):
    find({"long": range(10)})
    told = []
    find({"long": range(5, 20)}, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 15) for done in range(5, 16)]


def test_each_camera_has_a_process_and_no_more_run_than_allowed(find, monkeypatch):
    found = find({"long": range(10), "short": range(10)}, workers=1)
    assert {len(set(values["process"])) for values in found.values()} == {1}
    assert found["long"]["process"][0] != found["short"]["process"][0]


@pytest.mark.parametrize("clock", ["container", "external"])
def test_a_long_video_is_shared_among_processes_where_cameras_are_fewer(find, recording, clock):
    settings = recording.folder / "recording.toml"
    settings.write_text(settings.read_text().replace('"container"', f'"{clock}"'))
    found = find({"long": range(FRAMES)}, of=Recording.open(recording.folder), workers=3)["long"]
    assert len(set(found["process"])) == 3
    assert np.array_equal(frame_numbers(found["colour"]), np.arange(FRAMES) % 16)


def test_a_short_video_is_not_shared(find):
    assert len(set(find({"long": range(31)}, workers=8)["long"]["process"])) == 1


def test_other_settings_code_and_shapes_are_other_results(find, recording, make_mean, tmp_path):
    code = tmp_path / "code" / "mean_colour_of_a_frame.py"
    first = find({"short": [0]}, key=(1.0, code))["short"]["process"]
    assert find({"short": [0]}, key=(1.0, code))["short"]["process"] == first
    assert find({"short": [0]}, key=(2.0, code))["short"]["process"] != first
    code.write_text(MODULE + "\n")
    assert find({"short": [0]}, key=(1.0, code))["short"]["process"] != first


def test_another_video_under_the_same_name_is_another_result(find, make_video, tmp_path):
    find({"short": [0]})
    other = import_videos([make_video(tmp_path / "other" / "short.mkv", np.arange(5) / 25)], tmp_path / "rec2")
    assert len(list((Path(os.environ["BODYDOUBLE_CACHE"]) / "means").iterdir())) == 1
    find({"short": [0]}, of=other)
    assert len(list((Path(os.environ["BODYDOUBLE_CACHE"]) / "means").iterdir())) == 2


def test_a_camera_or_frame_that_is_not_there_is_refused(find):
    with pytest.raises(UnknownNameError, match="camera 'lng'"):
        find({"lng": [0]})
    with pytest.raises(UsageError, match="Frame 10 of camera 'short' does not exist"):
        find({"short": [10]})


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("error", r"The finder of camera 'long' failed: ZeroDivisionError: no light"),
        ("exit", r"The finder of camera 'long' ended with code 3; .*run the same command again"),
    ],
)
def test_a_function_that_fails_is_one_sentence_and_what_was_finished_is_kept(find, trouble, said):
    with pytest.raises(DataError, match=said):
        find({"long": range(40)}, trouble=trouble, noun="finder", workers=1)
    told = []
    find({"long": range(40)}, progress=lambda done, total: told.append(done))
    assert told[0] == KEPT_EVERY


def test_a_function_that_returns_other_shapes_than_declared_says_so(find):
    with pytest.raises(DataError, match=r"failed: ValueError: 'colour' of a frame has the shape \(64, 3\); \(3,\) was declared"):
        find({"short": range(3)}, trouble="shape")


def test_what_is_missing_to_make_the_function_is_said_as_it_is(find):
    from bodydouble.errors import MissingDependencyError

    with pytest.raises(MissingDependencyError, match=r"^The model is not there; fetch it\.$"):
        find({"short": range(3)}, trouble="model")


def test_a_killed_process_is_one_sentence_and_leaves_no_other(find):
    def kill(done: float, total: float) -> None:
        if done == 20:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    with pytest.raises(DataError, match=r"The detector of camera '.*' was killed by signal 9; .*run the same command again.*--workers 1"):
        find({"long": range(100), "short": range(10)}, trouble="slow", workers=2, progress=kill)
    assert not multiprocessing.active_children()


def test_results_that_vanish_meanwhile_are_not_made_up(find, monkeypatch):
    monkeypatch.setattr(frame_results, "run_in_processes", lambda *_, **__: None)
    with pytest.raises(DataError, match=r"Frame 0 of camera 'short' was not kept"):
        find({"short": [0]})


def test_a_video_that_breaks_in_the_middle_is_named(find, recording):
    video = recording.video_path("long")
    content = bytearray(video.read_bytes())
    start, end = content.index(b"mdat") + 800, content.index(b"moov")
    if end < start:
        end = len(content)
    content[start:end] = b"\xff" * (end - start)
    video.write_bytes(content)
    with pytest.raises(DataError, match=r"long\.mp4"):
        find({"long": range(100)})
    assert not multiprocessing.active_children()


INTERRUPTED = """
import sys
from pathlib import Path
from bodydouble.capture import Recording
from bodydouble.capture.frame_results import frame_results
from mean_colour_of_a_frame import MakeMean

def tell(done, total):
    print(done, flush=True)

if __name__ == "__main__":
    recording = Recording.open(Path(sys.argv[1]))
    try:
        frame_results(recording, {"long": range(100)}, stage="means", key=(), shapes={"colour": (3,), "process": ()},
                      make=MakeMean("slow"), workers=1, progress=tell)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_ctrl_c_ends_every_process_and_what_was_finished_is_kept(find, recording, tmp_path, make_mean):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "code")}
    run = subprocess.Popen(
        [sys.executable, str(script), str(recording.folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    for line in run.stdout:
        if line.strip() == str(KEPT_EVERY + 4):
            break
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the process and to those that it started
    _, complaints = run.communicate(timeout=20)
    assert (run.returncode, complaints) == (130, "")
    told = []
    find({"long": range(100)}, progress=lambda done, total: told.append(done))
    assert KEPT_EVERY <= told[0] < 100


PARENT = """
import multiprocessing, sys, time
from bodydouble.capture.worker_processes import _end_with_parent

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
