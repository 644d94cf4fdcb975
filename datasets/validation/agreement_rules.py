"""What is worked out from something else in the file must still be what that gives: else one of the two was changed, shifted or exchanged alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.check import Check
from bodydouble.datasets.camera_track import track_cameras
from bodydouble.datasets.hand_head_poses import human_poses, robot_poses
from bodydouble.datasets.stored_groups import read_gate, read_poses
from bodydouble.datasets.validation.limits import complaints
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.reprojection import reprojection_residuals
from bodydouble.hand_pose.skeleton import JOINTS, JointEntry
from bodydouble.retarget.limits import finite_accelerations, finite_rates

FloatArray = npt.NDArray[np.float64]

_BODY = {"shoulder": "upper_arm", "elbow": "forearm", "hip": "thigh", "knee": "shank", "ankle": "foot"}
_HAND = {"hand_wrist": "hand", **{f"hand_{finger}_mcp": f"{finger}_proximal" for finger in ("index", "middle", "ring", "little")}}
LINK_OF = {f"{side}_{point}": f"{side}_{link}" for side in ("left", "right") for point, link in {**_BODY, **_HAND}.items()}
"""Landmark to the link that begins there."""
LEAST_LINKS = 6
"""With fewer of these links the tree is not one of ours."""


def actions(episode: OpenedEpisode) -> Iterator[Check]:
    """Actions, speeds and accelerations are those of the stored positions."""
    robot = episode.robot
    found: list[Check] = []
    if "robot/actions" in episode.file:
        stored = episode.file["robot/actions"][()]
        away = _apart(stored[:-1], robot.positions[1:])
        text = f"robot/actions are {away:.3g} rad from the next frame's robot/positions{_shift(stored, robot.positions)}"
        found += complaints("actions", "stale_difference", away, text)
    pairs = {"velocities": (robot.velocities[1:], finite_rates(robot.times_s, robot.positions))}
    if robot.accelerations is not None:
        pairs["accelerations"] = (robot.accelerations[2:], finite_accelerations(robot.times_s, robot.positions))
    for name, (stored, recomputed) in pairs.items():
        relative = np.abs(stored - recomputed) / (1.0 + np.abs(recomputed))
        away = float(np.nanmax(relative, initial=0.0))
        found += complaints("actions", "stale_difference", away, f"robot/{name} are not the differences of robot/positions")
    yield from found
    if not found:
        yield Check("actions", "PASS", "actions, speeds and accelerations are those of the positions")


def _shift(actions: FloatArray, positions: FloatArray) -> str:
    """Say how many frames ahead the actions are, if they are simply shifted."""
    frames = len(positions)
    for ahead in (0, *range(2, min(10, frames - 3)), *range(-1, -min(10, frames - 3), -1)):
        there = slice(max(0, -ahead), min(frames, frames - ahead) - 1)
        if _apart(actions[there], positions[there.start + ahead : there.stop + ahead]) < 1e-9:
            return f": they are those of {ahead} frames on"
    return ""


def _apart(stored: FloatArray, recomputed: FloatArray) -> float:
    """Return the largest difference; infinite where one of the two alone is missing."""
    if stored.shape != recomputed.shape or not np.array_equal(np.isnan(stored), np.isnan(recomputed)):
        return float("inf")
    return float(np.nanmax(np.abs(stored - recomputed), initial=0.0))


def poses(episode: OpenedEpisode) -> Iterator[Check]:
    """Poses of hands, head and cameras are those of the person, the robot and the rig."""
    if episode.version < 2:
        return
    stored, found = read_poses(episode.file), []
    expected = {"human": human_poses(episode.motion, episode.robot)}
    if stored.robot and episode.same_robot_model and episode.robot_model is not None:
        expected["robot"] = robot_poses(episode.robot, episode.robot_model)
    for who, recomputed in expected.items():
        given = getattr(stored, who)
        for name in recomputed:
            away = _apart_poses(given[name], recomputed[name]) if name in given else float("inf")
            found += complaints("poses", "stale_difference", away, f"poses/{who}/{name} is not where the {who}'s joints and links put it")
    track = track_cameras(episode.rig, episode.motion, episode.camera_times_s)
    for name in ("T_world_camera", "intrinsics", "distortion"):
        away = _apart(episode.file[f"cameras/{name}"][()], getattr(track, name))
        found += complaints("poses", "stale_difference", away, f"cameras/{name} is not what rig and human/camera_poses say")
    yield from found
    if not found:
        yield Check("poses", "PASS", f"hands, heads and {len(episode.cameras)} cameras are where motion and rig put them")


def _apart_poses(stored: FloatArray, recomputed: FloatArray) -> float:
    """Return the largest difference of poses (T, 7); a quaternion and its negative are the same."""
    turned = np.where(np.sum(stored[:, 3:] * recomputed[:, 3:], axis=1) < 0, -1.0, 1.0)[:, None]
    return _apart(np.hstack([stored[:, :3], stored[:, 3:] * turned]), recomputed)


def tree(episode: OpenedEpisode) -> Iterator[Check]:
    """Joint angles, links and landmarks of the person are of one tree."""
    motion = episode.motion
    found: list[Check] = []
    for link, (joints, away) in sorted(_turned_apart(motion).items()):
        text = f"human/joint_angles of {', '.join(joints)} turn '{link}' {away:.3g} rad from its place in human/link_poses"
        found += complaints("human tree", "tree_rotation_rad", away, text + _in_degrees(motion, joints))
    places = {point: link for point, link in LINK_OF.items() if link in motion.link_names}
    for point, link in places.items() if len(places) >= LEAST_LINKS else ():
        gap = np.linalg.norm(motion.landmark(point) - motion.link(link)[:, :3, 3], axis=-1)
        largest = float(np.nanmedian(gap)) if np.isfinite(gap).any() else float("nan")
        found += complaints(
            "human tree", "tree_distance_m", largest, f"landmark '{point}' is {largest:.3g} m from link '{link}', which begins there"
        )
    yield from found[:5]
    if not found:
        yield Check("human tree", "PASS", "joint angles, links and landmarks are of one tree")


def _turned_apart(motion: HumanMotion) -> dict[str, tuple[tuple[str, ...], float]]:
    """Return, by link, the joints between it and its parent link and the largest angle between what they and what the link poses say."""
    joints = {joint.name: joint for joint in JOINTS}
    found = {}
    for joint in JOINTS:
        chain, parent = [joint], joint.parent
        while parent in joints and not joints[parent].link:
            chain.insert(0, joints[parent])
            parent = joints[parent].parent
        base = joints[parent].link if parent in joints else parent
        names = tuple(name for part in chain for name in _angle_names(part))
        if not joint.link or not {joint.link, base} <= set(motion.link_names) or not set(names) <= set(motion.joint_names):
            continue
        between = np.swapaxes(motion.link(base)[:, :3, :3], 1, 2) @ motion.link(joint.link)[:, :3, :3]
        angles = motion.joint_angles[:, [motion.joint_names.index(name) for name in names]]
        known = np.isfinite(angles).all(axis=1) & np.isfinite(between).all(axis=(1, 2))
        if known.any():
            off = np.swapaxes(_turned(chain, angles[known]), 1, 2) @ between[known]
            found[joint.link] = (names, float(np.linalg.norm(Rotation.from_matrix(off).as_rotvec(), axis=1).max()))
    return found


def _angle_names(joint: JointEntry) -> tuple[str, ...]:
    return (joint.name,) if joint.axis is not None else tuple(f"{joint.name}_{axis}" for axis in "xyz")


def _turned(chain: list[JointEntry], angles: FloatArray) -> FloatArray:
    """Return the rotations (T, 3, 3) of joints one after the other, at angles (T, K)."""
    total, column = np.broadcast_to(np.eye(3), (len(angles), 3, 3)), 0
    for joint in chain:
        width = len(_angle_names(joint))
        part = angles[:, column : column + width]
        vectors = part if joint.axis is None else part * np.array(joint.axis)
        total, column = total @ Rotation.from_rotvec(vectors).as_matrix(), column + width
    return total


def _in_degrees(motion: HumanMotion, joints: tuple[str, ...]) -> str:
    largest = max(float(np.nanmax(np.abs(motion.joint_angles[:, motion.joint_names.index(name)]))) for name in joints)
    return "; they may be in degrees" if largest > np.pi else ""


def reprojection(episode: OpenedEpisode) -> Iterator[Check]:
    """The person, projected into the cameras, is as near to the landmarks as the file's own figure says."""
    name = "reprojection_median_px"
    measured = reprojection_residuals(episode.motion, episode.landmarks, episode.rig).median_px
    said = read_gate(name, episode.file["quality"][name]).value if name in episode.file["quality"] else float("nan")
    growth = measured / max(said, 0.1)  # below a tenth of a pixel no figure means anything
    found = complaints(
        "reprojection", "reprojection_growth", growth, f"the person is {measured:.1f} px from the landmarks; the file says {said:.1f} px"
    )
    yield from found
    if not found:
        known = f"{measured:.1f} px from the landmarks" if np.isfinite(measured) else "not known from the landmarks"
        yield Check("reprojection", "PASS", f"the person is {known}, median")
