"""Masses and shapes of the trunk, head, legs and arms (left side; the right is mirrored). Metres, in the link's own frame.

Mass shares of 57 kg: Zatsiorsky as revised by de Leva (1996): trunk 0.497, head 0.081, thigh 0.100, shank 0.0465, foot 0.0145, upper arm
0.028, hand 0.006. The forearm holds the hand's motors and weighs 2.4 kg instead of 0.9, taken off the trunk. Within a segment the split over
links is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bodydouble.retarget.robots.optimus.joints import ANKLE_HEIGHT, FOREARM, FOREARM_ROLL_BELOW_ELBOW, SHANK, THIGH, UPPER_ARM
from bodydouble.retarget.robots.optimus.primitives import Shape, ball, box, capsule, plate, rod, taper

TOTAL_MASS = 57.0
FOREARM_MASS = 2.4
TRUNK_MASS = 0.497 * TOTAL_MASS - 2 * (FOREARM_MASS - 0.016 * TOTAL_MASS)
HEAD_MASS, THIGH_MASS, SHANK_MASS, FOOT_MASS = 0.081 * TOTAL_MASS, 0.100 * TOTAL_MASS, 0.0465 * TOTAL_MASS, 0.0145 * TOTAL_MASS
UPPER_ARM_MASS, HAND_MASS = 0.028 * TOTAL_MASS, 0.006 * TOTAL_MASS

MATERIALS: dict[str, tuple[float, float, float]] = {
    "shell_light": (0.80, 0.81, 0.83),
    "shell_grey": (0.52, 0.53, 0.56),
    "shell_dark": (0.12, 0.125, 0.14),
    "joint": (0.24, 0.25, 0.27),
    "visor": (0.02, 0.02, 0.03),
    "accent": (0.78, 0.62, 0.33),
    "lamp": (0.55, 0.85, 1.0),
    "pad": (0.18, 0.18, 0.19),
}
"""Name to RGB in 0..1."""


@dataclass(frozen=True)
class Link:
    """One rigid body: kg, what is seen, what is touched. Inertia comes from ``collision``."""

    name: str
    mass: float
    visual: list[Shape]
    collision: list[Shape] = field(default_factory=list)

    def right(self) -> Link:
        """Return the right side's link."""
        return Link(
            self.name.replace("left_", "right_", 1), self.mass, [s.mirrored() for s in self.visual], [s.mirrored() for s in self.collision]
        )


def trunk_links() -> list[Link]:
    """Return pelvis, waist, torso, neck and head."""
    pelvis = [
        *capsule((0.0, -0.052, 0.058), (0.0, 0.052, 0.058), 0.056, "shell_dark"),
        *capsule((0.0, 0.0, -0.022), (0.0, 0.0, 0.040), 0.054, "shell_dark"),
        *(rod((0.0, side * 0.052, 0.050), (0.0, side * 0.012, -0.030), 0.050, "shell_dark") for side in (1, -1)),
        *capsule((0.024, -0.040, 0.062), (0.024, 0.040, 0.062), 0.040, "shell_grey"),
        rod((0.0, -0.105, 0.0), (0.0, 0.105, 0.0), 0.040, "joint"),
    ]
    waist = [
        rod((0.0, 0.0, -0.030), (0.0, 0.0, 0.020), 0.062, "joint"),
        rod((0.0, -0.085, 0.040), (0.0, 0.085, 0.040), 0.045, "joint"),
        rod((0.0, -0.090, 0.040), (0.0, 0.090, 0.040), 0.030, "shell_grey"),
    ]
    torso = [
        # Upright and lying capsules that grow into each other: flanks, belly, chest, shoulder bar, back, and slopes to the neck.
        *(
            shape
            for side in (1, -1)
            for shape in capsule((0.000, side * 0.030, 0.030), (0.004, side * 0.072, 0.225), 0.068, "shell_dark", caps="start")
        ),
        *capsule((0.010, 0.0, 0.030), (0.020, 0.0, 0.170), 0.066, "shell_dark", caps="start"),
        *capsule((0.012, -0.064, 0.222), (0.012, 0.064, 0.222), 0.078, "shell_dark"),
        *capsule((0.004, -0.076, 0.280), (0.004, 0.076, 0.280), 0.060, "shell_dark"),
        *capsule((-0.014, -0.050, 0.230), (-0.014, 0.050, 0.230), 0.076, "shell_dark"),
        *(
            shape
            for side in (1, -1)
            for shape in capsule((-0.004, side * 0.080, 0.312), (-0.004, side * 0.010, 0.382), 0.037, "shell_dark", caps="start")
        ),
        # Breast plate, belly plate, lamp, battery housing, neck.
        *capsule((0.024, -0.054, 0.246), (0.024, 0.054, 0.246), 0.071, "shell_grey"),
        *capsule((0.030, 0.0, 0.075), (0.038, 0.0, 0.135), 0.052, "shell_grey"),
        box((0.004, 0.034, 0.006), (0.0945, 0.0, 0.250), "lamp"),
        *plate((0.050, 0.160, 0.180), 0.022, (-0.078, 0.0, 0.215), "shell_grey"),
        *plate((0.056, 0.124, 0.012), 0.022, (-0.080, 0.0, 0.250), "joint"),
        *plate((0.056, 0.124, 0.012), 0.022, (-0.080, 0.0, 0.180), "joint"),
        *taper((0.0, 0.0, 0.352), (0.0, 0.0, 0.412), (0.0600, 0.0520), "shell_dark"),
        rod((0.0, 0.0, 0.410), (0.0, 0.0, 0.425), 0.043, "joint"),
    ]
    torso_solid = [
        *plate((0.165, 0.225, 0.110), 0.060, (0.004, 0.0, 0.065), "shell_dark"),
        *plate((0.185, 0.275, 0.160), 0.070, (0.010, 0.0, 0.200), "shell_dark"),
        *plate((0.140, 0.200, 0.075), 0.050, (0.002, 0.0, 0.318), "shell_dark"),
        box((0.040, 0.180, 0.180), (-0.090, 0.0, 0.195), "shell_grey"),
    ]
    neck = [rod((0.0, 0.0, -0.030), (0.0, 0.0, 0.055), 0.040, "joint")]
    neck += [rod((0.0, 0.0, z), (0.0, 0.0, z + 0.006), 0.0435, "shell_grey") for z in (-0.006, 0.010, 0.026)]
    head = _head()
    head_solid = [ball(0.078, (0.012, 0.0, 0.118), "shell_dark"), rod((0.010, 0.0, 0.020), (0.010, 0.0, 0.120), 0.068, "shell_dark")]
    waist_mass, pelvis_mass, neck_mass = 1.6, 7.2, 0.45
    clavicles = 2 * 0.75
    torso_mass = TRUNK_MASS - waist_mass - pelvis_mass - neck_mass - clavicles
    return [
        Link("pelvis", pelvis_mass, pelvis, [*plate((0.150, 0.200, 0.070), 0.045, (0.0, 0.0, 0.050), "shell_dark"),
                                             *plate((0.120, 0.100, 0.080), 0.040, (0.0, 0.0, -0.025), "shell_dark")]),
        Link("waist", waist_mass, waist, [rod((0.0, 0.0, -0.030), (0.0, 0.0, 0.050), 0.060, "joint")]),
        Link("torso", torso_mass, torso, torso_solid),
        Link("neck", neck_mass, neck, [rod((0.0, 0.0, -0.030), (0.0, 0.0, 0.040), 0.036, "joint")]),
        Link("head", HEAD_MASS, head, head_solid),
    ]  # fmt: skip


def _head() -> list[Shape]:
    """Shape a dark helmet of overlapping balls, and a glossy shield of balls set forward in it: their meeting line is the shield's rim."""
    jaw = [(0.0725, 0.020, 0.104), (0.0680, 0.023, 0.084), (0.0610, 0.027, 0.066), (0.0520, 0.031, 0.049), (0.0420, 0.035, 0.034)]
    return [
        *capsule((-0.022, 0.0, 0.124), (0.020, 0.0, 0.124), 0.074, "shell_dark"),
        ball(0.066, (-0.018, 0.0, 0.095), "shell_dark"),
        *(ball(radius, (forward, 0.0, height), "shell_dark") for radius, forward, height in jaw),
        ball(0.064, (0.036, 0.0, 0.128), "visor"),
        *(ball(radius * 0.90, (forward + 0.0145, 0.0, height - 0.002), "visor") for radius, forward, height in jaw),
        rod((0.0, -0.077, 0.104), (0.0, 0.077, 0.104), 0.024, "shell_grey"),
        rod((0.0, -0.080, 0.104), (0.0, 0.080, 0.104), 0.014, "joint"),
        box((0.006, 0.050, 0.005), (0.0970, 0.0, 0.128), "lamp"),
        rod((0.0, 0.0, -0.020), (0.0, 0.0, 0.040), 0.040, "joint"),
        rod((0.0, -0.045, 0.0), (0.0, 0.045, 0.0), 0.024, "shell_grey"),
    ]


def leg_links() -> list[Link]:
    """Return the left leg's links from the hip downwards."""
    hip = [rod((0.0, 0.0, 0.0), (0.0, 0.0, 0.060), 0.046, "joint"), rod((0.0, 0.0, 0.050), (0.0, 0.0, 0.066), 0.050, "shell_grey")]
    cross = [rod((-0.062, 0.0, 0.0), (0.062, 0.0, 0.0), 0.042, "joint"), rod((-0.067, 0.0, 0.0), (0.067, 0.0, 0.0), 0.026, "shell_grey")]
    thigh = [
        rod((0.0, -0.040, 0.0), (0.0, 0.058, 0.0), 0.050, "shell_grey"),
        ball(0.058, (0.0, 0.004, -0.040), "shell_light"),
        *taper(
            (0.0, 0.004, -0.040),
            (0.0, 0.0, -0.335),
            (0.0655, 0.0620, 0.0570),
            "shell_light",
        ),
        rod((0.0, 0.002, -0.172), (0.0, 0.002, -0.178), 0.0665, "joint"),
        box((0.010, 0.030, 0.140), (0.0610, 0.0, -0.200), "shell_grey", pitch=3),
        rod((0.0, 0.0, -0.330), (0.0, 0.0, -0.395), 0.046, "joint"),
        rod((0.0, -0.050, -THIGH), (0.0, 0.050, -THIGH), 0.044, "joint"),
        rod((0.0, -0.054, -THIGH), (0.0, 0.054, -THIGH), 0.030, "shell_grey"),
    ]
    shank = [
        ball(0.042, (0.018, 0.0, 0.0), "shell_light"),
        box((0.020, 0.056, 0.060), (0.050, 0.0, 0.000), "shell_light"),
        rod((0.0, 0.0, -0.010), (0.0, 0.0, -0.080), 0.036, "joint"),
        *taper(
            (-0.006, 0.0, -0.052),
            (-0.002, 0.0, -0.350),
            (0.0500, 0.0450, 0.0390),
            "shell_light",
        ),
        *taper((-0.026, 0.0, -0.085), (-0.018, 0.0, -0.230), (0.0400,), "shell_light"),
        rod((-0.004, 0.0, -0.205), (-0.004, 0.0, -0.211), 0.0520, "joint"),
        box((0.010, 0.026, 0.150), (0.0440, 0.0, -0.150), "shell_grey", pitch=2),
        rod((0.0, 0.0, -0.345), (0.0, 0.0, -0.410), 0.028, "joint"),
        rod((0.0, -0.034, -SHANK), (0.0, 0.034, -SHANK), 0.030, "joint"),
    ]
    ankle = [
        rod((-0.026, 0.0, 0.0), (0.030, 0.0, 0.0), 0.024, "shell_grey"),
        rod((0.0, -0.038, 0.0), (0.0, 0.038, 0.0), 0.020, "shell_grey"),
    ]
    sole = -ANKLE_HEIGHT
    foot = [
        *plate((0.170, 0.074, 0.014), 0.034, (0.025, 0.0, sole + 0.007), "pad"),
        *plate((0.166, 0.070, 0.016), 0.033, (0.025, 0.0, sole + 0.021), "shell_light"),
        *plate((0.148, 0.064, 0.014), 0.031, (0.018, 0.0, sole + 0.035), "shell_light"),
        *plate((0.116, 0.056, 0.012), 0.027, (0.006, 0.0, sole + 0.047), "shell_light"),
        *plate((0.080, 0.048, 0.012), 0.023, (-0.006, 0.0, sole + 0.058), "shell_grey"),
    ]
    drop = sole + 0.055
    toes = [
        *plate((0.092, 0.074, 0.012), 0.034, (0.026, 0.0, drop + 0.006), "pad"),
        *plate((0.084, 0.066, 0.012), 0.030, (0.024, 0.0, drop + 0.017), "shell_light"),
        *plate((0.060, 0.054, 0.008), 0.026, (0.018, 0.0, drop + 0.026), "shell_light"),
        rod((0.0, -0.036, 0.0), (0.0, 0.036, 0.0), 0.012, "joint"),
    ]
    return [
        Link("left_hip", 0.7, hip, [rod((0.0, 0.0, 0.0), (0.0, 0.0, 0.050), 0.040, "joint")]),
        Link("left_hip_cross", 0.6, cross, [rod((-0.050, 0.0, 0.0), (0.050, 0.0, 0.0), 0.040, "joint")]),
        Link("left_thigh", THIGH_MASS - 1.3, thigh, capsule((0.0, 0.002, -0.050), (0.0, 0.0, -0.370), 0.060, "shell_light")),
        Link("left_shank", SHANK_MASS, shank, capsule((-0.006, 0.0, -0.040), (-0.002, 0.0, -0.380), 0.045, "shell_light")),
        Link("left_ankle", 0.16, ankle, [rod((-0.026, 0.0, 0.0), (0.030, 0.0, 0.0), 0.024, "shell_grey")]),
        Link("left_foot", FOOT_MASS - 0.16 - 0.14, foot,
             [box((0.170, 0.072, 0.030), (0.025, 0.0, sole + 0.015), "pad"), box((0.100, 0.056, 0.024), (0.0, 0.0, sole + 0.042), "pad")]),
        Link("left_toes", 0.14, toes, [box((0.084, 0.070, 0.024), (0.030, 0.0, drop + 0.012), "pad")]),
    ]  # fmt: skip


def arm_links() -> list[Link]:
    """Return the left arm's links from the collar bone to the wrist."""
    clavicle = [
        rod((0.0, 0.030, 0.0), (0.0, 0.110, 0.0), 0.040, "joint"),
        *taper((0.0, 0.055, 0.0), (0.0, 0.098, 0.0), (0.0550,), "shell_dark"),
    ]
    shoulder = [
        rod((0.0, -0.046, 0.0), (0.0, -0.006, 0.0), 0.048, "shell_grey"),
        rod((0.0, -0.050, 0.0), (0.0, -0.042, 0.0), 0.051, "joint"),
    ]
    cross = [ball(0.053, (0.0, 0.004, 0.0), "shell_light"), rod((-0.055, 0.004, 0.0), (0.055, 0.004, 0.0), 0.026, "shell_grey")]
    upper_arm = [
        rod((0.0, 0.002, -0.030), (0.0, 0.0, -0.075), 0.038, "joint"),
        *taper((0.0, 0.002, -0.062), (0.0, 0.0, -0.255), (0.0455, 0.0410), "shell_light"),
        rod((0.0, 0.0, -0.150), (0.0, 0.0, -0.155), 0.0452, "joint"),
        rod((0.0, 0.0, -0.250), (0.0, 0.0, -0.285), 0.032, "joint"),
        rod((0.0, -0.038, -UPPER_ARM), (0.0, 0.038, -UPPER_ARM), 0.034, "joint"),
        rod((0.0, -0.042, -UPPER_ARM), (0.0, 0.042, -UPPER_ARM), 0.022, "shell_grey"),
    ]
    roll = -FOREARM_ROLL_BELOW_ELBOW
    forearm = [
        ball(0.035, (-0.008, 0.0, -0.006), "shell_light"),
        rod((0.0, 0.0, -0.010), (0.0, 0.0, -0.040), 0.032, "joint"),
        *taper((0.0, 0.0, -0.034), (0.0, 0.0, roll + 0.004), (0.0425,), "shell_light"),
        rod((0.0, 0.0, roll + 0.004), (0.0, 0.0, roll - 0.002), 0.0400, "joint"),
    ]
    wrist = roll * -1 - FOREARM
    forearm_roll = [
        *taper((0.0, 0.0, -0.002), (0.0, 0.0, wrist + 0.032), (0.0425, 0.0380, 0.0335), "shell_light"),
        box((0.040, 0.006, 0.070), (0.0, 0.0395, -0.055), "shell_grey", roll=5),
        rod((0.0, 0.0, wrist + 0.034), (0.0, 0.0, wrist + 0.016), 0.026, "joint"),
        rod((-0.022, 0.0, wrist), (0.022, 0.0, wrist), 0.017, "joint"),
    ]
    wrist_link = [
        rod((0.0, -0.020, 0.0), (0.0, 0.020, 0.0), 0.015, "shell_grey"),
        rod((-0.027, 0.0, 0.0), (0.027, 0.0, 0.0), 0.010, "shell_grey"),
    ]
    return [
        Link("left_clavicle_link", 0.75, clavicle, [rod((0.0, 0.050, 0.0), (0.0, 0.100, 0.0), 0.050, "joint")]),
        Link("left_shoulder", 0.30, shoulder, [rod((0.0, -0.046, 0.0), (0.0, -0.006, 0.0), 0.045, "joint")]),
        Link("left_shoulder_cross", 0.25, cross, [ball(0.050, (0.0, 0.004, 0.0), "shell_light")]),
        Link("left_upper_arm", UPPER_ARM_MASS - 0.55, upper_arm, capsule((0.0, 0.002, -0.050), (0.0, 0.0, -0.285), 0.040, "shell_light")),
        Link("left_forearm", 0.9, forearm, capsule((0.0, 0.0, -0.005), (0.0, 0.0, roll), 0.037, "shell_light", caps="start")),
        Link("left_forearm_roll_link", FOREARM_MASS - 0.9 - 0.08, forearm_roll,
             capsule((0.0, 0.0, 0.0), (0.0, 0.0, wrist + 0.020), 0.036, "shell_light", caps="end")),
        Link("left_wrist", 0.08, wrist_link, [rod((0.0, -0.018, 0.0), (0.0, 0.018, 0.0), 0.015, "joint")]),
    ]  # fmt: skip
