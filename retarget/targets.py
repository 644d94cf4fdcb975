"""From a person's motion to what the robot is asked to do: the one place where sizes are matched.

Rules (bone lengths decide, never the solution):

1. *Limbs.* The robot's target points are walked along the person's skeleton from the pelvis outwards: every bone of a limb points as the
   person's does and is as long as the robot's. Bones of the trunk, the collar bones and the feet are turned as the person's link is turned.
2. *Hands.* The palm is a limb's end and keeps the person's orientation. Fingers are walked from the robot's own knuckles, so they are scaled
   bone by bone. Where thumb and fingertip of the person touch, the vector between them is a target of its own (scaled by the fingers' size).
3. *Ground.* One factor, the robot's leg length over the person's, scales the way through the room and all heights above the floor. The floor is the
   height that the lowest point of the person's feet comes down to (2nd percentile). The base stands where the point of the foot that is lowest
   keeps its scaled place, so a planted heel or toe stays planted, at the person's contact height. Without feet the pelvis' own way is scaled.
4. *Trust.* A target whose human part is missing is NaN and asks nothing; one that was inferred asks little.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.mapping import END_POINTS, FINGERS, HUMAN_LINKS, SIDES, TaskEntry
from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]

CONTACT_SOFTNESS = 0.015
"""m: a point of the feet this much higher than the lowest one has 1/e of its say in where the base stands."""
FLOOR_PERCENTILE = 2.0


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


def make_targets(motion: HumanMotion, robot: Robot) -> Targets:
    """Return what ``motion`` asks of ``robot``. See the module's text for the rules."""
    walk = _Walk(motion, robot)
    values, weights = [], []
    for task in robot.file.tasks:
        value, weight = walk.target(task)
        values.append(value)
        weights.append(weight)
    return Targets(
        tasks=robot.file.tasks,
        values=tuple(values),
        weights=np.stack(weights, axis=1),
        base=np.concatenate([walk.points["pelvis"], _quaternions(walk.rotations["pelvis"])], axis=1),
        joint_source=_joint_sources(motion, robot),
        scales=walk.scales,
    )


@dataclass(frozen=True)
class _Bone:
    point: str
    parent: str
    turned_by: str | None
    """Human link whose orientation turns the bone; None: the bone points as the person's does."""


def _bones() -> tuple[_Bone, ...]:
    bones = [
        _Bone("spine", "pelvis", "pelvis"),
        _Bone("thorax", "pelvis", "pelvis"),
        _Bone("neck", "thorax", "thorax"),
        _Bone("head", "neck", "neck"),
    ]
    for side in SIDES:
        bones += [
            _Bone(f"{side}_clavicle", "thorax", "thorax"), _Bone(f"{side}_upper_arm", f"{side}_clavicle", f"{side}_clavicle"),
            _Bone(f"{side}_forearm", f"{side}_upper_arm", None), _Bone(f"{side}_hand", f"{side}_forearm", None),
            _Bone(f"{side}_thigh", "pelvis", "pelvis"), _Bone(f"{side}_shank", f"{side}_thigh", None), _Bone(f"{side}_foot", f"{side}_shank", None),
            _Bone(f"{side}_heel", f"{side}_foot", f"{side}_foot"), _Bone(f"{side}_toes", f"{side}_foot", f"{side}_foot"),
            _Bone(f"{side}_toe_tip", f"{side}_toes", f"{side}_toes"),
            _Bone(f"{side}_thumb_metacarpal", f"{side}_hand", f"{side}_hand"),
        ]  # fmt: skip
        for digit, parts in [("thumb", ("metacarpal", "proximal", "distal", "tip"))] + [
            (f, ("proximal", "middle", "distal", "tip")) for f in FINGERS
        ]:
            if digit != "thumb":
                bones.append(_Bone(f"{side}_{digit}_proximal", f"{side}_hand", f"{side}_hand"))
            bones += [_Bone(f"{side}_{digit}_{b}", f"{side}_{digit}_{a}", None) for a, b in pairwise(parts)]
    return tuple(bones)


BONES = _bones()


class _Walk:
    """The scaled skeleton: target points and orientations of the robot, by the names of the human's parts."""

    def __init__(self, motion: HumanMotion, robot: Robot) -> None:
        self.motion, self.robot = motion, robot
        self.human = _human_points(motion)
        self.rotations = {name: motion.link(name)[:, :3, :3] for name in HUMAN_LINKS if name in motion.link_names}
        places = robot.zero_points()
        self.zero = {human: places[link] for human, link in robot.file.skeleton.items()}
        self.part_of = {link: human for human, link in reversed(robot.file.skeleton.items())}
        self.scales = self._scales()
        self.points = self._walk(np.zeros((motion.frames, 3)))
        base = self._base()
        self.points = {name: place + base for name, place in self.points.items()}

    def _walk(self, base: FloatArray) -> dict[str, FloatArray]:
        points = {"pelvis": base}
        parents = {bone.point: bone.parent for bone in BONES}
        for bone in BONES:
            if bone.point not in self.zero:
                continue
            parent = bone.parent
            while parent not in points:  # a part that this robot lacks: walk from the nearest one it has
                parent = parents[parent]
            offset = self.zero[bone.point] - self.zero[parent]
            if bone.turned_by is not None:
                points[bone.point] = points[parent] + self._rotation(bone.turned_by) @ offset
            else:
                points[bone.point] = points[parent] + _unit(self._place(bone.point) - self._place(parent)) * np.linalg.norm(offset)
        return points

    def _place(self, point: str) -> FloatArray:
        return self.human.get(point, np.full((self.motion.frames, 3), np.nan))

    def _rotation(self, link: str) -> FloatArray:
        return self.rotations.get(link, np.full((self.motion.frames, 3, 3), np.nan))

    def _scales(self) -> dict[str, float]:
        chains = {
            "legs": ("thigh", "shank", "foot"),
            "arms": ("upper_arm", "forearm", "hand"),
            "fingers": ("middle_proximal", "middle_middle", "middle_distal", "middle_tip"),
        }
        scales = {}
        for name, chain in chains.items():
            ours, theirs = 0.0, 0.0
            for a, b in pairwise(chain):
                for side in SIDES:
                    start, end = f"{side}_{a}", f"{side}_{b}"
                    if start in self.zero and end in self.zero:
                        lengths = np.linalg.norm(self._place(end) - self._place(start), axis=1)
                        if np.isfinite(lengths).any():
                            ours += float(np.linalg.norm(self.zero[end] - self.zero[start]))
                            theirs += float(np.nanmedian(lengths))
            scales[name] = ours / theirs if theirs > 0 else 1.0
        return scales

    def _base(self) -> FloatArray:
        """Return the base's place (T, 3) m by rule 3."""
        scale, pelvis = self.scales["legs"], self._place("pelvis")
        seen = np.isfinite(pelvis).all(axis=1)
        if not seen.any():
            return np.full((self.motion.frames, 3), np.nan)
        start = pelvis[np.argmax(seen)]
        contacts = [name for side in SIDES for name in (f"{side}_heel", f"{side}_toe_tip") if name in self.points]
        theirs = np.stack([self._place(name) for name in contacts], axis=1) if contacts else np.full((self.motion.frames, 1, 3), np.nan)
        floor = self._floor(theirs)
        origin = np.array([start[0], start[1], floor])
        anchored: FloatArray = origin + scale * (pelvis - origin)
        if not contacts:
            return anchored
        ours = np.stack([self.points[name] for name in contacts], axis=1)
        usable = np.isfinite(theirs).all(axis=2) & np.isfinite(ours).all(axis=2)
        heights = np.where(usable, theirs[..., 2], np.inf)
        lowest = heights.min(axis=1, keepdims=True)
        say = np.where(usable, np.exp(-(heights - np.where(np.isfinite(lowest), lowest, 0.0)) / CONTACT_SOFTNESS), 0.0)
        total = say.sum(axis=1, keepdims=True)
        wanted = origin + scale * (theirs - origin) - ours
        planted = np.nansum(np.where(usable[..., None], wanted, 0.0) * say[..., None], axis=1) / np.where(total > 0, total, 1.0)
        placed: FloatArray = np.where(total > 0, planted, anchored)
        return placed

    def _floor(self, contacts: FloatArray) -> float:
        heights = contacts[..., 2][np.isfinite(contacts[..., 2]).all(axis=1)]
        if len(heights):
            return float(np.percentile(heights.min(axis=1), FLOOR_PERCENTILE))
        standing = self.robot.standing_height() / self.scales["legs"]
        return float(np.nanmedian(self._place("pelvis")[:, 2]) - standing)

    def target(self, task: TaskEntry) -> tuple[FloatArray, FloatArray]:
        """Return one task's target and its weight (T,)."""
        human = task.human or self.part_of[task.robot]
        extra: FloatArray | float = 1.0
        value: FloatArray
        if task.kind == "position":
            value = self.points[human]
        elif task.kind == "orientation":
            value = self._rotation(human)
        elif task.kind == "axis":
            value = self._rotation(human) @ (np.array(task.axis) / np.linalg.norm(task.axis))
        else:
            origin = self.part_of[task.origin or task.robot]
            if task.kind == "direction":
                value = _unit(self._place(human) - self._place(origin))
            elif task.of is None:
                value = _turned_back(self._rotation(origin), self.points[human] - self.points[origin])
            else:
                apart = self._place(human) - self._place(self.part_of[task.of])
                value = _turned_back(self._rotation(origin), apart * self.scales["fingers"])
                reach = np.linalg.norm(value, axis=1) / (task.closes_below or np.inf)
                extra = np.square(np.clip(1.0 - np.square(reach), 0.0, None))
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


def _human_points(motion: HumanMotion) -> dict[str, FloatArray]:
    points = {name: motion.link(name)[:, :3, 3] for name in HUMAN_LINKS if name in motion.link_names}
    return points | {name: motion.landmark(landmark) for name, landmark in END_POINTS.items()}


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


def _unit(vectors: FloatArray) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: FloatArray = np.divide(vectors, norms, out=np.full_like(vectors, np.nan), where=norms > 1e-9)
    return units


def _turned_back(rotations: FloatArray, vectors: FloatArray) -> FloatArray:
    """Express world vectors (T, 3) in the axes of frames with world rotations (T, 3, 3)."""
    turned: FloatArray = np.einsum("tji,tj->ti", rotations, vectors)
    return turned


def _quaternions(rotations: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    result = np.full((len(rotations), 4), np.nan)
    seen = np.isfinite(rotations).all(axis=(1, 2))
    if seen.any():
        result[seen] = Rotation.from_matrix(rotations[seen]).as_quat()
    return result
