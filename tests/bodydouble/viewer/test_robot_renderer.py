from __future__ import annotations

import time

import numpy as np
import pytest

from bodydouble.retarget import Robot
from bodydouble.viewer.robot_renderer import RobotRenderer
from bodydouble.viewer.view import View, view_from


@pytest.fixture(scope="module")
def robot():
    return Robot.load("optimus")


@pytest.fixture(scope="module")
def renderer(robot):
    return RobotRenderer(robot)


@pytest.fixture
def standing(robot):
    return np.zeros(len(robot.joint_names)), np.array([0, 0, robot.standing_height(), 0, 0, 0, 1.0])


def view(size=(160, 120)):
    return view_from(0.5, 0.2, (0.0, 0.0, 0.9), 2.1, 1.0, size)


def test_the_robot_stands_in_the_middle_of_its_picture(renderer, standing):
    there, empty = renderer.render(*standing, view()), renderer.render(standing[0] * np.nan, standing[1], view())
    assert there.shape == (120, 160, 3)
    assert there.dtype == np.uint8
    rows, columns = np.nonzero(np.abs(there.astype(int) - empty).max(axis=2) > 60)
    assert 70 < columns.mean() < 90
    assert rows.min() < 25
    assert rows.max() > 95


def test_a_moved_joint_changes_the_picture_and_the_same_pose_does_not(robot, renderer, standing):
    positions, base = standing
    lifted = positions.copy()
    lifted[robot.joint_names.index("left_shoulder_pitch")] = -1.5
    np.testing.assert_array_equal(renderer.render(positions, base, view()), renderer.render(positions, base, view()))
    assert (renderer.render(lifted, base, view()) != renderer.render(positions, base, view())).any()


def test_vertices_follow_the_links_of_the_robot(robot, renderer, standing):
    positions, base = standing
    moved = base + np.array([1.0, -2.0, 0.5, 0, 0, 0, 0])
    offsets = renderer.points(positions, moved) - renderer.points(positions, base)
    np.testing.assert_allclose(offsets, np.broadcast_to([1, -2, 0.5], offsets.shape), atol=1e-5)
    assert renderer.points(positions, base)[:, 2].min() == pytest.approx(0, abs=0.03)


def test_a_robot_outside_the_picture_is_no_error(renderer, standing):
    away = View((0.0, -3.0, 1.0), (0.0, -9.0, 1.0), 28.0, (64, 48))
    assert renderer.render(*standing, away).shape == (48, 64, 3)


def test_a_projected_point_lies_on_its_own_ray():
    seen = view((640, 480))
    point = np.array([0.2, -0.3, 1.1])
    ray = seen.directions(seen.project(point)).astype(float)
    np.testing.assert_allclose(np.cross(ray, point - np.array(seen.eye)), 0, atol=1e-4)


def test_a_frame_of_640x480_takes_less_than_a_fifth_of_a_second_of_two_cores(renderer, standing):
    large = view((640, 480))
    renderer.render(*standing, large)
    # processor time, which neighbours on the machine do not lengthen much: at most what two cores have in a fifth of a second
    start = time.process_time()
    for _ in range(3):
        renderer.render(*standing, large)
    assert (time.process_time() - start) / 3 < 0.4
