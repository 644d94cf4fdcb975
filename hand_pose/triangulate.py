"""Robust ray triangulation: the best pair of cameras decides who is right, then every camera that agrees is averaged in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

MIN_RAY_ANGLE = np.radians(3.0)
"""Rays closer to parallel than this leave depth undecided: at 3 m and 3 degrees, 5 px of 1700 px focal length is 17 cm in depth."""
BLOCK = 50_000
"""Points worked on at a time: the 3x3 matrices of an hour's landmarks would fill the memory."""
PAIRS_TRIED = 15
"""Six cameras have this many pairs; with more, the pairs with the greatest total confidence are tried, so that cost grows linearly."""


@dataclass(frozen=True)
class Triangulation:
    """N points seen by C cameras. NaN and False where fewer than two cameras see a point from different enough directions."""

    points: FloatArray
    """(N, 3) m, in the frame of the rays."""
    cost: FloatArray
    """(N,) robust cost: the confidence-weighted sum over the views of e^2 / (1 + e^2), e the angular error in units of ``sigma_rad``."""
    inlier: npt.NDArray[np.bool_]
    """(C, N) views whose error is below three ``sigma_rad``."""


def triangulate(
    origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma_rad: FloatArray | float, *, refinements: int = 4
) -> Triangulation:
    """Intersect rays robustly.

    ``origins`` (C, 3) or (C, N, 3) camera centres, ``rays`` (C, N, 3) unit directions (NaN where unseen), ``weights`` (C, N) in [0, 1],
    ``sigma_rad`` the expected angular error, a number or (C, N). A point behind a camera is not an intersection. Linear least squares on the
    distance to the rays, reweighted by Geman and McClure's function from the best two-camera start.
    """
    origins = np.broadcast_to(origins[:, None] if origins.ndim == 2 else origins, rays.shape)
    sigma = np.broadcast_to(np.asarray(sigma_rad, dtype=np.float64), weights.shape)
    parts = [slice(first, first + BLOCK) for first in range(0, max(rays.shape[1], 1), BLOCK)]
    found = [_triangulate(origins[:, part], rays[:, part], weights[:, part], sigma[:, part], refinements) for part in parts]
    return Triangulation(
        np.concatenate([part.points for part in found]),
        np.concatenate([part.cost for part in found]),
        np.concatenate([part.inlier for part in found], axis=1),
    )


def _triangulate(origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma: FloatArray, refinements: int) -> Triangulation:
    seen = np.isfinite(rays).all(axis=-1) & (weights > 0)
    rays = np.where(seen[..., None], rays, 0.0)
    weights = np.where(seen, weights, 0.0)
    cameras, count = seen.shape
    # Each ray's equation: (I - d d^T)(x - o) = 0.
    projectors = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    constants = np.einsum("cnij,cnj->cni", projectors, origins)

    best, best_cost = np.full((count, 3), np.nan), np.full(count, np.inf)
    for first, second in _pairs(weights):
        cosine = np.abs(np.sum(rays[first] * rays[second], axis=-1))
        usable = seen[first] & seen[second] & (cosine < np.cos(MIN_RAY_ANGLE))
        if not usable.any():
            continue
        normal = projectors[first, usable] + projectors[second, usable]
        point = np.linalg.solve(normal, (constants[first, usable] + constants[second, usable])[..., None])[..., 0]
        cost = _cost(point, origins[:, usable], rays[:, usable], weights[:, usable], sigma[:, usable], seen[:, usable])
        ahead = [np.sum((point - origins[row, usable]) * rays[row, usable], axis=-1) > 0 for row in (first, second)]
        better = (cost < best_cost[usable]) & ahead[0] & ahead[1]
        rows = np.flatnonzero(usable)[better]
        best[rows], best_cost[rows] = point[better], cost[better]

    found = np.isfinite(best_cost)
    for _ in range(refinements):
        if not found.any():
            break
        error, distance = _angular_error(best[found], origins[:, found], rays[:, found])
        scaled = error / sigma[:, found]
        influence = weights[:, found] / (1.0 + scaled**2) ** 2 / np.maximum(distance, 0.1) ** 2 * seen[:, found]
        normal = np.einsum("cn,cnij->nij", influence, projectors[:, found])
        right = np.einsum("cn,cni->ni", influence, constants[:, found])
        normal += 1e-12 * np.eye(3) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
        moved = np.linalg.solve(normal, right[..., None])[..., 0]
        cost = _cost(moved, origins[:, found], rays[:, found], weights[:, found], sigma[:, found], seen[:, found])
        better = cost < best_cost[found]
        rows = np.flatnonzero(found)[better]
        best[rows], best_cost[rows] = moved[better], cost[better]
    inlier = np.zeros((cameras, count), dtype=bool)
    if found.any():
        error, _ = _angular_error(best[found], origins[:, found], rays[:, found])
        inlier[:, found] = (error < 3.0 * sigma[:, found]) & seen[:, found]
    return Triangulation(best, np.where(found, best_cost, np.nan), inlier)


def triangulate_linear(origins: FloatArray, rays: FloatArray, weights: FloatArray) -> FloatArray:
    """Intersect rays by plain confidence-weighted least squares: the baseline that nothing should be worse than. Returns (N, 3).

    ``origins`` (C, 3) or (C, N, 3) camera centres, ``rays`` (C, N, 3) unit directions, NaN where unseen, ``weights`` (C, N).
    """
    origins = np.broadcast_to(origins[:, None] if origins.ndim == 2 else origins, rays.shape)
    seen = np.isfinite(rays).all(axis=-1) & (weights > 0)
    rays = np.where(seen[..., None], rays, 0.0)
    weights = np.where(seen, weights, 0.0)
    projectors = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    enough = seen.sum(axis=0) >= 2
    normal = np.einsum("cn,cnij->nij", weights, projectors)[enough]
    right = np.einsum("cn,cnij,cnj->ni", weights, projectors, np.where(seen[..., None], origins, 0.0))[enough]
    points = np.full((rays.shape[1], 3), np.nan)
    points[enough] = np.linalg.solve(normal, right[..., None])[..., 0]
    return points


def _pairs(weights: FloatArray) -> list[tuple[int, int]]:
    pairs = list(itertools.combinations(range(len(weights)), 2))
    if len(pairs) <= PAIRS_TRIED:
        return pairs
    return sorted(pairs, key=lambda pair: -float(np.sum(weights[pair[0]] * weights[pair[1]])))[: max(PAIRS_TRIED, 2 * len(weights))]


def _angular_error(points: FloatArray, origins: FloatArray, rays: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the angle (C, N) between each ray and the direction to its point, pi for a point behind, and the distance (C, N)."""
    towards = points - origins
    along = np.sum(towards * rays, axis=-1)
    across = np.linalg.norm(towards - along[..., None] * rays, axis=-1)
    return np.where(along > 0, np.arctan2(across, along), np.pi), np.linalg.norm(towards, axis=-1)


def _cost(
    points: FloatArray, origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma: FloatArray, seen: npt.NDArray[np.bool_]
) -> FloatArray:
    error, _ = _angular_error(points, origins, rays)
    squared = (error / sigma) ** 2
    total: FloatArray = np.sum(weights * seen * squared / (1.0 + squared), axis=0)
    return total
