"""The measures give what their definitions say: on known values, on the same thing twice, and on what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from bodydouble.hand_pose import metrics
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.simulation.moment import Visibility

seeds = st.integers(0, 2**32 - 1)


def cloud(seed: int, frames: int = 5, points: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, points, 3))


def uneven(frames: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(3).uniform(0.01, 0.05, frames))


def moved(points: np.ndarray, seed: int, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return scale * points @ Rotation.random(random_state=rng).as_matrix().T + rng.normal(size=3)


def test_a_motion_is_no_distance_from_itself():
    points, times = cloud(0), uneven(5)
    everywhere = np.ones((5, 12), dtype=bool)
    assert metrics.mpjpe(points, points) == 0
    assert metrics.pa_mpjpe(points, points) == pytest.approx(0, abs=1e-12)
    assert metrics.w_mpjpe(points, points, scale=True) == pytest.approx(0, abs=1e-12)
    assert metrics.accel_error(points, points, times) == 0
    assert metrics.foot_skate(np.broadcast_to(points[:1], points.shape), times, everywhere) == 0
    assert metrics.bone_length_variation(np.broadcast_to(points[:1], points.shape), [(0, 1), (2, 3)]) == pytest.approx(0, abs=1e-12)


def test_mpjpe_is_the_mean_distance_and_leaves_out_what_is_missing():
    truth = np.zeros((2, 2, 3))
    estimate = np.array([[[3.0, 4, 0], [0, 0, 1]], [[np.nan] * 3, [0, 0, 2]]])
    assert metrics.mpjpe(estimate, truth) == pytest.approx((5 + 1 + 2) / 3)


def test_root_aligned_mpjpe_does_not_see_where_the_person_is():
    points = cloud(1)
    shifted = points + np.random.default_rng(2).normal(size=(5, 1, 3))
    assert metrics.mpjpe(metrics.rooted(shifted, shifted[:, 0]), metrics.rooted(points, points[:, 0])) == pytest.approx(0, abs=1e-12)
    assert metrics.mpjpe(shifted, points) > 0.1


@settings(max_examples=40, deadline=None)
@given(seeds, seeds, st.floats(0.2, 5.0))
def test_pa_mpjpe_does_not_see_a_similarity_of_each_instant(seed, other, scale):
    points, truth = cloud(seed), cloud(other)
    each = np.stack([moved(frame, seed + number, scale) for number, frame in enumerate(points)])
    assert metrics.pa_mpjpe(each, truth) == pytest.approx(metrics.pa_mpjpe(points, truth), rel=1e-6)
    assert metrics.pa_mpjpe(each, points) == pytest.approx(0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.2, 5.0))
def test_w_mpjpe_does_not_see_one_motion_of_the_whole_recording(seed, scale):
    points = cloud(seed)
    assert metrics.w_mpjpe(moved(points, seed), points, scale=False) == pytest.approx(0, abs=1e-9)
    assert metrics.w_mpjpe(moved(points, seed, scale), points, scale=True) == pytest.approx(0, abs=1e-6)
    each = np.stack([moved(frame, seed + number) for number, frame in enumerate(points)])
    assert metrics.w_mpjpe(each, points, scale=True) > 0.1


@settings(max_examples=40, deadline=None)
@given(seeds, seeds)
def test_alignment_brings_the_squares_down_and_scale_brings_them_further_down(seed, other):
    source, target = cloud(seed, 1), cloud(other, 1)

    def squares(scale: bool) -> float:
        factor, rotation, shift = metrics.similarity(source, target, scale=scale)
        return float(np.sum((factor[0] * source[0] @ rotation[0].T + shift[0] - target[0]) ** 2))

    assert squares(True) <= squares(False) + 1e-9 <= float(np.sum((source - target) ** 2)) + 2e-9


def test_w_mpjpe_without_scale_sees_a_wrong_size():
    points = cloud(4)
    assert metrics.w_mpjpe(1.1 * points, points, scale=False) > 0.05
    assert metrics.w_mpjpe(1.1 * points, points, scale=True) == pytest.approx(0, abs=1e-9)


def test_alignment_never_mirrors():
    points = cloud(5)
    mirrored = points * [1, -1, 1]
    _, rotation, _ = metrics.similarity(mirrored, points)
    assert np.linalg.det(rotation) == pytest.approx(np.ones(5))
    assert metrics.pa_mpjpe(mirrored, points) > 0.1


def test_alignment_uses_the_points_that_both_have():
    truth, estimate = cloud(6), moved(cloud(6), 1, 2.0)
    estimate[0, 0], truth[1, 3] = np.nan, np.nan
    assert metrics.pa_mpjpe(estimate, truth) == pytest.approx(0, abs=1e-9)
    estimate[2, 2:] = np.nan  # two points can be laid onto two others in many ways
    assert np.isnan(metrics.similarity(estimate, truth)[0]).tolist() == [False, False, True, False, False]


def test_nothing_is_measured_of_nothing():
    nothing, times = np.full((5, 12, 3), np.nan), uneven(5)
    nowhere = np.zeros((5, 12), dtype=bool)
    figures = [
        metrics.mpjpe(nothing, nothing), metrics.pa_mpjpe(nothing, cloud(1)), metrics.w_mpjpe(nothing, cloud(1), scale=True),
        metrics.accel_error(nothing, cloud(1), times), metrics.jitter(nothing, times), metrics.bone_length_variation(nothing, [(0, 1)]),
        metrics.foot_skate(cloud(1), times, nowhere), metrics.coverage_95(nothing, nothing, np.full((5, 12), np.nan)),
        *metrics.median_and_p90([np.nan]).values(),
    ]  # fmt: skip
    assert np.isnan(figures).all()
    assert not metrics.foot_contact(nothing, times).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_a_recording_too_short_for_a_measure_has_none(frames):
    points, times = cloud(1, frames), uneven(frames)
    everywhere = np.ones((frames, 12), dtype=bool)
    assert math.isnan(metrics.jitter(points, times))
    assert math.isnan(metrics.accel_error(points, points, times)) == (frames < 3)
    assert math.isnan(metrics.foot_skate(points, times, everywhere)) == (frames < 2)
    assert math.isnan(metrics.bone_length_variation(points, [(0, 1)])) == (frames < 2)


def test_accelerations_and_jerks_are_those_of_the_true_times():
    times = uneven(30)[:, None, None]
    direction = np.array([0.0, 0.6, 0.8])
    assert metrics.accel_error(1.5 * times**2 * direction, 0 * times * direction, times.ravel()) == pytest.approx(3.0)
    assert metrics.jitter(2.0 * times**3 * direction, times.ravel()) == pytest.approx(12.0)
    assert metrics.jitter((times**2 + times) * direction, times.ravel()) == pytest.approx(0, abs=1e-6)


def test_an_instant_without_a_value_takes_its_neighbours_derivatives_with_it():
    points, times = cloud(7, 9), uneven(9)
    points[4] = np.nan
    halves = [metrics.jitter(points[:4], times[:4]), metrics.jitter(points[5:], times[5:])]
    assert metrics.jitter(points, times) == pytest.approx(np.mean(halves))


def test_two_frames_of_one_time_have_no_derivative():
    times = np.array([0.0, 0.1, 0.1, 0.2])
    assert math.isnan(metrics.jitter(cloud(1, 4), times))


def test_a_bones_variation_is_its_deviation_over_its_mean():
    points = np.zeros((4, 3, 3))
    points[:, 1, 0] = [0.9, 1.1, 0.9, 1.1]
    points[:, 2, 1] = [2.0, 2.0, np.nan, 2.0]
    assert metrics.bone_length_variation(points, [(0, 1)]) == pytest.approx(0.1)
    assert metrics.bone_length_variation(points, [(0, 1), (0, 2)]) == pytest.approx(0.05)


def test_feet_skate_by_their_horizontal_speed_while_they_stand():
    times = np.arange(6) * 0.1
    feet = np.zeros((6, 1, 3))
    feet[:, 0, 0], feet[:, 0, 2] = 0.02 * np.arange(6), 0.001 * np.arange(6)
    contact = np.array([[True], [True], [True], [False], [True], [False]])
    assert metrics.foot_skate(feet, times, contact) == pytest.approx(0.2)


def test_a_foot_stands_where_it_is_low_and_slow():
    times = np.arange(30) / 30
    feet = np.zeros((30, 1, 3))
    lift = np.clip(np.arange(30) - 14, 0, None)
    feet[:, 0, 0], feet[:, 0, 2] = 0.05 * lift, 0.02 * lift
    standing = metrics.foot_contact(feet, times)[:, 0]
    assert standing[:13].all()
    assert not standing[15:].any()
    assert metrics.foot_near_floor(feet)[:17].all()


@pytest.mark.parametrize("kind", ["covariance", "sigma"])
def test_the_95_percent_region_holds_95_percent(kind):
    rng = np.random.default_rng(0)
    truth, sigma = np.zeros((20_000, 3)), rng.uniform(0.001, 0.1, 20_000)
    errors = rng.normal(size=truth.shape) * sigma[:, None]
    spread = sigma if kind == "sigma" else sigma[:, None, None] ** 2 * np.eye(3)
    assert metrics.coverage_95(errors, truth, spread) == pytest.approx(0.95, abs=0.01)
    assert metrics.coverage_95(3 * errors, truth, spread) < 0.5
    assert pytest.approx(chi2.ppf(0.95, 3)) == metrics.CHI2_95


def test_a_covariance_knows_its_axes_and_a_sigma_takes_the_worst():
    spread = np.array([[1e-2, 0, 0], [0, 1e-6, 0], [0, 0, 1e-6]])[None]
    away = np.array([[0.0, 0.1, 0.0]])
    assert metrics.coverage_95(away, 0 * away, spread) == 0
    assert metrics.coverage_95(away[:, ::-1], 0 * away, np.full(1, 0.1)) == 1
    assert metrics.coverage_95(np.array([[0.1, 0, 0]]), 0 * away, spread) == 1


def test_a_hand_is_lost_beyond_100_mm_or_without_a_complete_estimate_and_not_in_the_mean():
    truth = np.random.default_rng(1).normal(size=(4, 75, 3))
    estimate = truth.copy()
    estimate[0, LEFT_HAND, 0] += 0.010
    estimate[1, LEFT_HAND, 1] += 0.030
    estimate[2, LEFT_HAND, 2] += 0.101
    estimate[3, 40] = np.nan
    counted = np.array([[True, False]] * 4)
    found = metrics.hand_errors(estimate, truth, counted)
    assert found.mkpe == pytest.approx(0.020)
    assert found.lost_track_ratio == pytest.approx(0.5)
    assert found.tracked[:, 0].tolist() == [True, True, False, False]


def test_what_is_not_counted_or_has_no_truth_is_in_no_figure():
    truth = np.random.default_rng(1).normal(size=(3, 75, 3))
    estimate = truth + 5.0
    truth[1] = np.nan
    counted = np.array([[False, False], [True, True], [False, False]])
    found = metrics.hand_errors(estimate, truth, counted)
    assert not found.counted.any()
    assert math.isnan(found.mkpe)
    assert math.isnan(found.lost_track_ratio)
    assert found.side_errors == 0


def test_hands_under_each_others_name_are_side_errors_each():
    truth = np.zeros((3, 75, 3))
    truth[:, LEFT_HAND, 1], truth[:, RIGHT_HAND, 1] = 0.3, -0.3
    estimate = truth.copy()
    estimate[0, LEFT_HAND], estimate[0, RIGHT_HAND] = truth[0, RIGHT_HAND], truth[0, LEFT_HAND]
    estimate[1, LEFT_HAND] = truth[1, RIGHT_HAND]
    counted = np.ones((3, 2), dtype=bool)
    assert metrics.hand_errors(estimate, truth, counted).side_errors == 3
    estimate[:] = np.nan
    assert metrics.hand_errors(estimate, truth, counted).side_errors == 0  # what is not there is lost, not on the wrong side


def test_a_hand_is_unoccluded_when_four_fifths_of_it_are_in_the_image_with_nothing_foreign_before_them():
    visibility = np.full((2, 75), Visibility.HIDDEN, dtype=np.uint8)
    visibility[0, LEFT_HAND.start : LEFT_HAND.start + 17] = Visibility.VISIBLE
    visibility[1, LEFT_HAND.start : LEFT_HAND.start + 16] = Visibility.VISIBLE
    visibility[1, RIGHT_HAND] = Visibility.SELF_HIDDEN
    assert metrics.unoccluded_hands(visibility).tolist() == [[True, False], [False, True]]


def test_percentiles_count_infinite_errors():
    assert metrics.median_and_p90([1.0, 2.0, 3.0, 4.0, np.inf, np.nan]) == {"median": 3.0, "p90": math.inf}
    assert metrics.median_and_p90([1.0, 2.0, np.inf]) == {"median": 2.0, "p90": math.inf}
    assert metrics.median_and_p90([1.0, 2.0]) == pytest.approx({"median": 1.5, "p90": 1.9})
