from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.exports.building import read_index
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import delete_episodes, export, merge_exports
from bodydouble.datasets.exports.lerobot_features import check_camera_names
from bodydouble.datasets.exports.lerobot_statistics import FIGURES, combine, describe_images, describe_numbers
from bodydouble.datasets.exports.lerobot_tables import read_frames, write_frames
from bodydouble.datasets.exports.lerobot_v3 import FORMAT
from bodydouble.datasets.exports.samples import take_samples
from bodydouble.datasets.exports.video_export import ImageHistogram
from bodydouble.datasets.hand_head_poses import HandHeadPoses
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import Source

sys.path.insert(0, str(Path(__file__).parent))
from natural_episode import files_of, make_export

TABLE, VIDEO = "data/chunk-000/file-{:03d}.parquet", "videos/observation.images.{}/chunk-000/file-{:03d}.mp4"


@pytest.fixture
def episodes(simulated_episode, simulated_images, tmp_path):
    """Three episodes of four frames: the first and the last of one task, the second of another; the last with joints that nobody knows for a while."""
    paths = []
    for number, task in enumerate(("wave", "lift – höher", "wave")):
        episode = simulated_episode(task=task)
        trajectory = episode.trajectory
        source, positions = trajectory.joint_source.copy(), trajectory.positions + 0.05 * number
        if number == 2:
            source[:2, 1], positions[:2, 1] = Source.MISSING, np.nan
            source[1, 2] = Source.INTERPOLATED
        episode = replace(episode, trajectory=replace(trajectory, positions=positions, joint_source=source))
        paths.append(tmp_path / f"episode_{number}.h5")
        images = ((camera, frame, image + np.uint8(15 * number)) for camera, frame, image in simulated_images(episode))
        write_episode(paths[-1], episode, images=images)
    return paths


def info(out: Path):
    return json.loads((out / "meta/info.json").read_text())


def rows(out: Path):
    return pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()


def test_every_episode_has_one_table_and_one_video_a_camera(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    assert set(files_of(out)) == {
        "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet", "README.md", "bodydouble_export.json",
        *(TABLE.format(number) for number in range(3)), *(VIDEO.format(camera, number) for camera in ("portrait", "wide") for number in range(3)),
    }  # fmt: skip
    said = info(out)
    assert (said["codebase_version"], said["fps"], said["robot_type"]) == ("v3.0", 60, "optimus")
    assert (said["total_episodes"], said["total_frames"], said["total_tasks"], said["splits"]) == (3, 12, 2, {"train": "0:3"})
    assert said["features"]["observation.images.wide"]["shape"] == [90, 160, 3]


def test_numbers_are_those_of_the_samples_and_masks_say_how_each_is_known(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    columns = read_frames(out / TABLE.format(2))
    samples = take_samples(read_episode(episodes[2]), ExportSettings(), 60.0, ("portrait", "wide"))
    for name, signal in {"observation.state": samples.state, "action": samples.action, "observation.base": samples.base}.items():
        mask = columns[f"observation.mask.{name.removeprefix('observation.')}"]
        np.testing.assert_array_equal(columns[name], signal.filled)
        np.testing.assert_array_equal(mask, signal.source)
        assert columns[name].dtype == mask.dtype == np.float32
        assert info(out)["features"][name]["names"] == list(signal.names)
    assert columns["observation.mask.state"][:, 1].tolist() == [0, 0, 1, 1]
    assert columns["observation.state"][:2, 1].tolist() == [0, 0]
    assert columns["observation.mask.state"][1, 2] == Source.INTERPOLATED
    assert columns["observation.mask.action"][-1].tolist() == [0, 0, 0], "nothing follows the last frame"


def test_counters_run_through_all_episodes(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    tables = [read_frames(out / TABLE.format(number)) for number in range(3)]
    assert np.concatenate([table["index"] for table in tables]).tolist() == list(range(12))
    assert [table["episode_index"].tolist() for table in tables] == [[0] * 4, [1] * 4, [2] * 4]
    np.testing.assert_array_equal(tables[1]["timestamp"], (np.arange(4) / 60).astype(np.float32))
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows(out)] == [(0, 4), (4, 8), (8, 12)]
    assert [row["videos/observation.images.wide/to_timestamp"] for row in rows(out)] == [4 / 60] * 3


def test_a_held_image_is_marked_and_its_capture_time_is_that_of_the_image(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    columns = read_frames(out / TABLE.format(0))
    assert columns["observation.mask.cameras"].tolist() == [[1, 1], [1, 1], [1, 0], [1, 1]], "the wide camera dropped a frame"
    np.testing.assert_allclose(columns["observation.capture_times"][:, 0], columns["timestamp"], atol=1e-6)
    np.testing.assert_allclose(
        columns["observation.capture_times"][:, 1] - columns["timestamp"], [0.001, 0.001, 0.001 - 1 / 60, 0.001], atol=1e-6
    )
    with av.open(str(out / VIDEO.format("wide", 0))) as container:
        reds = [frame.to_ndarray(format="rgb24")[..., 0].mean() for frame in container.decode(video=0)]
    np.testing.assert_allclose(reds, [0, 20, 20, 60], atol=2)


def test_segments_give_each_frame_its_task(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode(task="whole", segments=(Segment(1 / 60, 3 / 60, "reach"),))
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    out, _ = make_export(tmp_path, "lerobot", [tmp_path / "e.h5"])
    tasks = pq.read_table(out / "meta/tasks.parquet").to_pydict()
    assert tasks == {"task_index": [0, 1], "task": ["whole", "reach"]}
    assert read_frames(out / TABLE.format(0))["task_index"].tolist() == [0, 1, 1, 0]
    assert rows(out)[0]["tasks"] == ["whole", "reach"]


def test_tasks_are_numbered_as_they_come_and_used_again(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    assert pq.read_table(out / "meta/tasks.parquet")["task"].to_pylist() == ["wave", "lift – höher"]
    assert [set(read_frames(out / TABLE.format(number))["task_index"].tolist()) for number in range(3)] == [{0}, {1}, {0}]


def test_the_table_of_episodes_says_grade_licence_and_source(episodes, tmp_path):
    out, index = make_export(tmp_path, "lerobot", episodes)
    for row, entry in zip(rows(out), index["episodes"], strict=True):
        assert row["bodydouble/identity"] == entry["identity"]
        assert row["bodydouble/grade"] == entry["grade"] == "A"
    card = (out / "README.md").read_text()
    assert "license: other" in card
    assert "3 of grade A" in card
    assert "without recorded consent or licence: 3 episodes" in card
    assert "| observation.mask.cameras |" in card


def test_statistics_leave_fills_out(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    row, state = rows(out)[2], take_samples(read_episode(episodes[2]), ExportSettings(), 60.0, ()).state
    known = state.values[2:, 1].astype(np.float32)
    assert row["stats/observation.state/min"][1] == known.min()
    assert row["stats/observation.state/mean"][1] == pytest.approx(known.mean())
    assert row["stats/observation.state/std"][1] == pytest.approx(known.std())
    assert row["stats/observation.state/count"] == [4]
    assert row["stats/observation.mask.state/min"][1] == 0, "a mask has no fills"
    assert {f"stats/{name}/{figure}" for name in info(out)["features"] for figure in FIGURES} <= row.keys()


def test_a_number_that_nobody_knows_is_described_by_its_fills():
    figures = describe_numbers(np.array([[0.0, 2.0], [0.0, 4.0]]), np.array([[False, True], [False, False]]))
    assert figures["min"].tolist() == [0, 2]
    assert figures["mean"].tolist() == [0, 2]


def test_figures_are_exact():
    values = np.random.default_rng(0).normal(size=(501, 3))
    figures = describe_numbers(values)
    np.testing.assert_allclose(figures["std"], values.std(axis=0))
    np.testing.assert_allclose(figures["q10"], np.sort(values, axis=0)[50])
    np.testing.assert_allclose(figures["q50"], np.median(values, axis=0))


def test_a_joint_that_stands_still_elsewhere_in_each_episode_is_not_normalised_to_millions():
    still = [{"state": describe_numbers(np.full((50, 1), value, np.float32))} for value in (0.1, 0.2)]
    both = combine(still)["state"]
    for low, high in (("q01", "q99"), ("q10", "q90")):
        normalised = 2 * (np.array([0.1, 0.2]) - both[low]) / (both[high] - both[low]) - 1
        assert np.abs(normalised).max() < 2
    assert both["std"][0] == pytest.approx(math.hypot(0.05, 1e-3))


def test_episodes_are_combined_as_if_they_were_one():
    first, second = np.random.default_rng(0).normal(size=(2, 40, 3))
    together = np.concatenate([first, second[:10]])
    both = combine([{"x": describe_numbers(first)}, {"x": describe_numbers(second[:10])}])["x"]
    for figure, expected in {"min": together.min(0), "max": together.max(0), "mean": together.mean(0), "std": together.std(0)}.items():
        np.testing.assert_allclose(both[figure], expected)
    assert both["count"].tolist() == [50]


def test_images_are_described_by_colour_from_0_to_1():
    image = np.zeros((2, 5, 3), np.uint8)
    image[..., 0] = np.arange(10).reshape(2, 5) * 25
    image[..., 2] = 255
    histogram = ImageHistogram()
    histogram.add(image)
    figures = describe_images(histogram)
    red = image[..., 0] / 255
    assert all(figures[name].shape == (3, 1, 1) for name in FIGURES if name != "count")
    assert figures["max"].ravel().tolist() == [red.max(), 0, 1]
    assert figures["min"].ravel().tolist() == [0, 0, 1]
    np.testing.assert_allclose([figures["mean"][0, 0, 0], figures["std"][0, 0, 0]], [red.mean(), red.std()])
    assert figures["q50"][0, 0, 0] == 100 / 255
    assert figures["count"].tolist() == [1]


@pytest.mark.parametrize("settings", [{}, {"cameras": ()}, {"cameras": ("wide",), "joints": ("left_elbow",)}, {"codec": "av1"}])
def test_merging_two_exports_gives_the_bytes_of_exporting_both(episodes, tmp_path, settings):
    whole, _ = make_export(tmp_path, "lerobot", episodes, **settings)
    first, _ = make_export(tmp_path, "lerobot", episodes[:1], "first", **settings)
    rest, _ = make_export(tmp_path, "lerobot", episodes[1:], "rest", **settings)
    merge_exports([first, rest], tmp_path / "merged")
    assert files_of(tmp_path / "merged") == files_of(whole)


def test_deleting_an_episode_removes_its_frames_and_gives_the_bytes_of_an_export_without_it(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    gone = (out / VIDEO.format("wide", 0)).read_bytes()
    without, _ = make_export(tmp_path, "lerobot", episodes[1:], "without")
    delete_episodes(out, ["0"])
    left = files_of(out)
    assert left == files_of(without)
    assert gone not in left.values()
    assert not any("file-002" in name for name in left)
    assert pq.read_table(out / "meta/tasks.parquet")["task"].to_pylist() == ["lift – höher", "wave"]


def test_an_export_without_cameras_has_no_videos(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes, cameras=())
    assert not (out / "videos").exists()
    assert info(out)["video_path"] is None
    assert not [name for name in info(out)["features"] if "camera" in name or "image" in name or "capture" in name]


def test_one_joint_and_one_camera_are_numbers_not_lists(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes, cameras=("wide",), joints=("left_elbow",))
    schema = pq.read_schema(out / TABLE.format(0))
    assert str(schema.field("observation.state").type) == "float"
    assert str(schema.field("observation.base").type) == "fixed_size_list<element: float>[7]"
    assert read_frames(out / TABLE.format(0))["observation.mask.cameras"].tolist() == [1, 1, 0, 1]


def test_an_episode_of_one_frame_is_exported(episodes, tmp_path):
    out, index = make_export(tmp_path, "lerobot", episodes, rate_hz=1.0)
    assert [entry["samples"] for entry in index["episodes"]] == [1, 1, 1]
    assert all(math.isfinite(value) for value in rows(out)[0]["stats/observation.state/q99"])


def test_a_rate_that_is_no_whole_number_is_refused_before_any_work(episodes, tmp_path):
    with pytest.raises(UsageError, match=r"whole number of frames a second; the export would have 12\.5\..*--rate-hz 12"):
        make_export(tmp_path, "lerobot", episodes, rate_hz=12.5)
    assert not (tmp_path / "out").exists()


def test_a_camera_whose_name_cannot_be_a_folder_is_refused(episodes):
    plan = plan_export("lerobot", episodes, ExportSettings(allow_unconsented=True))
    with pytest.raises(UsageError, match="camera 'head/left' has a '/'"):
        check_camera_names(replace(plan, cameras={"head/left": (64, 48)}))
    with pytest.raises(UsageError, match="has too long a name"):
        check_camera_names(replace(plan, cameras={"ö" * 120: (64, 48)}))


def test_episodes_whose_numbers_are_others_cannot_go_into_one_dataset(simulated_episode, simulated_images, tmp_path):
    paths = []
    for hands in (("left_hand", "right_hand"), ("left_hand",)):
        poses = {f"T_base_{hand}": np.tile([0.3, 0, 0, 0, 0, 0, 1.0], (4, 1)) for hand in hands}
        episode = simulated_episode(poses=HandHeadPoses({}, poses), task=str(hands))
        episode = replace(episode, trajectory=replace(episode.trajectory, positions=episode.trajectory.positions + len(hands)))
        paths.append(tmp_path / f"{len(hands)}.h5")
        write_episode(paths[-1], episode, images=simulated_images(episode))
    with pytest.raises(
        DataError, match=r"1\.h5: its feature observation\.state is not that of the episodes before it \(float32 of 7.*not float32 of 14"
    ):
        make_export(tmp_path, "lerobot", paths, state="end-effector")
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_ends_the_export_and_leaves_nothing(episodes, tmp_path):
    with h5py.File(episodes[1], "r+") as file:
        file["images/wide"][1] = np.frombuffer(b"\xff\xd8 no image \xff\xd9", np.uint8)
    with pytest.raises(DataError, match=r"episode_1\.h5: image 1 of camera 'wide'"):
        make_export(tmp_path, "lerobot", episodes)
    assert not list(tmp_path.glob("out*"))


def test_an_interrupted_export_leaves_nothing(episodes, tmp_path):
    def interrupt(done: float, total: float) -> None:
        raise KeyboardInterrupt

    plan = plan_export("lerobot", episodes, ExportSettings(allow_unconsented=True))
    with pytest.raises(KeyboardInterrupt):
        export(plan, tmp_path / "out", progress=interrupt)
    assert not list(tmp_path.glob("out*"))


def spoil(column: str, value: float):
    def change(out: Path) -> None:
        columns = {name: values.copy() for name, values in read_frames(out / TABLE.format(1)).items()}
        columns[column].flat[0] = value
        write_frames(out / TABLE.format(1), columns)

    return change


def lose_a_frame(out: Path) -> None:
    write_frames(out / TABLE.format(1), {name: values[:-1] for name, values in read_frames(out / TABLE.format(1)).items()})


def cut_a_video(out: Path) -> None:
    video = out / VIDEO.format("wide", 1)
    video.write_bytes(video.read_bytes()[:1500])


def lose_the_table(out: Path) -> None:
    (out / TABLE.format(1)).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (spoil("observation.state", np.nan), r"file-001.parquet \(episode_1.h5\): observation.state holds a number that is not finite"),
        (spoil("index", 7), "its indices do not follow"),
        (lose_a_frame, "it has 3 frames, not 4"),
        (cut_a_video, "file-001.mp4 of observation.images.wide/chunk-000: it cannot be decoded"),
        (lose_the_table, "cannot be read"),
        (lambda out: (out / "meta/info.json").write_text("{"), "info.json cannot be read"),
    ],
)
def test_verifying_finds_what_is_wrong(episodes, tmp_path, damage, said):
    out, index = make_export(tmp_path, "lerobot", episodes)
    FORMAT.verify(out, index)
    damage(out)
    with pytest.raises(DataError, match=said):
        FORMAT.verify(out, index)


def test_adopting_from_an_export_that_lost_a_video_is_an_error(episodes, tmp_path):
    out, _ = make_export(tmp_path, "lerobot", episodes)
    (out / VIDEO.format("wide", 1)).unlink()
    with pytest.raises(DataError, match=r"file-001\.mp4 is missing"):
        delete_episodes(out, ["0"])
    assert len(read_index(out)["episodes"]) == 3, "the old one stays"
