"""Curves: where they start and end, and that they are smooth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.calibration.transform import pose_from
from bodydouble.hand_pose.simulation.curves import Curve, PoseCurve, RotationCurve, Sway, minimum_jerk, smooth_positive


def test_a_minimum_jerk_movement_starts_and_ends_at_rest() -> None:
    step = 1e-4
    for end in (0.0, 1.0):
        u = end + step * np.array([-1, 0, 1])
        s = minimum_jerk(u)
        assert s[1] == end
        assert abs(s[2] - s[0]) / (2 * step) < 1e-6
        assert abs(s[2] - 2 * s[1] + s[0]) / step**2 < 0.01
    assert minimum_jerk(0.5) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 2), st.floats(-1, 1)), min_size=1, max_size=5))
def test_overlapping_submovements_end_at_the_last_goal(moves: list[tuple[float, float, float]]) -> None:
    curve = Curve(np.zeros(2))
    for begin, duration, goal in moves:
        curve = curve.to([goal, -goal], begin, duration)
    np.testing.assert_allclose(curve(100.0), [moves[-1][2], -moves[-1][2]], atol=1e-12)
    np.testing.assert_allclose(curve(-1.0), [0.0, 0.0])


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_rotation_curve_passes_its_goals_and_stays_a_rotation(goals: list[list[float]]) -> None:
    curve = RotationCurve(np.eye(3))
    for k, goal in enumerate(goals):
        curve = curve.to(Rotation.from_rotvec(goal).as_matrix(), float(k), 0.9)
    for k, goal in enumerate(goals):
        np.testing.assert_allclose(curve(k + 0.95), Rotation.from_rotvec(goal).as_matrix(), atol=1e-9)
    middle = curve(0.4)
    np.testing.assert_allclose(middle @ middle.T, np.eye(3), atol=1e-12)


def test_a_pose_curve_is_smooth_while_movements_overlap() -> None:
    curve = PoseCurve.at(np.eye(4)).to(pose_from(Rotation.from_rotvec([0, 1, 0]).as_matrix(), [1, 0, 0]), 0.0, 1.0)
    curve = curve.to(pose_from(Rotation.from_rotvec([1, 0, 1]).as_matrix(), [1, 1, 0]), 0.5, 1.0).by([0, 0, 0.1], 0.2, 0.4)
    t = np.arange(-0.1, 1.7, 1e-3)
    values = np.array([curve(float(x))[:3].ravel() for x in t])
    jerk = np.diff(values, 3, axis=0) / 1e-9
    assert np.abs(jerk).max() < 200  # a jump of the acceleration would make it thousands


def test_sway_is_small_deterministic_and_does_not_repeat_within_a_minute() -> None:
    sway = Sway(np.array([0.01, 0.02]), seed=3)
    values = np.array([sway(t) for t in np.arange(0, 60, 0.1)])
    np.testing.assert_allclose(values.std(axis=0), [0.01, 0.02], rtol=0.35)
    np.testing.assert_array_equal(sway(1.5), Sway(np.array([0.01, 0.02]), seed=3)(1.5))
    assert np.abs(values[10:] - values[0]).max(axis=1).min() > 1e-5


def test_smooth_positive_is_the_positive_part_away_from_zero() -> None:
    np.testing.assert_allclose(smooth_positive([-10.0, 10.0], 0.1), [0.0, 10.0], atol=1e-3)
