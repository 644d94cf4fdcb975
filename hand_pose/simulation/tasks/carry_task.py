"""Task "carry": both hands take a box from one table, the person turns with some steps, and puts it on another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.box_in_hands import BoxInHands
from bodydouble.hand_pose.simulation.furniture import elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.handling import rest_over
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script
from bodydouble.hand_pose.simulation.steps import between, ground_pose, take_steps

FloatArray = npt.NDArray[np.float64]

_FRONT, _DEPTH, _WIDTH = 0.27, 0.5, 0.5


def write(seconds: float, seed: int, body: Body) -> Performance:
    """Return the performance of the task."""
    scale = body.stature / 1.7
    rng = np.random.default_rng([seed, 102])
    height = float(rng.uniform(0.80, 0.88)) * elbow_height(body)
    box = SceneObject(
        "carton", "box", (float(rng.uniform(0.24, 0.28)), float(rng.uniform(0.28, 0.35)), float(rng.uniform(0.18, 0.24))), (196, 160, 112)
    )
    turn = float(rng.uniform(1.5, 1.8)) * (1.0 if rng.uniform() < 0.5 else -1.0)
    script = Script("carry", seconds, seed, body, rest_over(height + 0.06, scale), np.array([0.45 * scale, 0.0, height]))
    places = (0.0, turn)
    for row, yaw in enumerate(places):
        script.furniture += table(_FRONT * scale, _DEPTH, _WIDTH, height, yaw=yaw, name=f"table_{row}")
    on_table = standing_at(_FRONT * scale + 0.03 + box.size_m[0] / 2, 0.0, height + box.size_m[2] / 2)
    script.add(box, on_table)
    carrier = BoxInHands(script, box)
    t, here = float(rng.uniform(0.05, 0.15)), 0
    while t < seconds:
        t = carrier.take(t, on_table)
        t = carrier.lift(t, [0.40 * scale, 0.0, height + box.size_m[2] / 2 + float(rng.uniform(0.10, 0.18))])
        here = 1 - here
        t = turn_to(script, places[here], t - 0.35)
        t = carrier.put(t, on_table)
        t = carrier.leave(t, rest_over(height + 0.06, scale)) + float(rng.uniform(0.0, 0.3))
    return script.performance()


def turn_to(script: Script, yaw: float, begin_s: float) -> float:
    """Turn on the spot in four steps, the foot on the inner side first; return when the person stands."""
    start = script.ground.end
    goal = ground_pose(0.0, 0.0, yaw)
    path = [between(start, goal, share) for share in (0.35, 0.7, 1.0, 1.0)]
    turn = np.arctan2((start[:3, :3].T @ goal[:3, :3])[1, 0], (start[:3, :3].T @ goal[:3, :3])[0, 0])
    return take_steps(script, path, begin_s, 0.45, first="left" if turn > 0 else "right")
