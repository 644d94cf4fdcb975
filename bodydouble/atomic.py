"""Files that are either the old one or the new one: written beside their target, synced, then renamed."""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bodydouble.errors import BodydoubleError, FileExistsUsageError, UsageError


class OutOfSpaceError(BodydoubleError):
    """The disk was full; nothing under the final name was touched."""


@contextmanager
def replacing(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; on success sync it and rename it to ``path``.

    The temporary name is unique a call (two processes may write the same target; the last rename wins) and ends in
    ``.partial``. On any error, Ctrl-C included, it is removed and the old file stays; what a process that was killed left beside ``path`` is
    removed by the next one that writes it. With ``new`` the target must still be free at the
    end, so that of two processes that both found it free the later one loses nothing of the earlier one's.

    Raises: OutOfSpaceError when the disk is full; BodydoubleError when the folder cannot be written; FileExistsUsageError with ``new``.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{_here()}{secrets.token_hex(3)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        yield partial
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        if new:
            _rename_to_free(partial, path)
        else:
            os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise_for_os_error(error, path)
    finally:
        with suppress(OSError):  # an unwritable parent must not hide the error that says so
            partial.unlink(missing_ok=True)


@functools.cache
def _here() -> str:
    """Return six hex digits for where process numbers mean the same: this host and, in a container, its own table of processes."""
    try:
        table = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        table = 0
    return hashlib.sha256(f"{socket.gethostname()} {table}".encode()).hexdigest()[:6]


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of ``path`` whose process ran here and is no more; those of other hosts and of living processes stay."""
    own = re.compile(rf"\.{re.escape(path.name)}\.([1-9][0-9]{{0,8}})-{_here()}[0-9a-f]{{6}}\.partial")
    with suppress(OSError), os.scandir(path.parent) as entries:  # an unreadable folder must not keep anyone from writing
        for entry in entries:
            found = own.fullmatch(entry.name)
            if found and not _runs(int(found[1])):
                with suppress(OSError):  # another process was quicker
                    os.unlink(entry.path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's, so it is there
        return True
    return True


def _rename_to_free(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)  # unlike a rename, this fails if the name is taken
    except FileExistsError:
        raise FileExistsUsageError(path) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsUsageError(path) from None
        os.replace(partial, path)


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
    if error.errno == errno.EISDIR:
        raise UsageError(f"{path} is a folder; the name of a file was expected, e.g. {path / 'output'}.") from error
    if error.errno == errno.ENAMETOOLONG:
        raise UsageError(f"{path} cannot be written: the name is too long. Choose a shorter one.") from error
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        raise BodydoubleError(f"{path} cannot be written: a file stands where a folder is needed. Choose another output.") from error
    raise error


def check_can_be_written(path: Path) -> None:
    """Make the folder of ``path`` and try it, so that hours of work do not end at a closed door.

    Raises: as ``replacing``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        if error.errno in (
            errno.ENOENT,
            errno.EINVAL,
            errno.ENXIO,
            errno.EOPNOTSUPP,
        ):  # /proc and the like, whose message is of the trial's name
            raise BodydoubleError(
                f"{path} cannot be written: {path.parent} takes no new files ({error.strerror}). Choose another output folder."
            ) from error
        raise_for_os_error(error, path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a crash leaves the old file or the new one."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def take_lock(path: Path) -> IO[str]:
    """Wait until no other process holds the lock file ``path``, and hold it until the returned file is closed or this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
