"""Limits that can always be kept: whatever is asked and however uneven the frames are, range, speed and acceleration hold in every frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.retarget.kernels.reach import fastest_towards, following, keep_limits

LOWER, UPPER, SPEED, ACCELERATION = np.array([-1.0]), np.array([0.7]), np.array([8.0]), np.array([60.0])


def kept(times: np.ndarray, wanted: np.ndarray, wanted_speed: float = 8.0) -> np.ndarray:
    out = np.empty((len(times), 1))
    keep_limits(times, wanted[:, None], LOWER, UPPER, np.full((len(times), 1), wanted_speed), SPEED, ACCELERATION, out)
    return out[:, 0]


def excess(times: np.ndarray, q: np.ndarray) -> tuple[float, float, float]:
    dt = np.diff(times)
    v = np.diff(q) / dt
    a = np.diff(v) / (0.5 * (dt[1:] + dt[:-1]))
    return float(max((q - UPPER).max(), (LOWER - q).max())), float(np.abs(v).max() - SPEED[0]), float(np.abs(a).max() - ACCELERATION[0])


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.floats(0.002, 0.08), min_size=6, max_size=60),
    asked=st.lists(st.floats(-4, 4), min_size=7, max_size=7),
    seed=st.integers(0, 1000),
)
def test_any_wish_over_any_times_breaks_nothing(steps: list[float], asked: list[float], seed: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.interp(times, np.linspace(0, times[-1], 7), asked) + np.random.default_rng(seed).choice([0, 2.0], len(times))
    assert max(excess(times, kept(times, wanted))) < 1e-6


def test_a_joint_that_races_towards_its_end_stops_just_there() -> None:
    times = np.arange(200) / 100.0
    q = kept(times, np.full(200, 5.0) - 6.0 * (times < 0.1))
    assert max(excess(times, q)) < 1e-6
    assert q.max() == pytest.approx(UPPER[0], abs=1e-6)
    assert np.diff(q)[5:].max() * 100 > 7.0  # it used the speed it may


def test_what_keeps_the_limits_is_left_alone() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.03, 100))
    wanted = 0.5 * np.sin(3 * times)
    np.testing.assert_allclose(kept(times, wanted), wanted, atol=1e-15)


def test_a_lower_speed_for_now_is_reached_by_braking_not_by_a_jump() -> None:
    times = np.arange(60) / 60.0
    wanted_speed = np.where(times < 0.2, 8.0, 0.5)[:, None]
    out = np.empty((60, 1))
    keep_limits(times, (4 * times - 1)[:, None], LOWER, UPPER, wanted_speed, SPEED, ACCELERATION, out)
    assert max(excess(times, out[:, 0])) < 1e-6
    assert np.abs(np.diff(out[20:, 0])).max() * 60 < 0.5 + 1e-6


@settings(deadline=None)
@given(distance=st.floats(0, 3), dt=st.floats(1e-3, 0.1))
def test_never_faster_towards_an_end_than_it_is_away(distance: float, dt: float) -> None:
    assert fastest_towards(distance, 60.0, dt) * dt <= distance + 1e-12


def test_a_joint_that_is_late_catches_up_without_overshooting() -> None:
    times = np.arange(120) / 60.0
    wanted = np.where(times < 0.5, -0.8, 0.5)  # a jump that no joint can follow
    q = kept(times, wanted)
    assert max(excess(times, q)) < 1e-6
    assert q.max() <= 0.5 + 1e-6
    np.testing.assert_allclose(q[times > 1.0], 0.5, atol=1e-6)


def test_a_joint_that_is_where_it_is_wished_stays_with_it() -> None:
    assert following(0.3, 0.3, 0.35, 0.01, 60.0) == pytest.approx(0.35)
    assert 0.3 < following(0.3, 0.5, 0.5, 0.01, 60.0) < 0.5
