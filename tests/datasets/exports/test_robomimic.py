"""The robomimic export: numbers scaled and back, masks, sides that share no recording, and the same bytes by every way."""

from __future__ import annotations

import functools
import json
import resource
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bodydouble.atomic import OutOfSpaceError
from bodydouble.datasets import write_episode
from bodydouble.datasets.exports.building import INDEX, read_index
from bodydouble.datasets.exports.export_plan import ExportPlan, plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import delete_episodes, export, merge_exports
from bodydouble.datasets.exports.robomimic import FORMAT, verify
from bodydouble.datasets.exports.robomimic_split import validation_sources
from bodydouble.datasets.hand_head_poses import HandHeadPoses
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import Source

OUT = "out.hdf5"


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes to one robomimic file."""
    return functools.partial(exported_as, "robomimic", out=OUT)


@pytest.fixture
def take(simulated_episode: Callable[..., Any]) -> Callable[..., Any]:
    """Make an episode whose arms are moved by ``by`` rad, of the recording ``recording``."""

    def make(by: float = 0.0, recording: str = "a", **changed: Any) -> Any:
        episode = simulated_episode()
        trajectory = replace(episode.trajectory, positions=episode.trajectory.positions + np.array([0.0, by, -by]), **changed)
        provenance = {**episode.provenance, "videos": {"wide": recording}}
        return replace(episode, trajectory=trajectory, provenance=provenance)

    return make


def demo_of(path: Path, number: int = 0) -> dict[str, np.ndarray]:
    """Read all datasets of one demonstration, by their path in it."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file[f"data/demo_{number}"].visititems(
            lambda name, data: found.update({name: data[()]}) if isinstance(data, h5py.Dataset) else None
        )
    return found


def unscaled(path: Path, number: int = 0) -> np.ndarray:
    """Give the actions of one demonstration in rad and metres again."""
    with h5py.File(path) as file:
        said = file["data"].attrs
        return file[f"data/demo_{number}/actions"][()] * said["action_scale"] + said["action_offset"]


def test_actions_are_the_next_positions_between_minus_one_and_one(exported, take):
    episode = take(0.2)
    path, _ = exported(episode)
    demo = demo_of(path)
    assert demo["actions"].dtype == np.float32
    assert np.abs(demo["actions"]).max() <= 1
    np.testing.assert_allclose(unscaled(path)[:-1], episode.trajectory.positions[1:], atol=1e-6)
    np.testing.assert_allclose(demo["obs/joint_pos"], episode.trajectory.positions, atol=1e-6)
    with h5py.File(path) as file:
        assert json.loads(file["data"].attrs["action_names"]) == list(episode.trajectory.joint_names)


def test_a_range_that_is_not_symmetrical_becomes_minus_one_to_one(exported, take):
    episode = take(0.1, lower=np.array([-1.0, 0.0, -0.5]), upper=np.array([1.0, 0.5, 0.0]))
    path, _ = exported(episode)
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["data"].attrs["action_offset"], [0, 0.25, -0.25])
        np.testing.assert_allclose(file["data"].attrs["action_scale"], [1, 0.25, 0.25])
    np.testing.assert_allclose(unscaled(path)[:-1], episode.trajectory.positions[1:], atol=1e-6)


def test_a_joint_that_turns_without_end_is_scaled_by_pi(exported, take):
    path, _ = exported(take(0.1, lower=np.array([-np.inf, -1, -1]), upper=np.array([np.inf, 1, 1])))
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["data"].attrs["action_scale"], [np.pi, 1, 1])
        assert file["data"].attrs["action_offset"][0] == 0


def test_what_is_outside_of_the_limits_is_cut_and_counted(exported, take):
    episode = take(0.2, upper=np.array([1.0, 0.21, 1.0]), lower=np.full(3, -1.0))
    path, index = exported(episode)
    beyond = episode.trajectory.positions[1:, 1] > 0.21
    assert index["episodes"][0]["stored"]["cut_actions"] == beyond.sum() == 3
    assert demo_of(path)["actions"][:3, 1].tolist() == [1, 1, 1]


def test_deltas_are_shares_of_what_the_joint_can_do_in_one_sample(exported, take):
    episode = take(0.1)
    path, _ = exported(episode, action="delta")
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["data"].attrs["action_scale"], 10.0 / 60.0)
    np.testing.assert_allclose(unscaled(path)[:-1], np.diff(episode.trajectory.positions, axis=0), atol=1e-6)


def test_end_effectors_are_metres_over_two_and_quaternions(exported, take):
    episode = take(0.1)
    pose = np.tile([0.5, -0.4, 1.2, 0, 0, 0.6, 0.8], (4, 1))
    pose[:, 0] += 0.1 * np.arange(4)
    episode = replace(episode, poses=HandHeadPoses(episode.poses.human, {"T_base_left_hand": pose}))
    path, _ = exported(episode, action="end-effector", state="end-effector")
    demo = demo_of(path)
    np.testing.assert_allclose(demo["actions"][:-1, :3], pose[1:, :3] / 2, atol=1e-6)
    np.testing.assert_allclose(unscaled(path)[:-1], pose[1:], atol=1e-6)
    np.testing.assert_allclose(demo["obs/left_hand_pose"], pose, atol=1e-6)
    assert "obs/joint_pos" not in demo, "none of the three joints is a finger"


def test_velocities_are_an_observation_of_their_own(exported, take):
    episode = take(0.1)
    demo = demo_of(exported(episode, state="positions+velocities")[0])
    np.testing.assert_allclose(demo["obs/joint_vel"][1:], np.diff(episode.trajectory.positions, axis=0) * 60, atol=1e-4)
    assert demo["obs/mask_state"].shape == (4, 6)


def test_a_missing_joint_keeps_its_last_value_and_is_marked(exported, take):
    episode = take(0.1)
    source = np.ones((4, 3), np.uint8)
    source[2, 1] = Source.MISSING
    source[1, 2] = Source.INFERRED
    positions = episode.trajectory.positions.copy()
    positions[2, 1] = np.nan
    demo = demo_of(exported(replace(episode, trajectory=replace(episode.trajectory, joint_source=source, positions=positions)))[0])
    assert demo["obs/mask_state"].astype(int).tolist() == source.tolist()
    assert demo["obs/mask_action"].astype(int).tolist() == [*source[1:].tolist(), [0, 0, 0]]
    assert demo["obs/joint_pos"][2, 1] == demo["obs/joint_pos"][1, 1]
    assert all(np.isfinite(data).all() for data in demo.values() if data.dtype.kind == "f")


def test_images_are_those_of_the_episode_and_a_held_one_is_marked(exported, take):
    demo = demo_of(exported(take())[0])
    wide, portrait = demo["obs/wide_image"], demo["obs/portrait_image"]
    assert wide.shape == (4, 90, 160, 3)
    assert portrait.shape == (4, 128, 72, 3)
    assert np.abs(wide[1].astype(int) - (20, 90, 200)).max() <= 4
    assert np.array_equal(wide[2], wide[1]), "the camera dropped that frame"
    assert demo["obs/mask_wide_image"].ravel().tolist() == [1, 1, 0, 1]
    assert demo["obs/mask_portrait_image"].ravel().tolist() == [1, 1, 1, 1]


def test_a_chosen_size_and_camera_and_no_camera(exported, exported_as, take):
    demo = demo_of(exported(take(), image_size=(40, 30), cameras=("wide",))[0])
    assert demo["obs/wide_image"].shape == (4, 30, 40, 3)
    assert "obs/portrait_image" not in demo
    without = demo_of(exported_as("robomimic", take(), out="none.hdf5", cameras=())[0])
    assert not any(name.endswith("image") for name in without)


def test_the_end_is_done_and_nobody_judged_success(exported, take):
    path, _ = exported(take(), take(0.1), rate_hz=30.0)
    demo = demo_of(path, 1)
    assert demo["dones"].tolist() == [0, 1]
    assert demo["rewards"].tolist() == [0, 0]
    assert demo["states"].shape == (2, 0)
    with h5py.File(path) as file:
        assert file["data"].attrs["total"] == 4
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "optimus"
        assert file["data/demo_1"].attrs["num_samples"] == 2
        assert file.attrs["complete"]


def test_each_demonstration_says_where_it_is_from(exported, take):
    path, index = exported(take())
    with h5py.File(path) as file:
        said = json.loads(file["data/demo_0"].attrs["bodydouble"])
        assert file["data/demo_0/tasks"].asstr()[()].tolist() == ["raise the left arm – höher"]
    assert said["identity"] == index["episodes"][0]["identity"]
    assert said["grade"] == index["episodes"][0]["grade"]
    assert read_index(path) == json.loads(json.dumps(index))


def test_all_demonstrations_of_a_recording_are_on_one_side(exported, take):
    path, _ = exported(take(0.1, "a"), take(0.2, "b"), take(0.3, "a"), take(0.4, "b"))
    with h5py.File(path) as file:
        sides = [{name.decode() for name in file[f"mask/{key}"][()]} for key in ("train", "valid")]
    assert {frozenset(side) for side in sides} == {frozenset({"demo_0", "demo_2"}), frozenset({"demo_1", "demo_3"})}


def test_a_single_recording_is_for_training(exported, take):
    path, _ = exported(take(0.1, "a"), take(0.2, "a"))
    with h5py.File(path) as file:
        assert [name.decode() for name in file["mask/train"][()]] == ["demo_0", "demo_1"]
        assert len(file["mask/valid"]) == 0


def test_a_recording_stays_on_its_side_when_others_join_it():
    few, many = [f"recording {number}" for number in range(60)], [f"recording {number}" for number in range(600)]
    assert validation_sources(few) == validation_sources(many) & set(few)
    assert validation_sources([*few, *reversed(few)]) == validation_sources(few)
    assert 30 <= len(validation_sources(many)) <= 90
    for count in range(2, 40):
        assert 0 < len(validation_sources(many[:count])) < count


def test_merging_gives_the_same_bytes_as_exporting_both(exported_as, take, tmp_path):
    one, two = take(0.1, "a"), take(0.2, "b")
    exported_as("robomimic", one, out="one.hdf5")
    exported_as("robomimic", two, out="two.hdf5")
    time.sleep(1.1)  # HDF5 counts seconds, where it notes a time at all
    both, index = exported_as("robomimic", one, two, out="both.hdf5")
    # the file name of an episode is in the index
    with h5py.File(tmp_path / "one.hdf5", "r+") as file_one, h5py.File(tmp_path / "two.hdf5", "r+") as file_two:
        for number, file in enumerate((file_one, file_two)):
            said = json.loads(file.attrs[INDEX])
            said["episodes"][0]["file"] = index["episodes"][number]["file"]
            file.attrs[INDEX] = json.dumps(said, ensure_ascii=False)
    merged = merge_exports([tmp_path / "one.hdf5", tmp_path / "two.hdf5"], tmp_path / "merged.hdf5")
    assert merged["episodes"] == json.loads(json.dumps(index["episodes"]))
    assert (tmp_path / "merged.hdf5").read_bytes() == both.read_bytes()


def test_deleting_leaves_nothing_of_an_episode_behind(exported_as, take, tmp_path):
    path, index = exported_as("robomimic", take(0.1, "a"), take(0.2, "b"), take(0.3, "c"))
    with h5py.File(path) as file:
        gone = file["data/demo_1/actions"][()].tobytes()
    assert gone in path.read_bytes()
    left = delete_episodes(path, ["1"])
    assert [entry["identity"] for entry in left["episodes"]] == [index["episodes"][0]["identity"], index["episodes"][2]["identity"]]
    assert gone not in path.read_bytes()
    with h5py.File(path) as file:
        assert sorted(file["data"]) == ["demo_0", "demo_1"]
        assert file["data"].attrs["total"] == 8
    assert index["episodes"][1]["identity"].encode() not in path.read_bytes()
    again, _ = exported_as("robomimic", take(0.1, "a"), take(0.3, "c"), out="again.hdf5")
    assert demo_of(path, 1).keys() == demo_of(again, 1).keys()
    for name, data in demo_of(again, 1).items():
        assert np.array_equal(demo_of(path, 1)[name], data)


def test_adopted_images_are_the_same_chunks(exported_as, take, tmp_path):
    exported_as("robomimic", take(0.1, "a"), out="one.hdf5")
    exported_as("robomimic", take(0.2, "b"), out="two.hdf5")
    merge_exports([tmp_path / "one.hdf5", tmp_path / "two.hdf5"], tmp_path / "merged.hdf5")
    with h5py.File(tmp_path / "two.hdf5") as before, h5py.File(tmp_path / "merged.hdf5") as after:
        for sample in range(4):
            place = (sample, 0, 0, 0)
            first = before["data/demo_0/obs/wide_image"].id.read_direct_chunk(place)
            assert first == after["data/demo_1/obs/wide_image"].id.read_direct_chunk(place)
            assert len(zlib.decompress(first[1])) == 90 * 160 * 3


def test_robots_whose_limits_changed_are_not_scaled_alike(exported_as, take, tmp_path):
    exported_as("robomimic", take(0.1, "a"), out="one.hdf5")
    exported_as("robomimic", take(0.2, "b", upper=np.full(3, 2.0)), out="two.hdf5")
    with pytest.raises(UsageError, match=r"two\.hdf5 has other joint limits or names than the episodes before it.*'optimus'"):
        merge_exports([tmp_path / "one.hdf5", tmp_path / "two.hdf5"], tmp_path / "merged.hdf5")
    with pytest.raises(UsageError, match="Process the older recordings again"):
        exported_as("robomimic", take(0.1, "a"), take(0.2, "b", upper=np.full(3, 2.0)), out="both.hdf5")
    assert not list(tmp_path.glob("merged*"))
    assert {path.name for path in tmp_path.glob("both*")} == {"both.hdf5_0.h5", "both.hdf5_1.h5"}, "the episodes"


def test_an_index_of_any_length_fits(exported, take):
    episode = take()
    path, _ = exported(replace(episode, provenance={**episode.provenance, "notes": ["long"] * 100_000}))
    assert len(read_index(path)["episodes"][0]["provenance"]["notes"]) == 100_000


@pytest.fixture
def plan(take, tmp_path, simulated_images) -> ExportPlan:
    """Give the plan to export one episode, which is in a file."""
    episode = take()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    return plan_export("robomimic", [tmp_path / "e.h5"], ExportSettings(allow_unconsented=True))


def test_progress_ends_with_all_frames(plan, tmp_path):
    told: list[tuple[float, float]] = []
    export(plan, tmp_path / OUT, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (4, 4)
    assert len(told) > 4


def test_an_interruption_leaves_nothing(plan, tmp_path):
    def stop(done: float, total: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        export(plan, tmp_path / OUT, progress=stop)
    assert not list(tmp_path.glob("out*"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [3000, 5000, 12_000])
def test_a_full_disk_is_said_and_leaves_nothing(plan, tmp_path, size):
    with files_of_at_most(size), pytest.raises(OutOfSpaceError, match=r"No space left while writing .*out\.hdf5"):
        export(plan, tmp_path / OUT)
    assert not list(tmp_path.glob("out*"))


def test_a_full_disk_while_adopting_is_no_damaged_export(exported_as, take, tmp_path):
    exported_as("robomimic", take(0.1, "a"), out="one.hdf5")
    exported_as("robomimic", take(0.2, "b"), out="two.hdf5")
    with files_of_at_most(12_000), pytest.raises(OutOfSpaceError):
        merge_exports([tmp_path / "one.hdf5", tmp_path / "two.hdf5"], tmp_path / "merged.hdf5")
    assert not list(tmp_path.glob("merged*"))


def damage_number(file: Any) -> None:
    file["data/demo_0/obs/joint_pos"][1, 1] = np.nan


def damage_action(file: Any) -> None:
    file["data/demo_0/actions"][1, 1] = 1.5


def damage_mask(file: Any) -> None:
    file["data/demo_0/obs/mask_state"][1, 1] = 7


def damage_length(file: Any) -> None:
    del file["data/demo_0/rewards"]
    file["data/demo_0/rewards"] = np.zeros(3, np.float32)


def damage_image(file: Any) -> None:
    file["data/demo_0/obs/wide_image"].id.write_direct_chunk((3, 0, 0, 0), b"not compressed by zlib")


def damage_end(file: Any) -> None:
    del file.attrs["complete"]


def damage_demonstration(file: Any) -> None:
    del file["data/demo_0"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_number, "not finite"), (damage_action, r"outside of \[-1, 1\]"), (damage_mask, r"no source \(0 to 3\)"), (damage_length, "has 3 samples"),
        (damage_image, "cannot be read back"), (damage_end, "not written to its end"), (damage_demonstration, "holds 0 demonstrations"),
    ],
)  # fmt: skip
def test_what_was_not_written_as_it_should_be_is_found(exported, take, damage, said):
    path, index = exported(take())
    verify(path, index)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=said):
        verify(path, index)


def test_a_damaged_export_is_not_merged(exported_as, take, tmp_path):
    exported_as("robomimic", take(0.1, "a"), out="one.hdf5")
    path, _ = exported_as("robomimic", take(0.2, "b"), out="two.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/actions"]
    with pytest.raises(DataError, match=r"two\.hdf5 cannot be read back"):
        merge_exports([tmp_path / "one.hdf5", path], tmp_path / "merged.hdf5")
    assert not list(tmp_path.glob("merged*"))


def test_the_format_is_one_file():
    assert not FORMAT.folder
    assert FORMAT.suffix == ".hdf5"
