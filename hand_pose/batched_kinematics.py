"""Forward kinematics of many configurations at once, and the normal equations of whatever pulls on the landmarks, without forming Jacobians.

The velocity of a landmark p on a chain of joints with spatial columns (v_k, w_k) is the sum of v_k + w_k x p, so its information W (3x3) is the
spatial information G^T W G with G = [1, -[p]x], and that of a subtree is the sum over its landmarks: the composite-rigid-body algorithm
(Featherstone 2008, "Rigid Body Dynamics Algorithms", ch. 6) with information in the place of inertia. A frame of 75 landmarks and 90 degrees of
freedom costs a hundredth of J^T W J. Pinocchio's model of the same tree is what the tests compare with.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose import tangent
from bodydouble.hand_pose.human import LINKS, Human, layout
from bodydouble.hand_pose.skeleton import JOINTS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

FREE_V = 6


@functools.cache
def topology() -> Topology:
    """Return what is the same for every person."""
    return Topology()


class Topology:
    """Indices of the tree: rows of the joint table (0 is the pelvis), their places in configurations and tangents, what carries what."""

    def __init__(self) -> None:
        maps = layout()
        self.joints = len(JOINTS) + 1
        ball = [joint.name for joint in JOINTS if joint.axis is None]
        hinge = [joint.name for joint in JOINTS if joint.axis is not None]
        self.nq, self.nv = maps.nq, maps.nv
        self.ball, self.hinge = (np.array([maps.row[name] for name in names]) for names in (ball, hinge))
        self.ball_q = np.array([range(maps.positions[name].start, maps.positions[name].stop) for name in ball])
        self.ball_v = np.array([range(maps.columns[name].start, maps.columns[name].stop) for name in ball])
        self.hinge_q = np.array([maps.positions[name].start for name in hinge])
        self.hinge_v = np.array([maps.columns[name].start for name in hinge])
        axis = np.array([joint.axis for joint in JOINTS if joint.axis is not None], dtype=np.float64)
        self.axis = axis
        skew = np.zeros((len(axis), 3, 3))
        skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
        skew = skew - np.swapaxes(skew, 1, 2)
        # [hinge, 3, 9]: what sin, 1 - cos and 1 multiply in Rodrigues' formula.
        self.rodrigues = np.stack([skew, skew @ skew, np.broadcast_to(np.eye(3), skew.shape)], axis=1).reshape(-1, 3, 9)
        self.parent = maps.parent
        depth = np.zeros(self.joints, dtype=int)
        for row in range(1, self.joints):
            depth[row] = depth[self.parent[row]] + 1
        self.levels = [np.flatnonzero(depth == level) for level in range(1, depth.max() + 1)]
        self.carrier = maps.landmark_joint
        self.column_joint = column = maps.column_joint
        # [column, landmark]: the landmark moves with the column.
        self.moves = maps.support.T
        self.subtree = maps.ancestors[self.carrier].T.astype(np.float64)  # [joint, landmark]
        above = maps.ancestors[np.ix_(column, np.arange(self.joints))][:, column].T  # [k, l]: k's joint is l's or an ancestor of it
        same = column[:, None] == column[None]
        # A joint has a row after its ancestors', so all of this is on the diagonal or above it, but for joints of several columns.
        self.above_or_same = np.triu(above | same).astype(np.float64)


@dataclass(frozen=True)
class BatchedKinematics:
    """Where everything is in F configurations. Places are relative to each frame's ``centre``, so that a far origin costs no digits."""

    human: Human
    centre: FloatArray
    """(F, 3) m, the pelvis in the world."""
    rotations: FloatArray
    """(F, J, 3, 3) R_world_joint."""
    places: FloatArray
    """(F, J, 3) m, joints relative to ``centre``."""

    @classmethod
    def of(cls, human: Human, q: FloatArray) -> BatchedKinematics:
        """Compute configurations (F, nq)."""
        tree, frames = topology(), len(q)
        # [joint, frame]: what belongs to a level of the tree is on end, and each joint's own move is a rotation beside a shift, 3x4.
        move = np.empty((tree.joints, frames, 3, 4))
        angle = q[:, tree.hinge_q].T
        share = np.stack([np.sin(angle), 1.0 - np.cos(angle), np.ones_like(angle)], axis=-1)
        move[tree.hinge, :, :, :3] = np.matmul(share, tree.rodrigues).reshape(len(tree.hinge), frames, 3, 3)
        move[tree.ball, :, :, :3] = np.swapaxes(tangent.matrices(q[:, tree.ball_q]), 0, 1)
        move[..., 3] = human.joint_places[:, None]
        move[0, :, :, :3], move[0, :, :, 3] = tangent.matrices(q[:, 3:7]), 0.0
        for level in tree.levels:
            above = move[tree.parent[level]]
            moved = np.matmul(above[..., :3], move[level])
            moved[..., 3] += above[..., 3]
            move[level] = moved
        by_frame = np.swapaxes(move, 0, 1)
        return cls(human, q[:, :3], np.ascontiguousarray(by_frame[..., :3]), np.ascontiguousarray(by_frame[..., 3]))

    @functools.cached_property
    def _anatomical(self) -> FloatArray:
        return self._carried(self.human.landmark_offsets)

    @functools.cached_property
    def _detected(self) -> FloatArray:
        return self._carried(self.human.detected_offsets)

    def _carried(self, offsets: FloatArray) -> FloatArray:
        carrier = topology().carrier
        return np.asarray(self.places[:, carrier] + np.matmul(self.rotations[:, carrier], offsets[..., None])[..., 0])

    @property
    def landmarks(self) -> FloatArray:
        """(F, 75, 3) m in the world, anatomical."""
        return self._anatomical + self.centre[:, None]

    @property
    def detected(self) -> FloatArray:
        """(F, 75, 3) m in the world, the points that a detector marks."""
        return self._detected + self.centre[:, None]

    @property
    def link_poses(self) -> FloatArray:
        """(F, L, 4, 4) T_world_link of ``LINKS``."""
        rows = layout().link_joint
        poses = np.zeros((len(self.centre), len(LINKS), 4, 4))
        poses[..., :3, :3], poses[..., :3, 3], poses[..., 3, 3] = self.rotations[:, rows], self.places[:, rows] + self.centre[:, None], 1.0
        return poses

    @functools.cached_property
    def columns(self) -> FloatArray:
        """(F, nv, 6) spatial columns about ``centre``: linear part, angular part."""
        tree = topology()
        found = np.zeros((len(self.centre), tree.nv, 6))
        pelvis = np.swapaxes(self.rotations[:, 0], 1, 2)
        found[:, :3, :3], found[:, 3:6, 3:] = pelvis, pelvis
        found[:, tree.hinge_v, 3:] = np.matmul(self.rotations[:, tree.hinge], tree.axis[..., None])[..., 0]
        found[:, tree.ball_v, 3:] = np.swapaxes(self.rotations[:, tree.ball], 2, 3)
        place, turn = self.places[:, tree.column_joint[FREE_V:]], found[:, FREE_V:, 3:]
        found[:, FREE_V:, :3] = tangent.cross(place, turn)
        return found

    def jacobian(self, landmarks: IntArray | None = None, *, detected: bool = False) -> FloatArray:
        """Return (F, N, 3, nv) by the tangent of some landmarks, by default all 75."""
        chosen = np.arange(75) if landmarks is None else landmarks
        points = (self._detected if detected else self._anatomical)[:, chosen]
        linear, angular = self.columns[..., :3], self.columns[..., 3:]
        found = linear[:, None] + tangent.cross(
            np.broadcast_to(angular[:, None], (*points.shape[:2], *angular.shape[1:])), points[:, :, None]
        )
        return np.swapaxes(found * topology().moves.T[chosen][..., None], 2, 3)

    def jacobian_along(self, direction: FloatArray) -> FloatArray:
        """Return (F, 75, nv), how far each detected point goes along one direction (3,)."""
        points = self._detected
        wrench = np.concatenate([np.broadcast_to(direction, points.shape), tangent.cross(points, direction)], axis=-1)
        return np.asarray(np.matmul(wrench, np.swapaxes(self.columns, 1, 2)) * topology().moves.T)

    def bone_jacobian(self, *, detected: bool = False) -> FloatArray:
        """Return (F, 75, 3, B) by the bone lengths."""
        tree, maps = topology(), layout()
        moved = np.matmul(self.rotations[:, tree.parent], maps.joint_offsets)
        moved[:, 0] = 0.0
        bones = moved.shape[-1]
        ancestors = maps.ancestors[tree.carrier].astype(np.float64)
        found = np.matmul(ancestors, moved.reshape(len(moved), tree.joints, 3 * bones)).reshape(len(moved), 75, 3, bones)
        offsets = maps.landmark_offsets + (self.human.detected_map if detected else 0.0)
        return np.asarray(found + np.matmul(self.rotations[:, tree.carrier], offsets))

    def normal_equations(self, information: FloatArray, pull: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (F, nv, nv) and (F, nv) of information (F, 75, 3, 3) and gradient (F, 75, 3) on the detected points.

        Of the symmetric matrices only the diagonal and what is above it is filled in, as ``symmetric`` undoes.
        """
        tree, frames = topology(), len(self.centre)
        there = np.any(np.einsum("fnii->fn", information), axis=0)
        used = slice(None) if there.all() else np.flatnonzero(there)
        points, W, pull = self._detected[:, used], information[:, used], pull[:, used]
        subtree = tree.subtree[:, used]
        spatial = np.empty((*points.shape[:2], 6, 6))
        arm = tangent.cross(points[..., None, :], W)  # rows of W are its columns; arm[..., j, :] = p x W[:, j]
        spatial[..., :3, :3], spatial[..., :3, 3:] = W, arm
        spatial[..., 3:, :3] = np.swapaxes(arm, 2, 3)
        spatial[..., 3:, 3:] = tangent.cross(points[..., None, :], np.swapaxes(arm, 2, 3))
        composite = np.matmul(subtree, spatial.reshape(frames, -1, 36)).reshape(frames, tree.joints, 6, 6)
        columns = self.columns
        force = np.matmul(composite[:, tree.column_joint], columns[..., None])[..., 0]
        hessian = np.matmul(columns, np.swapaxes(force, 1, 2))
        hessian *= tree.above_or_same
        wrench = np.concatenate([pull, tangent.cross(points, pull)], axis=-1)
        total = np.matmul(subtree, wrench)
        return hessian, np.sum(columns * total[:, tree.column_joint], axis=-1)


def symmetric(upper: FloatArray) -> FloatArray:
    """Return symmetric matrices (F, n, n) of which only the diagonal and what is above it is given; what is below it is not read."""
    filled = np.triu(upper)
    return np.asarray(filled + np.swapaxes(np.triu(upper, 1), 1, 2))


def from_rest(q: FloatArray) -> FloatArray:
    """Return the tangents (F, nv) that carry the rest pose to configurations (F, nq), but for the pelvis, whose part is 0."""
    tree = topology()
    step = np.zeros((len(q), tree.nv))
    step[:, tree.hinge_v] = q[:, tree.hinge_q]
    step[:, tree.ball_v] = tangent.log3(q[:, tree.ball_q])
    return step


def integrate(q: FloatArray, step: FloatArray) -> FloatArray:
    """Return configurations (F, nq) moved by tangents (F, nv), as ``Human.integrate`` does one by one."""
    tree = topology()
    moved = q.copy()
    moved[:, tree.hinge_q] += step[:, tree.hinge_v]
    moved[:, tree.ball_q] = tangent.product(q[:, tree.ball_q], tangent.exp3(step[:, tree.ball_v]))
    shift, turn = tangent.exp6(step[:, :FREE_V])
    moved[:, :3] += tangent.rotated(q[:, 3:7], shift)
    moved[:, 3:7] = tangent.product(q[:, 3:7], turn)
    return moved


def difference(q0: FloatArray, q1: FloatArray) -> FloatArray:
    """Return the tangents (F, nv) that carry configurations ``q0`` (F, nq) to ``q1``."""
    tree = topology()
    q0, q1 = np.broadcast_arrays(q0, q1)
    step = np.empty((len(q1), tree.nv))
    step[:, tree.hinge_v] = q1[:, tree.hinge_q] - q0[:, tree.hinge_q]
    step[:, tree.ball_v] = tangent.log3(tangent.product(tangent.conjugate(q0[:, tree.ball_q]), q1[:, tree.ball_q]))
    back = tangent.conjugate(q0[:, 3:7])
    step[:, :FREE_V] = tangent.log6(tangent.rotated(back, q1[:, :3] - q0[:, :3]), tangent.product(back, q1[:, 3:7]))
    return step
