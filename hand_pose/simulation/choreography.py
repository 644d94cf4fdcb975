"""What a simulated person does over time, as smooth curves, and the posture that follows from them: trunk and head go along with hands and gaze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.calibration.transform import invert, pose_from
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.curves import Curve, PoseCurve, Sway, smooth_positive
from bodydouble.hand_pose.simulation.posture import Posture

FloatArray = npt.NDArray[np.float64]

SIDES = ("left", "right")
_EASY_REACH = 0.86
"""Of the arm's length: beyond it the trunk leans along."""
_LEAN_PER_REACH = 1.0
"""rad that the trunk leans for a reach too far by the trunk's length."""
_TURN_PER_REACH = 1.6
_FOLLOWED_PITCH, _FOLLOWED_YAW = 0.72, 0.8
"""Share of a gaze that the head turns; the eyes do the rest."""
_NECK_BACK_RAD = 0.5
_STEEPEST_PITCH = 0.8
"""rad that a head bends down at most, softly."""


@dataclass(frozen=True)
class HandCurve:
    """Where one hand is: T_world_hand is the product of the ``frames`` and the ``pose``."""

    pose: PoseCurve
    fingers: Curve
    """(20,) the angles (5, 4) of ``hand_posture.OPEN_HAND``."""
    frames: tuple[PoseCurve, ...] = ()

    def carrier(self, time_s: float) -> FloatArray:
        """Return the pose (4, 4) in the world of what the hand moves in."""
        T = np.eye(4)
        for frame in self.frames:
            T = T @ frame(time_s)
        return T

    def __call__(self, time_s: float) -> FloatArray:
        """Return T_world_hand (4, 4)."""
        return np.asarray(self.carrier(time_s) @ self.pose(time_s))


@dataclass(frozen=True)
class Choreography:
    """All curves of one performance."""

    body: Body
    seed: int
    ground: PoseCurve
    """Where the person stands: origin on the floor between the feet, x forward."""
    pelvis: Curve
    """(4,) m the pelvis is forward, left and up of where it is when standing, and rad it tilts forward."""
    trunk: Curve
    """(3,) rad, as ``Posture.chest``, added to what the hands ask for."""
    hands: Mapping[str, HandCurve]
    feet: Mapping[str, PoseCurve]
    """T_world_foot."""
    gaze: Curve
    """(3,) m what the person looks at, in the world or, with ``gaze_on_ground``, in the frame of ``ground``."""
    gaze_on_ground: bool = False
    elbow_out: Mapping[str, float] = field(default_factory=lambda: {"left": 0.4, "right": 0.4})
    liveliness: float = 1.0
    """Scale of the sway."""

    def posture(self, time_s: float) -> Posture:
        """Return what the person does at a time."""
        sway = self._sway(time_s) * self.liveliness
        ground = self.ground(time_s)
        hands = {side: hand(time_s) for side, hand in self.hands.items()}
        pelvis_moved, bent = self.pelvis(time_s), self.trunk(time_s)
        lean, turn = self._trunk_for(ground, hands, pelvis_moved, bent)
        forward, left, up, tilt = pelvis_moved
        # The pelvis goes back as the trunk goes forward, which keeps the balance.
        hip = 0.45 * lean
        back = 0.16 * np.sin(hip)
        pelvis = ground @ pose_from(
            Rotation.from_euler("ZYX", [0.25 * turn + sway[5] * 0.3, tilt + hip, sway[3] * 0.3]).as_matrix(),
            self._root + np.array([forward - back + sway[0], left + sway[1], up - 0.15 * hip * hip]),
        )
        chest = bent + np.array([sway[3], lean + sway[4], turn + sway[5]])
        look = self.gaze(time_s)
        if self.gaze_on_ground:
            look = ground[:3, :3] @ look + ground[:3, 3]
        out = {side: self.elbow_out[side] + sway[9 + k] + self._raised(ground, hands[side]) for k, side in enumerate(SIDES)}
        fingers = {side: hand.fingers(time_s).reshape(5, 4) for side, hand in self.hands.items()}
        return Posture(
            pelvis,
            chest,
            self._head(ground, pelvis, chest, look, sway[6:9]),
            hands,
            {side: foot(time_s) for side, foot in self.feet.items()},
            out,
            fingers,
        )

    def _raised(self, ground: FloatArray, hand: FloatArray) -> float:
        """Return how far (rad) the elbow swings out for a hand that is as high as the shoulder or higher."""
        height = (hand[2, 3] - ground[2, 3] - self._shoulder[2]) / self._arm
        return float(1.1 * np.tanh(smooth_positive(height + 0.25, 0.1) * 1.6))

    def _trunk_for(self, ground: FloatArray, hands: Mapping[str, FloatArray], pelvis: FloatArray, bent: FloatArray) -> tuple[float, float]:
        """Return how far (rad) the trunk leans forward and turns left so that the hands get where they are to go."""
        lean, turn = 0.0, 0.0
        T = invert(ground)
        bend = Rotation.from_rotvec([0.0, pelvis[3] + 0.7 * bent[1], 0.0]).as_matrix()
        for side, sign in (("left", 1.0), ("right", -1.0)):
            wrist = T[:3, :3] @ hands[side][:3, 3] + T[:3, 3]
            shoulder = self._root + pelvis[:3] + bend @ (self._shoulder * [1.0, sign, 1.0] - self._root)
            way = wrist - shoulder
            distance = float(np.linalg.norm(way))
            missing = float(smooth_positive(distance / self._arm - _EASY_REACH, 0.06)) * self._arm
            ahead = float(smooth_positive(way[0] / distance, 0.2))
            low = float(smooth_positive(-way[2] / distance - 0.75, 0.1))
            lean += missing / self._trunk * _LEAN_PER_REACH * (1.4 * ahead + 0.8 * low * ahead)
            turn -= sign * missing / self._trunk * _TURN_PER_REACH * ahead
            turn += 0.22 * float(np.arctan2(wrist[1] - sign * 0.2, 0.5 + float(smooth_positive(wrist[0], 0.1)))) * ahead
        return float(0.75 * np.tanh(lean / 0.75)), float(0.7 * np.tanh(turn / 0.7))

    def _head(self, ground: FloatArray, pelvis: FloatArray, chest: FloatArray, look: FloatArray, sway: FloatArray) -> FloatArray:
        """Return R_world_head (3, 3) that follows a gaze at ``look`` (3,)."""
        bend = pelvis[:3, :3] @ Rotation.from_rotvec(chest * 0.7).as_matrix()
        eyes = pelvis[:3, 3] + bend @ (self._eyes - self._root)
        way = ground[:3, :3].T @ (look - eyes)
        level = float(np.sqrt(way[0] ** 2 + way[1] ** 2 + 0.01))
        # What is behind is not looked at by turning the head alone.
        yaw = float(np.arctan2(way[1], smooth_positive(way[0], 0.2)))
        yaw = float(0.9 * np.tanh(_FOLLOWED_YAW * yaw / 0.9))
        pitch = float(np.arctan2(-way[2], level)) * _FOLLOWED_PITCH
        # The neck bends back only so far.
        back = float(np.arcsin(np.clip(-(ground[:3, :3].T @ bend)[2, 0], -1, 1))) - _NECK_BACK_RAD
        pitch = back + float(smooth_positive(_STEEPEST_PITCH * np.tanh(pitch / _STEEPEST_PITCH) - back, 0.15))
        turn = Rotation.from_euler("ZYX", [yaw + sway[2], pitch + sway[1], sway[0]]).as_matrix()
        return np.asarray(ground[:3, :3] @ turn)

    @cached_property
    def _sway(self) -> Sway:
        amplitude = [0.004, 0.005, 0.0, 0.004, 0.005, 0.007, 0.008, 0.012, 0.016, 0.03, 0.03]
        return Sway(np.array(amplitude), self.seed)

    @cached_property
    def _root(self) -> FloatArray:
        # Standing knees are not locked.
        return np.asarray(self.body.heads[0] - [0.0, 0.0, 0.012 * self.body.stature])

    @cached_property
    def _eyes(self) -> FloatArray:
        return np.asarray((self.body.head("eye.L") + self.body.head("eye.R")) / 2)

    @cached_property
    def _shoulder(self) -> FloatArray:
        """(3,) the left one."""
        return self.body.head("upperarm01.L")

    @cached_property
    def _arm(self) -> float:
        shoulder, elbow, wrist = (self.body.head(f"{name}.L") for name in ("upperarm01", "lowerarm01", "wrist"))
        return float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))

    @cached_property
    def _trunk(self) -> float:
        return float(self._shoulder[2] - self.body.heads[0, 2])
