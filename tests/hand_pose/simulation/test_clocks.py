"""Clocks of simulated cameras: what is stamped, what is true, what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.simulation.clocks import CameraClock, camera_clocks, moment_times
from bodydouble.hand_pose.simulation.faults import Faults


@pytest.mark.parametrize(("seconds", "count"), [(2, 60), (1 / 30, 1), (0.001, 1), (0.1, 3), (0.11, 4), (10, 300)])
def test_the_rig_is_triggered_thirty_times_a_second_before_the_end(seconds, count):
    times = moment_times(seconds)
    assert len(times) == count
    np.testing.assert_array_equal(times, np.arange(count) / 30)


def test_a_good_clock_is_exact():
    times = moment_times(1.0)
    np.testing.assert_array_equal(CameraClock().true_times(times), times)


def test_an_offset_and_a_drift_are_true_time_minus_stamped_time():
    times = moment_times(2.0)
    found = CameraClock(offset_s=-0.012, drift=0.001).true_times(times)
    np.testing.assert_allclose(found - times, -0.012 + 0.001 * times, atol=1e-15)


def test_dropped_frames_are_the_share_asked_for_and_never_the_ends():
    clocks = camera_clocks(("a", "b"), 200, Faults(dropped={"b": 0.05}), seed=3)
    assert clocks["a"].filmed(200).all()
    missing = np.flatnonzero(~clocks["b"].filmed(200))
    assert len(missing) == 10
    assert {0, 199}.isdisjoint(missing)


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_the_shortest_recordings_keep_a_frame_of_every_camera(moments):
    clock = camera_clocks(("a",), moments, Faults(dropped={"a": 0.9}), seed=0)["a"]
    assert clock.filmed(moments).sum() == max(1, min(moments, 2))


def test_the_same_seed_drops_the_same_frames_and_another_drops_others():
    faults = Faults(dropped={"a": 0.05})
    first, again, other = (camera_clocks(("a",), 300, faults, seed=seed)["a"].dropped for seed in (1, 1, 2))
    assert first == again
    assert first != other
