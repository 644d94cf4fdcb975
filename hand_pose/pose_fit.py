"""Inverse kinematics of one frame: the tree's pose that every camera's rays agree on most, within what joints can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.skeleton import JOINTS

FloatArray = npt.NDArray[np.float64]

LIMIT_SIGMA = 0.02
"""rad beyond a joint's range that costs as much as one sigma of a landmark."""
REST_WEIGHT = 0.05
"""Weight of the rest pose against one landmark: decides only what the images leave open."""
PELVIS_SIGMA = 1e3
"""The pelvis has no rest pose."""


@dataclass(frozen=True)
class PosePrior:
    """What is known of a pose before looking: ranges, the rest pose, and optionally a predicted pose with its spread."""

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

    def pull(self, human: Human, q: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """Return diagonal information (nv,), gradient (nv,) and cost of configuration ``q``."""
        away = human.difference(human.rest, q)
        away[:6] = 0.0
        beyond = np.maximum(away - self.upper, 0.0) + np.minimum(away - self.lower, 0.0)
        information = self.rest_information + np.where(beyond != 0.0, 1.0 / LIMIT_SIGMA**2, 0.0)
        gradient = self.rest_information * away + beyond / LIMIT_SIGMA**2
        cost = float(np.sum(self.rest_information * away**2) + np.sum((beyond / LIMIT_SIGMA) ** 2))
        return information, gradient, cost


@dataclass(frozen=True)
class Linearisation:
    """One frame's normal equations at a configuration: H step = -gradient."""

    hessian: FloatArray
    gradient: FloatArray
    cost: float


def linearise(
    human: Human, q: FloatArray, observations: Observations, frame: int, prior: PosePrior, *, widen: float = 1.0, assume: bool = True
) -> Linearisation:
    """Return the normal equations of one frame at configuration ``q``; without ``assume`` those that know nothing of how people stand."""
    here = human.kinematics(q)
    information, pull, cost = observations.pull(here.landmarks, frame, widen=widen)
    seen = np.flatnonzero(np.trace(information, axis1=1, axis2=2) > 0)
    jacobian = here.landmark_jacobian[seen]
    weighted = np.matmul(information[seen], jacobian)
    flat = (len(seen) * 3, human.nv)
    hessian = jacobian.reshape(flat).T @ weighted.reshape(flat)
    gradient = jacobian.reshape(flat).T @ pull[seen].ravel()
    if observations.depth is not None:
        by_depth, depth_gradient, depth_cost = observations.depth.pull(here.landmarks, here.landmark_jacobian, frame)
        hessian, gradient, cost = hessian + by_depth, gradient + depth_gradient, cost + depth_cost
    if observations.posture is not None and assume:
        by_posture, posture_gradient, posture_cost = observations.posture.pull(here.landmarks, here.landmark_jacobian, frame)
        hessian, gradient, cost = hessian + by_posture, gradient + posture_gradient, cost + posture_cost
    prior_information, prior_gradient, prior_cost = prior.pull(human, q)
    if not assume:  # a knee that is as straight as knees go was not seen to be
        prior_information = prior.rest_information
    hessian[np.diag_indices(human.nv)] += prior_information
    return Linearisation(hessian, gradient + prior_gradient, cost + prior_cost)


def fit_pose(
    human: Human, start: FloatArray, observations: Observations, frame: int, prior: PosePrior, *,
    predicted: FloatArray | None = None, predicted_information: FloatArray | None = None,
    widen: tuple[float, ...] = (1.0,), iterations: int = 8,
) -> FloatArray:  # fmt: skip
    """Return the configuration (nq,) that fits one frame best, by damped Gauss-Newton from ``start``.

    ``predicted`` with ``predicted_information`` (nv,) is a pose to stay near, as the last frame's. ``widen`` runs through the factors on
    the expected error, ``iterations`` for each.
    """
    q = start
    for factor in widen:
        damping = 1e-3
        best = _with_prediction(human, q, linearise(human, q, observations, frame, prior, widen=factor), predicted, predicted_information)
        for _ in range(iterations):
            damped = best.hessian + damping * np.diag(np.diag(best.hessian)) + 1e-9 * np.eye(human.nv)
            step = -cho_solve(cho_factor(damped, check_finite=False), best.gradient, check_finite=False)
            step *= min(1.0, 0.7 / max(float(np.max(np.abs(step))), 1e-9))
            moved = human.integrate(q, step)
            trial = _with_prediction(
                human, moved, linearise(human, moved, observations, frame, prior, widen=factor), predicted, predicted_information
            )
            if trial.cost < best.cost:
                gain = best.cost - trial.cost
                q, best, damping = moved, trial, max(damping / 5, 1e-6)
                if gain < 1e-4 * (1.0 + best.cost):
                    break
            else:
                damping *= 10
                if damping > 1e4:
                    break
    return q


def _with_prediction(
    human: Human, q: FloatArray, linearised: Linearisation, predicted: FloatArray | None, information: FloatArray | None
) -> Linearisation:
    if predicted is None or information is None:
        return linearised
    away = human.difference(predicted, q)
    hessian = linearised.hessian.copy()
    hessian[np.diag_indices(human.nv)] += information
    return Linearisation(hessian, linearised.gradient + information * away, linearised.cost + float(np.sum(information * away**2)))
