"""Task "floor": squat, pick a box up from the floor with both hands, turn and put it on a table."""

from __future__ import annotations

import numpy as np

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.box_in_hands import BoxInHands
from bodydouble.hand_pose.simulation.furniture import elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.handling import rest_over
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script
from bodydouble.hand_pose.simulation.tasks.carry_task import turn_to

_FRONT, _DEPTH, _WIDTH = 0.32, 0.5, 0.5


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 106])
    height = float(rng.uniform(0.72, 0.80)) * elbow_height(body)
    size = float(rng.uniform(0.20, 0.24)), float(rng.uniform(0.28, 0.34)), float(rng.uniform(0.20, 0.26))
    box = SceneObject("crate", "box", size, (150, 116, 80))
    turn = float(rng.uniform(2.0, 2.3)) * (1.0 if rng.uniform() < 0.5 else -1.0)
    rest = rest_over(height + 0.12, scale)
    script = Script("floor", seconds, seed, body, rest, np.array([0.6 * scale, 0.0, 0.4]))
    script.furniture += table(_FRONT * scale, _DEPTH, _WIDTH, height, yaw=turn)
    on_floor = standing_at(0.36 * scale + size[0] / 2, 0.0, size[2] / 2)
    on_table = standing_at(_FRONT * scale + 0.03 + size[0] / 2, 0.0, height + size[2] / 2)
    carried = [0.38 * scale, 0.0, height + size[2] / 2 + 0.14]
    script.add(box, on_floor)
    hands = BoxInHands(script, box, slope=0.4)
    t, here = float(rng.uniform(0.05, 0.15)), on_floor
    while t < seconds:
        from_floor = here is on_floor
        if from_floor:
            squat(script, t, 1.1, scale)
        t = hands.take(t + (0.15 if from_floor else 0.0), here, 1.15 if from_floor else 0.75)
        if from_floor:
            rise(script, t + 0.1, 1.2)
        t = hands.lift(t, carried, 1.25 if from_floor else 0.8)
        t = turn_to(script, turn if from_floor else 0.0, t - 0.3)
        here = on_table if from_floor else on_floor
        if here is on_floor:
            squat(script, t - 0.1, 1.2, scale)
        t = hands.put(t, here, 1.2 if here is on_floor else 0.85)
        if here is on_floor:
            rise(script, t + 0.2, 1.2)
        t = hands.leave(t, rest, 1.1 if here is on_floor else 0.6) + (0.6 if here is on_floor else 0.1)
    return script.performance()


def squat(script: Script, t: float, duration_s: float, scale: float) -> None:
    """Bend knees and hips until the hands reach the floor."""
    script.pelvis = script.pelvis.by(np.array([-0.17 * scale, 0.0, -0.42 * scale, 0.35]), t, duration_s)
    script.trunk = script.trunk.by([0.0, 0.3, 0.0], t, duration_s)


def rise(script: Script, t: float, duration_s: float) -> None:
    """Stand up again."""
    upright = np.zeros(4)
    script.pelvis = script.pelvis.to(upright, t, duration_s)
    script.trunk = script.trunk.to(np.zeros(3), t, duration_s)
