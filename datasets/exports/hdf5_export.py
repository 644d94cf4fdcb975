"""What the exports in HDF5 share: the same bytes for the same values, what an episode says of itself, and reading back."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_plan import EpisodeHeader
from bodydouble.datasets.exports.samples import CameraSamples, Samples, image_at
from bodydouble.datasets.images import encode_jpeg, jpeg_size
from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import Source

ABOUT = "bodydouble"
"""Attribute with what an episode says of itself, as JSON."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def put(group: Any, name: str, values: npt.NDArray[Any] | Sequence[str]) -> Any:
    """Add a dataset, without the time that HDF5 could note in it, and return it; texts become variable-length UTF-8."""
    import h5py

    if not isinstance(values, np.ndarray):
        return group.create_dataset(name, data=list(values), dtype=h5py.string_dtype(), track_times=False)
    return group.create_dataset(name, data=values, track_times=False)


def put_tasks(group: Any, samples: Samples) -> None:
    """Add ``tasks``, the different texts of an episode, and ``task_index`` (N,), the row in them of each sample."""
    texts = list(dict.fromkeys(samples.tasks))
    put(group, "tasks", texts)
    put(group, "task_index", np.array([texts.index(text) for text in samples.tasks], dtype=np.int64))


def about(header: EpisodeHeader, **more: Any) -> str:
    """Return, as JSON, where an episode comes from and what may be done with it."""
    said = {
        "identity": header.identity, "source": header.source, "task": header.task, "grade": header.grade, "robot": header.robot,
        "licence": header.licence, "privacy": header.privacy, "consent": dataclasses.asdict(header.consent), **more,
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False, allow_nan=False)


def shown(samples: CameraSamples) -> npt.NDArray[np.uint8]:
    """Return (N,) 1 where a camera's image is of that moment, 0 where it is the last one, held, or black."""
    return (samples.fresh & (samples.frame >= 0)).astype(np.uint8)


def jpeg_at(episode: Episode, camera: str, samples: CameraSamples, sample: int, size: tuple[int, int], stored: tuple[int, int]) -> bytes:
    """Return one sample's image as JPEG; the bytes of the episode where they have the ``size`` (width, height) px already."""
    frame = int(samples.frame[sample])
    if size == stored and frame >= 0 and episode.images is not None:
        data = episode.images.jpeg(camera, frame)
        if data is not None and jpeg_size(data, source=f"image {frame} of camera '{camera}'") == size:
            return data
    return encode_jpeg(image_at(episode, camera, samples, sample, size))


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a file of an export for reading. Raises: DataError where it, or what is looked for in it, is not there or damaged."""
    import h5py

    try:
        # without HDF5's lock: the export that is being built is locked by its builder
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:  # of the copy that is being written
            raise
        raise DataError(f"{path} cannot be read back as it was written: {error}. Make the export again.") from None


def check_lengths(path: Path, arrays: Mapping[str, Any], count: int) -> None:
    """Raise DataError where a dataset has not ``count`` samples."""
    for name, data in arrays.items():
        if len(data) != count:
            raise DataError(f"{path}: {name} has {len(data)} samples; its index says {count}. Make the export again.")


def check_finite(path: Path, arrays: Mapping[str, Any]) -> None:
    """Raise DataError where a dataset holds a number that is not finite."""
    for name, data in arrays.items():
        if not np.isfinite(data[()]).all():
            raise DataError(f"{path}: {name} holds numbers that are not finite. Make the export again.")


def check_sources(path: Path, arrays: Mapping[str, Any]) -> None:
    """Raise DataError where a mask holds something else than a hand_pose Source."""
    for name, data in arrays.items():
        if not np.isin(data[()], [source.value for source in Source]).all():
            raise DataError(f"{path}: {name} holds values that are no source (0 to 3). Make the export again.")
