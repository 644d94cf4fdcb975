"""Where a fit starts, in closed form: the trunk where hips and shoulders or the head are, limbs and fingers where triangulation puts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose import tangent
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.skeleton import FINGERS, JOINTS

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

POLE_DOWN, POLE_OUT, POLE_BACK = 1.0, 0.5, 0.3
"""Where an elbow points that nobody sees: down, away from the body, and back."""
PALM = (0, 1, 5, 9, 13, 17)
"""Of a hand's landmarks those that move little against each other: wrist, base of the thumb, knuckles."""
_ROW = LANDMARK_NAMES.index
_RANGE = {joint.name: (joint.lower, joint.upper) for joint in JOINTS}


def start_pose(human: Human, points: FloatArray) -> FloatArray:
    """Return configurations (F, nq) whose pelvis stands where points (F, 75, 3) of hips and shoulders say; the rest hangs at rest."""
    left_hip, right_hip = points[:, _ROW("left_hip")], points[:, _ROW("right_hip")]
    left_shoulder, right_shoulder = points[:, _ROW("left_shoulder")], points[:, _ROW("right_shoulder")]
    hips = (left_hip + right_hip) / 2
    up = _unit((left_shoulder + right_shoulder) / 2 - hips)
    left = left_hip - right_hip + left_shoulder - right_shoulder
    left = _unit(left - up * np.sum(up * left, axis=1, keepdims=True))
    return _placed(human, np.stack([np.cross(left, up), left, up], axis=2), hips)


def under_head(human: Human, eyes: FloatArray, forward: FloatArray, up: FloatArray) -> FloatArray:
    """Return configurations (F, nq) that stand upright and face ``forward`` (F, 3), with the middle of their eyes at ``eyes`` (F, 3)."""
    upward = np.broadcast_to(up, forward.shape)
    q = _placed(human, np.stack([forward, np.cross(upward, forward), upward], axis=2), np.zeros_like(eyes))
    points = BatchedKinematics.of(human, q).landmarks
    q[:, :3] = eyes - (points[:, _ROW("left_eye")] + points[:, _ROW("right_eye")]) / 2
    return q


def reach(human: Human, q: FloatArray, points: FloatArray, side: str, up: FloatArray) -> FloatArray:
    """Return ``q`` (F, nq) with one arm reaching for its wrist in ``points`` (F, 75, 3), its hand turned and its fingers bent as the points say.

    What is not known (NaN) stays as it was; an elbow that is not known hangs.
    """
    q = q.copy()
    wrist = points[:, _ROW(f"{side}_hand_wrist")]
    wrist = np.where(np.isfinite(wrist), wrist, points[:, _ROW(f"{side}_wrist")])
    rows = np.flatnonzero(np.isfinite(wrist).all(axis=1))
    if not len(rows):
        return q
    found, wrist, points = q[rows], wrist[rows], points[rows]
    for joint in ("clavicle_elevation", "clavicle_protraction", "forearm_pronation", "wrist_flexion", "wrist_deviation"):
        found[:, human.positions(f"{side}_{joint}")] = 0.0
    here = BatchedKinematics.of(human, found)
    shoulder = here.landmarks[:, _ROW(f"{side}_shoulder")]
    upper, fore = (human.lengths[BONES.index(name)] for name in ("upper_arm", "forearm"))
    way = wrist - shoulder
    distance = np.clip(np.linalg.norm(way, axis=1), abs(upper - fore) + 0.05, upper + fore - 0.005)
    bend = np.pi - np.arccos(np.clip((upper**2 + fore**2 - distance**2) / (2 * upper * fore), -1.0, 1.0))
    parent = here.rotations[:, human.row(f"{side}_clavicle_protraction")]
    out = parent[:, :, 1] * (1.0 if side == "left" else -1.0)
    pole = -POLE_DOWN * up + POLE_OUT * out - POLE_BACK * parent[:, :, 0]
    elbow = points[:, _ROW(f"{side}_elbow")] - shoulder
    pole = np.where(np.isfinite(elbow), elbow, pole)
    down = np.broadcast_to([0.0, 0.0, -1.0], way.shape)
    local = _axes(np.stack([fore * np.sin(bend), 0 * bend, -upper - fore * np.cos(bend)], axis=1), down)
    turn = np.swapaxes(parent, 1, 2) @ _axes(way, pole) @ np.swapaxes(local, 1, 2)
    found[:, human.positions(f"{side}_shoulder")] = tangent.quaternions(turn)
    found[:, human.positions(f"{side}_elbow_flexion")] = bend[:, None]
    _grasp(human, found, points, side)
    q[rows] = found
    return q


def stand(human: Human, q: FloatArray, points: FloatArray, side: str) -> FloatArray:
    """Return ``q`` (F, nq) with one leg through its knee and ankle in ``points`` (F, 75, 3); as it was where they are not known."""
    q = q.copy()
    hip, knee, ankle = (points[:, _ROW(f"{side}_{name}")] for name in ("hip", "knee", "ankle"))
    rows = np.flatnonzero(np.isfinite(hip + knee + ankle).all(axis=1))
    if not len(rows):
        return q
    pelvis = tangent.matrices(q[rows, 3:7])
    thigh, shank = _unit((knee - hip)[rows]), _unit((ankle - knee)[rows])
    bend = np.arccos(np.clip(np.sum(thigh * shank, axis=1), -1.0, 1.0))
    # The knee bends in the plane of both; a straight leg looks where the pelvis does.
    sideways = np.cross(shank, thigh) * -1.0 + 0.2 * pelvis[:, :, 1]
    left = _unit(sideways - thigh * np.sum(thigh * sideways, axis=1, keepdims=True))
    world = np.stack([np.cross(left, -thigh), left, -thigh], axis=2)
    q[rows, human.positions(f"{side}_hip")] = tangent.quaternions(np.swapaxes(pelvis, 1, 2) @ world)
    q[rows, human.positions(f"{side}_knee_flexion")] = bend[:, None]
    return q


def _grasp(human: Human, q: FloatArray, points: FloatArray, side: str) -> None:
    """Turn forearm and wrist so that the palm lies as its points do, and bend the fingers along theirs, in place."""
    hand = LEFT_HAND if side == "left" else RIGHT_HAND
    seen = points[:, hand]
    rest = human.hand_at_rest(side)[list(PALM)]
    known: BoolArray = np.asarray(np.isfinite(seen[:, PALM]).all(axis=2))
    rows = np.flatnonzero(known.sum(axis=1) >= 4)
    if not len(rows):
        return
    seen, known = seen[rows], known[rows]
    inward = -1.0 if side == "left" else 1.0
    palm = _turned(rest, seen[:, PALM], known)
    forearm = BatchedKinematics.of(human, q[rows]).rotations[:, human.row(f"{side}_forearm_pronation")]
    R = np.swapaxes(forearm, 1, 2) @ palm
    # R = Rz(a) Rx(b) Ry(c): pronation, flexion and deviation of the tree's zero pose.
    angles = {
        "forearm_pronation": inward * np.arctan2(-R[:, 0, 1], R[:, 1, 1]), "wrist_flexion": inward * np.arcsin(np.clip(R[:, 2, 1], -1, 1)),
        "wrist_deviation": -np.arctan2(-R[:, 2, 0], R[:, 2, 2]),
    }  # fmt: skip
    own = np.einsum("fji,fnj->fni", palm, seen - seen[:, :1])
    for number, finger in enumerate(FINGERS):
        first = 5 + 4 * number
        bones = np.diff(own[:, first : first + 4], axis=1)
        x, y, z = bones[:, 0].T
        # Of a finger that is bent by a right angle or more the direction tells no spread.
        spread = np.where(-z > 0.3 * np.linalg.norm(bones[:, 0], axis=1), np.arctan2(x, -z), 0.0)
        before = np.zeros(len(rows))
        for name, bone in zip(("mcp", "pip", "dip"), range(3), strict=True):
            x, y, z = bones[:, bone].T
            towards = np.arctan2(inward * y, -z * np.cos(spread) + x * np.sin(spread))
            angles[f"{finger}_{name}"] = towards - before
            before = towards
        angles[f"{finger}_spread"] = spread
    for name, angle in angles.items():
        lower, upper = _RANGE[f"{side}_{name}"]
        turned = np.clip((angle + np.pi) % (2 * np.pi) - np.pi, lower, upper)
        place = human.positions(f"{side}_{name}").start
        q[rows, place] = np.where(np.isfinite(turned), turned, q[rows, place])


def _turned(rest: FloatArray, seen: FloatArray, known: BoolArray) -> FloatArray:
    """Return the rotations (F, 3, 3) that carry points (N, 3) nearest to those seen (F, N, 3) where they are known (F, N) (Kabsch 1976)."""
    weight = known[..., None] / known.sum(axis=1)[:, None, None]
    seen = np.where(known[..., None], seen, 0.0)
    centred = (seen - (weight * seen).sum(axis=1, keepdims=True)) * known[..., None]
    left, _, right = np.linalg.svd(np.einsum("fni,fnj->fij", centred, rest - (weight * rest).sum(axis=1, keepdims=True)))
    left[..., 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[:, None]
    return np.asarray(left @ right)


def _placed(human: Human, rotation: FloatArray, pelvis: FloatArray) -> FloatArray:
    q = np.tile(human.rest, (len(pelvis), 1))
    q[:, :3], q[:, 3:7] = pelvis, tangent.quaternions(rotation)
    return q


def _axes(along: FloatArray, beside: FloatArray) -> FloatArray:
    """Return axes (F, 3, 3): the first along one vector, the second in the plane of both."""
    first = _unit(along)
    second = _unit(beside - first * np.sum(first * beside, axis=1, keepdims=True))
    return np.stack([first, second, np.cross(first, second)], axis=2)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))
