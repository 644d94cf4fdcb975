"""Task "walk": round the room with swinging arms; now and then a hand is raised or points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.curves import PoseCurve
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import FLAT_HAND, POINTING_HAND, hand_pose
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.script import Script
from bodydouble.hand_pose.simulation.steps import ground_pose, take_steps

FloatArray = npt.NDArray[np.float64]

_STEP_M, _STEP_S = 0.42, 0.56
"""m at stature 1.7 m; a calm walk, as of somebody who wears a rig."""


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 104])
    left_about = 1.0 if rng.uniform() < 0.5 else -1.0
    radius, step_s = float(rng.uniform(0.85, 1.1)), _STEP_S * float(rng.uniform(0.93, 1.07))
    swing = {side: {way: _hanging(body, side, way * float(rng.uniform(0.9, 1.15))) for way in (-1, 1)} for side in SIDES}
    script = Script("walk", seconds, seed, body, {side: swing[side][1] for side in SIDES}, np.array([1.6, 0.0, 1.15 * scale]))
    script.gaze_on_ground = script.hands_on_ground = True
    script.elbow_out = {side: float(rng.uniform(0.15, 0.3)) for side in SIDES}
    turn = _STEP_M * scale / radius
    start = -3 * step_s  # walks already at the start
    count = int(np.ceil((seconds - start) / step_s)) + 4
    path = [_on_circle(radius, left_about, turn * (k + 1)) for k in range(count)]
    origin = _on_circle(radius, left_about, 0.0)
    script.ground = PoseCurve.at(origin)
    script.feet = {side: PoseCurve.at(origin @ script.poser.foot_at_rest(side)) for side in SIDES}
    take_steps(script, path, start, step_s)
    _arms(script, swing, start, step_s, count, rng, scale)
    for t in np.arange(0.4, seconds, 1.7):
        script.look([1.6, float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.7, 1.3)) * scale], float(t), 0.5)
    return script.performance()


def _arms(
    script: Script, swing: dict[str, dict[int, FloatArray]], start: float, step_s: float, count: int, rng: np.random.Generator, scale: float
) -> None:
    raised = {side: -np.inf for side in SIDES}
    following = float(rng.uniform(0.4, 1.0))
    for k in range(count):
        t = start + k * step_s
        for side in SIDES:
            if t < raised[side]:
                continue
            if t >= following and all(t >= until for until in raised.values()):
                _raise(script, side, t, rng, scale)
                raised[side], following = t + 2.4, t + 2.4 + float(rng.uniform(1.2, 3.0))
                continue
            # The arm goes forward with the other side's leg; the left foot swings first.
            forward = 1 if (k % 2 == 0) == (side == "right") else -1
            script.move_hand(side, swing[side][forward], t - 0.1 * step_s, 1.1 * step_s)
            if k == 0 or t - raised[side] < step_s:
                script.move_fingers(side, RELAXED_HAND, t, 0.6)


def _raise(script: Script, side: str, t: float, rng: np.random.Generator, scale: float) -> None:
    """Raise a hand and look at it: pointing ahead, or flat with the thumb up."""
    sign = 1.0 if side == "left" else -1.0
    if rng.uniform() < 0.6:
        place = np.array([0.42, 0.14 * sign + float(rng.uniform(-0.05, 0.05)), float(rng.uniform(1.15, 1.3))]) * scale
        T, fingers = hand_pose(place, [1.0, -0.12 * sign, 0.1], [0.0, 0.5 * sign, 1.0]), POINTING_HAND
    else:
        place = np.array([0.32, 0.24 * sign, float(rng.uniform(1.12, 1.25))]) * scale
        T, fingers = hand_pose(place, [0.8, -0.25 * sign, 0.45], [0.0, sign, 0.25]), FLAT_HAND
    script.move_hand(side, T, t, 0.8)
    script.move_fingers(side, fingers, t + 0.15, 0.5)
    script.move_hand(side, T @ hand_pose([0.03, 0.02 * sign, 0.02], [1.0, 0.06, 0.05], [0, 0, 1]), t + 0.9, 0.6)
    script.look([*(place[:2] * 1.4), place[2]], t + 0.05, 0.45)


def _hanging(body: Body, side: str, way: float) -> FloatArray:
    """Return the pose (4, 4) in the ground frame of a hand that hangs, swung forward (1) or backward (-1)."""
    sign = 1.0 if side == "left" else -1.0
    scale = body.stature / 1.7
    shoulder = body.head("upperarm01.L") * [1.0, sign, 1.0]
    top, elbow, wrist = (body.head(f"{name}.L") for name in ("upperarm01", "lowerarm01", "wrist"))
    length = float(np.linalg.norm(elbow - top) + np.linalg.norm(wrist - elbow))
    angle = 0.12 + 0.38 * way
    along = np.array([np.sin(angle), 0.2 * sign, -np.cos(angle)])
    along /= np.linalg.norm(along)
    place = shoulder + along * length * (0.93 if way < 0 else 0.90) + [0.0, 0.0, -0.02 * scale]
    return hand_pose(place, along + np.array([0.25, -0.1 * sign, 0.0]), [0.35, sign, 0.2])


def _on_circle(radius: float, left_about: float, angle: float) -> FloatArray:
    """Return the ground frame (4, 4) after an arc of rad round the room, counterclockwise for ``left_about`` 1, from a start that faces +x."""
    return ground_pose(radius * np.sin(angle), -left_about * radius * np.cos(angle), left_about * angle)
