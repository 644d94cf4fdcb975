"""The whole trajectory: smoothing that removes noise but not motion."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose import trajectory_fit
from bodydouble.hand_pose.batched_kinematics import symmetric
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import PosePrior, linearise
from bodydouble.hand_pose.trajectory_fit import acceleration_information, smooth_trajectory, temporal_covariance


@pytest.fixture(scope="module")
def smoothed(simulated):
    seen = Observations.of(simulated.landmarks, simulated.rig)
    human = simulated.human
    rng = np.random.default_rng(0)
    rough = np.stack([human.integrate(q, rng.normal(0, 0.03, human.nv)) for q in simulated.configurations])
    return rough, smooth_trajectory(human, rough, seen, simulated.times_s)


def acceleration(simulated, poses: np.ndarray) -> float:
    """Root mean square second difference of the landmarks over true times (m/s^2)."""
    points, times = np.stack([simulated.human.landmarks(q) for q in poses]), simulated.times_s
    speed = np.diff(points, axis=0) / np.diff(times)[:, None, None]
    middle = (times[2:] - times[:-2]) / 2
    return float(np.sqrt(np.mean((np.diff(speed, axis=0) / middle[:, None, None]) ** 2)))


def test_smoothing_takes_out_noise(simulated, smoothed):
    rough, fine = smoothed
    assert acceleration(simulated, fine) < 0.05 * acceleration(simulated, rough)
    assert acceleration(simulated, fine) > 0.9 * acceleration(simulated, simulated.configurations)


def test_smoothing_takes_out_no_motion(simulated, smoothed):
    """What is left is within the noise of two pixels, and the range of the motion stays."""
    fine = np.stack([simulated.human.landmarks(q) for q in smoothed[1]])
    error = np.linalg.norm(fine - simulated.points, axis=-1)
    assert np.median(error) < 0.003
    for landmark in (15, 16, 41, 62):
        true, found = np.ptp(simulated.points[:, landmark], axis=0), np.ptp(fine[:, landmark], axis=0)
        np.testing.assert_allclose(found, true, atol=0.012)


def test_the_start_is_left_as_it_was(simulated, smoothed):
    rng = np.random.default_rng(0)
    human = simulated.human
    rough = np.stack([human.integrate(q, rng.normal(0, 0.03, human.nv)) for q in simulated.configurations])
    assert np.array_equal(smoothed[0], rough)


def test_a_gap_is_bridged_at_steady_speed_in_true_time(simulated, hide):
    """Five frames unseen, of unequal lengths: the fill follows the motion, and not the count of frames."""
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, 12:17] = True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    start = np.array(simulated.configurations)
    start[12:17] = start[11]
    fine = smooth_trajectory(simulated.human, start, seen, simulated.times_s, iterations=6)
    points = np.stack([simulated.human.landmarks(q) for q in fine[12:17]])
    error = np.linalg.norm(points - simulated.points[12:17], axis=-1)
    stays = np.linalg.norm(simulated.points[11] - simulated.points[12:17], axis=-1)
    assert np.median(error) < 0.015
    assert np.median(error) < 0.25 * np.median(stays)


def test_windows_join_without_a_step(simulated, smoothed, monkeypatch):
    monkeypatch.setattr(trajectory_fit, "WINDOW", 14)
    monkeypatch.setattr(trajectory_fit, "OVERLAP", 6)
    seen = Observations.of(simulated.landmarks, simulated.rig)
    reports = []
    fine = smooth_trajectory(simulated.human, smoothed[0], seen, simulated.times_s, report=lambda done, total: reports.append(done / total))
    whole, parts = (np.stack([simulated.human.landmarks(q) for q in poses]) for poses in (smoothed[1], fine))
    assert np.abs(whole - parts).max() < 0.01
    assert acceleration(simulated, fine) < 1.3 * acceleration(simulated, smoothed[1])
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


@pytest.mark.parametrize("frames", [1, 2])
def test_one_or_two_frames_are_a_trajectory_too(simulated, frames):
    seen = Observations.of(simulated.landmarks, simulated.rig)
    fine = smooth_trajectory(simulated.human, simulated.configurations[:frames], seen, simulated.times_s[:frames])
    assert fine.shape == simulated.configurations[:frames].shape
    points = np.stack([simulated.human.landmarks(q) for q in fine])
    assert np.median(np.linalg.norm(points - simulated.points[:frames], axis=-1)) < 0.005


def test_the_pelvis_is_the_steadiest_and_fingers_the_quickest(simulated):
    information = acceleration_information(simulated.human)
    elbow, tip = (information[simulated.human.columns(name)][0] for name in ("left_elbow_flexion", "left_index_dip"))
    assert information[0] > elbow > tip > 0


def test_the_covariance_with_time_is_smaller_than_a_frames_own_and_windows_change_it_little(simulated, monkeypatch):
    seen = Observations.of(simulated.landmarks, simulated.rig)
    ((_, whole),) = temporal_covariance(simulated.human, simulated.configurations, seen, simulated.times_s, correlated=1.0)
    own = linearise(simulated.human, simulated.configurations, seen.select(np.arange(30)), PosePrior.of(simulated.human)).hessian
    alone = np.linalg.inv(symmetric(own))
    diagonal = np.arange(simulated.human.nv)
    assert (whole[:, diagonal, diagonal] <= alone[:, diagonal, diagonal] * 1.001).all()
    assert np.linalg.eigvalsh(whole).min() > 0
    monkeypatch.setattr(trajectory_fit, "WINDOW", 24)
    found = list(temporal_covariance(simulated.human, simulated.configurations, seen, simulated.times_s, correlated=1.0, margin=8))
    assert [part.start for part, _ in found] == [0, 8, 16, 24]
    parts = np.concatenate([block for _, block in found])
    ratio = parts[:, diagonal, diagonal] / whole[:, diagonal, diagonal]
    assert np.quantile(ratio, 0.02) > 0.9
    assert np.quantile(ratio, 0.98) < 1.5
