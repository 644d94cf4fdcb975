"""What is known before the images, as cost and normal equations: lenses, clocks, and how heads and hands move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.motion_prior import MotionPrior, link_residuals
from bodydouble.calibration.bundle.normal import Normal
from bodydouble.calibration.bundle.slack import Slack
from bodydouble.calibration.bundle.state import Layout, State, Structure

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Priors:
    """What is known before the images: Gaussian, independent."""

    intrinsics: FloatArray
    """(C, P) expected values."""
    intrinsics_sigma: FloatArray
    """(C, P) one standard deviation, infinite where nothing is known."""
    aspect_sigma: float = 2e-3
    """Of fy / fx about 1: pixels are square."""
    offset_sigma_s: float = 0.02
    slack: Slack = field(default_factory=Slack)
    """Where the search for each view's own deviation starts; none by default."""
    motion: MotionPrior = field(default_factory=MotionPrior)


def prior_normal(state: State, structure: Structure, where: Layout, priors: Priors) -> tuple[float, Normal]:
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
    whiten = priors.motion.link_whitening(gap, order)
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
