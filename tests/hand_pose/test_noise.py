"""How far a detection may be off: what makes it more, and what residuals say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.noise import KINDS, LARGEST, MIN_ERROR_PX, MIN_HAND_ERROR_PX, SMALLEST, expected_error_px, kinds, rescaled


@pytest.fixture(scope="module")
def noisy(make_simulated):
    return make_simulated(frames=2, noise_px=6.0)


def kind(name: str) -> str:
    return KINDS[kinds()[LANDMARK_NAMES.index(name)]]


def test_every_landmark_has_a_kind():
    assert kind("left_shoulder") == "body joint"
    assert kind("mouth_left") == kind("right_eye_inner") == kind("left_pinky") == "body surface"
    assert kind("left_hand_wrist") == kind("right_hand_thumb_cmc") == kind("left_hand_little_mcp") == "palm"
    assert kind("left_hand_thumb_mcp") == kind("right_hand_index_dip") == "finger"
    assert kind("left_hand_middle_tip") == kind("left_hand_thumb_tip") == "tip"
    assert kind("right_hand_little_tip") == kind("right_hand_ring_pip") == "outer finger"


def test_the_expected_error_grows_with_the_person_in_the_image_but_has_a_floor(noisy, hide):
    sigma = expected_error_px(noisy.landmarks)
    half = Landmarks(noisy.landmarks.cameras, noisy.landmarks.times_s, noisy.landmarks.pixels / 2, noisy.landmarks.confidence,
                     noisy.landmarks.shape_m)  # fmt: skip
    np.testing.assert_allclose(expected_error_px(half)[..., 11:17], sigma[..., 11:17] / 2)
    tiny = Landmarks(noisy.landmarks.cameras, noisy.landmarks.times_s, noisy.landmarks.pixels / 100, noisy.landmarks.confidence,
                     noisy.landmarks.shape_m)  # fmt: skip
    assert expected_error_px(tiny)[..., :33].min() == MIN_ERROR_PX
    assert expected_error_px(tiny)[..., 33:].min() == MIN_HAND_ERROR_PX
    hidden = np.zeros((4, 2, 75), dtype=bool)
    hidden[0, 0] = True
    assert np.isnan(expected_error_px(hide(noisy.landmarks, hidden))[0, 0]).all()


def with_score(landmarks: Landmarks, score: float) -> Landmarks:
    confidence = np.array(landmarks.confidence)
    confidence[:, :, LEFT_HAND] = score
    return replace(landmarks, confidence=confidence)


def test_a_hand_that_the_model_is_less_sure_of_may_be_further_off(noisy):
    errors = [np.median(expected_error_px(with_score(noisy.landmarks, score))[..., LEFT_HAND]) for score in (0.99, 0.9, 0.6)]
    assert errors[0] < errors[1] < errors[2] < 20 * errors[0]
    others = [expected_error_px(with_score(noisy.landmarks, score))[..., RIGHT_HAND] for score in (0.99, 0.6)]
    np.testing.assert_array_equal(*others)


def test_a_hand_that_moves_fast_in_the_image_may_be_further_off(noisy):
    pixels = np.array(noisy.landmarks.pixels)
    pixels[:, 1, LEFT_HAND] = pixels[:, 0, LEFT_HAND]
    still = expected_error_px(replace(noisy.landmarks, pixels=pixels))[:, 0, LEFT_HAND]
    pixels[:, 1, LEFT_HAND] += 60.0
    assert (expected_error_px(replace(noisy.landmarks, pixels=pixels))[:, 0, LEFT_HAND] > still).all()


@pytest.mark.filterwarnings("error")
def test_gaps_in_time_and_single_frames_give_numbers_without_warnings(noisy, hide):
    hidden = np.zeros((4, 2, 75), dtype=bool)
    hidden[0, 0, LEFT_HAND] = True
    landmarks = hide(noisy.landmarks, hidden)
    sigma = expected_error_px(landmarks)
    assert np.isnan(sigma[0, 0, LEFT_HAND]).all()
    assert np.isfinite(np.delete(sigma.reshape(4, -1), 0, axis=0)).all()


def test_the_scale_of_a_camera_and_kind_is_found_from_residuals_and_drawn_to_the_default_where_they_are_few():
    rng = np.random.default_rng(0)
    scaled = rng.normal(0, 1.0, (2, 200, 75, 2))
    scaled[1, :, LEFT_HAND] *= 2.0
    weight, sigma = np.ones((2, 200, 75)), np.full((2, 200, 75), 0.01)
    found = rescaled(sigma, weight, scaled) / sigma
    np.testing.assert_allclose(found[0], 1.0, atol=0.03)
    palm, tip = (LANDMARK_NAMES.index(f"left_hand_{name}") for name in ("wrist", "index_tip"))
    assert 1.2 < found[1, 0, palm] < 2.0  # both hands share a kind: half of the residuals are twice as large
    assert found[1, 0, 11] == pytest.approx(1.0, abs=0.05)
    few = np.zeros_like(weight)
    few[:, :2] = 1.0
    assert 1.0 < (rescaled(sigma, few, scaled) / sigma)[1, 0, tip] < 1.15
    assert (rescaled(sigma, 0 * weight, scaled) == sigma).all()


def test_the_scale_stays_within_bounds():
    sigma, weight = np.full((1, 500, 75), 0.01), np.ones((1, 500, 75))
    assert (rescaled(sigma, weight, np.zeros((1, 500, 75, 2))) / sigma).min() == pytest.approx(SMALLEST)
    assert (rescaled(sigma, weight, np.full((1, 500, 75, 2), 1e3)) / sigma).max() == pytest.approx(LARGEST)
