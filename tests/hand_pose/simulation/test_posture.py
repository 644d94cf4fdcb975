"""Postures: limbs reach what they are told to, joints turn as joints do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.hand_posture import OPEN_HAND, finger_axes
from bodydouble.hand_pose.simulation.posture import Poser, Posture


def pose(position: tuple[float, float, float], rotvec: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3], T[:3, :3] = position, Rotation.from_rotvec(rotvec).as_matrix()
    return T


def standing(poser: Poser, left: np.ndarray, right: np.ndarray, **more: object) -> Posture:
    feet = {side: poser.foot_at_rest(side) for side in ("left", "right")}
    return Posture(poser.standing(), np.zeros(3), np.eye(3), {"left": left, "right": right}, feet, **more)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 0.36), st.floats(0.0, 0.25), st.floats(1.02, 1.3), st.floats(-0.8, 0.8))
def test_hands_get_where_they_are_told_to_go(person: Body, x: float, y: float, z: float, turn: float) -> None:
    poser = Poser(person)
    wanted = {"left": pose((x, y, z), (turn, 0.1, 0.2)), "right": pose((x, -y - 0.05, z), (-turn, 0.1, 0.2))}
    posed = poser.posed(standing(poser, wanted["left"], wanted["right"]))
    for side, letter in (("left", "L"), ("right", "R")):
        bone = posed.T_world_bone[person.bone(f"wrist.{letter}")]
        np.testing.assert_allclose(bone[:3, 3], wanted[side][:3, 3], atol=1e-9)
        np.testing.assert_allclose(bone[:3, :3] @ poser.hand_frames[side].R_hand_rest.T, wanted[side][:3, :3], atol=1e-9)


def test_a_target_out_of_reach_is_approached_along_the_straight_line(person: Body) -> None:
    poser = Poser(person)
    posed = poser.posed(standing(poser, pose((2.0, 0.3, 1.3)), pose((0.3, -0.2, 1.0))))
    shoulder, elbow, wrist = (posed.joints[person.bone(f"{name}.L")] for name in ("upperarm01", "lowerarm01", "wrist"))
    reach = np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow)
    assert np.linalg.norm(wrist - shoulder) == pytest.approx(0.998 * reach, abs=1e-6)


def test_feet_stand_where_they_are_put(person: Body) -> None:
    poser = Poser(person)
    posture = standing(poser, pose((0.3, 0.2, 1.0)), pose((0.3, -0.2, 1.0)))
    pelvis = posture.T_world_pelvis.copy()
    pelvis[2, 3] -= 0.1  # knees bent
    posed = poser.posed(Posture(pelvis, posture.chest, posture.R_world_head, posture.T_world_hand, posture.T_world_foot))
    for side, letter in (("left", "L"), ("right", "R")):
        np.testing.assert_allclose(posed.joints[person.bone(f"foot.{letter}")], posture.T_world_foot[side][:3, 3], atol=1e-9)
        knee, hip = posed.joints[person.bone(f"lowerleg01.{letter}")], posed.joints[person.bone(f"upperleg01.{letter}")]
        assert knee[0] > hip[0]  # forward


def test_bending_a_finger_brings_its_tip_to_the_palm_and_the_thumb_across_it(person: Body) -> None:
    poser = Poser(person)
    angles = OPEN_HAND.copy()
    angles[1:, 1:] = 0.6
    angles[0, 1] = 0.5
    flat = standing(poser, pose((0.35, 0.2, 1.1)), pose((0.35, -0.2, 1.1)), fingers={"left": OPEN_HAND, "right": OPEN_HAND})
    bent = standing(poser, pose((0.35, 0.2, 1.1)), pose((0.35, -0.2, 1.1)), fingers={"left": angles, "right": angles})
    before, after = poser.posed(flat).landmarks, poser.posed(bent).landmarks
    for first, inward in ((33, 1.0), (54, -1.0)):
        tips = first + np.array([8, 12, 16, 20])
        assert (after[tips, 2] < before[tips, 2] - 0.03).all()  # palm down: towards the floor
        thumb = after[first + 4] - before[first + 4]
        assert thumb[1] * inward > 0.005  # palms down, thumbs inward: across the palm is outward


def test_positive_spread_brings_every_finger_nearer_to_the_thumb(person: Body) -> None:
    for side in ("L", "R"):
        axes = finger_axes(person, side)
        radial = person.head(f"finger2-1.{side}") - person.head(f"finger5-1.{side}")
        for finger in (2, 3, 4, 5):
            along = person.head(f"finger{finger}-2.{side}") - person.head(f"finger{finger}-1.{side}")
            assert np.cross(axes[f"finger{finger}-1.{side}"][0], along) @ radial > 0


def test_the_head_looks_where_it_is_told(person: Body) -> None:
    poser = Poser(person)
    posture = standing(poser, pose((0.3, 0.2, 1.0)), pose((0.3, -0.2, 1.0)))
    gaze = Rotation.from_euler("ZY", [0.4, 0.5]).as_matrix()
    posed = poser.posed(Posture(posture.T_world_pelvis, np.array([0.0, 0.2, 0.1]), gaze, posture.T_world_hand, posture.T_world_foot))
    np.testing.assert_allclose(posed.T_world_bone[person.bone("head")][:3, :3], gaze, atol=1e-9)
