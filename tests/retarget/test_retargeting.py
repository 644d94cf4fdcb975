"""The whole stage: known answers come back, limits hold whatever is asked, missing parts go gently to rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.retarget import Robot, RobotTrajectory, limit_violations, retarget

FloatArray = npt.NDArray[np.float64]
Make = Callable[..., HumanMotion]

UNOBSERVABLE = ("little_palm",)
"""Joints that the person's skeleton has no counterpart of."""


@pytest.fixture(scope="module")
def truth(robot: Robot, times_s: FloatArray, sway: Callable[..., FloatArray]) -> FloatArray:
    # Limbs apart, arms and knees bent: what the robot can't do without hitting itself it won't, and a turn about a straight limb can be shared out.
    return sway(robot, times_s, seed=2, apart=True)


@pytest.fixture(scope="module")
def recovered(robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make) -> RobotTrajectory:
    return retarget(person(times_s, truth, size=1.1), robot)


@pytest.mark.parametrize("seed", [3, 5, 13])
def test_motions_made_by_the_robot_are_recovered(
    robot: Robot, times_s: FloatArray, sway: Callable[..., FloatArray], person: Make, seed: int
) -> None:
    truth = sway(robot, times_s, seed=seed, apart=True)
    trajectory = retarget(person(times_s, truth, size=1.1), robot)
    rows = [i for i, name in enumerate(robot.joint_names) if not name.endswith(UNOBSERVABLE)]
    assert np.degrees(np.abs(trajectory.positions - truth))[:, rows].max() < 0.2
    ends = [name for name in trajectory.task_errors if name.endswith(("palm_position", "tip_position")) and "toe" not in name]
    assert len(ends) >= 12
    for name in ends:
        assert np.nanmax(trajectory.task_errors[name]) < 5e-4, name
    assert trajectory.flags["task_unmet"].sum() == 0
    assert limit_violations(trajectory) == (0, 0, 0)


def test_the_trajectory_is_complete(robot: Robot, recovered: RobotTrajectory, tmp_path: Path) -> None:
    assert recovered.joint_groups == robot.groups
    assert np.isfinite(recovered.positions).all()
    assert np.isfinite(recovered.torques[1:-1]).all()
    assert np.isnan(recovered.torques[[0, -1]]).all()
    assert (recovered.joint_source == Source.OBSERVED).all()
    np.testing.assert_allclose(np.linalg.norm(recovered.base_pose[:, 3:], axis=1), 1.0)
    recovered.save(tmp_path / "t.h5")
    np.testing.assert_array_equal(RobotTrajectory.load(tmp_path / "t.h5").positions, recovered.positions)


def test_the_answer_is_the_same_every_time(robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make) -> None:
    motion = person(times_s[:5], truth[:5])
    np.testing.assert_array_equal(retarget(motion, robot).positions, retarget(motion, robot).positions)


def test_the_direction_someone_faces_does_not_matter(robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make) -> None:
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (20, 1))
    turned = base.copy()
    turned[:, :2], turned[:, 3:] = [3.0, -2.0], [0, 0, np.sin(1.3), np.cos(1.3)]
    a, b = (retarget(person(times_s[:20], truth[:20], pose), robot).positions for pose in (base, turned))
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_speed_limits_hold_when_the_person_is_too_fast(robot: Robot, person: Make, sway: Callable[..., FloatArray]) -> None:
    times = np.arange(40) / 60.0
    trajectory = retarget(person(times, sway(robot, times, amplitude=0.9, rate_hz=6.0)), robot)
    assert limit_violations(trajectory) == (0, 0, 0)
    assert trajectory.flags["velocity_limited"].any()
    assert np.abs(trajectory.velocities).max() <= 10.0 + 1e-6


def test_ranges_hold_and_it_is_said_when_the_target_cannot_be_reached(
    robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make
) -> None:
    motion = person(times_s[:20], truth[:20])
    poses = motion.link_poses.copy()
    wrist = motion.link_names.index("left_hand")
    flip = np.diag([-1.0, -1.0, 1.0])
    poses[:, wrist, :3, :3] = poses[:, wrist, :3, :3] @ flip  # the hand turned backwards
    forearm = motion.link_names.index("left_forearm")
    poses[:, forearm, :3, 3] += [-0.6, 0.0, 0.3]
    trajectory = retarget(replace(motion, link_poses=poses), robot)
    assert limit_violations(trajectory) == (0, 0, 0)
    assert trajectory.flags["task_unmet"].all()
    assert np.isfinite(trajectory.positions).all()


@pytest.mark.parametrize("source", [Source.MISSING, Source.INFERRED])
def test_a_hand_without_an_estimate_goes_gently_to_rest_and_an_inferred_one_is_followed_and_marked(
    robot: Robot, person: Make, hidden: Make, truth: FloatArray, source: Source
) -> None:
    times = np.arange(240) / 60.0
    fist = np.tile(truth[:1], (240, 1))
    fingers = [i for i, name in enumerate(robot.joint_names) if name.startswith("right_") and name.endswith(("_mcp", "_pip"))]
    fist[:, fingers] = np.minimum(0.8, robot.upper[fingers])
    motion = person(times, fist)
    for digit in ("thumb", "index", "middle", "ring", "little"):
        motion = hidden(motion, f"right_hand_{digit}", slice(60, 180), source)
        if source == Source.MISSING:
            motion = hidden(motion, f"right_{digit}", slice(60, 180), source)
    trajectory = retarget(motion, robot)
    finger = [robot.joint_names.index(name) for name in ("right_index_mcp", "right_ring_pip", "right_thumb_mcp")]
    assert (trajectory.joint_source[60:180, finger] == Source.INFERRED).all()
    meanwhile = robot.rest[finger] if source == Source.MISSING else fist[0, finger]
    np.testing.assert_allclose(trajectory.positions[140, finger], meanwhile, atol=0.02 if source == Source.MISSING else 0.1)
    np.testing.assert_allclose(trajectory.positions[235, finger], fist[0, finger], atol=0.02)
    if source == Source.MISSING:
        assert np.abs(trajectory.velocities[60:180, finger]).max() <= robot.file.regularisation.gentle_speed + 1e-6
    assert np.abs(trajectory.velocities[180, finger]).max() < 3.0
    assert limit_violations(trajectory) == (0, 0, 0)


def test_a_stretch_without_anybody_holds_still(robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make, hidden: Make) -> None:
    motion = hidden(person(times_s, truth), "", slice(20, 40))
    trajectory = retarget(motion, robot)
    assert np.isfinite(trajectory.positions).all()
    assert np.isfinite(trajectory.base_pose).all()
    assert trajectory.flags["not_driven"][20:40].all()
    assert trajectory.flags["not_driven"].sum() == 20
    assert np.ptp(trajectory.base_pose[20:40, :3], axis=0).max() < 0.06
    assert limit_violations(trajectory) == (0, 0, 0)
    live = retarget(motion, robot, stream=True)
    np.testing.assert_allclose(live.base_pose[20:40], np.tile(live.base_pose[19], (20, 1)), atol=1e-6)


def test_a_person_never_seen_leaves_the_robot_standing_at_rest(
    robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make, hidden: Make
) -> None:
    trajectory = retarget(hidden(person(times_s[:3], truth[:3]), "", slice(None)), robot)
    np.testing.assert_allclose(trajectory.positions, np.tile(robot.rest, (3, 1)), atol=1e-3)
    assert (trajectory.joint_source == Source.INFERRED).all()


def test_one_frame_is_a_motion(robot: Robot, truth: FloatArray, person: Make) -> None:
    trajectory = retarget(person(np.array([0.0]), truth[:1]), robot)
    assert trajectory.positions.shape == (1, 78)
    assert np.isnan(trajectory.velocities).all()
    assert limit_violations(trajectory) == (0, 0, 0)


def test_no_frames_and_times_that_stand_still_are_refused(robot: Robot, truth: FloatArray, person: Make) -> None:
    motion = person(np.array([0.0, 0.1, 0.1]), truth[:3])
    with pytest.raises(DataError, match=r"do not advance at frame 2"):
        retarget(motion, robot)
    with pytest.raises(DataError, match=r"no frames"):
        retarget(person(np.empty(0), truth[:0]), robot)


def test_progress_counts_frames(robot: Robot, times_s: FloatArray, truth: FloatArray, person: Make) -> None:
    seen: list[tuple[float, float]] = []
    retarget(person(times_s[:4], truth[:4]), robot, progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [8] * len(seen)
    assert seen[-1] == (8, 8)
    assert sorted(seen) == seen
