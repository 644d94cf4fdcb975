"""Something found in every frame of a recording, in processes of their own, each result kept in the cache as soon as it is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import OutOfSpaceError
from bodydouble.cache import cache_folder, content_key
from bodydouble.capture import frame_blocks
from bodydouble.capture.frame_blocks import BLOCK, Arrays, FrameBlocks
from bodydouble.capture.recording import Recording
from bodydouble.errors import BodydoubleError, DataError, MissingDependencyError, UsageError
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
        _run(jobs, noun, workers, done, total, progress)
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


def _run(jobs: Sequence[_Job], noun: str, workers: int, done: int, total: int, progress: Progress) -> None:
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    waiting, running = list(enumerate(jobs)), dict[int, SpawnProcess]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number, job = waiting.pop(0)
                process = context.Process(target=_work, args=(number, job, reports), daemon=True)
                with _ctrl_c_held():
                    process.start()
                running[number] = process
            _check_alive({f"The {noun} of camera '{jobs[number].camera}'": process for number, process in running.items()})
            try:
                kind, number, message = reports.get(timeout=0.2)
            except Empty:
                continue
            if kind == "frame":
                done += 1
                progress(done, total)
            elif kind == "end":
                running.pop(number).join()
            elif isinstance(message, BodydoubleError):
                raise message
            else:
                raise DataError(f"The {noun} of camera '{jobs[number].camera}' failed: {message}")
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Keep Ctrl-C waiting, and from a process started here for good: it would die of it in the middle of its imports, with a stack trace."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_alive(running: Mapping[str, SpawnProcess]) -> None:
    for name, process in running.items():
        if not process.is_alive() and process.exitcode != 0:
            code = process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise DataError(
                f"{name} {how}; the memory may have run out. What was finished is kept: run the same command again, with "
                "--workers 1 if it happens again."
            )


def _work(number: int, job: _Job, reports: Any) -> None:
    """Do the frames of one job, in a process of its own."""
    _end_with_parent()
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 2
    )  # native libraries' log lines would tear the progress bars; errors travel through the queue
    try:
        function = job.make()
        indices: list[int] = []
        found: list[Mapping[str, npt.NDArray[Any]]] = []
        for index, _, rgb in job.recording.frames(job.camera, job.indices):
            if indices and (index // BLOCK != indices[-1] // BLOCK or len(indices) == KEPT_EVERY):
                job.blocks.keep(indices, found)
                indices, found = [], []
            found.append(function(rgb))
            indices.append(index)
            reports.put(("frame", number, ""))
        if indices:
            job.blocks.keep(indices, found)
        reports.put(("end", number, ""))
    except BodydoubleError as error:
        reports.put(("error", number, error if _travels(error) else str(error)))
    except Exception as error:
        reports.put(("error", number, f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even if that was killed and could not say so."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _travels(error: BodydoubleError) -> bool:
    """Tell whether an error can be sent to another process whole: its class takes one message."""
    return len(error.args) == 1 and type(error) in (BodydoubleError, DataError, MissingDependencyError, OutOfSpaceError, UsageError)
