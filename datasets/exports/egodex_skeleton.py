"""The joints of Apple's EgoDex out of the person's tree: names, places, axes, the y-up world, and how sure each is.

EgoDex has 68 joints, those of ARKit's skeletons. Of these, 50 are in our tree. ``spine1`` to ``spine7``, ``neck2`` to ``neck4`` and the eight
``...FingerMetacarpal`` (bases of the palm's bones) are not: our trunk bends in two places and our palm is rigid, so their place is not known.

World: y up, the person's zero pose facing -z (x right), as ARKit's; ours is x forward, y left, z up.

Axes: Apple documents none. Those of the hands are as measured by others who used the data (github.com/yjang43/egodex-retargeting, const.py;
github.com/Improbable-AI/VisionProTeleop, issue 12): x along the bone, away from the wrist on the left, towards it on the right; z the axis about which the
finger bends; so y is out of the palm on the left and out of the hand's back on the right. All joints of the arms follow the same rule, with the hand's own
rotation to a hanging arm. ``hip`` and ``neck1`` have x right, y up, z backwards in the zero pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.exports.resampling import Resampler
from bodydouble.datasets.hand_head_poses import matrices, pose_vectors
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import FINGERS, JOINTS, thumb_direction

FloatArray = npt.NDArray[np.float64]

R_ARKIT_WORLD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
"""Takes our world (x forward, y left, z up) to ARKit's (x right, y up, z backward)."""
HALF_CONFIDENCE_M = 0.02
"""Standard deviation of a joint at which an observed one counts half; one that nobody estimated is taken to be this."""
CONFIDENCE = {Source.MISSING: 0.0, Source.OBSERVED: 1.0, Source.INTERPOLATED: 0.5, Source.INFERRED: 0.1}
"""Of a joint without error. What was not seen stays at or below 0.1, which users of EgoDex take as untracked."""


@dataclass(frozen=True, eq=False)
class EgoDexJoint:
    """Where one joint of EgoDex is in our tree."""

    name: str
    link: str
    R_link_joint: FloatArray
    """(3, 3) its axes in the link."""
    landmarks: tuple[str, ...]
    """By which it is known: the doubt of the worst is the joint's."""
    tip: bool = False
    """At its landmark; else at the link's origin."""


@dataclass(frozen=True)
class JointTrack:
    """One joint at N samples."""

    T_world_joint: FloatArray
    """(N, 4, 4) in ARKit's world; NaN where not known."""
    source: npt.NDArray[np.uint8]
    """(N,) of hand_pose Source."""
    confidence: FloatArray
    """(N,) from 0, missing, to 1."""


def tracked(motion: HumanMotion, at_s: FloatArray) -> dict[str, JointTrack]:
    """Return the joints that the person's tree has, at times (N,) s."""
    resampler = Resampler(motion.times_s, at_s)
    return {joint.name: _track(joint, motion, resampler) for joint in EGODEX_JOINTS if joint.link in motion.link_names}


def _track(joint: EgoDexJoint, motion: HumanMotion, resampler: Resampler) -> JointTrack:
    rows = [LANDMARK_NAMES.index(name) for name in joint.landmarks]
    T = matrices(resampler.poses(pose_vectors(motion.link(joint.link))))
    if joint.tip:
        T[:, :3, 3] = resampler.values(motion.landmarks[:, rows[0]])
        T[~np.isfinite(T).all(axis=(1, 2))] = np.nan
    T[:, :3, :3] = T[:, :3, :3] @ joint.R_link_joint
    sources = resampler.sources(motion.landmark_source[:, rows])
    source = np.where((sources == Source.MISSING).any(axis=1), Source.MISSING, sources.max(axis=1))
    source = np.where(np.isfinite(T).all(axis=(1, 2)), source, Source.MISSING).astype(np.uint8)
    sigma = resampler.values(motion.landmark_sigma[:, rows]).max(axis=1)
    sigma = np.where(np.isfinite(sigma), sigma, HALF_CONFIDENCE_M)
    by_source = np.array([CONFIDENCE[kind] for kind in Source])[source]
    return JointTrack(in_arkit_world(T), source, by_source / (1.0 + (sigma / HALF_CONFIDENCE_M) ** 2))


def in_arkit_world(T: FloatArray) -> FloatArray:
    """Return poses (N, 4, 4) of our world in ARKit's; the axes of what they are poses of stay."""
    turned = T.copy()
    turned[:, :3] = R_ARKIT_WORLD @ T[:, :3]
    return turned


def _axes(bone: FloatArray, bending: FloatArray) -> FloatArray:
    """Return (3, 3) the axes x along a bone, z about which it bends, in the link; both (3,), not necessarily perpendicular."""
    x = bone / np.linalg.norm(bone)
    y = np.cross(bending, x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _joints() -> tuple[EgoDexJoint, ...]:
    bends = {joint.link: np.array(joint.axis) for joint in JOINTS if joint.axis is not None and joint.link}
    trunk = R_ARKIT_WORLD.T
    joints = [
        EgoDexJoint("hip", "pelvis", trunk, ("left_hip", "right_hip")),
        EgoDexJoint("neck1", "neck", trunk, ("left_shoulder", "right_shoulder")),
    ]
    for side, away in (("left", 1.0), ("right", -1.0)):
        hand = _axes(away * np.array([0.0, 0.0, -1.0]), bends[f"{side}_index_proximal"])
        for name, link, landmark in (
            ("Shoulder", "clavicle", "shoulder"), ("Arm", "upper_arm", "shoulder"), ("Forearm", "forearm", "elbow"), ("Hand", "hand", "hand_wrist"),
        ):  # fmt: skip
            joints.append(EgoDexJoint(f"{side}{name}", f"{side}_{link}", hand, (f"{side}_{landmark}",)))
        for finger, bones, places in (
            ("thumb", ("metacarpal", "proximal", "distal"), ("cmc", "mcp", "ip", "tip")),
            *((finger, ("proximal", "middle", "distal"), ("mcp", "pip", "dip", "tip")) for finger in FINGERS),
        ):
            stem = f"{side}Thumb" if finger == "thumb" else f"{side}{finger.title()}Finger"
            for part, bone, place in zip(
                ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip"), (*bones, bones[-1]), places, strict=True
            ):
                link = f"{side}_{finger}_{bone}"
                axes = _axes(away * np.array(thumb_direction(side)), bends[link]) if finger == "thumb" else hand
                joints.append(EgoDexJoint(f"{stem}{part}", link, axes, (f"{side}_hand_{finger}_{place}",), tip=part == "Tip"))
    return tuple(joints)


EGODEX_JOINTS = _joints()
"""Those that our tree has, by EgoDex's names."""
