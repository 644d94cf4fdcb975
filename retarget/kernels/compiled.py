"""How the inner loops are compiled: once for each state of their source, then loaded in a fraction of a second.

Numba's own cache asks only whether the file of a function has changed, not those of the functions that it calls; here the folder is named after the
source of all kernels, so that a changed one never meets what was compiled before.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

from bodydouble.cache import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])

FAST = frozenset({"contract", "reassoc", "nsz"})
"""Sums may be reordered; NaN and infinity keep their meaning."""


@functools.cache
def compiled_folder() -> Path:
    """Return where compiled kernels are kept: beside their source where that can be written, else in the user's cache."""
    here = Path(__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(here.glob("*.py")):
        digest.update(path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    beside = here / "__pycache__"
    if os.access(beside if beside.exists() else here, os.W_OK):
        return beside / name
    return cache_folder() / "compiled" / name


def compiled(*, fast: bool = False) -> Callable[[Function], Function]:
    """Compile a function when it is first called. ``fast``: sums may be reordered."""

    def decorate(function: Function) -> Function:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(compiled_folder())  # read when the function's cache is made, which is now
        try:
            found: Function = numba.njit(cache=True, fastmath=set(FAST) if fast else False)(function)
        finally:
            numba.config.CACHE_DIR = before
        return found

    return decorate
