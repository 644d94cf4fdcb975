"""Inverse kinematics of many frames, each by itself: the tree's pose that every camera's rays agree on most, within what joints can do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics, difference, from_rest, integrate
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.observations import Observations, Selected
from bodydouble.hand_pose.skeleton import JOINTS
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

LIMIT_SIGMA = 0.02
"""rad beyond a joint's range that costs as much as one sigma of a landmark."""
REST_WEIGHT = 0.05
"""Weight of the rest pose against one landmark: decides only what the images leave open."""
PELVIS_SIGMA = 1e3
"""The pelvis has no rest pose."""
LONGEST_STEP = 0.7
"""rad or m that one step may move a joint."""
DRIFT_SIGMA = 3.0
"""rad/s (m/s for the pelvis): how far a frame's pose may be from those beside it, for each second between."""
CONVERGED = 1e-3
"""A frame is done with when a step lowers its cost by less than this share."""
BLOCK = 48
"""Frames worked on at a time, so that their matrices stay in the processor's cache."""


@dataclass(frozen=True)
class PosePrior:
    """What is known of a pose before looking: ranges and the rest pose."""

    lower: FloatArray
    """(nv,) rad, -inf where unlimited."""
    upper: FloatArray
    rest_information: FloatArray
    """(nv,) one over sigma squared of the distance from the rest pose."""

    @classmethod
    def of(cls, human: Human) -> PosePrior:
        """Collect the ranges and rest spreads of the skeleton table."""
        lower, upper = np.full(human.nv, -np.inf), np.full(human.nv, np.inf)
        rest = np.full(human.nv, REST_WEIGHT / PELVIS_SIGMA**2)
        for joint in JOINTS:
            columns = human.columns(joint.name)
            rest[columns] = REST_WEIGHT / joint.rest_sigma**2
            if joint.axis is not None:
                lower[columns], upper[columns] = joint.lower, joint.upper
        return cls(lower, upper, rest)

    def pull(self, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return diagonal information (F, nv), gradient (F, nv) and cost (F,) of configurations ``q`` (F, nq)."""
        away = from_rest(q)
        beyond = np.maximum(away - self.upper, 0.0) + np.minimum(away - self.lower, 0.0)
        information = self.rest_information + np.where(beyond != 0.0, 1.0 / LIMIT_SIGMA**2, 0.0)
        gradient = self.rest_information * away + beyond / LIMIT_SIGMA**2
        cost = np.sum(self.rest_information * away**2 + (beyond / LIMIT_SIGMA) ** 2, axis=1)
        return information, gradient, cost


@dataclass(frozen=True)
class Expected:
    """Poses to stay near, of F frames."""

    poses: FloatArray
    """(F, nq)."""
    information: FloatArray
    """(F, nv) one over sigma squared."""

    @classmethod
    def near(cls, poses: FloatArray, away_s: FloatArray, nv: int) -> Expected:
        """Expect poses (F, nq) that are ``away_s`` (F,) seconds away in time."""
        return cls(poses, np.repeat((DRIFT_SIGMA * np.maximum(away_s, 1e-3))[:, None] ** -2.0, nv, axis=1))

    def add(self, q: FloatArray, normal: Linearisation) -> Linearisation:
        """Add the pull on configurations ``q`` (F, nq) to their normal equations, whose hessian is changed in place."""
        away = difference(self.poses, q)
        diagonal = np.arange(away.shape[1])
        normal.hessian[:, diagonal, diagonal] += self.information
        return Linearisation(
            normal.hessian, normal.gradient + self.information * away, normal.cost + np.sum(self.information * away**2, axis=1)
        )

    def cost(self, q: FloatArray) -> FloatArray:
        """Return what configurations ``q`` (F, nq) cost, (F,)."""
        return np.asarray(np.sum(self.information * difference(self.poses, q) ** 2, axis=1))

    def select(self, rows: IntArray | slice) -> Expected:
        """Return those of some frames."""
        return Expected(self.poses[rows], self.information[rows])


@dataclass(frozen=True)
class Linearisation:
    """F frames' normal equations at their configurations: H step = -gradient."""

    hessian: FloatArray
    """(F, nv, nv), of which only the diagonal and what is above it is filled in: LAPACK reads no more."""
    gradient: FloatArray
    """(F, nv)."""
    cost: FloatArray
    """(F,)."""


def linearise(
    human: Human, q: FloatArray, seen: Selected, prior: PosePrior, *, widen: float = 1.0, assume: bool = True,
    here: BatchedKinematics | None = None,
) -> Linearisation:  # fmt: skip
    """Return the normal equations of configurations ``q`` (F, nq); without ``assume`` those that know nothing of how people stand.

    ``here`` saves computing the kinematics where they are known.
    """
    here = here or BatchedKinematics.of(human, q)
    information, pull, cost = seen.pull(here.detected, widen=widen)
    hessian, gradient = here.normal_equations(information, pull)
    for part in (seen.depth, seen.posture if assume else None):
        if part is not None:
            more = part.pull(here)
            hessian += more[0]
            gradient += more[1]
            cost = cost + more[2]
    prior_information, prior_gradient, prior_cost = prior.pull(q)
    if not assume:  # a knee that is as straight as knees go was not seen to be
        prior_information = np.broadcast_to(prior.rest_information, prior_information.shape)
    diagonal = np.arange(human.nv)
    hessian[:, diagonal, diagonal] += prior_information
    return Linearisation(hessian, gradient + prior_gradient, cost + prior_cost)


def cost_of(human: Human, q: FloatArray, seen: Selected, prior: PosePrior, *, widen: float = 1.0) -> FloatArray:
    """Return the cost (F,) alone that ``linearise`` would find."""
    here = BatchedKinematics.of(human, q)
    cost = seen.cost(here.detected, widen=widen) + prior.pull(q)[2]
    for part in (seen.depth, seen.posture):
        if part is not None:
            cost = cost + part.pull(here)[2]
    return np.asarray(cost)


def fit_poses(
    human: Human, start: FloatArray, observations: Observations, frames: IntArray, *,
    widen: tuple[float, ...] = (1.0,), iterations: int = 8, expected: Expected | None = None, report: Progress = silent,
) -> FloatArray:  # fmt: skip
    """Return the configurations (F, nq) that fit some frames best, each by damped Gauss-Newton from its ``start`` (F, nq).

    ``frames`` (F,) ascend. ``widen`` runs through the factors on the expected error, ``iterations`` for each. All frames are solved at once, each with
    its own damping (Levenberg 1944, Marquardt 1963), and leave as they converge.
    """
    found = start.copy()
    prior = PosePrior.of(human)
    for first in range(0, len(frames), BLOCK):
        part = slice(first, first + BLOCK)
        seen = observations.select(frames[part])
        for factor in widen:
            found[part] = _descend(human, found[part], seen, prior, factor, iterations, expected.select(part) if expected else None)
        report(min(first + BLOCK, len(frames)), len(frames))
    return found


def _descend(
    human: Human, start: FloatArray, seen: Selected, prior: PosePrior, widen: float, iterations: int, expected: Expected | None
) -> FloatArray:
    def at(q: FloatArray) -> Linearisation:
        normal = linearise(human, q, seen, prior, widen=widen)
        return expected.add(q, normal) if expected is not None else normal

    def cost(q: FloatArray) -> FloatArray:
        alone = cost_of(human, q, seen, prior, widen=widen)
        return alone + expected.cost(q) if expected is not None else alone

    found = start.copy()
    rows = np.arange(len(start))
    q, damping = start, np.full(len(start), 1e-3)
    best = at(q)
    for iteration in range(iterations):
        step = damped_step(best, damping)
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(np.abs(step).max(axis=1), 1e-9))[:, None]
        moved = integrate(q, step)
        if iteration == iterations - 1:
            found[rows] = np.where((cost(moved) < best.cost)[:, None], moved, q)
            break
        trial = at(moved)
        better = trial.cost < best.cost
        done = better & (best.cost - trial.cost < CONVERGED * (0.1 + best.cost))
        q = np.where(better[:, None], moved, q)
        found[rows] = q
        damping = np.where(better, np.maximum(damping / 5, 1e-6), damping * 10)
        best = _chosen(better, trial, best)
        left = np.flatnonzero(~done & (damping < 1e4))
        if not len(left):
            break
        if len(left) < 0.8 * len(rows):
            rows, q, damping, seen = rows[left], q[left], damping[left], seen.select(left)
            expected = expected.select(left) if expected is not None else None
            best = Linearisation(best.hessian[left], best.gradient[left], best.cost[left])
    return found


def damped_step(normal: Linearisation, damping: FloatArray) -> FloatArray:
    """Return the steps (F, nv) of normal equations whose diagonals are raised by shares ``damping`` (F,)."""
    step = np.empty_like(normal.gradient)
    diagonal = np.arange(step.shape[1])
    damped = normal.hessian.copy()
    damped[:, diagonal, diagonal] *= 1.0 + damping[:, None]
    damped[:, diagonal, diagonal] += 1e-9
    for row in range(len(step)):  # a triangle of each is enough for LAPACK, but not for numpy.linalg, which takes twice as long
        _, solution, info = lapack.dposv(damped[row].T, normal.gradient[row], lower=1, overwrite_a=1)
        step[row] = -solution if info == 0 else 0.0
    return step


def _chosen(better: npt.NDArray[np.bool_], trial: Linearisation, best: Linearisation) -> Linearisation:
    if better.all():
        return trial
    rows = np.flatnonzero(better)
    for name in ("hessian", "gradient", "cost"):
        getattr(best, name)[rows] = getattr(trial, name)[rows]
    return replace(best)
