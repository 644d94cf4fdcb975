"""A robot's points beside what they were asked to be, frame by frame: the distances and angles behind the quality figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.skeleton_walk import turned_back
from bodydouble.retarget.smoothness import jerk_ratio, sparc_of_path
from bodydouble.retarget.support import contact_link
from bodydouble.retarget.targets import Targets
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DIGITS = ("thumb", *FINGERS)
PINCH_M = 0.010
"""Nearer than this the person's two fingertips hold something, or each other."""
TOGETHER = 0.5
"""From this share on, both hands work on one object."""

LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in SIDES
    for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shank"), ("shank", "foot"))
)
"""Bones whose direction is compared: ends that every size of body has."""

_SEEN_BY = {
    "upper_arm": ("shoulder",),
    "forearm": ("elbow",),
    "hand": ("wrist", "hand_wrist"),
    "thigh": ("hip",),
    "shank": ("knee",),
    "foot": ("ankle",),
}
"""Human point to the landmarks that measure it; any one of them will do."""
_PALM = (("wrist", "hand_wrist"), ("index", "hand_index_mcp"), ("pinky", "hand_little_mcp"))


class Comparison:
    """A trajectory's points beside their targets. What it returns is pooled over sides, fingers and the frames that count."""

    def __init__(self, trajectory: RobotTrajectory, motion: HumanMotion, robot: Robot, targets: Targets) -> None:
        self.trajectory, self.motion, self.robot, self.targets = trajectory, motion, robot, targets
        self.planted: Mapping[str, Mask] = {
            name: np.asarray(down, dtype=bool)
            for name, down in (targets.planted if trajectory.contacts is None else trajectory.contacts).items()
        }
        part_of = {human: link for human, link in robot.file.skeleton.items() if human in targets.points}
        part_of |= {name: contact_link(robot, name) for name in self.planted}
        poses = robot.link_poses(trajectory.positions, trajectory.base_pose, tuple(part_of.values()))
        self.points = {human: poses[:, i, :3, 3] for i, human in enumerate(part_of)}
        self.turns = {human: poses[:, i, :3, :3] @ robot.link_rotation_offset(link) for i, (human, link) in enumerate(part_of.items())}
        self.palms = tuple(f"{side}_hand" for side in SIDES if f"{side}_hand" in self.points)

    def observed(self, *parts: tuple[str, ...]) -> Mask:
        """Return the frames (T,) in which each part was measured, by any one of its landmarks."""
        source = self.motion.landmark_source
        found = np.ones(self.motion.frames, dtype=bool)
        for landmarks in parts:
            rows = [LANDMARK_NAMES.index(name) for name in landmarks if name in LANDMARK_NAMES]
            found &= (source[:, rows] == Source.OBSERVED).any(axis=1)
        return found

    def measured(self, *points: str) -> Mask:
        """Return the frames (T,) in which each of these human points was measured."""
        return self.observed(*(_landmarks_of(point) for point in points))

    def palm_positions(self, wanted: Mapping[str, FloatArray]) -> FloatArray:
        """Return distances (mm) of the palms from their places in ``wanted``."""
        return _pool(1e3 * _norm(self.points[palm] - wanted[palm])[self.measured(palm)] for palm in self.palms if palm in wanted)

    def palm_orientations(self) -> FloatArray:
        """Return angles (deg) of the palms to the person's."""
        wanted = self.targets.rotations
        return _pool(
            np.degrees(angles_between(self.turns[palm], wanted[palm]))[self.palm_turned(palm)] for palm in self.palms if palm in wanted
        )

    def palm_turned(self, palm: str) -> Mask:
        """Return the frames (T,) in which the palm's orientation was measured: by its wrist and knuckles.

        Motion capture may know how a hand is turned without its knuckles; where no camera looked and none of them was ever seen, the wrist will do.
        """
        side = palm.split("_")[0]
        wrist, *knuckles = (tuple(f"{side}_{name}" for name in any_of) for any_of in _PALM)
        turned = self.observed(*knuckles)
        return self.observed(wrist) & (turned if self.motion.cameras or turned.any() else True)

    def fingertips(self) -> FloatArray:
        """Return distances (mm) of fingertips seen from their palm."""
        return _pool(1e3 * _norm(self._from_palm(tip) - self._wanted_from_palm(tip))[self.measured(tip)] for tip in self._tips())

    def _tips(self) -> list[str]:
        tips = (f"{side}_{digit}_tip" for side in SIDES for digit in DIGITS)
        return [tip for tip in tips if tip in self.points and (palm := _palm_of(tip)) in self.points and palm in self.targets.rotations]

    def _from_palm(self, point: str) -> FloatArray:
        palm = _palm_of(point)
        return turned_back(self.turns[palm], self.points[point] - self.points[palm])

    def _wanted_from_palm(self, point: str) -> FloatArray:
        palm = _palm_of(point)
        return turned_back(self.targets.rotations[palm], self.targets.points[point] - self.targets.points[palm])

    def pinches(self) -> FloatArray:
        """Return how far apart (mm) the robot's thumb and fingertip are where the person's touch."""
        found = []
        for tip in (f"{side}_{finger}_tip" for side in SIDES for finger in FINGERS):
            thumb = f"{tip.split('_')[0]}_thumb_tip"
            if tip in self.points and thumb in self.points and tip in self.targets.unscaled and thumb in self.targets.unscaled:
                with np.errstate(invalid="ignore"):
                    closed = _norm(self.targets.unscaled[tip] - self.targets.unscaled[thumb]) < PINCH_M
                found.append(1e3 * _norm(self.points[tip] - self.points[thumb])[closed & self.measured(tip, thumb)])
        return _pool(found)

    def bone_directions(self) -> FloatArray:
        """Return angles (deg) between the robot's limbs and the person's own."""
        found, theirs = [], self.targets.unscaled
        for a, b in LIMBS:
            if a in self.points and b in self.points and a in theirs and b in theirs:
                apart = _angle(self.points[b] - self.points[a], theirs[b] - theirs[a])
                found.append(np.degrees(apart)[self.measured(a, b)])
        return _pool(found)

    def elbow_angles(self) -> FloatArray:
        """Return differences (deg) of the elbows' bend."""
        found = []
        for side in SIDES:
            arm = [f"{side}_{part}" for part in ("upper_arm", "forearm", "hand")]
            if all(part in self.points and part in self.targets.unscaled for part in arm):
                bends = [_angle(p[arm[1]] - p[arm[0]], p[arm[2]] - p[arm[1]]) for p in (self.points, self.targets.unscaled)]
                found.append(np.degrees(np.abs(bends[0] - bends[1]))[self.measured(*arm)])
        return _pool(found)

    def between_hands(self) -> FloatArray:
        """Return errors (mm) of the right palm's place seen from the left one, while both work on one object."""
        left, right = (f"{side}_hand" for side in SIDES)
        if left not in self.points or right not in self.points or left not in self.targets.rotations:
            return np.empty(0)
        ours = turned_back(self.turns[left], self.points[right] - self.points[left])
        wanted = turned_back(self.targets.rotations[left], self.targets.points[right] - self.targets.points[left])
        return 1e3 * _norm(ours - wanted)[(self.targets.together > TOGETHER) & self.measured(left, right)]

    def foot_speeds(self) -> FloatArray:
        """Return horizontal speeds (mm/s) of contact points from one planted frame to the next."""
        dt = np.diff(self.trajectory.times_s)
        return _pool(
            1e3 * (_norm(np.diff(self.points[name][:, :2], axis=0)) / dt)[down[1:] & down[:-1]] for name, down in self.planted.items()
        )

    def foot_heights(self) -> FloatArray:
        """Return heights (mm) of planted contact points above their targets, which stand on the floor or on a step."""
        wanted = self.targets.points
        return _pool(
            1e3 * np.clip(self.points[name][:, 2] - wanted[name][:, 2], 0.0, None)[down]
            for name, down in self.planted.items()
            if name in wanted
        )

    def foot_depths(self) -> FloatArray:
        """Return depths (mm) of contact points below the floor, planted or not; none where no foot ever was, so that nobody knows where the floor is."""
        if not any(down.any() for down in self.planted.values()):
            return np.empty(0)
        zero = self.robot.zero_points()
        heights = {name: float(zero[contact_link(self.robot, name)][2]) for name in self.planted}
        sole = min(heights.values(), default=0.0)
        return _pool(
            1e3 * np.clip(self.targets.floor_m + (heights[name] - sole) - self.points[name][:, 2], 0.0, None) for name in self.planted
        )

    def smoothness(self) -> dict[str, float]:
        """Return jerk beside the scaled targets', and spectral arc length of palms and of the person's."""
        names = [name for side in SIDES for name in (f"{side}_hand", f"{side}_forearm", *(f"{side}_{digit}_tip" for digit in DIGITS))]
        names = [name for name in names if name in self.points]
        figures = {"jerk_ratio": np.nan, "smoothness_sparc": np.nan, "smoothness_sparc_source": np.nan}
        times = self.trajectory.times_s
        if names:
            wanted = [np.where(self.measured(name)[:, None], self.targets.points[name], np.nan) for name in names]
            figures["jerk_ratio"] = jerk_ratio(times, np.stack([self.points[n] for n in names], axis=1), np.stack(wanted, axis=1))
        lengths = [
            [
                sparc_of_path(times, np.where(self.measured(palm)[:, None], places[palm], np.nan))
                for places in (self.points, self.targets.unscaled)
            ]
            for palm in self.palms
            if palm in self.targets.unscaled
        ]
        both = [pair for pair in lengths if np.isfinite(pair).all()]  # a person's palm that rests has no smoothness to compare with
        if both:
            figures["smoothness_sparc"], figures["smoothness_sparc_source"] = (float(value) for value in np.mean(both, axis=0))
        return figures


def _landmarks_of(point: str) -> tuple[str, ...]:
    side, _, part = point.partition("_")
    if part.endswith("_tip"):
        return (f"{side}_hand_{part}",)
    return tuple(f"{side}_{name}" for name in _SEEN_BY[part])


def _palm_of(point: str) -> str:
    return f"{point.split('_')[0]}_hand"


def angles_between(R: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return the angles (T,) rad that turn rotations (T, 3, 3) into others, exact also where they are small; NaN where one is."""
    product = np.einsum("tji,tjk->tik", wanted, R)
    axis = np.stack([product[:, 2, 1] - product[:, 1, 2], product[:, 0, 2] - product[:, 2, 0], product[:, 1, 0] - product[:, 0, 1]], axis=1)
    angles: FloatArray = np.arctan2(_norm(axis), np.trace(product, axis1=1, axis2=2) - 1.0)
    return angles


def _angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the angles (T,) rad between vectors (T, 3)."""
    angles: FloatArray = np.arctan2(_norm(np.cross(a, b)), np.einsum("ti,ti->t", a, b))
    return angles


def _norm(vectors: FloatArray) -> FloatArray:
    norms: FloatArray = np.linalg.norm(vectors, axis=-1)
    return norms


def _pool(parts: Iterable[FloatArray]) -> FloatArray:
    arrays = list(parts)
    return np.concatenate(arrays) if arrays else np.empty(0)
