"""What planted feet can carry: hulls and their edges, the zero-moment point, and forces within friction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.errors import UnknownNameError
from bodydouble.retarget import Robot
from bodydouble.retarget.collision_model import CollisionModel
from bodydouble.retarget.support import FRICTION, contact_link, convex_hull, distribute, soles, support_margin, zero_moment_point

FloatArray = npt.NDArray[np.float64]

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0], [1.0, 1.0], [1.0, 0.0]])


def test_the_hull_of_a_square_has_its_four_corners() -> None:
    assert {tuple(p) for p in convex_hull(SQUARE)} == {(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)}


@pytest.mark.parametrize(
    ("point", "margin"), [((1.0, 1.0), 1.0), ((1.0, 0.25), 0.25), ((1.0, -0.5), -0.5), ((5.0, 6.0), -5.0), ((2.0, 1.0), 0.0)]
)
def test_the_margin_is_the_distance_to_the_nearest_edge(point: tuple[float, float], margin: float) -> None:
    assert support_margin(np.array(point), SQUARE) == pytest.approx(margin)


def test_on_one_line_or_one_point_there_is_no_inside() -> None:
    assert support_margin(np.array([1.0, 0.3]), np.array([[0.0, 0.0], [2.0, 0.0]])) == pytest.approx(-0.3)
    assert support_margin(np.array([1.0, 0.0]), np.array([[0.0, 0.0], [2.0, 0.0]])) == pytest.approx(0.0)
    assert support_margin(np.array([3.0, 4.0]), np.zeros((1, 2))) == pytest.approx(-5.0)
    assert np.isnan(support_margin(np.array([np.nan, 0.0]), SQUARE))


def test_the_zero_moment_point_is_where_one_push_would_give_the_wrench() -> None:
    at, push = np.array([0.3, -0.2, 0.05]), np.array([20.0, -10.0, 400.0])
    np.testing.assert_allclose(zero_moment_point(push, np.cross(at, push), 0.05, 500.0), at[:2])
    assert np.isnan(zero_moment_point(push * 0.01, np.cross(at, push), 0.05, 500.0)).all()


def test_forces_add_up_to_the_wrench_and_share_it_evenly() -> None:
    points = np.array([[0.1, 0.1, 0.0], [0.1, -0.1, 0.0], [-0.1, 0.1, 0.0], [-0.1, -0.1, 0.0]])
    forces, left = distribute(np.array([0.0, 0.0, 400.0]), np.zeros(3), points)
    assert left == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(forces, [[0, 0, 100]] * 4, atol=1e-3)


def test_an_uneven_load_goes_where_it_acts() -> None:
    points = np.array([[3.1, 2.0, 0.1], [2.9, 2.0, 0.1]])  # far from the origin: moments are about it
    at, push = np.array([3.05, 2.0, 0.1]), np.array([0.0, 0.0, 400.0])
    forces, left = distribute(push, np.cross(at, push), points)
    assert left == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(forces[:, 2], [300.0, 100.0], atol=1e-3)


@pytest.mark.parametrize("yaw", [0.0, 0.4])
def test_no_contact_pulls_or_pushes_sideways_beyond_friction(yaw: float) -> None:
    points = np.array([[0.1, 0.1, 0.0], [0.1, -0.1, 0.0], [-0.1, 0.1, 0.0], [-0.1, -0.1, 0.0]])
    forces, left = distribute(np.array([390.0, 0.0, 400.0]), np.array([0.0, 300.0, 0.0]), points, yaw)
    assert (forces[:, 2] >= 0).all()
    assert (np.hypot(forces[:, 0], forces[:, 1]) <= FRICTION * forces[:, 2] + 1e-6).all()
    assert left > 50.0
    assert (distribute(np.array([0.0, 0.0, -100.0]), np.zeros(3), points)[0] == 0.0).all()


def test_a_contact_point_is_a_human_point_or_a_link_of_the_robot(robot: Robot) -> None:
    assert contact_link(robot, "left_heel") == robot.file.skeleton["left_heel"]
    assert contact_link(robot, "left_palm") == "left_palm"
    with pytest.raises(UnknownNameError, match="left_heal"):
        contact_link(robot, "left_heal")


def test_a_sole_lies_at_its_contact_point_and_is_as_wide_as_the_foot(robot: Robot) -> None:
    base = [0.3, -0.2, 1.0, 0.0, 0.0, 0.0, 1.0]
    sole = soles(robot, ["left_heel"])[0]
    foot = robot.link_poses(np.zeros(len(robot.joint_names)), base, ["left_heel"])[0, :3, 3]
    data = robot.model.createData()
    import pinocchio as pin

    pin.forwardKinematics(robot.model, data, robot.configuration(np.zeros(len(robot.joint_names)), base))
    pose = data.oMi[sole.joint]
    points = sole.points @ pose.rotation.T + pose.translation
    np.testing.assert_allclose(points[:, [0, 2]], foot[None, [0, 2]].repeat(len(points), 0), atol=1e-9)
    assert np.abs(points[:, 1] - foot[1]).max() < 0.08
    if len(points) == 2:
        np.testing.assert_allclose(points[:, 1].mean(), foot[1], atol=0.01)


def test_without_capsules_a_sole_is_the_contact_point_itself(
    robot: Robot, with_collision: Callable[[Robot, CollisionModel], Robot]
) -> None:
    none = CollisionModel((), np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty((0, 2), dtype=np.intp))
    assert soles(with_collision(robot, none), ["left_heel"])[0].points.shape == (1, 3)
