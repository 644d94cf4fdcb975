"""ALOHA's HDF5: a folder with ``episode_N.hdf5``, as ACT and its successors read it.

Layout after ``record_episodes.py`` of github.com/tonyzhaozh/aloha and ``compress_data.py`` and ``EpisodicDataset`` of github.com/MarkFzp/act-plus-plus:

- ``action`` (T, D), ``observations/qpos`` (T, J) rad, ``observations/qvel`` (T, J) rad/s since the sample before, attributes ``sim`` False and
  ``compress`` True;
- ``observations/images/CAMERA`` (T, longest) uint8: a JPEG a row, padded with zeros; ``compress_len`` (C, T): bytes of each, cameras in alphabetical order.
  Readers that test the attribute ``compress`` (ACT++) or the number of dimensions (openpi, LeRobot's converters) decode them; the first ACT of 2023 does not.
  They are ordinary JPEGs: ``cv2.imdecode`` gives BGR. Images that are exported at the size they are stored in keep their bytes.

Beside that, of our own: ``observations/base_pose`` (T, 7) world, m, quaternion xyzw; ``observations/mask/{qpos,qvel,action,base_pose}`` with the shape of what
they tell of (0 missing, 1 observed, 2 interpolated, 3 inferred) and ``observations/mask/images/CAMERA`` (T,), 1 where the image is of that moment, 0 held or
black; ``language_raw`` (1,), ``tasks`` and ``task_index`` (T,); attributes ``language_instruction``, ``rate_hz``, ``robot``, ``joint_names``, ``action_names``.
A missing number is the last known one, else 0. What ACT++ calls ``base_action`` and the motors' ``effort`` are not there: nobody measured them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_format import Entry, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.hdf5_export import (
    ABOUT,
    about,
    check_finite,
    check_lengths,
    check_sources,
    jpeg_at,
    put,
    put_tasks,
    reading,
    shown,
)
from bodydouble.datasets.exports.samples import Samples, Signal
from bodydouble.datasets.images import decode_jpeg
from bodydouble.errors import DataError
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.human_motion import Source
from bodydouble.progress import Progress, silent


class AlohaWriter:
    """Writes a file for each episode; adopting copies it under the next number."""

    def __init__(self, folder: Path, plan: ExportPlan) -> None:
        self.folder, self.plan = folder, plan
        self._count = 0

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        """Write one episode; "stored" holds its file's name."""
        path = self._next()
        velocity = _velocities(samples.state, samples.rate_hz)
        with new_hdf5_file(path) as (file, check):
            for name, value in {
                "sim": False, "compress": True, "language_instruction": samples.task, "rate_hz": samples.rate_hz, "robot": header.robot,
                "joint_names": json.dumps(samples.state.names), "action_names": json.dumps(samples.action.names), ABOUT: about(header),
            }.items():  # fmt: skip
                file.attrs[name] = value
            put(file, "language_raw", [samples.task])
            put_tasks(file, samples)
            put(file, "action", samples.action.filled)
            for name, signal in {"qpos": samples.state, "qvel": velocity, "base_pose": samples.base}.items():
                put(file, f"observations/{name}", signal.filled)
                put(file, f"observations/mask/{name}", signal.source)
            put(file, "observations/mask/action", samples.action.source)
            file.create_group("observations/images")
            check()
            lengths = []
            for number, (camera, size) in enumerate(sorted(self.plan.cameras.items())):
                of_camera, stored = samples.cameras[camera], header.cameras[camera]
                put(file, f"observations/mask/images/{camera}", shown(of_camera))
                images = (jpeg_at(episode, camera, of_camera, sample, size, stored) for sample in range(samples.count))

                def step(sample: int, before: int = number) -> None:
                    check()
                    progress((before * samples.count + sample) / len(self.plan.cameras), samples.count)

                lengths.append(_put_padded(file, f"observations/images/{camera}", images, self.folder, step))
            if lengths:
                put(file, "compress_len", np.array(lengths, dtype=np.float32))
        return {"file": path.name}

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        """Copy one episode's file."""
        there, here = file_of(export, entry), self._next()
        shutil.copyfile(there, here)
        return {**entry["stored"], "file": here.name}

    def finish(self, index: dict[str, Any]) -> None:
        """Do nothing: there is no file that covers all episodes."""

    def _next(self) -> Path:
        path = self.folder / f"episode_{self._count}.hdf5"
        self._count += 1
        return path


def _velocities(state: Signal, rate_hz: float) -> Signal:
    """Return by how much each position changed since the sample before, in rad/s; the first sample takes the second's."""
    steps, doubt = np.zeros_like(state.values), state.source.copy()
    if len(steps) > 1:
        steps[1:] = np.diff(state.values, axis=0) * rate_hz
        steps[0] = steps[1]
        # a difference is as doubtful as the more doubtful of the two, and missing where one is
        doubt[1:] = np.maximum(state.source[1:], state.source[:-1])
        doubt[0] = doubt[1]
    doubt[~np.isfinite(steps)] = Source.MISSING
    return Signal(state.names, steps, doubt)


def _put_padded(file: Any, name: str, images: Iterator[bytes], folder: Path, step: Callable[[int], None]) -> list[int]:
    """Add JPEGs as the rows of one array, as wide as the longest, and return their lengths. They wait on the disk: a long take fills any memory."""
    lengths = []
    with tempfile.TemporaryFile(dir=folder) as spool:
        for data in images:
            lengths.append(spool.write(data))
            step(len(lengths))
        spool.seek(0)
        rows = file.create_dataset(name, (len(lengths), max(lengths, default=0)), np.uint8, track_times=False)
        for row, length in enumerate(lengths):
            rows[row] = np.frombuffer(spool.read(length).ljust(rows.shape[1], b"\0"), np.uint8)
            if row % 64 == 0:
                step(len(lengths))
    return lengths


def file_of(export: Path, entry: Entry) -> Path:
    """Return an episode's file. Raises: DataError where it is not there."""
    path = Path(export) / Path(entry["stored"]["file"]).name
    if not path.is_file():
        raise DataError(f"{path}, which the index of {export} lists, is not there. Copy the export again, or make it again.")
    return path


def verify(folder: Path, index: dict[str, Any]) -> None:
    """Read every file back and compare it with the index. Raises: DataError."""
    there, listed = {path.name for path in folder.iterdir()}, {entry["stored"]["file"] for entry in index["episodes"]}
    if there != listed:
        raise DataError(f"{folder} holds {len(there)} files; its index lists {len(listed)} episodes. Make the export again.")
    for entry in index["episodes"]:
        path = file_of(folder, entry)
        with reading(path) as file:
            _verify_episode(path, file, entry["samples"], index["cameras"])


def _verify_episode(path: Path, file: Any, samples: int, cameras: Mapping[str, Any]) -> None:
    observed = file["observations"]
    numbers = {"action": file["action"], **{name: observed[name] for name in ("qpos", "qvel", "base_pose")}}
    masks = {f"mask/{name}": data for name, data in observed["mask"].items() if name != "images"}
    images = {name: observed[f"images/{name}"] for name in cameras}
    fresh = {f"mask/images/{name}": observed[f"mask/images/{name}"] for name in cameras}
    check_lengths(path, {**numbers, **masks, **images, **fresh, "task_index": file["task_index"]}, samples)
    check_finite(path, numbers)
    check_sources(path, {**masks, **fresh})
    for name, data in numbers.items():
        if masks[f"mask/{name}"].shape != data.shape:
            raise DataError(
                f"{path}: the mask of {name} has the shape {masks[f'mask/{name}'].shape}, not {data.shape}. Make the export again."
            )
    for row, (name, size) in enumerate(sorted(cameras.items())):
        for sample in {0, samples - 1}:
            data = bytes(images[name][sample])[: int(file["compress_len"][row, sample])]
            image = decode_jpeg(data, source=f"{path}: image {sample} of camera '{name}'")
            if image.shape != (size[1], size[0], 3):
                raise DataError(
                    f"{path}: image {sample} of camera '{name}' is {image.shape[1]}x{image.shape[0]} px; expected {size[0]}x{size[1]}."
                )


FORMAT = ExportFormat(
    "aloha", "a folder of episode_N.hdf5 as ACT reads it, images as JPEG", AlohaWriter, verify,
    takes=("joints", "action", "frame", "cameras", "image_size", "rate_hz"),
)  # fmt: skip
