"""Pinches close, open hands are copied, and two hands on one object stay as far apart as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.retarget.working_hands import closed, pinch_share, pinched_tips, together


def along_x(metres: float) -> np.ndarray:
    return np.array([[metres, 0.0, 0.0]])


@pytest.mark.parametrize(("person", "robot"), [(0.0, 0.0), (0.006, 0.0), (0.010, 0.001), (0.030, 0.030), (0.08, 0.08)])
def test_a_pinch_of_the_person_is_a_touch_of_the_robot(person: float, robot: float) -> None:
    assert np.linalg.norm(closed(along_x(person))) == pytest.approx(robot, abs=1e-3)


@given(a=st.floats(0, 0.1), b=st.floats(0, 0.1))
def test_a_wider_gap_is_never_asked_to_be_narrower(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert np.linalg.norm(closed(along_x(low))) <= np.linalg.norm(closed(along_x(high))) + 1e-12


def test_a_pinch_counts_fully_in_touch_and_not_at_all_apart() -> None:
    assert pinch_share(along_x(0.0), 0.04) == 1
    assert pinch_share(along_x(0.04), 0.04) == 0
    assert pinch_share(np.full((1, 3), np.nan), 0.04) == 0


def test_thumb_and_finger_meet_half_way() -> None:
    thumb, tip = np.zeros((1, 3)), along_x(0.01)
    moved, (finger,) = pinched_tips(thumb, [tip], [np.zeros((1, 3))], [np.ones(1)])
    np.testing.assert_allclose(moved, along_x(0.005))
    np.testing.assert_allclose(finger, along_x(0.005))


def test_a_thumb_that_pinches_two_fingers_touches_both() -> None:
    tips = [along_x(0.01), along_x(-0.01)]
    moved, fingers = pinched_tips(np.zeros((1, 3)), tips, [np.zeros((1, 3))] * 2, [np.ones(1)] * 2)
    for finger in fingers:
        np.testing.assert_allclose(finger, moved)


def test_fingers_that_pinch_nothing_stay() -> None:
    moved, (finger,) = pinched_tips(np.zeros((1, 3)), [along_x(0.1)], [along_x(0.1)], [np.zeros(1)])
    np.testing.assert_array_equal(moved, np.zeros((1, 3)))
    np.testing.assert_array_equal(finger, along_x(0.1))


def test_hands_work_together_when_they_are_near() -> None:
    assert together(np.zeros((1, 3)), along_x(0.2)) == 1
    assert together(np.zeros((1, 3)), along_x(0.5)) == 0
    assert 0 < together(np.zeros((1, 3)), along_x(0.3))[0] < 1
    assert together(np.zeros((1, 3)), np.full((1, 3), np.nan)) == 0
