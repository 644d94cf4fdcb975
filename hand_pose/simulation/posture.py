"""From what a person does (where pelvis, chest, head, hands and feet are) to the rotation of every bone, by closed-form inverse kinematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.simulation.body import Body, Posed
from bodydouble.hand_pose.simulation.hand_posture import RELAXED_HAND, HandFrame, finger_axes, finger_rotations

FloatArray = npt.NDArray[np.float64]

SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")
LONGEST_REACH = 0.998
"""An arm or a leg is never quite straight: the elbow's direction would be lost there."""
_LETTER = {"left": "L", "right": "R"}


@dataclass(frozen=True)
class Posture:
    """What the person does at an instant, in the world.

    A hand's pose: origin the wrist joint, x along the fingers, z out of the back of the hand (palm down, pointing forward: identity).
    A foot's pose: origin the ankle joint, axes x forward, y left, z up when it stands flat.
    """

    T_world_pelvis: FloatArray
    """(4, 4) origin the root joint, axes as the body's at rest."""
    chest: FloatArray
    """(3,) rotation vector of the chest against the pelvis, in the pelvis' axes: x right side down, y forward bend, z turn to the left."""
    R_world_head: FloatArray
    """(3, 3)."""
    T_world_hand: Mapping[str, FloatArray]
    """Side to (4, 4)."""
    T_world_foot: Mapping[str, FloatArray]
    elbow_out: Mapping[str, float] = field(default_factory=lambda: {"left": 0.35, "right": 0.35})
    """rad that each elbow is swung out from straight below the line from shoulder to wrist."""
    fingers: Mapping[str, FloatArray] = field(default_factory=lambda: {"left": RELAXED_HAND, "right": RELAXED_HAND})
    """Side to angles (5, 4), see ``hand_posture.OPEN_HAND``."""


@dataclass(frozen=True)
class Poser:
    """Poses one body. What depends on the body alone is computed once."""

    body: Body

    @cached_property
    def hand_frames(self) -> dict[str, HandFrame]:
        """Side to the axes of its hand at rest."""
        return {side: HandFrame.of(self.body, letter) for side, letter in _LETTER.items()}

    @cached_property
    def _finger_axes(self) -> dict[str, dict[str, FloatArray]]:
        return {side: finger_axes(self.body, letter) for side, letter in _LETTER.items()}

    def standing(self) -> FloatArray:
        """Return T_world_pelvis (4, 4) of the body standing as at rest."""
        T = np.eye(4)
        T[:3, 3] = self.body.heads[0]
        return T

    def foot_at_rest(self, side: str) -> FloatArray:
        """Return T_world_foot (4, 4) of the body standing as at rest, with the feet below the hips."""
        T = np.eye(4)
        T[:3, 3] = self.body.head(f"foot.{_LETTER[side]}")
        T[1, 3] = self.body.head(f"upperleg01.{_LETTER[side]}")[1] * 1.15
        return T

    def posed(self, posture: Posture) -> Posed:
        """Return the body in a posture, skin and all. A target out of reach is approached as far as the limb goes."""
        return self.body.posed(self.rotations(posture), posture.T_world_pelvis)

    def rotations(self, posture: Posture) -> FloatArray:
        """Return the rotation (B, 3, 3) of every bone against its parent, about the axes of the rest frame."""
        body = self.body
        local = np.tile(np.eye(3), (len(body.bones), 1, 1))
        step = Rotation.from_rotvec(np.asarray(posture.chest) / len(SPINE)).as_matrix()
        for name in SPINE:
            local[body.bone(name)] = step
        G = self._chain(local, posture, "spine01")
        R_world_chest, p_chest = G[:3, :3], G[:3, 3]
        nod = Rotation.from_matrix(R_world_chest.T @ posture.R_world_head).as_rotvec() / len(NECK)
        for name in NECK:
            local[body.bone(name)] = Rotation.from_rotvec(nod).as_matrix()
        for side, letter in _LETTER.items():
            self._place_arm(local, posture, side, letter, R_world_chest, p_chest)
            self._place_leg(local, posture, side, letter)
            for row, rotation in finger_rotations(body, letter, posture.fingers[side], self._finger_axes[side]).items():
                local[row] = rotation
        return local

    def _chain(self, local: FloatArray, posture: Posture, until: str) -> FloatArray:
        """Return T_world_bone (4, 4) of one bone from the local rotations so far."""
        body, path, row = self.body, [], self.body.bone(until)
        while row > 0:
            path.append(row)
            row = int(body.parents[row])
        T = posture.T_world_pelvis.copy()
        T[:3, :3] = T[:3, :3] @ local[0]
        for bone in reversed(path):
            T[:3, 3] += T[:3, :3] @ (body.heads[bone] - body.heads[body.parents[bone]])
            T[:3, :3] = T[:3, :3] @ local[bone]
        return T

    def _place_arm(
        self, local: FloatArray, posture: Posture, side: str, letter: str, R_world_chest: FloatArray, p_chest: FloatArray
    ) -> None:
        body = self.body
        shoulder, elbow, wrist = (body.head(f"{name}.{letter}") for name in ("upperarm01", "lowerarm01", "wrist"))
        target = posture.T_world_hand[side]
        sign = 1.0 if side == "left" else -1.0
        # The shoulder girdle follows a high or far reach by about a third of it (Inman, Saunders and Abbott 1944).
        rest = p_chest + R_world_chest @ (shoulder - body.head("spine01"))
        towards = R_world_chest.T @ (target[:3, 3] - rest)
        length = float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))
        raised = 0.28 * _smooth_ramp(towards[2] / length, -0.3, 1.0)
        forward = 0.22 * _smooth_ramp(towards[0] / length, 0.3, 1.1)
        local[body.bone(f"clavicle.{letter}")] = Rotation.from_rotvec([sign * raised, 0.0, -sign * forward]).as_matrix()
        G = self._chain(local, posture, f"shoulder01.{letter}")
        R_parent = G[:3, :3]
        p_shoulder = G[:3, 3] + R_parent @ (shoulder - body.head(f"shoulder01.{letter}"))
        out = posture.elbow_out[side]
        # The elbow of a hanging arm points back, that of a reaching one down.
        hanging = _smooth_ramp(-towards[2] / length, 0.5, 1.0)
        pole = R_world_chest @ np.array([-0.25 - 0.6 * hanging, sign * np.sin(out), -np.cos(out)])
        p_elbow, p_wrist = _two_bones(p_shoulder, target[:3, 3], (elbow - shoulder, wrist - elbow), pole)
        # Bend planes at rest and now; the elbow is a hinge in both.
        R_upper = _frame(p_elbow - p_shoulder, p_wrist - p_elbow) @ _frame(elbow - shoulder, wrist - elbow).T
        R_fore = _frame(p_wrist - p_elbow, p_elbow - p_shoulder, flip=True) @ _frame(wrist - elbow, elbow - shoulder, flip=True).T
        R_hand = target[:3, :3] @ self.hand_frames[side].R_hand_rest
        # Twists are shared out along the limb, as skin does.
        upper = R_parent.T @ R_upper
        axis_upper = elbow - body.head(f"upperarm02.{letter}")
        local[body.bone(f"upperarm01.{letter}")], local[body.bone(f"upperarm02.{letter}")] = _shared(
            upper, elbow - shoulder, axis_upper, 0.5
        )
        local[body.bone(f"lowerarm01.{letter}")] = R_upper.T @ R_fore
        turned = R_fore.T @ R_hand
        axis_fore = wrist - body.head(f"lowerarm02.{letter}")
        twist = _twist_of(turned, axis_fore)
        fore = Rotation.from_rotvec(axis_fore / np.linalg.norm(axis_fore) * 0.8 * twist).as_matrix()
        local[body.bone(f"lowerarm02.{letter}")] = fore
        local[body.bone(f"wrist.{letter}")] = fore.T @ turned
        self._correct_elbow(local, posture, letter, p_elbow, p_wrist)

    def _correct_elbow(self, local: FloatArray, posture: Posture, letter: str, p_elbow: FloatArray, p_wrist: FloatArray) -> None:
        """Aim the upper arm and the forearm exactly: the twist bones of the mesh lie a little beside the lines between the joints."""
        body = self.body
        for bone, end, goal in (
            (f"upperarm01.{letter}", f"lowerarm01.{letter}", p_elbow),
            (f"lowerarm01.{letter}", f"wrist.{letter}", p_wrist),
        ):
            G, tip = self._chain(local, posture, bone), self._chain(local, posture, end)
            fix = _between(tip[:3, 3] - G[:3, 3], goal - G[:3, 3])
            row = body.bone(bone)
            local[row] = local[row] @ (G[:3, :3].T @ fix @ G[:3, :3])
        # The hand keeps its orientation in the world.
        row = body.bone(f"wrist.{letter}")
        G = self._chain(local, posture, f"wrist.{letter}")
        side = "left" if letter == "L" else "right"
        wanted = posture.T_world_hand[side][:3, :3] @ self.hand_frames[side].R_hand_rest
        local[row] = local[row] @ G[:3, :3].T @ wanted

    def _place_leg(self, local: FloatArray, posture: Posture, side: str, letter: str) -> None:
        body = self.body
        hip, knee, ankle = (body.head(f"{name}.{letter}") for name in ("upperleg01", "lowerleg01", "foot"))
        G = self._chain(local, posture, f"pelvis.{letter}")
        p_hip = G[:3, 3] + G[:3, :3] @ (hip - body.head(f"pelvis.{letter}"))
        foot = posture.T_world_foot[side]
        pole = posture.T_world_pelvis[:3, 0] * 0.5 + foot[:3, 0] * 0.5
        p_knee, p_ankle = _two_bones(p_hip, foot[:3, 3], (knee - hip, ankle - knee), pole)
        forward = np.array([1.0, 0.0, 0.0])
        R_thigh = _frame(p_knee - p_hip, -pole) @ _frame(knee - hip, -forward).T
        R_shank = _frame(p_ankle - p_knee, -pole) @ _frame(ankle - knee, -forward).T
        local[body.bone(f"upperleg01.{letter}")] = G[:3, :3].T @ R_thigh
        local[body.bone(f"lowerleg01.{letter}")] = R_thigh.T @ R_shank
        local[body.bone(f"foot.{letter}")] = R_shank.T @ foot[:3, :3]


def _two_bones(start: FloatArray, end: FloatArray, bones: tuple[FloatArray, FloatArray], pole: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the middle joint and the end of a limb of two bones (given at rest), bent towards ``pole``.

    The end is short of the target where that is out of reach.
    """
    first, second = (float(np.linalg.norm(bone)) for bone in bones)
    line = end - start
    distance = float(np.linalg.norm(line))
    along = line / distance
    reach = min(max(distance, abs(first - second) * 1.05 + 1e-3), LONGEST_REACH * (first + second))
    cosine = (first**2 + reach**2 - second**2) / (2 * first * reach)
    across = pole - along * (along @ pole)
    across /= np.linalg.norm(across)
    middle = start + first * (cosine * along + np.sqrt(max(1 - cosine**2, 0.0)) * across)
    return middle, start + reach * along


def _frame(along: FloatArray, beside: FloatArray, *, flip: bool = False) -> FloatArray:
    """Return axes (3, 3) as columns: x along the first, z across both (the other way round with ``flip``)."""
    x = along / np.linalg.norm(along)
    z = np.cross(beside, x) if flip else np.cross(x, beside)
    z /= np.linalg.norm(z)
    return np.column_stack([x, np.cross(z, x), z])


def _twist_of(rotation: FloatArray, axis: FloatArray) -> float:
    """Return the angle (rad) of a rotation (3, 3) about an axis (3,): the twist of its swing-twist decomposition."""
    unit = axis / np.linalg.norm(axis)
    q = Rotation.from_matrix(rotation).as_quat()
    angle = 2 * np.arctan2(q[:3] @ unit, q[3])
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _shared(rotation: FloatArray, axis: FloatArray, axis_second: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Split a rotation into one of the first bone and a twist of the second that makes ``share`` of the whole twist."""
    part = _twist_of(rotation, axis) * share
    second = Rotation.from_rotvec(axis_second / np.linalg.norm(axis_second) * part).as_matrix()
    return rotation @ second.T, second


def _between(one: FloatArray, two: FloatArray) -> FloatArray:
    """Return the smallest rotation (3, 3) that turns direction ``one`` to ``two``."""
    a, b = one / np.linalg.norm(one), two / np.linalg.norm(two)
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-12:
        return np.eye(3)
    return np.asarray(Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine)).as_matrix())


def _smooth_ramp(value: float, low: float, high: float) -> float:
    """Return 0 below ``low``, 1 above ``high`` and a curve between whose first two derivatives vanish at both."""
    u = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return u**3 * (10 - 15 * u + 6 * u * u)
