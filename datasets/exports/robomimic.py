"""robomimic's HDF5: all demonstrations in one file, for ``robomimic.utils.dataset.SequenceDataset`` (0.3.0 and later).

Layout after robomimic's documentation, "Dataset Contents and Info" (robomimic.github.io/docs/datasets/overview.html):

- ``data/demo_N`` with ``actions`` (T, D), ``rewards`` and ``dones`` (T,), ``states`` (T, 0), ``obs/*`` (T, ...) and the attribute ``num_samples``;
- ``data`` with the attributes ``total`` and ``env_args``; ``mask/train`` and ``mask/valid``: names of demonstrations, see ``robomimic_split``.

``actions`` are in [-1, 1]: ``actions * action_scale + action_offset`` (attributes of ``data``, see ``robomimic_actions``) are rad, m and quaternions xyzw.
``obs`` has ``joint_pos`` (rad), ``joint_vel`` (rad/s), ``left_hand_pose`` and ``right_hand_pose`` (m, quaternion xyzw) as the state was chosen, ``base_pose``
(world, m, quaternion xyzw), ``CAMERA_image`` (T, H, W, 3) RGB uint8, and how all that is known: ``mask_state``, ``mask_action`` and ``mask_base`` with a column
for each number (0 missing, 1 observed, 2 interpolated, 3 inferred), ``mask_CAMERA_image`` (1 of that moment, 0 held or black). A missing number is the last
known one, else 0. Nobody judged success, so ``rewards`` are 0; the last sample of a demonstration is ``done``. There is no ``next_obs``: load with
``hdf5_load_next_obs`` False, which behavioural cloning (``bc``) does. Images are packed one by one, not as a video (400 of 270x480 px take 107 MB): choose a
size.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.building import INDEX
from bodydouble.datasets.exports.export_format import Entry, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.hdf5_export import ABOUT, about, check_finite, check_lengths, check_sources, put, put_tasks, reading, shown
from bodydouble.datasets.exports.robomimic_actions import ActionScale, action_scale
from bodydouble.datasets.exports.robomimic_split import validation_sources
from bodydouble.datasets.exports.samples import HANDS, Samples, Signal, image_at
from bodydouble.datasets.images import Image
from bodydouble.errors import DataError, UsageError
from bodydouble.guarded_file import GuardedFile, interruptions_held
from bodydouble.progress import Progress, silent

GYM_TYPE = 2
"""Of robomimic's ``EnvType``, the least particular: nothing is simulated, so switch rollouts off."""
ZLIB_LEVEL = 1
"""HDF5's gzip filter at its fastest; photographs do not get smaller with more."""


class RobomimicWriter:
    """Writes the demonstrations one after the other, images as compressed chunks, so that adopting one copies the same bytes."""

    def __init__(self, path: Path, plan: ExportPlan) -> None:
        import h5py

        self.plan = plan
        self._guarded = GuardedFile(path)
        self._file: Any = h5py.File(self._guarded, "w")
        self._data = self._file.create_group("data")
        self._scale: ActionScale | None = None
        self._said: dict[str, str] = {}
        self._count = self._total = 0

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        """Write one demonstration; "stored" holds its name and how many known action numbers were cut at 1."""
        settings = self.plan.settings
        scale = action_scale(episode.trajectory, samples.action.names, settings.action, settings.frame, samples.rate_hz)
        said = {"state_names": json.dumps(samples.state.names), "action_names": json.dumps(samples.action.names)}
        self._agree(scale, said, header.path)
        actions, cut = scale.scaled(samples.action)
        with self._writing() as check:
            demo = self._demo(samples.count, about(header, cut_actions=cut))
            put(demo, "actions", actions)
            put(demo, "dones", (np.arange(samples.count) == samples.count - 1).astype(np.int64))
            put(demo, "rewards", np.zeros(samples.count, np.float32))
            put(demo, "states", np.zeros((samples.count, 0), np.float32))
            put_tasks(demo, samples)
            obs = demo.create_group("obs")
            for name, values in sorted(_observations(samples).items()):
                put(obs, name, values)
            done, todo = 0, samples.count * len(self.plan.cameras)
            for camera, size in sorted(self.plan.cameras.items()):
                data = _image_dataset(obs, camera, samples.count, size)
                images = (image_at(episode, camera, samples.cameras[camera], sample, size) for sample in range(samples.count))
                for sample, chunk in enumerate(_compressed(images)):
                    data.id.write_direct_chunk((sample, 0, 0, 0), chunk)
                    check()
                    done += 1
                    progress(samples.count * done / todo, samples.count)
        return {"demo": demo.name.rpartition("/")[2], "cut_actions": cut}

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        """Copy one demonstration with its images as they are compressed. Raises: UsageError where the robot's limits differ."""
        with reading(export) as file, self._writing() as check:
            there, data = file[f"data/{entry['stored']['demo']}"], file["data"]
            self._agree(_scale_of(data), {name: str(data.attrs[name]) for name in ("state_names", "action_names")}, export)
            demo = self._demo(int(there.attrs["num_samples"]), str(there.attrs[ABOUT]))
            for name in ("actions", "dones", "rewards", "states"):
                put(demo, name, there[name][()])
            put(demo, "tasks", list(there["tasks"].asstr()[()]))
            put(demo, "task_index", there["task_index"][()])
            obs = demo.create_group("obs")
            images = {_image_key(camera) for camera in self.plan.cameras}
            for name in sorted(set(there["obs"]) - images):
                put(obs, name, there[f"obs/{name}"][()])
            for camera, size in sorted(self.plan.cameras.items()):
                source, copy = there[f"obs/{_image_key(camera)}"], _image_dataset(obs, camera, len(there["actions"]), size)
                for sample in range(len(source)):
                    copy.id.write_direct_chunk((sample, 0, 0, 0), source.id.read_direct_chunk((sample, 0, 0, 0))[1])
                    check()
        return {**entry["stored"], "demo": demo.name.rpartition("/")[2]}

    def finish(self, index: dict[str, Any]) -> None:
        """Write the attributes of all demonstrations, the two filter keys, the index and, last, ``complete``."""
        if self._scale is None:
            raise DataError("the export has no demonstration; name at least one episode.")
        with self._writing() as check:
            env = {"env_name": index["robot"], "type": GYM_TYPE, "env_kwargs": {}, "rate_hz": index["rate_hz"]}
            for name, value in {
                **self._said, "total": self._total, "env_args": json.dumps(env), "action_offset": self._scale.offset, "action_scale": self._scale.scale,
            }.items():  # fmt: skip
                self._data.attrs[name] = value
            validating = validation_sources([entry["source"] for entry in index["episodes"]])
            for key, wanted in {"train": False, "valid": True}.items():
                names = [entry["stored"]["demo"] for entry in index["episodes"] if (entry["source"] in validating) == wanted]
                put(self._file, f"mask/{key}", np.array(names, dtype="S32"))
            self._file.attrs[INDEX] = json.dumps(index, ensure_ascii=False, allow_nan=False)
            self._file.flush()
            check()
            self._file.attrs["complete"] = True
            self._close()
            check()

    def _agree(self, scale: ActionScale, said: dict[str, str], path: Path) -> None:
        """Hold the scale and names of one episode against the first one's: a file has one of each."""
        if self._scale is not None and not (scale.same_as(self._scale) and said == self._said):
            raise UsageError(
                f"{path} has other joint limits or names than the episodes before it, though it is of the same robot '{self.plan.robot}': its actions would "
                "be scaled differently. Process the older recordings again with the robot as it is now, or export them by themselves."
            )
        self._scale, self._said = scale, said

    def _demo(self, samples: int, said: str) -> Any:
        demo = self._data.create_group(f"demo_{self._count}")
        demo.attrs["num_samples"] = samples
        demo.attrs[ABOUT] = said
        self._count += 1
        self._total += samples
        return demo

    @contextmanager
    def _writing(self) -> Iterator[Callable[[], None]]:
        """Hold Ctrl-C back while HDF5 works, and give a check, as ``new_hdf5_file`` does; after an error the file is closed."""
        with interruptions_held() as let_through:

            def check() -> None:
                self._guarded.check()
                let_through()

            try:
                yield check
                check()
            except BaseException:
                self._close()
                raise

    def _close(self) -> None:
        self._file.close()
        self._guarded.close()


def _observations(samples: Samples) -> dict[str, npt.NDArray[np.float32]]:
    found = {**_state_parts(samples.state), "base_pose": samples.base.filled}
    for name, signal in {"mask_state": samples.state, "mask_action": samples.action, "mask_base": samples.base}.items():
        found[name] = signal.source.astype(np.float32)
    for camera, of_camera in samples.cameras.items():
        found[f"mask_{_image_key(camera)}"] = shown(of_camera)[:, None].astype(np.float32)
    return found


def _state_parts(state: Signal) -> dict[str, npt.NDArray[np.float32]]:
    """Return a state by kind of number: (N, ...) each, in the state's order."""
    parts: dict[str, list[int]] = {}
    for column, name in enumerate(state.names):
        first, _, last = name.rpartition(".")
        key = f"{first}_pose" if first in HANDS else "joint_vel" if last == "velocity" and first else "joint_pos"
        parts.setdefault(key, []).append(column)
    return {key: state.filled[:, columns] for key, columns in parts.items()}


def _image_key(camera: str) -> str:
    return f"{camera}_image"


def _image_dataset(obs: Any, camera: str, count: int, size: tuple[int, int]) -> Any:
    shape = (size[1], size[0], 3)
    return obs.create_dataset(
        _image_key(camera),
        (count, *shape),
        np.uint8,
        chunks=(1, *shape),
        compression="gzip",
        compression_opts=ZLIB_LEVEL,
        track_times=False,
    )


def _compressed(images: Iterator[Image]) -> Iterator[bytes]:
    """Compress images on all processors, in their order: that takes longer than all the rest."""
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for image in images:
            waiting.append(pool.submit(zlib.compress, image.tobytes(), ZLIB_LEVEL))
            if len(waiting) > 2 * (os.cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _scale_of(data: Any) -> ActionScale:
    said = data.attrs
    return ActionScale(tuple(json.loads(said["action_names"])), np.asarray(said["action_offset"]), np.asarray(said["action_scale"]))


def verify(path: Path, index: dict[str, Any]) -> None:
    """Read the file back and compare it with its index. Raises: DataError."""
    with reading(path) as file:
        if not file.attrs.get("complete", False) or json.loads(str(file.attrs[INDEX])) != json.loads(json.dumps(index)):
            raise DataError(f"{path} was not written to its end. Make the export again.")
        names = [entry["stored"]["demo"] for entry in index["episodes"]]
        total = sum(entry["samples"] for entry in index["episodes"])
        filtered = [name.decode() for key in ("train", "valid") for name in file[f"mask/{key}"][()]]
        if set(names) != set(file["data"]) or sorted(filtered) != sorted(names) or int(file["data"].attrs["total"]) != total:
            raise DataError(
                f"{path} holds {len(file['data'])} demonstrations; its index says {len(names)} of {total} samples. Make the export again."
            )
        for entry in index["episodes"]:
            _verify_demo(path, file[f"data/{entry['stored']['demo']}"], entry["samples"], index["cameras"])


def _verify_demo(path: Path, demo: Any, samples: int, cameras: Mapping[str, Any]) -> None:
    series = {f"{demo.name}/{name}": data for name, data in demo.items() if name not in ("obs", "tasks")}
    obs = {f"{demo.name}/obs/{name}": data for name, data in demo["obs"].items()}
    numbers = {name: data for name, data in {**series, **obs}.items() if data.ndim < 4}
    check_lengths(path, {**series, **obs}, samples)
    check_finite(path, numbers)
    check_sources(path, {name: data for name, data in obs.items() if "/mask_" in name})
    if samples != int(demo.attrs["num_samples"]) or not (np.abs(demo["actions"][()]) <= 1.0).all():
        raise DataError(
            f"{path}: {demo.name} has actions outside of [-1, 1] or another number of samples than it says. Make the export again."
        )
    for camera, (width, height) in cameras.items():
        images = demo[f"obs/{_image_key(camera)}"]
        for sample in {0, samples - 1}:
            if images[sample].shape != (height, width, 3):
                raise DataError(f"{path}: {images.name} has images of {images.shape[2]}x{images.shape[1]} px; expected {width}x{height}.")


FORMAT = ExportFormat(
    "robomimic", "one HDF5 file for robomimic's SequenceDataset, actions scaled to [-1, 1]", RobomimicWriter, verify, folder=False, suffix=".hdf5",
)  # fmt: skip
