from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import delete_episodes, merge_exports
from bodydouble.datasets.exports.gr00t import FORMAT, parts_of
from bodydouble.datasets.exports.lerobot_tables import read_frames
from bodydouble.datasets.exports.samples import take_samples
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError

sys.path.insert(0, str(Path(__file__).parent))
from natural_episode import files_of, make_export

TABLE = "data/chunk-000/episode_{:06d}.parquet"


@pytest.fixture
def episodes(simulated_episode, simulated_images, tmp_path):
    """Two episodes of a robot whose "arms" are no neighbours in its own order: neck_yaw, left_elbow, right_elbow in the groups sides and neck."""
    paths = []
    for number, task in enumerate(("wave", "lift")):
        episode = simulated_episode(task=task, segments=(Segment(0.0, 1 / 60, f"start to {task}"),))
        groups = {"ends": ("neck_yaw", "right_elbow"), "middle": ("left_elbow",)}
        trajectory = replace(episode.trajectory, joint_groups=groups, positions=episode.trajectory.positions + 0.1 * number)
        episode = replace(episode, trajectory=trajectory)
        paths.append(tmp_path / f"episode_{number}.h5")
        write_episode(paths[-1], episode, images=simulated_images(episode))
    return paths


def lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def modality(out: Path):
    return json.loads((out / "meta/modality.json").read_text())


def test_files_lie_where_version_2_1_has_them(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    assert set(files_of(out)) == {
        *(f"meta/{name}" for name in ("info.json", "modality.json", "stats.json", "tasks.jsonl", "episodes.jsonl", "episodes_stats.jsonl")),
        "README.md", "bodydouble_export.json", TABLE.format(0), TABLE.format(1),
        *(f"videos/chunk-000/observation.images.{name}/episode_{number:06d}.mp4" for name in ("portrait", "wide") for number in (0, 1)),
    }  # fmt: skip
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_videos"], info["total_chunks"], info["chunks_size"]) == ("v2.1", 4, 1, 1000)
    assert (out / info["data_path"].format(episode_chunk=0, episode_index=1)).is_file()
    assert (out / info["video_path"].format(episode_chunk=0, episode_index=1, video_key="observation.images.wide")).is_file()


def test_every_group_of_joints_is_one_slice_that_holds_its_joints(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    samples = take_samples(read_episode(episodes[1]), ExportSettings(), 60.0, ())
    columns = read_frames(out / TABLE.format(1))
    parts = modality(out)
    assert parts["state"]["ends"] == {"start": 0, "end": 2, "original_key": "observation.state"}
    assert parts["action"]["middle"] == {"start": 2, "end": 3, "original_key": "action"}
    for kind, feature, signal in (("state", "observation.state", samples.state), ("action", "action", samples.action)):
        for name, joints in {"ends": ("neck_yaw", "right_elbow"), "middle": ("left_elbow",)}.items():
            part = parts[kind][name]
            rows = [signal.names.index(joint) for joint in joints]
            np.testing.assert_array_equal(columns[feature][:, part["start"] : part["end"]], signal.filled[:, rows])
            mask = columns["observation.mask." + feature.removeprefix("observation.")]
            np.testing.assert_array_equal(mask[:, part["start"] : part["end"]], signal.source[:, rows])
    names = json.loads((out / "meta/info.json").read_text())["features"]["observation.state"]["names"]
    assert names == ["neck_yaw", "right_elbow", "left_elbow"]


def test_cameras_base_and_sentences_are_named(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    parts = modality(out)
    assert parts["video"] == {name: {"original_key": f"observation.images.{name}"} for name in ("portrait", "wide")}
    assert parts["state"]["base_rotation_xyzw"] == {"start": 3, "end": 7, "original_key": "observation.base"}
    assert parts["annotation"] == {"human.task_description": {}}
    tasks = {row["task_index"]: row["task"] for row in lines(out / "meta/tasks.jsonl")}
    columns = read_frames(out / TABLE.format(1))
    said = [tasks[number] for number in columns["annotation.human.task_description"].tolist()]
    assert said == ["start to lift", "lift", "lift", "lift"]
    np.testing.assert_array_equal(columns["annotation.human.task_description"], columns["task_index"])


def test_palms_fingers_and_velocities_are_parts_of_their_own():
    names = ("left_hand.x", "left_hand.qw", "elbow", "thumb", "wrist", "elbow.velocity", "spare", "thumb.velocity")
    order, slices = parts_of(names, {"arm": ("elbow", "wrist"), "hand": ("thumb",)})
    assert {part: [names[row] for row in order[start:stop]] for part, (start, stop) in slices.items()} == {
        "left_hand_pose": ["left_hand.x", "left_hand.qw"], "arm": ["elbow", "wrist"], "hand": ["thumb"], "arm_velocities": ["elbow.velocity"],
        "other": ["spare"], "hand_velocities": ["thumb.velocity"],
    }  # fmt: skip


def test_the_figures_that_gr00t_reads_are_there_for_every_number(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    features = json.loads((out / "meta/info.json").read_text())["features"]
    figures = json.loads((out / "meta/stats.json").read_text())
    assert set(figures) == {name for name, feature in features.items() if feature["dtype"] != "video"}
    for name, values in figures.items():
        assert {figure: len(numbers) for figure, numbers in values.items()} == dict.fromkeys(
            ("mean", "std", "min", "max", "q01", "q99"), features[name]["shape"][0]
        )
    state = np.concatenate([read_frames(out / TABLE.format(number))["observation.state"] for number in (0, 1)])
    np.testing.assert_allclose(figures["observation.state"]["mean"], state.mean(axis=0), rtol=1e-5)


def test_lists_of_episodes_and_tasks_count_and_say_grade_and_source(episodes, tmp_path):
    out, _ = make_export(tmp_path, "gr00t", episodes)
    first, second = lines(out / "meta/episodes.jsonl")
    assert (first["episode_index"], first["length"], first["tasks"]) == (0, 4, ["start to wave", "wave"])
    assert (second["grade"], second["source"]) == ("A", "simulated")
    assert [row["task"] for row in lines(out / "meta/tasks.jsonl")] == ["start to wave", "wave", "start to lift", "lift"]
    assert [row["episode_index"] for row in lines(out / "meta/episodes_stats.jsonl")] == [0, 1]


@pytest.mark.parametrize("settings", [{}, {"cameras": ()}, {"state": "positions+velocities", "action": "delta"}])
def test_merging_and_deleting_give_the_bytes_of_exporting(episodes, tmp_path, settings):
    whole, _ = make_export(tmp_path, "gr00t", episodes, **settings)
    first, _ = make_export(tmp_path, "gr00t", episodes[:1], "first", **settings)
    second, _ = make_export(tmp_path, "gr00t", episodes[1:], "second", **settings)
    merge_exports([first, second], tmp_path / "merged")
    assert files_of(tmp_path / "merged") == files_of(whole)
    delete_episodes(whole, ["episode_0.h5"])
    assert files_of(whole) == files_of(second)


def test_episodes_with_other_groups_cannot_go_into_one_dataset(episodes, simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode(task="other groups")
    episode = replace(episode, trajectory=replace(episode.trajectory, positions=episode.trajectory.positions + 1))
    write_episode(tmp_path / "other.h5", episode, images=simulated_images(episode))
    with pytest.raises(DataError, match=r"other\.h5: its groups of joints are not those"):
        make_export(tmp_path, "gr00t", [*episodes, tmp_path / "other.h5"])


def test_verifying_finds_a_part_that_reaches_too_far_and_a_missing_episode(episodes, tmp_path):
    out, index = make_export(tmp_path, "gr00t", episodes)
    FORMAT.verify(out, index)
    parts = modality(out)
    parts["action"]["middle"]["end"] = 4
    (out / "meta/modality.json").write_text(json.dumps(parts))
    with pytest.raises(DataError, match="ends at 4 of 3 numbers of action"):
        FORMAT.verify(out, index)
    (out / "meta/episodes.jsonl").write_text("")
    with pytest.raises(DataError, match="meta lists episodes of"):
        FORMAT.verify(out, index)
