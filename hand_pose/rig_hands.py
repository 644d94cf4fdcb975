"""Both hands and their forearms in every frame of a rig's cameras: the tracker run over blocks of time, each in a process of its own, each result kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.cache import cache_folder, cached, content_key, file_sha256
from bodydouble.calibration import CameraModel
from bodydouble.capture import FrameSets, Recording
from bodydouble.capture.frame_blocks import Arrays
from bodydouble.capture.worker_processes import run_in_processes
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose import forearm, hand_crop, hand_models, hand_tracker, limb_contrast
from bodydouble.hand_pose.forearm import Forearm, find_forearm
from bodydouble.hand_pose.hand_tracker import CameraView, HandTracker, HandTrackerSettings, Sighting, Track
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.limb_contrast import View
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

BLOCK = 150
"""Frame sets that one process follows: five seconds, so that the search for hands at its start does not count."""
LEAD = 8
"""Frame sets before a block that are followed too, so that a hand that has been there is known at its first; their results are not kept."""
LABEL_S = 0.5
"""A hand is called what the network said within this time of it, in all cameras: the votes of one image are wrong in 3 to 20 %."""


def hands_of_rig(
    recording: Recording, frame_sets: FrameSets, cameras: tuple[str, ...], lenses: dict[str, CameraModel], T_rig_camera: FloatArray, bundle: Path,
    settings: HandTrackerSettings = HandTrackerSettings(), *, shoulders: FloatArray | None = None, workers: int | None = None, progress: Progress = silent,
) -> Arrays:  # fmt: skip
    """Return what the cameras see of up to two hands: arrays (C, T, ...) over the T frame sets, as ``Landmarks`` has them, and of their forearms.

    ``lenses`` are the models for the pixels of the videos; ``T_rig_camera`` (C, T, 4, 4) poses of ``cameras`` in a frame that they share, NaN where not
    known: such a camera is not looked at. ``shoulders`` (T, 2, 3) m, within 7 cm, in that frame, where the cameras are on the person whose hands are
    wanted: then forearms are looked for too. "forearm" (T, 2, 3) and "forearm_information" (T, 2, 3, 3) are as ``ForearmDirections`` has them.

    Blocks that were done before come from the cache. Raises: MissingDependencyError without the models; DataError if a video breaks or a process is
    killed.
    """
    rows = [frame_sets.cameras.index(name) for name in cameras]
    index = np.where(frame_sets.present[rows] & np.isfinite(T_rig_camera[..., 0, 0]), frame_sets.frame_index[rows], -1)
    with np.errstate(invalid="ignore"):
        times = np.nanmean(frame_sets.camera_times_s, axis=0)
    sources = [Path(str(module.__file__)) for module in (hand_crop, hand_models, hand_tracker, forearm, limb_contrast)] + [Path(__file__)]
    common = content_key(
        recording.content_key(list(cameras)),
        [[type(lenses[name]).__name__, lenses[name]] for name in cameras],
        settings,
        file_sha256(bundle),
        sources,
    )
    jobs = []
    for start in range(0, len(frame_sets), BLOCK):
        stop, first = min(start + BLOCK, len(frame_sets)), max(start - LEAD, 0)
        part = slice(first, stop)
        beside = None if shoulders is None else shoulders[part]
        key = content_key(common, index[:, part], times[part], T_rig_camera[:, part], beside, start - first)
        jobs.append(
            _Block(recording.select(list(cameras)), cameras, tuple(lenses[name] for name in cameras), index[:, part], times[part],
                   T_rig_camera[:, part], beside, start - first, bundle, settings, key)
        )  # fmt: skip
    todo = [job for job in jobs if not job.path.exists()]
    total = sum(job.frames for job in jobs)
    done = total - sum(job.frames for job in todo)
    progress(done, total)

    def told() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    if todo:
        run_in_processes([("The hand tracker", job) for job in todo], _work, workers=workers or os.cpu_count() or 1, told=told)
    found = [job.result() for job in jobs]
    return {
        name: np.concatenate([arrays[name] for arrays in found], axis=1 if name in _SHAPES else 0) for name in (*_SHAPES, *_FOREARM_SHAPES)
    }


_SHAPES = {"pixels": (75, 2), "confidence": (75,), "shape_m": (75, 3)}
_FOREARM_SHAPES = {"forearm": (2, 3), "forearm_information": (2, 3, 3)}

_Hands = list[tuple[Track, dict[int, Sighting], Forearm | None]]
"""What is kept of an instant."""


@dataclass(frozen=True)
class _Block:
    """Consecutive frame sets that one process follows; the first ``lead`` are not kept."""

    recording: Recording
    cameras: tuple[str, ...]
    lenses: tuple[CameraModel, ...]
    index: npt.NDArray[np.int64]
    times_s: FloatArray
    T_rig_camera: FloatArray
    shoulders: FloatArray | None
    lead: int
    bundle: Path
    settings: HandTrackerSettings
    key: str

    @property
    def frames(self) -> int:
        return int(self.index.shape[1])

    @property
    def path(self) -> Path:
        return cache_folder() / "hands" / f"{self.key}.h5"

    def result(self, tell: Callable[[], None] = lambda: None) -> Arrays:
        """Return arrays (C, T, ...), from the cache if they are there."""
        return cached("hands", self.key, ".h5", compute=lambda: self._follow(tell), save=_save, load=_load)

    def _follow(self, tell: Callable[[], None]) -> Arrays:
        import cv2
        from threadpoolctl import threadpool_limits

        tracker = HandTracker(hand_models.HandModels(self.bundle), self.settings, worn=self.shoulders is not None)
        videos = [self.recording.frames(name, row[row >= 0]) for name, row in zip(self.cameras, self.index, strict=True)]
        kept: list[_Hands] = []
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # there is a process a core already
        try:
            with threadpool_limits(limits=1, user_api="blas"):
                for frame, time_s in enumerate(self.times_s):
                    views = [
                        CameraView(next(video)[2], lens, T[frame]) if row[frame] >= 0 else None
                        for video, lens, T, row in zip(videos, self.lenses, self.T_rig_camera, self.index, strict=True)
                    ]
                    tracks = self._wanted(tracker.update(views, float(time_s)))
                    before = {track.number: arm.direction for track, _, arm in (kept[-1] if kept else []) if arm is not None}
                    arms = self._forearms(tracks, views, frame, before)
                    kept.append([(track, dict(track.seen), arm) for track, arm in zip(tracks, arms, strict=True)])
                    tell()
        finally:
            cv2.setNumThreads(threads)
        return self._arrays(kept)

    def _wanted(self, tracks: list[Track]) -> list[Track]:
        """Return two hands at most: those that most cameras have seen for longest."""
        return sorted(tracks, key=lambda track: (-track.stereo, -min(track.instants, 15), -len(track.seen), track.number))[:2]

    def _forearms(
        self, tracks: list[Track], views: list[CameraView | None], frame: int, before: dict[int, FloatArray]
    ) -> list[Forearm | None]:
        """Return each hand's forearm; None for one whose place a single camera guesses."""
        if self.shoulders is None or not any(track.stereo and len(track.seen) > 1 for track in tracks):
            return [None] * len(tracks)
        reduced = [View(view.model, view.T_rig_camera, view.image).reduced() for view in views if view is not None]
        found: list[Forearm | None] = []
        for track in tracks:
            side = "left" if sum(one.left - 0.5 for one in track.seen.values()) > 0 else "right"
            place = self.shoulders[frame, 0 if side == "left" else 1]
            shoulder = place if np.isfinite(place).all() else None
            sure = track.stereo and len(track.seen) > 1
            near = before.get(track.number)
            found.append(find_forearm(reduced, track.points[0], track.points, side, shoulder=shoulder, near=near) if sure else None)
        return found

    def _arrays(self, kept: list[_Hands]) -> Arrays:
        lefts = _left_share(kept, self.times_s)
        cameras, frames = self.index.shape
        arrays = {name: np.full((cameras, frames, *shape), np.nan) for name, shape in _SHAPES.items()}
        arms = {name: np.full((frames, *shape), np.nan) for name, shape in _FOREARM_SHAPES.items()}
        for frame, hands in enumerate(kept):
            order = sorted(hands, key=lambda hand: -abs(lefts[frame, hand[0].number] - 0.5))
            for place, (track, seen, arm) in enumerate(order):
                left = lefts[frame, track.number] > 0.5 if not place else not lefts[frame, order[0][0].number] > 0.5
                rows = LEFT_HAND if left else RIGHT_HAND
                for row, sighting in seen.items():
                    R = self.T_rig_camera[row, frame, :3, :3]
                    arrays["pixels"][row, frame, rows] = self.lenses[row].project(sighting.in_camera)
                    arrays["confidence"][row, frame, rows] = sighting.presence
                    arrays["shape_m"][row, frame, rows] = sighting.shape_m @ R
                if arm is not None:
                    arms["forearm"][frame, 0 if left else 1], arms["forearm_information"][frame, 0 if left else 1] = (
                        arm.direction,
                        arm.information,
                    )
        return {name: array[:, self.lead :] for name, array in arrays.items()} | {name: array[self.lead :] for name, array in arms.items()}


def _left_share(kept: list[_Hands], times_s: FloatArray) -> dict[tuple[int, int], float]:
    """Return how far each track was called left around each frame: (frame, number of the track) to a share in [0, 1]."""
    votes: dict[int, list[tuple[float, float, float]]] = {}
    for frame, hands in enumerate(kept):
        for track, seen, _ in hands:
            votes.setdefault(track.number, []).extend(
                (float(times_s[frame]), one.left * one.presence, one.presence) for one in seen.values()
            )
    table = {number: np.array(rows) for number, rows in votes.items()}
    shares = {}
    for frame, hands in enumerate(kept):
        for track, _, _ in hands:
            near = table[track.number][np.abs(table[track.number][:, 0] - times_s[frame]) <= LABEL_S]
            shares[frame, track.number] = float(near[:, 1].sum() / max(near[:, 2].sum(), 1e-9)) if len(near) else 0.5
    return shares


def _work(job: _Block, tell: Callable[[], None]) -> None:
    """Follow the hands of one block, in a process of its own."""
    job.result(tell)


def _save(arrays: Arrays, path: Path) -> None:
    with new_hdf5_file(path) as (file, _):
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=1, shuffle=True)


def _load(path: Path) -> Arrays:
    import h5py

    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {name: file[name][()] for name in (*_SHAPES, *_FOREARM_SHAPES)}
    return found
