"""What LeRobot's versions 2.1 and 3.0 have in common: one table and one video a camera for each episode, tasks, statistics, and reading it all again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_format import Entry
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.lerobot_features import (
    IMAGES,
    Columns,
    Numbers,
    check_camera_names,
    counters,
    describe_features,
    numbers_of,
    whole_rate,
)
from bodydouble.datasets.exports.lerobot_statistics import Statistics, describe_images, describe_numbers
from bodydouble.datasets.exports.lerobot_tables import read_frames, write_frames
from bodydouble.datasets.exports.samples import Samples
from bodydouble.datasets.exports.video_export import check_video, encode_cameras
from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent

Features = dict[str, dict[str, Any]]

PER_CHUNK = 1000
"""Files in one folder, as LeRobot has them."""


@dataclass(frozen=True)
class Layout:
    """Where the files of one episode lie, as patterns of its chunk, file and number."""

    data: str
    video: str

    def data_path(self, root: Path, number: int) -> Path:
        """Return the table of one episode."""
        return root / self.data.format(chunk=number // PER_CHUNK, file=number % PER_CHUNK, number=number)

    def video_path(self, root: Path, number: int, camera: str) -> Path:
        """Return the video of one camera of one episode."""
        return root / self.video.format(chunk=number // PER_CHUNK, file=number % PER_CHUNK, number=number, key=IMAGES + camera)


@dataclass(frozen=True)
class EpisodeRow:
    """What the tables of all episodes say of one."""

    first_index: int
    length: int
    tasks: tuple[str, ...]
    """In the order in which they come."""
    statistics: dict[str, Statistics]


@dataclass(frozen=True)
class Source:
    """What adopting needs to know of the export that an episode comes from."""

    features: Features
    tasks: Sequence[str]
    statistics: Callable[[int], Mapping[str, Statistics]]
    """Of the episode of this number."""


class LeRobotWriter:
    """Adds and adopts episodes. A subclass says where things lie and writes what covers all episodes."""

    layout: Layout
    annotations: tuple[str, ...] = ()
    """Further columns that hold the task's number."""

    def __init__(self, out: Path, plan: ExportPlan) -> None:
        check_camera_names(plan)
        self.out, self.plan, self.rate_hz = out, plan, whole_rate(plan)
        self.features: Features = {}
        self.tasks: dict[str, int] = {}
        self.episodes: list[EpisodeRow] = []
        self._sources: dict[Path, Source] = {}

    @property
    def frames(self) -> int:
        """Of all episodes so far."""
        return self.episodes[-1].first_index + self.episodes[-1].length if self.episodes else 0

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        """Write one episode; see ``export_format.Writer``."""
        numbers = self.arrange(numbers_of(samples), header)
        self._take_features(describe_features(numbers, self.plan, self.annotations))
        paths = {camera: self.layout.video_path(self.out, len(self.episodes), camera) for camera in samples.cameras}
        histograms = encode_cameras(episode, samples.cameras, self.plan.cameras, paths, self.rate_hz, self.plan.settings.codec, progress)
        statistics = {name: describe_numbers(item.values, item.known) for name, item in numbers.items()}
        statistics |= {IMAGES + camera: describe_images(histogram) for camera, histogram in histograms.items()}
        progress(samples.count, samples.count)
        return self._write({name: item.values for name, item in numbers.items()}, samples.tasks, statistics)

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        """Copy one episode's videos, and its table with new indices; see ``export_format.Writer``."""
        export, number = Path(export), int(entry["stored"]["episode_index"])
        if export not in self._sources:
            self._sources[export] = self.read_source(export)
        source = self._sources[export]
        self._take_features(source.features)
        for camera in self.plan.cameras:
            target = self.layout.video_path(self.out, len(self.episodes), camera)
            target.parent.mkdir(parents=True, exist_ok=True)
            video = self.layout.video_path(export, number, camera)
            if not video.is_file():
                raise DataError(f"{video} is missing; make the export again.")
            shutil.copyfile(video, target)
        columns = read_frames(self.layout.data_path(export, number))
        try:
            texts = [source.tasks[index] for index in columns["task_index"].tolist()]
            return self._write(columns, texts, source.statistics(number))
        except (KeyError, IndexError) as error:
            raise DataError(f"{export}: its files do not go together ({error!r} of episode {number}); make the export again.") from None

    def arrange(self, numbers: dict[str, Numbers], header: EpisodeHeader) -> dict[str, Numbers]:
        """Return the features of numbers in the order in which they are stored."""
        return numbers

    def read_source(self, export: Path) -> Source:
        """Read what ``adopt`` needs. Raises: DataError."""
        raise NotImplementedError

    def _take_features(self, features: Features) -> None:
        self.features = self.features or features
        for name in (*self.features, *features):
            if self.features.get(name) != features.get(name):
                raise DataError(
                    f"its feature {name} is not that of the episodes before it ({_short(features.get(name))}, not {_short(self.features.get(name))}); "
                    "export such episodes by themselves."
                )

    def _write(self, values: Columns, texts: Sequence[str], statistics: Mapping[str, Statistics]) -> Mapping[str, Any]:
        number, first = len(self.episodes), self.frames
        tasks = tuple(dict.fromkeys(texts))
        for task in tasks:
            self.tasks.setdefault(task, len(self.tasks))
        task_index = np.array([self.tasks[text] for text in texts], np.int64)
        counted = counters(len(texts), self.rate_hz, number, first, task_index) | dict.fromkeys(self.annotations, task_index)
        columns = {name: counted.get(name, values.get(name)) for name, item in self.features.items() if item["dtype"] != "video"}
        write_frames(self.layout.data_path(self.out, number), columns)  # type: ignore[arg-type]
        described = {name: describe_numbers(column, least_std=0.0) for name, column in counted.items()}
        self.episodes.append(
            EpisodeRow(first, len(texts), tasks, {name: described.get(name) or statistics[name] for name in self.features})
        )
        return {"episode_index": number}


def _short(feature: dict[str, Any] | None) -> str:
    if feature is None:
        return "none"
    names = feature["names"] or []
    return f"{feature['dtype']} of {'x'.join(map(str, feature['shape']))}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def check_episodes(out: Path, index: Mapping[str, Any], layout: Layout) -> None:
    """Read every table and the first and last frame of every video again and compare them with the index. Raises: DataError."""
    first, rate = 0, round(index["rate_hz"])
    for number, entry in enumerate(index["episodes"]):
        path, length = layout.data_path(out, number), int(entry["samples"])
        columns = read_frames(path)
        wrong = _wrong_columns(columns, number, first, length)
        if wrong:
            raise DataError(f"{path.relative_to(out)} ({entry['file']}): {wrong}; make the export again.")
        for camera, size in index["cameras"].items():
            check_video(layout.video_path(out, number, camera), length, (int(size[0]), int(size[1])), rate)
        first += length


def _wrong_columns(columns: Columns, number: int, first: int, length: int) -> str:
    if any(len(values) != length for values in columns.values()):
        return f"it has {min(map(len, columns.values()))} frames, not {length}"
    unfinite = [name for name, values in columns.items() if not _finite(values)]
    if unfinite:
        return f"{unfinite[0]} holds a number that is not finite"
    if not np.array_equal(columns["index"], first + np.arange(length)) or (columns["episode_index"] != number).any():
        return "its indices do not follow those of the episode before"
    return ""


def _finite(values: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(values).all())
