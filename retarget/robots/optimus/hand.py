"""Masses and shapes of the hand (left; the right is mirrored). Metres, in the link's own frame: fingers point down, the palm faces right."""

from __future__ import annotations

from bodydouble.retarget.robots.optimus.body import HAND_MASS, Link
from bodydouble.retarget.robots.optimus.joints import (
    FINGERS,
    KNUCKLES,
    LITTLE_PALM,
    PHALANGES,
    THUMB_DIRECTION,
    THUMB_LENGTHS,
    Vector,
    scaled,
)
from bodydouble.retarget.robots.optimus.primitives import Shape, ball, box, capsule, rod

FINGER_RADIUS = {"index": 0.0083, "middle": 0.0086, "ring": 0.0082, "little": 0.0072}
THUMB_RADIUS = 0.0098
SMALL = 0.0022
"""kg, a knuckle's cross piece."""


def hand_links() -> list[Link]:
    """Return the palm and the five fingers of the left hand; masses add up to the hand's."""
    fingers = [link for finger in FINGERS for link in _finger(finger)] + _thumb()
    rest = sum(link.mass for link in fingers)
    return [Link("left_palm", HAND_MASS - rest, _palm(), _palm_solid()), *fingers]


def _palm() -> list[Shape]:
    shapes: list[Shape] = [
        box((0.052, 0.020, 0.022), (0.002, 0.001, -0.022), "shell_light"),
        box((0.066, 0.022, 0.030), (0.003, 0.001, -0.046), "shell_light"),
        box((0.050, 0.022, 0.022), (0.011, 0.001, -0.070), "shell_light"),
        rod((-0.030, 0.001, -0.060), (-0.030, 0.001, -0.030), 0.0110, "shell_light"),
        rod((0.035, 0.001, -0.078), (0.030, 0.001, -0.016), 0.0112, "shell_light"),
        box((0.046, 0.005, 0.040), (0.000, 0.0125, -0.050), "shell_grey"),
        box((0.044, 0.004, 0.044), (0.004, -0.0115, -0.056), "pad"),
        rod((0.0, 0.0, -0.002), (0.0, 0.0, -0.014), 0.0165, "joint"),
    ]
    for finger in ("index", "middle", "ring"):
        x, y, z = KNUCKLES[finger]
        radius = FINGER_RADIUS[finger]
        shapes += [
            rod((x * 0.9, y, z + 0.024), (x, y, z + 0.006), radius + 0.0012, "shell_light"),
            ball(radius + 0.0004, (x, y, z), "joint"),
        ]
    # The ball of the thumb.
    shapes += capsule((0.020, -0.008, -0.020), (0.027, -0.010, -0.040), 0.0105, "shell_light")
    return shapes


def _palm_solid() -> list[Shape]:
    return [box((0.066, 0.024, 0.062), (0.003, 0.0, -0.046), "shell_light"), rod((0.0, 0.0, 0.0), (0.0, 0.0, -0.016), 0.015, "joint")]


def _segment(length: float, radius: float, *, tip: bool = False) -> tuple[list[Shape], list[Shape]]:
    """Shape one phalanx that hangs down: hinge, light shell, dark pad on the palm's side (-y)."""
    body_end = -length + (radius * 0.9 if tip else radius * 0.75)
    visual = [
        rod((-radius * 0.96, 0.0, 0.0), (radius * 0.96, 0.0, 0.0), radius * 0.82, "joint"),
        rod((0.0, 0.0, -radius * 0.55), (0.0, 0.0, body_end), radius, "shell_light"),
        box((radius * 1.3, radius * 0.5, max(length - 2.2 * radius, 0.004)), (0.0, -radius * 0.86, -length / 2), "pad"),
    ]
    if tip:
        visual += [ball(radius * 0.9, (0.0, 0.0, -length + radius * 0.9), "pad")]
    return visual, capsule((0.0, 0.0, -radius * 0.5), (0.0, 0.0, -length + radius * 0.9), radius * 0.95, "shell_light", caps="end")


def _finger(finger: str) -> list[Link]:
    radius, name = FINGER_RADIUS[finger], f"left_{finger}"
    links: list[Link] = []
    if finger == "little":
        x, _, z = (k - p for k, p in zip(KNUCKLES["little"], LITTLE_PALM, strict=True))
        visual: list[Shape] = [
            rod((x * 0.25, 0.001, z * 0.25), (x * 0.90, 0.0, z * 0.90), radius + 0.0022, "shell_light"),
            ball(radius + 0.0022, (x * 0.25, 0.001, z * 0.25), "shell_light"),
            ball(radius + 0.0006, (x, 0.0, z), "joint"),
            rod((x * 0.9, 0.0, z * 0.9), (x, 0.0, z - 0.002), radius, "joint"),
        ]
        links.append(Link("left_little_metacarpal", 0.014, visual, [rod((0.0, 0.0, 0.0), (x, 0.0, z), radius + 0.001, "shell_light")]))
    links.append(Link(f"{name}_knuckle", SMALL, [rod((0.0, -radius * 0.8, 0.0), (0.0, radius * 0.8, 0.0), radius * 0.75, "joint")],
                      [ball(radius * 0.8, (0.0, 0.0, 0.0), "joint")]))  # fmt: skip
    for part, length, mass, thinner in zip(
        ("proximal", "middle", "distal"), PHALANGES[finger], (0.0115, 0.0068, 0.0045), (1.0, 0.94, 0.86), strict=True
    ):
        visual, solid = _segment(length, radius * thinner, tip=part == "distal")
        links.append(Link(f"{name}_{part}", mass, visual, solid))
    return links


def _along(length: float) -> Vector:
    return scaled(THUMB_DIRECTION, length)


def _thumb() -> list[Link]:
    r = THUMB_RADIUS
    links = [
        Link("left_thumb_base", SMALL, [ball(r * 1.02, (0.0, 0.0, 0.0), "joint")], [ball(r, (0.0, 0.0, 0.0), "joint")]),
    ]
    parts = (
        ("metacarpal", THUMB_LENGTHS[0], 1.15, 0.014),
        ("proximal", THUMB_LENGTHS[1], 1.0, 0.0100),
        ("distal", THUMB_LENGTHS[2], 0.94, 0.0066),
    )
    for part, length, wider, mass in parts:
        radius = r * wider
        tip = part == "distal"
        end = length - (radius * 0.9 if tip else radius * 0.7)
        visual: list[Shape] = [
            ball(radius * 0.92, (0.0, 0.0, 0.0), "joint"),
            rod(_along(radius * 0.45), _along(end), radius, "shell_light"),
            rod(_along(length * 0.42), _along(length * 0.42 + 0.003), radius * 1.015, "shell_grey"),
        ]
        if tip:
            visual.append(ball(radius * 0.9, _along(end), "pad"))
        links.append(
            Link(f"left_thumb_{part}", mass, visual, capsule(_along(radius * 0.4), _along(end), radius * 0.95, "shell_light", caps="end"))
        )
        if part == "metacarpal":
            links.append(
                Link("left_thumb_knuckle", SMALL, [ball(r * 0.95, (0.0, 0.0, 0.0), "joint")], [ball(r * 0.9, (0.0, 0.0, 0.0), "joint")])
            )
    return links
