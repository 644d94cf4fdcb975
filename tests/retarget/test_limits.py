"""Limits are counted on stored positions over true times."""

from __future__ import annotations

import numpy as np

from bodydouble.retarget import RobotTrajectory, limit_violations


def trajectory(times_s: list[float], positions: list[list[float]]) -> RobotTrajectory:
    frames, joints = len(times_s), len(positions[0])
    shape = (frames, joints)
    return RobotTrajectory(
        robot="two", times_s=np.array(times_s), frame="room", joint_names=("a", "b")[:joints], joint_groups={"all": ("a", "b")[:joints]},
        positions=np.array(positions), velocities=np.zeros(shape), torques=np.zeros(shape), joint_source=np.ones(shape, dtype=np.uint8),
        base_pose=np.zeros((frames, 7)), lower=np.full(joints, -1.0), upper=np.full(joints, 1.0), velocity_limit=np.full(joints, 10.0),
        effort_limit=np.ones(joints),
    )  # fmt: skip


def test_a_trajectory_inside_its_limits_has_none() -> None:
    assert limit_violations(trajectory([0, 0.1, 0.2], [[-1, 0], [0, 1], [1, 0]])) == (0, 0)


def test_a_hair_is_tolerated_and_more_is_not() -> None:
    assert limit_violations(trajectory([0, 1], [[1 + 0.9e-6, 0], [0, 0]])) == (0, 0)
    assert limit_violations(trajectory([0, 1], [[1 + 1.1e-6, 0], [0, 0]])) == (1, 0)


def test_speed_is_over_the_true_time_between_two_frames() -> None:
    steps = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]]
    assert limit_violations(trajectory([0, 0.051, 0.102], steps)) == (0, 0)
    assert limit_violations(trajectory([0, 0.049, 0.102], steps)) == (0, 1)


def test_what_is_not_a_number_or_not_later_is_a_violation() -> None:
    assert limit_violations(trajectory([0, 1, 2], [[0, 0], [np.nan, 0], [0, 0]])) == (1, 2)
    assert limit_violations(trajectory([0, 0], [[0, 0], [0, 0]])) == (0, 2)


def test_a_single_frame_has_no_speed() -> None:
    assert limit_violations(trajectory([0], [[2, 0]])) == (1, 0)
