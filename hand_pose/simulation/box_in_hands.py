"""A box that both hands hold at its sides, palms flat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.choreography import SIDES
from bodydouble.hand_pose.simulation.furniture import standing_at
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND
from bodydouble.hand_pose.simulation.handling import FLAT_HAND, hand_pose
from bodydouble.hand_pose.simulation.performance import WORLD, Contact
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.script import Script

FloatArray = npt.NDArray[np.float64]

_GRIP_M = 0.0005
"""How deep the skin of the palms is pressed in."""
_APART_M = 0.09


class BoxInHands:
    """Both hands at the sides of one box. Everything happens in the ground frame, so that the box goes with the person."""

    def __init__(self, script: Script, box: SceneObject, *, slope: float = 0.12) -> None:
        """Let the fingers point down by ``slope`` rad."""
        self.script, self.box, self.slope = script, box, slope
        script.gaze_on_ground = script.hands_on_ground = True
        self.held_s = 0.0
        self.grips = {side: self._grip(side) for side in SIDES}

    def _grip(self, side: str) -> FloatArray:
        """Return T_box_hand (4, 4): the flat hand on the side of the box, fingers forward and down a little, touching it."""
        sign = 1.0 if side == "left" else -1.0
        width, tall = self.box.size_m[1], self.box.size_m[2]
        skin = self.script.skins[side]
        points = np.concatenate([skin.palm, *[finger.posed(FLAT_HAND[k]) for k, finger in enumerate(skin.fingers)]])
        slope = self.slope
        T = hand_pose([0.0, 0.0, 0.0], [np.cos(slope), 0.0, -np.sin(slope)], [0.0, sign, 0.0])
        across = (points @ T[:3, :3].T)[:, 1] * sign
        low = (points @ T[:3, :3].T)[:, 2].min()
        T[:3, 3] = [-0.10, sign * (width / 2 - across.min() - _GRIP_M), max(-0.02, -tall / 2 - low + 0.012)]
        return T

    def take(self, t: float, T_ground_box: FloatArray, reach_s: float = 0.75) -> float:
        """Reach for the box with both hands, which takes ``reach_s``, and press the palms on it; return when it is held."""
        script = self.script
        script.look(T_ground_box[:3, 3] + [0.0, 0.0, 0.05], t - 0.05)
        for side, late in zip(SIDES, (0.0, 0.04), strict=True):
            sign = 1.0 if side == "left" else -1.0
            T = T_ground_box @ self.grips[side]
            near = T.copy()
            near[:3, 3] += [-0.03, sign * _APART_M, 0.02]
            script.move_hand(side, near, t + late, reach_s, arc=(-0.05, 0.06 * sign, 0.0))
            script.move_hand(side, T, t + reach_s - 0.2 + late, 0.4)
            script.move_fingers(side, FLAT_HAND, t + 0.1, 0.5)
        self.held_s = t + reach_s + 0.27
        for side in SIDES:
            script.contacts.append(Contact(side, self.box.name, self.held_s, script.seconds, self._touching(side)))
        script.attach(self.box.name, "left", self.held_s)
        return self.held_s

    def _touching(self, side: str) -> npt.NDArray[np.bool_]:
        skin, T = self.script.skins[side], self.grips[side]
        gaps, _ = skin.gaps(FLAT_HAND, lambda p: self.box.distance(p @ T[:3, :3].T + T[:3, 3]))
        return np.asarray(gaps < 0.004)

    def lift(self, t: float, place: npt.ArrayLike, duration_s: float = 0.8) -> float:
        """Lift the box to a place (3,) in the ground frame; return when it is there."""
        return self._carry_to(standing_at(*np.asarray(place, dtype=np.float64)), t, duration_s)

    def put(self, t: float, T_ground_box: FloatArray, duration_s: float = 0.85) -> float:
        """Set the box down at a pose (4, 4) in the ground frame; return when it stands."""
        return self._carry_to(T_ground_box, t, duration_s)

    def _carry_to(self, T: FloatArray, t: float, duration_s: float) -> float:
        for side in SIDES:
            self.script.move_hand(side, T @ self.grips[side], t, duration_s)
        self.script.look(T[:3, 3] + [0.15, 0.0, 0.0], t)
        return t + duration_s

    def leave(self, t: float, rest: dict[str, FloatArray], duration_s: float = 0.6) -> float:
        """Take the hands off the box and back to ``rest``, in the ground frame; return when they are free."""
        script = self.script
        script.attach(self.box.name, WORLD, t)
        script.contacts = [replace(c, end_s=t) if c.end_s > t else c for c in script.contacts]
        for side in SIDES:
            sign = 1.0 if side == "left" else -1.0
            T = script.hands[side].pose.end
            T[:3, 3] += [-0.04, sign * _APART_M, 0.03]
            script.move_hand(side, T, t + 0.05, 0.4)
            script.move_hand(side, rest[side], t + 0.4, duration_s, arc=(-0.05, 0.06 * sign, 0.0))
            script.move_fingers(side, RELAXED_HAND, t + 0.2, 0.6)
        return t + 0.8
