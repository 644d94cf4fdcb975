"""The format ``lerobot``: LeRobot's dataset version 3.0, as LeRobot 0.6 reads, merges and thins it. LeRobot itself is not needed.

Every episode has files of its own (the format may put several into one), so that copying or deleting one touches no other. What the features hold is told in
``lerobot_features``, what the statistics count in ``lerobot_statistics``. The table of episodes has columns of ours, "bodydouble/...", which LeRobot keeps when
it merges.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bodydouble.datasets.exports.export_format import TRAINER_SETTINGS, ExportFormat
from bodydouble.datasets.exports.lerobot_card import write_card
from bodydouble.datasets.exports.lerobot_features import IMAGES
from bodydouble.datasets.exports.lerobot_statistics import FIGURES, Statistics, combine
from bodydouble.datasets.exports.lerobot_tables import (
    plain_statistics,
    read_json,
    read_table,
    statistics_from,
    write_json,
    write_rows,
    write_tasks,
)
from bodydouble.datasets.exports.lerobot_writer import PER_CHUNK, EpisodeRow, Layout, LeRobotWriter, Source, check_episodes
from bodydouble.errors import DataError

LAYOUT = Layout("data/chunk-{chunk:03d}/file-{file:03d}.parquet", "videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4")

EPISODES_A_FILE = 1000
"""Rows of ``meta/episodes``: LeRobot reads a whole file to find one."""


class LeRobotV3Writer(LeRobotWriter):
    """Writes ``data``, ``videos`` and ``meta``; see ``export_format.Writer``."""

    layout = LAYOUT

    def read_source(self, export: Path) -> Source:
        """Read features, tasks and the statistics of every episode."""
        features = read_json(export / "meta/info.json")["features"]
        tables = [read_table(path) for path in sorted(export.glob("meta/episodes/*/*.parquet"))]

        def statistics(number: int) -> dict[str, Statistics]:
            row = tables[number // EPISODES_A_FILE].slice(number % EPISODES_A_FILE, 1).to_pylist()[0]
            return statistics_from({name: {figure: row[f"stats/{name}/{figure}"] for figure in FIGURES} for name in features})

        return Source(features, read_table(export / "meta/tasks.parquet")["task"].to_pylist(), statistics)

    def finish(self, index: dict[str, Any]) -> None:
        """Write the tables of episodes and tasks, the statistics of the dataset, ``info.json`` and the card."""
        rows = [self._row(number, row, entry) for number, (row, entry) in enumerate(zip(self.episodes, index["episodes"], strict=True))]
        for file, start in enumerate(range(0, len(rows), EPISODES_A_FILE)):
            path = self.out / f"meta/episodes/chunk-{file // PER_CHUNK:03d}/file-{file % PER_CHUNK:03d}.parquet"
            write_rows(path, rows[start : start + EPISODES_A_FILE])
        write_tasks(self.out / "meta/tasks.parquet", list(self.tasks))
        write_json(self.out / "meta/stats.json", plain_statistics(combine([row.statistics for row in self.episodes])))
        videos = LAYOUT.video.replace("{key}", "{video_key}").replace("{chunk:", "{chunk_index:").replace("{file:", "{file_index:")
        info = {
            "codebase_version": "v3.0", "fps": self.rate_hz, "features": self.features, "total_episodes": len(self.episodes), "total_frames": self.frames,
            "total_tasks": len(self.tasks), "chunks_size": PER_CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
            "data_path": LAYOUT.data.replace("{chunk:", "{chunk_index:").replace("{file:", "{file_index:"),
            "video_path": videos if self.plan.cameras else None, "robot_type": self.plan.robot, "splits": {"train": f"0:{len(self.episodes)}"},
        }  # fmt: skip
        write_json(self.out / "meta/info.json", info)
        write_card(self.out, index, "v3.0")

    def _row(self, number: int, row: EpisodeRow, entry: dict[str, Any]) -> dict[str, Any]:
        chunk, file = divmod(number, PER_CHUNK)
        place: dict[str, Any] = {"data/chunk_index": chunk, "data/file_index": file}
        place |= {"dataset_from_index": row.first_index, "dataset_to_index": row.first_index + row.length}
        for camera in self.plan.cameras:
            key = f"videos/{IMAGES}{camera}"
            place |= {f"{key}/chunk_index": chunk, f"{key}/file_index": file}
            place |= {f"{key}/from_timestamp": 0.0, f"{key}/to_timestamp": row.length / self.rate_hz}
        figures = {
            f"stats/{feature}/{name}": value
            for feature, values in plain_statistics(row.statistics).items()
            for name, value in values.items()
        }
        where = divmod(number // EPISODES_A_FILE, PER_CHUNK)
        ours = {f"bodydouble/{name}": entry[name] for name in ("identity", "source", "grade", "licence", "privacy")}
        return {
            "episode_index": number, "tasks": list(row.tasks), "length": row.length, **place, **figures,
            "meta/episodes/chunk_index": where[0], "meta/episodes/file_index": where[1], **ours,
        }  # fmt: skip


def verify(out: Path, index: dict[str, Any]) -> None:
    """Read the export again and compare it with ``index``. Raises: DataError."""
    info = read_json(out / "meta/info.json")
    lengths = [row for path in sorted(out.glob("meta/episodes/*/*.parquet")) for row in read_table(path)["length"].to_pylist()]
    if lengths != [entry["samples"] for entry in index["episodes"]] or info["total_frames"] != sum(lengths):
        raise DataError(f"meta lists episodes of {lengths[:5]} frames and {info['total_frames']} in all, not those that were written.")
    check_episodes(out, index, LAYOUT)


FORMAT = ExportFormat(
    name="lerobot",
    description="LeRobot dataset v3.0: parquet tables and one video a camera (H.264 or AV1)",
    writer=LeRobotV3Writer,
    verify=verify,
    takes=(*TRAINER_SETTINGS, "codec"),
)
