"""The table: complete, sane, mirrored; and every joint turns the way its name says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodydouble.hand_pose.bones import typical_lengths
from bodydouble.hand_pose.human import BONES, LINKS, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, swapped_sides
from bodydouble.hand_pose.skeleton import FINGERS, JOINTS, LANDMARK_PLACES, RELATIVE_SPREAD, TYPICAL_LENGTHS

SIDES = ("left", "right")
FORWARD, BACK, UP, DOWN = np.array([1.0, 0, 0]), np.array([-1.0, 0, 0]), np.array([0, 0, 1.0]), np.array([0, 0, -1.0])


def outward(side: str) -> np.ndarray:
    return np.array([0.0, 1.0 if side == "left" else -1.0, 0.0])


@pytest.fixture(scope="module")
def human() -> Human:
    return Human(typical_lengths(1.73))


def place(human: Human, q: np.ndarray, name: str) -> np.ndarray:
    return human.landmarks(q)[LANDMARK_NAMES.index(name)]


def bent(human: Human, **angles: float) -> np.ndarray:
    """Return the zero pose with some revolute joints turned (rad)."""
    step = np.zeros(human.nv)
    for name, angle in angles.items():
        step[human.columns(name)] = angle
    return human.integrate(human.rest, step)


def moved(human: Human, landmark: str, **angles: float) -> np.ndarray:
    """Return how far a landmark moves when joints turn from the zero pose (m, world)."""
    return place(human, bent(human, **angles), landmark) - place(human, human.rest, landmark)


def test_every_landmark_has_a_place_on_a_joint_and_every_bone_is_used():
    joints = {"pelvis", *(joint.name for joint in JOINTS)}
    assert set(LANDMARK_PLACES) == set(LANDMARK_NAMES)
    assert {joint for joint, _ in LANDMARK_PLACES.values()} <= joints
    used = {bone for joint in JOINTS for bone in joint.offset} | {bone for _, offset in LANDMARK_PLACES.values() for bone in offset}
    assert used == set(TYPICAL_LENGTHS)
    assert set(RELATIVE_SPREAD) <= set(TYPICAL_LENGTHS)


def test_parents_come_before_their_children():
    known = {"pelvis"}
    for joint in JOINTS:
        assert joint.parent in known, joint.name
        known.add(joint.name)


def test_the_links_are_those_that_retargeting_relies_on():
    body = {"pelvis", "spine", "thorax", "neck", "head"}
    parts = ["clavicle", "upper_arm", "forearm", "hand", "thigh", "shank", "foot", "toes"]
    parts += [f"thumb_{bone}" for bone in ("metacarpal", "proximal", "distal")]
    parts += [f"{finger}_{bone}" for finger in FINGERS for bone in ("proximal", "middle", "distal")]
    assert set(LINKS) == body | {f"{side}_{part}" for side in SIDES for part in parts}
    assert len(LINKS) == len(set(LINKS))


def test_axes_are_unit_vectors_and_ranges_hold_the_zero_pose_and_less_than_a_turn():
    for joint in JOINTS:
        assert joint.rest_sigma > 0, joint.name
        if joint.axis is not None:
            assert math.hypot(*joint.axis) == pytest.approx(1.0), joint.name
            assert joint.lower < 0 < joint.upper, joint.name
            assert math.radians(25) < joint.upper - joint.lower < math.radians(195), joint.name


def test_left_and_right_have_the_same_ranges():
    by_name = {joint.name: joint for joint in JOINTS}
    for joint in JOINTS:
        if joint.name.startswith("left_"):
            other = by_name["right" + joint.name[4:]]
            assert (joint.lower, joint.upper, joint.rest_sigma) == (other.lower, other.upper, other.rest_sigma), joint.name


@pytest.mark.parametrize("name", [joint.name[5:] for joint in JOINTS if joint.name.startswith("left_") and joint.axis is not None])
def test_the_same_angle_on_the_other_side_is_the_mirror_image(human, name):
    mirror = np.array([1.0, -1.0, 1.0])
    left = human.landmarks(bent(human, **{f"left_{name}": 0.4}))
    right = human.landmarks(bent(human, **{f"right_{name}": 0.4}))
    np.testing.assert_allclose(right, left[swapped_sides()] * mirror, atol=1e-12)


def test_the_zero_pose_stands_upright_and_looks_forward(human):
    points = dict(zip(LANDMARK_NAMES, human.landmarks(human.rest), strict=True))
    hips = (points["left_hip"] + points["right_hip"]) / 2
    shoulders = (points["left_shoulder"] + points["right_shoulder"]) / 2
    np.testing.assert_allclose(hips, 0, atol=1e-12)
    np.testing.assert_allclose(shoulders, [0, 0, 0.5], atol=1e-9)
    assert points["nose"][0] > 0.05
    assert points["nose"][2] > shoulders[2] + 0.1
    for side in SIDES:
        assert points[f"{side}_shoulder"] @ outward(side) == pytest.approx(0.175)
        assert points[f"{side}_hip"] @ outward(side) == pytest.approx(0.09)
        assert points[f"{side}_ear"] @ outward(side) > 0.05
        assert points[f"{side}_foot_index"][0] > points[f"{side}_ankle"][0] > points[f"{side}_heel"][0]
        assert points[f"{side}_heel"][2] == pytest.approx(points[f"{side}_foot_index"][2], abs=0.01)


def test_in_the_zero_pose_the_arms_hang_with_the_palms_to_the_thighs_and_the_thumbs_forward(human):
    points = dict(zip(LANDMARK_NAMES, human.landmarks(human.rest), strict=True))
    for side in SIDES:
        upper_arm = points[f"{side}_elbow"] - points[f"{side}_shoulder"]
        forearm = points[f"{side}_wrist"] - points[f"{side}_elbow"]
        np.testing.assert_allclose(upper_arm, [0, 0, -0.28], atol=1e-9)
        np.testing.assert_allclose(forearm, [0, 0, -0.26], atol=1e-9)
        wrist, index, little = (points[f"{side}_hand_{name}"] for name in ("wrist", "index_mcp", "little_mcp"))
        palm_normal = np.cross(index - wrist, little - wrist) * (1 if side == "right" else -1)
        assert palm_normal @ -outward(side) > 0.95 * np.linalg.norm(palm_normal)
        assert index[0] > little[0] + 0.03
        for finger in FINGERS:
            direction = points[f"{side}_hand_{finger}_tip"] - points[f"{side}_hand_{finger}_mcp"]
            np.testing.assert_allclose(direction / np.linalg.norm(direction), DOWN, atol=1e-9)
        assert points[f"{side}_hand_thumb_tip"][0] > index[0] + 0.01


def test_a_typical_person_of_the_reference_stature_is_about_that_tall(human):
    points = dict(zip(LANDMARK_NAMES, human.landmarks(human.rest), strict=True))
    eyes_above_ground = points["left_eye"][2] - points["left_heel"][2]
    assert 1.55 < eyes_above_ground < 1.68  # eye height is about 0.936 of the stature (Drillis and Contini): 1.62 m
    assert points["left_shoulder"][2] - points["left_heel"][2] == pytest.approx(1.415, abs=0.01)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("joint", "landmark", "direction"),
    [
        ("clavicle_elevation", "shoulder", "up"),
        ("clavicle_protraction", "shoulder", "forward"),
        ("elbow_flexion", "wrist", "forward"),
        ("wrist_flexion", "hand_middle_mcp", "inward"),
        ("wrist_deviation", "hand_middle_mcp", "forward"),
        ("knee_flexion", "ankle", "back"),
        ("ankle_dorsiflexion", "foot_index", "up"),
        ("ankle_inversion", "foot_index", "inward"),
        ("toe_extension", "foot_index", "up"),
        *[(f"{finger}_{joint}", f"hand_{finger}_tip", "inward") for finger in FINGERS for joint in ("mcp", "pip", "dip")],
        *[(f"{finger}_spread", f"hand_{finger}_tip", "forward") for finger in FINGERS],
        ("thumb_cmc_flexion", "hand_thumb_tip", "inward"),
        ("thumb_mcp", "hand_thumb_tip", "inward"),
        ("thumb_ip", "hand_thumb_tip", "inward"),
        ("thumb_cmc_spread", "hand_thumb_tip", "forward"),
    ],
)
def test_a_positive_angle_moves_the_part_the_way_the_joint_is_named(human, side, joint, landmark, direction):
    wanted = {"up": UP, "forward": FORWARD, "back": BACK, "inward": -outward(side)}[direction]
    step = moved(human, f"{side}_{landmark}", **{f"{side}_{joint}": 0.2})
    assert step @ wanted > (0.05 if joint == "ankle_inversion" else 0.5) * np.linalg.norm(step) > 0


@pytest.mark.parametrize("side", SIDES)
def test_inversion_turns_the_sole_inwards(human, side):
    """The foot's underside, downwards in the zero pose, then faces the other foot."""
    row = LINKS.index(f"{side}_foot")
    sole = human.link_poses(bent(human, **{f"{side}_ankle_inversion": 0.3}))[row, :3, :3] @ DOWN
    assert sole @ -outward(side) == pytest.approx(math.sin(0.3))


@pytest.mark.parametrize("side", SIDES)
def test_pronation_turns_a_forearm_that_points_forward_palm_down(human, side):
    """With the elbow bent and the thumb up, pronation carries the palm from facing inwards to facing down, supination to facing up."""
    row = LINKS.index(f"{side}_hand")
    for angle, facing in ((math.pi / 2, DOWN), (-math.pi / 2, UP)):
        q = bent(human, **{f"{side}_elbow_flexion": math.pi / 2, f"{side}_forearm_pronation": angle})
        palm = human.link_poses(q)[row, :3, :3] @ -outward(side)
        np.testing.assert_allclose(palm, facing, atol=1e-9)


@pytest.mark.parametrize("side", SIDES)
def test_a_fist_brings_all_fingertips_to_the_palm_and_the_thumb_across(human, side):
    fist = {f"{side}_{finger}_{joint}": angle for finger in FINGERS for joint, angle in (("mcp", 1.55), ("pip", 1.85), ("dip", 1.2))}
    for finger in FINGERS:
        tip, knuckle = (place(human, bent(human, **fist), f"{side}_hand_{finger}_{part}") for part in ("tip", "mcp"))
        assert np.linalg.norm(tip - knuckle) < 0.045
        assert (tip - knuckle) @ -outward(side) > 0.005
    opened = np.linalg.norm(place(human, human.rest, f"{side}_hand_thumb_tip") - place(human, human.rest, f"{side}_hand_little_mcp"))
    q = bent(human, **{f"{side}_thumb_cmc_flexion": 0.9, f"{side}_thumb_mcp": 0.7, f"{side}_thumb_ip": 0.6})
    closed = np.linalg.norm(place(human, q, f"{side}_hand_thumb_tip") - place(human, q, f"{side}_hand_little_mcp"))
    assert closed < opened - 0.02


def test_bones_are_named_in_one_order():
    assert tuple(TYPICAL_LENGTHS) == BONES
