"""Grasps: where a hand holds a thing, and how far each finger closes until its flesh touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import apply, invert, pose_from
from bodydouble.errors import DataError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.hand_posture import RANGE, HandFrame, finger_axes
from bodydouble.hand_pose.simulation.scene_object import SceneObject

FloatArray = npt.NDArray[np.float64]
Kind = Literal["side", "top"]
Distance = Callable[[FloatArray], FloatArray]
"""Points (n, 3) of the hand's frame to their distance (n,) m from the thing, negative inside."""

TOUCHING_M = 0.004
_PRESSED_M = 0.001
"""How deep flesh gives way."""
_STEP = 0.12
_RATES = np.array([0.0, 1.0, 1.0, 0.6])
_THUMB_RATES = np.array([0.0, 0.7, 0.6, 0.8])
_PAD_M = 0.014
"""Length of a finger's pad, from its tip."""


@dataclass(frozen=True)
class Finger:
    """The skin of one finger in the hand's frame (origin the wrist, see ``posture.Posture``), and the joints that move it."""

    skin: FloatArray
    """(n, 3) at rest."""
    weights: FloatArray
    """(n, 4) how much it follows the palm and the three bones."""
    joints: FloatArray
    """(3, 3)"""
    axes: FloatArray
    """(4, 3) of each angle; the first two both turn the first joint."""
    is_pad: npt.NDArray[np.bool_]
    """(n,) skin of the last centimetre."""

    @cached_property
    def link(self) -> npt.NDArray[np.int64]:
        """(n,) bone that each place of the skin follows most: 0 the palm, 1 to 3."""
        return np.asarray(self.weights.argmax(axis=1))

    def posed(self, angles: FloatArray) -> FloatArray:
        """Return the skin (n, 3) with the finger's angles (4,) rad."""
        turns = (
            _turn(self.axes[0], angles[0]) @ _turn(self.axes[1], angles[1]),
            _turn(self.axes[2], angles[2]),
            _turn(self.axes[3], angles[3]),
        )
        R, origin, last = np.eye(3), self.joints[0], self.joints[0]
        skin = self.weights[:, :1] * self.skin
        for k, turn in enumerate(turns):
            origin = origin + R @ (self.joints[k] - last)
            last = self.joints[k]
            R = R @ turn
            skin = skin + self.weights[:, k + 1 : k + 2] * ((self.skin - last) @ R.T + origin)
        return np.asarray(skin)


@dataclass(frozen=True)
class HandSkin:
    """One hand's fingers and palm, ready to close."""

    side: str
    fingers: tuple[Finger, ...]
    """Thumb to little finger."""
    palm: FloatArray
    """(n, 3) skin of the palm, in the hand's frame."""

    @classmethod
    def of(cls, body: Body, side: str) -> HandSkin:
        """Take the hand of one side ("left", "right") from a body."""
        letter = "L" if side == "left" else "R"
        R = HandFrame.of(body, letter).R_hand_rest
        wrist = body.head(f"wrist.{letter}")
        axes = finger_axes(body, letter)
        dense = np.zeros((len(body.vertices), len(body.bones)))
        np.add.at(dense, (np.arange(len(body.vertices))[:, None], body.follows), body.weights)
        skin = (body.vertices - wrist) @ R.T
        fingers, first = [], 33 if side == "left" else 54
        for number in range(1, 6):
            bones = [body.bone(f"finger{number}-{k}.{letter}") for k in (1, 2, 3)]
            rows = np.flatnonzero(dense[:, bones].sum(axis=1) > 0.5)
            own = dense[rows][:, bones]
            joints = (body.heads[bones] - wrist) @ R.T
            vectors = np.concatenate([axes[f"finger{number}-{k}.{letter}"] for k in (1, 2, 3)]) @ R.T
            tip = (body.landmarks[first + 4 * number] - wrist) @ R.T
            along = (tip - joints[2]) / np.linalg.norm(tip - joints[2])
            reach = (skin[rows] - joints[2]) @ along
            fingers.append(Finger(skin[rows], np.column_stack([1 - own.sum(axis=1), own]), joints, vectors, reach > reach.max() - _PAD_M))
        palm_bones = [body.bone(name) for name in body.bones if name.endswith(letter) and name.startswith(("metacarpal", "wrist"))]
        palm = np.flatnonzero(dense[:, palm_bones].sum(axis=1) > 0.6)
        return cls(side, tuple(fingers), skin[palm])

    def gaps(self, angles: FloatArray, distance: Distance) -> tuple[FloatArray, FloatArray]:
        """Return the least distance (5,) of each whole finger and of its pad from the thing, for angles (5, 4)."""
        whole, pad = np.empty(5), np.empty(5)
        for k, finger in enumerate(self.fingers):
            d = distance(finger.posed(angles[k]))
            whole[k], pad[k] = d.min(), d[finger.is_pad].min()
        return whole, pad


@dataclass(frozen=True)
class Grasp:
    """How one hand holds one thing."""

    T_hand_object: FloatArray
    open: FloatArray
    """(5, 4) angles while the hand comes near."""
    closed: FloatArray
    """(5, 4) angles while it holds."""
    touching: npt.NDArray[np.bool_]
    """(5,) which ``FINGERS`` touch."""

    def T_world_hand(self, T_world_object: FloatArray) -> FloatArray:
        """Return where the hand is (4, 4) when the thing is at a pose (4, 4)."""
        return np.asarray(T_world_object @ invert(self.T_hand_object))


def close_finger(finger: Finger, angles: FloatArray, rates: FloatArray, distance: Distance, limits: FloatArray) -> FloatArray:
    """Return the angles (4,) of a finger that closes joint by joint until its flesh touches.

    All joints turn at their ``rates`` (4,) until a link touches; that joint and those before it then stay, the others go on, up to ``limits`` (4, 2).
    """
    now = np.clip(angles, limits[:, 0], limits[:, 1])
    rates = np.array(rates)
    first = 1
    while first < 4 and np.any((rates > 0) & (now < limits[:, 1] - 1e-9)):
        step = _STEP * rates
        ahead = np.minimum(now + step, limits[:, 1])
        touched = _links_touched(finger, ahead, distance, first)
        if touched == 0:
            now = ahead
            continue
        low, high = 0.0, 1.0
        for _ in range(5):
            middle = (low + high) / 2
            hit = _links_touched(finger, now + (ahead - now) * middle, distance, first)
            if hit:
                high, touched = middle, hit
            else:
                low = middle
        now = now + (ahead - now) * low
        first = touched + 1
        rates[: touched + 1] = 0.0
    return now


def _links_touched(finger: Finger, angles: FloatArray, distance: Distance, first: int) -> int:
    """Return the last link from ``first`` on that touches, 0 for none."""
    d = distance(finger.posed(angles))
    for link in (3, 2, 1):
        if link >= first:
            rows = finger.link == link
            if d[rows].min() < -_PRESSED_M:
                return link
    return 0


def find_grasp(hand: HandSkin, thing: SceneObject, kind: Kind, *, slope: float = 0.0) -> Grasp:
    """Return the grasp of a thing that stands upright on a table, by trying where in the hand it lies.

    "side": round its upright axis, thumb upwards; "top": from above, fingers on the far side and the thumb on the near one. ``slope``: rad that the hand
    points down. Joints close one by one as in Miller and Allen (2004), "GraspIt! A versatile simulator for robotic grasping".
    """
    best: tuple[float, Grasp] | None = None
    for T_hand_object in _placements(hand, thing, kind, slope):
        T_object_hand = invert(T_hand_object)

        def distance(p_hand: FloatArray, T: FloatArray = T_object_hand) -> FloatArray:
            return thing.distance(apply(T, p_hand))

        opened = _open_for(kind)
        if distance(hand.palm).min() < 0.001 or hand.gaps(opened, distance)[0].min() < -0.002:
            continue
        cost, closed = _closed(hand, opened, distance, T_hand_object)
        above = min(_height(hand, angles, T_object_hand) for angles in (opened, closed)) + thing.size_m[2] / 2
        cost += 5 * max(0.005 - above, 0.0)
        if kind == "side":
            cost += 0.7 * float(distance(hand.palm).min())
        else:
            pads = [hand.fingers[k].posed(closed[k])[hand.fingers[k].is_pad].mean(axis=0) for k in range(4)]
            cost += 0.7 * abs(float(apply(T_object_hand, np.array(pads))[:, 2].mean()))
        if best is None or cost < best[0]:
            whole, _ = hand.gaps(closed, distance)
            best = cost, Grasp(T_hand_object, opened, closed, whole < TOUCHING_M)
    if best is None:
        raise DataError(
            f"The {hand.side} hand of this simulated person finds no place to hold '{thing.name}' from the {kind}: it is too small for it. "
            "Choose another person with --seed."
        )
    return best[1]


def mirrored(grasp: Grasp) -> Grasp:
    """Return the same grasp of the other hand, for a thing that is the same on its left and right."""
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    return Grasp(flip @ grasp.T_hand_object @ flip, grasp.open, grasp.closed, grasp.touching)


def _open_for(kind: Kind) -> FloatArray:
    bend = (0.12, 0.22, 0.15) if kind == "side" else (0.35, 0.3, 0.2)
    return np.array([[0.75, -0.15, 0.05, 0.05], *[[0.0, *bend]] * 4])


def _height(hand: HandSkin, angles: FloatArray, T_object_hand: FloatArray) -> float:
    """Return how high (m) the lowest skin of a hand is above the middle of the thing."""
    skin = np.concatenate([hand.palm, *[finger.posed(angles[k]) for k, finger in enumerate(hand.fingers)]])
    return float(apply(T_object_hand, skin)[:, 2].min())


def _closed(hand: HandSkin, opened: FloatArray, distance: Distance, T_hand_object: FloatArray) -> tuple[float, FloatArray]:
    closed = opened.copy()
    for k in range(1, 5):
        closed[k] = close_finger(hand.fingers[k], opened[k], _RATES, distance, RANGE[k])
    pads = [hand.fingers[k].posed(closed[k])[hand.fingers[k].is_pad].mean(axis=0) for k in (1, 2)]
    facing = 2 * T_hand_object[:3, 3] - np.mean(pads, axis=0)
    thumb, best = hand.fingers[0], np.inf
    for abduction in (0.2, 0.4, 0.6, 0.8):
        start = np.array([abduction, -0.3, -0.1, -0.1])
        if distance(thumb.posed(start)).min() < -0.002:
            continue
        angles = close_finger(thumb, start, _THUMB_RATES, distance, RANGE[0])
        skin = thumb.posed(angles)
        pad = skin[thumb.is_pad]
        axis = T_hand_object[:3, 2]
        off = pad.mean(axis=0) - facing
        off = off - axis * (axis @ off) * 0.6
        cost = 4 * max(distance(pad).min() - 0.001, 0.0) + float(np.linalg.norm(off))
        if cost < best:
            best, closed[0] = cost, angles
    whole, pad_gap = hand.gaps(closed, distance)
    bend = np.abs(np.diff(closed[1:, 1:3], axis=1)).mean()
    cost = float(np.maximum(pad_gap - 0.002, 0).sum() * 10 + np.maximum(-whole - 0.002, 0).sum() * 20 + best + 0.01 * bend)
    return cost, closed


def _placements(hand: HandSkin, thing: SceneObject, kind: Kind, slope: float) -> list[FloatArray]:
    """Return poses T_hand_object (4, 4) to try."""
    knuckle = hand.fingers[2].joints[0][0]
    thumb_up = -1.0 if hand.side == "left" else 1.0
    half = np.array(thing.size_m) / 2
    c, s = np.cos(slope), np.sin(slope)
    placements = []
    if kind == "side":
        forward, up = np.array([c, s * thumb_up, 0.0]), np.array([-s, c * thumb_up, 0.0])
        R = np.column_stack([forward, np.cross(up, forward), up])
        for x in np.array([0.9, 1.0, 1.12, 1.3]) * knuckle:
            for gap in (0.020, 0.030, 0.040, 0.052):
                middle = pose_from(R, [x, 0.0, -half[0] - gap])
                # The hand holds a thing in the middle, or as low as the little finger clears the table.
                low = _height(hand, _open_for(kind), invert(middle)) + half[2] - 0.008
                placements.append(pose_from(R, middle[:3, 3] + up * min(low, 0.0)))
        return placements
    forward, up = np.array([c, 0.0, s]), np.array([-s, 0.0, c])
    R = np.column_stack([forward, np.cross(up, forward), up])
    between = np.array([1.03 * knuckle, 0.0, -0.066])  # of thumb and fingers, half closed
    for down in (-0.02, -0.006, 0.008, 0.022):
        for ahead in (-0.024, -0.008, 0.008, 0.024):
            placements.append(pose_from(R, between + forward * ahead - up * down))
    return placements


def _turn(axis: FloatArray, angle: float) -> FloatArray:
    """Return the rotation (3, 3) about a unit axis by rad (Rodrigues)."""
    x, y, z = axis
    K = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * (K @ K))
