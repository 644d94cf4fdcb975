"""What still touches at the end is moved apart, and the frames beside it go along smoothly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget import Robot, limit_violations
from bodydouble.retarget.capsule_overlap import overlap_depths
from bodydouble.retarget.frame_by_frame import empty_motion
from bodydouble.retarget.parting import FADING_S, faded, move_apart
from bodydouble.retarget.problem import Layout
from bodydouble.retarget.retargeting import make_problem, retarget
from bodydouble.retarget.targets import make_targets
from bodydouble.retarget.whole_trajectory import overlaps


def test_a_correction_fades_among_its_neighbours_and_is_kept_where_it_was_made() -> None:
    times = np.arange(60) / 100.0
    values = np.zeros((60, 1))
    values[20:23], frames = 0.1, np.array([20, 21, 22])
    carried = faded(times, frames, values)[:, 0]
    np.testing.assert_allclose(carried[20:23], 0.1)
    assert carried[19] > 0.09
    far = np.abs(times - 0.21) > FADING_S + 0.02
    np.testing.assert_array_equal(carried[far], 0.0)
    assert np.abs(np.diff(carried)).max() < 0.03


def test_hands_in_each_other_are_moved_apart(robot: Robot, person: Callable[..., HumanMotion]) -> None:
    times = np.arange(30) / 60.0
    positions = np.tile(robot.rest, (30, 1))
    names = robot.joint_names
    for side in ("left", "right"):
        positions[:, names.index(f"{side}_elbow")] = 1.5
    positions[10:20, names.index("left_shoulder_yaw")] = positions[10:20, names.index("right_shoulder_yaw")] = 1.0
    problem = make_problem(Layout(robot, robot.file.tasks), make_targets(person(times, positions), robot), times)
    motion = empty_motion(problem)
    motion.positions[:] = np.clip(positions, robot.lower, robot.upper)
    motion.base_translation[:, 2] = robot.standing_height()
    touching = overlaps(problem, motion, 0, 30) > 5e-4
    assert touching.any()
    for _ in range(4):
        move_apart(problem, motion, overlaps(problem, motion, 0, 30) > 5e-4)
        if not (overlaps(problem, motion, 0, 30) > 5e-4).any():
            break
    assert overlaps(problem, motion, 0, 30).max() < 1e-3


def test_a_person_whose_hands_go_through_the_body_moves_a_robot_that_does_not(robot: Robot, person: Callable[..., HumanMotion]) -> None:
    times = np.arange(60) / 60.0
    positions = np.tile(robot.rest, (60, 1))
    for side in ("left", "right"):
        positions[:, robot.joint_names.index(f"{side}_elbow")] = 1.5
        positions[:, robot.joint_names.index(f"{side}_shoulder_yaw")] = 0.6 * np.sin(np.pi * times)
    motion = person(times, np.clip(positions, robot.lower, robot.upper))
    trajectory = retarget(motion, robot)
    assert limit_violations(trajectory) == (0, 0, 0)
    person_like = overlap_depths(robot, np.clip(positions, robot.lower, robot.upper), trajectory.base_pose)
    assert person_like.max() > 0.015
    assert overlap_depths(robot, trajectory.positions, trajectory.base_pose).max() < 0.2 * person_like.max()
