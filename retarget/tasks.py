"""All tasks at once: residuals and analytic Jacobians, assembled from Pinocchio's joint Jacobians once a step.

Residuals (3 rows a task), by kind:

- position: ``p - p*`` (m, world)
- relative_position: ``R_o' (p - p_of) - d*`` (m, axes of the origin link o)
- direction: ``u - u*`` with ``u = (p - p_o) / |p - p_o|`` (for small errors the angle in rad)
- axis: ``R a - a*`` (the same)
- orientation: ``log(R R*')`` (rad, world axes)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from bodydouble.retarget.mapping import TaskEntry
from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]


class TaskStack:
    """The tasks of one robot as one residual vector. Holds Pinocchio's work space: one a thread."""

    def __init__(self, robot: Robot, tasks: tuple[TaskEntry, ...]) -> None:
        self.robot, self.tasks = robot, tasks
        self.model = robot.model
        self.data: Any = robot.model.createData()
        self.names = tuple(task.name for task in tasks)
        links = sorted({name for task in tasks for name in (task.robot, task.origin, task.of) if name is not None})
        self._frame_ids = [robot.frame_id(name) for name in links]
        row = {name: i for i, name in enumerate(links)}
        self._support = np.stack([self._columns_that_move(i) for i in self._frame_ids])[:, None, :].astype(np.float64)

        def pick(kind: str) -> IndexArray:
            return np.array([k for k, task in enumerate(tasks) if task.kind == kind], dtype=np.intp)

        def rows(which: IndexArray, name: str) -> IndexArray:
            return np.array([row[getattr(tasks[k], name) or tasks[k].origin or tasks[k].robot] for k in which], dtype=np.intp)

        self.position, self.relative, self.direction = pick("position"), pick("relative_position"), pick("direction")
        self.axis, self.orientation = pick("axis"), pick("orientation")
        self._position_at = rows(self.position, "robot")
        self._relative_at, self._relative_in, self._relative_of = (rows(self.relative, n) for n in ("robot", "origin", "of"))
        self._direction_at, self._direction_from = rows(self.direction, "robot"), rows(self.direction, "origin")
        self._axis_at, self._orientation_at = rows(self.axis, "robot"), rows(self.orientation, "robot")
        self._axes = np.array([np.array(tasks[k].axis) / np.linalg.norm(tasks[k].axis) for k in self.axis]).reshape(-1, 3)

    def _columns_that_move(self, frame: int) -> npt.NDArray[np.bool_]:
        moves = np.zeros(self.model.nv, dtype=bool)
        joint = self.model.frames[frame].parentJoint
        while joint:
            entry = self.model.joints[joint]
            moves[entry.idx_v : entry.idx_v + entry.nv] = True
            joint = self.model.parents[joint]
        return moves

    def stacked(self, values: tuple[FloatArray, ...], frame: int) -> tuple[FloatArray, FloatArray]:
        """Return one frame's targets as vectors (K, 3) and rotations (K, 3, 3); each task uses one of the two."""
        vectors, rotations = np.zeros((len(self.tasks), 3)), np.tile(np.eye(3), (len(self.tasks), 1, 1))
        for k, value in enumerate(values):
            (vectors if value.ndim == 2 else rotations)[k] = value[frame]
        return vectors, rotations

    def residuals(self, q: FloatArray, targets: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Return the residuals (K, 3) at configuration ``q`` (nq,); NaN where the target is."""
        pin.framesForwardKinematics(self.model, self.data, q)
        places, turns = self._placements()
        return self._residuals(places, turns, targets)

    def linearise(self, q: FloatArray, targets: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Return the residuals (K, 3) and their Jacobian (K, 3, nv) by the tangent of ``q`` (Pinocchio's: base twist in the base's own frame)."""
        pin.computeJointJacobians(self.model, self.data, q)
        pin.updateFramePlacements(self.model, self.data)
        places, turns = self._placements()
        residual = self._residuals(places, turns, targets)
        linear, angular = self.data.J[:3], self.data.J[3:]
        # data.J holds spatial velocities (v at the world's origin, w): a point p moves by v + w x p.
        x, y, z = places[:, 0, None], places[:, 1, None], places[:, 2, None]
        moves = np.empty((len(places), 3, self.model.nv))
        moves[:, 0] = linear[0] + angular[1] * z - angular[2] * y
        moves[:, 1] = linear[1] + angular[2] * x - angular[0] * z
        moves[:, 2] = linear[2] + angular[0] * y - angular[1] * x
        moves *= self._support

        jacobian = np.empty((len(self.tasks), 3, self.model.nv))
        jacobian[self.position] = moves[self._position_at]
        if len(self.relative):
            o = self._relative_in
            d = places[self._relative_at] - places[self._relative_of]
            # d/dt R'd = R'(d' - w x d)
            swing = moves[self._relative_at] - moves[self._relative_of] + _skew(d) @ (angular * self._support[o])
            jacobian[self.relative] = turns[o].transpose(0, 2, 1) @ swing
        if len(self.direction):
            d = places[self._direction_at] - places[self._direction_from]
            length = np.linalg.norm(d, axis=1)[:, None, None]
            u = d[:, :, None] / length
            across = (np.eye(3) - u @ u.transpose(0, 2, 1)) / length
            jacobian[self.direction] = across @ (moves[self._direction_at] - moves[self._direction_from])
        if len(self.axis):
            a = np.einsum("nij,nj->ni", turns[self._axis_at], self._axes)
            jacobian[self.axis] = -_skew(a) @ (angular * self._support[self._axis_at])
        if len(self.orientation):
            spin = angular * self._support[self._orientation_at]
            jacobian[self.orientation] = _inverse_left_jacobian(residual[self.orientation]) @ spin
        return residual, jacobian

    def errors(self, residuals: FloatArray) -> FloatArray:
        """Return each task's error (K,) in m or rad."""
        norms: FloatArray = np.linalg.norm(residuals, axis=1)
        for kind in (self.direction, self.axis):
            norms[kind] = 2.0 * np.arcsin(np.clip(norms[kind] / 2.0, 0.0, 1.0))
        return norms

    def _placements(self) -> tuple[FloatArray, FloatArray]:
        poses = self.data.oMf
        chosen = [poses[i] for i in self._frame_ids]
        return np.array([pose.translation for pose in chosen]), np.array([pose.rotation for pose in chosen])

    def _residuals(self, places: FloatArray, turns: FloatArray, targets: tuple[FloatArray, FloatArray]) -> FloatArray:
        vectors, rotations = targets
        residual = np.empty((len(self.tasks), 3))
        residual[self.position] = places[self._position_at] - vectors[self.position]
        if len(self.relative):
            d = places[self._relative_at] - places[self._relative_of]
            residual[self.relative] = np.einsum("nji,nj->ni", turns[self._relative_in], d) - vectors[self.relative]
        if len(self.direction):
            d = places[self._direction_at] - places[self._direction_from]
            residual[self.direction] = d / np.linalg.norm(d, axis=1, keepdims=True) - vectors[self.direction]
        if len(self.axis):
            residual[self.axis] = np.einsum("nij,nj->ni", turns[self._axis_at], self._axes) - vectors[self.axis]
        if len(self.orientation):
            residual[self.orientation] = rotation_vectors(turns[self._orientation_at] @ rotations[self.orientation].transpose(0, 2, 1))
        return residual


def rotation_vectors(R: FloatArray) -> FloatArray:
    """Return the rotation vectors (N, 3) rad, |v| <= pi, of rotation matrices (N, 3, 3)."""
    axis = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], axis=1)
    sine = np.linalg.norm(axis, axis=1) / 2.0
    cosine = (np.trace(R, axis1=1, axis2=2) - 1.0) / 2.0
    angle = np.arctan2(sine, cosine)
    vectors = axis / 2.0 * np.where(sine > 1e-8, angle / np.where(sine > 1e-8, sine, 1.0), 1.0)[:, None]
    for n in np.flatnonzero(cosine < -0.999):  # near a half turn the antisymmetric part vanishes
        vectors[n] = pin.log3(R[n])
    return vectors


def _skew(v: FloatArray) -> FloatArray:
    zero = np.zeros(len(v))
    return np.stack([zero, -v[:, 2], v[:, 1], v[:, 2], zero, -v[:, 0], -v[:, 1], v[:, 0], zero], axis=1).reshape(-1, 3, 3)


def _inverse_left_jacobian(v: FloatArray) -> FloatArray:
    """Return the matrices (N, 3, 3) that carry a world angular velocity to the rate of the rotation vector (Chirikjian 2012, 10.86)."""
    angle = np.linalg.norm(v, axis=1)
    half = angle / 2.0
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    factor = np.where(small, 1.0 / 12.0, (1.0 - half / np.tan(np.where(small, 0.5, half))) / safe**2)
    K = _skew(v)
    return np.eye(3) - 0.5 * K + factor[:, None, None] * (K @ K)
