"""Results kept by a hash of what made them, so that a stopped run goes on where it was."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from bodydouble.atomic import replacing

T = TypeVar("T")


def cache_folder() -> Path:
    """Return the user's cache folder: ``$BODYDOUBLE_CACHE``, else ``$XDG_CACHE_HOME/bodydouble``, else ``~/.cache/bodydouble``."""
    explicit = os.environ.get("BODYDOUBLE_CACHE")
    if explicit:
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bodydouble"


def content_key(*parts: Any) -> str:
    """Return a hex key of the contents of ``parts``: files, arrays, settings, plain values, nested."""
    digest = hashlib.sha256()
    for part in parts:
        _update(digest, part)
    return digest.hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's contents, remembered while its size and modification time stay the same."""
    status = Path(path).stat()
    return _file_sha256(str(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _file_sha256(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def cached(stage: str, key: str, suffix: str, *, compute: Callable[[], T], save: Callable[[T, Path], None], load: Callable[[Path], T]) -> T:
    """Return the result of ``stage`` for ``key``: loaded if it is there and readable, else computed and kept.

    A file that cannot be loaded (a crash of another version, a full disk) is computed anew. ``save`` writes to the path
    it is given; that path is renamed into place afterwards, so a reader never sees half a result.
    """
    path = cache_folder() / stage / f"{key}{suffix}"
    if path.exists():
        try:
            return load(path)
        except Exception:  # whatever a damaged file makes its reader raise: the result can always be made again
            with suppress(OSError):
                path.unlink(missing_ok=True)
    result = compute()
    with replacing(path) as partial:
        save(result, partial)
    return result


def clear(stage: str | None = None) -> None:
    """Delete the kept results of one stage, or of all of them."""
    shutil.rmtree(cache_folder() / stage if stage else cache_folder(), ignore_errors=True)


def _update(digest: Any, part: Any) -> None:
    if isinstance(part, Path):
        digest.update(f"file:{file_sha256(part)};".encode())
    elif isinstance(part, np.ndarray):
        digest.update(f"array:{part.dtype.str}{part.shape};".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, np.generic):
        _update(digest, part.item())  # a number that was read back from a file is the plain one
    elif isinstance(part, BaseModel):
        digest.update(f"model:{type(part).__name__}:{part.model_dump_json()};".encode())
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        digest.update(f"dataclass:{type(part).__name__};".encode())
        for field in dataclasses.fields(part):
            _update(digest, field.name)
            _update(digest, getattr(part, field.name))
    elif isinstance(part, dict):
        digest.update(b"dict;")
        for name in sorted(part, key=str):
            _update(digest, str(name))
            _update(digest, part[name])
    elif isinstance(part, (list, tuple)):
        digest.update(f"list:{len(part)};".encode())
        for item in part:
            _update(digest, item)
    else:
        digest.update(f"value:{type(part).__name__}:{json.dumps(part)};".encode())
