"""How long the bones of a captured person are, and how tall that makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bodydouble.hand_pose.skeleton import REFERENCE_STATURE, TYPICAL_LENGTHS
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.motions.body_points import BodyPoints

STATURE_BONES = ("thigh", "shank", "upper_arm", "forearm", "trunk")
TYPICAL_SIGMA, BONES_SIGMA = 0.07, 0.05
"""m: one standard deviation of adults' stature, and of a stature that is told from the bones of a skeleton that a motion capture system fitted."""

SPANS: dict[str, tuple[str, str, float]] = {
    "hip_half_width": ("left_thigh", "right_thigh", 0.5), "shoulder_half_width": ("left_upper_arm", "right_upper_arm", 0.5),
    "trunk": ("pelvis", "shoulders", 1.0), "neck_head": ("neck", "head", 1 / 0.6),
    "upper_arm": ("upper_arm", "forearm", 1.0), "forearm": ("forearm", "hand", 1.0), "thigh": ("thigh", "shank", 1.0), "shank": ("shank", "foot", 1.0),
    "thumb_carpal": ("hand", "thumb_metacarpal", 1.0), "thumb_metacarpal": ("thumb_metacarpal", "thumb_proximal", 1.0),
    "thumb_proximal": ("thumb_proximal", "thumb_distal", 1.0), "thumb_distal": ("thumb_distal", "thumb_tip", 1.0),
}  # fmt: skip
for _finger in FINGERS:
    _joints = ("hand", f"{_finger}_proximal", f"{_finger}_middle", f"{_finger}_distal", f"{_finger}_tip")
    for _bone, _a, _b in zip(("palm", "proximal", "middle", "distal"), _joints, _joints[1:], strict=False):
        SPANS[f"{_finger}_{_bone}"] = (_a, _b, 1.0)
"""Bone of the skeleton table to the points that it is between, without their side, and the share of their distance that it is."""


@dataclass(frozen=True)
class BodySize:
    """Lengths of one person."""

    lengths: dict[str, float]
    """m, the bones that could be measured, left and right together."""
    stature: float
    measured: bool
    """False: no bone that tells the stature was measured, and it is the typical one."""


def body_size(body: BodyPoints) -> BodySize:
    """Return the medians over time of the bones of which both ends were measured, and the stature that they make likely."""
    shoulders = (body.place("left_upper_arm") + body.place("right_upper_arm")) / 2
    lengths: dict[str, float] = {}
    for bone, (a, b, share) in SPANS.items():
        found = []
        for side in SIDES:
            start, end = (shoulders if name == "shoulders" else body.place(_sided(name, side)) for name in (a, b))
            found.append(np.linalg.norm(end - start, axis=1) * share)
        known = np.isfinite(found)
        if known.any():
            lengths[bone] = float(np.median(np.array(found)[known]))
    ratios = [lengths[bone] / TYPICAL_LENGTHS[bone] for bone in STATURE_BONES if bone in lengths]
    if "middle_palm" in lengths:
        lengths["hand"] = lengths["middle_palm"]
    if len(ratios) < 3:
        return BodySize(lengths, REFERENCE_STATURE, False)
    return BodySize(lengths, REFERENCE_STATURE * float(np.median(ratios)), True)


def _sided(name: str, side: str) -> str:
    return name if name in ("pelvis", "neck", "head") or name.startswith(("left_", "right_")) else f"{side}_{name}"
