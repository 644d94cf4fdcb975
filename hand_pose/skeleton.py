"""The human skeleton as a table: joints, their axes and ranges, and where each of the 75 landmarks sits.

Zero pose: standing, arms hanging, palms towards the thighs; every frame parallel to the world (x forward, y left, z up). Every
offset is a sum of ``bone length x fixed vector``, so a position is linear in the bone lengths.

Ranges: AAOS "Joint Motion" (1965) as tabled in Norkin and White, "Measurement of Joint Motion" (5th ed.), rounded outwards by up to 10
degrees, because MediaPipe's landmarks are not joint centres. Typical lengths at 1.73 m: Drillis and Contini (1966); Zatsiorsky as revised by
de Leva (1996), whose upper arm between joint centres is 3 cm shorter than from the acromion; hand: Buchholz, Armstrong and Goldstein (1992),
"Anthropometric data for describing the kinematics of the human hand".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bodydouble.hand_pose.landmarks import HAND_NAMES

Vector = tuple[float, float, float]
Offset = dict[str, Vector]
"""Bone name to the vector that one metre of it contributes, in the parent link's frame."""

REFERENCE_STATURE = 1.73
"""m, the stature that the typical lengths below belong to."""

TYPICAL_LENGTHS: dict[str, float] = {
    "hip_half_width": 0.09, "trunk": 0.50, "shoulder_half_width": 0.175, "neck_head": 0.19, "head_half_width": 0.075,
    "upper_arm": 0.28, "forearm": 0.26, "thigh": 0.420, "shank": 0.431, "ankle_height": 0.067, "heel": 0.056, "forefoot": 0.17,
    "thumb_carpal": 0.034, "thumb_metacarpal": 0.043, "thumb_proximal": 0.034, "thumb_distal": 0.026,
    "index_palm": 0.094, "index_proximal": 0.044, "index_middle": 0.026, "index_distal": 0.020,
    "middle_palm": 0.091, "middle_proximal": 0.048, "middle_middle": 0.029, "middle_distal": 0.021,
    "ring_palm": 0.085, "ring_proximal": 0.045, "ring_middle": 0.028, "ring_distal": 0.021,
    "little_palm": 0.081, "little_proximal": 0.036, "little_middle": 0.021, "little_distal": 0.019,
}  # fmt: skip
"""m at ``REFERENCE_STATURE``. The keys are the skeleton's parameters: constant over a recording, equal left and right."""

RELATIVE_SPREAD: dict[str, float] = {
    "hip_half_width": 0.15,
    "trunk": 0.06,
    "neck_head": 0.10,
    "heel": 0.2,
    "ankle_height": 0.2,
    "thumb_carpal": 0.2,
}
"""One standard deviation between people of the same stature, as a share of the length; 0.07 for those not named (ANSUR II: 4 to 8 %)."""


@dataclass(frozen=True)
class JointEntry:
    """One joint of the tree. ``axes`` is None for a ball joint, else one revolute axis with its range in rad."""

    name: str
    parent: str
    link: str
    """Link that hangs on it; "" for an intermediate joint of a compound."""
    offset: Offset
    axis: Vector | None = None
    lower: float = -math.pi
    upper: float = math.pi
    rest_sigma: float = 1.0
    """rad: how far from zero the joint is expected to be, a weak prior that decides only what the images leave open."""


def _range(low_deg: float, high_deg: float) -> tuple[float, float]:
    return math.radians(low_deg), math.radians(high_deg)


FINGERS = ("index", "middle", "ring", "little")
_PALM_SPREAD = {"index": 0.28, "middle": 0.02, "ring": -0.20, "little": -0.43}
"""Forward over downward position of each knuckle seen from the wrist, in the zero pose."""


def _finger_joints(side: str) -> list[JointEntry]:
    inward = -1.0 if side == "left" else 1.0  # y direction that the palm faces
    flexion: Vector = (inward, 0.0, 0.0)
    spread: Vector = (0.0, -1.0, 0.0)  # positive towards the thumb
    hand = f"{side}_wrist_deviation"
    joints = []
    for finger in FINGERS:
        slope = _PALM_SPREAD[finger]
        norm = math.hypot(1.0, slope)
        knuckle: Offset = {f"{finger}_palm": (slope / norm, 0.0, -1.0 / norm)}
        down: Vector = (0.0, 0.0, -1.0)
        joints += [
            JointEntry(f"{side}_{finger}_spread", hand, "", knuckle, spread, *_range(-25, 25), 0.12),
            JointEntry(f"{side}_{finger}_mcp", f"{side}_{finger}_spread", f"{side}_{finger}_proximal", {}, flexion, *_range(-30, 95), 0.6),
            JointEntry(f"{side}_{finger}_pip", f"{side}_{finger}_mcp", f"{side}_{finger}_middle", {f"{finger}_proximal": down}, flexion, *_range(-5, 110), 0.7),
            JointEntry(f"{side}_{finger}_dip", f"{side}_{finger}_pip", f"{side}_{finger}_distal", {f"{finger}_middle": down}, flexion, *_range(-10, 85), 0.4),
        ]  # fmt: skip
    thumb = thumb_direction(side)
    across: Vector = (0.0, inward, 0.0)  # the palm's normal
    opposition = _normalised(_cross(thumb, across))  # bending about it carries the thumb tip towards the palm's normal
    # The thumb's nail faces half way between the palm's normal and the index finger: its bending carries the tip towards the little finger.
    bending = _normalised((opposition[0], 1.0, opposition[2]))
    carpal = _normalised((0.75, inward * 0.25, -0.6))
    joints += [
        JointEntry(f"{side}_thumb_cmc_spread", hand, "", {"thumb_carpal": carpal}, spread, *_range(-60, 60), 0.4),
        JointEntry(f"{side}_thumb_cmc_flexion", f"{side}_thumb_cmc_spread", f"{side}_thumb_metacarpal", {}, opposition, *_range(-25, 75), 0.5),
        JointEntry(f"{side}_thumb_mcp", f"{side}_thumb_cmc_flexion", f"{side}_thumb_proximal", {"thumb_metacarpal": thumb}, bending, *_range(-20, 70), 0.4),
        JointEntry(f"{side}_thumb_ip", f"{side}_thumb_mcp", f"{side}_thumb_distal", {"thumb_proximal": thumb}, bending, *_range(-20, 90), 0.5),
    ]  # fmt: skip
    return joints


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _normalised(v: Vector) -> Vector:
    norm = math.sqrt(sum(x * x for x in v))
    return (v[0] / norm, v[1] / norm, v[2] / norm)


def thumb_direction(side: str) -> Vector:
    """Return where the relaxed thumb points in the zero pose: forward, down and a little across the palm."""
    return _normalised((0.62, -0.25 if side == "left" else 0.25, -0.75))


def _arm_joints(side: str) -> list[JointEntry]:
    sign = 1.0 if side == "left" else -1.0
    down: Vector = (0.0, 0.0, -1.0)
    inward = -sign
    return [
        JointEntry(f"{side}_clavicle_elevation", "thoracic", "", {"trunk": (0.0, 0.0, 0.45), "shoulder_half_width": (0.0, 0.15 * sign, 0.0)},
                   (sign, 0.0, 0.0), *_range(-15, 40), 0.25),
        JointEntry(f"{side}_clavicle_protraction", f"{side}_clavicle_elevation", f"{side}_clavicle", {}, (0.0, 0.0, -sign), *_range(-30, 35), 0.25),
        JointEntry(f"{side}_shoulder", f"{side}_clavicle_protraction", f"{side}_upper_arm", {"shoulder_half_width": (0.0, 0.85 * sign, 0.0)}, rest_sigma=1.5),
        JointEntry(f"{side}_elbow_flexion", f"{side}_shoulder", "", {"upper_arm": down}, (0.0, -1.0, 0.0), *_range(-5, 155), 1.5),
        JointEntry(f"{side}_forearm_pronation", f"{side}_elbow_flexion", f"{side}_forearm", {}, (0.0, 0.0, -sign), *_range(-95, 95), 0.7),
        JointEntry(f"{side}_wrist_flexion", f"{side}_forearm_pronation", "", {"forearm": down}, (inward, 0.0, 0.0), *_range(-80, 85), 0.4),
        JointEntry(f"{side}_wrist_deviation", f"{side}_wrist_flexion", f"{side}_hand", {}, (0.0, -1.0, 0.0), *_range(-40, 30), 0.25),
        *_finger_joints(side),
    ]  # fmt: skip


def _leg_joints(side: str) -> list[JointEntry]:
    sign = 1.0 if side == "left" else -1.0
    down: Vector = (0.0, 0.0, -1.0)
    return [
        JointEntry(f"{side}_hip", "pelvis", f"{side}_thigh", {"hip_half_width": (0.0, sign, 0.0)}, rest_sigma=1.2),
        JointEntry(f"{side}_knee_flexion", f"{side}_hip", f"{side}_shank", {"thigh": down}, (0.0, 1.0, 0.0), *_range(-5, 155), 1.2),
        JointEntry(f"{side}_ankle_dorsiflexion", f"{side}_knee_flexion", "", {"shank": down}, (0.0, -1.0, 0.0), *_range(-55, 35), 0.4),
        JointEntry(f"{side}_ankle_inversion", f"{side}_ankle_dorsiflexion", f"{side}_foot", {}, (-sign, 0.0, 0.0), *_range(-35, 40), 0.2),
        JointEntry(f"{side}_toe_extension", f"{side}_ankle_inversion", f"{side}_toes",
                   {"forefoot": (0.72, 0.0, 0.0), "ankle_height": (0.0, 0.0, -0.85)}, (0.0, -1.0, 0.0), *_range(-45, 75), 0.2),
    ]  # fmt: skip


JOINTS: tuple[JointEntry, ...] = (
    JointEntry("lumbar", "pelvis", "spine", {"trunk": (0.0, 0.0, 0.2)}, rest_sigma=0.35),
    JointEntry("thoracic", "lumbar", "thorax", {"trunk": (0.0, 0.0, 0.35)}, rest_sigma=0.35),
    JointEntry("neck", "thoracic", "neck", {"trunk": (0.0, 0.0, 0.45)}, rest_sigma=0.4),
    JointEntry("head", "neck", "head", {"neck_head": (0.0, 0.0, 0.6)}, rest_sigma=0.4),
    *_arm_joints("left"), *_arm_joints("right"), *_leg_joints("left"), *_leg_joints("right"),
)  # fmt: skip
"""Parents before children. The root "pelvis" is a free-flyer midway between the hips."""

_EARS: Offset = {"neck_head": (0.0, 0.0, 0.4)}


def _face(forward: float, left: float, up: float) -> Offset:
    """Give a point of the face relative to the middle of the ears, in half head widths."""
    return {**_EARS, "head_half_width": (forward, left, up)}


def _landmarks() -> dict[str, tuple[str, Offset]]:
    table: dict[str, tuple[str, Offset]] = {"nose": ("head", _face(1.50, 0.0, -0.15))}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        down: Vector = (0.0, 0.0, -1.0)
        table |= {
            f"{side}_eye_inner": ("head", _face(1.22, 0.22 * sign, 0.30)), f"{side}_eye": ("head", _face(1.18, 0.42 * sign, 0.30)),
            f"{side}_eye_outer": ("head", _face(1.08, 0.60 * sign, 0.30)), f"{side}_ear": ("head", _face(0.0, sign, 0.0)),
            f"mouth_{side}": ("head", _face(1.22, 0.32 * sign, -0.62)),
            f"{side}_shoulder": (f"{side}_shoulder", {}), f"{side}_elbow": (f"{side}_elbow_flexion", {}),
            f"{side}_wrist": (f"{side}_wrist_flexion", {}), f"{side}_hip": (f"{side}_hip", {}), f"{side}_knee": (f"{side}_knee_flexion", {}),
            f"{side}_ankle": (f"{side}_ankle_dorsiflexion", {}),
            f"{side}_heel": (f"{side}_ankle_inversion", {"heel": (-1.0, 0.0, 0.0), "ankle_height": down}),
            f"{side}_foot_index": (f"{side}_toe_extension", {"forefoot": (0.28, 0.0, 0.0), "ankle_height": (0.0, 0.0, -0.15)}),
            # The pose model's three hand points are knuckles, coarsely: "pinky" and "index" knuckle, and the thumb's middle.
            f"{side}_pinky": (f"{side}_little_mcp", {}), f"{side}_index": (f"{side}_index_mcp", {}), f"{side}_thumb": (f"{side}_thumb_ip", {}),
            f"{side}_hand_wrist": (f"{side}_wrist_deviation", {}),
            f"{side}_hand_thumb_cmc": (f"{side}_thumb_cmc_spread", {}), f"{side}_hand_thumb_mcp": (f"{side}_thumb_mcp", {}),
            f"{side}_hand_thumb_ip": (f"{side}_thumb_ip", {}), f"{side}_hand_thumb_tip": (f"{side}_thumb_ip", {"thumb_distal": thumb_direction(side)}),
        }  # fmt: skip
        for finger in FINGERS:
            for joint in ("mcp", "pip", "dip"):
                table[f"{side}_hand_{finger}_{joint}"] = (f"{side}_{finger}_{joint}", {})
            table[f"{side}_hand_{finger}_tip"] = (f"{side}_{finger}_dip", {f"{finger}_distal": down})
    assert all(f"left_hand_{name}" in table for name in HAND_NAMES)
    return table


LANDMARK_PLACES = _landmarks()
"""Landmark name to (joint that carries it, offset in that joint's link frame)."""
