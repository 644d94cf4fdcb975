"""Where a body with several cameras is, from the rays on which it sees known points: the generalised perspective-n-point problem, robustly.

Hypotheses come from small random samples over all cameras (Fischler and Bolles, "Random sample consensus", 1981), each solved by Gauss-Newton from a
guess; the best one is refined with all points and a redescending loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.bearings import Points, residuals
from bodydouble.calibration.odometry.sights import Views
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SAMPLE = 5
_TRIALS = 48
_SAMPLE_STEPS = 5
_PLAIN = 0.6
"""Share of the sights that make samples needless if they agree with what the guess leads to."""
_JUDGES = 120
"""Sights that samples are judged by."""
_STEPS = 5
_ENOUGH = 1e-5
"""rad, m: a step that short is the last one."""
_WIDEST = 5.0
"""The loss is first that much wider, so that a start that is a few pixels out is drawn in (graduated non-convexity)."""
AGREES = 4.0
"""A point agrees with a pose if it is less than so many sigma off."""
_MOST_TURN_RAD = 0.3
"""Most that one Gauss-Newton step may turn."""


@dataclass(frozen=True)
class BodyPose:
    """One pose and who agrees with it."""

    T: FloatArray
    """(4, 4) pose of the body in the frame of the points."""
    covariance: FloatArray
    """(6, 6) as in ``BodyMotion``, of what the sights alone say, the points taken as they are."""
    agrees: BoolArray
    """(n,)"""
    scale: float
    """By how much these sights are worse than ``sigma_rad`` says, at least 1: in a fast turn all features are less certain."""


def weight_of(square: FloatArray) -> FloatArray:
    """Return weights for squared residuals in sigma (Geman and McClure): what is far off does not count at all."""
    return np.asarray(1 / np.square(1 + square / AGREES**2))


def whitening(by_inverse: FloatArray, sigma_rad: FloatArray, sigma_inverse: FloatArray) -> FloatArray:
    """Return matrices (N, 2, 2) that make residuals of points at uncertain distance (one standard deviation of the inverse, (N,)) of variance 1."""
    spread = by_inverse * np.nan_to_num(sigma_inverse)[:, None]
    # S = s^2 I + v v^T has the inverse root (I - (1 - 1 / sqrt(1 + |v|^2 / s^2)) v v^T / |v|^2) / s.
    square = np.einsum("nk,nk->n", spread, spread)
    share = (1 - 1 / np.sqrt(1 + square / np.square(sigma_rad))) / np.maximum(square, 1e-30)
    return np.asarray((np.eye(2) - share[:, None, None] * spread[:, :, None] * spread[:, None, :]) / sigma_rad[:, None, None])


def find_pose(T_guess: FloatArray, views: Views, points: Points, sigma_rad: FloatArray, *, seed: int = 0) -> BodyPose | None:
    """Return the pose from which most of n points are seen where they were seen; None for fewer than five points, or nothing solvable.

    ``T_guess`` (4, 4) may be out by tens of degrees and a good part of the points' distance. ``sigma_rad`` (n,) of each sight; less certain points
    (``Points.sigma``) count less.
    """
    n = len(sigma_rad)
    if n < _SAMPLE:
        return None
    found = refine_pose(T_guess, views, points, sigma_rad)
    if found is not None and found.agrees.sum() > _PLAIN * n:
        return found
    rng = np.random.default_rng(seed)
    certain = np.flatnonzero(points.sigma <= np.quantile(points.sigma, 0.7))
    pool = certain if len(certain) >= 2 * _SAMPLE else np.arange(n)
    picks = np.stack([rng.choice(pool, _SAMPLE, replace=False) for _ in range(_TRIALS)])
    tried = np.concatenate([T_guess[None], _solve_samples(T_guess, picks, views, points)])
    tried = tried[np.isfinite(tried).all(axis=(1, 2))]
    judges = rng.choice(n, min(n, _JUDGES), replace=False)
    best = tried[int(_costs(tried, views.take(judges), points.take(judges), _WIDEST * sigma_rad[judges]).argmin())]
    return refine_pose(best, views, points, sigma_rad)


def refine_pose(T: FloatArray, views: Views, points: Points, sigma_rad: FloatArray) -> BodyPose | None:
    """Return the best pose near ``T``; None where the sights do not decide it."""
    scale = 1.0
    for width in (_WIDEST, 1.0):
        for _ in range(_STEPS):
            H, g, _ = _normal(T, views, points, max(width, scale) * sigma_rad)
            try:
                step = np.asarray(np.linalg.solve(H + 1e-9 * np.diag(np.diag(H)), -g), dtype=np.float64)
            except np.linalg.LinAlgError:
                return None
            T = _moved(T, step)
            if not np.isfinite(T).all():
                return None
            if np.abs(step).max() < _ENOUGH * width:
                break
        square = _normal(T, views, points, sigma_rad)[2]
        near = square[square < (_WIDEST * AGREES) ** 2]
        # Of two residuals of equal sigma, the median of their squared length is 2 ln 2.
        scale = max(1.0, float(np.sqrt(np.median(near) / (2 * np.log(2))))) if len(near) else 1.0
    H, _, square = _normal(T, views, points, scale * sigma_rad)
    try:
        covariance = np.asarray(np.linalg.inv(H), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return BodyPose(T, covariance, np.asarray(square < AGREES**2), scale)


def _normal(T: FloatArray, views: Views, points: Points, sigma_rad: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the normal equations (6, 6), (6,) and the squared residuals (n,) in sigma."""
    found = residuals(T[:3, :3], T[:3, 3], views, points)
    whiten = whitening(found.by_inverse, sigma_rad, points.sigma)
    value, J = np.einsum("nij,nj->ni", whiten, found.value), whiten @ found.by_pose
    square = np.einsum("ni,ni->n", value, value)
    weight = weight_of(square)
    weighted = J * weight[:, None, None]
    return np.einsum("nki,nkj->ij", weighted, J), np.einsum("nki,nk->i", weighted, value), square


def _costs(T: FloatArray, views: Views, points: Points, sigma_rad: FloatArray) -> FloatArray:
    """Return how badly each pose (t, 4, 4) explains n sights (t,)."""
    trials, n = len(T), len(sigma_rad)
    every = np.tile(np.arange(n), trials)
    each = np.repeat(T, n, axis=0)
    found = residuals(each[:, :3, :3], each[:, :3, 3], views.take(every), points.take(every), jacobians=False)
    square = np.einsum("nk,nk->n", found.value, found.value).reshape(trials, n) / np.square(sigma_rad)
    return np.asarray((square / (1 + square / AGREES**2)).sum(axis=1))


def _solve_samples(T: FloatArray, picks: npt.NDArray[np.int64], views: Views, points: Points) -> FloatArray:
    """Return a pose (t, 4, 4) for each sample (t, k) of sights, by Gauss-Newton from one guess."""
    trials, size = picks.shape
    flat = picks.ravel()
    own, chosen = views.take(flat), points.take(flat)
    result = np.repeat(T[None], trials, axis=0)
    for _ in range(_SAMPLE_STEPS):
        each = np.repeat(result, size, axis=0)
        found = residuals(each[:, :3, :3], each[:, :3, 3], own, chosen)
        value, J = found.value.reshape(trials, -1), found.by_pose.reshape(trials, -1, 6)
        H = np.swapaxes(J, 1, 2) @ J
        H[:, np.arange(6), np.arange(6)] += 1e-9
        step = -np.linalg.solve(H, np.einsum("tki,tk->ti", J, value)[..., None])[..., 0]
        turn = np.linalg.norm(step[:, :3], axis=1, keepdims=True)
        step *= np.minimum(1.0, _MOST_TURN_RAD / np.maximum(turn, 1e-12))
        result = _moved(result, step)
    return result


def _moved(T: FloatArray, step: FloatArray) -> FloatArray:
    return pose_from(T[..., :3, :3] @ rotation.exp(step[..., :3]), T[..., :3, 3] + step[..., 3:])
