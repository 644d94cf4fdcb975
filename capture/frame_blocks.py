"""What was found in one camera's frames, kept in the cache: a file for each block of frames, which several processes may add to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import raise_for_os_error, replacing, take_lock
from bodydouble.errors import DataError
from bodydouble.guarded_file import new_hdf5_file

Arrays = dict[str, npt.NDArray[np.float64]]

BLOCK = 64
"""Frames of the video a file; each time that some of them are added, the file is written anew."""


@dataclass(frozen=True)
class FrameBlocks:
    """One camera's results for single frames, in files of ``folder``; ``shapes`` are those of one frame's arrays, by name."""

    folder: Path
    camera: str
    shapes: Mapping[str, tuple[int, ...]]

    def missing(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return which of the frames ``indices`` are not kept, in order and each once."""
        kept = [self.load(int(block))[0] for block in np.unique(indices // BLOCK)]
        return np.setdiff1d(indices, np.concatenate(kept) if kept else np.empty(0, dtype=np.int64))

    def read(self, indices: npt.NDArray[np.int64]) -> Arrays:
        """Return the results of the frames ``indices`` (F,): arrays (F, ...) in their order. Raises: DataError if one is not kept."""
        arrays = {name: np.full((len(indices), *shape), np.nan) for name, shape in self.shapes.items()}
        for block in np.unique(indices // BLOCK):
            kept, values = self.load(int(block))
            place = {int(index): position for position, index in enumerate(kept)}
            inside = np.flatnonzero(indices // BLOCK == block)
            try:
                order = [place[int(index)] for index in indices[inside]]
            except KeyError as error:
                raise DataError(
                    f"Frame {error} of camera '{self.camera}' was not kept in {self.folder}; run the same command again."
                ) from None
            for name, array in arrays.items():
                array[inside] = values[name][order]
        return arrays

    def keep(self, indices: Sequence[int], found: Sequence[Mapping[str, npt.NDArray[Any]]]) -> None:
        """Add the results of some frames of one block; what was kept of the same frames is replaced.

        The file is written aside and renamed, so that another process sees the old one or the new one. The lock is for another process at the
        same video: what that added between our reading and our renaming would be lost.

        Raises: ValueError for arrays of other shapes than declared or frames of several blocks; as ``bodydouble.atomic.replacing``.
        """
        (block,) = {index // BLOCK for index in indices}
        new = {name: np.stack([np.asarray(item[name], dtype=np.float64) for item in found]) for name in self.shapes}
        for name, shape in self.shapes.items():
            if new[name].shape[1:] != shape:
                raise ValueError(f"'{name}' of a frame has the shape {new[name].shape[1:]}; {shape} was declared")
        with self._locked():
            old_indices, old = self.load(block)
            still = ~np.isin(old_indices, indices)
            with replacing(self.path(block)) as partial, new_hdf5_file(partial) as (file, _):
                file["index"] = np.concatenate([old_indices[still], np.array(indices, dtype=np.int64)])
                for name in self.shapes:
                    file[name] = np.concatenate([old[name][still], new[name]])

    def load(self, block: int) -> tuple[npt.NDArray[np.int64], Arrays]:
        """Return the frames (K,) that are kept of a block and their arrays (K, ...); none where there is no readable file."""
        import h5py

        try:
            with h5py.File(self.path(block), "r") as file:
                index, kept = file["index"][()], {name: file[name][()] for name in self.shapes}
        except (OSError, KeyError, RuntimeError, TypeError, AttributeError):
            index, kept = np.empty(0), {}
        if index.dtype != np.int64 or any(kept[name].shape != (len(index), *shape) for name, shape in self.shapes.items()):
            return np.empty(0, dtype=np.int64), {name: np.empty((0, *shape)) for name, shape in self.shapes.items()}
        return index, kept

    def path(self, block: int) -> Path:
        """Return the file of a block."""
        return self.folder / f"{block:06d}.h5"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            lock = take_lock(self.folder / "lock")
        except OSError as error:
            raise_for_os_error(error, self.folder)
            raise
        with lock:
            yield
