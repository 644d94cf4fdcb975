"""Which part of a robot is which part of a body, found from names where they say so and from geometry where they don't.

What is found are limbs as chains of moving joints (legs, arms, head), hands with their fingers as chains of their own, and the trunk that they hang on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.description import Description, Joint
from bodydouble.retarget.description_tree import DescriptionTree
from bodydouble.retarget.mapping import FINGERS, SIDES
from bodydouble.retarget.part_names import DIGITS, digit_of, limb_of, part_of, side_of

FloatArray = npt.NDArray[np.float64]

HAND_SIZE = 0.30
"""m: what reaches further from its first body is no hand."""
HAND_ALONE = 0.55
"""m: a robot that reaches no further from its root, and has fingers, is a hand."""
SAME_PLACE = 0.012
"""m: joints nearer to each other than this bend at one place."""


@dataclass
class Finger:
    """One digit: its moving joints from the palm outwards, the body at its end, and how sure its name is."""

    name: str
    joints: list[Joint]
    named: bool
    """Whether the name comes from names, not from the place around the palm."""

    @property
    def end(self) -> str:
        """The body that carries the tip."""
        return self.joints[-1].child


@dataclass
class Hand:
    """A palm and its digits; ``palm`` is the body, ``gripper`` tells that they are coupled jaws."""

    side: str
    palm: str
    fingers: dict[str, Finger]
    gripper: bool = False


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
        hand = _hand(tree, poses, palms[0], _own_side(description), remarks)
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
            hands.append(_hand(tree, poses, end, side, remarks))
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


def _hand(tree: DescriptionTree, poses: dict[str, FloatArray], palm: str, side: str | None, remarks: list[str]) -> Hand:
    chains = []
    for joint in tree.joints_below[palm]:
        leaf = max(tree.leaves(joint.child), key=lambda b: float(np.linalg.norm(poses[b][:3, 3] - poses[palm][:3, 3])))
        chains.append(tree.path(leaf)[len(tree.path(palm)) :])
    followers = sum(joint.name in tree.mimics for chain in chains for joint in chain)
    if followers > sum(len(chain) for chain in chains) / 2:
        return _gripper(palm, side or "right", chains, tree, remarks)
    digits = {i: digit_of(_names_of(tree, chain)) for i, chain in enumerate(chains)}
    fingers: dict[str, Finger] = {}
    if all(digits.values()) and len(set(digits.values())) == len(chains):
        for i, chain in enumerate(chains):
            name = str(digits[i])
            fingers[name] = Finger(name, chain, True)
    else:
        for name, chain in _by_geometry(tree, poses, palm, chains).items():
            fingers[name] = Finger(name, chain, False)
        remarks.append(
            f"fingers of '{palm}' have no telling names; by their place around the palm they are "
            + ", ".join(f"{name} = {finger.joints[0].name}...{finger.joints[-1].name}" for name, finger in fingers.items())
        )
    fingers = {name: fingers[name] for name in DIGITS if name in fingers}
    if side is None:
        side = chirality(tree, fingers)
        remarks.append(f"no name says whether the hand is left or right; by its thumb it is a {side} one")
    return Hand(side, palm, fingers)


def _names_of(tree: DescriptionTree, chain: list[Joint]) -> list[str]:
    """Return the names of a chain's joints and links, with those of what is fixed to it (tips are often the only ones that are named)."""
    return [name for joint in chain for name in (joint.name, *tree.links_of[joint.child])]


def _gripper(palm: str, side: str, chains: list[list[Joint]], tree: DescriptionTree, remarks: list[str]) -> Hand:
    """Return a gripper as thumb and index: the ends that are furthest out on either side of it."""
    poses = tree.poses()
    ends = sorted(chains, key=lambda c: (-round(float(np.linalg.norm(poses[c[-1].child][:3, 3] - poses[palm][:3, 3])), 4), c[-1].name))
    outer = [chain for chain in ends if len(chain) == max(len(c) for c in ends)]
    first = outer[0]
    across = poses[palm][:3, :3].T @ (poses[first[-1].child][:3, 3] - poses[palm][:3, 3])
    away = [chain for chain in outer[1:] if _sideways(across, poses, palm, chain) < 0]
    fingers = {"index": Finger("index", first, False)}
    if away:
        fingers = {"thumb": Finger("thumb", away[0], False), **fingers}
    remarks.append(f"'{palm}' carries coupled jaws: they open and close with the person's thumb and index finger")
    return Hand(side, palm, fingers, gripper=True)


def _sideways(across: FloatArray, poses: dict[str, FloatArray], palm: str, chain: list[Joint]) -> float:
    """Return whether a jaw lies on the other side of the palm than ``across``, by sign: the way out of the palm does not count."""
    here = poses[palm][:3, :3].T @ (poses[chain[-1].child][:3, 3] - poses[palm][:3, 3])
    out = here + across
    out = out / np.linalg.norm(out)
    one, other = across - (across @ out) * out, here - (here @ out) * out
    return float(one @ other)


def _by_geometry(tree: DescriptionTree, poses: dict[str, FloatArray], palm: str, chains: list[list[Joint]]) -> dict[str, list[Joint]]:
    """Return the chains by finger: the thumb is the one without which the others stand most alike; they are counted from its side."""
    frame = np.linalg.inv(poses[palm])
    # The joints stay well inside their range for this: a finger bent all the way would not show where it points.
    bases = np.array([(frame @ poses[chain[0].child])[:3, 3] for chain in chains])
    tips = np.array([(frame @ np.append(_tip_place(tree, poses, chain[-1].child), 1.0))[:3] for chain in chains])
    ways = (tips - bases) / np.linalg.norm(tips - bases, axis=1, keepdims=True)
    if len(chains) == 1:
        return {"index": chains[0]}
    unlike = []
    for i in range(len(chains)):
        others = [j for j in range(len(chains)) if j != i]
        mean = ways[others].mean(axis=0)
        axis_spread = bases[others] - bases[others].mean(axis=0)
        thickness = np.linalg.svd(axis_spread)[1][1:].sum() if len(others) > 2 else 0.0
        own = float(ways[i] @ mean / max(np.linalg.norm(mean), 1e-9))
        unlike.append(float(np.linalg.norm(mean)) - own - 20 * thickness)
    thumb = int(np.argmax(unlike))
    rest = [i for i in range(len(chains)) if i != thumb]
    if len(rest) == 1:
        return {"thumb": chains[thumb], "index": chains[rest[0]]}
    middle = bases[rest].mean(axis=0)
    along = np.linalg.svd(bases[rest] - middle)[2][0]
    if (bases[thumb] - middle) @ along < 0:
        along = -along
    order = sorted(rest, key=lambda i: -float((bases[i] - middle) @ along))
    return {"thumb": chains[thumb]} | {name: chains[i] for name, i in zip(FINGERS, order, strict=False)}


def _tip_place(tree: DescriptionTree, poses: dict[str, FloatArray], body: str) -> FloatArray:
    """Return the furthest known place of a finger's last body: of what is fixed to it, or twice its centre of mass."""
    origin = poses[body][:3, 3]
    places = [poses[link][:3, 3] for link in tree.links_of[body]]
    link = tree.description.links[body]
    if np.isfinite(link.mass):
        places.append(origin + 2 * poses[body][:3, :3] @ link.centre)
    return max(places, key=lambda place: float(np.linalg.norm(place - origin)))


def chirality(tree: DescriptionTree, fingers: dict[str, Finger]) -> str:
    """Return which hand the thumb's place, the fingers' direction and their bending make it: seen on the back, fingers up, a left thumb points right."""
    index, last = fingers.get("index"), [f for name, f in fingers.items() if name != "thumb"][-1]
    if index is None or "thumb" not in fingers:
        return "right"
    poses = tree.poses()
    out = finger_direction(tree, poses, index)
    thumb = poses[fingers["thumb"].joints[0].child][:3, 3]
    towards = (poses[index.joints[0].child] - poses[last.joints[0].child])[:3, 3] if last is not index else thumb - poses[index.end][:3, 3]
    normal = bending_direction(tree, index)
    return "left" if float(np.cross(out, normal) @ towards) < 0 else "right"


def finger_direction(tree: DescriptionTree, poses: dict[str, FloatArray], finger: Finger) -> FloatArray:
    """Return the unit direction from a finger's first place to its tip."""
    way = _tip_place(tree, poses, finger.end) - poses[finger.joints[0].child][:3, 3]
    unit: FloatArray = way / max(float(np.linalg.norm(way)), 1e-9)
    return unit


def bending_direction(tree: DescriptionTree, finger: Finger) -> FloatArray:
    """Return the unit direction in which a finger's tip first goes when it bends: about its parallel hinges, to the side of their longer range."""
    poses = tree.poses()
    hinges = flexors(tree, finger)
    tip = _tip_place(tree, poses, finger.end)
    way = np.zeros(3)
    for joint in hinges:
        axis = poses[joint.child][:3, :3] @ joint.axis
        arm = tip - poses[joint.child][:3, 3]
        way += bend_sign(joint) * np.cross(axis, arm)
    unit: FloatArray = way / max(float(np.linalg.norm(way)), 1e-9)
    return unit


def bend_sign(joint: Joint) -> float:
    """Return in which sense a hinge bends: the one with more range."""
    return 1.0 if abs(joint.upper) >= abs(joint.lower) else -1.0


def flexors(tree: DescriptionTree, finger: Finger) -> list[Joint]:
    """Return the hinges of a finger that bend it: the largest set of parallel ones that are across it, from the palm outwards."""
    poses = tree.poses()
    axes = {joint.name: poses[joint.child][:3, :3] @ joint.axis for joint in finger.joints}
    out = finger_direction(tree, poses, finger)
    best: list[Joint] = []
    for joint in reversed(finger.joints):
        if abs(axes[joint.name] @ out) > 0.7:
            continue
        parallel = [other for other in finger.joints if abs(axes[other.name] @ axes[joint.name]) > 0.85]
        if len(parallel) > len(best):
            best = parallel
    return best or finger.joints[-1:]


def places(tree: DescriptionTree, poses: dict[str, FloatArray], joints: list[Joint]) -> list[list[Joint]]:
    """Return joints in groups that turn about one place, along the chain."""
    groups: list[list[Joint]] = []
    for joint in joints:
        if groups and np.linalg.norm(poses[joint.child][:3, 3] - poses[groups[-1][0].child][:3, 3]) < SAME_PLACE:
            groups[-1].append(joint)
        else:
            groups.append([joint])
    return groups


__all__ = [
    "SIDES", "BodyPlan", "Finger", "Hand", "Limb", "bend_sign", "bending_direction", "chirality", "find_body_plan", "finger_direction",
    "flexors", "places",
]  # fmt: skip
