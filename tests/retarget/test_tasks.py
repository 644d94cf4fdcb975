"""Every task's Jacobian is the derivative of its residual, and its error is what a ruler or protractor would say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pinocchio as pin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.retarget import Robot
from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.tasks import TaskStack, rotation_vectors

FloatArray = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def stack(robot: Robot) -> TaskStack:
    return TaskStack(robot, robot.file.tasks)


def anywhere(robot: Robot, rng: np.random.Generator) -> FloatArray:
    base = np.concatenate([rng.normal(size=3), Rotation.random(random_state=int(rng.integers(1 << 30))).as_quat()])
    return robot.configuration(rng.uniform(robot.lower, robot.upper), base)


def some_targets(count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    return rng.normal(size=(count, 3)), Rotation.random(count, random_state=int(rng.integers(1 << 30))).as_matrix()


@pytest.mark.parametrize("seed", range(3))
def test_jacobians_are_the_residuals_derivatives(robot: Robot, stack: TaskStack, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, targets = anywhere(robot, rng), some_targets(len(stack.tasks), rng)
    _, jacobian = stack.linearise(q, targets)
    for _ in range(6):
        step = rng.normal(size=robot.model.nv)
        ahead, behind = (stack.residuals(pin.integrate(robot.model, q, sign * 1e-6 * step), targets) for sign in (1, -1))
        np.testing.assert_allclose(jacobian @ step, (ahead - behind) / 2e-6, atol=2e-5, rtol=1e-5)


def test_linearise_and_residuals_agree(robot: Robot, stack: TaskStack) -> None:
    rng = np.random.default_rng(7)
    q, targets = anywhere(robot, rng), some_targets(len(stack.tasks), rng)
    np.testing.assert_allclose(stack.linearise(q, targets)[0], stack.residuals(q, targets), atol=1e-12)


def test_the_robot_of_the_tests_has_every_kind_of_task(robot: Robot) -> None:
    assert {task.kind for task in robot.file.tasks} == {"position", "orientation", "axis", "direction", "relative_position"}


def test_errors_are_metres_and_radians(robot: Robot) -> None:
    tasks = (
        TaskEntry(name="place", kind="position", robot="head", weight=1),
        TaskEntry(name="look", kind="axis", robot="head", weight=1),
        TaskEntry(name="turn", kind="orientation", robot="torso", weight=1),
        TaskEntry(name="tip", kind="relative_position", robot="left_index_tip", origin="left_palm", weight=1),
    )
    stack = TaskStack(robot, tasks)
    turned = Rotation.from_rotvec([0, 0, 0.5]).as_matrix()
    places = robot.zero_points()
    vectors = np.stack(
        [places["head"] + [0.03, 0, 0.04], turned[:, 0], np.zeros(3), places["left_index_tip"] - places["left_palm"] - [0.02, 0, 0]]
    )
    rotations = np.broadcast_to(turned, (4, 3, 3))
    zero = robot.configuration(np.zeros(78), [0, 0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(stack.errors(stack.residuals(zero, (vectors, rotations))), [0.05, 0.5, 0.5, 0.02], atol=1e-12)


def test_a_relative_task_does_not_see_the_arm_or_the_base_move(robot: Robot, stack: TaskStack) -> None:
    q = anywhere(robot, np.random.default_rng(3))
    _, jacobian = stack.linearise(q, some_targets(len(stack.tasks), np.random.default_rng(4)))
    hand = [int(v) for name, v in zip(robot.joint_names, robot.velocity_rows, strict=True) if "_index_" in name]
    others = np.setdiff1d(np.arange(robot.model.nv), hand)
    row = stack.names.index("left_index_tip_position")
    assert np.abs(jacobian[row][:, others]).max() < 1e-12


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.floats(0, np.pi - 1e-6))
@settings(max_examples=80, deadline=None)
def test_rotation_vectors_come_back(axis: tuple[float, float, float], angle: float) -> None:
    norm = float(np.linalg.norm(axis))
    v = np.array(axis) / norm * angle if norm > 1e-3 else np.array([angle, 0.0, 0.0])
    np.testing.assert_allclose(rotation_vectors(Rotation.from_rotvec(v).as_matrix()[None])[0], v, atol=1e-6)
