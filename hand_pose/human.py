"""The person as a Pinocchio tree, with the derivatives of every landmark by joint angles and by bone lengths."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import JOINTS, LANDMARK_PLACES, TYPICAL_LENGTHS, Offset

FloatArray = npt.NDArray[np.float64]

BONES = tuple(TYPICAL_LENGTHS)
"""Order of every bone-length vector."""

LINKS = ("pelvis", *(joint.link for joint in JOINTS if joint.link))
_LEG = {side: tuple(f"{side}_{part}" for part in ("hip", "knee", "ankle", "toe")) for side in ("left", "right")}


@functools.cache
def _layout() -> _Layout:
    return _Layout()


class _Layout:
    """What does not depend on bone lengths: indices, axes, and the linear maps from lengths to offsets."""

    def __init__(self) -> None:
        names = ["pelvis"] + [joint.name for joint in JOINTS]
        row = {name: index for index, name in enumerate(names)}
        self.joint_offsets = np.stack([np.zeros((3, len(BONES)))] + [_offset_map(joint.offset) for joint in JOINTS])
        self.landmark_offsets = np.stack([_offset_map(LANDMARK_PLACES[name][1]) for name in LANDMARK_NAMES])
        self.landmark_joint = np.array([row[LANDMARK_PLACES[name][0]] for name in LANDMARK_NAMES])
        self.link_joint = np.array([0] + [row[joint.name] for joint in JOINTS if joint.link])
        self.parent = np.array([0] + [row[joint.parent] for joint in JOINTS])
        self.ancestors = np.zeros((len(names), len(names)), dtype=bool)  # [joint, ancestor or itself]
        for index in range(len(names)):
            self.ancestors[index, index] = True
            if index:
                self.ancestors[index] |= self.ancestors[self.parent[index]]


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
        layout = _layout()
        model = pin.Model()
        model.name = "human"
        places = layout.joint_offsets @ self.lengths
        index = {"pelvis": model.addJoint(0, pin.JointModelFreeFlyer(), pin.SE3.Identity(), "pelvis")}
        for row, joint in enumerate(JOINTS, start=1):
            kind = pin.JointModelSpherical() if joint.axis is None else pin.JointModelRevoluteUnaligned(np.array(joint.axis))
            index[joint.name] = model.addJoint(index[joint.parent], kind, pin.SE3(np.eye(3), places[row]), joint.name)
        self.model = model
        self.data = model.createData()
        self.rest = pin.neutral(model)
        self._landmark_offsets = layout.landmark_offsets @ self.lengths
        self._support = self._column_support(layout)

    @property
    def nv(self) -> int:
        """Number of degrees of freedom, the pelvis' six included."""
        return int(self.model.nv)

    def _column_support(self, layout: _Layout) -> npt.NDArray[np.bool_]:
        joint_of_column = np.zeros(self.model.nv, dtype=int)
        for row in range(len(JOINTS) + 1):
            joint = self.model.joints[row + 1]
            joint_of_column[joint.idx_v : joint.idx_v + joint.nv] = row
        support: npt.NDArray[np.bool_] = layout.ancestors[:, joint_of_column][layout.landmark_joint]
        return support

    def columns(self, joint: str) -> slice:
        """Return the tangent columns of one joint of the table (or "pelvis")."""
        entry = self.model.joints[self.model.getJointId(joint)]
        return slice(entry.idx_v, entry.idx_v + entry.nv)

    def arm_columns(self, side: str) -> npt.NDArray[np.intp]:
        """Return the tangent columns of all joints of one arm and hand, clavicle to fingertips."""
        names = [joint.name for joint in JOINTS if joint.name.startswith(f"{side}_") and not joint.name.startswith(_LEG[side])]
        return np.concatenate([np.arange(self.model.nv)[self.columns(name)] for name in names])

    def positions(self, joint: str) -> slice:
        """Return the rows of one joint in a configuration vector."""
        entry = self.model.joints[self.model.getJointId(joint)]
        return slice(entry.idx_q, entry.idx_q + entry.nq)

    def _placements(self) -> tuple[FloatArray, FloatArray]:
        poses = self.data.oMi
        rotations = np.array([poses[i].rotation for i in range(1, self.model.njoints)])
        translations = np.array([poses[i].translation for i in range(1, self.model.njoints)])
        return rotations, translations

    def kinematics(self, q: FloatArray, *, by_bones: bool = False) -> Kinematics:
        """Return landmark positions and their Jacobians at configuration ``q`` (nq,)."""
        layout = _layout()
        pin.computeJointJacobians(self.model, self.data, q)
        rotations, translations = self._placements()
        carrier = layout.landmark_joint
        points = translations[carrier] + np.einsum("nij,nj->ni", rotations[carrier], self._landmark_offsets)
        linear, angular = self.data.J[:3], self.data.J[3:]
        # A spatial velocity (v at the world's origin, w) moves point p by v + w x p.
        jacobian = np.empty((len(points), 3, self.nv))
        x, y, z = points[:, 0, None], points[:, 1, None], points[:, 2, None]
        jacobian[:, 0] = linear[0] + angular[1] * z - angular[2] * y
        jacobian[:, 1] = linear[1] + angular[2] * x - angular[0] * z
        jacobian[:, 2] = linear[2] + angular[0] * y - angular[1] * x
        jacobian *= self._support[:, None, :]
        bone_jacobian = None
        if by_bones:
            moved = np.einsum("jab,jbk->jak", rotations[layout.parent], layout.joint_offsets)
            moved[0] = 0.0
            bone_jacobian = np.einsum("nj,jak->nak", layout.ancestors[carrier].astype(float), moved)
            bone_jacobian += np.einsum("nab,nbk->nak", rotations[carrier], layout.landmark_offsets)
        return Kinematics(points, jacobian, bone_jacobian)

    def landmarks(self, q: FloatArray) -> FloatArray:
        """Return the 75 landmarks (75, 3) m at configuration ``q``."""
        pin.forwardKinematics(self.model, self.data, q)
        rotations, translations = self._placements()
        carrier = _layout().landmark_joint
        points: FloatArray = translations[carrier] + np.einsum("nij,nj->ni", rotations[carrier], self._landmark_offsets)
        return points

    def link_poses(self, q: FloatArray) -> FloatArray:
        """Return T_world_link (L, 4, 4) of ``LINKS`` at configuration ``q``."""
        pin.forwardKinematics(self.model, self.data, q)
        rotations, translations = self._placements()
        rows = _layout().link_joint
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
