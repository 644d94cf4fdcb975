"""The tree's derivatives against finite differences, and what no configuration changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.human import BONES, LINKS, Human, angle_names, joint_angles, named_lengths
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import JOINTS, TYPICAL_LENGTHS

EPSILON = 1e-6
seeds = st.integers(0, 2**32 - 1)


def random_pose(human: Human, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return human.integrate(human.rest, np.concatenate([rng.normal(0, 1, 6), rng.normal(0, 0.7, human.nv - 6)]))


def random_lengths(seed: int) -> np.ndarray:
    return typical_lengths(1.73) * np.random.default_rng(seed).uniform(0.7, 1.4, len(BONES))


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_landmark_jacobian_is_the_derivative_by_the_configuration(seed):
    human = Human(random_lengths(seed))
    q = random_pose(human, seed)
    numeric = np.empty((75, 3, human.nv))
    for column in range(human.nv):
        step = np.zeros(human.nv)
        step[column] = EPSILON
        numeric[..., column] = (human.landmarks(human.integrate(q, step)) - human.landmarks(human.integrate(q, -step))) / (2 * EPSILON)
    np.testing.assert_allclose(human.kinematics(q).landmark_jacobian, numeric, atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_bone_jacobian_is_the_derivative_by_the_lengths_and_exact_for_any_step(seed):
    lengths = random_lengths(seed)
    human = Human(lengths)
    q = random_pose(human, seed)
    jacobian = human.kinematics(q, by_bones=True).landmark_bone_jacobian
    step = np.random.default_rng(seed).normal(0, 0.05, len(BONES))
    expected = human.landmarks(q) + jacobian @ step
    np.testing.assert_allclose(Human(lengths + step).landmarks(q), expected, atol=1e-12)


def test_the_bone_jacobian_costs_nothing_unless_asked_for():
    human = Human(typical_lengths(1.73))
    assert human.kinematics(human.rest).landmark_bone_jacobian is None


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_bones_keep_their_lengths_in_any_configuration(seed):
    human = Human(random_lengths(seed))
    lengths = dict(zip(BONES, human.lengths, strict=True))
    points = dict(zip(LANDMARK_NAMES, human.landmarks(random_pose(human, seed)), strict=True))
    for side in ("left", "right"):
        for one, two, bone in (
            ("shoulder", "elbow", "upper_arm"), ("elbow", "wrist", "forearm"), ("hip", "knee", "thigh"), ("knee", "ankle", "shank"),
            ("hand_wrist", "hand_middle_mcp", "middle_palm"), ("hand_index_mcp", "hand_index_pip", "index_proximal"),
            ("hand_little_dip", "hand_little_tip", "little_distal"), ("hand_thumb_mcp", "hand_thumb_ip", "thumb_proximal"),
        ):  # fmt: skip
            assert np.linalg.norm(points[f"{side}_{one}"] - points[f"{side}_{two}"]) == pytest.approx(lengths[bone], rel=1e-9)
    assert np.linalg.norm(points["left_hip"] - points["right_hip"]) == pytest.approx(2 * lengths["hip_half_width"])


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_link_frames_are_poses_at_the_proximal_joints(seed):
    human = Human(random_lengths(seed))
    q = random_pose(human, seed)
    poses, points = human.link_poses(q), dict(zip(LANDMARK_NAMES, human.landmarks(q), strict=True))
    rotations = poses[:, :3, :3]
    np.testing.assert_allclose(rotations @ np.swapaxes(rotations, 1, 2), np.broadcast_to(np.eye(3), rotations.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(poses[:, 3], np.broadcast_to([0, 0, 0, 1.0], (len(poses), 4)))
    for side in ("left", "right"):
        for link, landmark in (("upper_arm", "shoulder"), ("forearm", "elbow"), ("hand", "wrist"), ("thigh", "hip"), ("shank", "knee"),
                               ("foot", "ankle"), ("index_proximal", "hand_index_mcp"), ("thumb_distal", "hand_thumb_ip")):  # fmt: skip
            np.testing.assert_allclose(poses[LINKS.index(f"{side}_{link}"), :3, 3], points[f"{side}_{landmark}"], atol=1e-12)


def test_in_the_zero_pose_every_link_frame_is_parallel_to_the_world():
    human = Human(typical_lengths(1.73))
    poses = human.link_poses(human.rest)
    np.testing.assert_allclose(poses[:, :3, :3], np.broadcast_to(np.eye(3), (len(LINKS), 3, 3)), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_angles_of_a_configuration_make_it_again(seed):
    human = Human(typical_lengths(1.73))
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-1.5, 1.5, human.nv - 6)
    q = human.integrate(human.rest, np.concatenate([np.zeros(6), angles]))
    np.testing.assert_allclose(joint_angles(human, q), angles, atol=1e-9)
    assert len(angle_names()) == len(set(angle_names())) == len(angles)
    elbow = angle_names().index("left_elbow_flexion")
    assert joint_angles(human, q)[elbow] == pytest.approx(angles[elbow])


def test_columns_and_rows_of_all_joints_cover_the_configuration_once():
    human = Human(typical_lengths(1.73))
    names = ["pelvis", *(joint.name for joint in JOINTS)]
    columns = [i for name in names for i in range(human.nv)[human.columns(name)]]
    rows = [i for name in names for i in range(human.model.nq)[human.positions(name)]]
    assert sorted(columns) == list(range(human.nv))
    assert sorted(rows) == list(range(human.model.nq))
    assert range(human.nv)[human.columns("pelvis")] == range(6)


def test_moving_and_measuring_the_move_are_inverse():
    human = Human(typical_lengths(1.73))
    q = random_pose(human, 3)
    step = np.random.default_rng(4).normal(0, 0.3, human.nv)
    np.testing.assert_allclose(human.difference(q, human.integrate(q, step)), step, atol=1e-9)


def test_named_lengths_hold_every_bone_and_the_sums_that_people_ask_for():
    named = named_lengths(typical_lengths(1.73))
    assert set(named) == {*TYPICAL_LENGTHS, "hand", "foot"}
    assert named["foot"] == pytest.approx(named["heel"] + named["forefoot"])
    assert named["hand"] == named["middle_palm"]


def test_a_persons_lengths_cannot_be_changed_behind_its_back():
    lengths = typical_lengths(1.73)
    human = Human(lengths)
    with pytest.raises(ValueError, match="read-only"):
        human.lengths[0] = 1.0
    lengths[:] = 0.0
    assert human.lengths.min() > 0
