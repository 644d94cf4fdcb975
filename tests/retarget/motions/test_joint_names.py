"""Which human points the joints of a file are."""

from __future__ import annotations

import pytest

from bodydouble.errors import DataError
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, POSE_NAMES
from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions.joint_names import DIRECTIONS, dialects, recognise
from bodydouble.retarget.motions.zero_pose import LANDMARK_OF_POINT

BODY = {f"{side}_{part}" for side in ("left", "right") for part in ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")}

SKELETONS = {
    "Mixamo": (
        "Hips Spine Spine1 Spine2 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm RightForeArm RightHand "
        "LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg RightLeg RightFoot RightToeBase"
    ),
    "CMU BVH": (
        "Hips LHipJoint LeftUpLeg LeftLeg LeftFoot LeftToeBase RHipJoint RightUpLeg RightLeg RightFoot RightToeBase LowerBack Spine "
        "Spine1 Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand LeftFingerBase LeftHandIndex1 LThumb RightShoulder RightArm "
        "RightForeArm RightHand RightFingerBase RightHandIndex1 RThumb"
    ),
    "joints": (
        "Hips Chest Chest2 Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist RightCollar RightShoulder RightElbow RightWrist "
        "LeftHip LeftKnee LeftAnkle RightHip RightKnee RightAnkle"
    ),
    "Xsens": (
        "Pelvis L5 L3 T12 T8 Neck Head RightShoulder RightUpperArm RightForeArm RightHand LeftShoulder LeftUpperArm LeftForeArm "
        "LeftHand RightUpperLeg RightLowerLeg RightFoot RightToe LeftUpperLeg LeftLowerLeg LeftFoot LeftToe"
    ),
    "Rokoko": (
        "Hips Spine1 Spine2 Spine3 Spine4 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm RightForeArm "
        "RightHand LeftThigh LeftShin LeftFoot LeftToe RightThigh RightShin RightFoot RightToe LeftFinger1Metacarpal LeftFinger5Tip"
    ),
    "OptiTrack Motive": (
        "Hip Ab Chest Neck Head LShoulder LUArm LFArm LHand RShoulder RUArm RFArm RHand LThigh LShin LFoot LToe RThigh RShin RFoot RToe"
    ),
    "Unity": (
        "Hips Spine Chest UpperChest Neck Head LeftShoulder LeftUpperArm LeftLowerArm LeftHand RightShoulder RightUpperArm "
        "RightLowerArm RightHand LeftUpperLeg LeftLowerLeg LeftFoot LeftToes RightUpperLeg RightLowerLeg RightFoot RightToes"
    ),
    "SMPL": (
        "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot neck "
        "left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
    ),
    "landmarks": (
        "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
        "left_hip right_hip left_knee right_knee left_ankle right_ankle"
    ),
}


@pytest.mark.parametrize("dialect", SKELETONS)
def test_skeletons_of_the_field_are_recognised(dialect: str) -> None:
    names = tuple(SKELETONS[dialect].split())
    found = recognise(names, "file")
    assert found.dialect == dialect
    assert set(found.columns) >= BODY
    assert len({found.columns[point] for point in BODY}) == 12


@pytest.mark.parametrize("prefix", ["mixamorig:", "Character1_", "Bob|mixamorig:", "Model "])
def test_what_all_names_begin_with_is_left_out(prefix: str) -> None:
    names = tuple(prefix + name for name in SKELETONS["Mixamo"].split())
    assert set(recognise(names, "file").columns) >= BODY


def test_biped_names_with_spaces_are_recognised() -> None:
    names = tuple(
        f"Bip01 {name}"
        for name in ("Pelvis", "L Thigh", "L Calf", "L Foot", "R Thigh", "R Calf", "R Foot", "L UpperArm", "L Forearm", "L Hand")
    )
    found = recognise(names, "file")
    assert found.dialect == "Biped"
    assert names[found.columns["left_shank"]] == "Bip01 L Calf"


def test_a_shoulder_is_a_collar_bone_in_one_dialect_and_an_upper_arm_in_another() -> None:
    mixamo, smpl = (tuple(SKELETONS[name].split()) for name in ("Mixamo", "SMPL"))
    assert mixamo[recognise(mixamo, "f").columns["left_clavicle"]] == "LeftShoulder"
    assert smpl[recognise(smpl, "f").columns["left_upper_arm"]] == "left_shoulder"


def test_openpose_and_our_own_landmarks_and_links_are_recognised() -> None:
    sided = [f"{side}{part}" for side in "LR" for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "BigToe", "Heel")]
    openpose = ("Nose", "Neck", "MidHip", *sided)
    assert set(recognise(openpose, "f").columns) >= {*BODY, "left_heel", "right_toe_tip", "pelvis", "neck"}
    assert set(recognise(POSE_NAMES, "f").columns) >= BODY
    hands = {f"{side}_{finger}_tip" for side in ("left", "right") for finger in ("thumb", "index", "little")}
    assert set(recognise(LANDMARK_NAMES, "f").columns) >= BODY | hands
    assert set(recognise(HUMAN_LINKS, "f").columns) == set(HUMAN_LINKS)


def test_the_pinky_is_the_little_finger_and_the_spine_ends_below_the_neck() -> None:
    names = (*SKELETONS["Mixamo"].split(), "LeftHandPinky1", "LeftHandPinky2", "RightHandIndex3", "RightHandIndex3_end")
    found = recognise(names, "file").columns
    assert names[found["left_little_middle"]] == "LeftHandPinky2"
    assert names[found["right_index_tip"]] == "RightHandIndex3_end"
    assert (names[found["spine"]], names[found["thorax"]]) == ("Spine", "Spine2")


def test_unknown_joints_are_named() -> None:
    names = (*SKELETONS["Mixamo"].split(), "LeftFootMod", "Prop1")
    assert recognise(names, "file").unused == ("LeftFootMod", "Prop1")


def test_too_few_known_names_are_an_error_that_lists_what_is_known() -> None:
    with pytest.raises(DataError, match=r"odd\.npy: its joints \(Hips, Foo, Bar\) are too few .* Mixamo: hips, leftarm, .* SMPL: pelvis"):
        recognise(("Hips", "Foo", "Bar"), "odd.npy")


def test_every_dialect_maps_to_points_that_exist() -> None:
    points = {*HUMAN_LINKS, *LANDMARK_OF_POINT, "head_top", *(f"{side}_{name}" for side in ("left", "right") for name in DIRECTIONS)}
    for dialect in dialects():
        assert set(dialect.points) <= points, dialect.name
