"""Least squares in pixels for cameras, measured points and what they share, which says for itself which click or which measurement is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.camera_model import CameraModel
from bodydouble.calibration.scene_points import FEWEST_POINTS
from bodydouble.calibration.scene_triangulation import triangulate_clicks
from bodydouble.calibration.transform import apply, invert, pose_from

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

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
class Placement:
    """What is solved for: K rigid groups of cameras in the room, one scale, and P points."""

    models: tuple[CameraModel, ...]
    group: IntArray
    """(C,) group of each camera."""
    T_group_camera: FloatArray
    """(C, 4, 4) held fixed."""
    T_room_group: FloatArray
    """(K, 4, 4)"""
    points: FloatArray
    """(P, 3) m in the room."""
    scale: float = 1.0
    """Lengths in the room over lengths within the groups."""

    @property
    def T_room_camera(self) -> FloatArray:
        """(C, 4, 4)"""
        inner = self.T_group_camera.copy()
        inner[:, :3, 3] *= self.scale
        return np.asarray(self.T_room_group[self.group] @ inner)

    def project(self) -> FloatArray:
        """Return the pixels (C, P, 2) of all points in all cameras; NaN where not seen."""
        inner = apply(invert(self.T_room_group[self.group])[:, None], self.points) / self.scale
        p_camera = apply(invert(self.T_group_camera)[:, None], inner)
        return np.stack([model.project(p) for model, p in zip(self.models, p_camera, strict=True)])


@dataclass(frozen=True)
class Observed:
    """Clicks and measurements with their scatter."""

    pixels: FloatArray
    """(C, P, 2); NaN where not clicked."""
    points: FloatArray
    """(P, 3) as measured."""
    sigma_px: float
    sigma_m: float
    """0 where the points are exact: they are not solved for then."""

    @property
    def seen(self) -> BoolArray:
        """(C, P)"""
        return np.isfinite(self.pixels).all(axis=-1)


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
    cost: float
    """Twice the negative logarithm of the likelihood, but for a constant; comparable between starts."""


def place(start: Placement, observed: Observed, *, free_scale: bool = False) -> ScenePlacement:
    """Find the most likely placement by Levenberg and Marquardt's method with analytic derivatives.

    First with errors of Student's t; then what is beyond five standard deviations of its own prediction is left out, the worst first, and the
    rest is solved by plain least squares, with the scatter of clicks and of measurements estimated from their redundancy (never below what was
    declared; Foerstner and Wrobel, "Photogrammetric Computer Vision", 2016, section 4.2.4). Rotations are disturbed on the right.
    Raises: UndeterminedError.
    """
    problem = _Problem(observed, free_scale)
    start = _reconsidered(start, problem, observed)
    robust = _descend(start, problem, observed, None)
    e_click, e_point = _standardised(robust, observed)
    typical = float(np.sqrt(max(1.0, np.median(e_click[observed.seen]) / 1.386)))  # the median of chi2 with two degrees of freedom
    keep = _Kept(observed.seen & (e_click < (_OUTLIER * typical) ** 2), ~problem.free | (e_point < _OUTLIER**2))
    current, scatter = robust, replace(observed, sigma_px=observed.sigma_px * typical)
    keep = _believed(keep, start, problem, observed)
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
    cost = _cost(robust, observed, problem, None)
    return ScenePlacement(current, residual, keep.click, keep.point, scatter.sigma_px, scatter.sigma_m, outer, cost)


@dataclass(frozen=True, eq=False)
class _Kept:
    click: BoolArray
    point: BoolArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and np.array_equal(self.click, other.click) and np.array_equal(self.point, other.point)


class _Problem:
    """Which unknown is where: 6 a group, the scale if it is free, then 3 for each free point."""

    def __init__(self, observed: Observed, free_scale: bool) -> None:
        self.free_scale = free_scale
        self.free = observed.seen.any(axis=0) & (observed.sigma_m > 0)

    def first_point(self, placement: Placement) -> int:
        return 6 * len(placement.T_room_group) + self.free_scale

    def columns(self, placement: Placement) -> IntArray:
        """Return (P,) the first column of each point; -1 where it is not free."""
        return np.where(self.free, self.first_point(placement) + 3 * (np.cumsum(self.free) - 1), -1)

    def size(self, placement: Placement) -> int:
        return self.first_point(placement) + 3 * int(self.free.sum())

    def jacobian(self, placement: Placement) -> tuple[FloatArray, FloatArray]:
        """Return the pixels (C, P, 2) and their derivatives (C, P, 2, N)."""
        cameras, count = len(placement.models), len(placement.points)
        T_group_room = invert(placement.T_room_group[placement.group])
        inner = apply(T_group_room[:, None], placement.points) / placement.scale
        R_group_room, R_camera_group = T_group_room[:, :3, :3], invert(placement.T_group_camera)[:, :3, :3]
        p_camera = apply(invert(placement.T_group_camera)[:, None], inner)
        pixels, J = np.empty((cameras, count, 2)), np.zeros((cameras, count, 2, self.size(placement)))
        columns = self.columns(placement)
        for c, model in enumerate(placement.models):
            pixels[c], by_point = model.project_jacobian(p_camera[c])
            by_inner = by_point @ R_camera_group[c]
            first = 6 * int(placement.group[c])
            J[c, :, :, first : first + 3] = by_inner @ rotation.hat(inner[c])
            by_room = by_inner @ R_group_room[c] / placement.scale
            J[c, :, :, first + 3 : first + 6] = -by_room
            if self.free_scale:
                J[c, :, :, 6 * len(placement.T_room_group)] = -np.einsum("pij,pj->pi", by_inner, inner[c])
            for p in np.flatnonzero(self.free):
                J[c, p, :, columns[p] : columns[p] + 3] = by_room[p]
        return pixels, np.where(np.isfinite(J), J, 0.0)

    def stepped(self, placement: Placement, step: FloatArray) -> Placement:
        """Return the placement moved by a step (N,)."""
        groups = len(placement.T_room_group)
        turn, shift = step[: 6 * groups].reshape(groups, 2, 3).transpose(1, 0, 2)
        T = placement.T_room_group
        points = placement.points.copy()
        points[self.free] += step[self.first_point(placement) :].reshape(-1, 3)
        scale = placement.scale * float(np.exp(np.clip(step[6 * groups], -3, 3))) if self.free_scale else placement.scale
        return replace(
            placement, T_room_group=pose_from(T[:, :3, :3] @ rotation.exp(turn), T[:, :3, 3] + shift), points=points, scale=scale
        )


def _reconsidered(start: Placement, problem: _Problem, observed: Observed) -> Placement:
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


def _cost(placement: Placement, observed: Observed, problem: _Problem, keep: _Kept | None) -> float:
    clicks, points = _standardised(placement, observed)
    if keep is not None:
        return float(clicks[keep.click].sum() + points[keep.point & problem.free].sum())
    return float(
        (FREEDOM + 2) * np.log1p(clicks[observed.seen] / FREEDOM).sum() + (FREEDOM + 3) * np.log1p(points[problem.free] / FREEDOM).sum()
    )


def _normal(placement: Placement, problem: _Problem, observed: Observed, keep: _Kept | None) -> tuple[FloatArray, FloatArray]:
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


def _descend(placement: Placement, problem: _Problem, observed: Observed, keep: _Kept | None) -> Placement:
    damping, cost = 1e-4, _cost(placement, observed, problem, keep)
    for _ in range(_STEPS):
        H, g = _normal(placement, problem, observed, keep)
        while True:
            try:
                step = np.linalg.solve(H + damping * np.diag(np.maximum(np.diag(H), 1e-9)), -g)
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
        if gain <= 1e-12 * (1 + cost) and damping < 1e-3:
            break
    return placement


def _assessed(
    placement: Placement, problem: _Problem, declared: Observed, observed: Observed, keep: _Kept
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


def _believed(keep: _Kept, placement: Placement, problem: _Problem, observed: Observed) -> _Kept:
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
