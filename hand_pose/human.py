"""The person as a Pinocchio tree, with the derivatives of every landmark by joint angles and by bone lengths."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.hand_pose.detector_offsets import detected_map
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.skeleton import JOINTS, LANDMARK_PLACES, TYPICAL_LENGTHS, Offset

FloatArray = npt.NDArray[np.float64]

BONES = tuple(TYPICAL_LENGTHS)
"""Order of every bone-length vector."""

LINKS = ("pelvis", *(joint.link for joint in JOINTS if joint.link))
_LEG = {side: tuple(f"{side}_{part}" for part in ("hip", "knee", "ankle", "toe")) for side in ("left", "right")}


@functools.cache
def layout() -> _Layout:
    """Return what is the same for every person."""
    return _Layout()


class _Layout:
    """What does not depend on bone lengths: indices, axes, and the linear maps from lengths to offsets."""

    def __init__(self) -> None:
        names = ["pelvis"] + [joint.name for joint in JOINTS]
        row = {name: index for index, name in enumerate(names)}
        self.joint_offsets = np.stack([np.zeros((3, len(BONES)))] + [_offset_map(joint.offset) for joint in JOINTS])
        self.landmark_offsets = np.stack([_offset_map(LANDMARK_PLACES[name][1]) for name in LANDMARK_NAMES])
        self.landmark_joint = np.array([row[LANDMARK_PLACES[name][0]] for name in LANDMARK_NAMES])
        self.row = row
        self.columns, self.positions = {"pelvis": slice(0, 6)}, {"pelvis": slice(0, 7)}
        carried_by = [0] * 6
        for joint in JOINTS:
            at_v, at_q = len(carried_by), self.positions[names[row[joint.name] - 1]].stop
            width = 3 if joint.axis is None else 1
            self.columns[joint.name] = slice(at_v, at_v + width)
            self.positions[joint.name] = slice(at_q, at_q + (4 if joint.axis is None else 1))
            carried_by += [row[joint.name]] * width
        self.column_joint = np.array(carried_by)
        self.nv, self.nq = len(carried_by), self.positions[names[-1]].stop
        self.rest = np.zeros(self.nq)
        for name in ["pelvis"] + [joint.name for joint in JOINTS if joint.axis is None]:
            self.rest[self.positions[name].stop - 1] = 1.0
        self.rest.flags.writeable = False
        self.link_joint = np.array([0] + [row[joint.name] for joint in JOINTS if joint.link])
        self.parent = np.array([0] + [row[joint.parent] for joint in JOINTS])
        self.ancestors = np.zeros((len(names), len(names)), dtype=bool)  # [joint, ancestor or itself]
        for index in range(len(names)):
            self.ancestors[index, index] = True
            if index:
                self.ancestors[index] |= self.ancestors[self.parent[index]]
        self.support = self.ancestors[:, self.column_joint][self.landmark_joint]  # [landmark, column]


def _offset_map(offset: Offset) -> FloatArray:
    matrix = np.zeros((3, len(BONES)))
    for bone, vector in offset.items():
        matrix[:, BONES.index(bone)] += vector
    return matrix


@dataclass(frozen=True)
class Kinematics:
    """Where everything is in one configuration (world frame, m)."""

    landmarks: FloatArray
    """(75, 3)."""
    landmark_jacobian: FloatArray
    """(75, 3, nv) by the tangent of the configuration (Pinocchio's: pelvis twist in its own frame first)."""
    landmark_bone_jacobian: FloatArray | None
    """(75, 3, B) by the bone lengths; None unless asked for."""


class Human:
    """A person of given bone lengths.

    ``lengths``: (B,) m in the order of ``BONES``. ``model`` is the Pinocchio model; its joint i+1 is row i of the skeleton table.
    """

    def __init__(self, lengths: FloatArray) -> None:
        self.lengths = np.array(lengths, dtype=np.float64)
        self.lengths.flags.writeable = False
        maps = layout()
        self.joint_places = maps.joint_offsets @ self.lengths
        self.landmark_offsets = maps.landmark_offsets @ self.lengths
        self.detected_map = detected_map()
        self.detected_offsets = self.landmark_offsets + self.detected_map @ self.lengths

    @functools.cached_property
    def model(self) -> pin.Model:
        """Pinocchio's model of the tree; joint i + 1 is row i of the skeleton table."""
        model = pin.Model()
        model.name = "human"
        index = {"pelvis": model.addJoint(0, pin.JointModelFreeFlyer(), pin.SE3.Identity(), "pelvis")}
        for row, joint in enumerate(JOINTS, start=1):
            kind = pin.JointModelSpherical() if joint.axis is None else pin.JointModelRevoluteUnaligned(np.array(joint.axis))
            index[joint.name] = model.addJoint(index[joint.parent], kind, pin.SE3(np.eye(3), self.joint_places[row]), joint.name)
        return model

    @functools.cached_property
    def data(self) -> pin.Data:
        """What Pinocchio computed last."""
        return self.model.createData()

    @property
    def rest(self) -> FloatArray:
        """(nq,) the zero pose at the origin. Read-only."""
        return layout().rest

    @property
    def nv(self) -> int:
        """Number of degrees of freedom, the pelvis' six included."""
        return layout().nv

    def columns(self, joint: str) -> slice:
        """Return the tangent columns of one joint of the table (or "pelvis")."""
        return layout().columns[joint]

    def positions(self, joint: str) -> slice:
        """Return the rows of one joint in a configuration vector."""
        return layout().positions[joint]

    def row(self, joint: str) -> int:
        """Return the row of one joint in the skeleton table; the pelvis is 0."""
        return layout().row[joint]

    def hand_at_rest(self, side: str) -> FloatArray:
        """Return the hand's 21 landmarks (21, 3) m from its wrist, in the hand's frame, with straight fingers."""
        points = self.landmarks(self.rest)[LEFT_HAND if side == "left" else RIGHT_HAND]
        return np.asarray(points - points[0])

    def arm_columns(self, side: str) -> npt.NDArray[np.intp]:
        """Return the tangent columns of all joints of one arm and hand, clavicle to fingertips."""
        names = [joint.name for joint in JOINTS if joint.name.startswith(f"{side}_") and not joint.name.startswith(_LEG[side])]
        return np.concatenate([np.arange(self.nv)[self.columns(name)] for name in names])

    def _placements(self) -> tuple[FloatArray, FloatArray]:
        poses = self.data.oMi
        rotations = np.array([poses[i].rotation for i in range(1, self.model.njoints)])
        translations = np.array([poses[i].translation for i in range(1, self.model.njoints)])
        return rotations, translations

    def kinematics(self, q: FloatArray, *, by_bones: bool = False) -> Kinematics:
        """Return landmark positions and their Jacobians at configuration ``q`` (nq,)."""
        maps = layout()
        pin.computeJointJacobians(self.model, self.data, q)
        rotations, translations = self._placements()
        carrier = maps.landmark_joint
        points = translations[carrier] + np.einsum("nij,nj->ni", rotations[carrier], self.landmark_offsets)
        linear, angular = self.data.J[:3], self.data.J[3:]
        # A spatial velocity (v at the world's origin, w) moves point p by v + w x p.
        jacobian = np.empty((len(points), 3, self.nv))
        x, y, z = points[:, 0, None], points[:, 1, None], points[:, 2, None]
        jacobian[:, 0] = linear[0] + angular[1] * z - angular[2] * y
        jacobian[:, 1] = linear[1] + angular[2] * x - angular[0] * z
        jacobian[:, 2] = linear[2] + angular[0] * y - angular[1] * x
        jacobian *= maps.support[:, None, :]
        bone_jacobian = None
        if by_bones:
            moved = np.einsum("jab,jbk->jak", rotations[maps.parent], maps.joint_offsets)
            moved[0] = 0.0
            bone_jacobian = np.einsum("nj,jak->nak", maps.ancestors[carrier].astype(float), moved)
            bone_jacobian += np.einsum("nab,nbk->nak", rotations[carrier], maps.landmark_offsets)
        return Kinematics(points, jacobian, bone_jacobian)

    def landmarks(self, q: FloatArray) -> FloatArray:
        """Return the 75 landmarks (75, 3) m at configuration ``q``."""
        pin.forwardKinematics(self.model, self.data, q)
        rotations, translations = self._placements()
        carrier = layout().landmark_joint
        points: FloatArray = translations[carrier] + np.einsum("nij,nj->ni", rotations[carrier], self.landmark_offsets)
        return points

    def link_poses(self, q: FloatArray) -> FloatArray:
        """Return T_world_link (L, 4, 4) of ``LINKS`` at configuration ``q``."""
        pin.forwardKinematics(self.model, self.data, q)
        rotations, translations = self._placements()
        rows = layout().link_joint
        poses = np.zeros((len(rows), 4, 4))
        poses[:, :3, :3], poses[:, :3, 3], poses[:, 3, 3] = rotations[rows], translations[rows], 1.0
        return poses

    def link_rotation(self, q: FloatArray, joint: str) -> FloatArray:
        """Return R_world_link (3, 3) of what hangs on one joint of the table (or "pelvis") at configuration ``q``."""
        pin.forwardKinematics(self.model, self.data, q)
        return np.array(self.data.oMi[self.model.getJointId(joint)].rotation)

    def integrate(self, q: FloatArray, step: FloatArray) -> FloatArray:
        """Return ``q`` moved by a tangent ``step`` (nv,)."""
        moved: FloatArray = pin.integrate(self.model, q, step)
        return moved

    def difference(self, q0: FloatArray, q1: FloatArray) -> FloatArray:
        """Return the tangent (nv,) that carries ``q0`` to ``q1``."""
        step: FloatArray = pin.difference(self.model, q0, q1)
        return step


def angle_names() -> tuple[str, ...]:
    """Name the scalar joint angles: revolute joints by their own name, ball joints by the components of their rotation vector."""
    names: list[str] = []
    for joint in JOINTS:
        names += [joint.name] if joint.axis is not None else [f"{joint.name}_{axis}" for axis in "xyz"]
    return tuple(names)


def joint_angles(human: Human, q: FloatArray) -> FloatArray:
    """Return the scalar angles (J,) rad of configuration ``q``: ball joints as rotation vectors (|v| <= pi)."""
    angles: FloatArray = human.difference(human.rest, q)[6:]
    return angles


def named_lengths(lengths: FloatArray) -> dict[str, float]:
    """Name a bone-length vector, and add the usual sums: hand (wrist to middle knuckle), foot (heel to toe tip)."""
    named: dict[str, Any] = {name: float(value) for name, value in zip(BONES, lengths, strict=True)}
    named["hand"] = named["middle_palm"]
    named["foot"] = named["heel"] + named["forefoot"]
    return named
