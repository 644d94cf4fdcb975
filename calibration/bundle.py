"""One bundle adjustment for every rig: robust Levenberg-Marquardt over cameras, clocks, targets and trajectories at once.

The unknowns of each moment couple only to those of the next, so they are eliminated by a banded Cholesky factorisation; what is left is a small
dense system of cameras, clocks and static targets (the Schur complement; Triggs et al., "Bundle Adjustment - A Modern Synthesis", 1999).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle_linearization import Normal, linearize, residuals
from bodydouble.calibration.bundle_solver import SingularError, Solution, solve
from bodydouble.calibration.bundle_state import Layout, State, Structure, Views, stepped
from bodydouble.calibration.motion_prior import MotionPrior, link_residuals
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]

FREEDOM = 5.0
"""Degrees of freedom of the Student t distribution that corner errors are taken to have: 97 % as efficient as least squares on Gaussian
noise, and a corner that is 10 sigma off pulls a fifteenth as hard."""
SMALLEST_SIGMA_PX = 0.01
_ROUNDS = 12
_FIRM = 1e-9
"""Relative damping that keeps a view that decides nothing from making the equations singular."""
_STEPS = 60
_SPREAD = 2.5
"""How far the scale of one camera's corner errors may be from that of all."""
_UNSEEN = 1e6
"""Squared error in sigmas of a point that the model cannot project."""


@dataclass(frozen=True)
class Priors:
    """What is known before the images: Gaussian, independent."""

    intrinsics: FloatArray
    """(C, P) expected values."""
    intrinsics_sigma: FloatArray
    """(C, P) one standard deviation, infinite where nothing is known."""
    aspect_sigma: float = 2e-3
    """Of fy / fx about 1: pixels are square."""
    offset_sigma_s: float = 0.05
    motion: MotionPrior = field(default_factory=MotionPrior)


@dataclass(frozen=True)
class Adjustment:
    """What the adjustment ended at."""

    state: State
    sigma_px: FloatArray
    """(C,) scale of the corner errors of each camera, one standard deviation."""
    covariance: FloatArray
    """(size, size) of the global unknowns, numbered by the layout."""
    residual: FloatArray
    """(V, n, 2) predicted minus seen, px; 0 where not seen."""
    weight: FloatArray
    """(V, n) in (0, 1.4]: how much each point counted, about 1 for a good one; 0 where not seen."""
    steps: int
    converged: bool


def adjust(
    state: State, structure: Structure, views: Views, where: Layout, priors: Priors, *,
    steps: int = _STEPS, progress: Callable[[int], None] = lambda step: None,
) -> Adjustment:  # fmt: skip
    """Find the most likely state, given corner errors of Student's t with a scale for each camera that is found as well.

    Raises: DataError if the normal equations are singular (something was never seen) or nothing improves a bad start.
    """
    cameras = len(state.models)
    sigma = _scale(residuals(state, structure, views), views, cameras, 0.0, common=True)
    taken, converged, settling = 0, False, True
    for _ in range(_ROUNDS):
        state, count, converged = _descend(
            state, structure, views, where, priors, sigma, steps - taken, 1e-3 if settling else 1e-5, progress
        )
        taken += count
        residual, normal, prior = _normal(state, structure, views, where, priors, sigma)
        freedom = _effective_unknowns(normal, prior, where, structure)
        pooled = _scale(residual, views, cameras, freedom, common=True)
        # While the cameras do not fit each other yet, one scale for all: else one camera is believed and the others become outliers.
        settling = bool(np.abs(np.log(pooled / sigma)).max() > 0.1)
        found = pooled if settling else np.clip(_scale(residual, views, cameras, freedom), pooled / _SPREAD, pooled * _SPREAD)
        settled = bool(np.abs(np.log(found / sigma)).max() < 0.02)
        sigma = found
        if settled or taken >= steps:
            break
    residual = residuals(state, structure, views)
    weight = np.where(views.seen, _weight(residual, sigma[views.camera]), 0.0)
    variance = _variance(residual, views, sigma, freedom)
    _, data = linearize(state, structure, views, where, np.broadcast_to(1 / variance[views.camera][:, None], views.point.shape))
    covariance = solve(_sum(data, _prior_normal(state, structure, where, priors)[1]), damping=_FIRM, covariance=True).covariance
    return Adjustment(state, np.sqrt(variance), covariance, residual, weight, taken, converged)


def _descend(
    state: State, structure: Structure, views: Views, where: Layout, priors: Priors, sigma: FloatArray, steps: int, tolerance: float,
    progress: Callable[[int], None],
) -> tuple[State, int, bool]:  # fmt: skip
    damping = 1e-4
    cost = _cost(residuals(state, structure, views), views, sigma) + _prior_normal(state, structure, where, priors)[0]
    for step in range(max(steps, 1)):
        _, normal, _ = _normal(state, structure, views, where, priors, sigma)
        while True:
            try:
                solution = solve(normal, damping=damping)
            except SingularError:
                damping = max(10 * damping, 1e-6)
                if damping > 1e8:
                    raise DataError(
                        "The calibration could not be solved: some camera or board is not tied to the others by anything that was seen. "
                        "Film the board where two cameras see it at once, in several tilts, and calibrate again."
                    ) from None
                continue
            trial = _try(state, where, solution)
            lower = np.inf
            if trial is not None:
                lower = _cost(residuals(trial, structure, views), views, sigma) + _prior_normal(trial, structure, where, priors)[0]
            if np.isfinite(lower) and lower <= cost:
                break
            damping *= 8
            if damping > 1e10:
                return state, step + 1, True
        assert trial is not None
        gain = (cost - lower) / max(1.0, abs(cost))
        state, cost, damping = trial, lower, max(damping / 8, 1e-9)
        progress(step)
        if gain < tolerance:
            return state, step + 1, True
    return state, max(steps, 1), False


def _try(state: State, where: Layout, solution: Solution) -> State | None:
    try:
        return stepped(state, where, -solution.global_step, -solution.local_step)
    except (ValueError, FloatingPointError):  # a step to a camera that cannot be, such as a negative focal length
        return None


def _normal(
    state: State, structure: Structure, views: Views, where: Layout, priors: Priors, sigma: FloatArray
) -> tuple[FloatArray, Normal, Normal]:
    residual = residuals(state, structure, views)
    scale = sigma[views.camera]
    residual, data = linearize(state, structure, views, where, _weight(residual, scale) / np.square(scale)[:, None])
    prior = _prior_normal(state, structure, where, priors)[1]
    return residual, _sum(data, prior), prior


def _squared(residual: FloatArray, sigma: FloatArray) -> FloatArray:
    square = np.square(residual).sum(axis=-1) / np.square(sigma)[:, None]
    return np.where(np.isfinite(square), np.minimum(square, _UNSEEN), _UNSEEN)


def _weight(residual: FloatArray, sigma: FloatArray) -> FloatArray:
    return (FREEDOM + 2) / (FREEDOM + _squared(residual, sigma))


def _cost(residual: FloatArray, views: Views, sigma: FloatArray) -> float:
    square = _squared(residual, sigma[views.camera])
    return float((FREEDOM + 2) * np.log1p(square[views.seen] / FREEDOM).sum())


def _scale(residual: FloatArray, views: Views, cameras: int, unknowns: float, *, common: bool = False) -> FloatArray:
    """Return (C,) the most likely scale of the t distribution, corrected for the unknowns that the residuals have absorbed."""
    total = 2.0 * views.seen.sum()
    correction = total / max(total - unknowns, 0.25 * total)
    result = np.ones(cameras)
    for c in range(cameras):
        rows = (views.camera == c) | common
        square = np.square(residual[rows]).sum(axis=-1)[views.seen[rows]]
        square = square[np.isfinite(square)]
        if len(square) == 0:
            continue
        variance = max(float(np.median(square)) / 1.386, SMALLEST_SIGMA_PX**2)  # the median of chi2 with two degrees of freedom
        for _ in range(30):
            variance = max(float(np.mean((FREEDOM + 2) / (FREEDOM + square / variance) * square) / 2), SMALLEST_SIGMA_PX**2)
        result[c] = np.sqrt(variance * correction)
    return result


def _variance(residual: FloatArray, views: Views, sigma: FloatArray, unknowns: float) -> FloatArray:
    """Return (C,) the variance of a Gaussian corner error that would leave the estimate as uncertain as it is (Huber, 1981, ch. 6)."""
    total = 2.0 * views.seen.sum()
    correction = total / max(total - unknowns, 0.25 * total)
    result = np.square(sigma)
    for c in range(len(sigma)):
        rows = views.camera == c
        square = _squared(residual[rows], sigma[views.camera[rows]])[views.seen[rows]]
        if len(square) == 0:
            continue
        weight = (FREEDOM + 2) / (FREEDOM + square)
        pull = np.mean(np.square(weight) * square) / 2
        slope = np.mean(weight - weight * square / (FREEDOM + square))
        result[c] = np.square(sigma[c]) * pull / max(slope, 0.1) ** 2 * correction
    return np.maximum(result, SMALLEST_SIGMA_PX**2)


def _prior_normal(state: State, structure: Structure, where: Layout, priors: Priors) -> tuple[float, Normal]:
    """Return the cost of the priors and their normal equations."""
    size, order = where.size, structure.order
    moments, K = len(structure.moment_s), structure.chains * 6 * order
    H, g = np.zeros((size + 1, size + 1)), np.zeros(size + 1)
    cost = 0.0
    for c, model in enumerate(state.models):
        values = model.parameters
        index, P = where.intrinsics[c, : len(values)], len(values)
        free = index < size
        information = np.where(free & np.isfinite(priors.intrinsics_sigma[c, :P]), 1 / np.square(priors.intrinsics_sigma[c, :P]), 0.0)
        difference = values - priors.intrinsics[c, :P]
        cost += float((information * np.square(difference)).sum())
        np.add.at(H, (index, index), information)
        np.add.at(g, index, information * difference)
        if free[0] and free[1]:
            ratio = values[1] / values[0]
            J = np.array([-ratio / values[0], 1 / values[0]]) / priors.aspect_sigma
            r = (ratio - 1) / priors.aspect_sigma
            cost += r * r
            H[np.ix_(index[:2], index[:2])] += np.outer(J, J)
            g[index[:2]] += J * r
    information = np.where(where.offset < size, 1 / priors.offset_sigma_s**2, 0.0)
    cost += float((information * np.square(state.offset_s)).sum())
    np.add.at(H, (where.offset, where.offset), information)
    np.add.at(g, where.offset, information * state.offset_s)
    H[size], H[:, size], g[size] = 0.0, 0.0, 0.0

    local, following, gradient = np.zeros((moments, K, K)), np.zeros((max(moments - 1, 0), K, K)), np.zeros((moments, K))
    if order > 1 and structure.chains:
        rest = priors.motion.rate_information(order)
        terms = np.concatenate([np.zeros((*state.rates.shape[:2], 1, 6)), state.rates], axis=2).reshape(*state.rates.shape[:2], -1)
        cost += float((rest * np.square(terms)).sum())
        for chain in range(structure.chains):
            part = slice(chain * 6 * order, (chain + 1) * 6 * order)
            local[:, part, part] += np.diag(rest)
            gradient[:, part] += rest * terms[chain]
        cost += _add_links(state, structure, priors, local, following, gradient)
    return cost, Normal(H[:-1, :-1], np.zeros((moments, K, size)), local, following, g[:-1], gradient)


def _add_links(state: State, structure: Structure, priors: Priors, local: FloatArray, following: FloatArray, gradient: FloatArray) -> float:
    order, gap = structure.order, np.diff(structure.moment_s)
    if len(gap) == 0:
        return 0.0
    residual, before, after = link_residuals(state.T_room_knot, state.rates, gap)
    whiten = priors.motion.link_information(gap, order)
    W: FloatArray = np.zeros((len(gap), 6 * order, 6 * order))
    for axis in range(6):
        W[:, axis::6, axis::6] = whiten[:, axis // 3]
    cost = 0.0
    for chain in range(structure.chains):
        part = slice(chain * 6 * order, (chain + 1) * 6 * order)
        r = np.einsum("mij,mj->mi", W, residual[chain])
        A, B = W @ before[chain], W @ after[chain]
        cost += float(np.square(r).sum())
        local[:-1, part, part] += np.swapaxes(A, 1, 2) @ A
        local[1:, part, part] += np.swapaxes(B, 1, 2) @ B
        following[:, part, part] += np.swapaxes(A, 1, 2) @ B
        gradient[:-1, part] += np.einsum("mij,mi->mj", A, r)
        gradient[1:, part] += np.einsum("mij,mi->mj", B, r)
    return cost


def _sum(one: Normal, two: Normal) -> Normal:
    return Normal(*(getattr(one, name) + getattr(two, name) for name in Normal.__dataclass_fields__))


def _effective_unknowns(normal: Normal, prior: Normal, where: Layout, structure: Structure) -> float:
    """Return how many unknowns the images decide: all of them less those that the priors hold, by Hutchinson's estimate of the trace."""
    random = np.random.default_rng(0)
    M, K = normal.local_gradient.shape
    diagonal = np.einsum("mii->mi", normal.local_local)
    unknowns = where.size + int((diagonal > 0).sum())
    held, probes = 0.0, 8
    for _ in range(probes):
        zg, zl = random.choice([-1.0, 1.0], where.size), random.choice([-1.0, 1.0], (M, K))
        step = solve(replace(normal, global_gradient=zg, local_gradient=zl), damping=_FIRM)
        x, y = step.global_step, step.local_step
        held += float(zg @ prior.global_global @ x)
        py = np.einsum("mij,mj->mi", prior.local_local, y)
        if M > 1:
            py[:-1] += np.einsum("mij,mj->mi", prior.local_next, y[1:])
            py[1:] += np.einsum("mji,mj->mi", prior.local_next, y[:-1])
        held += float((zl * py).sum())
    return unknowns - held / probes
