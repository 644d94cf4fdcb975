"""At which joint angles a robot stands as the person does at zero, how its links are turned then, and where it rests.

The person at zero: upright, arms hanging, palms to the thighs, thumbs forward; every link's axes are x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.body_plan import BodyPlan
from bodydouble.retarget.description import Joint
from bodydouble.retarget.draft_skeleton import DraftSkeleton
from bodydouble.retarget.finger_plan import Hand, bend_sign, bending_direction, finger_direction, flexors

FloatArray = npt.NDArray[np.float64]

TOLERANCE = np.radians(12.0)
"""A limb that deviates less from the person's zero is left at its own zero."""
SNAP = np.radians(9.0)
"""Axes of a hand that are nearer than this to those of its link are taken to be those."""
DOWN = np.array([0.0, 0.0, -1.0])
ELBOW_REST, FINGER_REST, SHOULDER_REST = np.radians([15.0, 18.0, 8.0])


@dataclass
class DraftPostures:
    """Angles in rad, by joint."""

    mount: FloatArray = field(default_factory=lambda: np.eye(3))
    """R_base_root (3, 3)."""
    zero: dict[str, float] = field(default_factory=dict)
    rest: dict[str, float] = field(default_factory=dict)
    offsets: dict[str, FloatArray] = field(default_factory=dict)
    """Link to R_offset (3, 3)."""
    deviation: dict[str, float] = field(default_factory=dict)
    """Human part to how far (rad) it is from the person's zero, where it could not be brought there."""
    remarks: list[str] = field(default_factory=list)


def draft_postures(plan: BodyPlan, skeleton: DraftSkeleton) -> DraftPostures:
    """Return zero and rest posture, and the rotations between the axes of robot and person."""
    found = DraftPostures()
    hands = {hand.side: hand_axes(plan, hand) for hand in plan.hands}
    if plan.hand_alone:
        side, axes = next(iter(hands.items()))
        found.mount = _snapped(np.eye(3) if axes is None else axes.T)
    else:
        found.mount = skeleton.mount
        for side in ("left", "right"):
            _hang(plan, skeleton, side, hands.get(side), found)
    poses = plan.tree.poses(found.zero)
    for part, link in skeleton.links.items():
        if part.removeprefix("left_").removeprefix("right_") not in (
            "pelvis",
            "spine",
            "thorax",
            "neck",
            "head",
            "hand",
            "foot",
            "toes",
            "forearm",
        ):
            continue
        turned = found.mount @ poses[link][:3, :3] if link in poses else found.mount
        axes = hands.get(part[:-5]) if part.endswith("_hand") else None
        if part.endswith("_hand") and axes is not None and not plan.hand_alone:
            hand = plan.hand(part[:-5])
            assert hand is not None
            # The axes were found with all joints at zero, where the palm is turned otherwise.
            still = plan.tree.poses()[hand.palm][:3, :3]
            here = found.mount @ poses[hand.palm][:3, :3] @ still.T @ axes
            found.offsets[link] = _snapped(turned.T @ here)
        elif not (part.endswith("_forearm") and not plan.hand_alone):
            found.offsets[link] = _snapped(turned.T)
    _rest(plan, skeleton, found)
    return found


def hand_axes(plan: BodyPlan, hand: Hand) -> FloatArray | None:
    """Return the human hand's axes (3, 3), as columns in the root frame at the robot's own zero: -z along the fingers, x to the index finger's side.

    None for a hand with too few fingers to tell.
    """
    tree = plan.tree
    poses = tree.poses()
    others = [finger for name, finger in hand.fingers.items() if name != "thumb"]
    if not others:
        return None
    if hand.gripper:
        return _jaw_axes(plan, hand)
    out = sum((finger_direction(tree, poses, finger) for finger in others), np.zeros(3))
    if np.linalg.norm(out) < 1e-6:
        return None
    first, last = (poses[finger.joints[0].child][:3, 3] for finger in (others[0], others[-1]))
    inward = -1.0 if hand.side == "left" else 1.0
    z = -out / np.linalg.norm(out)
    # Of a single finger: the palm faces where it bends to.
    x = first - last if len(others) > 1 else np.cross(inward * bending_direction(tree, others[0]), z)
    x = x - (x @ z) * z
    if np.linalg.norm(x) < 1e-6:
        return None
    x /= np.linalg.norm(x)
    axes = np.column_stack([x, np.cross(z, x), z])
    palm = poses[hand.palm][:3, :3]
    snapped: FloatArray = palm @ _snapped(palm.T @ axes)
    return snapped


def _jaw_axes(plan: BodyPlan, hand: Hand) -> FloatArray | None:
    """Return the same of a gripper: jaws close as thumb and index finger do, and the thumb is in front."""
    if "thumb" not in hand.fingers:
        return None
    poses = plan.tree.poses()
    jaw = hand.fingers["thumb"].joints[0]
    axis = poses[jaw.child][:3, :3] @ jaw.axis
    thumb, index = (poses[hand.fingers[name].end][:3, 3] for name in ("thumb", "index"))
    out, x = (thumb + index) / 2 - poses[hand.palm][:3, 3], thumb - index
    if jaw.kind == "prismatic":  # the jaws slide apart along their axis
        x = axis if x @ axis >= 0 else -axis
    else:  # what is across the plane that they turn in is only how they are built
        x, out = x - (x @ axis) * axis, out - (out @ axis) * axis
    out = out - (out @ x) * x / max(float(x @ x), 1e-18)
    if min(np.linalg.norm(out), np.linalg.norm(x)) < 1e-6:
        return None
    z, x = -out / np.linalg.norm(out), x / np.linalg.norm(x)
    axes = np.column_stack([x, np.cross(z, x), z])
    palm = poses[hand.palm][:3, :3]
    snapped: FloatArray = palm @ _snapped(palm.T @ axes)
    return snapped


def _snapped(rotation: FloatArray) -> FloatArray:
    """Return the nearest rotation by right angles if it is near, else the rotation itself."""
    nearest = np.zeros((3, 3))
    for column in range(3):
        row = int(np.argmax(np.abs(rotation[:, column])))
        nearest[row, column] = np.sign(rotation[row, column])
    if abs(np.linalg.det(nearest) - 1) > 1e-6:
        return rotation
    angle = np.arccos(np.clip((np.trace(nearest.T @ rotation) - 1) / 2, -1, 1))
    return nearest if angle < SNAP else rotation


def _hang(plan: BodyPlan, skeleton: DraftSkeleton, side: str, axes: FloatArray | None, found: DraftPostures) -> None:
    """Find the joint angles at which an arm hangs down with its palm to the thigh, and a leg stands straight; leave them at zero if they do already."""
    joints = [j for group in ("shoulder", "elbow", "wrist") for j in skeleton.joints.get(f"{side}_{group}", [])]
    chain = [skeleton.links.get(f"{side}_{part}") for part in ("upper_arm", "forearm", "hand")]
    if joints and all(chain):
        _bring(plan, f"{side}_arm", joints, chain, axes, f"{side}_hand", found, skeleton)
    joints = [j for group in ("hip", "knee", "ankle") for j in skeleton.joints.get(f"{side}_{group}", [])]
    chain = [skeleton.links.get(f"{side}_{part}") for part in ("thigh", "shank", "foot")]
    if joints and all(chain):
        _bring(plan, f"{side}_leg", joints, chain, None, f"{side}_foot", found, skeleton)


def _bring(
    plan: BodyPlan, limb: str, joints: list[Joint], chain: list[str | None], axes: FloatArray | None, end: str, found: DraftPostures,
    skeleton: DraftSkeleton,
) -> None:  # fmt: skip
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    tree, mount = plan.tree, found.mount
    moving = [joint for joint in joints if joint.name not in tree.mimics]
    names = [joint.name for joint in moving]
    own = tree.poses()
    link = str(chain[2])
    hand = plan.hand(end[:-5]) if end.endswith("_hand") else None
    # What the end is turned like at the robot's own zero: a hand by its fingers; a foot stands flat then.
    body = hand.palm if hand is not None else link
    human_in_body = own[body][:3, :3].T @ (axes if axes is not None else mount.T)
    start = np.array([tree.clipped(joint) for joint in moving])
    # Where two joints can do the same, as upper arm and forearm of a straight arm can, the one further out does it.
    calm = np.linspace(0.1, 0.02, len(moving))

    def residuals(angles: FloatArray) -> FloatArray:
        poses = tree.poses(dict(zip(names, angles, strict=True)))
        upper, bend, tip = (mount @ poses[str(part)][:3, 3] for part in chain)
        turned = mount @ poses[body][:3, :3] @ human_in_body
        twist = Rotation.from_matrix(turned).as_rotvec() if (axes is not None or hand is None) else np.zeros(3)
        return np.concatenate([_unit(bend - upper) - DOWN, _unit(tip - bend) - DOWN, 0.7 * twist, calm * (angles - start)])

    def off(angles: FloatArray) -> float:
        return float(np.abs(residuals(angles)[:9]).max())

    if off(start) < np.sin(TOLERANCE):
        return
    low, high = np.array([tree.span(joint) for joint in moving]).T

    def cost(angles: FloatArray) -> float:
        return float(np.square(residuals(angles)[:9]).sum())

    best = start
    bends = [joint for joint in (skeleton.elbows.get(limb[:-4]), skeleton.knees.get(limb[:-4])) if joint in moving]
    for bent in (0.0, np.pi / 2, -np.pi / 2):
        trial = start.copy()
        for joint in bends:
            if joint is not None:
                trial[names.index(joint.name)] = tree.clipped(joint, bent)
        if off(trial) < np.sin(TOLERANCE):  # bending the elbow alone is enough: so it was meant
            best = trial
            break
        inside = np.clip(trial, low + 1e-6, high - 1e-6)
        angles = least_squares(residuals, inside, bounds=(low, high), max_nfev=80).x
        if cost(angles) < cost(best) - 1e-6:
            best = angles
    best = _plain(best, start, low, high, cost)
    for name, angle, first in zip(names, best, start, strict=True):
        if abs(angle - first) > np.radians(0.5):
            found.zero[name] = float(angle)
    if off(best) > np.sin(2.5 * TOLERANCE):
        found.deviation[limb] = float(np.arcsin(min(1.0, off(best))))
        found.remarks.append(
            f"the {limb.replace('_', ' ')} cannot be brought to where the person's is at zero (off by {np.degrees(found.deviation[limb]):.0f} degrees)"
        )


def _plain(angles: FloatArray, start: FloatArray, low: FloatArray, high: FloatArray, cost: Callable[[FloatArray], float]) -> FloatArray:
    """Return nearly as good angles in steps of 5 degrees, as many of them as may be where they start."""
    allowed = cost(angles) + 0.02
    result = angles.copy()
    for i in np.argsort(np.abs(angles - start)):
        for value in (start[i], np.clip(np.radians(5 * np.round(np.degrees(angles[i]) / 5)), low[i], high[i])):
            trial = result.copy()
            trial[i] = value
            if cost(trial) < allowed:
                result = trial
                break
    return result


def _unit(vector: FloatArray) -> FloatArray:
    unit: FloatArray = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit


def _rest(plan: BodyPlan, skeleton: DraftSkeleton, found: DraftPostures) -> None:
    """Rest at zero, with elbows and fingers a little bent, and arms a little off the body."""
    tree = plan.tree
    found.rest |= found.zero
    for side in ("left", "right"):
        hand, elbow = skeleton.links.get(f"{side}_hand"), skeleton.elbows.get(side)
        if elbow is not None and hand is not None and elbow.name not in tree.mimics:
            gain = _gain(plan, found, elbow, hand, np.array([1.0, 0.0, 0.0]))
            if abs(gain) > 0.01:
                _turn(plan, found, elbow, float(np.sign(gain) * ELBOW_REST))
        forearm = skeleton.links.get(f"{side}_forearm")
        out = np.array([0.0, 1.0 if side == "left" else -1.0, 0.0])
        gains = {j.name: _gain(plan, found, j, forearm, out) for j in skeleton.joints.get(f"{side}_shoulder", []) if forearm}
        if gains:
            name = max(gains, key=lambda n: abs(gains[n]))
            if abs(gains[name]) > 0.05:
                _turn(plan, found, tree.joint[name], float(np.sign(gains[name]) * SHOULDER_REST))
    for hand_ in plan.hands:
        for finger in hand_.fingers.values():
            for joint in flexors(tree, finger):
                if joint.name not in tree.mimics and not hand_.gripper:
                    _turn(plan, found, joint, bend_sign(joint) * FINGER_REST)


def _gain(plan: BodyPlan, found: DraftPostures, joint: Joint, link: str, way: FloatArray) -> float:
    """Return how far (m/rad) a joint moves a link along ``way`` at zero."""
    here = found.zero.get(joint.name, plan.tree.clipped(joint))
    ahead, behind = (plan.tree.poses(found.zero | {joint.name: here + step})[link][:3, 3] for step in (0.01, -0.01))
    return float(way @ (found.mount @ (ahead - behind)) / 0.02)


def _turn(plan: BodyPlan, found: DraftPostures, joint: Joint, angle: float) -> None:
    here = found.zero.get(joint.name, plan.tree.clipped(joint))
    found.rest[joint.name] = plan.tree.clipped(joint, here + angle)
