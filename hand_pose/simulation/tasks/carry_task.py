"""Task "carry": both hands take a box from one table, the person turns with some steps, and puts it on another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import elbow_height, standing_at, table
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import hand_pose, rest_over
from bodydouble.hand_pose.simulation.performance import WORLD, Contact, Performance
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script
from bodydouble.hand_pose.simulation.steps import between, ground_pose, take_steps

FloatArray = npt.NDArray[np.float64]

FLAT_HAND = np.array([[-0.1, -0.1, 0.05, 0.05], *[[0.0, 0.04, 0.05, 0.05]] * 4])
_FRONT, _DEPTH, _WIDTH = 0.27, 0.5, 0.5
_GRIP_M = 0.0005
"""How deep the skin of the palms is pressed in."""
_APART_M = 0.09


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


class BoxInHands:
    """Both hands at the sides of one box. Everything happens in the ground frame, so that the box goes with the person."""

    def __init__(self, script: Script, box: SceneObject) -> None:
        self.script, self.box = script, box
        script.gaze_on_ground = script.hands_on_ground = True
        self.held_s = 0.0
        self.grips = {side: self._grip(side) for side in SIDES}

    def _grip(self, side: str) -> FloatArray:
        """Return T_box_hand (4, 4): the flat hand on the side of the box, fingers forward and down a little, touching it."""
        sign = 1.0 if side == "left" else -1.0
        width, tall = self.box.size_m[1], self.box.size_m[2]
        skin = self.script.skins[side]
        points = np.concatenate([skin.palm, *[finger.posed(FLAT_HAND[k]) for k, finger in enumerate(skin.fingers)]])
        slope = 0.12
        T = hand_pose([0.0, 0.0, 0.0], [np.cos(slope), 0.0, -np.sin(slope)], [0.0, sign, 0.0])
        across = (points @ T[:3, :3].T)[:, 1] * sign
        low = (points @ T[:3, :3].T)[:, 2].min()
        T[:3, 3] = [-0.10, sign * (width / 2 - across.min() - _GRIP_M), max(-0.02, -tall / 2 - low + 0.012)]
        return T

    def take(self, t: float, T_ground_box: FloatArray) -> float:
        """Reach for the box with both hands and press the palms on it; return when it is held."""
        script = self.script
        script.look(T_ground_box[:3, 3] + [0.0, 0.0, 0.05], t - 0.05)
        for side, late in zip(SIDES, (0.0, 0.04), strict=True):
            sign = 1.0 if side == "left" else -1.0
            T = T_ground_box @ self.grips[side]
            near = T.copy()
            near[:3, 3] += [-0.03, sign * _APART_M, 0.02]
            script.move_hand(side, near, t + late, 0.75, arc=(-0.05, 0.06 * sign, 0.0))
            script.move_hand(side, T, t + 0.55 + late, 0.4)
            script.move_fingers(side, FLAT_HAND, t + 0.1, 0.5)
        self.held_s = t + 1.02
        for side in SIDES:
            script.contacts.append(Contact(side, self.box.name, self.held_s, script.seconds, self._touching(side)))
        script.attach(self.box.name, "left", self.held_s)
        return self.held_s

    def _touching(self, side: str) -> npt.NDArray[np.bool_]:
        skin, T = self.script.skins[side], self.grips[side]
        gaps, _ = skin.gaps(FLAT_HAND, lambda p: self.box.distance(p @ T[:3, :3].T + T[:3, 3]))
        return np.asarray(gaps < 0.004)

    def lift(self, t: float, place: npt.ArrayLike) -> float:
        """Lift the box to a place (3,) in the ground frame; return when it is there."""
        return self._carry_to(standing_at(*np.asarray(place, dtype=np.float64)), t, 0.8)

    def put(self, t: float, T_ground_box: FloatArray, duration_s: float = 0.85) -> float:
        """Set the box down at a pose (4, 4) in the ground frame; return when it stands."""
        return self._carry_to(T_ground_box, t, duration_s)

    def _carry_to(self, T: FloatArray, t: float, duration_s: float) -> float:
        for side in SIDES:
            self.script.move_hand(side, T @ self.grips[side], t, duration_s)
        self.script.look(T[:3, 3] + [0.15, 0.0, 0.0], t)
        return t + duration_s

    def leave(self, t: float, rest: dict[str, FloatArray]) -> float:
        """Take the hands off the box and back to ``rest``, in the ground frame; return when they are free."""
        script = self.script
        script.attach(self.box.name, WORLD, t)
        script.contacts = [replace(c, end_s=t) if c.end_s > t else c for c in script.contacts]
        for side in SIDES:
            sign = 1.0 if side == "left" else -1.0
            T = script.hands[side].pose.end
            T[:3, 3] += [-0.04, sign * _APART_M, 0.03]
            script.move_hand(side, T, t + 0.05, 0.4)
            script.move_hand(side, rest[side], t + 0.4, 0.6, arc=(-0.05, 0.06 * sign, 0.0))
            script.move_fingers(side, RELAXED_HAND, t + 0.2, 0.6)
        return t + 0.8
