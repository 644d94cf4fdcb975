"""EpisodeFrames: single frames of many episode files, at random and without loading the rest; fits a torch DataLoader, but needs no torch."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode_file import UNREADABLE, open_episode_file
from bodydouble.datasets.images import decode_jpeg
from bodydouble.datasets.stored_videos import StoredVideos
from bodydouble.errors import DataError, UnknownNameError

CHUNK_CACHE_BYTES = 1 << 16
"""A dataset: images are one a chunk and are not asked for twice."""


class EpisodeFrames:
    """Map-style dataset over the frames of episodes: ``frames[i]`` is a dict of arrays, ``len(frames)`` their number.

    An item holds "state" (J,) rad, "action" (horizon, J) rad: positions of the next frames, "state_source" and "action_source" of hand_pose Source,
    "time_s", "episode" and "frame" (numbers), and "image.CAMERA" (H, W, 3) RGB uint8 for every camera asked for: zeros where "image_present.CAMERA" is 0.
    Numbers that are missing or beyond the episode's end are NaN with source 0. Files are opened when needed, at most ``max_open`` at a time in each process,
    so it can be handed to workers by fork or spawn.
    """

    def __init__(self, paths: Sequence[Path], *, cameras: Sequence[str] = (), horizon: int = 1, max_open: int = 8) -> None:
        """Read how long each episode is. Raises: UsageError, DataError for a file that is no episode; UnknownNameError for a camera that one lacks."""
        self.paths = [Path(path) for path in paths]
        self.cameras, self.horizon, self.max_open = tuple(cameras), horizon, max_open
        counts = []
        for path in self.paths:
            with open_episode_file(path) as file:
                stored = file["images"] if "images" in file else file.get("videos", {})
                for camera in self.cameras:
                    if camera not in stored:
                        raise UnknownNameError("camera", camera, f"the images of {path}", stored)
                counts.append(len(file["robot/times_s"]))
        self.starts: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._open: OrderedDict[int, _OpenEpisode] = OrderedDict()
        self._inherited: Any = None
        self._pid = 0

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one frame of one episode. Raises: IndexError; DataError where it cannot be read."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index %= len(self)
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        try:
            return self._episode(number).item(number, index - int(self.starts[number]), self.cameras, self.horizon)
        except UNREADABLE as error:
            raise DataError(
                f"{self.paths[number]}: frame {index - int(self.starts[number])} cannot be read ({error}). Run `bodydouble validate` on it."
            ) from None

    def close(self) -> None:
        """Close what this process has open; it opens again when needed."""
        if self._pid != os.getpid():
            return
        for episode in self._open.values():
            episode.close()
        self._open = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_open": OrderedDict(), "_inherited": None, "_pid": 0}

    def _episode(self, number: int) -> _OpenEpisode:
        if self._pid != os.getpid():
            # What a parent process opened must be neither used nor closed after a fork: a video decoder would wait for its threads forever.
            self._inherited, self._open, self._pid = self._open, OrderedDict(), os.getpid()
        if number in self._open:
            self._open.move_to_end(number)
        else:
            self._open[number] = _OpenEpisode(self.paths[number])
            while len(self._open) > self.max_open:
                self._open.popitem(last=False)[1].close()
        return self._open[number]


class _OpenEpisode:
    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
        self.positions: npt.NDArray[np.float32] = self.file["robot/positions"][()].astype(np.float32)
        self.source: npt.NDArray[np.uint8] = self.file["robot/joint_source"][()]
        self.times_s: npt.NDArray[np.float64] = self.file["robot/times_s"][()]
        self.images: dict[str, Any] = dict(self.file["images"].items()) if "images" in self.file else {}
        self.videos = StoredVideos(path, tuple(self.file["videos"])) if "videos" in self.file else None
        self.sizes: dict[str, tuple[int, int]] = {}

    def item(self, episode: int, frame: int, cameras: tuple[str, ...], horizon: int) -> dict[str, Any]:
        following = slice(frame + 1, frame + 1 + horizon)
        joints = self.positions.shape[1]
        action, action_source = np.full((horizon, joints), np.nan, np.float32), np.zeros((horizon, joints), np.uint8)
        count = len(self.positions[following])
        action[:count], action_source[:count] = self.positions[following], self.source[following]
        found: dict[str, Any] = {
            "state": self.positions[frame], "state_source": self.source[frame], "action": action, "action_source": action_source,
            "time_s": self.times_s[frame], "episode": episode, "frame": frame,
        }  # fmt: skip
        for camera in cameras:
            image = self._image(camera, frame)
            found[f"image_present.{camera}"] = np.uint8(image is not None)
            found[f"image.{camera}"] = np.zeros((*self._size(camera)[::-1], 3), np.uint8) if image is None else image
        return found

    def _image(self, camera: str, frame: int) -> npt.NDArray[np.uint8] | None:
        if self.videos is not None:
            return self.videos.read(camera, frame)
        data = self.images[camera][frame].tobytes()
        return decode_jpeg(data) if data else None

    def _size(self, camera: str) -> tuple[int, int]:
        if camera not in self.sizes:
            stored = self.images.get(camera) if self.videos is None else self.file[f"videos/{camera}"]
            width, height = stored.attrs["image_size"] if stored is not None and "image_size" in stored.attrs else (1, 1)
            self.sizes[camera] = (int(width), int(height))
        return self.sizes[camera]

    def close(self) -> None:
        if self.videos is not None:
            self.videos.close()
        self.file.close()
