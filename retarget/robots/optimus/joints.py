"""The 78 joints of the Optimus-like robot: where they are, what they may do, and why.

The maker has published 1.73 m, 57 kg, 28 structural actuators in the body and 50 for the hands and forearms, and no more: EVERY OTHER NUMBER
HERE IS OURS, taken from the anthropometry of a person of that stature or reasoned from the masses in this folder.

Signs are anatomical and the same on both sides: a positive angle is what ``positive`` says, and a right joint turns about the mirror image
of the left one's axis. Mirroring a pose is therefore exchanging left and right, and negating ``neck_yaw`` and ``torso_yaw``.

Tables below give the LEFT side, in metres in the parent's frame at zero: standing, arms hanging, palms to the thighs, x forward, y left, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

Vector = tuple[float, float, float]

GAIT = "peak moment of walking, stairs and squatting (Winter 2009, 1.3 to 2.5 N m/kg at the hip, knee and ankle) at 57 kg, with a margin of a tenth"
AAOS = "AAOS 'Joint Motion' (1965) as tabled by Norkin and White, rounded"
SHADOW = "as the Shadow Dexterous Hand E3M5, whose 22 finger joints these are"
BODY_SPEED = 10.0
"""rad/s, assumed: above the 95th percentile of everyday motion, below a throw (shoulder 40 rad/s and more)."""
FINGER_SPEED = 8.0
"""rad/s, assumed: a full fist in 0.2 s."""


@dataclass(frozen=True)
class Joint:
    """One revolute joint. Angles in degrees, effort in N m, speed in rad/s."""

    name: str
    parent: str
    link: str
    origin: Vector
    axis: Vector
    lower: float
    upper: float
    effort: float
    positive: str
    range_source: str
    effort_source: str
    speed: float = BODY_SPEED

    def right(self) -> Joint:
        """Return the right side's joint: mirrored place and axis, same range and meaning."""
        x, y, z = self.origin
        ax, ay, az = self.axis
        return replace(
            self, name=_right(self.name), parent=_right(self.parent), link=_right(self.link), origin=(x, -y, z), axis=(-ax, ay, -az)
        )


def _right(name: str) -> str:
    return name.replace("left_", "right_", 1)


X: Vector = (1.0, 0.0, 0.0)
Y: Vector = (0.0, 1.0, 0.0)
Z: Vector = (0.0, 0.0, 1.0)
NEG_X: Vector = (-1.0, 0.0, 0.0)
NEG_Y: Vector = (0.0, -1.0, 0.0)
NEG_Z: Vector = (0.0, 0.0, -1.0)

# Lengths at 1.73 m: Drillis and Contini (1966), Zatsiorsky as revised by de Leva (1996), Plagenhoef (1983).
HIP_HEIGHT = 0.918
"""m above the sole: thigh + shank + ankle height."""
THIGH, SHANK, ANKLE_HEIGHT = 0.420, 0.431, 0.067
HIP_HALF_WIDTH, SHOULDER_HALF_WIDTH, CLAVICLE_HALF_WIDTH = 0.09, 0.175, 0.03
SHOULDER_HEIGHT = 1.415
UPPER_ARM, FOREARM = 0.31, 0.26
FOREARM_ROLL_BELOW_ELBOW = 0.09
WAIST_YAW, WAIST_PITCH = 0.105, 0.145
"""m above the hips: the lumbar spine's lower third."""
NECK_YAW_HEIGHT, NECK_PITCH_HEIGHT = 1.470, 1.530
HEEL, TOE_JOINT, TOE_TIP = -0.062, 0.122, 0.194
"""m ahead of the ankle; heel to tip is the foot's 0.256."""
TOE_JOINT_DROP = 0.055

TORSO_JOINTS = (
    Joint("neck_yaw", "torso", "neck", (0.0, 0.0, round(NECK_YAW_HEIGHT - HIP_HEIGHT - WAIST_PITCH, 6)), Z, -45, 45, 10,
          "turn the face to the left", AAOS, "4.6 kg head turned at 100 rad/s^2 about its own axis (3 N m), times three"),
    Joint("neck_pitch", "neck", "head", (0.0, 0.0, round(NECK_PITCH_HEIGHT - NECK_YAW_HEIGHT, 6)), Y, -45, 45, 15,
          "nod down", AAOS, "4.6 kg head held level, centre 0.10 m from the joint (4.5 N m), times three"),
    Joint("torso_yaw", "pelvis", "waist", (0.0, 0.0, WAIST_YAW), Z, -45, 45, 90,
          "turn the chest to the left", AAOS, "upper body (0.5 kg m^2) turned at 100 rad/s^2, times two"),
    Joint("torso_pitch", "waist", "torso", (0.0, 0.0, round(WAIST_PITCH - WAIST_YAW, 6)), Y, -15, 45, 180,
          "bow forward", AAOS, "upper body of 32 kg bowed by 45 degrees, centre 0.27 m up (60 N m), and 10 kg held at arm's length (65 N m), times 1.4"),
)  # fmt: skip

LEG_JOINTS = (
    Joint("left_hip_yaw", "pelvis", "left_hip", (0.0, HIP_HALF_WIDTH, 0.0), NEG_Z, -50, 35, 60,
          "turn the toes inwards", AAOS, "a third of the hip pitch: rotation moments in gait stay under 0.4 N m/kg"),
    Joint("left_hip_roll", "left_hip", "left_hip_cross", (0.0, 0.0, 0.0), X, -30, 40, 110,
          "spread the leg outwards", AAOS, "one-legged stance: 48 kg carried 0.09 m beside the hip (42 N m), and gait peaks of 1.7 N m/kg"),
    Joint("left_hip_pitch", "left_hip_cross", "left_thigh", (0.0, 0.0, 0.0), NEG_Y, -15, 115, 150, "lift the thigh forward", AAOS, GAIT),
    Joint("left_knee", "left_thigh", "left_shank", (0.0, 0.0, -THIGH), Y, 0, 135, 150, "bend the knee", AAOS, GAIT),
    Joint("left_ankle_pitch", "left_shank", "left_ankle", (0.0, 0.0, -SHANK), NEG_Y, -50, 20, 115, "lift the foot's tip", AAOS, GAIT),
    Joint("left_ankle_roll", "left_ankle", "left_foot", (0.0, 0.0, 0.0), NEG_X, -25, 35, 40,
          "turn the sole inwards", AAOS, "whole weight (559 N) on the foot's edge, 0.045 m aside (25 N m), times 1.6"),
    Joint("left_toe", "left_foot", "left_toes", (TOE_JOINT, 0.0, -TOE_JOINT_DROP), NEG_Y, -45, 70, 25,
          "lift the toes", AAOS, "half the weight (280 N) on the toes' middle, 0.04 m ahead (11 N m), times two"),
)  # fmt: skip

_SHOULDER = "arm of 4.7 kg held level, centre 0.32 m out (15 N m), and 5 kg in the hand (32 N m), times 1.5"
ARM_JOINTS = (
    Joint("left_clavicle", "torso", "left_clavicle_link",
          (0.0, CLAVICLE_HALF_WIDTH, round(SHOULDER_HEIGHT - HIP_HEIGHT - WAIST_PITCH, 6)), X, -10, 35, 85,
          "lift the shoulder", "Inman, Saunders and Abbott (1944): clavicle elevation", "the shoulder's load with 0.145 m more lever (57 N m), times 1.5"),
    Joint("left_shoulder_pitch", "left_clavicle_link", "left_shoulder", (0.0, SHOULDER_HALF_WIDTH - CLAVICLE_HALF_WIDTH, 0.0), NEG_Y, -55, 170, 70,
          "lift the arm forward", AAOS, _SHOULDER),
    Joint("left_shoulder_roll", "left_shoulder", "left_shoulder_cross", (0.0, 0.0, 0.0), X, -60, 175, 70, "lift the arm sideways", AAOS, _SHOULDER),
    Joint("left_shoulder_yaw", "left_shoulder_cross", "left_upper_arm", (0.0, 0.0, 0.0), NEG_Z, -85, 85, 35,
          "turn the bent forearm inwards", AAOS, "the elbow's load, elbow bent: same lever"),
    Joint("left_elbow", "left_upper_arm", "left_forearm", (0.0, 0.0, -UPPER_ARM), NEG_Y, 0, 145, 35,
          "bend the elbow", AAOS, "forearm and hand of 2.7 kg, centre 0.14 m out (4 N m), and 5 kg at 0.33 m (16 N m), times 1.7"),
)  # fmt: skip

_WRIST = "5 kg held 0.09 m beyond the wrist (4.4 N m), times two"
HAND_JOINTS_FOREARM = (
    Joint("left_forearm_roll", "left_forearm", "left_forearm_roll_link", (0.0, 0.0, -FOREARM_ROLL_BELOW_ELBOW), NEG_Z, -80, 80, 10,
          "pronate: turn the palm to face backwards", AAOS, "human grip-turning strength at mid range, about 10 N m"),
    Joint("left_wrist_pitch", "left_forearm_roll_link", "left_wrist", (0.0, 0.0, round(FOREARM_ROLL_BELOW_ELBOW - FOREARM, 6)), NEG_X, -70, 75, 9,
          "flex: palm towards the forearm", AAOS, _WRIST),
    Joint("left_wrist_yaw", "left_wrist", "left_palm", (0.0, 0.0, 0.0), Y, -20, 35, 9,
          "deviate to the little finger's side", AAOS, _WRIST),
)  # fmt: skip

# Knuckles from the wrist, and the lengths of the three phalanges: Buchholz, Armstrong and Goldstein (1992), hand length 0.187 m.
KNUCKLES: dict[str, Vector] = {
    "index": (0.025, 0.0, -0.0880),
    "middle": (0.003, 0.0, -0.0890),
    "ring": (-0.0175, 0.0, -0.0835),
    "little": (-0.0355, 0.0, -0.0745),
}
PHALANGES: dict[str, Vector] = {
    "index": (0.044, 0.026, 0.0210),
    "middle": (0.048, 0.028, 0.0220),
    "ring": (0.045, 0.028, 0.0215),
    "little": (0.036, 0.021, 0.0195),
}
LITTLE_PALM: Vector = (-0.0150, 0.0, -0.0250)
"""m from the wrist: the carpal end of the little finger's metacarpal, about which the palm cups."""
THUMB_BASE: Vector = (0.0240, -0.0080, -0.0220)
THUMB_DIRECTION: Vector = (0.7306, -0.2952, -math.sqrt(1 - 0.7306**2 - 0.2952**2))
"""Where the thumb points at zero: 52 degrees off the fingers' direction, 22 degrees in front of the palm's plane."""
THUMB_LENGTHS: Vector = (0.044, 0.034, 0.0265)

_TIP = "a fingertip pushing with 12 N"


def finger_joints(finger: str) -> tuple[Joint, ...]:
    """Return the left joints of one of the four fingers, from the palm outwards."""
    knuckle, (proximal, middle, _distal) = KNUCKLES[finger], PHALANGES[finger]
    parent, joints = "left_palm", []
    if finger == "little":
        # Cupping turns the metacarpal towards the palm and about its own length; the Shadow hand's LFJ5 axis is (0.573, 0, 0.819) too.
        joints.append(
            Joint("left_little_palm", "left_palm", "left_little_metacarpal", LITTLE_PALM, (-0.573, 0.0, 0.819), 0, 45, 1.5,
                  "cup the palm", SHADOW, _TIP + " 0.12 m from the wrist", FINGER_SPEED)
        )  # fmt: skip
        parent = "left_little_metacarpal"
        knuckle = (round(knuckle[0] - LITTLE_PALM[0], 6), 0.0, round(knuckle[2] - LITTLE_PALM[2], 6))
    name = f"left_{finger}"
    joints += [
        Joint(f"{name}_side", parent, f"{name}_knuckle", knuckle, NEG_Y, -20, 20, 0.6,
              "swing towards the thumb's side", SHADOW, "half of the flexion's: 6 N sideways", FINGER_SPEED),
        Joint(f"{name}_mcp", f"{name}_knuckle", f"{name}_proximal", (0.0, 0.0, 0.0), NEG_X, -15, 90, 1.2,
              "bend towards the palm", SHADOW, _TIP + " 0.095 m from the knuckle", FINGER_SPEED),
        Joint(f"{name}_pip", f"{name}_proximal", f"{name}_middle", (0.0, 0.0, -proximal), NEG_X, 0, 100, 0.7,
              "bend towards the palm", SHADOW, _TIP + " 0.05 m from the joint, and a margin", FINGER_SPEED),
        Joint(f"{name}_dip", f"{name}_middle", f"{name}_distal", (0.0, 0.0, -middle), NEG_X, 0, 80, 0.4,
              "bend towards the palm", SHADOW, _TIP + " 0.022 m from the joint, and a margin", FINGER_SPEED),
    ]  # fmt: skip
    return tuple(joints)


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _normalised(v: Vector) -> Vector:
    norm = math.sqrt(sum(x * x for x in v))
    return (round(v[0] / norm, 6), round(v[1] / norm, 6), round(v[2] / norm, 6))


def scaled(direction: Vector, length: float) -> Vector:
    """Return ``length`` along ``direction``, rounded to a nanometre."""
    return (round(direction[0] * length, 9), round(direction[1] * length, 9), round(direction[2] * length, 9))


THUMB_CLOSING: Vector = _normalised(_cross(THUMB_DIRECTION, (0.0, 0.0, -1.0)))
"""Axis about which the thumb closes to the fingers' direction."""
THUMB_ACROSS: Vector = _normalised(_cross(THUMB_DIRECTION, (-0.375, -0.927, 0.0)))
"""Axis of the thumb's own bending: across the palm, at a right angle to closing."""
THUMB_SIDEWAYS: Vector = _normalised(_cross(THUMB_ACROSS, THUMB_DIRECTION))


def thumb_joints() -> tuple[Joint, ...]:
    """Return the left thumb's five joints."""
    metacarpal, proximal, _distal = THUMB_LENGTHS
    # The Shadow hand rolls the thumb about itself first, which cannot lay it beside the index finger. Ours has azimuth and angle to the fingers.
    return (
        Joint("left_thumb_rotation", "left_palm", "left_thumb_base", THUMB_BASE, NEG_Z, -60, 60, 1.5,
              "oppose: swing the thumb in front of the palm", SHADOW, _TIP + " 0.10 m from the axis, and a margin", FINGER_SPEED),
        Joint("left_thumb_closing", "left_thumb_base", "left_thumb_metacarpal", (0.0, 0.0, 0.0), THUMB_CLOSING, 0, 70, 1.5,
              "close towards the fingers' direction", SHADOW, _TIP + " 0.105 m from the axis, and a margin", FINGER_SPEED),
        Joint("left_thumb_side", "left_thumb_metacarpal", "left_thumb_knuckle", scaled(THUMB_DIRECTION, metacarpal), THUMB_SIDEWAYS, -12, 12, 0.6,
              "swing away from the fingers", SHADOW, "half of the flexion's", FINGER_SPEED),
        Joint("left_thumb_mcp", "left_thumb_knuckle", "left_thumb_proximal", (0.0, 0.0, 0.0), THUMB_ACROSS, -40, 40, 1.0,
              "bend across the palm", SHADOW, _TIP + " 0.06 m from the joint, and a margin", FINGER_SPEED),
        Joint("left_thumb_ip", "left_thumb_proximal", "left_thumb_distal", scaled(THUMB_DIRECTION, proximal), THUMB_ACROSS, -15, 90, 0.6,
              "bend across the palm", SHADOW, _TIP + " 0.027 m from the joint, and a margin", FINGER_SPEED),
    )  # fmt: skip


FINGERS = ("index", "middle", "ring", "little")


def all_joints() -> tuple[Joint, ...]:
    """Return the 78 joints, group by group: neck, torso, left leg, right leg, left arm, right arm, left hand, right hand."""
    hand = HAND_JOINTS_FOREARM + thumb_joints() + tuple(joint for finger in FINGERS for joint in finger_joints(finger))
    joints: list[Joint] = list(TORSO_JOINTS)
    for limb in (LEG_JOINTS, ARM_JOINTS, hand):
        joints += [*limb, *(joint.right() for joint in limb)]
    return tuple(joints)


def frames() -> tuple[tuple[str, str, Vector], ...]:
    """Return named points (name, link, place in m) that are no joint: soles, fingertips, the face."""
    left: list[tuple[str, str, Vector]] = [
        ("left_heel", "left_foot", (HEEL, 0.0, -ANKLE_HEIGHT)),
        ("left_toe_tip", "left_toes", (round(TOE_TIP - TOE_JOINT, 6), 0.0, round(TOE_JOINT_DROP - ANKLE_HEIGHT, 6))),
        ("left_palm_centre", "left_palm", (0.0, -0.014, -0.055)),
        ("left_thumb_tip", "left_thumb_distal", scaled(THUMB_DIRECTION, THUMB_LENGTHS[2])),
    ]
    left += [(f"left_{finger}_tip", f"left_{finger}_distal", (0.0, 0.0, -PHALANGES[finger][2])) for finger in FINGERS]
    right = [(_right(name), _right(link), (x, -y, z)) for name, link, (x, y, z) in left]
    return (("eyes", "head", (0.085, 0.0, 0.09)), *left, *right)
