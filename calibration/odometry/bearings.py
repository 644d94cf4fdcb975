"""Points at any distance, also infinite, and how they differ from the rays on which they were seen.

A point is ``origin + direction / inverse_m``, with a fixed origin in the world near the places from which it was seen (Civera et al., "Inverse depth
parametrization for monocular SLAM", T-RO 2008). Residuals are angles in two directions across the ray, so every camera is treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.sights import Views, across, cross

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_BEHIND = 10.0
"""Residual of what is behind its ray: far beyond any angle, whatever the derivatives say."""


@dataclass(frozen=True)
class Points:
    """P points of the surroundings."""

    origin: FloatArray
    """(P, 3) m."""
    direction: FloatArray
    """(P, 3) unit vectors."""
    inverse_m: FloatArray
    """(P,) 1 / distance from the origin; NaN where not known, below 0 by its error where very far."""
    sigma: FloatArray
    """(P,) one standard deviation of ``inverse_m``."""

    @classmethod
    def unknown(cls, count: int) -> Points:
        """Return points of which nothing is known."""
        return cls(np.full((count, 3), np.nan), np.full((count, 3), np.nan), np.full(count, np.nan), np.full(count, np.nan))

    @property
    def known(self) -> BoolArray:
        """(P,)"""
        return np.asarray(np.isfinite(self.inverse_m))

    def take(self, chosen: IntArray | BoolArray) -> Points:
        """Return some of them."""
        return Points(self.origin[chosen], self.direction[chosen], self.inverse_m[chosen], self.sigma[chosen])

    def with_rows(self, rows: IntArray, other: Points) -> Points:
        """Return the points with some of them replaced."""
        arrays = [np.array(a) for a in (self.origin, self.direction, self.inverse_m, self.sigma)]
        for array, new in zip(arrays, (other.origin, other.direction, other.inverse_m, other.sigma), strict=True):
            array[rows] = new
        return Points(*arrays)

    def moved(self, step: FloatArray) -> Points:
        """Return the points after steps (P, 3): two across the direction (``across`` of it), one of ``inverse_m``."""
        bent = self.direction + np.einsum("pki,pk->pi", across(self.direction), step[:, :2])
        length = np.linalg.norm(bent, axis=1)
        return replace(self, direction=bent / length[:, None], inverse_m=(self.inverse_m + step[:, 2]) / length)


@dataclass(frozen=True)
class Residuals:
    """Residuals of N sights, with derivatives."""

    value: FloatArray
    """(N, 2) rad; large where the point is behind."""
    by_pose: FloatArray
    """(N, 2, 6) by turn about the body's axes and shift in the world."""
    by_inverse: FloatArray
    """(N, 2) by the points' ``inverse_m``."""
    by_point: FloatArray
    """(N, 2, 3) by ``Points.moved``; (0, 2, 3) unless asked for."""


def residuals(
    R: FloatArray, t: FloatArray, views: Views, points: Points, *, jacobians: bool = True, by_points: bool = False
) -> Residuals:  # fmt: skip
    """Return how N points, one for each sight, differ from the rays of a body at ``R`` (N, 3, 3) or (3, 3), ``t`` (N, 3) or (3,) in the world."""
    away = points.origin - t - views.shift
    R_t = np.swapaxes(R, -1, -2)
    turned = _apply(R_t, points.inverse_m[:, None] * away + points.direction)
    q = turned - points.inverse_m[:, None] * views.origin
    length = np.maximum(np.linalg.norm(q, axis=1), 1e-12)
    unit = q / length[:, None]
    axes = views.axes
    value = np.einsum("nki,ni->nk", axes, unit)
    ahead = np.einsum("ni,ni->n", unit, views.ray)
    value = np.where((ahead > 0.1)[:, None], value, _BEHIND)
    if not jacobians:
        return Residuals(value, np.zeros((0, 2, 6)), np.zeros((0, 2)), np.zeros((0, 2, 3)))
    slope = (axes - value[..., None] * unit[:, None, :]) / length[:, None, None]
    by_world = slope @ R_t
    by_pose = np.concatenate([slope @ rotation.hat(turned), -points.inverse_m[:, None, None] * by_world], axis=2)
    by_inverse = np.einsum("nki,ni->nk", slope, _apply(R_t, away) - views.origin)
    if not by_points:
        return Residuals(value, by_pose, by_inverse, np.zeros((0, 2, 3)))
    by_point = np.concatenate([by_world @ np.swapaxes(across(points.direction), 1, 2), by_inverse[..., None]], axis=2)
    return Residuals(value, by_pose, by_inverse, by_point)


def _apply(R: FloatArray, v: FloatArray) -> FloatArray:
    """Return ``R v`` for rotations (n, 3, 3) or one (3, 3) and vectors (n, 3)."""
    return np.asarray(v @ R.T if R.ndim == 2 else np.einsum("nij,nj->ni", R, v))


def triangulated(R: FloatArray, t: FloatArray, views: Views, point: IntArray, count: int, sigma_rad: FloatArray) -> Points:
    """Return ``count`` points from sights (N,) of them, numbered by ``point`` (N,), from a body at ``R`` (N, 3, 3), ``t`` (N, 3).

    The origin and direction are those of a point's first sight; the inverse distance follows linearly from the others. NaN for points that were seen
    once, or only from one place.
    """
    place = t + views.shift + _apply(R, views.origin)
    ray = _apply(R, views.ray)
    order = np.argsort(point, kind="stable")
    numbers, start = np.unique(point[order], return_index=True)
    first = np.zeros(count, dtype=np.int64)
    first[numbers] = order[start]
    origin, direction = place[first[point]], ray[first[point]]
    by_inverse, at_infinity = cross(ray, origin - place), cross(ray, direction)
    weight = 1 / np.square(sigma_rad)
    power = np.bincount(point, weight * np.einsum("ni,ni->n", by_inverse, by_inverse), minlength=count)
    right = -np.bincount(point, weight * np.einsum("ni,ni->n", by_inverse, at_infinity), minlength=count)
    seen = np.zeros(count, dtype=np.bool_)
    seen[numbers] = True
    good = seen & (power > 1e-3)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse, sigma = np.where(good, right / power, np.nan), np.where(good, power**-0.5, np.nan)
    return Points(np.where(good[:, None], place[first], np.nan), np.where(good[:, None], ray[first], np.nan), inverse, sigma)
