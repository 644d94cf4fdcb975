from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, integrate
from bodydouble.hand_pose.depth_prior import LIMBS, DepthPrior, place_shape, shape_scale
from bodydouble.hand_pose.observations import Observations


@pytest.fixture(scope="module")
def one_camera(make_simulated):
    return make_simulated(frames=3, azimuths_deg=(25.0,), noise_px=0.0)


@pytest.fixture(scope="module")
def prior(one_camera) -> DepthPrior:
    return DepthPrior.of(one_camera.landmarks, one_camera.rig.cameras["cam0"].T_body_camera, 1.0)


@pytest.fixture(scope="module")
def here(one_camera) -> BatchedKinematics:
    return BatchedKinematics.of(one_camera.human, one_camera.configurations)


def test_at_the_truth_nothing_pulls(prior, here):
    _, gradient, cost = prior.pull(here)
    assert cost.max() < 1e-12
    assert np.abs(gradient).max() < 1e-6


def test_the_pull_is_half_the_derivative_of_the_cost(one_camera, prior):
    human = one_camera.human
    q = integrate(one_camera.configurations, np.random.default_rng(1).normal(0, 0.1, (3, human.nv)))
    _, gradient, _ = prior.pull(BatchedKinematics.of(human, q))
    for column in (8, 20, 40, 80):
        step = np.zeros((3, human.nv))
        step[:, column] = 1e-6
        costs = [prior.pull(BatchedKinematics.of(human, integrate(q, sign * step)))[2] for sign in (1, -1)]
        np.testing.assert_allclose(2 * gradient[:, column], (costs[0] - costs[1]) / 2e-6, rtol=1e-4, atol=1e-3)


def test_it_says_nothing_of_where_the_whole_person_is(one_camera, prior):
    moved = one_camera.configurations.copy()
    moved[:, :3] += [1.0, -2.0, 0.5]
    hessian, gradient, cost = prior.pull(BatchedKinematics.of(one_camera.human, moved))
    assert cost.max() < 1e-12
    assert np.abs(hessian[:, :3, :3]).max() < 1e-6
    assert np.abs(gradient[:, :3]).max() < 1e-9


def test_hands_that_were_not_seen_have_no_part_in_it(one_camera, hide, here):
    hidden = np.zeros((1, 3, 75), dtype=bool)
    hidden[..., 33:] = True
    prior = DepthPrior.of(hide(one_camera.landmarks, hidden), one_camera.rig.cameras["cam0"].T_body_camera, 1.0)
    fingers = LIMBS[:, 0] >= 33
    assert not prior.information[:, fingers].any()
    assert (prior.information[:, ~fingers] > 0).all()
    assert all(np.isfinite(array).all() for array in prior.pull(here))


def test_the_models_shape_is_put_where_the_rays_pass_it(one_camera):
    seen = Observations.of(one_camera.landmarks, one_camera.rig)
    T = one_camera.rig.cameras["cam0"].T_body_camera
    points = place_shape(one_camera.landmarks, seen.rays[0, 1], seen.origins[0, 0], T, 1.0, 1)
    np.testing.assert_allclose(points[:33], one_camera.points[1, :33], atol=1e-6)
    assert np.isnan(points[33:]).all()


def test_a_shape_of_too_few_joints_is_not_placed(one_camera, hide):
    hidden = np.ones((1, 3, 75), dtype=bool)
    hidden[..., 11:14] = False
    landmarks = hide(one_camera.landmarks, hidden)
    seen = Observations.of(landmarks, one_camera.rig)
    T = one_camera.rig.cameras["cam0"].T_body_camera
    assert np.isnan(place_shape(landmarks, seen.rays[0, 0], seen.origins[0, 0], T, 1.0, 0)).all()


def test_the_scale_is_the_persons_torso_over_the_models(one_camera, hide):
    torso = one_camera.human.lengths[1]
    assert shape_scale(one_camera.landmarks, 2 * torso) == pytest.approx(2.0, rel=0.05)
    assert shape_scale(hide(one_camera.landmarks, np.ones((1, 3, 75), dtype=bool)), 0.5) == 1.0
