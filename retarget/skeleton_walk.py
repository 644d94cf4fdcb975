"""The person's motion at the robot's size: the one place where sizes are matched.

Rules (bone lengths decide, never the solution):

1. *Limbs.* The robot's points are walked along the person's skeleton from the pelvis outwards: every bone of a limb points as the
   person's does and is as long as the robot's. Bones of the trunk, the collar bones and the feet are turned as the person's link is turned.
2. *Hands.* The palm keeps the person's orientation. Its place is the end of the walked arm, or, where the robot's file says so ([scaling] hands), as
   far from the head or in the room as the person's is. Fingers are walked from the robot's own knuckles, so they are scaled bone by bone. Where thumb
   and fingertip of the person touch, the robot's are asked to touch; where two hands work on one object, what is between the palms is kept in
   metres, since the object does not shrink (`working_hands.py`).
3. *Ground.* One factor, the robot's leg length over the person's, scales the way through the room and all heights above the floor. The base stands where
   the point of the foot that is lowest keeps its scaled place; points that are planted stand still, on the floor (`contacts.py`). Without feet the pelvis' own
   way is scaled.
4. *Trunk.* Where the pelvis is not known the walk starts at the part nearest to it that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget.contacts import Contacts, anchored, find_contacts
from bodydouble.retarget.mapping import END_POINTS, FINGERS, HUMAN_LINKS, SIDES
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.working_hands import together

FloatArray = npt.NDArray[np.float64]

CONTACT_SOFTNESS = 0.015
"""m: a point of the feet this much higher than the lowest one has 1/e of its say in where the base stands."""


@dataclass(frozen=True)
class Bone:
    """One step of the walk."""

    point: str
    parent: str
    turned_by: str | None
    """Human link whose orientation turns the bone; None: the bone points as the person's does."""


def _bones() -> tuple[Bone, ...]:
    bones = [
        Bone("spine", "pelvis", "pelvis"),
        Bone("thorax", "pelvis", "pelvis"),
        Bone("neck", "thorax", "thorax"),
        Bone("head", "neck", "neck"),
    ]
    for side in SIDES:
        bones += [
            Bone(f"{side}_clavicle", "thorax", "thorax"), Bone(f"{side}_upper_arm", f"{side}_clavicle", f"{side}_clavicle"),
            Bone(f"{side}_forearm", f"{side}_upper_arm", None), Bone(f"{side}_hand", f"{side}_forearm", None),
            Bone(f"{side}_thigh", "pelvis", "pelvis"), Bone(f"{side}_shank", f"{side}_thigh", None), Bone(f"{side}_foot", f"{side}_shank", None),
            Bone(f"{side}_heel", f"{side}_foot", f"{side}_foot"), Bone(f"{side}_toes", f"{side}_foot", f"{side}_foot"),
            Bone(f"{side}_toe_tip", f"{side}_toes", f"{side}_toes"),
            Bone(f"{side}_thumb_metacarpal", f"{side}_hand", f"{side}_hand"),
        ]  # fmt: skip
        for digit in ("thumb", *FINGERS):
            parts = ("metacarpal" if digit == "thumb" else "proximal", "proximal" if digit == "thumb" else "middle", "distal", "tip")
            if digit != "thumb":
                bones.append(Bone(f"{side}_{digit}_proximal", f"{side}_hand", f"{side}_hand"))
            bones += [Bone(f"{side}_{digit}_{b}", f"{side}_{digit}_{a}", None) for a, b in pairwise(parts)]
    return tuple(bones)


BONES = _bones()
PARENT = {bone.point: bone.parent for bone in BONES}


class SkeletonWalk:
    """Target points (T, 3) m and link rotations (T, 3, 3) of the robot, by the names of the human's parts.

    A robot with a fixed base is asked for everything as seen from the person's counterpart of that base.
    """

    def __init__(self, motion: HumanMotion, robot: Robot) -> None:
        self.motion, self.robot = motion, robot
        self.human = {name: motion.link(name)[:, :3, 3] for name in HUMAN_LINKS if name in motion.link_names}
        self.human |= {name: motion.landmark(landmark) for name, landmark in END_POINTS.items()}
        self.rotations = {name: motion.link(name)[:, :3, :3] for name in HUMAN_LINKS if name in motion.link_names}
        places = robot.zero_points()
        self.zero = {human: places[link] for human, link in robot.file.skeleton.items()}
        self.scales = self._scales()
        points = self._walk()
        self.contacts = self._contacts()
        base = self._base(points)
        self.points = {name: place + base for name, place in points.items()}
        if robot.file.scaling.feet == "place":
            self._place_feet()
        self._anchor()
        self._place_hands()
        if not robot.floating:
            self._seen_from_root()

    def place(self, point: str) -> FloatArray:
        """Return the person's own point (T, 3) m, NaN where not known."""
        return self.human.get(point, np.full((self.motion.frames, 3), np.nan))

    def rotation(self, link: str) -> FloatArray:
        """Return the person's link rotation (T, 3, 3), NaN where not known."""
        return self.rotations.get(link, np.full((self.motion.frames, 3, 3), np.nan))

    @property
    def root(self) -> str:
        """Human part that the robot's walk starts from: the pelvis where it has one."""
        return next((name for name in ("pelvis", *(bone.point for bone in BONES)) if name in self.zero), "pelvis")

    def _walk(self) -> dict[str, FloatArray]:
        points = {self.root: np.zeros((self.motion.frames, 3))}
        for bone in BONES:
            if bone.point not in self.zero or bone.point in points:
                continue
            parent = bone.parent
            while parent not in points and parent in PARENT:  # a part that this robot lacks: walk from the nearest one it has
                parent = PARENT[parent]
            if parent not in points:
                continue
            offset = self.zero[bone.point] - self.zero[parent]
            if bone.turned_by is not None:
                points[bone.point] = points[parent] + self.rotation(bone.turned_by) @ offset
            else:
                points[bone.point] = points[parent] + unit(self.place(bone.point) - self.place(parent)) * np.linalg.norm(offset)
        return points

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
                        lengths = np.linalg.norm(self.place(end) - self.place(start), axis=1)
                        if np.isfinite(lengths).any():
                            ours += float(np.linalg.norm(self.zero[end] - self.zero[start]))
                            theirs += float(np.nanmedian(lengths))
            scales[name] = ours / theirs if theirs > 0 else 1.0
        return scales

    def _contacts(self) -> Contacts:
        named = [name for name in self.robot.contacts if name in self.zero]
        sigma = {}
        for name in (name for name in named if name in END_POINTS):
            known = self.motion.landmark_sigma[:, LANDMARK_NAMES.index(END_POINTS[name])]
            if np.isfinite(known).any():
                sigma[name] = float(np.nanmedian(known))
        return find_contacts(self.motion.times_s, {name: self.place(name) for name in named}, sigma)

    def _base(self, points: dict[str, FloatArray]) -> FloatArray:
        """Return the root's place (T, 3) m by rule 3."""
        scale, root = self.scales["legs"], self.place(self.root)
        self.origin = np.full(3, np.nan)
        seen = np.isfinite(root).all(axis=1)
        if not seen.any():
            return np.full((self.motion.frames, 3), np.nan)
        contacts = [name for name in self.contacts.planted if np.isfinite(self.place(name)).all(axis=1).any()]
        # Without feet the ground is where a standing robot's would be.
        under_root = float(np.nanmedian(root[:, 2])) - self.robot.standing_height() / scale
        floor = self.contacts.floor_m if contacts else under_root
        # About the world's own origin: what a clip asks for must not depend on where it was cut.
        origin = self.origin = np.array([0.0, 0.0, floor])
        carried: FloatArray = origin + scale * (root - origin)
        if not contacts:
            return carried
        theirs = np.stack([self.place(name) for name in contacts], axis=1)
        ours = np.stack([points[name] for name in contacts], axis=1)
        usable: npt.NDArray[np.bool_] = np.asarray(np.isfinite(theirs).all(axis=2) & np.isfinite(ours).all(axis=2))
        heights = np.where(usable, theirs[..., 2], np.inf)
        lowest = heights.min(axis=1, keepdims=True)
        say = np.where(usable, np.exp(-(heights - np.where(np.isfinite(lowest), lowest, 0.0)) / CONTACT_SOFTNESS), 0.0)
        total = say.sum(axis=1, keepdims=True)
        wanted = origin + scale * (theirs - origin) - ours
        standing = np.nansum(np.where(usable[..., None], wanted, 0.0) * say[..., None], axis=1) / np.where(total > 0, total, 1.0)
        placed: FloatArray = np.where(total > 0, standing, carried)
        return placed

    def _at_robots_size(self, point: str) -> FloatArray:
        """Return where a point of the person is (T, 3) m when everything about the world's origin on the floor is scaled as the legs are."""
        return np.asarray(self.origin + self.scales["legs"] * (self.place(point) - self.origin))

    def _place_feet(self) -> None:
        """Put the ankles where the person's are, at the robot's size, and what hangs on them along with them."""
        for side in SIDES:
            foot = f"{side}_foot"
            if foot in self.points:
                shift = np.nan_to_num(self._at_robots_size(foot) - self.points[foot]) * [1.0, 1.0, 0.0]
                for name in (foot, f"{side}_toes", f"{side}_heel", f"{side}_toe_tip"):
                    if name in self.points:
                        self.points[name] = self.points[name] + shift

    def _anchor(self) -> None:
        """Give planted points one place each, and carry feet and base along."""
        offsets, trust = {}, {}
        scale = self.scales["legs"]
        for name, mask in self.contacts.planted.items():
            level = self.contacts.floor_m + scale * (self.contacts.ground[name] - self.contacts.floor_m)
            offsets[name] = anchored(mask, level, self.points[name], self.robot_sole(name))
            trust[name] = mask.astype(float)
        if not any(mask.any() for mask in self.contacts.planted.values()):
            return
        # The base goes along with what is planted; while nothing is, it goes over from the one to the next.
        total = np.sum(list(trust.values()), axis=0)
        mean = np.sum([offsets[name] * np.where(total > 0, trust[name], 1.0)[:, None] for name in offsets], axis=0)
        mean /= np.where(total > 0, total, len(offsets))[:, None]
        known = np.flatnonzero(total > 0)
        index = np.arange(self.motion.frames)
        base = np.stack([np.interp(index, known, mean[known, i]) for i in range(3)], axis=1)
        own = {side: [name for name in offsets if name.startswith(side)] for side in SIDES}
        for name, place in self.points.items():
            side, _, part = name.partition("_")
            if name in offsets:
                self.points[name] = place + offsets[name]
            elif part in ("foot", "toes", "heel", "toe_tip") and own.get(side):
                self.points[name] = place + np.mean([offsets[n] for n in own[side]], axis=0)
            else:
                self.points[name] = place + base

    def robot_sole(self, contact: str) -> float:
        """Return how high (m) a contact point of the robot is above the ground when it stands."""
        lowest = min(place[2] for name, place in self.zero.items() if name in self.robot.contacts)
        return float(self.zero[contact][2] - lowest)

    def _place_hands(self) -> None:
        """Put the palms where rule 2 says, and what hangs on them along with them."""
        hands = [f"{side}_hand" for side in SIDES if f"{side}_hand" in self.points]
        scaling = self.robot.file.scaling.hands
        if scaling != "limbs":
            for hand in hands:
                away: FloatArray = self._at_robots_size(hand) if scaling == "size" else self.place(hand)
                if scaling == "head" and "head" in self.points:
                    away = self.points["head"] + self.place(hand) - self.place("head")
                self._shift_hand(hand, np.where(np.isfinite(away), away - self.points[hand], 0.0))
        self.together = np.zeros(self.motion.frames)
        if len(hands) == 2:
            self.together = together(*(self._hand_middle(hand) for hand in hands))
            theirs, ours = self.place(hands[1]) - self.place(hands[0]), self.points[hands[1]] - self.points[hands[0]]
            apart = np.nan_to_num(self.together[:, None] * (theirs - ours))
            self._shift_hand(hands[0], -0.5 * apart)
            self._shift_hand(hands[1], 0.5 * apart)

    def _hand_middle(self, hand: str) -> FloatArray:
        knuckle = self.place(hand.replace("hand", "middle_proximal"))
        return np.where(np.isfinite(knuckle), 0.5 * (self.place(hand) + knuckle), self.place(hand))

    def _shift_hand(self, hand: str, shift: FloatArray) -> None:
        side = hand.partition("_")[0]
        for name in self.points:
            if name == hand or name.startswith(tuple(f"{side}_{digit}_" for digit in ("thumb", *FINGERS))):
                self.points[name] = self.points[name] + shift

    def _seen_from_root(self) -> None:
        turn, origin = self.rotation(self.root), self.points[self.root]
        self.points = {name: turned_back(turn, place - origin) + self.zero[self.root] for name, place in self.points.items()}
        self.rotations = {name: np.einsum("tji,tjk->tik", turn, rotation) for name, rotation in self.rotations.items()}
        self.human = {name: turned_back(turn, place - self.place(self.root)) for name, place in self.human.items() if name != self.root} | {
            self.root: np.where(np.isfinite(origin), 0.0, np.nan)
        }


def unit(vectors: FloatArray) -> FloatArray:
    """Return unit vectors (..., 3); NaN for one of no length."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: FloatArray = np.divide(vectors, norms, out=np.full_like(vectors, np.nan), where=norms > 1e-9)
    return units


def turned_back(rotations: FloatArray, vectors: FloatArray) -> FloatArray:
    """Express world vectors (T, 3) in the axes of frames with world rotations (T, 3, 3)."""
    turned: FloatArray = np.einsum("tji,tj->ti", rotations, vectors)
    return turned
