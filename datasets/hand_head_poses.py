"""Hands and heads of person and robot, each in the world, in the head and in the robot's base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.calibration.transform import invert, pose_from
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget.retargeting import continuous
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]

PARTS = ("head", "left_hand", "right_hand")


@dataclass(frozen=True)
class HandHeadPoses:
    """Poses (T, 7) by name ``T_world_head``, ``T_head_left_hand``, ``T_base_right_hand``, ...: position in m and quaternion xyzw; NaN where not known.

    ``base`` is the robot's base for both: where the person's hand would be for the robot that follows. A hand's frame is at the wrist, with the axes of
    the link's zero pose: x out of the palm's front, y left, z up where the arm hangs.
    """

    human: Mapping[str, FloatArray] = field(default_factory=dict)
    robot: Mapping[str, FloatArray] = field(default_factory=dict)
    """Empty where the robot's model was not at hand."""


def human_poses(motion: HumanMotion, trajectory: RobotTrajectory) -> dict[str, FloatArray]:
    """Return the person's hand and head poses; parts that the person's tree lacks are left out."""
    world = {part: motion.link(part) for part in PARTS if part in motion.link_names}
    return _in_all_frames(world, matrices(trajectory.base_pose))


def robot_poses(trajectory: RobotTrajectory, robot: Robot) -> dict[str, FloatArray]:
    """Return the robot's hand and head poses; parts that it lacks are left out."""
    parts = {part: robot.file.skeleton[part] for part in PARTS if part in robot.file.skeleton}
    poses = robot.link_poses(trajectory.positions, trajectory.base_pose, tuple(parts.values()))
    offsets = {part: robot.link_rotation_offset(link) for part, link in parts.items()}
    world = {}
    for column, part in enumerate(parts):
        world[part] = poses[:, column].copy()
        world[part][:, :3, :3] = world[part][:, :3, :3] @ offsets[part]
    return _in_all_frames(world, matrices(trajectory.base_pose))


def _in_all_frames(world: Mapping[str, FloatArray], T_world_base: FloatArray) -> dict[str, FloatArray]:
    frames = {"world": None, "head": world.get("head"), "base": T_world_base}
    found = {}
    for name, T_world_frame in frames.items():
        if name == "head" and T_world_frame is None:
            continue
        for part, T_world_part in world.items():
            if part != name:
                T = T_world_part if T_world_frame is None else invert(T_world_frame) @ T_world_part
                found[f"T_{name}_{part}"] = pose_vectors(T)
    return found


def matrices(poses: FloatArray) -> FloatArray:
    """Return rigid transforms (T, 4, 4) of poses (T, 7) with quaternions xyzw; NaN stays NaN."""
    T = np.full((len(poses), 4, 4), np.nan)
    known = np.isfinite(poses).all(axis=1)
    if known.any():
        T[known] = pose_from(Rotation.from_quat(poses[known, 3:]).as_matrix(), poses[known, :3])
    return T


def pose_vectors(T: FloatArray) -> FloatArray:
    """Return poses (T, 7), position in m and quaternion xyzw, of rigid transforms (T, 4, 4); neighbours have signs that are near each other."""
    poses = np.full((len(T), 7), np.nan)
    known = np.isfinite(T).all(axis=(1, 2))
    poses[known, :3] = T[known, :3, 3]
    if known.any():
        poses[known, 3:] = continuous(Rotation.from_matrix(T[known, :3, :3]).as_quat())
    return poses
