"""Exports appear whole or not at all: built as ``OUT.partial``, verified, then renamed; one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bodydouble.atomic import raise_for_os_error, sync_folder
from bodydouble.errors import DataError, FileExistsUsageError, UsageError

INDEX = "bodydouble_export.json"
"""The last file of a folder export; without it a folder is not one."""
IN_INDEX = ("format", "robot", "joint_names", "rate_hz", "cameras", "settings", "episodes")
IN_ENTRY = ("identity", "file", "source", "task", "grade", "samples", "observed_pct", "licence", "privacy", "unconsented", "stored")


def check_export_may_be_made(out: Path, *, folder: bool, force: bool, inputs: Sequence[Path] = ()) -> None:
    """Check, before any work, that ``out`` is free or is an export that ``force`` may replace, and that it holds none of the ``inputs``.

    Raises: FileExistsUsageError; UsageError for what must not be deleted.
    """
    real = Path(os.path.realpath(out))
    try:
        for path in inputs:
            there = Path(os.path.realpath(path))
            if there == real or (real in there.parents and force):
                raise UsageError(
                    f"{out} {'is itself an input' if there == real else f'holds the input {path}'}; it would be lost. Choose another output with -o."
                )
        if not real.exists() or (folder and real.is_dir() and not any(real.iterdir())):
            return
        if real.is_dir() != folder:
            kind, there_is = ("folder", "a file") if folder else ("file", "a folder")
            raise UsageError(f"{out} is {there_is}; this format writes a {kind}. Choose another output with -o.")
        if not force:
            raise FileExistsUsageError(out)
        if not _is_export(real):
            raise UsageError(
                f"{out} exists and is no export (it has no {INDEX}), so --force does not delete it. Choose another output with -o."
            )
    except OSError as error:
        raise_for_os_error(error, out)


def _is_export(path: Path) -> bool:
    try:
        read_index(path)
    except DataError:  # damaged, but ours
        return True
    except UsageError:
        return False
    return True


@contextmanager
def building_export(out: Path, *, folder: bool, force: bool = False, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield ``OUT.partial``, an empty folder or a free file name, to fill; on success rename it to ``out``, on any error remove it.

    Through a symbolic link what it points to is written, and the link stays: frames that are taken out must not live on behind it. What a killed process
    left there is cleared. Raises: as ``check_export_may_be_made``; UsageError while another process builds the same; OutOfSpaceError.
    """
    check_export_may_be_made(out, folder=folder, force=force, inputs=inputs)
    out = Path(os.path.realpath(out))
    partial, replaced = _beside(out)
    lock = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(partial, folder)
        _settle(out)
        if folder:
            for item in partial.iterdir():
                shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        yield partial
        _sync_tree(partial)
        check_export_may_be_made(out, folder=folder, force=force, inputs=inputs)
        if out.is_dir():
            os.replace(out, replaced)
        try:
            os.replace(partial, out)
        except OSError:
            if replaced.exists():
                os.replace(replaced, out)
            raise
        sync_folder(out.parent)
    except OSError as error:
        raise_for_os_error(error, out)
    finally:
        if lock is not None:
            _removed(partial, folder)
            if out.exists():
                shutil.rmtree(replaced, ignore_errors=True)
            os.close(lock)


def finish_replacing(out: Path) -> None:
    """End what a process was killed in the middle of: remove the old export where the new one is there, else put it back.

    Raises: UsageError while another process builds the same.
    """
    out = Path(os.path.realpath(out))
    partial, replaced = _beside(out)
    if not replaced.is_dir():
        return
    lock = _locked(partial, True)
    try:
        _settle(out)
    except OSError as error:
        raise_for_os_error(error, out)
    finally:
        _removed(partial, True)
        os.close(lock)


def _settle(out: Path) -> None:
    replaced = _beside(out)[1]
    if out.exists() and replaced.is_dir():
        shutil.rmtree(replaced)
    elif replaced.is_dir():
        os.replace(replaced, out)


def _beside(out: Path) -> tuple[Path, Path]:
    """Return where ``out`` is built, and where the old one waits while the two change places."""
    return out.with_name(f"{out.name}.partial"), out.with_name(f"{out.name}.replaced.partial")


def _removed(partial: Path, folder: bool) -> None:
    if folder:
        shutil.rmtree(partial, ignore_errors=True)
    else:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _locked(partial: Path, folder: bool) -> int:
    """Make ``partial`` and hold it: the lock ends with the process, however that ends."""
    for _ in range(10):
        if folder:
            partial.mkdir(exist_ok=True)
        handle = os.open(partial, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UsageError(f"another process is writing {partial}; wait for it, or choose another output with -o.") from None
        with suppress(FileNotFoundError):  # it was renamed or removed between opening and locking: try again
            if os.path.samestat(os.fstat(handle), os.stat(partial)):
                return handle
        os.close(handle)
    raise UsageError(f"{partial} is being written by other processes; choose another output with -o.")


def _sync_tree(path: Path) -> None:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        elif file.is_dir():
            sync_folder(file)
    if path.is_dir():
        sync_folder(path)


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write the index file of a folder export, the last of its files."""
    (folder / INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_index(export: Path) -> dict[str, Any]:
    """Read the index of a folder export, or of an HDF5 file that holds it as an attribute.

    Raises: UsageError if it is no export of this program; DataError if the index is damaged.
    """
    export = Path(export)
    if not export.exists():
        raise UsageError(f"{export} does not exist; an export was expected, as `bodydouble export` makes it.")
    try:
        if export.is_dir():
            text = (export / INDEX).read_text(encoding="utf-8")
        else:
            import h5py

            with h5py.File(export, "r") as file:
                text = str(file.attrs[INDEX])
        index = json.loads(text)
        _check_index(index)
        checked: dict[str, Any] = index
        return checked
    except (FileNotFoundError, KeyError, OSError):
        raise UsageError(f"{export} is no export of bodydouble: it has no {INDEX}.") from None
    except ValueError as error:
        raise DataError(f"{export}: {INDEX} is damaged ({error}); make the export again.") from None


def _check_index(index: Any) -> None:
    """Check that an index holds what every reader of it takes for granted. Raises: ValueError."""
    if not isinstance(index, dict) or not isinstance(index.get("episodes"), list) or not isinstance(index.get("settings", {}), dict):
        raise ValueError("it lacks 'format' or 'episodes'")
    for what, said, wanted in [("it", index, IN_INDEX), *((f"episode {n}", entry, IN_ENTRY) for n, entry in enumerate(index["episodes"]))]:
        lacking = [name for name in wanted if not isinstance(said, dict) or name not in said]
        if lacking:
            raise ValueError(f"{what} lacks '{lacking[0]}'")
