"""What a machine must have before anything is installed; needs only Python's standard library and runs as a script.

``python3 bodydouble/prerequisites.py`` prints what is missing, with the command that installs it, and exits 1 if anything
is. With ``--packages`` it prints only the names of the missing Debian packages.
"""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import sys

OLDEST_PYTHON = (3, 11)
DOWNLOAD_GB = 0.9
INSTALLED_GB = 2.5

SYSTEM_LIBRARIES = (
    ("libGL.so.1", "libgl1", "OpenCV and Open3D"),
    ("libglib-2.0.so.0", "libglib2.0-0", "OpenCV"),
    ("libgthread-2.0.so.0", "libglib2.0-0", "OpenCV"),
    ("libxcb.so.1", "libxcb1", "OpenCV"),
    ("libEGL.so.1", "libegl1", "MediaPipe and Open3D"),
    ("libGLESv2.so.2", "libgles2", "MediaPipe"),
    ("libX11.so.6", "libx11-6", "Open3D"),
    ("libusb-1.0.so.0", "libusb-1.0-0", "Open3D"),
    ("libudev.so.1", "libudev1", "Open3D"),
    ("libidn2.so.0", "libidn2-0", "Open3D"),
    ("libgomp.so.1", "libgomp1", "Open3D 0.19"),
)
"""Library, Debian package that holds it, what loads it."""


def library_loads(library: str) -> bool:
    """Tell whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages() -> list[str]:
    """Return the Debian packages whose libraries do not load, and python3-venv if this Python makes no environments."""
    packages = [package for library, package, _ in SYSTEM_LIBRARIES if not library_loads(library)]
    if not can_make_environments():
        packages.append("python3-venv")
    return list(dict.fromkeys(packages))


def can_make_environments() -> bool:
    """Tell whether ``python -m venv`` can work: Debian splits its parts into a package of its own."""
    return importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None


def python_problem(version: tuple[int, ...]) -> str | None:
    """Return why a Python of this version is too old, or None."""
    if version >= OLDEST_PYTHON:
        return None
    have, need = (".".join(str(n) for n in v[:2]) for v in (version, OLDEST_PYTHON))
    return "Python {} is too old; {} or newer is needed. Name another one: make PYTHON=python{}".format(have, need, need)  # noqa: UP032


def main() -> int:
    """Print what is missing; return 1 if anything is."""
    packages = missing_packages()
    if "--packages" in sys.argv[1:]:
        print(" ".join(packages))
        return 0
    problem = python_problem(tuple(sys.version_info[:2]))
    if problem:
        print(problem, file=sys.stderr)
    if packages:
        print("Missing system packages. On Debian or Ubuntu: apt-get install " + " ".join(packages), file=sys.stderr)
    if problem or packages:
        return 1
    free_gb = shutil.disk_usage(".").free / 1e9
    print(f"Prerequisites are there. About {DOWNLOAD_GB} GB is downloaded the first time, and takes {INSTALLED_GB} GB of disk.")
    if free_gb < INSTALLED_GB:
        print(f"Only {free_gb:.1f} GB of disk is free here; {INSTALLED_GB} GB is needed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
