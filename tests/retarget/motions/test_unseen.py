"""What a file does not have: the trunk behind an arm or a hand, joints of fingers, heels, faces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.retarget.mapping import END_POINTS, HUMAN_LINKS
from bodydouble.retarget.motions import read_motion

FINGERS = ("index", "middle", "ring", "little")
KNOWN = dict(units="m", axes="z up")
BENT = {f"{side}_{finger}_{joint}": 0.5 for side in ("left", "right") for finger in FINGERS for joint in ("mcp", "pip", "dip")}


def parts(person: Any, *names: str) -> dict[str, np.ndarray]:
    return {name: person.place(name) for name in (*HUMAN_LINKS, *END_POINTS) if any(part in name for part in names)}


def sources(motion: Any, *names: str) -> set[int]:
    return {int(value) for name in names for value in motion.landmark_source[:, LANDMARK_NAMES.index(name)]}


def test_a_whole_body_gets_no_made_up_trunk(npy: Any, walking: Any) -> None:
    read = read_motion(npy({link: walking.place(link) for link in HUMAN_LINKS}, **KNOWN), rate_hz=60)
    assert not [note for note in read.notes if note.startswith("inferred: ")]
    assert sources(read.motion, "left_hip", "right_shoulder", "left_hand_ring_dip") == {Source.OBSERVED}
    assert sources(read.motion, "left_heel", "nose", "left_hand_index_tip", "right_foot_index") == {Source.INFERRED}


def test_an_arm_gets_a_trunk_where_its_shoulder_says_and_keeps_what_was_measured(npy: Any, walking: Any) -> None:
    arm = parts(walking, "right_upper_arm", "right_forearm", "right_hand", "right_index", "right_middle", "right_little")
    read = read_motion(npy(arm, **KNOWN), rate_hz=60)
    motion = read.motion
    for name, place in arm.items():
        if name in HUMAN_LINKS:
            np.testing.assert_array_equal(motion.link(name)[:, :3, 3], place)
    assert sources(motion, "right_shoulder", "right_elbow", "right_wrist") == {Source.OBSERVED}
    assert sources(motion, "left_hip", "right_hip", "left_shoulder") == {Source.INFERRED}
    assert sources(motion, "left_elbow", "left_knee", "nose") == {Source.MISSING}
    assert np.isfinite(motion.base_pose).all()
    np.testing.assert_allclose(motion.link("thorax")[:, 2, 2], 1.0, atol=1e-9)  # upright
    np.testing.assert_allclose(
        np.linalg.norm(motion.landmark("right_shoulder") - motion.landmark("left_shoulder"), axis=1), 0.35, atol=1e-9
    )
    assert (motion.landmark("right_hip")[:, 2] < motion.landmark("right_shoulder")[:, 2] - 0.4).all()
    assert any(note.startswith("inferred: ") and "pelvis and spine" in note for note in read.notes)


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_arm_without_its_shoulder_gets_one_at_arms_length(npy: Any, walking: Any, side: str) -> None:
    motion = read_motion(npy(parts(walking, f"{side}_forearm", f"{side}_hand"), **KNOWN), rate_hz=60).motion
    length = np.linalg.norm(motion.landmark(f"{side}_shoulder") - motion.landmark(f"{side}_elbow"), axis=1)
    np.testing.assert_allclose(length, 0.28, atol=1e-6)
    lateral = np.sum((motion.landmark(f"{side}_shoulder") - motion.link("neck")[:, :3, 3]) * motion.link("thorax")[:, :3, 1], axis=1)
    assert (np.sign(lateral) == (1 if side == "left" else -1)).all()


def test_an_upper_body_faces_as_its_shoulders_and_gets_hips_below(npy: Any, someone_moving: Any) -> None:
    person = someone_moving(shrugging=False)
    upper = parts(person, "upper_arm", "forearm", "_hand")
    motion = read_motion(npy(upper, **KNOWN), rate_hz=60).motion
    left = person.place("left_upper_arm") - person.place("right_upper_arm")
    along = np.sum(motion.link("pelvis")[:, :3, 1] * left, axis=1) / np.linalg.norm(left * [1, 1, 0], axis=1)
    np.testing.assert_allclose(along, 1.0, atol=1e-9)
    assert sources(motion, "left_hip") == {Source.INFERRED}


def test_legs_alone_stay_legs_alone(npy: Any, walking: Any) -> None:
    motion = read_motion(npy(parts(walking, "thigh", "shank", "foot", "toes"), **KNOWN), rate_hz=60).motion
    assert sources(motion, "left_knee") == {Source.OBSERVED}
    assert sources(motion, "left_shoulder", "left_wrist") == {Source.MISSING}


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_alone_in_unknown_axes_is_put_before_an_upright_person(tmp_path: Any, posed: Any, side: str) -> None:
    wave = {**BENT, f"{side}_index_mcp": np.linspace(0, 1, 50)}
    hand = posed(wave, 50).landmarks[:, LEFT_HAND if side == "left" else RIGHT_HAND]
    turn = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    np.save(tmp_path / "take.npy", (hand - hand[:, :1]) @ turn.T + np.linspace(0, 0.1, 50)[:, None, None])
    read = read_motion(tmp_path / "take.npy", rate_hz=30)
    motion = read.motion
    wrist = motion.landmark(f"{side}_hand_wrist")
    assert wrist[:, 2].mean() == pytest.approx(1.05)
    assert np.linalg.norm(wrist[-1] - wrist[0]) == pytest.approx(0.1 * np.sqrt(3), abs=1e-6)  # its way is kept
    ahead, thumb, palm = (motion.link(f"{side}_hand")[:, :3, i] for i in (2, 0, 1))
    assert (-ahead[:, 0] > 0.9).all()
    assert (thumb[:, 2] > 0.9).all()
    assert ((palm[:, 1]) > 0.9).all()  # y is to the left on either hand: the palm faces inward
    shoulder, elbow = motion.landmark(f"{side}_shoulder"), motion.landmark(f"{side}_elbow")
    assert np.sign(shoulder[0, 1]) == (1 if side == "left" else -1)
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulder, axis=1), 0.28, atol=1e-6)
    upper, fore = elbow - shoulder, wrist - elbow
    bent = np.degrees(np.arccos(np.sum(upper * fore, axis=1) / np.linalg.norm(upper, axis=1) / np.linalg.norm(fore, axis=1)))
    assert 60 < np.median(bent) < 100
    assert (elbow[:, 0] < wrist[:, 0]).all()
    assert sources(motion, f"{side}_hand_index_tip", f"{side}_hand_wrist") == {Source.OBSERVED}
    assert sources(motion, f"{side}_wrist", f"{side}_elbow", f"{side}_shoulder", "left_hip") == {Source.INFERRED}
    assert any("the file's axes are the hand's own" in note for note in read.notes)
    assert motion.assumed["stature"] == {"value": 1.73, "sigma": 0.07}


def test_a_hand_alone_in_known_axes_keeps_its_turn(npy: Any, posed: Any) -> None:
    person = posed({**BENT, "right_shoulder": [0.0, -1.2, 0.3], "right_wrist_flexion": np.linspace(-0.5, 0.5, 20)}, 20)
    hand = dict(zip(HAND_NAMES, np.swapaxes(person.landmarks[:, RIGHT_HAND], 0, 1), strict=True))
    motion = read_motion(npy(hand, "right.npy", **KNOWN), rate_hz=30).motion
    np.testing.assert_allclose(motion.link("right_hand")[:, :3, :3], person.turn("right_hand"), atol=1e-6)
    assert motion.landmark("right_hand_wrist")[:, 2].mean() == pytest.approx(1.05)


def test_two_hands_keep_their_distance_before_one_person(npy: Any, posed: Any) -> None:
    person = posed({**BENT, "left_elbow_flexion": 1.5, "right_elbow_flexion": 1.5}, 20)
    hands = {name: person.landmarks[:, row] for row, name in enumerate(LANDMARK_NAMES) if "_hand_" in name}
    motion = read_motion(npy(hands, **KNOWN), rate_hz=30).motion
    between = person.place("left_hand") - person.place("right_hand")
    np.testing.assert_allclose(motion.link("left_hand")[:, :3, 3] - motion.link("right_hand")[:, :3, 3], between, atol=1e-9)
    middle = (motion.landmark("left_wrist") + motion.landmark("right_wrist")) / 2
    np.testing.assert_allclose(middle[0, 1], motion.link("neck")[0, 1, 3], atol=1e-6)


def test_a_last_joint_between_middle_and_tip_is_bent_by_two_thirds(npy: Any, posed: Any) -> None:
    bent = np.linspace(0.0, 1.4, 15)
    angles = {
        f"left_{finger}_{joint}": factor * bent for finger in FINGERS for joint, factor in (("mcp", 0.3), ("pip", 1.0), ("dip", 2 / 3))
    }
    person = posed(angles, 15)
    known = {name: place for name, place in parts(person, "left_").items() if "distal" not in name and "thumb" not in name}
    motion = read_motion(npy(known, **KNOWN), rate_hz=30).motion
    for finger in FINGERS:
        error = np.linalg.norm(motion.link(f"left_{finger}_distal")[:, :3, 3] - person.place(f"left_{finger}_distal"), axis=1)
        assert error.max() < 0.002
        assert sources(motion, f"left_hand_{finger}_dip") == {Source.INFERRED}


def test_tips_go_on_from_the_last_bone(npy: Any, posed: Any) -> None:
    straight = posed({}, 5)
    known = {name: place for name, place in parts(straight, "right_").items() if "_tip" not in name}
    motion = read_motion(npy(known, **KNOWN), rate_hz=30).motion
    for digit in (*FINGERS, "thumb"):
        np.testing.assert_allclose(motion.landmark(f"right_hand_{digit}_tip"), straight.place(f"right_{digit}_tip"), atol=1e-6)
        assert sources(motion, f"right_hand_{digit}_tip") == {Source.INFERRED}


def test_fingers_that_never_move_count_as_inferred_beyond_the_knuckles(npy: Any, someone_moving: Any) -> None:
    person = someone_moving()
    still = {}
    for name in HUMAN_LINKS:
        place = person.place(name)
        if any(f"left_{digit}" in name for digit in (*FINGERS, "thumb")):
            seen = person.turn("left_hand")[0].T @ (place[0] - person.place("left_hand")[0])
            place = person.place("left_hand") + person.turn("left_hand") @ seen
        still[name] = place
    read = read_motion(npy(still, **KNOWN), rate_hz=60)
    assert any("those of the left hand never move" in note for note in read.notes)
    assert sources(read.motion, "left_hand_index_pip", "left_hand_thumb_tip") == {Source.INFERRED}
    assert sources(read.motion, "left_hand_index_mcp", "right_hand_index_pip") == {Source.OBSERVED}


def test_heels_and_tips_lie_on_the_sole_of_feet_that_stand(npy: Any, posed: Any) -> None:
    person = posed({}, 30)
    body = {link: person.place(link) for link in HUMAN_LINKS}
    for side in ("left", "right"):
        body[f"{side}_toes"] = body[f"{side}_foot"] + [0.13, 0.01, -0.05]
    motion = read_motion(npy(body, **KNOWN), rate_hz=30).motion
    for side in ("left", "right"):
        heel, tip = motion.landmark(f"{side}_heel"), motion.landmark(f"{side}_foot_index")
        np.testing.assert_allclose(heel[:, 2], tip[:, 2], atol=0.005)
        assert (heel[:, 0] < body[f"{side}_foot"][:, 0]).all()
        assert (tip[:, 0] > body[f"{side}_toes"][:, 0]).all()


def test_the_face_sits_on_the_head_as_in_the_zero_pose(npy: Any, posed: Any) -> None:
    person = posed({}, 3)
    motion = read_motion(npy({link: person.place(link) for link in HUMAN_LINKS}, **KNOWN), rate_hz=30).motion
    rows = [LANDMARK_NAMES.index(name) for name in ("nose", "left_ear", "mouth_right")]
    np.testing.assert_allclose(motion.landmarks[:, rows], person.landmarks[:, rows], atol=1e-6)
