"""Estimators without a model of the person, to compare the fit with."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.errors import UnknownNameError
from bodydouble.hand_pose import Source
from bodydouble.hand_pose.estimators import ESTIMATORS, FIT, estimator
from bodydouble.hand_pose.human_motion import HumanMotion


@pytest.fixture(scope="module")
def sharp(make_simulated):
    """A person before four cameras whose detections have no error."""
    return make_simulated(noise_px=0.0)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != FIT])
def test_without_noise_points_alone_are_the_truth_and_know_nothing_else(sharp, name, tmp_path):
    motion = estimator(name)(sharp.landmarks, sharp.rig)
    seen = np.isfinite(motion.landmarks[..., 0])
    assert seen.mean() > 0.9
    np.testing.assert_allclose(motion.landmarks[seen], sharp.points[seen], atol=1e-6)
    assert np.array_equal(motion.landmark_source == Source.OBSERVED, seen)
    assert np.isnan(motion.joint_angles).all()
    assert np.isnan(motion.landmark_sigma).all()
    motion.save(tmp_path / "points.h5")
    assert np.array_equal(HumanMotion.load(tmp_path / "points.h5").landmarks, motion.landmarks, equal_nan=True)


def test_one_camera_triangulates_nothing(sharp):
    motion = estimator("robust")(sharp.landmarks.select(sharp.landmarks.cameras[:1]), sharp.rig)
    assert np.isnan(motion.landmarks).all()


def test_an_unknown_name_lists_those_that_are_there():
    with pytest.raises(UnknownNameError, match=r"estimator 'bundle'.*fit, robust, linear"):
        estimator("bundle")
