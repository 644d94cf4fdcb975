"""The quality figures of an episode, measured from what the stages made."""

from __future__ import annotations

import math

import numpy as np

from bodydouble.calibration import Rig
from bodydouble.capture import FrameSets
from bodydouble.hand_pose.clock_check import clock_offsets
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, POSE, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.reprojection import reprojection_residuals, sees_bodies
from bodydouble.retarget import Robot, RobotTrajectory, limit_violations
from bodydouble.retarget.quality import quality_figures as robot_figures
from bodydouble.retarget.targets import make_targets

BONES = [
    (f"{side}_{one}", f"{side}_{two}")
    for side in ("left", "right")
    for one, two in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("hand_index_mcp", "hand_index_pip"))
]
"""Bones whose constancy is measured on the fitted landmarks, not read off the parameters."""
HAND_SHARE = 0.5
"""A hand is observed in a frame when at least this share of its landmarks is."""


ON_ROBOT = ("self_penetration_mm", "foot_skate_mm_per_s", "out_of_balance_pct")
"""Of the figures of a retargeted motion, those that say whether a robot could do it; the others are errors to targets, which ``task_unmet_pct`` counts."""


def quality_figures(
    motion: HumanMotion, landmarks: Landmarks, rig: Rig, trajectory: RobotTrajectory, frame_sets: FrameSets | None = None,
    robot: Robot | None = None,
) -> dict[str, float]:  # fmt: skip
    """Return figure name to value, NaN for one that could not be computed; units are in ``quality.toml``.

    ``robot``: the one that moves in ``trajectory``; without it nothing is said of its capsules and feet.
    """
    reprojection = reprojection_residuals(motion, landmarks, rig)
    violations = limit_violations(trajectory)
    hands = np.stack([(motion.landmark_source[:, rows] == Source.OBSERVED).mean(axis=1) for rows in (LEFT_HAND, RIGHT_HAND)])
    figures = {
        "reprojection_median_px": reprojection.median_px,
        "reprojection_p95_px": reprojection.p95_px,
        "relabelled_views_pct": 100 * reprojection.relabelled_share,
        "joint_limit_violations": float(violations.range),
        "velocity_limit_violations": float(violations.velocity),
        "bone_length_variation_pct": bone_length_variation_pct(motion),
        "body_observed_pct": 100 * float(np.mean(motion.landmark_source[:, POSE] == Source.OBSERVED)),
        "hand_observed_pct": 100 * float(np.mean(hands >= HAND_SHARE)),
        "task_unmet_pct": 100 * float(np.mean(trajectory.flags["task_unmet"])) if "task_unmet" in trajectory.flags else math.nan,
        "effort_exceeded_pct": 100 * float(np.mean(trajectory.flags["effort_exceeded"]))
        if "effort_exceeded" in trajectory.flags
        else math.nan,
        "person_changed_frames": float(motion.flags["person_changed"].sum()),
        "no_person_frames": float(motion.flags["no_person"].sum()),
        "high_residual_frames": float(motion.flags["high_residual"].sum()),
    }
    if violations.acceleration is not None:
        figures["acceleration_limit_violations"] = float(violations.acceleration)
    if robot is not None:
        on_robot = robot_figures(trajectory, motion, robot, make_targets(motion, robot))
        figures |= {name: on_robot[name] for name in ON_ROBOT if math.isfinite(on_robot[name])}  # a robot without feet has none to skate
    if motion.camera_poses is None and not sees_bodies(landmarks):
        del figures["body_observed_pct"]  # nobody asked for it: hands alone were filmed
    if frame_sets is not None and len(frame_sets.cameras) > 1:
        figures["skew_p95_ms"] = float(np.percentile(frame_sets.skew_ms, 95))
    clock = clock_offsets(motion, landmarks, rig).largest_sure_s
    if math.isfinite(clock):  # where nothing moves enough to tell, no clock does harm
        figures["clock_offset_max_ms"] = 1e3 * clock
    return figures


def bone_length_variation_pct(motion: HumanMotion) -> float:
    """Return the largest (longest - shortest) / median length of a bone over the frames, in %; NaN if no frame has one."""
    variation = []
    for one, two in BONES:
        length = np.linalg.norm(motion.landmarks[:, LANDMARK_NAMES.index(one)] - motion.landmarks[:, LANDMARK_NAMES.index(two)], axis=-1)
        length = length[np.isfinite(length)]
        if len(length):
            variation.append(float(np.ptp(length) / np.median(length)))
    return 100 * max(variation) if variation else math.nan
