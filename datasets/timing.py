"""How long the slow stages took when they were run, kept with their results: a result from the cache takes no time and says nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import h5py

from bodydouble.cache import cache_folder, cached, content_key
from bodydouble.errors import DataError
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.progress import Progress


def timed_motion(key: str, compute: Callable[[], HumanMotion]) -> tuple[HumanMotion, float]:
    """Return a motion from the cache, or computed and kept, and the wall time in s that its computation took."""

    def run() -> tuple[HumanMotion, float]:
        began = time.perf_counter()
        return compute(), time.perf_counter() - began

    return cached("motion", key, ".h5", compute=run, save=_save_motion, load=_load_motion)


def timed_detection(find: Callable[[Progress], Landmarks], progress: Progress) -> tuple[Landmarks, float | None]:
    """Return what ``find(progress)`` detects and the wall time in s that it took, model loading included, when all frames were new.

    None where only a part was ever detected at once: nobody knows then what the whole takes. Raises: what ``find`` raises.
    """
    from_cache: list[float] = []

    def watched(done: float, total: float) -> None:
        if not from_cache:
            from_cache.append(done)
        progress(done, total)

    began = time.perf_counter()
    landmarks = find(watched)
    seconds = time.perf_counter() - began
    key = content_key(landmarks)
    if from_cache and from_cache[0] == 0:
        (cache_folder() / "detect_seconds" / f"{key}.json").unlink(missing_ok=True)
    elif not (cache_folder() / "detect_seconds" / f"{key}.json").exists():
        return landmarks, None
    known: float = cached("detect_seconds", key, ".json", compute=lambda: seconds, save=_save_seconds, load=_load_seconds)
    return landmarks, known


def _save_motion(timed: tuple[HumanMotion, float], path: Path) -> None:
    with new_hdf5_file(path) as (file, _):
        timed[0].write(file)
        file.attrs["fit_seconds"] = timed[1]


def _load_motion(path: Path) -> tuple[HumanMotion, float]:
    motion = HumanMotion.load(path)
    with h5py.File(path, "r") as file:
        if "fit_seconds" not in file.attrs:
            raise DataError(f"{path} does not say how long its fit took")
        return motion, float(file.attrs["fit_seconds"])


def _save_seconds(seconds: float, path: Path) -> None:
    path.write_text(json.dumps(seconds))


def _load_seconds(path: Path) -> float:
    return float(json.loads(path.read_text()))
