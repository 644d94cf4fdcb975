"""The format ``gr00t``: a LeRobot dataset of version 2.1 with GR00T's ``meta/modality.json``, which names the parts of state and action.

A part is a group of the robot's joints, one slice of the vector: where a group's joints are not neighbours in the robot's own order, the vectors are in the
groups' order instead (the features' "names" say which). GR00T reads the sentence of each frame through ``annotation.human.task_description``, the number of a
task. ``meta/stats.json`` holds the figures that GR00T would otherwise compute, over what is known (see ``lerobot_statistics``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bodydouble.datasets.exports.export_format import TRAINER_SETTINGS, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader
from bodydouble.datasets.exports.lerobot_card import write_card
from bodydouble.datasets.exports.lerobot_features import ACTION, BASE, IMAGES, STATE, Numbers, mask_of
from bodydouble.datasets.exports.lerobot_statistics import combine
from bodydouble.datasets.exports.lerobot_tables import (
    plain_statistics,
    read_json,
    read_json_lines,
    statistics_from,
    write_json,
    write_json_lines,
)
from bodydouble.datasets.exports.lerobot_writer import PER_CHUNK, Layout, LeRobotWriter, Source, check_episodes
from bodydouble.datasets.exports.samples import HANDS, POSE_NAMES
from bodydouble.errors import DataError

LAYOUT = Layout("data/chunk-{chunk:03d}/episode_{number:06d}.parquet", "videos/chunk-{chunk:03d}/{key}/episode_{number:06d}.mp4")
INSTRUCTION = "human.task_description"
FIGURES = ("mean", "std", "min", "max", "q01", "q99")
"""What GR00T reads."""

Slices = dict[str, tuple[int, int]]


def parts_of(names: tuple[str, ...], groups: Mapping[str, tuple[str, ...]]) -> tuple[list[int], Slices]:
    """Return the order in which every part is one slice, and the [start, stop) of each.

    Parts are the palms' poses, the groups of joints, their velocities, and "other" joints, in the order in which they come in ``names``.
    """
    members: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        members.setdefault(_part(name, groups), []).append(row)
    order: list[int] = []
    slices: Slices = {}
    for part, rows in members.items():
        slices[part] = (len(order), len(order) + len(rows))
        order.extend(rows)
    return order, slices


def _part(name: str, groups: Mapping[str, tuple[str, ...]]) -> str:
    hand, _, axis = name.rpartition(".")
    if hand in HANDS and axis in POSE_NAMES:
        return f"{hand}_pose"
    joint = name.removesuffix(".velocity")
    group = next((group for group, joints in groups.items() if joint in joints), "other")
    return group if joint == name else f"{group}_velocities"


class Gr00tWriter(LeRobotWriter):
    """Writes ``data``, ``videos`` and ``meta``; see ``export_format.Writer``."""

    layout = LAYOUT
    annotations = (f"annotation.{INSTRUCTION}",)
    modality: dict[str, Any] | None = None

    def arrange(self, numbers: dict[str, Numbers], header: EpisodeHeader) -> dict[str, Numbers]:
        """Return state and action, and their masks, so that every part is one slice."""
        arranged, slices = dict(numbers), {}
        for name in (STATE, ACTION):
            order, slices[name] = parts_of(numbers[name].names, header.joint_groups)
            for feature in (name, mask_of(name)):
                arranged[feature] = numbers[feature].ordered(order)
        self._take_modality(self._modality(slices))
        return arranged

    def _modality(self, slices: Mapping[str, Slices]) -> dict[str, Any]:
        state, action = (
            {part: {"start": start, "end": stop, "original_key": name} for part, (start, stop) in slices[name].items()}
            for name in (STATE, ACTION)
        )
        position, rotation = {"start": 0, "end": 3, "original_key": BASE}, {"start": 3, "end": 7, "original_key": BASE}
        modality = {"state": {**state, "base_position": position, "base_rotation_xyzw": rotation}, "action": action}
        if self.plan.cameras:
            modality["video"] = {camera: {"original_key": IMAGES + camera} for camera in self.plan.cameras}
        return modality | {"annotation": {INSTRUCTION: {}}}

    def _take_modality(self, modality: dict[str, Any]) -> None:
        self.modality = self.modality or modality
        if self.modality != modality:
            raise DataError("its groups of joints are not those of the episodes before it; export such episodes by themselves.")

    def read_source(self, export: Path) -> Source:
        """Read features, tasks, parts and the statistics of every episode."""
        self._take_modality(read_json(export / "meta/modality.json"))
        rows = read_json_lines(export / "meta/episodes_stats.jsonl")
        return Source(
            read_json(export / "meta/info.json")["features"], [row["task"] for row in read_json_lines(export / "meta/tasks.jsonl")],
            lambda number: statistics_from(rows[number]["stats"]),
        )  # fmt: skip

    def finish(self, index: dict[str, Any]) -> None:
        """Write the lists of episodes and tasks, the statistics, ``info.json``, ``modality.json`` and the card."""
        meta, count = self.out / "meta", len(self.episodes)
        ours = [{name: entry[name] for name in ("source", "grade", "licence", "privacy")} for entry in index["episodes"]]
        write_json_lines(
            meta / "episodes.jsonl",
            (
                {"episode_index": number, "tasks": list(row.tasks), "length": row.length, **said}
                for number, (row, said) in enumerate(zip(self.episodes, ours, strict=True))
            ),
        )
        write_json_lines(
            meta / "episodes_stats.jsonl",
            ({"episode_index": number, "stats": plain_statistics(row.statistics)} for number, row in enumerate(self.episodes)),
        )
        write_json_lines(meta / "tasks.jsonl", ({"task_index": number, "task": task} for number, task in enumerate(self.tasks)))
        combined = combine([row.statistics for row in self.episodes])
        numbers = {name: values for name, values in combined.items() if self.features[name]["dtype"] != "video"}
        write_json(meta / "stats.json", plain_statistics(numbers, FIGURES))
        write_json(meta / "modality.json", self.modality)
        chunk = "{episode_chunk:03d}/"
        info = {
            "codebase_version": "v2.1", "robot_type": self.plan.robot, "total_episodes": count, "total_frames": self.frames,
            "total_tasks": len(self.tasks), "total_videos": count * len(self.plan.cameras), "total_chunks": -(-count // PER_CHUNK),
            "chunks_size": PER_CHUNK, "fps": self.rate_hz, "splits": {"train": f"0:{count}"},
            "data_path": f"data/chunk-{chunk}episode_{{episode_index:06d}}.parquet",
            "video_path": f"videos/chunk-{chunk}{{video_key}}/episode_{{episode_index:06d}}.mp4" if self.plan.cameras else None,
            "features": self.features,
        }  # fmt: skip
        write_json(meta / "info.json", info)
        write_card(self.out, index, "v2.1")


def verify(out: Path, index: dict[str, Any]) -> None:
    """Read the export again and compare it with ``index``. Raises: DataError."""
    info, modality = read_json(out / "meta/info.json"), read_json(out / "meta/modality.json")
    lengths = [row["length"] for row in read_json_lines(out / "meta/episodes.jsonl")]
    if lengths != [entry["samples"] for entry in index["episodes"]] or info["total_frames"] != sum(lengths):
        raise DataError(f"meta lists episodes of {lengths[:5]} frames and {info['total_frames']} in all, not those that were written.")
    for modalities, feature in (("state", STATE), ("action", ACTION)):
        ends = [part["end"] for part in modality[modalities].values() if part["original_key"] == feature]
        if max(ends) != info["features"][feature]["shape"][0]:
            raise DataError(f"meta/modality.json ends at {max(ends)} of {info['features'][feature]['shape'][0]} numbers of {feature}.")
    check_episodes(out, index, LAYOUT)


FORMAT = ExportFormat(
    name="gr00t",
    description="LeRobot dataset v2.1 with GR00T's modality.json: state and action by group of joints, a sentence a frame",
    writer=Gr00tWriter,
    verify=verify,
    takes=(*TRAINER_SETTINGS, "codec"),
)
