"""One frame: the cost's derivatives, and a simulated person found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.hand_pose.batched_kinematics import symmetric
from bodydouble.hand_pose.depth_prior import DepthPrior
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import LIMIT_SIGMA, Expected, Linearisation, PosePrior, cost_of, fit_poses
from bodydouble.hand_pose.pose_fit import linearise as linearise_frames
from bodydouble.hand_pose.skeleton import JOINTS

EPSILON = 1e-6


def linearise(human, q, observations, frame: int, prior, **options) -> Linearisation:
    """The normal equations of one frame."""
    found = linearise_frames(human, q[None], observations.select(np.array([frame])), prior, **options)
    return Linearisation(symmetric(found.hessian)[0], found.gradient[0], found.cost[0])


def fit_pose(human, start, observations, frame: int, **options) -> np.ndarray:
    return fit_poses(human, start[None], observations, np.array([frame]), **options)[0]


@pytest.fixture(scope="module")
def seen(simulated) -> Observations:
    return Observations.of(simulated.landmarks, simulated.rig)


def millimetres(simulated, q, frame: int) -> np.ndarray:
    return 1e3 * np.linalg.norm(simulated.human.landmarks(q) - simulated.points[frame], axis=-1)


def shaken(simulated, frame: int, *, by: float, seed: int = 0) -> np.ndarray:
    human = simulated.human
    return human.integrate(simulated.configurations[frame], np.random.default_rng(seed).normal(0, by, human.nv))


@pytest.mark.parametrize("widen", [1.0, 4.0])
def test_the_gradient_is_half_the_derivative_of_the_cost(simulated, seen, widen):
    human, prior = simulated.human, PosePrior.of(simulated.human)
    q = shaken(simulated, 3, by=0.05)
    gradient = linearise(human, q, seen, 3, prior, widen=widen).gradient
    scale = np.abs(gradient).max()
    for column in range(human.nv):
        step = np.zeros(human.nv)
        step[column] = EPSILON
        costs = [linearise(human, human.integrate(q, sign * step), seen, 3, prior, widen=widen).cost for sign in (1, -1)]
        # The priors' gradient is by the angle itself, which for ball joints differs from the tangent by second order in the angle.
        assert 2 * gradient[column] == pytest.approx((costs[0] - costs[1]) / (2 * EPSILON), rel=0.02, abs=1e-3 * scale), column


def test_the_hessian_is_half_the_second_derivative_where_all_rays_meet(make_simulated):
    person = make_simulated(frames=1, noise_px=0.0)
    human, prior = person.human, PosePrior.of(person.human)
    exact = Observations.of(person.landmarks, person.rig)
    q = person.configurations[0]
    here = linearise(human, q, exact, 0, prior)
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction = rng.normal(size=human.nv)
        step = 1e-4 * direction
        costs = [linearise(human, human.integrate(q, sign * step), exact, 0, prior).cost for sign in (1, -1)]
        assert 2 * direction @ here.hessian @ direction == pytest.approx((sum(costs) - 2 * here.cost) / 1e-8, rel=0.02)
    np.testing.assert_allclose(here.hessian, here.hessian.T, rtol=1e-9, atol=1e-6)
    assert np.linalg.eigvalsh(here.hessian).min() > 0


def test_the_depth_prior_adds_its_own_gradient(make_simulated):
    person = make_simulated(frames=1, azimuths_deg=(20.0,))
    T = person.rig.cameras["cam0"].T_body_camera
    seen = replace(Observations.of(person.landmarks, person.rig), depth=DepthPrior.of(person.landmarks, T, 1.0))
    human, prior = person.human, PosePrior.of(person.human)
    q = shaken(person, 0, by=0.05)
    gradient = linearise(human, q, seen, 0, prior).gradient
    for column in (0, 3, 8, human.columns("left_elbow_flexion").start, human.columns("right_index_pip").start):
        step = np.zeros(human.nv)
        step[column] = EPSILON
        costs = [linearise(human, human.integrate(q, sign * step), seen, 0, prior).cost for sign in (1, -1)]
        assert 2 * gradient[column] == pytest.approx((costs[0] - costs[1]) / (2 * EPSILON), rel=0.02, abs=1e-3 * np.abs(gradient).max())


@pytest.mark.parametrize("frame", [0, 11, 29])
def test_a_person_is_found_again_from_a_start_that_is_off(simulated, seen, frame):
    human = simulated.human
    q = fit_pose(human, shaken(simulated, frame, by=0.2), seen, frame, widen=(16.0, 4.0, 1.0), iterations=12)
    error = millimetres(simulated, q, frame)
    assert np.median(error) < 4
    assert error.max() < 15


def test_one_camera_that_sees_somebody_else_is_overruled(simulated):
    pixels = np.array(simulated.landmarks.pixels)
    pixels[2] += [150.0, -40.0]
    seen = Observations.of(replace(simulated.landmarks, pixels=pixels), simulated.rig)
    q = fit_pose(simulated.human, simulated.configurations[0], seen, 0, widen=(4.0, 1.0), iterations=12)
    assert np.median(millimetres(simulated, q, 0)) < 6


def test_the_range_of_a_joint_gives_way_a_little_and_no_more(simulated, seen):
    """The images say that the index finger bends 30 degrees too far back."""
    human = simulated.human
    column = human.columns("left_index_pip").start
    lower = next(joint.lower for joint in JOINTS if joint.name == "left_index_pip")
    step = np.zeros(human.nv)
    now = human.difference(human.rest, simulated.configurations[0])[column]
    step[column] = lower - np.radians(30) - now
    impossible = human.landmarks(human.integrate(simulated.configurations[0], step))
    pixels = np.array(simulated.landmarks.pixels[:, :1])
    for row, camera in enumerate(simulated.rig.cameras.values()):
        T = np.linalg.inv(camera.T_body_camera)
        pixels[row, 0] = camera.model.project(impossible @ T[:3, :3].T + T[:3, 3])
    landmarks = simulated.landmarks
    one = replace(landmarks, times_s=landmarks.times_s[:, :1], pixels=pixels, confidence=landmarks.confidence[:, :1],
                  shape_m=landmarks.shape_m[:, :1])  # fmt: skip
    q = fit_pose(human, simulated.configurations[0], Observations.of(one, simulated.rig), 0, iterations=20)
    angle = human.difference(human.rest, q)[column]
    assert lower - 5 * LIMIT_SIGMA < angle < lower + 1.5 * LIMIT_SIGMA


def test_what_no_camera_sees_goes_to_rest_or_stays_where_it_is_predicted(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, :, 33:54] = True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    human = simulated.human
    start = simulated.configurations[0]
    columns = [human.columns(f"left_{finger}_pip").start for finger in ("index", "middle", "ring", "little")]
    alone = human.difference(human.rest, fit_pose(human, start, seen, 0, iterations=20))[columns]
    assert np.abs(alone).max() < 0.03
    strong = Expected(start[None], np.full((1, human.nv), 100.0))
    held = fit_pose(human, start, seen, 0, expected=strong, iterations=20)
    np.testing.assert_allclose(human.difference(human.rest, held)[columns], human.difference(human.rest, start)[columns], atol=0.01)


def test_nothing_seen_leaves_a_pose_that_is_finite(simulated, hide):
    blind = Observations.of(hide(simulated.landmarks, np.ones((4, 30, 75), dtype=bool)), simulated.rig)
    q = fit_pose(simulated.human, simulated.configurations[0], blind, 0)
    assert np.isfinite(q).all()


def test_the_pelvis_has_no_rest_pose():
    from bodydouble.hand_pose.bones import typical_lengths
    from bodydouble.hand_pose.human import Human

    human = Human(typical_lengths(1.73))
    prior = PosePrior.of(human)
    step = np.concatenate([[3.0, -2.0, 1.0, 0.5, 2.0, -1.0], np.zeros(human.nv - 6)])
    _, gradient, cost = prior.pull(human.integrate(human.rest, step)[None])
    assert cost < 1e-6
    assert np.abs(gradient).max() < 1e-6


def test_frames_fitted_together_are_those_fitted_alone(simulated, seen):
    frames = np.array([2, 9, 20])
    starts = np.stack([shaken(simulated, int(frame), by=0.1, seed=int(frame)) for frame in frames])
    together = fit_poses(simulated.human, starts, seen, frames, widen=(4.0, 1.0))
    for row, frame in enumerate(frames):
        alone = fit_pose(simulated.human, starts[row], seen, int(frame), widen=(4.0, 1.0))
        np.testing.assert_allclose(together[row], alone, atol=1e-6)


def test_the_cost_alone_is_that_of_the_normal_equations(simulated, seen):
    frames = np.arange(4)
    prior, chosen = PosePrior.of(simulated.human), seen.select(frames)
    q = np.stack([shaken(simulated, int(frame), by=0.3) for frame in frames])
    full = linearise_frames(simulated.human, q, chosen, prior, widen=2.0).cost
    np.testing.assert_allclose(cost_of(simulated.human, q, chosen, prior, widen=2.0), full)
