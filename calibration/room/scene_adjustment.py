"""Least squares in pixels for cameras, measured points and what they share, which says for itself which click or which measurement is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.room.scene_placement import Observed, Placement, Problem
from bodydouble.calibration.room.scene_points import FEWEST_POINTS
from bodydouble.calibration.room.scene_triangulation import triangulate_clicks

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FREEDOM = 4.0
"""Of Student's t: one gross error in eight clicks barely moves the rest."""
_UNSEEN = 1e8
"""Squared standardised error of a point that the camera cannot see from where it is thought to be."""
_OUTLIER, _GOOD = 5.0, 4.0
"""Standard deviations of its own prediction beyond which an observation is left out, and within which it is taken back."""
_STEPS, _ROUNDS = 100, 30
_ENOUGH = 3.0
"""Redundant numbers below which a scatter is not estimated but taken as declared."""
_LARGEST_CONDITION = 1e14


class UndeterminedError(Exception):
    """The observations leave a direction open."""


@dataclass(frozen=True)
class ScenePlacement:
    """The most likely placement. K groups, C cameras, P points."""

    placement: Placement
    residual_px: FloatArray
    """(C, P, 2) predicted minus clicked, outliers too; NaN where not clicked."""
    good_click: BoolArray
    """(C, P) clicked, and not an outlier."""
    good_point: BoolArray
    """(P,) False where the cameras agree that the point is not where it was measured."""
    sigma_px: float
    """Scatter of the clicks: as declared, or larger where the residuals say so."""
    sigma_m: float
    """Scatter of the measurements, likewise."""
    covariance: FloatArray
    """(6 K + 1, 6 K + 1): rotation on the right (rad) and position (m) of each group, then the logarithm of the scale (0 where it was held)."""


def place_robustly(start: Placement, observed: Observed, *, free_scale: bool = False) -> tuple[Placement, float]:
    """Return the placement that errors of Student's t lead to from ``start``, and its cost, by which starts compare.

    The cost is twice the negative logarithm of the likelihood but for a constant. Raises: UndeterminedError.
    """
    problem = Problem(observed, free_scale)
    found = _descend(_reconsidered(start, problem, observed), problem, observed, None, tolerance=1e-6)
    return found, _cost(found, observed, problem, None)


def place(start: Placement, observed: Observed, *, free_scale: bool = False) -> ScenePlacement:
    """Find the most likely placement by Levenberg and Marquardt's method with analytic derivatives.

    First with errors of Student's t; then what is beyond five standard deviations of its own prediction is left out, the worst first, and the
    rest is solved by plain least squares, with the scatter of clicks and of measurements estimated from their redundancy (never below what was
    declared; Foerstner and Wrobel, "Photogrammetric Computer Vision", 2016, section 4.2.4). Rotations are disturbed on the right.
    Raises: UndeterminedError.
    """
    problem = Problem(observed, free_scale)
    robust = _descend(_reconsidered(start, problem, observed), problem, observed, None)
    e_click, e_point = _standardised(robust, observed)
    typical = float(np.sqrt(max(1.0, np.median(e_click[observed.seen]) / 1.386)))  # the median of chi2 with two degrees of freedom
    keep = _Kept(observed.seen & (e_click < (_OUTLIER * typical) ** 2), ~problem.free | (e_point < _OUTLIER**2))
    current, scatter = robust, replace(observed, sigma_px=observed.sigma_px * typical)
    keep = _believed(keep, robust, problem, observed)
    tried: set[bytes] = set()
    for _ in range(_ROUNDS):
        current = _descend(current, problem, scatter, keep)
        previous = scatter.sigma_px
        scatter, covariance, change = _assessed(current, problem, observed, scatter, keep)
        signature = change.click.tobytes() + change.point.tobytes()
        if change == keep or signature in tried:
            if abs(np.log(scatter.sigma_px / previous)) < 1e-3:
                break
        else:
            tried.add(signature)
            keep = change
    size = 6 * len(start.T_room_group) + free_scale
    outer = np.zeros((6 * len(start.T_room_group) + 1,) * 2)
    outer[:size, :size] = covariance[:size, :size]
    residual = np.where(observed.seen[..., None], current.project() - observed.pixels, np.nan)
    return ScenePlacement(current, residual, keep.click, keep.point, scatter.sigma_px, scatter.sigma_m, outer)


@dataclass(frozen=True, eq=False)
class _Kept:
    click: BoolArray
    point: BoolArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and np.array_equal(self.click, other.click) and np.array_equal(self.point, other.point)


def _reconsidered(start: Placement, problem: Problem, observed: Observed) -> Placement:
    """Begin with a point where the cameras see it, if that explains the clicks so much better that the measurement must be wrong."""
    if not problem.free.any():
        return start
    elsewhere = replace(start, points=triangulate_clicks(start.models, start.T_room_camera, observed.pixels, observed.sigma_px))
    costs = []
    for candidate in (start, elsewhere):
        clicks, points = _standardised(candidate, observed)
        costs.append((FREEDOM + 2) * np.log1p(clicks / FREEDOM).sum(axis=0) + (FREEDOM + 3) * np.log1p(points / FREEDOM))
    better = problem.free & np.isfinite(elsewhere.points).all(axis=-1) & (costs[1] < costs[0])
    return replace(start, points=np.where(better[:, None], elsewhere.points, start.points))


def _standardised(placement: Placement, observed: Observed) -> tuple[FloatArray, FloatArray]:
    """Return squared errors over their scatter: (C, P) of the clicks and (P,) of the measurements."""
    clicks = np.square(placement.project() - observed.pixels).sum(axis=-1) / observed.sigma_px**2
    clicks = np.where(observed.seen, np.minimum(np.nan_to_num(clicks, nan=_UNSEEN), _UNSEEN), 0.0)
    shift = np.square(placement.points - observed.points).sum(axis=-1)
    return clicks, shift / observed.sigma_m**2 if observed.sigma_m > 0 else np.zeros(len(shift))


def _cost(placement: Placement, observed: Observed, problem: Problem, keep: _Kept | None) -> float:
    clicks, points = _standardised(placement, observed)
    if keep is not None:
        return float(clicks[keep.click].sum() + points[keep.point & problem.free].sum())
    return float(
        (FREEDOM + 2) * np.log1p(clicks[observed.seen] / FREEDOM).sum() + (FREEDOM + 3) * np.log1p(points[problem.free] / FREEDOM).sum()
    )


def _normal(placement: Placement, problem: Problem, observed: Observed, keep: _Kept | None) -> tuple[FloatArray, FloatArray]:
    """Return H (N, N) and the gradient (N,)."""
    pixels, J = problem.jacobian(placement)
    clicks, points = _standardised(placement, observed)
    w_click = np.where(observed.seen & (clicks < _UNSEEN), 1.0, 0.0) / observed.sigma_px**2
    w_point = np.where(problem.free, 1.0, 0.0) / observed.sigma_m**2 if observed.sigma_m > 0 else np.zeros(len(points))
    if keep is None:
        w_click, w_point = w_click * (FREEDOM + 2) / (FREEDOM + clicks), w_point * (FREEDOM + 3) / (FREEDOM + points)
    else:
        w_click, w_point = w_click * keep.click, w_point * keep.point
    used = w_click > 0
    rows = J[used].reshape(-1, J.shape[-1])
    weighted = rows * np.repeat(w_click[used], 2)[:, None]
    H, g = weighted.T @ rows, weighted.T @ (pixels - observed.pixels)[used].ravel()
    for p in np.flatnonzero(problem.free):
        where = slice(int(problem.columns(placement)[p]), int(problem.columns(placement)[p]) + 3)
        H[where, where] += w_point[p] * np.eye(3)
        g[where] += w_point[p] * (placement.points - observed.points)[p]
    return H, g


def _descend(placement: Placement, problem: Problem, observed: Observed, keep: _Kept | None, tolerance: float = 1e-12) -> Placement:
    damping, cost = 1e-4, _cost(placement, observed, problem, keep)
    for _ in range(_STEPS):
        H, g = _normal(placement, problem, observed, keep)
        while True:
            try:
                step = np.asarray(np.linalg.solve(H + damping * np.diag(np.maximum(np.diag(H), 1e-9)), -g), dtype=np.float64)
            except np.linalg.LinAlgError:
                raise UndeterminedError from None
            trial = problem.stepped(placement, step)
            lower = _cost(trial, observed, problem, keep)
            if lower <= cost:
                break
            damping *= 8
            if damping > 1e8:
                return placement
        gain, placement, cost, damping = cost - lower, trial, lower, max(damping / 8, 1e-12)
        if gain <= tolerance * (1 + cost) and damping < 1e-3:
            break
    return placement


def _assessed(
    placement: Placement, problem: Problem, declared: Observed, observed: Observed, keep: _Kept
) -> tuple[Observed, FloatArray, _Kept]:
    """Return the scatter that the residuals show, the covariance of all unknowns, and what to keep next."""
    covariance = _inverse(_normal(placement, problem, observed, keep)[0])
    pixels, J = problem.jacobian(placement)
    columns = problem.columns(placement)
    spread = np.einsum("cpin,nm,cpjm->cpij", J, covariance, J)
    residual, shift = pixels - observed.pixels, placement.points - observed.points
    own = np.zeros((len(shift), 3, 3))
    for p in np.flatnonzero(problem.free):
        own[p] = covariance[columns[p] : columns[p] + 3, columns[p] : columns[p] + 3]
    sigma_px, click = _scatter(residual, spread, keep.click, observed.sigma_px, declared.sigma_px)
    sigma_m, point = observed.sigma_m, np.zeros(len(shift))
    if observed.sigma_m > 0:
        sigma_m, point = _scatter(shift, own, keep.point & problem.free, observed.sigma_m, declared.sigma_m)
    change = _next(keep, np.where(observed.seen, click, np.inf), np.where(problem.free, point, 0.0))
    return replace(observed, sigma_px=sigma_px, sigma_m=sigma_m), covariance, _believed(change, placement, problem, observed)


def _scatter(residual: FloatArray, spread: FloatArray, kept: BoolArray, sigma: float, declared: float) -> tuple[float, FloatArray]:
    """Return the scatter of one kind of observation (..., d), and the squared error of each by the scatter that the others show."""
    d = residual.shape[-1]
    # A kept observation has drawn the solution towards it, one that was left out has not.
    sign = np.where(kept, -1.0, 1.0)[..., None, None]
    error = _squared_error(residual / sigma, np.eye(d) + sign * spread / sigma**2)
    total = float(np.square(residual[kept]).sum())
    redundancy = d * kept.sum() - float(np.trace(spread[kept], axis1=-2, axis2=-1).sum()) / sigma**2
    found = max(declared, np.sqrt(total / redundancy)) if redundancy > _ENOUGH else sigma
    others, left = total - np.where(kept, error, 0.0) * sigma**2, redundancy - np.where(kept, d, 0)
    unknown = np.where(kept, np.inf, sigma**2)
    variance = np.where(left > _ENOUGH, np.maximum(declared**2, others / np.maximum(left, _ENOUGH)), unknown)
    return float(found), np.asarray(error * sigma**2 / variance)


def _squared_error(residual: FloatArray, spread: FloatArray) -> FloatArray:
    """Return r^T S^-1 r, with S kept from vanishing where nothing checks an observation."""
    value, vector = np.linalg.eigh(np.nan_to_num(spread))
    along = np.einsum("...ji,...j->...i", vector, np.nan_to_num(residual, nan=1e4))
    return np.asarray((np.square(along) / np.maximum(value, 1e-3)).sum(axis=-1))


def _next(keep: _Kept, click: FloatArray, point: FloatArray) -> _Kept:
    """Leave out the worst that is kept, if it is bad, and take back what is good."""
    clicks, points = keep.click | (click < _GOOD**2), keep.point | (point < _GOOD**2)
    worst_click = float(np.where(keep.click, click, 0.0).max(initial=0.0))
    worst_point = float(np.where(keep.point, point, 0.0).max(initial=0.0))
    if max(worst_click, worst_point) > _OUTLIER**2:
        if worst_click >= worst_point:
            clicks = clicks & ~(keep.click & (click == worst_click))
        else:
            points = points & ~(keep.point & (point == worst_point))
    return _Kept(clicks, points)


def _believed(keep: _Kept, placement: Placement, problem: Problem, observed: Observed) -> _Kept:
    """Keep what nothing can tell to be wrong: clicks of a group that has only enough, measurements that fewer than two cameras contradict."""
    click = keep.click & observed.seen
    for group in range(len(placement.T_room_group)):
        rows = placement.group == group
        if click[rows].any(axis=0).sum() < FEWEST_POINTS:
            click[rows] = observed.seen[rows]
    return _Kept(click, keep.point | (click.sum(axis=0) < 2) | ~problem.free)


def _inverse(H: FloatArray) -> FloatArray:
    scale = 1 / np.sqrt(np.maximum(np.diag(H), 1e-300))
    even = H * scale * scale[:, None]
    if not np.isfinite(even).all() or np.linalg.cond(even) > _LARGEST_CONDITION:
        raise UndeterminedError
    return np.asarray(np.linalg.inv(even) * scale * scale[:, None])
