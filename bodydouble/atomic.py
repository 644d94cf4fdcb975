"""Files that are either the old one or the new one: written beside their target, synced, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bodydouble.errors import BodydoubleError


class OutOfSpaceError(BodydoubleError):
    """The disk was full; nothing under the final name was touched."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; on success sync it and rename it to ``path``.

    The temporary name is unique a call (two processes may write the same target; the last rename wins) and ends in
    ``.partial``. On any error, Ctrl-C included, it is removed and the old file stays.

    Raises: OutOfSpaceError when the disk is full; BodydoubleError when the folder cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise_for_os_error(error, path)
    finally:
        with suppress(OSError):  # an unwritable parent must not hide the error that says so
            partial.unlink(missing_ok=True)


def raise_for_os_error(error: OSError, path: Path) -> None:
    """Turn a full disk or an unwritable folder into one clear sentence; re-raise anything else."""
    text = str(error).lower()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "no space left" in text or "file too large" in text:
        raise OutOfSpaceError(
            f"No space left while writing {path}; nothing under that name was changed. Free some space and run again."
        ) from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        raise BodydoubleError(
            f"{path} cannot be written: {error.strerror}. Choose another output folder or fix its permissions."
        ) from error
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        raise BodydoubleError(f"{path} cannot be written: a file stands where a folder is needed. Choose another output.") from error
    raise error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a crash leaves the old file or the new one."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
