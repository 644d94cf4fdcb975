"""Task "cloth": one flat hand wipes the table, then both fold a cloth. There is no cloth: the hands alone move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import elbow_height, table
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import FLAT_HAND, hand_pose, rest_over
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.script import Script

FloatArray = npt.NDArray[np.float64]

PINCH = np.array([[0.45, 0.35, 0.35, 0.3], [0.0, 0.65, 0.75, 0.3], [0.0, 0.65, 0.8, 0.35], [0.0, 0.6, 0.7, 0.4], [0.0, 0.6, 0.7, 0.4]])
_FRONT, _DEPTH, _WIDTH = 0.24, 0.62, 1.3
_ABOVE_M = 0.006
"""Thickness of the cloth below a hand."""


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 107])
    height = float(rng.uniform(0.88, 0.94)) * elbow_height(body)
    rest = rest_over(height, scale)
    script = Script("cloth", seconds, seed, body, rest, np.array([0.45 * scale, 0.0, height]))
    script.furniture += table(_FRONT * scale, _DEPTH, _WIDTH, height)
    t, side = float(rng.uniform(0.05, 0.15)), SIDES[int(rng.integers(2))]
    while t < seconds:
        t = _wipe(script, side, height, t, rng, scale, rest)
        if t < seconds:
            t = _fold(script, height, t, rng, scale, rest)
        side = SIDES[1 - SIDES.index(side)]
    return script.performance()


def _flat(script: Script, side: str, angles: FloatArray, x: float, y: float, height: float, yaw: float, pitch: float = 0.0) -> FloatArray:
    """Return T_world_hand (4, 4) of a hand, palm down, whose lowest skin with finger ``angles`` is just above the table, its wrist at x, y."""
    skin = script.skins[side]
    points = np.concatenate([skin.palm, *[finger.posed(angles[k]) for k, finger in enumerate(skin.fingers)]])
    T = hand_pose([x, y, 0.0], [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)], [0.0, 0.0, 1.0])
    T[2, 3] = height + _ABOVE_M - (points @ T[:3, :3].T)[:, 2].min()
    return T


def _wipe(script: Script, side: str, height: float, t: float, rng: np.random.Generator, scale: float, rest: dict[str, FloatArray]) -> float:
    """Wipe to and fro while the hand goes forward and comes back; return when the hand is free."""
    sign = 1.0 if side == "left" else -1.0
    script.move_fingers(side, FLAT_HAND, t + 0.1, 0.5)
    strokes = int(rng.integers(4, 7))
    x0, reach = 0.30 * scale, float(rng.uniform(0.10, 0.18)) * scale
    duration = float(rng.uniform(0.5, 0.65))
    for k in range(strokes):
        y = sign * scale * (float(rng.uniform(0.26, 0.32)) if k % 2 else float(rng.uniform(0.0, 0.06)))
        x = x0 + reach * np.sin(np.pi * k / (strokes - 1))
        T = _flat(script, side, FLAT_HAND, x, y, height, -sign * (0.75 if k % 2 == 0 else 0.25))
        if k == 0:
            above = T.copy()
            above[:3, 3] += [-0.02, 0.0, 0.07]
            script.move_hand(side, above, t, 0.6)
            script.move_hand(side, T, t + 0.45, 0.35)
            t += 0.8
        else:
            script.move_hand(side, T, t, duration * 1.15)
            t += duration
        script.look([x + 0.12, y, height], t - 0.4, 0.6)
    t += 0.15 * duration
    script.move_hand(side, rest[side], t, 0.6, arc=(0.0, 0.0, 0.04))
    script.move_fingers(side, RELAXED_HAND, t + 0.1, 0.5)
    return t + 0.45


def _fold(script: Script, height: float, t: float, rng: np.random.Generator, scale: float, rest: dict[str, FloatArray]) -> float:
    """Pinch the near corners with both hands, lift them over to the far ones and stroke them flat; return when the hands are free."""
    near, far, apart = 0.26 * scale, 0.42 * scale, float(rng.uniform(0.15, 0.2)) * scale
    script.look([0.45 * scale, 0.0, height], t)
    for side, late in zip(SIDES, (0.0, float(rng.uniform(0.02, 0.1))), strict=True):
        sign = 1.0 if side == "left" else -1.0
        pose = {x: _flat(script, side, PINCH, x, sign * apart, height, -0.35 * sign, 0.5) for x in (near, far)}
        above = pose[near].copy()
        above[:3, 3] += [0.0, 0.0, 0.06]
        begin = t + late
        script.move_hand(side, above, begin, 0.55)
        script.move_hand(side, pose[near], begin + 0.4, 0.35)
        script.move_fingers(side, PINCH, begin + 0.45, 0.35)
        script.move_hand(side, pose[far], begin + 0.85, 1.0, arc=(0.0, 0.0, 0.14))
        script.move_fingers(side, FLAT_HAND, begin + 1.9, 0.35)
        lifted = _flat(script, side, FLAT_HAND, far - 0.03, sign * apart, height + 0.03, -0.35 * sign)
        script.move_hand(side, lifted, begin + 1.8, 0.45)
        flat = _flat(script, side, FLAT_HAND, far - 0.03, sign * apart, height, -0.35 * sign)
        script.move_hand(side, flat, begin + 2.2, 0.3)
        apart_more = _flat(script, side, FLAT_HAND, near + 0.03, sign * (apart + 0.05), height, -0.2 * sign)
        script.move_hand(side, apart_more, begin + 2.5, 0.6)
        script.move_hand(side, rest[side], begin + 3.1, 0.6, arc=(0.0, 0.0, 0.04))
        script.move_fingers(side, RELAXED_HAND, begin + 3.2, 0.5)
    return t + 3.7
