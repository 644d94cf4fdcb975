"""From a body plan to links: which link is which human part, and where tips and soles are.

Every entry says how it was found: "name", "geometry" or "guess", so that a person knows what to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.body_plan import BodyPlan, Limb
from bodydouble.retarget.description import Joint
from bodydouble.retarget.draft_points import sole_ends, tip_of
from bodydouble.retarget.finger_plan import Finger, Hand, flexors, places
from bodydouble.retarget.part_names import part_of, words

FloatArray = npt.NDArray[np.float64]

CLAVICLE_ARM = 0.04
"""m: a joint whose axis passes a shoulder further away than this carries the shoulder."""
THUMB = {"proximal": 0.42, "distal": 0.75}
"""Share of the way from a person's thumb's base to its tip at which the other two joints are (lengths of `hand_pose/skeleton.py`)."""
UNMATCHED = 0.05
"""Cost of a joint of the person's thumb that the robot's has no counterpart for, in squared shares."""
FORWARD_TOE = 0.05
"""m that a toe joint is in front of the ankle."""


@dataclass
class DraftSkeleton:
    """What was found."""

    links: dict[str, str] = field(default_factory=dict)
    """Human part to robot link, or point."""
    found_by: dict[str, str] = field(default_factory=dict)
    """Human part to "name", "geometry" or "guess"."""
    points: dict[str, tuple[str, FloatArray]] = field(default_factory=dict)
    """Name of a point that has no link to (link, place (3,) m in its frame)."""
    elbows: dict[str, Joint] = field(default_factory=dict)
    knees: dict[str, Joint] = field(default_factory=dict)
    joints: dict[str, list[Joint]] = field(default_factory=dict)
    """Group to its joints: neck, torso, {side}_clavicle, {side}_shoulder, {side}_elbow, {side}_wrist, {side}_hip, {side}_knee, {side}_ankle, {side}_toe,
    {side}_{finger}."""
    mount: FloatArray = field(default_factory=lambda: np.eye(3))
    """R_base_root (3, 3) of a body; a hand alone has none yet."""
    remarks: list[str] = field(default_factory=list)

    def put(self, part: str, link: str, how: str) -> None:
        """Note a part."""
        self.links[part], self.found_by[part] = link, how


def draft_skeleton(plan: BodyPlan) -> DraftSkeleton:
    """Return the links of all human parts that a robot has."""
    skeleton = DraftSkeleton()
    if plan.pelvis is not None:
        skeleton.put("pelvis", plan.pelvis, "geometry")
    if plan.thorax is not None:
        skeleton.put("thorax", plan.thorax, "geometry")
        if len(plan.trunk_joints) > 1:
            skeleton.put("spine", plan.trunk_joints[0].child, "geometry")
    skeleton.joints["torso"] = list(plan.trunk_joints)
    head = plan.limb("head")
    if head is not None:
        skeleton.joints["neck"] = head.joints
        skeleton.put("head", head.joints[-1].child, _how(head))
        if len(head.joints) > 1:
            skeleton.put("neck", head.joints[0].child, _how(head))
    for side in ("left", "right"):
        leg, arm, hand = plan.limb("leg", side), plan.limb("arm", side), plan.hand(side)
        if leg is not None:
            _leg(plan, leg, skeleton)
        if arm is not None:
            _arm(plan, arm, skeleton)
        if hand is not None:
            if arm is None:
                _hand_alone(plan, hand, skeleton)
            for finger in hand.fingers.values():
                _finger(plan, hand, finger, skeleton)
    skeleton.mount = upright(plan, skeleton)
    for side in ("left", "right"):
        foot = skeleton.links.get(f"{side}_foot")
        if foot is not None:
            _sole(plan, side, foot, skeleton.links.get(f"{side}_toes", foot), skeleton)
    return skeleton


def _how(limb: Limb) -> str:
    return "name" if limb.named else "geometry"


def _arm(plan: BodyPlan, arm: Limb, skeleton: DraftSkeleton) -> None:
    side, how, poses = arm.side, _how(arm), plan.tree.poses()
    elbow, sure = _bend(plan, arm, ("elbow", "forearm"))
    if elbow is None:
        skeleton.remarks.append(f"the {side} arm has no elbow that could be told; only its end is followed")
        skeleton.joints[f"{side}_shoulder"] = arm.joints
        skeleton.put(f"{side}_hand", arm.joints[-1].child, "guess")
        return
    row = arm.joints.index(elbow)
    before, after = arm.joints[:row], arm.joints[row + 1 :]
    clavicles, shoulder, centre = _ball_joint(poses, before)
    if clavicles:
        skeleton.put(f"{side}_clavicle", clavicles[-1].child, "geometry")
    if shoulder:
        skeleton.put(f"{side}_upper_arm", _nearest(poses, shoulder, centre), "geometry")
    skeleton.put(f"{side}_forearm", elbow.child, "name" if sure else "geometry")
    skeleton.put(f"{side}_hand", arm.joints[-1].child if after else arm.end, how)
    skeleton.joints |= {f"{side}_clavicle": clavicles, f"{side}_shoulder": shoulder, f"{side}_elbow": [elbow], f"{side}_wrist": after}
    skeleton.elbows[side] = elbow


def _leg(plan: BodyPlan, leg: Limb, skeleton: DraftSkeleton) -> None:
    side, how, poses = leg.side, _how(leg), plan.tree.poses()
    knee, sure = _bend(plan, leg, ("knee",))
    if knee is None:
        skeleton.remarks.append(f"the {side} leg has no knee that could be told; only its end is followed")
        skeleton.joints[f"{side}_hip"] = leg.joints
        skeleton.put(f"{side}_foot", leg.joints[-1].child, "guess")
        return
    row = leg.joints.index(knee)
    before, after = leg.joints[:row], leg.joints[row + 1 :]
    toes = [joint for joint in after if part_of(joint.name, joint.child) == "toe"]
    if not toes and len(after) > 1:
        ankle = poses[after[0].child][:3, 3]
        toes = [j for j in after[1:] if np.linalg.norm((poses[j.child][:3, 3] - ankle)[:2]) > FORWARD_TOE]
    ankles = [joint for joint in after if joint not in toes]
    carried, hip, centre = _ball_joint(poses, before)
    hip = carried + hip
    if hip:
        skeleton.put(f"{side}_thigh", _nearest(poses, hip, centre), "geometry")
    skeleton.put(f"{side}_shank", knee.child, "name" if sure else "geometry")
    foot = (ankles[-1] if ankles else knee).child
    if ankles:
        skeleton.put(f"{side}_foot", foot, how)
    if toes:
        skeleton.put(f"{side}_toes", toes[-1].child, how)
    skeleton.joints |= {f"{side}_hip": hip, f"{side}_knee": [knee], f"{side}_ankle": ankles, f"{side}_toe": toes}
    skeleton.knees[side] = knee


def _sole(plan: BodyPlan, side: str, foot: str, toes: str, skeleton: DraftSkeleton) -> None:
    """Put heel and toe tip on the sole: on links that are called so, else where the foot's shapes end, else where its inertia says that it does."""
    for part, body in (("heel", foot), ("toe_tip", toes)):
        named = [link for link in plan.tree.links_of[body] if part in link.lower()]
        point = f"{side}_{part}"
        if named:
            skeleton.put(point, named[0], "name")
            continue
        ends, how = sole_ends(plan, body, skeleton.mount)
        place = skeleton.mount.T @ ends[0 if part == "heel" else 1]
        skeleton.points[point] = (body, (np.linalg.inv(plan.tree.poses()[body]) @ np.append(place, 1.0))[:3])
        skeleton.put(point, point, how)


def upright(plan: BodyPlan, skeleton: DraftSkeleton) -> FloatArray:
    """Return R_base_root of a body: the right angles nearest to how legs, shoulders and head say it stands."""
    poses = plan.tree.poses()

    def at(part: str) -> FloatArray | None:
        link = skeleton.links.get(part)
        return poses[link][:3, 3] if link in poses else None

    lefts: list[FloatArray] = []
    for part in ("upper_arm", "thigh", "forearm", "foot"):
        left, right = at(f"left_{part}"), at(f"right_{part}")
        if left is not None and right is not None:
            lefts.append(left - right)
    ups: list[FloatArray] = []
    hips = [place for place in (at("left_thigh"), at("right_thigh")) if place is not None]
    shoulders = [place for place in (at("left_upper_arm"), at("right_upper_arm")) if place is not None]
    feet = [place for place in (at("left_foot"), at("right_foot")) if place is not None]
    if hips and shoulders:
        ups.append(np.mean(shoulders, axis=0) - np.mean(hips, axis=0))
    if hips and feet:
        ups.append(np.mean(hips, axis=0) - np.mean(feet, axis=0))
    if not lefts:
        return np.eye(3)
    leftward = sum((v / np.linalg.norm(v) for v in lefts), np.zeros(3))
    up = sum((v / np.linalg.norm(v) for v in ups), np.zeros(3)) if ups else np.array([0.0, 0, 1])
    forward = np.cross(leftward, up)
    rotation = np.stack([forward, leftward, up])
    nearest: FloatArray = np.zeros((3, 3))
    for row in range(3):
        column = int(np.argmax(np.abs(rotation[row])))
        nearest[row, column] = np.sign(rotation[row, column])
    return nearest if abs(np.linalg.det(nearest) - 1) < 1e-6 else np.eye(3)


def _bend(plan: BodyPlan, limb: Limb, named: tuple[str, ...]) -> tuple[Joint | None, bool]:
    """Return the joint in the middle of a limb, and whether its name says that it is: else the one that is far from both ends and turns across."""
    for part in named:
        joints = [joint for joint in limb.joints if part_of(joint.name) == part]
        if joints and limb.joints.index(joints[0]) > 0:
            return joints[0], True
    if len(limb.joints) < 3:
        return None, False
    poses = plan.tree.poses()
    origin = {joint.name: poses[joint.child][:3, 3] for joint in limb.joints}
    start, end = origin[limb.joints[min(1, len(limb.joints) - 1)].name], origin[limb.joints[-1].name]
    best, found = 0.02, None
    for joint in limb.joints[1:]:
        here = origin[joint.name]
        out = end - here
        length = float(np.linalg.norm(out))
        across = abs(poses[joint.child][:3, :3] @ joint.axis @ out) / max(length, 1e-9) < 0.6
        score = min(float(np.linalg.norm(here - start)), length)
        if across and score > best:
            best, found = score, joint
    return found, False


def _ball_joint(poses: dict[str, FloatArray], joints: list[Joint]) -> tuple[list[Joint], list[Joint], FloatArray]:
    """Return the joints that carry a shoulder or hip, those that turn in it, and its place (3,) m: where the axes come nearest to each other."""
    for first in range(max(1, len(joints) - 1)):
        own = joints[first:]
        centre = _crossing(poses, own[-2:] if len(own) > 1 else own)
        if all(_off_axis(poses, joint, centre) < CLAVICLE_ARM for joint in own):
            return joints[:first], own, centre
    own = joints[-2:]
    return joints[:-2], own, _crossing(poses, own) if own else np.zeros(3)


def _crossing(poses: dict[str, FloatArray], joints: list[Joint]) -> FloatArray:
    frames = [poses[joint.child] for joint in joints]
    axes = [pose[:3, :3] @ joint.axis for pose, joint in zip(frames, joints, strict=True)]
    across = np.array([np.eye(3) - np.outer(axis, axis) for axis in axes])
    A = across.sum(axis=0) + 1e-6 * np.eye(3)
    b = np.einsum("nij,nj->i", across, np.array([pose[:3, 3] for pose in frames])) + 1e-6 * frames[0][:3, 3]
    crossing: FloatArray = np.linalg.solve(A, b)
    return crossing


def _off_axis(poses: dict[str, FloatArray], joint: Joint, place: FloatArray) -> float:
    pose = poses[joint.child]
    return float(np.linalg.norm(np.cross(place - pose[:3, 3], pose[:3, :3] @ joint.axis)))


def _nearest(poses: dict[str, FloatArray], joints: list[Joint], place: FloatArray) -> str:
    distances = [round(float(np.linalg.norm(poses[joint.child][:3, 3] - place)), 3) for joint in joints]
    return joints[len(distances) - 1 - int(np.argmin(distances[::-1]))].child


def _hand_alone(plan: BodyPlan, hand: Hand, skeleton: DraftSkeleton) -> None:
    """Put the hand of a robot that is nothing else: at its last wrist joint, else at a link that is called wrist, else at its root."""
    side, wrist = hand.side, plan.tree.path(hand.palm)
    skeleton.joints[f"{side}_wrist"] = wrist
    if wrist:
        skeleton.put(f"{side}_hand", hand.palm, "geometry")
        skeleton.put(f"{side}_forearm", plan.root, "geometry")
        return
    named = [link for link in plan.tree.links_of[hand.palm] if "wrist" in words(link)]
    skeleton.put(f"{side}_hand", named[0] if named else plan.root, "name" if named else "guess")


def _finger(plan: BodyPlan, hand: Hand, finger: Finger, skeleton: DraftSkeleton) -> None:
    side, name, how = hand.side, finger.name, "name" if finger.named else "geometry"
    skeleton.joints[f"{side}_{name}"] = [joint for joint in finger.joints if joint.name not in plan.tree.mimics]
    tip = f"{side}_{name}_tip"
    named = [
        link for link in plan.tree.links_of[finger.end] if link != finger.end and "tip" in link.lower() and _is_far(plan, link, finger.end)
    ]
    bare = [link for link in plan.tree.links_of[finger.end] if _is_bare(plan, link) and _is_far(plan, link, finger.end)]
    if named:
        skeleton.put(tip, named[0], "name")
    elif len(bare) == 1:  # a frame that somebody put at the end of a finger
        skeleton.put(tip, bare[0], "geometry")
    else:
        point = tip if tip not in plan.tree.description.links else f"{tip}_point"
        skeleton.points[point] = (finger.end, tip_of(plan, finger))
        skeleton.put(tip, point, "guess")
    if hand.gripper:
        return
    poses = plan.tree.poses()
    if name == "thumb":
        for part, joint in thumb_parts(plan, finger, skeleton.points.get(tip)).items():
            skeleton.put(f"{side}_thumb_{part}", joint.child, how)
        return
    hinges = [group[-1] for group in places(plan.tree, poses, flexors(plan.tree, finger))]
    chosen_hinges = hinges if len(hinges) < 4 else [hinges[0], *hinges[-2:]]
    for part, joint in zip(("proximal", "middle", "distal"), chosen_hinges, strict=False):
        skeleton.put(f"{side}_{name}_{part}", joint.child, how)


def thumb_parts(plan: BodyPlan, finger: Finger, tip: tuple[str, FloatArray] | None) -> dict[str, Joint]:
    """Return which joints of a thumb are those of metacarpal, proximal and distal bone.

    The metacarpal begins where the thumb can first be turned both ways (what comes before only carries it around the palm). The places beyond are the
    person's joints that they are nearest to, measured as shares of the way from there to the tip.
    """
    poses = plan.tree.poses()
    groups = places(plan.tree, poses, finger.joints)
    base, axes = 0, []
    for row, group in enumerate(groups):
        axes += [poses[joint.child][:3, :3] @ joint.axis for joint in group]
        base = row
        if len(axes) > 1 and max(float(np.linalg.norm(np.cross(axes[0], axis))) for axis in axes[1:]) > 0.5:
            break
    base = min(base, max(len(groups) - 2, 0))
    at = [poses[group[0].child][:3, 3] for group in groups[base:]]
    if tip is not None:
        at.append((poses[tip[0]] @ np.append(tip[1], 1.0))[:3])
    else:
        ends = [poses[link][:3, 3] for link in plan.tree.links_of[finger.end]]
        at.append(max(ends, key=lambda place: float(np.linalg.norm(place - at[-1]))))
    way = np.concatenate([[0.0], np.cumsum([np.linalg.norm(b - a) for a, b in pairwise(at)])])
    shares = way / max(way[-1], 1e-9)
    beyond = list(range(1, len(groups) - base))
    choices = [
        dict(zip(parts, rows, strict=True))
        for n in range(min(2, len(beyond)) + 1)
        for parts in combinations(THUMB, n)
        for rows in combinations(beyond, n)
    ]
    cost = {
        i: sum((shares[row] - THUMB[part]) ** 2 for part, row in choice.items()) + UNMATCHED * (2 - len(choice))
        for i, choice in enumerate(choices)
    }
    best = choices[min(cost, key=lambda i: cost[i])]
    return {"metacarpal": groups[base][-1]} | {part: groups[base + row][-1] for part, row in best.items()}


def _is_far(plan: BodyPlan, link: str, body: str) -> bool:
    poses = plan.tree.poses()
    return float(np.linalg.norm(poses[link][:3, 3] - poses[body][:3, 3])) > 0.005


def _is_bare(plan: BodyPlan, link: str) -> bool:
    found = plan.tree.description.links[link]
    return not found.mass > 0 and not found.collision and not plan.tree.description.children(link)
