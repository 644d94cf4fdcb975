"""From a person's motion to what the robot is asked to do: a target and a weight a task and frame.

Sizes are matched in `skeleton_walk.py`. A target whose human part is missing is NaN and asks nothing; one that was inferred asks little.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.skeleton_walk import SkeletonWalk, turned_back, unit
from bodydouble.retarget.working_hands import closed, pinch_share, pinched_tips

FloatArray = npt.NDArray[np.float64]

GLITCHING = ("pelvis", "head", "left_hand", "right_hand", "left_foot", "right_foot")
GLITCH_M = 0.5
"""m from the median of five frames: a point that goes on moving stays on its median, one that is thrown out for a frame or two does not."""


@dataclass(frozen=True)
class Targets:
    """What is asked of the robot in each of T frames, task by task, in the order of the robot's file."""

    tasks: tuple[TaskEntry, ...]
    values: tuple[FloatArray, ...]
    """A task each: (T, 3) m or unit vector, or (T, 3, 3) rotation in the world (relative ones in their origin's axes); NaN where nothing is asked."""
    weights: FloatArray
    """(T, K) the task's weight in this frame, 0 where nothing is asked."""
    base: FloatArray
    """(T, 7) where the base is asked to be, m and quaternion xyzw; NaN where the pelvis is missing."""
    joint_source: npt.NDArray[np.uint8]
    """(T, J) of Source: OBSERVED, INTERPOLATED or INFERRED."""
    scales: dict[str, float]
    """Robot over person: "legs", "arms", "fingers"."""
    points: dict[str, FloatArray] = field(default_factory=dict)
    """Human point to its scaled place (T, 3) m in the world."""
    rotations: dict[str, FloatArray] = field(default_factory=dict)
    """Human link to its rotation (T, 3, 3) in the world."""
    unscaled: dict[str, FloatArray] = field(default_factory=dict)
    """Human point to the person's own place (T, 3) m."""
    planted: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    """Contact point to (T,): it stands still on something."""
    floor_m: float = float("nan")
    """Height of the floor in the world; NaN where no foot was ever seen."""
    together: FloatArray = field(default_factory=lambda: np.zeros(0))
    """(T,) how much the two hands work on one object, 0 to 1."""


def make_targets(motion: HumanMotion, robot: Robot) -> Targets:
    """Return what ``motion`` asks of ``robot``. See the module's text and `skeleton_walk.py` for the rules."""
    walk = SkeletonWalk(motion, robot)
    asked = _Asked(walk, robot)
    values, weights = [], []
    for task in robot.file.tasks:
        value, weight = asked.target(task)
        values.append(value)
        weights.append(weight)
    root = walk.root
    weights_of = np.where(glitches(walk)[:, None], 0.0, np.stack(weights, axis=1))
    return Targets(
        tasks=robot.file.tasks,
        values=tuple(values),
        weights=weights_of,
        base=np.concatenate([walk.points[root], _quaternions(walk.rotation(root))], axis=1),
        joint_source=_joint_sources(motion, robot),
        scales=walk.scales,
        points=walk.points,
        rotations=walk.rotations,
        unscaled=walk.human,
        planted=walk.contacts.planted,
        floor_m=walk.contacts.floor_m,
        together=walk.together,
    )


def glitches(walk: SkeletonWalk) -> npt.NDArray[np.bool_]:
    """Return the frames (T,) in which pelvis, head, a hand or a foot is for an instant where nobody could get to and back from: nothing is asked there."""
    frames = walk.motion.frames
    found = np.zeros(frames, dtype=bool)
    for name in GLITCHING:
        place = walk.place(name)
        if frames >= 5 and np.isfinite(place).all():
            usual = median_filter(place, size=(5, 1), mode="nearest")
            found |= np.linalg.norm(place - usual, axis=1) > GLITCH_M
    return found


class _Asked:
    """Targets and weights of one robot's tasks, from the walked skeleton."""

    def __init__(self, walk: SkeletonWalk, robot: Robot) -> None:
        self.walk, self.robot, self.motion = walk, robot, walk.motion
        self.part_of = {link: human for human, link in reversed(robot.file.skeleton.items())}
        self.tips = self._pinches()

    def _pinches(self) -> dict[str, FloatArray]:
        """Return the places (T, 3) of the tips that take part in pinches, by human point, so that tip tasks and pinch tasks agree."""
        found: dict[str, FloatArray] = {}
        tasks = [task for task in self.robot.file.tasks if task.closes_below is not None and task.of is not None]
        for thumb in dict.fromkeys(self.part_of[str(task.of)] for task in tasks):
            own = [task for task in tasks if self.part_of[str(task.of)] == thumb]
            fingers = [self._human(task) for task in own]
            if not all(name in self.walk.points for name in (thumb, *fingers)):
                continue
            apart = [self._apart(task) for task in own]
            shares = [pinch_share(vector, float(task.closes_below or 1.0)) for vector, task in zip(apart, own, strict=True)]
            places = [self.walk.points[name] for name in fingers]
            found[thumb], moved = pinched_tips(self.walk.points[thumb], places, [closed(vector) for vector in apart], shares)
            found |= dict(zip(fingers, moved, strict=True))
        return found

    def _human(self, task: TaskEntry) -> str:
        return task.human or self.part_of[task.robot]

    def _apart(self, task: TaskEntry) -> FloatArray:
        """Return the person's vector (T, 3) from one point of a hand to another, at the size of the robot's fingers."""
        return np.asarray((self.walk.place(self._human(task)) - self.walk.place(self.part_of[str(task.of)])) * self.walk.scales["fingers"])

    def target(self, task: TaskEntry) -> tuple[FloatArray, FloatArray]:
        """Return one task's target and its weight (T,)."""
        walk, human = self.walk, self._human(task)
        missing = np.full((self.motion.frames, 3), np.nan)
        extra: FloatArray | float = 1.0
        value: FloatArray
        if task.kind == "position":
            value = walk.points.get(human, missing)
        elif task.kind == "above":
            value = np.tile([0.0, 0.0, walk.contacts.floor_m + walk.robot_sole(human)], (self.motion.frames, 1))
            value[~np.isfinite(walk.points.get(human, missing)).all(axis=1)] = np.nan
        elif task.kind == "orientation":
            value = walk.rotation(human)
        elif task.kind == "axis":
            value = walk.rotation(human) @ (np.array(task.axis) / np.linalg.norm(task.axis))
        else:
            origin = self.part_of[task.origin or task.robot]
            start = self.part_of[task.of] if task.of is not None else origin
            if task.kind in ("direction", "relative_direction"):
                value = unit(walk.place(human) - walk.place(start))
            elif task.kind == "relative_orientation":
                value = np.einsum("tji,tjk->tik", walk.rotation(origin), walk.rotation(human))
            elif task.closes_below is not None:
                apart = self._apart(task)
                extra = pinch_share(apart, task.closes_below)
                value = closed(apart)
            else:
                value = self.tips.get(human, walk.points.get(human, missing)) - self.tips.get(start, walk.points.get(start, missing))
            if task.kind in ("relative_position", "relative_direction"):
                value = turned_back(walk.rotation(origin), value)
        if task.schedule == "together":
            extra = np.asarray(extra * walk.together)
        elif task.schedule == "planted":
            extra = np.asarray(extra * walk.contacts.planted.get(human, np.zeros(self.motion.frames, dtype=bool)))
        asked = np.isfinite(value).reshape(len(value), -1).all(axis=1)
        weight = np.where(asked, task.weight * self._trust(task) * extra, 0.0)
        return np.where(asked.reshape(-1, *[1] * (value.ndim - 1)), value, np.nan), np.nan_to_num(weight)

    def _trust(self, task: TaskEntry) -> FloatArray:
        factors = self.robot.file.source_weights
        inferred = factors.inferred if task.inferred is None else task.inferred
        table = np.array([0.0, factors.observed, factors.interpolated, inferred])
        if not task.landmarks:
            return np.ones(self.motion.frames)
        rows = [LANDMARK_NAMES.index(name) for name in task.landmarks]
        trust: FloatArray = table[self.motion.landmark_source[:, rows]].min(axis=1)
        return trust


def _joint_sources(motion: HumanMotion, robot: Robot) -> npt.NDArray[np.uint8]:
    """Return how each joint is known (T, J): as the worst of the landmarks behind it; INFERRED where none is named or one is missing."""
    sources = np.full((motion.frames, len(robot.joint_names)), Source.INFERRED, dtype=np.uint8)
    doubt = np.array([9, 0, 1, 2])  # by Source: missing is worst
    known = np.array([Source.OBSERVED, Source.INTERPOLATED, Source.INFERRED] + [Source.INFERRED] * 7, dtype=np.uint8)
    for entry in robot.file.joints:
        if entry.landmarks:
            rows = [LANDMARK_NAMES.index(name) for name in entry.landmarks]
            worst = known[doubt[motion.landmark_source[:, rows]].max(axis=1)]
            for joint in (j for name in entry.joints for j in robot.members(name)):
                sources[:, robot.joint_names.index(joint)] = worst
    return sources


def _quaternions(rotations: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    result = np.full((len(rotations), 4), np.nan)
    seen = np.isfinite(rotations).all(axis=(1, 2))
    if seen.any():
        result[seen] = Rotation.from_matrix(rotations[seen]).as_quat()
    return result
