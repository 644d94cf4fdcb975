"""Which part of a robot is which part of a body, found from names where they say so and from geometry where they don't.

What is found are limbs as chains of moving joints (legs, arms, head), hands with their fingers as chains of their own, and the trunk that they hang on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.description import Description, Joint
from bodydouble.retarget.description_tree import DescriptionTree
from bodydouble.retarget.finger_plan import Hand, find_hand
from bodydouble.retarget.part_names import digit_of, limb_of, part_of, side_of

FloatArray = npt.NDArray[np.float64]

HAND_SIZE = 0.30
"""m: what reaches further from its first body is no hand."""
HAND_ALONE = 0.55
"""m: a robot that reaches no further from its root, and has fingers, is a hand."""


@dataclass
class Limb:
    """A leg, an arm or the head: the moving joints between the trunk and its end body."""

    kind: str
    side: str
    joints: list[Joint]
    end: str
    named: bool


@dataclass
class BodyPlan:
    """All of it. Bodies are named by the link that their moving joint carries."""

    tree: DescriptionTree
    root: str
    pelvis: str | None
    thorax: str | None
    trunk_joints: list[Joint]
    limbs: list[Limb]
    hands: list[Hand]
    remarks: list[str] = field(default_factory=list)

    def limb(self, kind: str, side: str = "") -> Limb | None:
        """Return a limb, if the robot has it."""
        return next((limb for limb in self.limbs if limb.kind == kind and limb.side == side), None)

    def hand(self, side: str) -> Hand | None:
        """Return a hand, if the robot has it."""
        return next((hand for hand in self.hands if hand.side == side), None)

    @property
    def hand_alone(self) -> bool:
        """Whether the robot is nothing but a hand (with a wrist, perhaps)."""
        return not self.limbs and len(self.hands) == 1 and self.pelvis is None and self.thorax is None


def find_body_plan(description: Description) -> BodyPlan:
    """Return the body plan of a robot; what could not be told is left out and remarked on."""
    tree = DescriptionTree(description)
    poses = tree.poses()
    remarks: list[str] = []
    whole = _reach(tree, poses, description.root)
    palms = _palms(tree, poses, whole)
    if (
        len(palms) == 1
        and whole < HAND_ALONE
        and not any(limb_of(part_of(j)) in ("leg", "head", "trunk") for j in description.moving_joints)
    ):
        hand = find_hand(tree, poses, palms[0], _own_side(description), remarks)
        return BodyPlan(tree, description.root, None, None, [], [], [hand], remarks)

    ends = [*palms, *(leaf for leaf in tree.leaves(description.root) if not any(leaf in tree.bodies_below(p) for p in palms))]
    paths = {end: tree.path(end) for end in ends}
    ends = [end for end in ends if paths[end]]
    kinds = {end: _limb_kind(end, paths[end], poses, palms) for end in ends}
    legs = [end for end in ends if kinds[end][0] == "leg"]
    arms = [end for end in ends if kinds[end][0] == "arm"]
    pelvis_body = tree.common_body(legs) if legs else None
    thorax_body = tree.common_body(arms) if len(arms) > 1 else (description.root if arms else None)
    limbs: list[Limb] = []
    hands: list[Hand] = []
    for end in ends:
        kind, named = kinds[end]
        start = thorax_body if kind in ("arm", "head") and thorax_body is not None else pelvis_body or description.root
        joints = _after(paths[end], start)
        if kind == "head" and not joints:
            continue
        side = "" if kind == "head" else _side(end, joints, poses)
        if kind == "other" or any(limb.kind == kind and limb.side == side for limb in limbs):
            remarks.append(f"the chain that ends in '{end}' is no limb of a person and is left at rest")
            continue
        limbs.append(Limb(kind, side, joints, end, named))
        if end in palms:
            hands.append(find_hand(tree, poses, end, side, remarks))
    trunk: list[Joint] = []
    if thorax_body is not None:
        below = pelvis_body if pelvis_body is not None else description.root
        trunk = [joint for joint in tree.path(thorax_body) if joint not in tree.path(below)]
    if pelvis_body is None and thorax_body is not None and (trunk or thorax_body != description.root):
        pelvis_body = description.root
    if legs and thorax_body == pelvis_body:
        remarks.append("legs and arms hang on one body: it is taken as the pelvis, and the robot has no waist")
        thorax_body = None
    return BodyPlan(tree, description.root, pelvis_body, thorax_body, trunk, limbs, hands, remarks)


def _reach(tree: DescriptionTree, poses: dict[str, FloatArray], body: str) -> float:
    links = [link for below in tree.bodies_below(body) for link in tree.links_of[below]]
    return max(float(np.linalg.norm(poses[link][:3, 3] - poses[body][:3, 3])) for link in links)


def _palms(tree: DescriptionTree, poses: dict[str, FloatArray], whole: float) -> list[str]:
    """Return the bodies that fingers hang on: the highest with several chains below that reach no further than a hand."""
    palms: list[str] = []

    def search(body: str) -> None:
        joints = tree.joints_below[body]
        names = [name for b in tree.bodies_below(body)[1:] for name in (b, tree.parent_joint[b].name)]
        limbs = {limb_of(part_of(name)) for name in names if digit_of([name]) is None}
        small = _reach(tree, poses, body) < min(HAND_SIZE, max(0.45 * whole, 0.25))
        if len(joints) > 1 and small and not limbs & {"leg", "head", "trunk"} and not any(_is_upper(name) for name in names):
            palms.append(body)
            return
        for joint in joints:
            search(joint.child)

    search(tree.description.root)
    return palms


def _is_upper(name: str) -> bool:
    return part_of(name) in ("shoulder", "elbow", "forearm", "clavicle", "knee", "hip") and digit_of([name]) is None


def _limb_kind(end: str, path: list[Joint], poses: dict[str, FloatArray], palms: list[str]) -> tuple[str, bool]:
    """Return what a chain is, and whether names say so: else the lowest ends to the sides are legs, the others to the sides arms, what is up a head."""
    votes = [limb for joint in path for limb in (limb_of(part_of(joint.name, joint.child)),) if limb in ("leg", "arm", "head")]
    if votes:
        return max(set(votes), key=votes.count), True
    if end in palms:
        return "arm", False
    place = poses[end][:3, 3]
    if abs(place[1]) < 0.02:
        return ("head" if place[2] > 0 else "other"), False
    lowest = min(pose[2, 3] for pose in poses.values())
    return ("leg" if place[2] < 0.6 * lowest else "arm"), False


def _after(path: list[Joint], body: str) -> list[Joint]:
    """Return the part of a path that lies beyond a body; all of it where the body is not on it."""
    children = [joint.child for joint in path]
    return path[children.index(body) + 1 :] if body in children else path


def _side(end: str, joints: list[Joint], poses: dict[str, FloatArray]) -> str:
    said = [side for joint in joints for side in (side_of(joint.name) or side_of(joint.child),) if side]
    if said:
        return max(set(said), key=said.count)
    return "left" if poses[end][1, 3] > 0 else "right"


def _own_side(description: Description) -> str | None:
    """Return the side that a hand's own names, or those of its robot or file, give it."""
    said = [side for name in (*description.links, *description.moving_joints) for side in (side_of(name),) if side]
    if said:
        return max(set(said), key=said.count)
    return side_of(description.name) or side_of(description.path.stem)
