"""The checks of ``bodydouble doctor``: each PASS, WARN or FAIL, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bodydouble import prerequisites
from bodydouble.assets import listing
from bodydouble.cache import cache_folder
from bodydouble.check import Check

WARN_DISK_GB, FAIL_DISK_GB = 5.0, 1.0  # an hour of cached landmarks and previews; one recording
WARN_MEMORY_GB, FAIL_MEMORY_GB = 4.0, 2.0  # four detector processes of about 0.4 GB and the fit; one of each
WARN_CORES = 2
HEAVY_MODULES = ("av", "cv2", "mediapipe", "open3d", "pinocchio")
_OPENCV_DISTRIBUTIONS = ("opencv-contrib-python", "opencv-python", "opencv-python-headless", "opencv-contrib-python-headless")

# MediaPipe loads its library only when a task is made; importing the package alone would hide that it cannot be loaded.
_IMPORT = """
import importlib, sys
module = importlib.import_module(sys.argv[1])
if sys.argv[1] == "mediapipe":
    from mediapipe.tasks.python.core import mediapipe_c_bindings
    mediapipe_c_bindings.load_raw_library()
print(module.__file__)
"""


def diagnose() -> list[Check]:
    """Look at everything that bodydouble needs of this machine, in about three seconds."""
    return [
        check_python(),
        *check_dependencies(),
        check_opencv(_installed_opencv()),
        *check_libraries(),
        *check_imports(HEAVY_MODULES),
        *check_models(),
        check_cache(cache_folder()),
        check_disk(cache_folder()),
        check_cores(),
        check_memory(total_memory_gb()),
    ]


def check_python() -> Check:
    """Check the version of the running Python."""
    problem = prerequisites.python_problem(tuple(sys.version_info[:2]))
    found = f"{platform.python_version()} at {sys.executable}"
    return Check("python", "FAIL", found, problem) if problem else Check("python", "PASS", found)


def check_dependencies(requirements: Iterable[str] | None = None) -> list[Check]:
    """Check that each dependency is installed in a version that was asked for.

    ``requirements`` are lines such as ``mediapipe>=1.2,<2``; the default is what bodydouble itself declares.
    """
    if requirements is None:
        try:
            requirements = [r for r in importlib.metadata.requires("bodydouble") or [] if "extra ==" not in r]
        except importlib.metadata.PackageNotFoundError:
            return [Check("bodydouble", "FAIL", "not installed", "Install it: pip install -e . in its checkout.")]
    return [_check_requirement(r) for r in requirements]


def _check_requirement(requirement: str) -> Check:
    name = re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]
    remedy = f'Install it: {sys.executable} -m pip install "{requirement}"'
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "FAIL", "not installed", remedy)
    for operator, bound in re.findall(r"(>=|<|==)\s*([0-9.]+)", requirement):
        ours, theirs = _release(version), _release(bound)
        if not {">=": ours >= theirs, "<": ours < theirs, "==": ours == theirs}[operator]:
            return Check(name, "FAIL", f"{version}, but {requirement} is needed", remedy)
    return Check(name, "PASS", version)


def _release(version: str) -> tuple[int, ...]:
    numbers = [int(n) for n in re.match(r"[0-9.]*", version).group().split(".") if n]  # type: ignore[union-attr]
    return (*numbers, 0, 0, 0, 0)[:4]


def check_opencv(installed: Iterable[str]) -> Check:
    """Check that one OpenCV distribution alone is installed: they all write the same ``cv2`` folder."""
    names = list(installed)
    if len(names) <= 1:
        return Check("one OpenCV", "PASS", names[0] if names else "none")
    remedy = f"{sys.executable} -m pip uninstall -y {' '.join(names)} && {sys.executable} -m pip install opencv-contrib-python"
    return Check("one OpenCV", "FAIL", f"{' and '.join(names)} write the same cv2 folder; which one is in it is chance", remedy)


def _installed_opencv() -> list[str]:
    found = []
    for name in _OPENCV_DISTRIBUTIONS:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def check_libraries() -> list[Check]:
    """Check that each system library loads; the remedy names its Debian package."""
    checks = []
    for library, package, user in prerequisites.SYSTEM_LIBRARIES:
        if prerequisites.library_loads(library):
            checks.append(Check(library, "PASS", f"loads ({user})"))
        else:
            checks.append(Check(library, "FAIL", f"does not load; {user} needs it", f"apt-get install {package}"))
    return checks


def check_imports(modules: Iterable[str]) -> list[Check]:
    """Import each module in a process of its own, all at once: versions alone do not show a broken or shadowed one."""
    running = [
        (
            m,
            subprocess.Popen(
                [sys.executable, "-P", "-c", _IMPORT, m], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
            ),
        )
        for m in modules
    ]
    checks = []
    for module, process in running:
        output, errors = process.communicate()
        if process.returncode == 0:
            checks.append(Check(f"import {module}", "PASS", (output.strip().splitlines() or [""])[-1]))
        else:
            reason = (errors.strip().splitlines() or [f"the process ended with code {process.returncode}"])[-1]
            checks.append(
                Check(f"import {module}", "FAIL", reason, f"Install the missing libraries above, or install {module}'s package again.")
            )
    return checks


def check_models() -> list[Check]:
    """Check that the models are in the cache; a missing one is only a warning, because it is fetched when needed."""
    checks = []
    for status in listing():
        if status.kind != "model":
            continue
        if status.state in ("ready", "added"):
            checks.append(Check(status.name, "PASS", f"{status.state}, {status.source}"))
        else:
            checks.append(Check(status.name, "WARN", status.state, "bodydouble assets fetch"))
    return checks


def check_cache(folder: Path) -> Check:
    """Check that the cache folder can be written."""
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Check(
            "cache", "FAIL", f"{folder}: {error.strerror}", "Fix its permissions, or set BODYDOUBLE_CACHE to a folder that can be written."
        )
    return Check("cache", "PASS", str(folder))


def check_disk(folder: Path) -> Check:
    """Check the free space on the disk of ``folder``."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    remedy = f"Free some space on the disk of {existing}, or set BODYDOUBLE_CACHE to a folder on another disk."
    return _graded("disk", free_gb, f"{free_gb:.1f} GB free at {existing}", WARN_DISK_GB, FAIL_DISK_GB, remedy)


def check_cores() -> Check:
    """Check how many processor cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _graded("cores", cores, str(cores), WARN_CORES, 1, "Detection runs one process a camera: with more cores it ends sooner.")


def check_memory(total_gb: float | None) -> Check:
    """Check the machine's memory, in GB; None where the system does not tell."""
    if total_gb is None:
        return Check("memory", "WARN", "unknown", f"{WARN_MEMORY_GB:.0f} GB are enough for four cameras.")
    remedy = f"Give this machine {WARN_MEMORY_GB:.0f} GB, or process fewer cameras at once (--cameras)."
    return _graded("memory", total_gb, f"{total_gb:.1f} GB", WARN_MEMORY_GB, FAIL_MEMORY_GB, remedy)


def total_memory_gb() -> float | None:
    """Return the machine's memory in GB, or the limit of this container where that is lower."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    with suppress(OSError, ValueError):  # no cgroup, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total / 1e9


def _graded(name: str, value: float, found: str, warn_below: float, fail_below: float, remedy: str) -> Check:
    if value < fail_below:
        return Check(name, "FAIL", found, remedy)
    return Check(name, "WARN", found, remedy) if value < warn_below else Check(name, "PASS", found)
