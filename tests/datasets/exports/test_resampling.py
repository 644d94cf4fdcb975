"""From true times to a steady rate: values between their neighbours, masks never better than they were, nothing invented."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.datasets.exports.resampling import SAME_TIME_S, Resampler, filled, nearest_frames, steady_times
from bodydouble.hand_pose.human_motion import Source


def uneven(seed: int, frames: int = 40) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.05, frames))


@given(seed=st.integers(0, 500), rate=st.floats(1.0, 200.0))
@settings(max_examples=40, deadline=None)
def test_steady_times_stay_inside_and_are_evenly_spaced(seed, rate):
    times = uneven(seed)
    steady = steady_times(times, rate)
    assert steady[0] == times[0]
    assert steady[-1] <= times[-1] + 1e-6
    assert times[-1] - steady[-1] < 1 / rate + 1e-6
    np.testing.assert_allclose(np.diff(steady), 1 / rate)


@given(seed=st.integers(0, 500), rate=st.floats(5.0, 200.0))
@settings(max_examples=40, deadline=None)
def test_a_straight_line_stays_one_and_limits_hold(seed, rate):
    times = uneven(seed)
    steady = steady_times(times, rate)
    resampler = Resampler(times, steady)
    # A sample that is all but on a stored frame takes that frame's value.
    np.testing.assert_allclose(resampler.values(3.0 * times[:, None] - 1.0)[:, 0], 3.0 * steady - 1.0, rtol=0, atol=3.1 * SAME_TIME_S)
    noisy = np.random.default_rng(seed).uniform(-0.5, 0.5, (len(times), 3))
    assert np.abs(resampler.values(noisy)).max() <= 0.5


def test_stored_frames_come_back_exactly_at_their_own_rate():
    times = np.arange(30) / 30.0
    values = np.random.default_rng(0).normal(size=(30, 4))
    resampler = Resampler(times, steady_times(times, 30.0))
    np.testing.assert_array_equal(resampler.values(values), values)


def test_a_value_is_as_doubtful_as_its_more_doubtful_neighbour():
    times = np.arange(5) / 10.0
    source = np.array([1, 1, 2, 3, 0], np.uint8)
    resampler = Resampler(times, np.array([0.0, 0.05, 0.1, 0.15, 0.25, 0.3, 0.35, 0.4]))
    assert resampler.sources(source).tolist() == [1, 1, 1, 2, 3, 3, 0, 0]
    values = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    assert np.isnan(resampler.values(values)).tolist() == [False, False, False, False, False, False, True, True]


def test_what_is_put_into_a_gap_is_interpolated_and_not_observed():
    times = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 1.1])
    found = Resampler(times, np.array([0.1, 0.15, 0.5, 0.95])).sources(np.ones(6, np.uint8))
    assert found.tolist() == [Source.OBSERVED, Source.OBSERVED, Source.INTERPOLATED, Source.OBSERVED]


@given(seed=st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_poses_turn_at_a_steady_speed_and_stay_unit(seed):
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    times = uneven(seed)
    rate = rng.uniform(0.1, 3.0)
    poses = np.concatenate([times[:, None] * [1, 2, 3], Rotation.from_rotvec(rate * times[:, None] * axis).as_quat()], axis=1)
    poses[::3, 3:] *= -1  # the same turns
    at = steady_times(times, 47.0)
    found = Resampler(times, at).poses(poses)
    np.testing.assert_allclose(np.linalg.norm(found[:, 3:], axis=1), 1.0)
    wanted = Rotation.from_rotvec(rate * at[:, None] * axis)
    assert (wanted.inv() * Rotation.from_quat(found[:, 3:])).magnitude().max() < 1e-6
    assert (np.sum(found[1:, 3:] * found[:-1, 3:], axis=1) > 0).all()


def test_a_pose_beside_a_missing_one_is_missing():
    poses = np.tile([0, 0, 0, 0, 0, 0, 1.0], (4, 1))
    poses[2] = np.nan
    found = Resampler(np.arange(4.0), np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])).poses(poses)
    assert np.isnan(found[:, 0]).tolist() == [False, False, False, True, True, True, False]
    assert np.isnan(Resampler(np.arange(4.0), np.arange(4.0)).poses(np.full((4, 7), np.nan))).all()


def test_the_nearest_frame_is_shown_and_an_old_one_is_held_and_says_so():
    capture = np.array([0.0, 0.1, np.nan, np.nan, 0.4, 0.5])
    frame, fresh = nearest_frames(capture, np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5]))
    assert frame.tolist() == [0, 1, 1, 1, 4, 5]
    assert fresh.tolist() == [True, True, False, False, True, True]


def test_a_slow_camera_is_not_held_at_a_fast_rate_and_one_without_frames_has_none():
    _, fresh = nearest_frames(np.arange(10) / 10.0, np.arange(45) / 50.0)
    assert fresh.all()
    frame, fresh = nearest_frames(np.full(4, np.nan), np.arange(4.0))
    assert (frame == -1).all()
    assert not fresh.any()


def test_a_fill_is_the_last_known_value_else_zero():
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan], [3.0, 4.0]])
    assert filled(values).tolist() == [[0.0, 1.0], [2.0, 1.0], [2.0, 1.0], [3.0, 4.0]]
