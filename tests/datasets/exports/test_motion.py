"""The motion export: what a tracker reads is what the episode holds, and velocities belong to their positions."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import check_settings, delete_episodes, merge_exports
from bodydouble.datasets.exports.motion import ARRAYS, BODY_ARRAYS, FORMAT, verify
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError, UsageError
from bodydouble.retarget import Robot

TRACKER_KEYS = ("fps", "joint_pos", "joint_vel", "body_pos_w", "body_quat_w", "body_lin_vel_w", "body_ang_vel_w")
"""What BeyondMimic's and mjlab's motion loaders ask of a file."""


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes as motions."""
    return functools.partial(exported_as, "motion")


def arrays_of(folder: Path, number: int = 0) -> dict[str, Any]:
    with np.load(folder / f"episode_{number:06d}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def moved(episode: Any, by: float) -> Any:
    """Give another episode: the same with other joint positions."""
    return replace(episode, trajectory=replace(episode.trajectory, positions=episode.trajectory.positions + by))


def test_a_tracker_finds_every_array_that_it_reads(exported: Any, whole_robot: Any) -> None:
    folder, index = exported(whole_robot)
    arrays = arrays_of(folder)
    count = index["episodes"][0]["samples"]
    assert float(arrays["fps"][0]) == 50.0
    assert set(arrays) == {*ARRAYS, *BODY_ARRAYS} >= set(TRACKER_KEYS)
    bodies = len(Robot.load("optimus").description.links)
    assert arrays["joint_pos"].shape == arrays["joint_vel"].shape == (count, 78)
    assert arrays["body_pos_w"].shape == arrays["body_lin_vel_w"].shape == arrays["body_ang_vel_w"].shape == (count, bodies, 3)
    assert arrays["body_quat_w"].shape == (count, bodies, 4)
    assert all(arrays[name].dtype == np.float32 for name in TRACKER_KEYS[1:])


def test_positions_are_those_of_the_episode_at_fifty_a_second(exported: Any, simulated_episode: Any) -> None:
    folder, _ = exported(simulated_episode())
    arrays = arrays_of(folder)
    np.testing.assert_allclose(arrays["times_s"], [0.0, 0.02, 0.04])
    np.testing.assert_allclose(
        arrays["joint_pos"], np.stack([0 * arrays["times_s"], 2 * arrays["times_s"], -arrays["times_s"]], 1), atol=1e-7
    )
    np.testing.assert_allclose(arrays["root_pos"], np.tile([0, 0, 0.9], (3, 1)), atol=1e-7)
    np.testing.assert_allclose(arrays["root_rot_xyzw"], np.tile([0, 0, 0, 1.0], (3, 1)))
    assert arrays["joint_names"].tolist() == ["neck_yaw", "left_elbow", "right_elbow"]


def test_velocities_are_the_differences_of_the_stored_positions(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    positions = episode.trajectory.positions + 0.3 * np.sin(40 * episode.times_s)[:, None]
    folder, _ = exported(replace(episode, trajectory=replace(episode.trajectory, positions=positions)), rate_hz=60.0)
    arrays = arrays_of(folder)
    central = (arrays["joint_pos"][2:].astype(float) - arrays["joint_pos"][:-2]) * 60.0 / 2
    np.testing.assert_allclose(arrays["joint_vel"][1:-1], central, atol=1e-4)
    np.testing.assert_allclose(arrays["joint_vel"][0], (arrays["joint_pos"][1].astype(float) - arrays["joint_pos"][0]) * 60.0, atol=1e-4)


def test_a_body_turns_with_its_base_and_its_joint(exported: Any, whole_robot: Any) -> None:
    folder, _ = exported(whole_robot)
    arrays = arrays_of(folder)
    np.testing.assert_allclose(arrays["root_ang_vel_w"], np.tile([0, 0, 1.0], (3, 1)), atol=1e-5)
    np.testing.assert_allclose(arrays["root_lin_vel_w"], np.tile([2.0, 0, 0], (3, 1)), atol=1e-5)
    names = arrays["body_names"].tolist()
    np.testing.assert_allclose(arrays["body_ang_vel_w"][:, names.index("left_shank")], np.tile([0, 0, 1.0], (3, 1)), atol=1e-4)
    np.testing.assert_allclose(arrays["body_ang_vel_w"][:, names.index("head")], np.tile([0, 0, 4.0], (3, 1)), atol=1e-4)


def test_bodies_are_where_the_robots_model_puts_them_with_quaternions_wxyz(exported: Any, whole_robot: Any) -> None:
    folder, _ = exported(whole_robot)
    arrays, robot, trajectory = arrays_of(folder), Robot.load("optimus"), whole_robot.trajectory
    poses = robot.link_poses(trajectory.positions[0], trajectory.base_pose[0], tuple(arrays["body_names"].tolist()))
    np.testing.assert_allclose(arrays["body_pos_w"][0], poses[:, :3, 3], atol=1e-6)
    turned = Rotation.from_quat(arrays["body_quat_w"][0][:, [1, 2, 3, 0]])
    np.testing.assert_allclose(turned.as_matrix(), poses[:, :3, :3], atol=1e-6)
    assert arrays["body_names"][0] == robot.description.root
    np.testing.assert_allclose(arrays["body_pos_w"][:, 0], arrays["root_pos"], atol=1e-6)


def test_a_robot_that_is_not_known_here_has_no_bodies_and_the_index_says_why(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    stranger = replace(episode, trajectory=replace(episode.trajectory, robot="a_robot_of_somebody_else"))
    folder, index = exported(stranger)
    assert set(arrays_of(folder)) == set(ARRAYS)
    assert index["episodes"][0]["stored"]["no_bodies"] == "no model of the robot 'a_robot_of_somebody_else' is at hand"
    _, index = exported(episode, out="other_joints")
    assert "has other joints than the episode's" in index["episodes"][0]["stored"]["no_bodies"]


def test_a_csv_says_the_same_without_a_header(exported: Any, whole_robot: Any) -> None:
    folder, _ = exported(whole_robot)
    arrays = arrays_of(folder)
    rows = np.loadtxt(folder / "episode_000000.csv", delimiter=",")  # what csv_to_npz.py calls
    np.testing.assert_allclose(rows[:, :3], arrays["root_pos"], atol=1e-6)
    np.testing.assert_allclose(rows[:, 3:7], arrays["root_rot_xyzw"], atol=1e-6)
    np.testing.assert_allclose(rows[:, 7:], arrays["joint_pos"], atol=1e-6)
    columns = json.loads((folder / "motion.json").read_text())["csv"]["columns"]
    assert columns[:7] == ["root_pos.x", "root_pos.y", "root_pos.z", "root_rot.qx", "root_rot.qy", "root_rot.qz", "root_rot.qw"]
    assert columns[7:] == arrays["joint_names"].tolist()


def test_what_was_not_observed_is_masked_and_does_not_jump(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    source = np.ones((4, 3), np.uint8)
    source[:, 1], source[:, 2] = 0, 3
    source[0, 0] = 2
    folder, _ = exported(replace(episode, trajectory=replace(episode.trajectory, joint_source=source)))
    arrays = arrays_of(folder)
    assert arrays["mask_joint"].tolist() == [[2, 0, 3], [1, 0, 3], [1, 0, 3]]
    np.testing.assert_allclose(arrays["joint_pos"][:, 1], 2 * arrays["times_s"], atol=1e-7)
    assert arrays["mask_root"].tolist() == [1, 1, 1]


def test_a_foot_is_planted_only_where_both_neighbours_are(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    contacts = {"left_heel": np.array([1, 1, 1, 0], np.uint8), "right_heel": np.array([0, 1, 1, 1], np.uint8)}
    folder, _ = exported(replace(episode, trajectory=replace(episode.trajectory, contacts=contacts)))
    arrays = arrays_of(folder)
    assert arrays["contact_names"].tolist() == ["left_heel", "right_heel"]
    assert arrays["contacts"].tolist() == [[1, 0], [1, 1], [0, 1]]


def test_task_segments_limits_and_licence_go_along(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode(segments=(Segment(0.0, 0.02, "reach"), Segment(0.02, 0.05, "hold")))
    folder, _ = exported(replace(episode, recording=replace(episode.recording, licence="CC-BY-4.0")))
    arrays = arrays_of(folder)
    assert str(arrays["task"]) == "raise the left arm – höher"
    assert arrays["segment_text"].tolist() == ["reach", "hold"]
    np.testing.assert_allclose(arrays["segment_stop_s"], [0.02, 0.05])
    assert str(arrays["licence"]) == "CC-BY-4.0"
    assert str(arrays["grade"]) == episode.grade
    np.testing.assert_allclose(arrays["joint_velocity_limit"], 10.0)


def test_chosen_joints_alone_are_written(exported: Any, whole_robot: Any) -> None:
    folder, _ = exported(whole_robot, joints=("neck",))
    arrays = arrays_of(folder)
    assert arrays["joint_names"].tolist() == ["neck_yaw", "neck_pitch"]
    assert arrays["joint_pos"].shape[1] == arrays["joint_upper"].shape[0] == 2
    assert np.loadtxt(folder / "episode_000000.csv", delimiter=",").shape[1] == 9
    assert len(arrays["body_names"]) > 78, "bodies move with all joints of the robot"


def test_an_episode_of_one_frame_stands_still(exported: Any, simulated_episode: Any, first_frame: Any) -> None:
    folder, index = exported(first_frame(simulated_episode()))
    arrays = arrays_of(folder)
    assert index["episodes"][0]["samples"] == 1
    assert arrays["joint_pos"].shape == (1, 3)
    assert not arrays["joint_vel"].any()
    assert not arrays["root_ang_vel_w"].any()


def test_an_episode_that_shows_nobody_is_left_out(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    unseen = replace(episode, trajectory=replace(episode.trajectory, joint_source=np.zeros((4, 3), np.uint8)))
    with pytest.raises(DataError, match="no frame of it was observed"):
        exported(unseen)


def test_merged_exports_have_the_bytes_of_one_export_of_all(exported: Any, simulated_episode: Any, tmp_path: Path) -> None:
    first, second = simulated_episode(), moved(simulated_episode(), 0.1)
    both, _ = exported(first, second, out="both")
    exported(first, out="first")
    exported(second, out="second")
    merge_exports([tmp_path / "first", tmp_path / "second"], tmp_path / "merged")
    for name in ("episode_000000.npz", "episode_000001.npz", "episode_000000.csv", "episode_000001.csv", "motion.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (both / name).read_bytes(), name


def test_a_deleted_episode_is_gone_and_the_others_move_up(exported: Any, simulated_episode: Any, tmp_path: Path) -> None:
    first, second = simulated_episode(), moved(simulated_episode(), 0.1)
    both, _ = exported(first, second, out="both")
    kept = (both / "episode_000001.npz").read_bytes()
    delete_episodes(both, ["0"])
    assert sorted(path.name for path in both.iterdir()) == [
        "bodydouble_export.json", "episode_000000.csv", "episode_000000.npz", "motion.json",
    ]  # fmt: skip
    assert (both / "episode_000000.npz").read_bytes() == kept


def test_verify_finds_what_is_damaged(exported: Any, simulated_episode: Any) -> None:
    folder, index = exported(simulated_episode())
    csv, npz = folder / "episode_000000.csv", folder / "episode_000000.npz"
    verify(folder, index)
    (folder / "episode_000007.npz").write_bytes(b"left over")
    with pytest.raises(DataError, match=r"files of no episode that was exported: episode_000007\.npz"):
        verify(folder, index)
    (folder / "episode_000007.npz").unlink()
    whole = csv.read_text()
    csv.write_text(whole.replace("0.9", "0.8", 1))
    with pytest.raises(DataError, match="its CSV says something else"):
        verify(folder, index)
    csv.write_text(whole)
    npz.write_bytes(npz.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read again"):
        verify(folder, index)
    npz.unlink()
    with pytest.raises(DataError, match=r"has no \.npz file"):
        verify(folder, index)


def test_verify_finds_velocities_that_are_not_those_of_the_positions(exported: Any, simulated_episode: Any) -> None:
    folder, index = exported(simulated_episode())
    arrays = arrays_of(folder)
    np.savez(folder / "episode_000000.npz", **{**arrays, "joint_vel": arrays["joint_vel"] * 1.2})
    with pytest.raises(DataError, match="joint_vel are not the differences of joint_pos"):
        verify(folder, index)


def test_settings_that_say_nothing_here_are_refused() -> None:
    with pytest.raises(UsageError, match="--cameras"):
        check_settings(FORMAT, ExportSettings(cameras=("front",)))
    check_settings(FORMAT, ExportSettings(joints=("neck",), rate_hz=30.0))
