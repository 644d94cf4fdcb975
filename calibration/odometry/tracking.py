"""Follow the features of all cameras through a recording, in blocks of moments that processes share out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.cache import cache_folder, cached, content_key
from bodydouble.calibration import odometry
from bodydouble.calibration.odometry.feature_tracks import FeatureTracker
from bodydouble.calibration.odometry.sights import Sights
from bodydouble.calibration.odometry.stereo_views import even_contrast, stereo_pairs
from bodydouble.calibration.odometry.working_image import WorkingImage
from bodydouble.calibration.rig import Rig
from bodydouble.capture import FrameSets, Recording
from bodydouble.capture.worker_processes import run_in_processes
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]

Ignored = Callable[[str, int], BoolArray | None]
"""From a camera and the number of its frame to the pixels (H, W) of the video that do not count, such as hands; None for none."""

BLOCK = 75
"""Moments that one process does on end. The last of a block are done again by the next, which starts with features of its own."""
OVERLAP = 4
KEYFRAME_S = 0.2
"""Time between the moments at which cameras are compared with each other, new features looked for, and poses adjusted together."""
_FEWEST_KEYFRAMES = 4
_BLIND_S = 1.0
"""Features are given up when nothing of them was seen for so long."""


def keyframes_of(times_s: FloatArray) -> IntArray:
    """Return the numbers of the moments that are keyframes: about five a second, the first and the last among them, at least four where possible."""
    moments = len(times_s)
    period = float(np.median(np.diff(times_s))) if moments > 1 else KEYFRAME_S
    stride = max(1, min(round(KEYFRAME_S / period), (moments - 1) // (_FEWEST_KEYFRAMES - 1)))
    return np.unique(np.append(np.arange(0, moments, stride), moments - 1))


def track(
    recording: Recording, rig: Rig, frame_sets: FrameSets, *, ignored: Ignored | None = None, ignored_key: str = "", workers: int | None = None,
    progress: Progress = silent,
) -> Sights:  # fmt: skip
    """Return what the cameras of ``frame_sets``, all on one body, saw of the surroundings.

    Blocks are kept in the cache, so that a stopped run goes on where it was. ``ignored`` must be picklable, and ``ignored_key`` name what it is.
    Raises: UsageError for frames that are not there; DataError if a video breaks or a process is killed.
    """
    rig = rig.select(frame_sets.cameras)
    keyframes = keyframes_of(frame_sets.times_s)
    jobs = []
    for first, after in _blocks(len(frame_sets)):
        inside = keyframes[(keyframes >= first) & (keyframes < after)]
        frames = frame_sets.frame_index[:, first:after]
        key = content_key(
            recording.content_key(frame_sets.cameras), frames, frame_sets.present[:, first:after], inside - first, ignored_key,
            [[c.model.image_size, type(c.model).__name__, c.model.parameters, c.T_body_camera] for c in rig.cameras.values()],
            [[path.name, path] for path in sorted(Path(str(odometry.__file__)).parent.glob("*.py")) if path.stem in _CODE],
        )  # fmt: skip
        jobs.append(_Job(recording.select(frame_sets.cameras), rig, first, frames, frame_sets.present[:, first:after], inside - first,
                         float(np.median(np.diff(frame_sets.times_s))) if len(frame_sets) > 1 else 1.0, ignored, key))  # fmt: skip
    total, done = sum(job.frames.shape[1] for job in jobs), 0
    missing = [job for job in jobs if not job.path.exists()]
    done = total - sum(job.frames.shape[1] for job in missing)
    progress(done, total)

    def told() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    if missing:
        run_in_processes([("Visual odometry", job) for job in missing], _work, workers=workers or os.cpu_count() or 1, told=told)
    return _joined(frame_sets, [_kept(job, lambda: None) for job in jobs])


_CODE = ("feature_tracks", "stereo_views", "tracking", "turn_between", "working_image")
_STAGE = "odometry_tracks"
_WORN = 0.6
"""Share of the features of the last keyframe, below which the next one comes at once."""


@dataclass(frozen=True)
class _Job:
    recording: Recording
    rig: Rig
    first: int
    frames: IntArray
    """(C, B) of each camera and moment."""
    present: BoolArray
    keyframes: IntArray
    period_s: float
    ignored: Ignored | None
    key: str

    @property
    def path(self) -> Path:
        return cache_folder() / _STAGE / f"{self.key}.h5"


@dataclass
class _Seen:
    """What one camera saw in one block, as lists of arrays; no two cameras give a point the same number."""

    working: WorkingImage
    moment: list[IntArray] = field(default_factory=list)
    point: list[IntArray] = field(default_factory=list)
    pixels: list[FloatArray] = field(default_factory=list)

    def add(self, moment: int, point: IntArray, pixels: FloatArray) -> None:
        self.moment.append(np.full(len(point), moment))
        self.point.append(point)
        self.pixels.append(pixels)

    def arrays(self, camera: int) -> Arrays:
        moment, point = np.concatenate([np.zeros(0, np.int64), *self.moment]), np.concatenate([np.zeros(0, np.int64), *self.point])
        pixels = np.concatenate([np.zeros((0, 2)), *self.pixels])
        rays, J = self.working.model.rays_jacobian(self.working.calibrated(pixels))
        sigma = self.working.step * np.sqrt(0.5 * np.einsum("nij,nij->n", J, J))
        good = np.isfinite(rays).all(axis=1) & np.isfinite(sigma)
        return {
            "moment": moment[good],
            "camera": np.full(int(good.sum()), camera),
            "point": point[good],
            "ray": rays[good],
            "sigma_rad": sigma[good],
        }


def _blocks(moments: int) -> list[tuple[int, int]]:
    """Return ranges of nearly equal length, each but the last reaching into the next."""
    count = max(1, -(-moments // BLOCK))
    edges = np.linspace(0, moments, count + 1).round().astype(int)
    return [(int(a), int(min(b + OVERLAP, moments))) for a, b in pairwise(edges)]


def _work(job: _Job, tell: Callable[[], None]) -> None:
    import cv2

    cv2.setNumThreads(1)
    _kept(job, tell)


def _kept(job: _Job, tell: Callable[[], None]) -> Arrays:
    return cached(_STAGE, job.key, ".h5", compute=lambda: _track_block(job, tell), save=_save, load=_load)


def _save(arrays: Arrays, path: Path) -> None:
    with new_hdf5_file(path) as (file, _):
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def _load(path: Path) -> Arrays:
    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in ("moment", "camera", "point", "ray", "sigma_rad", "keyframes")}


def _track_block(job: _Job, tell: Callable[[], None]) -> Arrays:
    recording, mounted = job.recording, list(job.rig.cameras.values())
    workings = [WorkingImage.of(c.model, recording.image_size(c.name), recording.crop_origin(c.name)) for c in mounted]
    pairs = stereo_pairs(workings, np.stack([c.T_body_camera for c in mounted])) if len(mounted) > 1 else {}
    trackers = [FeatureTracker(working, most_passed=max(1, round(_BLIND_S / job.period_s))) for working in workings]
    seen, planned = [_Seen(working) for working in workings], set(job.keyframes.tolist())
    keyframes, full = list[int](), 0
    for moment, images in enumerate(_images(job)):
        now: dict[int, Image] = {}
        ignored: dict[int, BoolArray | None] = {}
        for c, (index, rgb) in images.items():
            now[c], ignored[c] = workings[c].of_frame(rgb), _ignored(job, workings[c], mounted[c].name, index)
            trackers[c].follow(now[c], ignored[c])
        # A fast turn wears the features out before the next keyframe is due.
        if moment in planned or sum(len(trackers[c].found[0]) for c in now) < _WORN * full:
            for c in now:
                trackers[c].refill(now[c], ignored[c])
            full = sum(len(trackers[c].found[0]) for c in now)
            keyframes.append(moment)
        own = {c: (trackers[c].found[0] * len(mounted) + c, trackers[c].found[1]) for c in now}
        for c, (ids, pixels) in own.items():
            seen[c].add(moment, ids, pixels)
        if keyframes[-1:] == [moment]:
            even = {c: even_contrast(image) for c, image in now.items()}
            for (one, two), pair in pairs.items():
                if one in now and two in now:
                    found, good = pair.match(even[one], even[two], own[one][1])
                    seen[two].add(moment, own[one][0][good], found[good])
        tell()
    parts = [one.arrays(c) for c, one in enumerate(seen)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {**whole, "point": np.unique(whole["point"], return_inverse=True)[1], "keyframes": np.array(keyframes, dtype=np.int64)}


def _images(job: _Job) -> Iterator[dict[int, tuple[int, Image]]]:
    """Yield camera number to frame number and frame, moment by moment."""
    videos = [job.recording.frames(name, job.frames[c][job.present[c]]) for c, name in enumerate(job.recording.cameras)]
    for moment in range(job.frames.shape[1]):
        images = {}
        for c, video in enumerate(videos):
            if job.present[c, moment]:
                index, _, rgb = next(video)
                images[c] = index, rgb
        yield images


def _ignored(job: _Job, working: WorkingImage, camera: str, index: int) -> BoolArray | None:
    mask = job.ignored(camera, index) if job.ignored is not None else None
    if mask is None:
        return None
    width, height = working.size
    s = working.step
    return np.asarray(mask[: height * s, : width * s].reshape(height, s, width, s).any(axis=(1, 3)))


def _joined(frame_sets: FrameSets, blocks: list[Arrays]) -> Sights:
    starts = [first for first, _ in _blocks(len(frame_sets))]
    offset, parts = 0, list[Arrays]()
    for start, arrays in zip(starts, blocks, strict=True):
        points = int(arrays["point"].max(initial=-1)) + 1
        parts.append(
            {**arrays, "moment": arrays["moment"] + start, "point": arrays["point"] + offset, "keyframes": arrays["keyframes"] + start}
        )
        offset += points
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    keyframes = np.unique(whole.pop("keyframes"))
    order = np.argsort(whole["moment"], kind="stable")
    return Sights(len(frame_sets), frame_sets.cameras, **{name: array[order] for name, array in whole.items()}, keyframes=keyframes)
