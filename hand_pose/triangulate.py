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
    best, best_cost = np.full((count, 3), np.nan), np.full(count, np.inf)
    for first, second in _pairs(weights):
        cosine = _dot(rays[first], rays[second])
        usable = np.flatnonzero(seen[first] & seen[second] & (np.abs(cosine) < np.cos(MIN_RAY_ANGLE)))
        if not len(usable):
            continue
        point, ahead = _midpoint(origins[first, usable], rays[first, usable], origins[second, usable], rays[second, usable], cosine[usable])
        cost = _cost(point, origins[:, usable], rays[:, usable], weights[:, usable], sigma[:, usable], seen[:, usable])
        better = (cost < best_cost[usable]) & ahead
        rows = usable[better]
        best[rows], best_cost[rows] = point[better], cost[better]

    found = np.isfinite(best_cost)
    rows = np.flatnonzero(found)
    o, d, w, s = (values[:, rows] for values in (origins, rays, weights, sigma))
    k = seen[:, rows]
    for _ in range(refinements if len(rows) else 0):
        error, distance = _angular_error(best[rows], o, d)
        influence = w / (1.0 + (error / s) ** 2) ** 2 / np.maximum(distance, 0.1) ** 2 * k
        # Each ray's equation: (1 - d d^T)(x - o) = 0.
        heavy = influence[..., None] * d
        total = influence.sum(axis=0)
        normal = (total * (1.0 + 2e-12))[:, None, None] * np.eye(3) - np.einsum("cni,cnj->nij", heavy, d)
        right = np.einsum("cn,cni->ni", influence, o) - np.einsum("cni,cn->ni", heavy, _dot(d, o))
        moved = solve_3x3(normal, right)
        cost = _cost(moved, o, d, w, s, k)
        better = cost < best_cost[rows]
        best[rows[better]], best_cost[rows[better]] = moved[better], cost[better]
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


def solve_3x3(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Return the solutions (N, 3) of symmetric systems (N, 3, 3) by their cofactors, many times faster than LAPACK one by one."""
    a, b, c = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 0, 2]
    d, e, f = matrix[:, 1, 1], matrix[:, 1, 2], matrix[:, 2, 2]
    A, B, C, D, E, F = d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b
    x, y, z = right.T
    solved = np.stack([A * x + B * y + C * z, B * x + D * y + E * z, C * x + E * y + F * z], axis=1)
    return np.asarray(solved / (a * A + b * B + c * C)[:, None])


def _midpoint(
    first: FloatArray, first_ray: FloatArray, second: FloatArray, second_ray: FloatArray, cosine: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the points (N, 3) nearest to two rays each, and whether they are ahead on both."""
    between = first - second
    one, two = _dot(first_ray, between), _dot(second_ray, between)
    sine = 1.0 - cosine**2
    along_first, along_second = (cosine * two - one) / sine, (two - cosine * one) / sine
    near_first = first + along_first[:, None] * first_ray
    near_second = second + along_second[:, None] * second_ray
    return (near_first + near_second) / 2, (along_first > 0) & (along_second > 0)


def _dot(one: FloatArray, two: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("...i,...i->...", one, two))


def _angular_error(points: FloatArray, origins: FloatArray, rays: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the angle (C, N) between each ray and the direction to its point, pi for a point behind, and the distance (C, N)."""
    towards = points - origins
    along = _dot(towards, rays)
    beside = towards - along[..., None] * rays
    across, distance = np.sqrt(_dot(beside, beside)), np.sqrt(_dot(towards, towards))
    return np.where(along > 0, np.arctan2(across, along), np.pi), distance


def _cost(
    points: FloatArray, origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma: FloatArray, seen: npt.NDArray[np.bool_]
) -> FloatArray:
    error, _ = _angular_error(points, origins, rays)
    squared = (error / sigma) ** 2
    total: FloatArray = np.sum(weights * seen * squared / (1.0 + squared), axis=0)
    return total
