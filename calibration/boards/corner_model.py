"""The grey values around a corner: two straight or slightly bent edges, blurred by a Gaussian, fitted by least squares to many windows at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Grey = npt.NDArray[np.float32]

SHAPE = 5
"""Centre (2), direction of the normal of each edge (2), logarithm of the blur in px."""
_PARAMETERS = 9
"""The shape, then a plane (3) and the contrast."""
_STEPS = 25
_SHARPEST = 0.1
"""Smallest blur in px, beside a pixel's own width."""
_BLURRIEST = 8.0
_STILL_BLUR = 0.05
_LARGEST_STEP = np.array([2.0, 2.0, 0.2, 0.2, 0.5])


@dataclass(frozen=True)
class Windows:
    """The pixels around K corners that hold nothing but their edges, N at most; float32, which is enough for grey values."""

    middle: FloatArray
    """(K, 2) px."""
    x: Grey
    """(K, N) px from the middle."""
    y: Grey
    grey: Grey
    weight: Grey
    """(K, N) 1, or 0 where a corner has fewer than N pixels."""
    bend: FloatArray
    """(K, 2) second derivative in 1/px, along each edge, of the distance from it."""
    crossing: bool
    """Whether the edges go on beyond each other, as on a chessboard, or end where they meet."""

    def take(self, which: npt.NDArray[np.int64]) -> Windows:
        """Return some of the windows."""
        arrays = ("middle", "x", "y", "grey", "weight", "bend")
        return replace(self, **{name: getattr(self, name)[which] for name in arrays})

    @property
    def spread(self) -> FloatArray:
        """(K,) sum of the squares of the grey values about their mean."""
        pixels = np.maximum(self.weight.sum(axis=1, keepdims=True), 1)
        mean = (self.weight * self.grey).sum(axis=1, keepdims=True) / pixels
        return np.asarray((self.weight * (self.grey - mean) ** 2).sum(axis=1, dtype=np.float64))


@dataclass(frozen=True)
class Fit:
    """The edges in K windows."""

    shape: FloatArray
    """(K, 5)"""
    contrast: FloatArray
    """(K,) white minus black; negative where the other quarters are black."""
    rest: FloatArray
    """(K,) sum of the squares that are left."""


def fit_edges(windows: Windows, shape: FloatArray, *, still_px: float) -> Fit:
    """Fit all windows by Levenberg and Marquardt's method from ``shape`` (K, 5), until centres move less than ``still_px``."""
    count = len(shape)
    values = np.concatenate([shape, _first_plane(windows, shape)], axis=1)
    cost, normal, right = _equations(windows, values)
    damping = np.full(count, 1e-3)
    going = np.arange(count)
    some = windows
    for _ in range(_STEPS):
        diagonal = np.einsum("kii->ki", normal[going])
        damped = normal[going] + np.eye(_PARAMETERS) * (damping[going, None] * diagonal + 1e-6)[:, None, :]
        step = np.linalg.solve(damped, right[going][..., None])[..., 0]
        step[:, :SHAPE] = np.clip(step[:, :SHAPE], -_LARGEST_STEP, _LARGEST_STEP)
        trial = values[going] + step
        trial[:, 4] = np.clip(trial[:, 4], math.log(_SHARPEST), math.log(_BLURRIEST))
        trial_cost, trial_normal, trial_right = _equations(some, trial)
        better = trial_cost < cost[going]
        taken = going[better]
        values[taken], cost[taken] = trial[better], trial_cost[better]
        normal[taken], right[taken] = trial_normal[better], trial_right[better]
        damping[going] *= np.where(better, 0.2, 10.0)
        moving = (np.abs(step[:, :2]).max(axis=1) > still_px) | (np.abs(step[:, 4]) > _STILL_BLUR)
        unsettled = moving & (damping[going] < 1e6)
        if not unsettled.any():
            break
        if not unsettled.all():
            going = going[unsettled]
            some = windows.take(going)
    return Fit(values[:, :SHAPE], values[:, 8], cost)


def _first_plane(windows: Windows, shape: FloatArray) -> FloatArray:
    """Return plane and contrast (K, 4) that fit best for given edges."""
    product = _product(windows, shape)[0]
    design = np.stack([np.ones_like(product), windows.x, windows.y, product], axis=1)
    weighted = design * windows.weight[:, None]
    normal = (weighted @ np.swapaxes(design, 1, 2)).astype(np.float64) + 1e-3 * np.eye(4)
    return np.asarray(np.linalg.solve(normal, (weighted @ windows.grey[..., None]).astype(np.float64))[..., 0])


def _equations(windows: Windows, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sums of squares (K,), the normal matrices (K, 9, 9) and the right sides (K, 9)."""
    product, jacobian = _product(windows, values)
    plane = values[:, SHAPE:].astype(np.float32)
    rest = windows.grey - (plane[:, :1] + plane[:, 1:2] * windows.x + plane[:, 2:3] * windows.y + plane[:, 3:] * product)
    jacobian[:, :SHAPE] *= plane[:, 3:, None]
    jacobian[:, 5], jacobian[:, 6], jacobian[:, 7], jacobian[:, 8] = 1, windows.x, windows.y, product
    weighted = jacobian * windows.weight[:, None]
    normal = weighted @ np.swapaxes(jacobian, 1, 2)
    right = weighted @ rest[..., None]
    cost = (windows.weight * rest**2).sum(axis=1, dtype=np.float64)
    return cost, normal.astype(np.float64), right[..., 0].astype(np.float64)


def _product(windows: Windows, values: FloatArray) -> tuple[Grey, Grey]:
    """Return the product of the two blurred edges (K, N) and room for the Jacobian (K, 9, N) with the shape's part filled in.

    An edge is an error function averaged over a pixel's width along the edge's normal: exact for edges along rows or columns, and of the right
    variance for all others.
    """
    from scipy.special import erf

    single = values.astype(np.float32)
    centre = (values[:, :2] - windows.middle).astype(np.float32)
    dx, dy = windows.x - centre[:, :1], windows.y - centre[:, 1:]
    sigma = np.exp(single[:, 4:5])
    half, root, tail = np.float32(0.5), np.float32(math.sqrt(0.5)) / sigma, np.float32(math.sqrt(2 / math.pi)) * sigma
    size = np.float32(1.0 if windows.crossing else 0.5)
    edges, slopes, blurs, tangents = [], [], [], []
    for k in (0, 1):
        cos, sin = np.cos(single[:, 2 + k, None]), np.sin(single[:, 2 + k, None])
        tangent = cos * dy - sin * dx
        distance = cos * dx + sin * dy - half * windows.bend[:, k, None].astype(np.float32) * tangent**2
        ends = distance + half, distance - half
        steps = [erf(end * root) for end in ends]
        tails = [tail * np.exp(-((end * root) ** 2)) for end in ends]
        edge = ends[0] * steps[0] - ends[1] * steps[1] + tails[0] - tails[1]
        edges.append(edge if windows.crossing else half + half * edge)
        slopes.append(size * (steps[0] - steps[1]))
        blurs.append(size * (tails[0] - tails[1]))  # by the logarithm of sigma
        tangents.append(tangent)
    first, second = slopes[0] * edges[1], slopes[1] * edges[0]
    jacobian = np.empty((len(values), _PARAMETERS, windows.x.shape[1]), dtype=np.float32)
    for k, trig in enumerate((np.cos, np.sin)):
        jacobian[:, k] = -(first * trig(single[:, 2:3]) + second * trig(single[:, 3:4]))
    jacobian[:, 2], jacobian[:, 3] = first * tangents[0], second * tangents[1]
    jacobian[:, 4] = blurs[0] * edges[1] + blurs[1] * edges[0]
    return edges[0] * edges[1], jacobian
