"""Folders that appear whole or not at all: built beside their target, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bodydouble.atomic import raise_for_os_error, sync_folder
from bodydouble.errors import FileExistsUsageError, UsageError


def check_may_be_made(path: Path, *, force: bool, marker: str) -> None:
    """Check that ``path`` is free, or with ``force`` that it is empty or holds ``marker`` (so that no other folder is ever deleted).

    Raises: FileExistsUsageError without ``force``; UsageError if what is there is not what would be replaced.
    """
    try:
        there = path.exists() or path.is_symlink()
    except OSError as error:
        raise_for_os_error(error, path)
        raise
    if not there:
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not force:
        raise FileExistsUsageError(path)
    if not (path / marker).is_file():
        raise UsageError(
            f"{path} exists and is not a recording (it has no {marker}), so --force does not delete it. Choose another output with -o."
        )


@contextmanager
def building_folder(path: Path, *, force: bool = False, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` to fill; on success rename it to ``path``, else remove it.

    The temporary name ends in ``.partial``; a process that is killed leaves that, and nothing under the final name. With ``force``
    a folder that holds ``marker`` is replaced once the new one is complete.

    Raises: as ``check_may_be_made``; OutOfSpaceError when the disk is full.
    """
    path = Path(os.path.abspath(path))
    check_may_be_made(path, force=force, marker=marker)
    stem = f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}"
    partial, replaced = path.with_name(f"{stem}.partial"), path.with_name(f"{stem}.replaced.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        sync_folder(partial)
        check_may_be_made(path, force=force, marker=marker)
        if path.exists():
            os.replace(path, replaced)
        try:
            os.replace(partial, path)
        except OSError:
            if replaced.exists():
                os.replace(replaced, path)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise_for_os_error(error, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
