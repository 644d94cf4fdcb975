"""A shift is found to a fraction of a step, and said not to be known where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.datasets.validation.lag_search import at_times, best_lag
from bodydouble.datasets.validation.robot_lag import robot_lag

SHIFTS = np.linspace(-0.3, 0.3, 31)


def sums_of(true_shift, blocks=8, noise=0.05, seed=0):
    """Squared errors of a sine against itself late by ``true_shift``, block by block of time."""
    random, times = np.random.default_rng(seed), np.arange(0, 8, 0.02)
    seen = np.sin(2 * np.pi * 0.7 * (times - true_shift)) + random.normal(0, noise, len(times))
    block = np.minimum((times / times[-1] * blocks).astype(int), blocks - 1)
    errors = np.stack([(seen - np.sin(2 * np.pi * 0.7 * (times - shift))) ** 2 for shift in SHIFTS], axis=1)
    return np.stack([errors[block == number].sum(axis=0)[None] for number in range(blocks)])


@pytest.mark.parametrize("true_shift", [-0.133, 0.0, 0.047])
def test_a_shift_is_found_between_the_steps_and_within_its_deviation(true_shift):
    lag = best_lag(SHIFTS, sums_of(true_shift), lambda total: -total[0])
    assert lag.seconds == pytest.approx(true_shift, abs=0.005)
    assert abs(lag.seconds - true_shift) < 4 * lag.sigma_s < 0.05


def test_a_shift_at_the_end_of_the_range_is_not_known():
    assert not best_lag(SHIFTS, sums_of(0.35), lambda total: -total[0]).known


def test_two_blocks_of_time_are_too_few():
    assert not best_lag(SHIFTS, sums_of(0.0, blocks=2), lambda total: -total[0]).known


def test_blocks_that_disagree_give_a_large_deviation():
    sums = np.concatenate([sums_of(-0.15, blocks=3), sums_of(0.15, blocks=3)])
    lag = best_lag(SHIFTS, sums, lambda total: -total[0])
    assert abs(lag.seconds) < 4 * lag.sigma_s


def test_values_between_times_are_on_straight_lines_and_nan_outside():
    found = at_times(np.array([0.0, 1.0, 3.0]), np.array([[0.0], [2.0], [8.0]]), np.array([-0.1, 0.5, 2.0, 3.1, np.nan]))
    np.testing.assert_allclose(found[:, 0], [np.nan, 1.0, 5.0, np.nan, np.nan])


def hands(times):
    return np.stack([np.stack([np.sin(f * times), np.cos(1.3 * f * times), np.sin(0.7 * f * times)], axis=1) * 0.2 for f in (3.0, 4.0)])


@pytest.mark.parametrize("late", [-0.1, 0.0, 0.06])
def test_a_robot_of_another_size_and_place_is_late_by_what_it_is_late(late):
    times = np.arange(90) / 30.0
    robot = 0.8 * hands(times - late) + [0.1, 0.0, -0.2]
    assert robot_lag(times, robot, hands(times)).seconds == pytest.approx(late, abs=0.008)


def test_a_robot_that_does_something_else_is_not_judged():
    times = np.arange(90) / 30.0
    robot = np.random.default_rng(0).normal(0, 0.2, (2, 90, 3))
    assert not robot_lag(times, robot, hands(times)).known


def test_hands_that_rest_tell_nothing():
    times = np.arange(90) / 30.0
    assert not robot_lag(times, hands(times), np.zeros((2, 90, 3))).known
