"""Which finger is which: from their names where these tell, else from how they stand around the palm.

A chain of joints that hangs on a palm is a digit. The thumb is the one without which the others stand most alike; they are counted from its side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.description import Joint
from bodydouble.retarget.description_tree import DescriptionTree
from bodydouble.retarget.mapping import FINGERS
from bodydouble.retarget.part_names import DIGITS, digit_of

FloatArray = npt.NDArray[np.float64]

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


def find_hand(tree: DescriptionTree, poses: dict[str, FloatArray], palm: str, side: str | None, remarks: list[str]) -> Hand:
    """Return a palm's digits; ``side`` None: by its thumb. What is not sure is added to ``remarks``."""
    chains = []
    for joint in tree.joints_below[palm]:
        leaf = max(tree.leaves(joint.child), key=lambda b: float(np.linalg.norm(poses[b][:3, 3] - poses[palm][:3, 3])))
        chains.append(tree.path(leaf)[len(tree.path(palm)) :])
    followers = sum(joint.name in tree.mimics for chain in chains for joint in chain)
    slides = all(joint.kind == "prismatic" for chain in chains for joint in chain)
    if slides or followers > sum(len(chain) for chain in chains) / 2:
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
        ordered = [name for name in DIGITS if name in fingers]
        if side is not None and len(ordered) > 2 and chirality(tree, {name: fingers[name] for name in ordered}) != side:
            turned = [ordered[0], *ordered[:0:-1]]  # the other way round they are those of this hand
            fingers = {name: Finger(name, fingers[other].joints, False) for name, other in zip(ordered, turned, strict=True)}
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
    slides = first[0].kind == "prismatic"
    away = [chain for chain in outer[1:] if slides or _sideways(across, poses, palm, chain) < 0]
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
    # Knuckles count, not where a palm joint begins.
    knuckles = np.array([(frame @ poses[flexors(tree, Finger("", chain, False))[0].child])[:3, 3] for chain in chains])
    middle = knuckles[rest].mean(axis=0)
    along = np.linalg.svd(knuckles[rest] - middle)[2][0]
    if ((bases[thumb] + tips[thumb]) / 2 - middle) @ along < 0:
        along = -along
    order = sorted(rest, key=lambda i: -float((knuckles[i] - middle) @ along))
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
