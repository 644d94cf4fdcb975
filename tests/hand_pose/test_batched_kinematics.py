"""Many configurations at once: the same as Pinocchio one by one, and as J^T W J."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, difference, from_rest, integrate, symmetric
from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.human import Human

FRAMES = 7


@pytest.fixture(scope="module")
def human() -> Human:
    return Human(typical_lengths(1.80))


@pytest.fixture(scope="module")
def poses(human) -> np.ndarray:
    rng = np.random.default_rng(0)
    return integrate(np.tile(human.rest, (FRAMES, 1)), rng.normal(0, 0.7, (FRAMES, human.nv)))


@pytest.fixture(scope="module")
def here(human, poses) -> BatchedKinematics:
    return BatchedKinematics.of(human, poses)


def test_configurations_move_as_pinocchio_moves_them(human, poses):
    step = np.random.default_rng(1).normal(0, 0.5, (FRAMES, human.nv))
    expected = np.stack([human.integrate(q, one) for q, one in zip(poses, step, strict=True)])
    np.testing.assert_allclose(integrate(poses, step), expected, atol=1e-12)
    np.testing.assert_allclose(difference(poses, expected), step, atol=1e-9)
    away = np.stack([human.difference(human.rest, q) for q in poses])
    np.testing.assert_allclose(from_rest(poses)[:, 6:], away[:, 6:], atol=1e-9)


def test_places_and_derivatives_are_pinocchios(human, poses, here):
    alone = [human.kinematics(q, by_bones=True) for q in poses]
    np.testing.assert_allclose(here.landmarks, [one.landmarks for one in alone], atol=1e-12)
    np.testing.assert_allclose(here.jacobian(), [one.landmark_jacobian for one in alone], atol=1e-12)
    np.testing.assert_allclose(here.bone_jacobian(), [one.landmark_bone_jacobian for one in alone], atol=1e-12)
    np.testing.assert_allclose(here.link_poses, [human.link_poses(q) for q in poses], atol=1e-12)


def test_detected_points_have_derivatives_of_their_own(human, poses, here):
    step = np.random.default_rng(2).normal(0, 1e-6, (FRAMES, human.nv))
    moved = BatchedKinematics.of(human, integrate(poses, step)).detected
    predicted = np.einsum("fnik,fk->fni", here.jacobian(detected=True), step)
    np.testing.assert_allclose(moved - here.detected, predicted, atol=1e-9)
    lengths = np.random.default_rng(3).normal(0, 0.01, len(human.lengths))
    longer = BatchedKinematics.of(Human(human.lengths + lengths), poses).detected
    np.testing.assert_allclose(longer - here.detected, here.bone_jacobian(detected=True) @ lengths, atol=1e-12)


def test_the_normal_equations_are_those_of_the_jacobian(here):
    rng = np.random.default_rng(4)
    root = rng.normal(size=(FRAMES, 75, 3, 3))
    information, pull = root @ np.swapaxes(root, 2, 3), rng.normal(size=(FRAMES, 75, 3))
    information[:, 10:20], pull[:, 10:20] = 0.0, 0.0
    hessian, gradient = here.normal_equations(information, pull)
    jacobian = here.jacobian(detected=True)
    np.testing.assert_allclose(
        symmetric(hessian), np.einsum("fnik,fnij,fnjl->fkl", jacobian, information, jacobian, optimize=True), atol=1e-9
    )
    np.testing.assert_allclose(gradient, np.einsum("fnik,fni->fk", jacobian, pull), atol=1e-9)


def test_a_person_far_from_the_origin_loses_no_digits(human, poses, here):
    far = poses.copy()
    far[:, :3] += 5e4
    there = BatchedKinematics.of(human, far)
    information, pull = np.tile(np.eye(3), (FRAMES, 75, 1, 1)), np.ones((FRAMES, 75, 3))
    for one, two in zip(here.normal_equations(information, pull), there.normal_equations(information, pull), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)


def test_the_derivative_along_a_direction_is_part_of_the_whole(here):
    direction = np.array([0.3, -0.5, 0.8])
    np.testing.assert_allclose(
        here.jacobian_along(direction), np.einsum("i,fnik->fnk", direction, here.jacobian(detected=True)), atol=1e-12
    )
