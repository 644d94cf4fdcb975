"""Rays and their pull: exact at the truth, the derivative of the cost elsewhere, blind to what was not seen."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import FisheyeCamera, MountedCamera, PinholeCamera, Rig
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.hand_pose.noise import expected_error_px
from bodydouble.hand_pose.observations import MIN_VISIBILITY, Observations

EPSILON = 1e-6


def pull(seen: Observations, points: np.ndarray, frame: int, *, widen: float = 1.0):
    """Information, gradient and cost of one frame."""
    information, gradient, cost = seen.select(np.array([frame])).pull(points[None], widen=widen)
    return information[0], gradient[0], cost[0]


@pytest.fixture(scope="module")
def exact(make_simulated):
    return make_simulated(frames=2, noise_px=0.0)


@pytest.fixture(scope="module")
def noisy(make_simulated):
    return make_simulated(frames=2, noise_px=6.0)


def test_the_truth_has_no_residual_and_lies_before_the_cameras(exact):
    seen = Observations.of(exact.landmarks, exact.rig)
    scaled, depth = (array[:, 0] for array in seen.residuals(exact.points))
    assert np.abs(scaled).max() < 1e-6
    assert depth.min() > 1.0
    _, gradient, cost = pull(seen, exact.points[0], 0)
    assert cost < 1e-9
    assert np.abs(gradient).max() < 1e-3


def test_a_residual_is_the_reprojection_error_in_pixels_over_its_sigma(noisy):
    seen = Observations.of(noisy.landmarks, noisy.rig)
    scaled, _ = (array[:, 0] for array in seen.residuals(noisy.points))
    camera = noisy.rig.cameras["cam1"]
    T = np.linalg.inv(camera.T_body_camera)
    error_px = np.linalg.norm(camera.model.project(noisy.points[0] @ T[:3, :3].T + T[:3, 3]) - noisy.landmarks.pixels[1, 0], axis=-1)
    expected = error_px / expected_error_px(noisy.landmarks)[1, 0]
    # Angles a pixel differ over the image, by (f / distance)^2: a fifth at the edge of this one.
    np.testing.assert_allclose(np.linalg.norm(scaled[1], axis=-1), expected, rtol=0.25)


@pytest.mark.parametrize("widen", [1.0, 4.0])
def test_the_gradient_is_half_the_derivative_of_the_cost(noisy, widen):
    seen = Observations.of(noisy.landmarks, noisy.rig)
    points = noisy.points[1] + np.random.default_rng(0).normal(0, 0.02, (75, 3))
    _, gradient, _ = pull(seen, points, 1, widen=widen)
    for landmark in (0, 15, 28, 40, 70):
        for axis in range(3):
            step = np.zeros((75, 3))
            step[landmark, axis] = EPSILON
            numeric = (pull(seen, points + step, 1, widen=widen)[2] - pull(seen, points - step, 1, widen=widen)[2]) / (2 * EPSILON)
            assert 2 * gradient[landmark, axis] == pytest.approx(numeric, rel=1e-4, abs=1e-2)


def test_the_information_is_half_the_second_derivative_at_the_truth(exact):
    seen = Observations.of(exact.landmarks, exact.rig)
    information, _, _ = pull(seen, exact.points[0], 0)
    rng = np.random.default_rng(1)
    for landmark in (0, 14, 27, 45):
        direction = rng.normal(size=3)
        step = np.zeros((75, 3))
        step[landmark] = 1e-5 * direction
        second = (pull(seen, exact.points[0] + step, 0)[2] + pull(seen, exact.points[0] - step, 0)[2]) / 1e-10
        assert 2 * direction @ information[landmark] @ direction == pytest.approx(second, rel=1e-3)


def test_an_outlier_keeps_a_pull_that_gets_smaller_with_distance(exact):
    seen = Observations.of(exact.landmarks, exact.rig)
    pulls = [np.linalg.norm(pull(seen, exact.points[0] + [0.0, away, 0.0], 0)[1], axis=-1).mean() for away in (0.02, 0.3, 0.9)]
    assert pulls[0] > pulls[1] > pulls[2] > 0


def test_what_was_not_seen_pulls_nothing(noisy, hide):
    hidden = np.zeros((4, 2, 75), dtype=bool)
    hidden[:, 0, 40] = True
    seen = Observations.of(hide(noisy.landmarks, hidden), noisy.rig)
    information, gradient, cost = pull(seen, noisy.points[0], 0)
    assert not information[40].any()
    assert not gradient[40].any()
    assert np.isfinite(information).all()
    assert np.isfinite(gradient).all()
    assert np.isfinite(cost)


def test_points_behind_a_camera_pull_nothing_and_break_nothing(noisy):
    seen = Observations.of(noisy.landmarks, noisy.rig)
    behind = noisy.points[0] + 6.0 * seen.origins[0, 0]
    information, gradient, cost = pull(seen, behind, 0)
    assert np.isfinite(information).all()
    assert np.isfinite(gradient).all()
    assert np.isfinite(cost)


def test_guesses_of_hidden_limbs_count_nothing_and_sure_ones_more(noisy):
    confidence = np.array(noisy.landmarks.confidence)
    confidence[:, :, 15], confidence[:, :, 16] = MIN_VISIBILITY - 0.01, 0.6
    landmarks = Landmarks(noisy.landmarks.cameras, noisy.landmarks.times_s, noisy.landmarks.pixels, confidence, noisy.landmarks.shape_m)
    weight = Observations.of(landmarks, noisy.rig).weight
    assert (weight[:, :, 15] == 0).all()
    assert 0 < weight[0, 0, 16] < weight[0, 0, 14]


def test_a_fisheye_ray_beyond_a_right_angle_pulls_like_any_other():
    """A camera that looks straight up still sees a person who stands beside it."""
    model = FisheyeCamera((1600, 1600), (400.0, 400.0), (799.5, 799.5))
    T = np.eye(4)
    T[:3, 3] = [0.0, 0.0, 1.2]
    rig = Rig("up", ("room",), {"up": MountedCamera("up", model, "room", T)})
    points = np.tile([2.0, 0.5, 0.9], (75, 1)) + np.random.default_rng(0).normal(0, 0.1, (75, 3))
    pixels = model.project(points - T[:3, 3])
    landmarks = Landmarks(("up",), np.zeros((1, 1)), pixels[None, None], np.ones((1, 1, 75)), np.zeros((1, 1, 75, 3)))
    seen = Observations.of(landmarks, rig)
    assert (seen.rays[0, 0, :, 2] < 0).any()
    scaled, depth = seen.residuals(points[None])
    assert np.abs(scaled).max() < 1e-6
    assert (depth > 0).all()
    _, gradient, _ = pull(seen, points + np.array([0.0, 0.05, 0.0]), 0)
    assert (gradient[:, 1] > 0).all()


def test_frames_can_be_chosen_and_cost_alone_is_the_same(noisy):
    seen = Observations.of(noisy.landmarks, noisy.rig)
    points = noisy.points + np.random.default_rng(3).normal(0, 0.02, noisy.points.shape)
    whole = seen.select(np.arange(2)).pull(points, widen=2.0)
    second = seen.select(np.arange(2)).select(np.array([1])).pull(points[1:], widen=2.0)
    for one, two in zip(whole, second, strict=True):
        np.testing.assert_array_equal(one[1:], two)
    np.testing.assert_allclose(seen.select(np.arange(2)).cost(points, widen=2.0), whole[2])


def test_the_sums_do_not_depend_on_the_order_of_cameras(noisy):
    one = Observations.of(noisy.landmarks, noisy.rig)
    two = Observations.of(noisy.landmarks.select(noisy.landmarks.cameras[::-1]), noisy.rig)
    for first, second in zip(pull(one, noisy.points[0], 0), pull(two, noisy.points[0], 0), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9 * np.abs(first).max())


def test_nobody_at_all_is_no_error(noisy, hide):
    seen = Observations.of(hide(noisy.landmarks, np.ones((4, 2, 75), dtype=bool)), noisy.rig)
    assert not seen.weight.any()
    assert pull(seen, noisy.points[0], 0)[2] == 0.0


def test_pixels_that_a_model_cannot_see_have_no_weight():
    model = PinholeCamera((100, 100), (50.0, 50.0), (49.5, 49.5), (-0.9, 0.0, 0.0, 0.0, 0.0))
    rig = Rig("bent", ("room",), {"c": MountedCamera("c", model, "room", np.eye(4))})
    pixels = np.full((1, 1, 75, 2), 49.5)
    pixels[0, 0, 5] = 5000.0
    seen = Observations.of(Landmarks(("c",), np.zeros((1, 1)), pixels, np.ones((1, 1, 75)), np.zeros((1, 1, 75, 3))), rig)
    assert seen.weight[0, 0, 5] == 0
    assert (np.delete(seen.weight[0, 0], 5) > 0).all()
