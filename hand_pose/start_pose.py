"""Where a fit of one frame starts: the trunk where hips and shoulders or the head are, the arms where the hands are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]

POLE_DOWN, POLE_OUT, POLE_BACK = 1.0, 0.5, 0.3
"""Where an elbow points that nobody sees: down, away from the body, and back."""
PRONATIONS = np.radians([-80.0, -50.0, -20.0, 0.0, 20.0, 50.0, 80.0])


def start_pose(human: Human, points: FloatArray) -> FloatArray:
    """Return a configuration whose pelvis stands where points (75, 3) of hips and shoulders say; the rest hangs at rest."""
    row = LANDMARK_NAMES.index
    left_hip, right_hip = points[row("left_hip")], points[row("right_hip")]
    shoulders = (points[row("left_shoulder")] + points[row("right_shoulder")]) / 2
    hips = (left_hip + right_hip) / 2
    left = left_hip - right_hip + points[row("left_shoulder")] - points[row("right_shoulder")]
    up = shoulders - hips
    up = up / np.linalg.norm(up)
    left = left - up * (left @ up)
    left = left / np.linalg.norm(left)
    rotation = np.column_stack([np.cross(left, up), left, up])
    return _placed(human, rotation, hips)


def under_head(human: Human, eyes: FloatArray, forward: FloatArray, up: FloatArray) -> FloatArray:
    """Return a configuration that stands upright and faces ``forward`` (3,), with the middle of its eyes at ``eyes`` (3,)."""
    rotation = np.column_stack([forward, np.cross(up, forward), up])
    q = _placed(human, rotation, np.zeros(3))
    points = human.landmarks(q)
    row = LANDMARK_NAMES.index
    q[:3] = eyes - (points[row("left_eye")] + points[row("right_eye")]) / 2
    return q


def reach(human: Human, q: FloatArray, points: FloatArray, side: str, up: FloatArray) -> FloatArray:
    """Return ``q`` with one arm reaching for its hand's landmarks in ``points`` (75, 3); as it was where the wrist is not known."""
    import pinocchio as pin

    row = LANDMARK_NAMES.index
    wrist = points[row(f"{side}_hand_wrist")]
    if not np.isfinite(wrist).all():
        return q
    q = q.copy()
    for joint in (f"{side}_clavicle_elevation", f"{side}_clavicle_protraction", f"{side}_wrist_flexion", f"{side}_wrist_deviation"):
        q[human.positions(joint)] = 0.0
    here = human.landmarks(q)
    shoulder = here[row(f"{side}_shoulder")]
    upper = float(np.linalg.norm(here[row(f"{side}_elbow")] - shoulder))
    fore = float(np.linalg.norm(here[row(f"{side}_wrist")] - here[row(f"{side}_elbow")]))
    way = wrist - shoulder
    distance = float(np.clip(np.linalg.norm(way), abs(upper - fore) + 0.05, upper + fore - 0.005))
    bend = np.pi - np.arccos(np.clip((upper**2 + fore**2 - distance**2) / (2 * upper * fore), -1.0, 1.0))
    parent = human.link_rotation(q, f"{side}_clavicle_protraction")
    out = parent[:, 1] * (1.0 if side == "left" else -1.0)
    local = _axes(np.array([fore * np.sin(bend), 0.0, -upper - fore * np.cos(bend)]), np.array([0.0, 0.0, -1.0]))
    world = _axes(way, -POLE_DOWN * up + POLE_OUT * out - POLE_BACK * parent[:, 0])
    q[human.positions(f"{side}_shoulder")] = pin.Quaternion(parent.T @ world @ local.T).coeffs()
    q[human.positions(f"{side}_elbow_flexion")] = bend
    hand = LEFT_HAND if side == "left" else RIGHT_HAND
    seen = np.isfinite(points[hand]).all(axis=1)
    best, least = 0.0, np.inf
    for pronation in PRONATIONS:
        q[human.positions(f"{side}_forearm_pronation")] = pronation
        apart = float(np.linalg.norm(human.landmarks(q)[hand][seen] - points[hand][seen], axis=1).sum())
        if apart < least:
            best, least = float(pronation), apart
    q[human.positions(f"{side}_forearm_pronation")] = best
    return q


def _placed(human: Human, rotation: FloatArray, pelvis: FloatArray) -> FloatArray:
    import pinocchio as pin

    q: FloatArray = human.rest.copy()
    q[:3] = pelvis
    q[3:7] = pin.Quaternion(rotation).coeffs()
    return q


def _axes(along: FloatArray, beside: FloatArray) -> FloatArray:
    """Return axes (3, 3): the first along one vector, the second in the plane of both."""
    first = along / np.linalg.norm(along)
    second = beside - first * (beside @ first)
    second /= max(float(np.linalg.norm(second)), 1e-9)
    return np.stack([first, second, np.cross(first, second)], axis=1)
