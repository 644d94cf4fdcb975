"""The measure leaves nothing out: every camera, frame and main joint that the pose model was sure of counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.errors import UnknownNameError
from bodydouble.hand_pose.landmarks import MAIN_JOINTS
from bodydouble.hand_pose.reprojection import MIN_VISIBILITY, reprojection_residuals


@pytest.fixture
def truth(simulated, estimated):
    """The motion with the true landmarks in it, so that the residuals are the noise itself."""
    return replace(estimated, landmarks=simulated.points)


def test_at_the_truth_only_the_noise_is_left(simulated, truth):
    found = reprojection_residuals(truth, simulated.landmarks, simulated.rig)
    assert found.error_px.shape == (4, 30, 12)
    assert np.isfinite(found.error_px).all()
    assert found.median_px == pytest.approx(2.0 * 1.177, rel=0.1)  # median and 95th percentile of a Rayleigh distribution
    assert found.p95_px == pytest.approx(2.0 * 2.448, rel=0.1)
    assert found.relabelled_share == 0.0


def test_an_outlier_is_counted_and_not_thrown_away(simulated, truth):
    pixels = np.array(simulated.landmarks.pixels)
    pixels[0, 0, 15] += [300.0, 400.0]
    found = reprojection_residuals(truth, replace(simulated.landmarks, pixels=pixels), simulated.rig)
    assert found.error_px[0, 0, MAIN_JOINTS.index(15)] == pytest.approx(500, abs=10)


def test_only_what_the_pose_model_saw_counts(simulated, truth):
    confidence = np.array(simulated.landmarks.confidence)
    confidence[1, :, 16], confidence[2, :, 16] = MIN_VISIBILITY - 0.01, MIN_VISIBILITY
    found = reprojection_residuals(truth, replace(simulated.landmarks, confidence=confidence), simulated.rig)
    column = MAIN_JOINTS.index(16)
    assert np.isnan(found.error_px[1, :, column]).all()
    assert np.isfinite(found.error_px[2, :, column]).all()
    assert np.isnan(found.error_px).sum() == 30


def test_views_are_compared_under_the_label_that_the_fit_gave_them(simulated, truth):
    swap = np.zeros((4, 30), dtype=bool)
    swap[2, :15] = True
    wrong = simulated.landmarks.exchanged(swap)
    relabelled = replace(truth, relabelled=swap.astype(np.uint8))
    assert reprojection_residuals(relabelled, wrong, simulated.rig).p95_px < 6
    assert reprojection_residuals(relabelled, wrong, simulated.rig).relabelled_share == pytest.approx(15 / 120)
    assert reprojection_residuals(truth, wrong, simulated.rig).p95_px > 50


def test_the_relabelled_share_is_of_views_with_a_person(simulated, truth):
    labels = np.zeros((4, 30), dtype=np.uint8)
    labels[0, :10], labels[1:] = 1, 255
    assert reprojection_residuals(replace(truth, relabelled=labels), simulated.landmarks, simulated.rig).relabelled_share == 10 / 30


def test_a_fit_behind_a_camera_is_infinitely_far(simulated, truth):
    behind = replace(truth, landmarks=simulated.points + 3.0 * simulated.rig.cameras["cam0"].T_body_camera[:3, 3])
    assert np.isinf(reprojection_residuals(behind, simulated.landmarks, simulated.rig).error_px[0]).all()


def test_a_missing_fit_is_not_an_error_of_zero(simulated, truth):
    points = np.array(simulated.points)
    points[5] = np.nan
    found = reprojection_residuals(replace(truth, landmarks=points), simulated.landmarks, simulated.rig)
    assert np.isnan(found.error_px[:, 5]).all()
    assert np.isfinite(found.error_px[:, 6]).all()


def test_without_anybody_there_is_no_figure(simulated, truth, hide):
    nobody = hide(simulated.landmarks, np.ones((4, 30, 75), dtype=bool))
    found = reprojection_residuals(replace(truth, relabelled=np.full((4, 30), 255, np.uint8)), nobody, simulated.rig)
    assert np.isnan([found.median_px, found.p95_px, found.relabelled_share]).all()


def test_a_camera_that_the_rig_lacks_is_named(simulated, truth):
    with pytest.raises(UnknownNameError, match="camera 'cam3' is not in rig"):
        reprojection_residuals(truth, simulated.landmarks, simulated.rig.select(("cam0", "cam1", "cam2")))
