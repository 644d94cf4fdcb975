"""The command line as a whole: exit codes, one sentence for a mistake, no verb imported before it is called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bodydouble import __version__
from bodydouble.cli.app import VERBS


def bodydouble(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bodydouble", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200", **environment})


def test_the_version_is_printed() -> None:
    assert bodydouble("--version").stdout == f"bodydouble {__version__}\n"


def test_the_help_lists_every_verb() -> None:
    done = bodydouble("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = bodydouble(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Example: bodydouble" in done.stdout or verb == "assets"


def test_an_unknown_verb_exits_2_and_names_the_near_one() -> None:
    done = bodydouble("proces", "x")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: command 'proces' is not in bodydouble; valid: doctor, assets,")
    assert done.stderr.endswith("Did you mean 'process'?\n")


@pytest.mark.parametrize("arguments", [["--none"], ["assets", "lst"], ["doctor", "extra"], ["assets", "add"]])
def test_a_wrong_call_exits_2(arguments: list[str]) -> None:
    done = bodydouble(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_brackets_in_a_path_are_printed_as_they_are(tmp_path: Path) -> None:
    done = bodydouble("assets", "add", tmp_path / "take[1] [red].task")
    assert done.returncode == 2
    assert "take[1] [red].task does not exist" in done.stderr


def test_no_network_exits_1_with_one_sentence(tmp_path: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "BODYDOUBLE_CACHE": str(tmp_path)}
    done = bodydouble("assets", "fetch", "pose_landmarker_full.task", **offline)
    assert done.returncode == 1
    assert "Error: 'pose_landmarker_full.task' could not be fetched" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_exits_130_with_a_word(tmp_path: Path) -> None:
    # Holding the lock that the fetch needs keeps it waiting until the signal comes.
    import fcntl

    lock = tmp_path / "assets" / "downloads" / "sports2d.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        command = [sys.executable, "-P", "-m", "bodydouble", "assets", "fetch", "sports2d_demo"]
        environment = {**os.environ, "BODYDOUBLE_CACHE": str(tmp_path)}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        deadline = time.monotonic() + 30
        while not waits_for_lock(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped. What was finished is kept" in errors
    assert "Traceback" not in errors


def test_a_request_to_end_exits_143_with_a_word(tmp_path: Path) -> None:
    import fcntl

    lock = tmp_path / "assets" / "downloads" / "sports2d.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        command = [sys.executable, "-P", "-m", "bodydouble", "assets", "fetch", "sports2d_demo"]
        environment = {**os.environ, "BODYDOUBLE_CACHE": str(tmp_path)}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        deadline = time.monotonic() + 30
        while not waits_for_lock(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert errors.endswith("Stopped. What was finished is kept; the same command goes on from there.\n")
    assert "Traceback" not in errors


def test_a_name_that_the_system_refuses_is_one_sentence(tmp_path: Path) -> None:
    done = bodydouble("import", tmp_path / ("a" * 300), "-o", tmp_path / "take")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "File name too long. Check the path" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_output_whose_name_is_too_long_is_a_mistake_in_the_call(tmp_path: Path) -> None:
    (tmp_path / "front.mp4").write_bytes(b"")
    done = bodydouble("import", tmp_path / "front.mp4", "-o", tmp_path / ("a" * 300))
    assert done.returncode == 2
    assert done.stderr.endswith("cannot be written: the name is too long. Choose a shorter one.\n")
    assert done.stderr.count("\n") == 1


def test_a_mistake_of_ours_is_one_sentence_and_a_stack_trace_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    done = bodydouble("assets", "list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ZeroDivisionError at sitecustomize.py:")
    assert "please report it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" in bodydouble("assets", "list", PYTHONPATH=str(tmp_path), BODYDOUBLE_DEBUG="1").stderr


BROKEN = """import bodydouble.assets
def listing():
    return 1 / 0
bodydouble.assets.listing = listing
"""


def test_cameras_without_a_name_do_not_mean_all_cameras(tmp_path: Path) -> None:
    done = bodydouble("process", tmp_path, "-o", tmp_path / "e.h5", "--cameras", ",")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --cameras ',' names no camera")


def test_an_error_before_the_first_stage_is_one_line(tmp_path: Path) -> None:
    done = bodydouble("process", tmp_path / "nothing", "-o", tmp_path / "e.h5")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def waits_for_lock(pid: int) -> bool:
    return any(f" {pid} " in line for line in Path("/proc/locks").read_text(encoding="ascii").splitlines() if "->" in line)


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        [f"{sys.executable} -P -m bodydouble assets list --json | head -n 1"], shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("environment", [{"COLUMNS": "0"}, {"COLUMNS": "20"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}])
def test_a_narrow_or_plain_terminal_is_no_error(environment: dict[str, str], tmp_path: Path) -> None:
    assert bodydouble("doctor", **environment).stdout.strip()
    missing = bodydouble("inspect", tmp_path / "ö.h5", **environment)
    assert missing.returncode == 2
    assert "does not exist; an episode file (.h5) was expected." in missing.stderr


def test_an_interruption_that_a_library_made_an_error_of_is_still_one(tmp_path: Path) -> None:
    """NumPy and others answer Ctrl-C during their import with an ImportError."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    done = bodydouble("assets", "list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 130
    assert done.stderr == "Stopped. What was finished is kept; the same command goes on from there.\n"


INTERRUPTED = """import bodydouble.assets
def listing():
    import signal
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed") from None
bodydouble.assets.listing = listing
"""


def test_an_interruption_while_a_library_executes_text_exits_130_too(tmp_path: Path) -> None:
    """Python remembers such an interruption and would die of the signal in the end."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_TEXT)
    done = bodydouble("assets", "list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 130
    assert done.stderr == "Stopped. What was finished is kept; the same command goes on from there.\n"


INTERRUPTED_TEXT = """import bodydouble.assets
def listing():
    exec("import signal; signal.raise_signal(signal.SIGINT)")
bodydouble.assets.listing = listing
"""
