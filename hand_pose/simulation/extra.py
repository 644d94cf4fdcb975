"""Whether the extra ``simulate`` is installed, and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

from bodydouble.errors import MissingDependencyError

REMEDY = "Run `pip install torch==2.13.0`, whose build for processors is small where there is one, and then `pip install 'bodydouble[simulate]'`."


def check_installed() -> None:
    """Check that the extra ``simulate`` is there. Raises: MissingDependencyError that says how to get it."""
    missing = [package for package in ("torch", "anny") if find_spec(package) is None]
    if missing:
        names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
        raise MissingDependencyError(f"Simulating a person needs {names}, which {verb} not installed. {REMEDY}")
