"""Exports that are a folder with the same few files for every episode: episode_000000.npz, episode_000000.csv, episode_000001.npz, ..."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bodydouble.datasets.exports.export_format import Entry
from bodydouble.errors import DataError


class NumberedFiles:
    """Names the files of one folder export, episode after episode."""

    def __init__(self, folder: Path, suffixes: tuple[str, ...]) -> None:
        self.folder, self.suffixes = Path(folder), suffixes
        self._count = 0

    def next_files(self) -> dict[str, Path]:
        """Return suffix to path of the next episode's files."""
        name = f"episode_{self._count:06d}"
        self._count += 1
        return {suffix: self.folder / f"{name}{suffix}" for suffix in self.suffixes}

    def adopt(self, export: Path, entry: Entry) -> dict[str, Any]:
        """Copy one episode's files out of another export under the next number, and return its new "stored". Raises: DataError."""
        there, here = files_of(export, entry, self.suffixes), self.next_files()
        for suffix, path in there.items():
            shutil.copyfile(path, here[suffix])
        return {**entry["stored"], "files": names_of(here)}


def names_of(files: dict[str, Path]) -> list[str]:
    """Return the file names, as an entry's "stored" keeps them."""
    return [path.name for path in files.values()]


def files_of(export: Path, entry: Entry, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return suffix to path of one episode's files. Raises: DataError where one is not there."""
    found: dict[str, Path] = {}
    for suffix, name in zip(suffixes, entry["stored"].get("files", ()), strict=False):
        found[suffix] = Path(export) / Path(name).name
    for suffix in suffixes:
        if suffix not in found or not found[suffix].name.endswith(suffix) or not found[suffix].is_file():
            raise DataError(f"{export} has no {suffix} file of the episode {entry['file']}, which its index lists; make the export again.")
    return found


def check_no_other_files(export: Path, entries: Iterable[Entry], others: tuple[str, ...] = ()) -> None:
    """Raise DataError where the folder holds files that belong to no episode: what was deleted must be gone."""
    known = {name for entry in entries for name in entry["stored"]["files"]} | set(others)
    left = sorted(path.name for path in Path(export).iterdir() if path.name not in known)
    if left:
        raise DataError(f"{export} holds files of no episode that was exported: {', '.join(left[:5])}.")
