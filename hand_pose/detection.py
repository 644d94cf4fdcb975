"""Find the landmarks in every frame of a recording: one process a camera, each result kept as soon as it is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import Empty
from typing import IO, Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble import assets
from bodydouble.atomic import OutOfSpaceError, raise_for_os_error, replacing, take_lock
from bodydouble.cache import cache_folder, content_key, file_sha256
from bodydouble.capture import FrameSets, Recording
from bodydouble.errors import BodydoubleError, DataError
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose import detector
from bodydouble.hand_pose.detector import Detector, DetectorSettings, settings_text
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.progress import Progress, silent

POSE_MODEL = "pose_landmarker_full.task"
HAND_MODEL = "hand_landmarker_full.task"
BLOCK = 64
"""Video frames a cache file."""
KEPT_EVERY = 16
"""Frames after which a camera's results are kept: what a stopped run loses at most of each camera, about two seconds of work."""

Arrays = dict[str, npt.NDArray[np.float64]]
_SHAPES = {"pixels": (75, 2), "confidence": (75,), "shape_m": (75, 3)}


def detect(
    recording: Recording, frame_sets: FrameSets, settings: DetectorSettings = DetectorSettings(), *,
    workers: int | None = None, progress: Progress = silent,
) -> Landmarks:  # fmt: skip
    """Return the landmarks of one person in every camera of ``frame_sets``.

    Frames that were detected before, in any range, come from the cache. Up to ``workers`` processes run at a time (by default one a core), one
    camera each. Raises: MissingDependencyError without models; DataError if a video breaks or a process is killed.
    """
    models = (assets.path_of(POSE_MODEL), assets.path_of(HAND_MODEL))
    hashes = {path.name: file_sha256(path) for path in models}
    jobs = []
    for row, camera in enumerate(frame_sets.cameras):
        indices = frame_sets.frame_index[row][frame_sets.present[row]]
        key = content_key(recording.content_key([camera]), settings.__dict__, hashes, BLOCK, Path(detector.__file__), Path(__file__))
        jobs.append(_Job(recording.folder, camera, np.asarray(indices), cache_folder() / "landmarks" / key, settings, models))
    total = sum(len(job.indices) for job in jobs)
    pending = [job for job in jobs if len(job.missing())]
    done = total - sum(len(job.missing()) for job in pending)
    progress(done, total)
    if pending:
        _run(pending, workers or os.cpu_count() or 1, done, total, progress)
    return _assemble(recording, frame_sets, jobs, settings_text(settings, hashes))


@dataclass(frozen=True)
class _Job:
    """One camera's frames to detect and the folder that keeps them, a file for each block of video frames."""

    recording: Path
    camera: str
    indices: npt.NDArray[np.int64]
    folder: Path
    settings: DetectorSettings
    models: tuple[Path, Path]

    def block_path(self, block: int) -> Path:
        return self.folder / f"{block:06d}.h5"

    def load(self, block: int) -> tuple[npt.NDArray[np.int64], Arrays]:
        """Read what is kept of a block; nothing where there is no readable file."""
        try:
            with h5py.File(self.block_path(block), "r") as file:
                index, kept = file["index"][()], {name: file[name][()] for name in _SHAPES}
        except (OSError, KeyError, RuntimeError, TypeError, AttributeError):
            index, kept = np.empty(0), {}
        if index.dtype != np.int64 or any(kept[name].shape != (len(index), *shape) for name, shape in _SHAPES.items()):
            return np.empty(0, dtype=np.int64), {name: np.empty((0, *shape)) for name, shape in _SHAPES.items()}
        return index, kept

    def missing(self) -> npt.NDArray[np.int64]:
        """Return the frames that are not kept yet."""
        kept = [self.load(block)[0] for block in np.unique(self.indices // BLOCK)]
        return np.setdiff1d(self.indices, np.concatenate(kept) if kept else [])

    def _lock(self) -> IO[str]:
        try:
            return take_lock(self.folder / "lock")
        except OSError as error:
            raise_for_os_error(error, self.folder)
            raise

    def keep(self, block: int, indices: list[int], found: list[Arrays]) -> None:
        """Add detections to a block's file; written aside and renamed, so another process sees the old file or the new one.

        The lock is for another process at the same video: what it added between our reading and our renaming would be lost.
        """
        with self._lock():
            old_indices, old = self.load(block)
            keep = ~np.isin(old_indices, indices)
            merged = np.concatenate([old_indices[keep], np.array(indices, dtype=np.int64)])
            with replacing(self.block_path(block)) as partial, new_hdf5_file(partial) as (file, _):
                file["index"] = merged
                for name in _SHAPES:
                    file[name] = np.concatenate([old[name][keep], np.stack([item[name] for item in found])])


def _run(jobs: list[_Job], workers: int, done: int, total: int, progress: Progress) -> None:
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    waiting, running = list(jobs), dict[str, SpawnProcess]()
    finished: set[str] = set()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                process = context.Process(target=_work, args=(job, reports), daemon=True)
                with _ctrl_c_held():
                    process.start()
                running[job.camera] = process
            try:
                kind, camera, message = reports.get(timeout=0.2)
            except Empty:
                _check_alive(running)
                continue
            if kind == "frame":
                done += 1
                progress(done, total)
            elif kind == "end":
                finished.add(camera)
                running.pop(camera).join()
            else:
                raise message if isinstance(message, BodydoubleError) else DataError(f"Detection in camera '{camera}' failed: {message}")
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


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even if that was killed and could not say so."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _check_alive(running: dict[str, SpawnProcess]) -> None:
    for camera, process in running.items():
        if not process.is_alive() and process.exitcode != 0:
            code = process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise DataError(
                f"The detector of camera '{camera}' {how}; the memory may have run out. What was finished is kept: run the same command again, with "
                "--workers 1 if it happens again."
            )


def _work(job: _Job, reports: Any) -> None:
    """Detect one camera's missing frames in a process of its own."""
    _end_with_parent()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MediaPipe's log lines would tear the progress bars; errors travel through the queue
    try:
        models = Detector(*job.models, job.settings)
        recording = Recording.open(job.recording).select([job.camera])
        indices: list[int] = []
        found: list[Arrays] = []
        for index, _, rgb in recording.frames(job.camera, job.missing()):
            if indices and (index // BLOCK != indices[-1] // BLOCK or len(indices) == KEPT_EVERY):
                job.keep(indices[-1] // BLOCK, indices, found)
                indices, found = [], []
            view = models.detect(rgb)
            indices.append(index)
            found.append({name: getattr(view, name) for name in _SHAPES})
            reports.put(("frame", job.camera, ""))
        if indices:
            job.keep(indices[-1] // BLOCK, indices, found)
        models.close()
        reports.put(("end", job.camera, ""))
    except BodydoubleError as error:
        reports.put(("error", job.camera, error if _travels(error) else str(error)))
    except Exception as error:
        reports.put(("error", job.camera, f"{type(error).__name__}: {error}"))


def _travels(error: BodydoubleError) -> bool:
    """Tell whether an error can be sent to another process whole: its class takes one message."""
    return len(error.args) == 1 and type(error) in (BodydoubleError, DataError, OutOfSpaceError)


def _assemble(recording: Recording, frame_sets: FrameSets, jobs: Iterable[_Job], settings: dict[str, str]) -> Landmarks:
    cameras, frames = frame_sets.present.shape
    arrays = {name: np.full((cameras, frames, *shape), np.nan) for name, shape in _SHAPES.items()}
    for row, job in enumerate(jobs):
        columns = np.flatnonzero(frame_sets.present[row])
        for block in np.unique(job.indices // BLOCK):
            kept, values = job.load(int(block))
            place = {int(index): position for position, index in enumerate(kept)}
            inside = np.flatnonzero(job.indices // BLOCK == block)
            try:
                order = [place[int(index)] for index in job.indices[inside]]
            except KeyError as error:
                raise DataError(
                    f"Frame {error} of camera '{job.camera}' was not kept in {job.folder}; run the same command again."
                ) from None
            for name in _SHAPES:
                arrays[name][row, columns[inside]] = values[name][order]
        origin = recording.crop_origin(job.camera)
        if origin is not None:
            arrays["pixels"][row] += origin
    return Landmarks(frame_sets.cameras, frame_sets.camera_times_s, settings=settings, **arrays)
