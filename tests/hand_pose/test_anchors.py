"""What is worn: where it says landmarks are, and how it is worn found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.hand_pose.anchors import MOUNT_SIGMA_M, MOUNT_SIGMA_RAD, Anchors, head_points
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.bones import estimate_constants
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.tangent import exp3, matrices

EYES = [LANDMARK_NAMES.index(f"{side}_eye") for side in ("left", "right")]


def head_of(person) -> np.ndarray:
    """T_world_head (T, 4, 4) of a simulated person."""
    here = BatchedKinematics.of(person.human, person.configurations)
    T = np.tile(np.eye(4), (len(person.points), 1, 1))
    T[:, :3, :3], T[:, :3, 3] = here.rotations[:, person.human.row("head")], person.points[:, EYES].mean(axis=1)
    return T


def worn_at(T_world_head: np.ndarray, shift: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """T_world_helmet of a helmet in whose frame the head is shifted and turned."""
    mount = np.eye(4)
    mount[:3, :3], mount[:3, 3] = matrices(exp3(turn)), shift
    return T_world_head @ np.linalg.inv(mount)


def test_nothing_worn_is_no_anchor():
    assert Anchors.of({}) is None


def test_a_head_that_sits_as_it_is_meant_to_costs_nothing_and_gaps_cost_nothing(simulated):
    T = head_of(simulated)
    T[3:5] = np.nan
    anchors = Anchors.of({"helmet": T})
    points = simulated.points.copy()
    own = np.array(list(head_points().values()))
    rows = [LANDMARK_NAMES.index(name) for name in head_points()]
    points[:, rows] = own @ np.swapaxes(np.nan_to_num(T[:, :3, :3]), 1, 2) + np.nan_to_num(T[:, None, :3, 3])
    assert anchors.cost(points).max() < 1e-12
    assert anchors.known.tolist() == [not 3 <= t < 5 for t in range(30)]
    information, gradient = np.zeros((30, 75, 3, 3)), np.zeros((30, 75, 3))
    cost = anchors.add(points + 0.01, information, gradient)
    np.testing.assert_allclose(cost, anchors.cost(points + 0.01))
    assert not information[3:5].any()
    assert (gradient[0, rows] > 0).all()


def test_the_mount_equations_are_derivatives_of_the_cost(simulated):
    anchors = Anchors.of({"helmet": head_of(simulated)}).moved(np.array([0.01, -0.02, 0.03, 0.1, 0.05, -0.2]))
    points = simulated.points + 0.01
    jacobian = np.random.default_rng(0).normal(size=(30, 75, 3, 2))
    information, mixed, gradient = anchors.mount_equations(points, jacobian)
    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-6
        numeric = (anchors.moved(step).cost(points) - anchors.moved(-step).cost(points)) / 2e-6
        np.testing.assert_allclose(2 * gradient[:, column], numeric, rtol=1e-4, atol=1e-2)
    rows = np.flatnonzero(anchors.information[0] > 0)
    assert np.linalg.eigvalsh(information[0])[0] >= -1e-6 * np.abs(information[0]).max()
    assert mixed.shape == (30, 2, 6)
    assert len(rows) == 4


def test_room_cameras_that_see_the_face_tell_how_the_helmet_sits(simulated):
    shift, turn = np.array([0.012, -0.008, 0.015]), np.array([0.05, -0.06, 0.04])
    anchors = Anchors.of({"helmet": worn_at(head_of(simulated), shift, turn)})
    seen = replace(Observations.of(simulated.landmarks, simulated.rig), anchors=anchors)
    frames = np.arange(0, 30, 2)
    found = estimate_constants(seen, frames, simulated.configurations[frames], 1.80)
    away = np.abs(found.anchors.mounts[0] - [*shift, *turn])
    assert (away[:3] < 0.006).all()
    assert (away[3:] < 0.03).all()
    assert (found.mount_sigma[0, :3] < MOUNT_SIGMA_M).all()
    assert found.mounts()["helmet.shift_x_m"]["value"] == pytest.approx(0.012, abs=0.006)


def test_a_helmet_that_nobody_sees_sits_as_it_is_meant_to_and_says_how_unsure_that_is(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, :, :33] = True
    T = head_of(simulated)
    seen = replace(Observations.of(hide(simulated.landmarks, hidden), simulated.rig), anchors=Anchors.of({"helmet": T}))
    frames = np.arange(0, 30, 5)
    found = estimate_constants(seen, frames, simulated.configurations[frames], 1.80)
    assert np.abs(found.anchors.mounts[0, :3]).max() < 0.02
    assert found.mount_sigma[0, :3].max() > 0.7 * MOUNT_SIGMA_M
    assert found.mount_sigma[0, 3:].max() > 0.5 * MOUNT_SIGMA_RAD
    assert isinstance(Human(found.lengths), Human)
