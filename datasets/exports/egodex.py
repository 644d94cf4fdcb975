"""Apple's EgoDex: a folder a task with ``N.hdf5`` and ``N.mp4``, the person's joints and the video of one camera, 30 Hz unless another rate is chosen.

Layout after ``simple_dataset.py`` and ``utils/data_utils.py`` of github.com/apple/ml-egodex and arxiv.org/abs/2505.11709:

- ``transforms/JOINT`` (T, 4, 4): poses in a y-up world in m; ``transforms/camera`` of the camera, axes x right, y down, z forward (their viewer projects with
  ``cv2.projectPoints``); ``confidences/JOINT`` (T,) from 0 to 1; ``camera/intrinsic`` (3, 3) px; all float32. Which joints, which axes and how confidences come
  about: ``egodex_skeleton``. Eighteen of EgoDex's 68 joints are not in our tree and left out: ask for names before reading all.
- attributes ``task`` (the folder's name), ``llm_description`` and ``description`` (the task as the operator wrote it; no language model did), ``llm_type``
  ("unknown": EgoDex knows "reversible", "reset-free" and "reset"), ``annotated`` True, ``session_name`` (the recording).

Their readers project with the intrinsics alone, so the video is rectified to them, see ``egodex_camera``. A pose that is not known is the last known one, else
the identity, with confidence 0. ``transforms/camera`` is where the shown image was taken. Beside that, of our own, the group ``bodydouble``: ``source/JOINT``
and ``source/camera`` (T,) (0 missing, 1 observed, 2 interpolated, 3 inferred), ``camera_fresh`` (T,) 1 where the image is of that moment, ``times_s`` (T,),
``tasks`` and ``task_index`` (T,).
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.egodex_camera import camera_of, camera_poses, encode_view, pinhole_view
from bodydouble.datasets.exports.egodex_skeleton import in_arkit_world, tracked
from bodydouble.datasets.exports.export_format import Entry, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.hdf5_export import ABOUT, about, check_finite, check_lengths, check_sources, put, put_tasks, reading, shown
from bodydouble.datasets.exports.samples import Samples
from bodydouble.datasets.exports.video_export import check_video
from bodydouble.errors import DataError, UsageError
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.human_motion import Source
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

RATE_HZ = 30.0
SUFFIXES = (".hdf5", ".mp4")


class EgoDexWriter:
    """Writes two files for each episode; adopting copies them under the task's next number."""

    def __init__(self, folder: Path, plan: ExportPlan) -> None:
        self.folder, self.plan = folder, plan
        self.camera = camera_of(plan.cameras, plan.settings.cameras)
        if plan.rate_hz != int(plan.rate_hz):
            raise UsageError(
                f"EgoDex's videos have whole numbers of frames a second, not {plan.rate_hz:g}; choose one with --rate-hz, e.g. 30."
            )
        if plan.settings.codec != "h264":
            raise UsageError(f"EgoDex's videos are H.264, not {plan.settings.codec}; leave out --codec, or choose another format.")
        self._counts: Counter[str] = Counter()

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        """Write one episode; "stored" holds the name of its two files without suffix."""
        name = self._next(samples.task)
        of_camera, size = samples.cameras[self.camera], self.plan.cameras[self.camera]
        view = pinhole_view(episode, self.camera, size)
        tracks = tracked(episode.motion, samples.times_s)
        cameras_way = in_arkit_world(camera_poses(episode, self.camera, of_camera))
        sources = {joint: track.source for joint, track in tracks.items()}
        sources["camera"] = np.where(np.isfinite(cameras_way).all(axis=(1, 2)), Source.OBSERVED, Source.MISSING).astype(np.uint8)
        with new_hdf5_file(self._path(name, ".hdf5")) as (file, check):
            for attribute, value in {
                "task": name.partition("/")[0], "description": samples.task, "llm_description": samples.task, "llm_type": "unknown",
                "annotated": True, "session_name": header.source, "rate_hz": samples.rate_hz,
                ABOUT: about(header, world=episode.motion.frame, camera=self.camera, lens=_lens(episode, self.camera), rectified=view.table is not None),
            }.items():  # fmt: skip
                file.attrs[attribute] = value
            put(file, "camera/intrinsic", view.intrinsic.astype(np.float32))
            for joint, track in tracks.items():
                put(file, f"confidences/{joint}", track.confidence.astype(np.float32))
            for joint, T in {"camera": cameras_way, **{joint: track.T_world_joint for joint, track in tracks.items()}}.items():
                put(file, f"transforms/{joint}", _held(T).astype(np.float32))
            own = file.create_group("bodydouble")
            for joint, source in sources.items():
                put(own, f"source/{joint}", source)
            put(own, "camera_fresh", shown(of_camera))
            put(own, "times_s", samples.times_s)
            put_tasks(own, samples)
            check()
        encode_view(
            view,
            episode,
            self.camera,
            of_camera,
            self._path(name, ".mp4"),
            int(samples.rate_hz),
            lambda done: progress(done, samples.count),
        )
        return {"name": name}

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        """Copy one episode's files."""
        name = self._next(str(entry["task"]))
        for suffix, path in files_of(export, entry).items():
            shutil.copyfile(path, self._path(name, suffix))
        return {**entry["stored"], "name": name}

    def finish(self, index: dict[str, Any]) -> None:
        """Do nothing: there is no file that covers all episodes."""

    def _next(self, task: str) -> str:
        folder = task_folder(task)
        (self.folder / folder).mkdir(exist_ok=True)
        self._counts[folder] += 1
        return f"{folder}/{self._counts[folder] - 1}"

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name}{suffix}"


def task_folder(task: str) -> str:
    """Return a task as EgoDex names folders: ``basic_pick_place``; "task" where no letter of it is in ASCII."""
    plain = unicodedata.normalize("NFKD", task).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:80].rstrip("_") or "task"


def files_of(export: Path, entry: Entry) -> dict[str, Path]:
    """Return suffix to path of an episode's two files. Raises: DataError where one is not there."""
    folder, _, number = str(entry["stored"]["name"]).rpartition("/")
    paths = {suffix: Path(export) / Path(folder).name / f"{Path(number).name}{suffix}" for suffix in SUFFIXES}
    for path in paths.values():
        if not path.is_file():
            raise DataError(f"{path}, which the index of {export} lists, is not there. Copy the export again, or make it again.")
    return paths


def _held(T: FloatArray) -> FloatArray:
    """Return poses (N, 4, 4) with those that are not known replaced by the last known one, else by the identity."""
    known = np.isfinite(T).all(axis=(1, 2))
    last = np.maximum.accumulate(np.where(known, np.arange(len(T)), -1))
    return np.asarray(np.where(last[:, None, None] >= 0, T[np.maximum(last, 0)], np.eye(4)))


def _lens(episode: Episode, camera: str) -> dict[str, Any]:
    """Return the lens before its image was rectified: the calibrated model and its numbers."""
    assert episode.camera_track is not None
    row, model = episode.cameras.index(camera), episode.rig.camera(camera).model
    return {
        "model": episode.camera_track.models[row],
        "parameters": [float(value) for value in model.parameters],
        "image_size": list(model.image_size),
    }


def verify(folder: Path, index: dict[str, Any]) -> None:
    """Read every file back and compare it with the index. Raises: DataError."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    listed = {f"{entry['stored']['name']}{suffix}" for entry in index["episodes"] for suffix in SUFFIXES}
    if there != listed:
        raise DataError(
            f"{folder} holds {len(there)} files; its index lists {len(index['episodes'])} episodes of two. Make the export again."
        )
    size = index["cameras"][camera_of(index["cameras"], index["settings"]["cameras"])]
    for entry in index["episodes"]:
        paths = files_of(folder, entry)
        with reading(paths[".hdf5"]) as file:
            _verify_joints(paths[".hdf5"], file, entry["samples"])
        check_video(paths[".mp4"], entry["samples"], (size[0], size[1]), int(index["rate_hz"]))


def _verify_joints(path: Path, file: Any, samples: int) -> None:
    joints = set(file["confidences"])
    if not set(file["transforms"]) == set(file["bodydouble/source"]) == joints | {"camera"}:
        raise DataError(f"{path} lacks the transforms, confidences or sources of some joints. Make the export again.")
    series = {f"{group}/{name}": data for group in ("transforms", "confidences", "bodydouble/source") for name, data in file[group].items()}
    check_lengths(path, {**series, "bodydouble/camera_fresh": file["bodydouble/camera_fresh"]}, samples)
    check_finite(path, {**series, "camera/intrinsic": file["camera/intrinsic"]})
    check_sources(path, {name: data for name, data in series.items() if name.startswith("bodydouble/")})
    for joint in joints:
        confidence, source = file[f"confidences/{joint}"][()], file[f"bodydouble/source/{joint}"][()]
        if ((confidence < 0) | (confidence > 1)).any() or ((confidence == 0) != (source == Source.MISSING)).any():
            raise DataError(f"{path}: the confidences of {joint} do not go with its sources. Make the export again.")


FORMAT = ExportFormat(
    "egodex", "a folder of N.hdf5 and N.mp4 a task as Apple's EgoDex: the person's joints and one camera", EgoDexWriter, verify,
    own_rate_hz=RATE_HZ, takes=("cameras", "image_size", "rate_hz"),
)  # fmt: skip
