"""From few frames to all: keys, levels, limbs that were not seen, and frames that show the wrong thing."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, difference, integrate
from bodydouble.hand_pose.each_frame import KEY_STRIDE, fill_in, fit_keys, interpolated, key_frames
from bodydouble.hand_pose.landmarks import LEFT_HAND
from bodydouble.hand_pose.observations import Observations


def test_key_frames_are_the_best_seen_of_their_run_and_never_far_apart():
    score = np.random.default_rng(0).uniform(size=1000)
    keys = key_frames(np.arange(1000), score)
    assert np.diff(keys).max() < 2 * KEY_STRIDE
    assert score[keys].mean() > 0.85
    short = key_frames(np.array([2, 3, 7]), score[:9])
    assert short.tolist() == [2, 3, 7]


def test_configurations_between_two_are_between_them(simulated):
    poses, times = simulated.configurations, simulated.times_s
    middle = interpolated(poses[[0, 10]], times[[0, 10]], times[[5]])
    share = (times[5] - times[0]) / (times[10] - times[0])
    np.testing.assert_allclose(difference(poses[:1], middle), share * difference(poses[:1], poses[10:11]), atol=1e-9)
    np.testing.assert_allclose(interpolated(poses[[3]], times[[3]], times[[0, 9]]), poses[[3, 3]])


@pytest.fixture(scope="module")
def keys() -> np.ndarray:
    return np.array([2, 10, 18, 26])


def fitted(simulated, landmarks, keys) -> np.ndarray:
    """Landmarks (T, 75, 3) from key poses that are right and starts that are useless."""
    seen = Observations.of(landmarks, simulated.rig)
    rest = np.tile(simulated.human.rest, (30, 1))
    rest[:, :7] = simulated.configurations[:, :7]
    poses = fill_in(
        simulated.human, seen, simulated.times_s, keys, simulated.configurations[keys], lambda frames: rest[frames], np.ones(30, dtype=bool)
    )
    return BatchedKinematics.of(simulated.human, poses).landmarks


def test_all_frames_are_found_from_a_few(simulated, keys):
    error = np.linalg.norm(fitted(simulated, simulated.landmarks, keys) - simulated.points, axis=-1)
    assert np.median(error) < 0.005
    assert error.max() < 0.04


def test_a_hand_that_was_not_seen_for_some_frames_goes_from_where_it_was_to_where_it_is(simulated, keys, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, 12:16, LEFT_HAND] = True
    found = fitted(simulated, hide(simulated.landmarks, hidden), keys)
    error = np.linalg.norm(found - simulated.points, axis=-1)[12:16, LEFT_HAND]
    assert np.median(error) < 0.02


def test_frames_that_show_nothing_are_between_their_neighbours(simulated, keys, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, 13:15] = True
    error = np.linalg.norm(fitted(simulated, hide(simulated.landmarks, hidden), keys) - simulated.points, axis=-1)[13:15]
    assert np.median(error) < 0.02


def test_keys_that_start_from_far_off_are_put_right_by_those_beside_them(simulated):
    keys = np.arange(0, 30, 3)
    seen = Observations.of(simulated.landmarks, simulated.rig)

    def start(frames: np.ndarray) -> np.ndarray:
        starts = simulated.configurations[frames].copy()
        shaken = np.random.default_rng(1).normal(0, 0.6, (len(frames), simulated.human.nv))
        shaken[::2] *= 0.1
        return integrate(starts, shaken)

    poses = fit_keys(simulated.human, seen, simulated.times_s, keys, start)
    error = np.linalg.norm(BatchedKinematics.of(simulated.human, poses).landmarks - simulated.points[keys], axis=-1)
    assert np.median(error) < 0.005
    assert np.percentile(error, 95) < 0.02
