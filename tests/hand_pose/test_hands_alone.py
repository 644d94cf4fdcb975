"""Of a hand without a body, the body is a guess: behind the hand, facing where the fingers point, all of it inferred."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.hands_alone import person_behind
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND


def hand(wrist: tuple[float, float, float], along: tuple[float, float, float]) -> np.ndarray:
    return np.array(wrist) + np.outer(np.linspace(0, 0.18, 21), along)


def person(**hands: np.ndarray):
    points = np.full((4, 75, 3), np.nan)
    for side, rows in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
        if side in hands:
            points[:, rows] = hands[side]
    return person_behind(points, np.array([2.0, 0.0, 0.3]))


def test_a_person_faces_where_the_fingers_point_from_behind_and_above_the_hand():
    found = person(right=hand((0.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    np.testing.assert_allclose(found.forward, np.tile([0.0, 1.0, 0.0], (4, 1)), atol=1e-9)
    eyes = found.T_world_head[0, :3, 3]
    assert eyes[1] < -0.2
    assert eyes[2] > 0.2
    assert eyes[0] < -0.1  # the right hand is at the right of the body


def test_fingers_that_point_up_say_nothing_and_the_person_faces_the_camera():
    found = person(left=hand((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    np.testing.assert_allclose(found.forward[0], [1.0, 0.0, 0.0], atol=1e-9)


def test_two_hands_have_the_body_between_them():
    found = person(left=hand((0.0, 0.2, 0.0), (1.0, 0.0, 0.0)), right=hand((0.0, -0.2, 0.0), (1.0, 0.0, 0.0)))
    assert found.T_world_head[0, 1, 3] == pytest.approx(0.0, abs=1e-9)
