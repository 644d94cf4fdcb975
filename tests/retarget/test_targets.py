"""What is asked of the robot: bones of its own length in the person's directions, feet on the person's ground, nothing for missing parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.retarget import Robot
from bodydouble.retarget.targets import Targets, make_targets

FloatArray = npt.NDArray[np.float64]
Make = Callable[..., HumanMotion]


def value(targets: Targets, name: str) -> FloatArray:
    return targets.values[[task.name for task in targets.tasks].index(name)]


def weight(targets: Targets, name: str) -> FloatArray:
    return targets.weights[:, [task.name for task in targets.tasks].index(name)]


@pytest.mark.parametrize("size", [0.8, 1.0, 1.15])
def test_a_person_of_any_size_asks_the_robot_for_its_own_lengths(
    robot: Robot, times_s: FloatArray, sway: Callable[..., FloatArray], person: Make, size: float
) -> None:
    positions = sway(robot, times_s, apart=True)  # hands that are near each other would keep their distance in metres
    legs = [i for i, name in enumerate(robot.joint_names) if name in robot.groups["left_leg"] + robot.groups["right_leg"]]
    positions[:, legs] = 0.0  # standing, so that the feet are planted all the time
    targets = make_targets(person(times_s, positions, size=size), robot)
    assert targets.scales == pytest.approx({"legs": 1 / size, "arms": 1 / size, "fingers": 1 / size})
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (len(times_s), 1))
    links = ["left_palm", "right_foot", "left_upper_arm"]
    truth = robot.link_poses(positions, base, links)[:, :, :3, 3]
    for i, name in enumerate(["left_palm_position", "right_foot_position", "left_shoulder_position"]):
        apart = value(targets, name) - truth[:, i]
        # The floor is where the person's feet come down to, so height is known up to that one number.
        np.testing.assert_allclose(apart - apart[0], 0.0, atol=1e-9)
    seen = robot.link_poses(positions, base, ["left_palm", "left_index_tip"])
    tip = np.einsum("tji,tj->ti", seen[:, 0, :3, :3], seen[:, 1, :3, 3] - seen[:, 0, :3, 3])
    np.testing.assert_allclose(value(targets, "left_index_tip_position"), tip, atol=1e-9)


def test_a_planted_foot_stays_planted_while_the_pelvis_moves(robot: Robot, times_s: FloatArray, person: Make) -> None:
    # A person who walks with other proportions than the robot: their foot must stand still on the robot as well.
    positions = np.tile(robot.rest, (len(times_s), 1))
    names = robot.joint_names
    swing = 0.3 * np.sin(2 * np.pi * times_s)
    positions[:, names.index("left_hip_pitch")] = 0.2 + swing
    positions[:, names.index("left_ankle_pitch")] = positions[:, names.index("left_knee")] - 0.2 - swing  # the foot stays level
    positions[:, names.index("right_knee")] = 1.2
    positions = np.clip(positions, robot.lower, robot.upper)
    base = np.tile([0, 0, 0, 0, 0, 0, 1.0], (len(times_s), 1))
    base[:, :3] -= robot.link_poses(positions, base, ["left_heel"])[:, 0, :3, 3]
    targets = make_targets(person(times_s, positions, base, size=1.2), robot)
    left = value(targets, "left_foot_position")
    assert np.ptp(left, axis=0).max() < 1e-3
    assert np.ptp(value(targets, "pelvis_position")[:, 0]) > 0.1


def test_heights_above_the_floor_are_scaled_by_the_legs(robot: Robot, times_s: FloatArray, person: Make) -> None:
    positions = np.tile(robot.rest, (len(times_s), 1))
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (len(times_s), 1))
    base[:, 2] += np.clip(np.sin(2 * np.pi * times_s), 0, None) * 0.2  # a jump
    asked = value(make_targets(person(times_s, positions, base, size=2.0), robot), "pelvis_position")
    assert np.ptp(asked[:, 2]) == pytest.approx(np.ptp(base[:, 2]), abs=1e-6)


def test_missing_parts_ask_nothing(robot: Robot, times_s: FloatArray, sway: Callable[..., FloatArray], person: Make, hidden: Make) -> None:
    motion = hidden(person(times_s, sway(robot, times_s)), "left_thumb", slice(10, 20))
    motion = hidden(motion, "left_hand_thumb", slice(10, 20))
    targets = make_targets(motion, robot)
    assert (weight(targets, "left_thumb_tip_position")[10:20] == 0).all()
    assert np.isnan(value(targets, "left_thumb_tip_position")[10:20]).all()
    assert (weight(targets, "left_thumb_tip_position")[20:] > 0).all()
    assert (weight(targets, "left_index_tip_position") > 0).all()
    thumb = robot.joint_names.index("left_thumb_ip")
    assert (targets.joint_source[10:20, thumb] == Source.INFERRED).all()
    assert (targets.joint_source[20:, thumb] == Source.OBSERVED).all()


@pytest.mark.parametrize("source", [Source.INTERPOLATED, Source.INFERRED])
def test_what_was_not_measured_says_so_on_the_robot_and_weighs_less(
    robot: Robot, times_s: FloatArray, sway: Callable[..., FloatArray], person: Make, hidden: Make, source: Source
) -> None:
    motion = hidden(person(times_s, sway(robot, times_s)), "left_elbow", slice(0, 30), source)
    targets = make_targets(motion, robot)
    elbow = robot.joint_names.index("left_elbow")
    assert (targets.joint_source[:30, elbow] == source).all()
    assert (targets.joint_source[30:, elbow] == Source.OBSERVED).all()
    assert (weight(targets, "left_palm_position")[:30] > 0).all()
    assert (weight(targets, "left_palm_position")[:30] < weight(targets, "left_palm_position")[30:]).all()


def test_a_pinch_asks_only_while_thumb_and_finger_are_near(robot: Robot, person: Make) -> None:
    times = np.arange(3) / 60.0
    positions = np.tile(robot.rest, (3, 1))
    angles = {"thumb_rotation": 36, "thumb_closing": 15, "thumb_side": -1, "thumb_mcp": 23, "thumb_ip": 18,
              "index_side": 7, "index_mcp": 44, "index_pip": 59, "index_dip": 28}  # fmt: skip
    for name, degrees in angles.items():
        positions[1:, robot.joint_names.index(f"left_{name}")] = np.radians(degrees)
    targets = make_targets(person(times, positions, size=1.1), robot)
    asked = weight(targets, "left_index_pinch_position")
    assert asked[0] == 0
    assert asked[1] > 40
    assert np.linalg.norm(value(targets, "left_index_pinch_position")[1]) < 0.006


def test_without_feet_the_pelvis_leads(robot: Robot, times_s: FloatArray, person: Make, hidden: Make) -> None:
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (len(times_s), 1))
    base[:, 0] = times_s
    motion = person(times_s, np.tile(robot.rest, (len(times_s), 1)), base)
    for part in ("foot", "heel", "toe", "ankle"):
        motion = hidden(motion, part, slice(None))
    targets = make_targets(motion, robot)
    np.testing.assert_allclose(targets.base[:, 0] - targets.base[0, 0], times_s - times_s[0], atol=1e-9)
    np.testing.assert_allclose(targets.base[:, 2], robot.standing_height(), atol=1e-6)


def test_a_frame_in_which_somebody_is_thrown_across_the_room_asks_nothing(robot: Robot, times_s: FloatArray, person: Make) -> None:
    from dataclasses import replace

    motion = person(times_s, np.tile(robot.rest, (len(times_s), 1)))
    poses, landmarks = motion.link_poses.copy(), motion.landmarks.copy()
    poses[30, :, :3, 3] += [5.0, 0.0, 0.0]
    landmarks[30] += [5.0, 0.0, 0.0]
    targets = make_targets(replace(motion, link_poses=poses, landmarks=landmarks), robot)
    assert (targets.weights[30] == 0).all()
    assert (targets.weights[[29, 31]] > 0).any(axis=1).all()


def test_somebody_who_runs_and_waves_is_no_glitch(robot: Robot, person: Make) -> None:
    times = np.arange(60) / 30.0
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (60, 1))
    base[:, 0] = 6.0 * times
    positions = np.tile(robot.rest, (60, 1))
    positions[:, robot.joint_names.index("left_elbow")] = 1.0 + 0.9 * np.sin(2 * np.pi * 3 * times)
    assert (make_targets(person(times, positions, base), robot).weights > 0).any(axis=1).all()


def test_what_is_asked_does_not_depend_on_where_a_clip_was_cut(robot: Robot, times_s: FloatArray, person: Make) -> None:
    base = np.tile([0, 0, robot.standing_height(), 0, 0, 0, 1.0], (len(times_s), 1))
    base[:, 0] = times_s
    positions = np.tile(robot.rest, (len(times_s), 1))
    whole, cut = (
        make_targets(person(times_s[start:] - times_s[start], positions[start:], base[start:], size=1.2), robot) for start in (0, 20)
    )
    np.testing.assert_allclose(value(whole, "left_palm_position")[30:], value(cut, "left_palm_position")[10:], atol=0.01)
