"""A robot, and a simulated person who moves as the robot would at another size, so that the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget import Robot
from bodydouble.retarget.collision_model import CollisionModel

FloatArray = npt.NDArray[np.float64]

BODY_LANDMARKS = {
    "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "pinky": "little_proximal", "index": "index_proximal", "thumb": "thumb_distal",
    "hip": "thigh", "knee": "shank", "ankle": "foot", "heel": "heel", "foot_index": "toe_tip",
}  # fmt: skip
FACE = {"nose": (0.1, 0.0), "eye": (0.08, 0.03), "ear": (0.0, 0.07), "mouth": (0.08, 0.02)}


def smooth_positions(
    robot: Robot, times_s: FloatArray, *, seed: int = 0, amplitude: float = 0.35, rate_hz: float = 0.5, apart: bool = False
) -> FloatArray:
    """Return joint positions (T, J) that sway smoothly inside the ranges, starting anywhere.

    ``apart``: a little, with arms, legs and fingers away from each other, so that nothing touches.
    """
    amplitude = 0.12 if apart else amplitude
    rng = np.random.default_rng(seed)
    middle, half = (robot.lower + robot.upper) / 2, (robot.upper - robot.lower) / 2
    centre = np.clip(robot.rest, middle - 0.6 * half, middle + 0.6 * half)
    swing = np.minimum(amplitude * half, 0.8)
    phase, rate = rng.uniform(0, 2 * np.pi, len(middle)), rate_hz * rng.uniform(0.5, 1.0, len(middle))
    positions = centre + swing * np.sin(2 * np.pi * rate * times_s[:, None] + phase)
    if apart:
        for side in ("left", "right"):
            for joint, shift in (("little_palm", 0.0), ("shoulder_roll", 0.5), ("hip_roll", 0.15), ("elbow", 0.4), ("knee", 0.3)):
                column = robot.joint_names.index(f"{side}_{joint}")
                positions[:, column] = 0.0 if joint == "little_palm" else positions[:, column] + shift
            for finger, spread in (("index", 0.12), ("middle", 0.0), ("ring", -0.1), ("little", -0.2)):
                column = robot.joint_names.index(f"{side}_{finger}_side")
                positions[:, column] = 0.1 * (positions[:, column] - centre[column]) + spread
    return np.clip(positions, robot.lower, robot.upper)


def standing_base(robot: Robot, frames: int) -> FloatArray:
    """Return a base (T, 7) that stands still at the origin."""
    return np.tile([0.0, 0.0, robot.standing_height(), 0.0, 0.0, 0.0, 1.0], (frames, 1))


def simulated_person(robot: Robot, times_s: FloatArray, positions: FloatArray, base_pose: FloatArray, *, size: float = 1.0) -> HumanMotion:
    """Return the motion of a person ``size`` times as large as the robot who does exactly what the robot would do at these ``positions`` (T, J)."""
    skeleton = robot.file.skeleton
    poses = robot.link_poses(positions, base_pose, tuple(skeleton.values())).copy()
    poses[..., :3, 3] *= size
    place = {name: poses[:, i, :3, 3] for i, name in enumerate(skeleton)}
    links = tuple(name for name in skeleton if not name.endswith(("_tip", "_heel")))
    head = poses[:, list(skeleton).index("head")]

    landmarks = np.empty((len(times_s), len(LANDMARK_NAMES), 3))
    for row, name in enumerate(LANDMARK_NAMES):
        side, _, part = name.partition("_")
        if part.startswith("hand_"):
            digit, _, joint = part[5:].partition("_")
            links_of_digit = {"cmc": "metacarpal", "mcp": "proximal", "pip": "middle", "ip": "distal", "dip": "distal", "tip": "tip"}
            landmarks[:, row] = place[f"{side}_hand" if digit == "wrist" else f"{side}_{digit}_{links_of_digit[joint]}"]
        elif part in BODY_LANDMARKS:
            landmarks[:, row] = place[f"{side}_{BODY_LANDMARKS[part]}"]
        else:
            forward, aside = next(v for k, v in FACE.items() if k in name)
            sign = 1.0 if "left" in name else -1.0
            landmarks[:, row] = (head @ np.array([forward * size, sign * aside * size, 0.1 * size, 1.0]))[:, :3]

    frames = len(times_s)
    return HumanMotion(
        times_s=times_s, frame="room", link_names=links, link_poses=poses[:, [list(skeleton).index(name) for name in links]],
        joint_names=(), joint_angles=np.empty((frames, 0)), joint_source=np.empty((frames, 0), dtype=np.uint8), base_pose=base_pose,
        landmarks=landmarks, landmark_sigma=np.full((frames, 75), 0.005), landmark_source=np.full((frames, 75), Source.OBSERVED, dtype=np.uint8),
        bone_lengths={}, stature=1.73 * size, cameras=(), relabelled=np.empty((0, frames), dtype=np.uint8), fit_error_px=np.zeros(frames),
    )  # fmt: skip


@pytest.fixture(scope="session")
def robot() -> Robot:
    return Robot.load("optimus")


@pytest.fixture(scope="session")
def times_s() -> FloatArray:
    """One second at about 60 Hz with true, uneven times."""
    return np.arange(60) / 60.0 + np.random.default_rng(1).uniform(-0.002, 0.002, 60)


@pytest.fixture(scope="session")
def sway() -> Callable[..., FloatArray]:
    return smooth_positions


@pytest.fixture(scope="session")
def person(robot: Robot) -> Callable[..., HumanMotion]:
    """Make a person who does what the robot does at joint positions (T, J), standing still unless ``base_pose`` is given."""

    def make(times_s: FloatArray, positions: FloatArray, base_pose: FloatArray | None = None, *, size: float = 1.0) -> HumanMotion:
        base = standing_base(robot, len(times_s)) if base_pose is None else base_pose
        return simulated_person(robot, times_s, positions, base, size=size)

    return make


@pytest.fixture(scope="session")
def with_collision() -> Callable[[Robot, CollisionModel], Robot]:
    """Give a robot other capsules."""

    def make(robot: Robot, collision: CollisionModel) -> Robot:
        other = replace(robot)
        vars(other)["collision"] = collision  # where the robot keeps its own once it has drafted it
        return other

    return make


@pytest.fixture(scope="session")
def hidden() -> Callable[..., HumanMotion]:
    """Take parts of a person away: every link and landmark whose name holds ``part``, in the given frames."""

    def make(motion: HumanMotion, part: str, frames: slice, source: Source = Source.MISSING) -> HumanMotion:
        changes: dict[str, Any] = {}
        rows = [i for i, name in enumerate(LANDMARK_NAMES) if part in name]
        sources = motion.landmark_source.copy()
        sources[frames, rows] = source
        changes["landmark_source"] = sources
        if source == Source.MISSING:
            landmarks, poses = motion.landmarks.copy(), motion.link_poses.copy()
            landmarks[frames, rows] = np.nan
            poses[frames, [i for i, name in enumerate(motion.link_names) if part in name]] = np.nan
            changes |= {"landmarks": landmarks, "link_poses": poses}
        return replace(motion, **changes)

    return make
