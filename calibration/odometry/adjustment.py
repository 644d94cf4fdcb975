"""Adjust the poses of keyframes and the points that they see, all together: bundle adjustment with the points eliminated (Schur complement).

A point is seen by keyframes that follow each other, so the reduced equations are banded and their cost is linear in time. Source: Triggs et al.,
"Bundle adjustment: a modern synthesis", 2000; covariances by the block recursion of Rauch, Tung and Striebel on the factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.bearings import Points, residuals
from bodydouble.calibration.odometry.body_pose import AGREES, weight_of
from bodydouble.calibration.odometry.sights import Views
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_HELD = (1e-6, 1e-6)
"""rad, m: how firmly keyframes that shall not move are held."""
_DAMPING = 1e-4
_FAR = 1e-3
"""1/m: prior of inverse distances that nothing tells, so that no equation is singular."""


@dataclass(frozen=True)
class Adjusted:
    """K keyframes and P points after an adjustment."""

    T: FloatArray
    """(K, 4, 4)"""
    points: Points
    square: FloatArray
    """(N,) squared residuals in sigma."""
    covariance: FloatArray
    """(K, 6, 6) of the poses as in ``BodyMotion``, against those that were held; (0, 6, 6) unless asked for."""


def adjust(
    T: FloatArray, points: Points, views: Views, keyframe: IntArray, point: IntArray, sigma_rad: FloatArray, *, held: int, steps: int = 4,
    covariance: bool = False,
) -> Adjusted:  # fmt: skip
    """Return keyframes (K, 4, 4) and P points adjusted to N sights of ``point`` (N,) from ``keyframe`` (N,); the first ``held`` keyframes stay.

    Outliers lose their weight (Geman and McClure). A step that makes the sum worse is not made.
    """
    order = np.lexsort((keyframe, point))
    views, keyframe, point, sigma_rad = views.take(order), keyframe[order], point[order], sigma_rad[order]
    damping = _DAMPING
    equations = _Equations.of(T, points, views, keyframe, point, sigma_rad, held)
    for _ in range(steps):
        pose_step, point_step = equations.solve(damping)
        new_T = pose_from(T[:, :3, :3] @ rotation.exp(pose_step[:, :3]), T[:, :3, 3] + pose_step[:, 3:])
        new_points = points.moved(point_step)
        following = _Equations.of(new_T, new_points, views, keyframe, point, sigma_rad, held)
        if not following.cost < equations.cost:
            damping *= 30
            continue
        gained = equations.cost - following.cost
        T, points, damping = new_T, new_points, max(damping / 5, 1e-9)
        equations = following
        if gained < 1e-4 * following.cost:
            break
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    sigma = np.sqrt(np.maximum(np.linalg.inv(equations.point_point)[:, 2, 2], 0.0)) if len(points.inverse_m) else points.sigma
    return Adjusted(T, Points(points.origin, points.direction, points.inverse_m, sigma), equations.square[back],
                    equations.pose_covariance() if covariance else np.zeros((0, 6, 6)))  # fmt: skip


@dataclass(frozen=True)
class _Equations:
    """Normal equations of K poses and P points."""

    cost: float
    square: FloatArray
    pose_pose: FloatArray
    """(K, 6, 6)"""
    pose_gradient: FloatArray
    point_point: FloatArray
    """(P, 3, 3)"""
    point_gradient: FloatArray
    coupling: list[tuple[int, int, IntArray, FloatArray]]
    """Points (n,) that are first seen at a keyframe and how many keyframes on they are seen at most, with their coupling (n, 6 * span, 3)."""
    width: int
    """Most keyframes that one point spans."""

    @classmethod
    def of(
        cls, T: FloatArray, points: Points, views: Views, keyframe: IntArray, point: IntArray, sigma_rad: FloatArray, held: int
    ) -> _Equations:
        """Linearise; rows are in the order of points, then keyframes."""
        K, P = len(T), len(points.inverse_m)
        found = residuals(T[keyframe, :3, :3], T[keyframe, :3, 3], views, points.take(point), by_points=True)
        value = found.value / sigma_rad[:, None]
        square = np.einsum("nk,nk->n", value, value)
        root = np.sqrt(weight_of(square)) / sigma_rad
        by_pose, by_point = found.by_pose * root[:, None, None], found.by_point * root[:, None, None]
        weighted = found.value * root[:, None]
        pose_pose = _sum(np.swapaxes(by_pose, 1, 2) @ by_pose, keyframe, K)
        point_point = _sum(np.swapaxes(by_point, 1, 2) @ by_point, point, P)
        point_point[:, 2, 2] += _FAR**2
        point_point[:, [0, 1], [0, 1]] += 1.0
        pose_pose[:held] += np.diag(np.repeat(1 / np.square(_HELD), 3))
        pose_pose += 1e-3 * np.eye(6)
        cross = np.swapaxes(by_pose, 1, 2) @ by_point
        first, last = np.full(P, K), np.full(P, -1)
        np.minimum.at(first, point, keyframe)
        np.maximum.at(last, point, keyframe)
        span = np.maximum(last - first + 1, 1)
        coupling = []
        rank = np.empty(P, dtype=np.int64)
        for start in np.unique(first[first < K]):
            members = np.flatnonzero(first == start)
            rank[members] = np.arange(len(members))
            rows = np.flatnonzero(first[point] == start)
            width = int(span[members].max())
            block = np.zeros((len(members), width, 6, 3))
            np.add.at(block, (rank[point[rows]], keyframe[rows] - start), cross[rows])
            coupling.append((int(start), width, members, block.reshape(len(members), 6 * width, 3)))
        cost = float((square / (1 + square / AGREES**2)).sum())
        return cls(
            cost, square, pose_pose, _sum(np.einsum("nki,nk->ni", by_pose, weighted), keyframe, K), point_point,
            _sum(np.einsum("nki,nk->ni", by_point, weighted), point, P), coupling, int(span.max(initial=1)),
        )  # fmt: skip

    def _reduced(self, damping: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the equations of the poses alone in LAPACK's lower banded form (6 * width, 6 * K), (6 * K,), and the inverses (P, 3, 3)."""
        K = len(self.pose_pose)
        band = np.zeros((6 * self.width, 6 * K))
        gradient = self.pose_gradient.reshape(-1).copy()
        damped = self.point_point.copy()
        damped[:, range(3), range(3)] *= 1 + damping
        inverse = np.asarray(np.linalg.inv(damped), dtype=np.float64)
        diagonal = self.pose_pose.copy()
        diagonal[:, range(6), range(6)] *= 1 + damping
        for below in range(6):
            for column in range(6 - below):
                band[below, column::6] += diagonal[:, column + below, column]
        root = np.linalg.cholesky(inverse)
        for start, width, members, W in self.coupling:
            Z = (W @ root[members]).transpose(1, 0, 2).reshape(6 * width, -1)
            block = Z @ Z.T
            for below in range(6 * width):
                band[below, 6 * start : 6 * (start + width) - below] -= np.diagonal(block, -below)
            eliminated = np.einsum("pij,pj->pi", inverse[members], self.point_gradient[members])
            gradient[6 * start : 6 * (start + width)] -= np.einsum("pij,pj->i", W, eliminated)
        return band, gradient, inverse

    def solve(self, damping: float) -> tuple[FloatArray, FloatArray]:
        """Return steps (K, 6) and (P, 3); zero where the equations cannot be solved."""
        from scipy.linalg import LinAlgError, solveh_banded

        band, gradient, inverse = self._reduced(damping)
        try:
            step = -solveh_banded(band, gradient, lower=True, check_finite=True)
        except (LinAlgError, ValueError):
            return np.zeros_like(self.pose_gradient), np.zeros_like(self.point_gradient)
        right = self.point_gradient.copy()
        for start, width, members, W in self.coupling:
            right[members] += np.einsum("pij,i->pj", W, step[6 * start : 6 * (start + width)])
        return step.reshape(-1, 6), -np.einsum("pij,pj->pi", inverse, right)

    def pose_covariance(self) -> FloatArray:
        """Return (K, 6, 6) the diagonal blocks of the inverse, from the last block back to the first."""
        band, _, _ = self._reduced(0.0)
        K, size = len(self.pose_pose), 6 * self.width
        blocks = -(-6 * K // size)
        whole = np.zeros((size, blocks * size))
        whole[:, : 6 * K] = band
        whole[0, 6 * K :] = 1.0
        diagonal, below = np.zeros((blocks, size, size)), np.zeros((blocks, size, size))
        for offset in range(size):
            column = np.arange(size)
            values = whole[offset].reshape(blocks, size)
            inside = column + offset < size
            diagonal[:, (column + offset)[inside], column[inside]] = values[:, inside]
            below[:, (column + offset - size)[~inside], column[~inside]] = values[:, ~inside]
        diagonal += np.tril(diagonal, -1).swapaxes(1, 2)
        gains, reduced = [], [diagonal[0]]
        for b in range(blocks - 1):
            gain = np.linalg.solve(reduced[b], below[b].T).T  # eliminates block b from block b + 1
            gains.append(gain)
            reduced.append(diagonal[b + 1] - gain @ below[b].T)
        covariance = np.linalg.inv(reduced[-1])
        found = [covariance]
        for b in range(blocks - 2, -1, -1):
            covariance = np.linalg.inv(reduced[b]) + gains[b].T @ covariance @ gains[b]
            found.append(covariance)
        all_blocks = np.stack(found[::-1]).reshape(blocks, self.width, 6, self.width, 6)
        own = np.einsum("bkikj->bkij", all_blocks).reshape(-1, 6, 6)
        return np.asarray(own[:K])


def _sum(values: FloatArray, number: IntArray, count: int) -> FloatArray:
    """Return the sums (count, ...) of values (N, ...) by their number (N,)."""
    flat = values.reshape(len(values), -1)
    result = (
        np.stack([np.bincount(number, column, minlength=count) for column in flat.T], axis=1)
        if len(flat)
        else np.zeros((count, flat.shape[1]))
    )
    return np.asarray(result.reshape(count, *values.shape[1:]))
