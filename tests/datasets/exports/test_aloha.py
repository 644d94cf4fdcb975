"""The ALOHA export: read as ACT++ and openpi read it, with what is missing or held marked, and the same bytes by every way."""

from __future__ import annotations

import functools
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from bodydouble.atomic import OutOfSpaceError
from bodydouble.datasets import read_episode, write_episode
from bodydouble.datasets.exports.aloha import FORMAT, verify
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import check_settings, delete_episodes, export, merge_exports
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import Source


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes as ALOHA."""
    return functools.partial(exported_as, "aloha")


@pytest.fixture
def take(simulated_episode: Callable[..., Any]) -> Callable[..., Any]:
    """Make an episode whose arms are moved by ``by`` rad."""

    def make(by: float = 0.0, **changed: Any) -> Any:
        episode = simulated_episode()
        moved = episode.trajectory.positions + np.array([0.0, by, -by])
        return replace(episode, trajectory=replace(episode.trajectory, **{"positions": moved, **changed}))

    return make


def read_as_act(path: Path, start: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Read as ``EpisodicDataset.__getitem__`` of ACT++ does: images of one moment, its qpos and the actions from there on."""
    with h5py.File(path, "r") as root:
        assert not root.attrs["sim"]
        action = root["/action"][()]
        action = np.concatenate([action, np.zeros([action.shape[0], 2])], axis=-1)
        images = {name: root[f"/observations/images/{name}"][start] for name in root["/observations/images"]}
        if root.attrs.get("compress", False):
            images = {name: np.array(cv2.imdecode(data, 1)) for name, data in images.items()}
        return images, root["/observations/qpos"][start], action[max(0, start - 1) :]


def test_act_reads_positions_actions_and_images(exported, take):
    episode = take(0.2)
    folder, _ = exported(episode)
    for start in range(4):
        images, qpos, action = read_as_act(folder / "episode_0.hdf5", start)
        np.testing.assert_allclose(qpos, episode.trajectory.positions[start], atol=1e-6)
        np.testing.assert_allclose(action[:-1, :3], episode.trajectory.positions[max(0, start - 1) :][1:], atol=1e-6)
        assert action.shape[1] == 5
        assert images["wide"].shape == (90, 160, 3)
        assert np.abs(images["portrait"].astype(int) - (200, 0, 20 * start)).max() <= 4, "OpenCV gives blue, green, red"


def test_openpi_tells_jpegs_by_their_two_dimensions(exported, take):
    folder, _ = exported(take())
    with h5py.File(folder / "episode_0.hdf5") as file:
        assert all(data.ndim == 2 for data in file["observations/images"].values())
        red = [int(cv2.cvtColor(cv2.imdecode(data, 1), cv2.COLOR_BGR2RGB)[0, 0, 0]) for data in file["observations/images/portrait"]]
    np.testing.assert_allclose(red, [0, 20, 40, 60], atol=4)


def test_images_of_the_stored_size_keep_their_bytes_and_say_their_length(exported, take, tmp_path):
    folder, _ = exported(take())
    stored = read_episode(tmp_path / "out_0.h5").images
    with h5py.File(folder / "episode_0.hdf5") as file:
        lengths = file["compress_len"][()].astype(int)
        for row, camera in enumerate(("portrait", "wide")):
            rows = file[f"observations/images/{camera}"][()]
            assert rows.shape == (4, lengths[row].max())
            for sample in (0, 1, 3):
                assert rows[sample].tobytes()[: lengths[row, sample]] == stored.jpeg(camera, sample)
                assert not rows[sample, lengths[row, sample] :].any()


def test_images_of_another_size_are_encoded_anew(exported, take):
    folder, _ = exported(take(), image_size=(40, 30), cameras=("wide",))
    images, _, _ = read_as_act(folder / "episode_0.hdf5", 1)
    assert images["wide"].shape == (30, 40, 3)
    assert np.abs(images["wide"].astype(int) - (200, 90, 20)).max() <= 4


def test_a_held_image_is_marked_also_before_the_first(exported, take):
    episode = take()
    times, pixels = episode.recording.times_s.copy(), episode.landmarks.pixels.copy()
    times[0, :2] = np.nan
    pixels[0, :2] = np.nan
    recording, landmarks = replace(episode.recording, times_s=times), replace(episode.landmarks, times_s=times, pixels=pixels)
    folder, _ = exported(replace(episode, recording=recording, landmarks=landmarks, camera_track=None))
    with h5py.File(folder / "episode_0.hdf5") as file:
        assert file["observations/mask/images/wide"][()].tolist() == [1, 1, 0, 1]
        assert file["observations/mask/images/portrait"][()].tolist() == [0, 0, 1, 1]
        rows = file["observations/images/portrait"][()]
    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[2], rows[3])


def test_velocities_are_those_of_the_last_interval(exported, take):
    episode = take()
    folder, _ = exported(episode, rate_hz=30.0)
    with h5py.File(folder / "episode_0.hdf5") as file:
        np.testing.assert_allclose(file["observations/qvel"][()], [[0, 2, -1], [0, 2, -1]], atol=1e-4)


def test_a_missing_joint_keeps_its_last_value_and_its_speed_is_missing_too(exported, take):
    source = np.ones((4, 3), np.uint8)
    source[2, 1], source[1, 2] = Source.MISSING, Source.INFERRED
    positions = take().trajectory.positions.copy()
    positions[2, 1] = np.nan
    folder, _ = exported(take(joint_source=source, positions=positions))
    with h5py.File(folder / "episode_0.hdf5") as file:
        mask = file["observations/mask"]
        assert mask["qpos"][()].tolist() == source.tolist()
        assert mask["action"][()].tolist() == [*source[1:].tolist(), [0, 0, 0]]
        assert mask["qvel"][()].tolist() == [[1, 1, 3], [1, 1, 3], [1, 0, 3], [1, 0, 1]]
        assert file["observations/qpos"][2, 1] == file["observations/qpos"][1, 1]
        assert np.isfinite(file["observations/qvel"][()]).all()
        assert mask["base_pose"].shape == file["observations/base_pose"].shape == (4, 7)


def test_language_is_the_task_and_the_segments(exported, take):
    episode = replace(take(), segments=(Segment(0.0, 0.03, "grasp"),))
    folder, _ = exported(episode)
    with h5py.File(folder / "episode_0.hdf5") as file:
        assert file["language_raw"][0].decode() == episode.task == file.attrs["language_instruction"]
        texts = file["tasks"].asstr()[()]
        assert [texts[row] for row in file["task_index"][()]] == ["grasp", "grasp", episode.task, episode.task]
        said = json.loads(file.attrs["bodydouble"])
        assert json.loads(file.attrs["joint_names"]) == list(episode.trajectory.joint_names)
    assert said["task"] == episode.task
    assert {"licence", "consent", "grade", "source", "identity"} <= said.keys()


def test_merging_and_deleting_give_the_bytes_of_exporting(exported, take, tmp_path):
    one, two = take(0.1), take(0.2)
    both, index = exported(one, two, out="both")
    exported(one, out="one")
    exported(two, out="two")
    merged = merge_exports([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert [entry["stored"] for entry in merged["episodes"]] == [entry["stored"] for entry in index["episodes"]]
    for name in ("episode_0.hdf5", "episode_1.hdf5"):
        assert (tmp_path / "merged" / name).read_bytes() == (both / name).read_bytes()
    delete_episodes(both, ["0"])
    assert sorted(path.name for path in both.iterdir()) == ["bodydouble_export.json", "episode_0.hdf5"]
    assert (both / "episode_0.hdf5").read_bytes() == (tmp_path / "two" / "episode_0.hdf5").read_bytes()


def test_without_cameras_there_are_no_images(exported, take):
    folder, _ = exported(take(), cameras=())
    with h5py.File(folder / "episode_0.hdf5") as file:
        assert len(file["observations/images"]) == 0
        assert "compress_len" not in file


def test_a_state_of_its_own_has_no_place(take):
    with pytest.raises(UsageError, match="no use for --state"):
        check_settings(FORMAT, ExportSettings(state="end-effector"))
    check_settings(FORMAT, ExportSettings(action="delta", joints=("neck",)))


def test_progress_ends_with_all_samples_and_an_interruption_leaves_nothing(take, tmp_path, simulated_images):
    episode = take()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    plan = plan_export("aloha", [tmp_path / "e.h5"], ExportSettings(allow_unconsented=True))
    told: list[tuple[float, float]] = []
    export(plan, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (4, 4)
    assert len({done for done, _ in told}) == 8

    def stop(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(plan, tmp_path / "stopped", progress=stop)
    assert not list(tmp_path.glob("stopped*"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [3000, 12_000])
def test_a_full_disk_is_said_and_leaves_nothing(take, tmp_path, simulated_images, size):
    episode = take()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    plan = plan_export("aloha", [tmp_path / "e.h5"], ExportSettings(allow_unconsented=True))
    with files_of_at_most(size), pytest.raises(OutOfSpaceError, match="No space left while writing"):
        export(plan, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def damage_number(file: Any) -> None:
    file["observations/qvel"][1, 1] = np.inf


def damage_mask(file: Any) -> None:
    file["observations/mask/qpos"][1, 1] = 9


def damage_length(file: Any) -> None:
    del file["action"]
    file["action"] = np.zeros((3, 3), np.float32)


def damage_image(file: Any) -> None:
    file["observations/images/wide"][3] = 0


def damage_shape(file: Any) -> None:
    del file["observations/mask/action"]
    file["observations/mask/action"] = np.ones((4, 2), np.uint8)


def damage_group(file: Any) -> None:
    del file["observations/qpos"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_number, "qvel holds numbers that are not finite"), (damage_mask, r"mask/qpos holds values that are no source"),
        (damage_length, "action has 3 samples"), (damage_image, "image 3 of camera 'wide' is not a JPEG"),
        (damage_shape, "the mask of action has the shape"), (damage_group, "cannot be read back"),
    ],
)  # fmt: skip
def test_what_was_not_written_as_it_should_be_is_found(exported, take, damage, said, tmp_path):
    folder, index = exported(take())
    (folder / "bodydouble_export.json").unlink()  # it is written after the check
    verify(folder, index)
    with h5py.File(folder / "episode_0.hdf5", "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=said):
        verify(folder, index)
    (folder / "episode_0.hdf5").unlink()
    with pytest.raises(DataError, match="holds 0 files; its index lists 1"):
        verify(folder, index)


def test_an_export_that_lost_a_file_is_not_merged(exported, take, tmp_path):
    exported(take(0.1), out="one")
    exported(take(0.2), out="two")
    (tmp_path / "two" / "episode_0.hdf5").unlink()
    with pytest.raises(DataError, match=r"two/episode_0\.hdf5, which the index of .* lists, is not there"):
        merge_exports([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))


def test_an_image_of_another_size_than_its_episode_says_is_brought_to_that(simulated_episode, tmp_path, simulated_images):
    from bodydouble.datasets import read_episode, write_episode
    from bodydouble.datasets.exports.hdf5_export import jpeg_at
    from bodydouble.datasets.exports.samples import CameraSamples
    from bodydouble.datasets.images import jpeg_size

    episode = simulated_episode()
    write_episode(tmp_path / "a.h5", episode, images=simulated_images(episode))
    episode = read_episode(tmp_path / "a.h5")
    of_camera = CameraSamples(np.array([0]), np.array([True]), np.array([0.0]))
    assert jpeg_size(jpeg_at(episode, "wide", of_camera, 0, (80, 45), (80, 45))) == (80, 45)
