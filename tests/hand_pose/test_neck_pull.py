"""Shoulders hang below a head whose pose is known, wherever it looks."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.rotation import exp
from bodydouble.hand_pose.neck_pull import SHOULDERS, SIGMA_TIPPED, NeckPull, shoulders_below

UP = np.array([0.0, 0.0, 1.0])


def heads(*pitches_deg: float) -> np.ndarray:
    """Return poses of a head that nods about the same point."""
    T = np.tile(np.eye(4), (len(pitches_deg), 1, 1))
    pivot = np.array([0.0, 0.0, 1.5])
    for number, pitch in enumerate(np.radians(pitches_deg)):
        T[number, :3, :3] = exp([0.0, pitch, 0.0])
        T[number, :3, 3] = pivot + T[number, :3, :3] @ [0.09, 0.0, 0.10]
    return T


def test_nodding_does_not_move_the_shoulders():
    forward = np.tile([1.0, 0.0, 0.0], (3, 1))
    places = shoulders_below(heads(0, 30, 60), forward, UP)
    np.testing.assert_allclose(places[1], places[0], atol=1e-9)
    np.testing.assert_allclose(places[2], places[0], atol=1e-9)
    left, right = places[0]
    assert left[1] > 0.15 > -0.15 > right[1]
    assert 1.3 < left[2] < 1.42


def test_a_head_that_is_not_located_pulls_nothing():
    T = heads(0, 0)
    T[1] = np.nan
    pull = NeckPull.of(T, np.tile([1.0, 0.0, 0.0], (2, 1)), UP, 1.73)
    points = np.full((2, 75, 3), 9.0)
    assert pull.cost(points)[1] == 0
    assert pull.cost(points)[0] > 0
    assert not pull.information[1].any()


def test_the_gradient_is_that_of_the_cost_and_turning_is_freer_than_shrugging():
    pull = NeckPull.of(heads(20), np.array([[0.0, 1.0, 0.0]]), UP, 1.8)
    points = np.zeros((1, 75, 3))
    points[:, SHOULDERS] = pull.expected + 0.01
    information, gradient = np.zeros((1, 75, 3, 3)), np.zeros((1, 75, 3))
    cost = pull.add(points, information, gradient)
    for axis in range(3):
        moved = points.copy()
        moved[:, SHOULDERS[0], axis] += 1e-6
        assert 2 * gradient[0, SHOULDERS[0], axis] == pytest.approx((pull.cost(moved) - cost)[0] / 1e-6, rel=1e-3)
    forward, aside, up = information[0, SHOULDERS[0]][[1, 0, 2], [1, 0, 2]]
    assert forward < aside
    assert forward < up


def test_where_only_the_head_says_what_is_up_the_pull_is_weak():
    pull = NeckPull.of(heads(20), np.array([[1.0, 0.0, 0.0]]), UP, 1.73, level=False)
    np.testing.assert_allclose(pull.information[0, 0], np.eye(3) / SIGMA_TIPPED**2, atol=1e-9)
