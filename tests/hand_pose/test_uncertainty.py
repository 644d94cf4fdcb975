"""How sure a fit says it is: right for what was seen, wider for what was not, longest where nothing tells."""

from __future__ import annotations

import numpy as np

from bodydouble.hand_pose import metrics
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.uncertainty import detection_error_m, inferred_error, model_error, single_view_covariance, uncertainty


def test_the_truth_lies_within_the_regions_of_a_fit(simulated, estimated):
    assert metrics.coverage_95(estimated.landmarks, simulated.points, estimated.spread()) > 0.95


def test_what_was_not_seen_is_less_sure(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, :, RIGHT_HAND] = True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    found = uncertainty(simulated.human, simulated.configurations, seen, simulated.times_s).landmark_covariance
    size = np.sqrt(np.linalg.eigvalsh(found)[..., -1])
    assert (np.median(size[:, RIGHT_HAND], axis=0) > 1.5 * np.median(size[:, LEFT_HAND], axis=0)).mean() > 0.8
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, np.swapaxes(found, 2, 3), atol=1e-12)


def test_the_error_of_one_detection_is_its_angle_times_its_distance(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[1:], hidden[:, 3] = True, True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    found = detection_error_m(simulated.human, simulated.configurations, seen)
    distance = np.linalg.norm(simulated.points - seen.origins[0, :, None], axis=-1)
    np.testing.assert_allclose(found[0], seen.sigma_rad[0, 0] * distance[0], rtol=1e-6)
    assert not found[3].any()


def test_a_hand_that_one_camera_saw_is_unsure_along_the_ray_alone(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[1:, :, LEFT_HAND] = True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    found = single_view_covariance(simulated.points, seen, 0.05)
    assert not found[:, RIGHT_HAND].any()
    away = simulated.points[0, LEFT_HAND] - seen.origins[0, 0]
    values, vectors = np.linalg.eigh(found[0, LEFT_HAND])
    np.testing.assert_allclose(np.sqrt(values[:, 2]), 0.05 * np.linalg.norm(away, axis=1))
    assert (np.abs(np.sum(vectors[:, :, 2] * away, axis=1)) > 0.999 * np.linalg.norm(away, axis=1)).all()
    assert np.abs(values[:, :2]).max() < 1e-9


def test_every_landmark_has_an_error_of_the_model():
    assert model_error().shape == inferred_error().shape == (75,)
    assert (model_error() > 0.001).all()
    assert inferred_error()[LANDMARK_NAMES.index("left_hip")] > inferred_error()[LANDMARK_NAMES.index("left_knee")]
