"""Something found in every frame of a recording, in processes of their own, each result kept in the cache as soon as it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.cache import cache_folder, content_key
from bodydouble.capture import frame_blocks
from bodydouble.capture.frame_blocks import BLOCK, Arrays, FrameBlocks
from bodydouble.capture.recording import Recording
from bodydouble.capture.worker_processes import run_in_processes
from bodydouble.progress import Progress, silent

FrameFunction = Callable[[npt.NDArray[np.uint8]], Mapping[str, npt.NDArray[Any]]]
"""From an RGB image (H, W, 3) to named arrays of the shapes declared; NaN for what was not found."""

KEPT_EVERY = 16
"""Frames after which a process keeps its results: what a stopped run loses at most of each, about two seconds of work."""

SHORTEST_RANGE = 16
"""Frames for which another process is started: at about 0.05 s each, as long as it takes to load what finds something in them."""


def frame_results(
    recording: Recording, indices: Mapping[str, npt.ArrayLike], *, stage: str, key: Sequence[Any], shapes: Mapping[str, tuple[int, ...]],
    make: Callable[[], FrameFunction], noun: str = "detector", workers: int | None = None, progress: Progress = silent,
) -> dict[str, Arrays]:  # fmt: skip
    """Return what a function finds in the frames ``indices`` (F,) of some cameras: camera to named float64 arrays (F, ...).

    Frames that were done before, in any range, come from the cache folder ``stage``. ``key`` holds what decides the results apart from the
    recording: settings, models, and the source files of the function as Path. ``make`` is called once in every process, so it must be picklable,
    and what it makes need not be; that sees each image alone. ``noun`` names it in messages. Up to ``workers`` processes run at a time (by default
    one a core): one a camera, or several ranges of frames a camera where there are fewer cameras.

    Raises: UnknownNameError or UsageError for a camera or a frame that is not there; DataError if a video breaks, a process is killed or the
    function fails; OutOfSpaceError; what ``make`` raises of ``bodydouble.errors``.
    """
    code = (Path(__file__), Path(frame_blocks.__file__))
    wanted = {camera: np.asarray(frames, dtype=np.int64).reshape(-1) for camera, frames in indices.items()}
    blocks = {}
    for camera in wanted:
        name = content_key(recording.content_key([camera]), list(key), dict(shapes), BLOCK, *code)
        blocks[camera] = FrameBlocks(cache_folder() / stage / name, camera, dict(shapes))
    missing = {camera: found for camera, frames in wanted.items() if len(found := blocks[camera].missing(frames))}
    total = sum(len(np.unique(frames)) for frames in wanted.values())
    done = total - sum(map(len, missing.values()))
    progress(done, total)
    if missing:
        workers = workers or os.cpu_count() or 1
        jobs = [
            _Job(recording.select([camera]), part, blocks[camera], make)
            for camera, frames in missing.items()
            for part in _ranges(frames, workers // len(missing))
        ]

        def told() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        named = [(f"The {noun} of camera '{job.camera}'", job) for job in jobs]
        run_in_processes(named, _work, workers=workers, told=told)
    return {camera: blocks[camera].read(frames) for camera, frames in wanted.items()}


@dataclass(frozen=True)
class _Job:
    """Frames of one camera that one process does."""

    recording: Recording
    indices: npt.NDArray[np.int64]
    blocks: FrameBlocks
    make: Callable[[], FrameFunction]

    @property
    def camera(self) -> str:
        return self.blocks.camera


def _ranges(frames: npt.NDArray[np.int64], most: int) -> list[npt.NDArray[np.int64]]:
    """Split frames into at most so many ranges, none very short: a process takes as long to start as some frames take."""
    return np.array_split(frames, max(1, min(most, len(frames) // SHORTEST_RANGE)))


def _work(job: _Job, tell: Callable[[], None]) -> None:
    """Do the frames of one job, in a process of its own."""
    function = job.make()
    indices: list[int] = []
    found: list[Mapping[str, npt.NDArray[Any]]] = []
    for index, _, rgb in job.recording.frames(job.camera, job.indices):
        if indices and (index // BLOCK != indices[-1] // BLOCK or len(indices) == KEPT_EVERY):
            job.blocks.keep(indices, found)
            indices, found = [], []
        found.append(function(rgb))
        indices.append(index)
        tell()
    if indices:
        job.blocks.keep(indices, found)
