"""Limits are counted on stored positions over true times."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.retarget import RobotTrajectory, limit_violations
from bodydouble.retarget.limits import finite_accelerations


def trajectory(times_s: list[float], positions: list[list[float]], *, acceleration: float | None = None) -> RobotTrajectory:
    frames, joints = len(times_s), len(positions[0])
    shape = (frames, joints)
    return RobotTrajectory(
        robot="two", times_s=np.array(times_s), frame="room", joint_names=("a", "b")[:joints], joint_groups={"all": ("a", "b")[:joints]},
        positions=np.array(positions), velocities=np.zeros(shape), torques=np.zeros(shape), joint_source=np.ones(shape, dtype=np.uint8),
        base_pose=np.zeros((frames, 7)), lower=np.full(joints, -1.0), upper=np.full(joints, 1.0), velocity_limit=np.full(joints, 10.0),
        effort_limit=np.ones(joints), acceleration_limit=None if acceleration is None else np.full(joints, acceleration),
    )  # fmt: skip


def test_a_trajectory_inside_its_limits_has_none() -> None:
    assert limit_violations(trajectory([0, 0.1, 0.2], [[-1, 0], [0, 1], [1, 0]], acceleration=200.0)) == (0, 0, 0)


def test_a_hair_and_a_millionth_of_the_limit_are_tolerated_and_more_is_not() -> None:
    assert limit_violations(trajectory([0, 1], [[1 + 1.9e-6, 0], [0, 0]])).range == 0
    assert limit_violations(trajectory([0, 1], [[-1 - 2.1e-6, 0], [0, 0]])).range == 1
    assert limit_violations(trajectory([0, 0.1], [[0, 0], [1 + 1.0e-6, 0]])).velocity == 0
    assert limit_violations(trajectory([0, 0.1], [[0, 0], [1 + 1.2e-6, 0]])).velocity == 1


def test_speed_is_over_the_true_time_between_two_frames() -> None:
    steps = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]]
    assert limit_violations(trajectory([0, 0.051, 0.102], steps)).velocity == 0
    assert limit_violations(trajectory([0, 0.049, 0.102], steps)).velocity == 1


def test_acceleration_is_the_change_of_speed_over_the_mean_of_its_two_intervals() -> None:
    # speeds 2 and -1 rad/s over intervals of 0.1 and 0.3 s: -3 / 0.2 = -15 rad/s^2
    times, steps = [0, 0.1, 0.4], [[0.0], [0.2], [-0.1]]
    np.testing.assert_allclose(finite_accelerations(np.array(times), np.array(steps)), [[-15.0]])
    assert limit_violations(trajectory(times, steps, acceleration=15.0)).acceleration == 0
    assert limit_violations(trajectory(times, steps, acceleration=14.99)).acceleration == 1


@pytest.mark.parametrize("rate_hz", [30.0, 120.0])
def test_the_same_motion_is_judged_alike_at_any_rate(rate_hz: float) -> None:
    times = np.arange(0, 1, 1 / rate_hz)
    thrown = 0.5 * 0.9 * times**2  # 0.9 rad/s^2 throughout
    steps = thrown[:, None].tolist()
    assert limit_violations(trajectory(times.tolist(), steps, acceleration=0.91)) == (0, 0, 0)
    assert limit_violations(trajectory(times.tolist(), steps, acceleration=0.89)).acceleration == len(times) - 2


def test_without_a_stored_limit_nothing_is_said_of_accelerations() -> None:
    assert limit_violations(trajectory([0, 0.1, 0.2], [[0.0], [0.9], [0.0]])) == (0, 0, None)


def test_what_is_not_a_number_or_not_later_is_a_violation() -> None:
    assert limit_violations(trajectory([0, 1, 2], [[0, 0], [np.nan, 0], [0, 0]], acceleration=1.0)) == (1, 2, 1)
    assert limit_violations(trajectory([0, 0, 1], [[0, 0], [0, 0], [0, 0]], acceleration=1.0)) == (0, 2, 2)


@pytest.mark.parametrize(("times_s", "positions"), [([0.0], [[2.0, 0.0]]), ([0.0, 1.0], [[2.0, 0.0], [0.0, 0.0]])])
def test_one_frame_has_no_speed_and_two_have_no_acceleration(times_s: list[float], positions: list[list[float]]) -> None:
    assert limit_violations(trajectory(times_s, positions, acceleration=0.1)) == (1, 0, 0)
