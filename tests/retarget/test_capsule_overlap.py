"""Distances between segments and overlaps of capsules, against distances found by looking everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.retarget import Robot
from bodydouble.retarget.capsule_overlap import overlap_depths, segment_distances
from bodydouble.retarget.collision_model import CollisionModel

FloatArray = npt.NDArray[np.float64]


@pytest.mark.parametrize("kind", ["any", "points", "parallel", "crossing"])
def test_distances_are_the_smallest_between_any_two_points(kind: str) -> None:
    rng = np.random.default_rng(0)
    a0, a1, b0, b1 = rng.normal(size=(4, 50, 3))
    if kind == "points":
        a1[:25], b1[12:37] = a0[:25], b0[12:37]
    elif kind == "parallel":
        b1 = b0 + (a1 - a0) * rng.normal(size=(50, 1))
    elif kind == "crossing":
        b1 = a0 + a1 - b0  # they share their middle
    share = np.linspace(0, 1, 201)
    on_a = a0[:, None] + share[:, None] * (a1 - a0)[:, None]
    along = (b1 - b0)[:, None]
    t = np.clip(((on_a - b0[:, None]) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-300), 0, 1)
    nearest = np.linalg.norm(on_a - b0[:, None] - t[..., None] * along, axis=-1).min(axis=1)
    found = segment_distances(a0, a1, b0, b1)
    assert (found <= nearest + 1e-12).all()
    np.testing.assert_allclose(found, nearest, atol=0.02 if kind == "crossing" else 2e-3)


def test_two_capsules_that_are_moved_into_each_other_overlap_by_as_much(
    robot: Robot, with_collision: Callable[[Robot, CollisionModel], Robot]
) -> None:
    zero = robot.zero_points()
    gap = zero["left_palm"][1] - zero["right_palm"][1]
    collision = replace(
        robot.collision, link=("left_palm", "right_palm"), a=np.zeros((2, 3)), b=np.zeros((2, 3)), radius=np.array([gap / 2 + 0.002, gap / 2 + 0.003]),
        pairs=np.array([[0, 1]]),
    )  # fmt: skip
    positions, base = np.zeros((3, len(robot.joint_names))), np.tile([1.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0], (3, 1))
    np.testing.assert_allclose(overlap_depths(with_collision(robot, collision), positions, base), 0.005, atol=1e-9)


def test_with_nothing_to_be_kept_apart_there_is_no_depth(robot: Robot, with_collision: Callable[[Robot, CollisionModel], Robot]) -> None:
    none = replace(robot.collision, pairs=np.empty((0, 2), dtype=np.intp))
    positions, base = np.zeros((2, len(robot.joint_names))), np.tile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], (2, 1))
    assert np.isnan(overlap_depths(with_collision(robot, none), positions, base)).all()
