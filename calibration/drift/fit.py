"""Cameras moved so that shared points agree: robust least squares in windows of time, points or targets eliminated.

A camera's motion is written in its own frame as calibrated: turned by a rotation vector, moved by metres along its axes. Residuals are in units
of the points' expected error and weighted as Student's t has it (Lange, Little and Taylor, "Robust statistical modeling using the t distribution",
JASA 1989); what a block does not share with cameras (its point, or its target's pose) is eliminated by the Schur complement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.drift.placement import POSE, Placement, moved_by
from bodydouble.calibration.drift.points import SharedPoints
from bodydouble.calibration.transform import apply, invert

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FREEDOM = 4.0
"""Degrees of freedom of Student's t: landmarks have 1 to 5 % that are on another limb."""
PRIOR_ROTATION, PRIOR_POSITION = 0.05, 0.05
"""rad, m. So weak that it only holds what the images leave open, such as all cameras moving together."""
_STEPS = 30
_WIDEST = 40.0
_FEWEST_STEPS = 3
_SMALLEST_SCALE = 0.02
_FLOOR = 1e-12
_BEHIND = 1e6
"""Squared error, in units of the expected one, of a point that was seen and is placed behind its camera."""
_SETTLED = 0.1
"""A step that raises the log-likelihood of a window by less changes no answer."""


@dataclass(frozen=True)
class Linear:
    """The weighted problem near a placement. D = 6 C: the changes of all cameras."""

    residual: FloatArray
    """(C, B, m, 2) predicted minus seen in px; NaN where not seen."""
    weight: FloatArray
    """(C, B, m) how much each point counts, in 1/px^2; 0 where not seen."""
    information: FloatArray
    """(W, D, D)"""
    score: FloatArray
    """(B, m, D) each point's share of the gradient, points eliminated."""
    by_pose: FloatArray
    """(C, B, m, 2, 6) derivatives of the pixels by the motion of their camera; 0 where not seen."""


def fit(
    points: SharedPoints, start: Placement, window: IntArray, free: BoolArray, scale: float, *, prior: FloatArray | None = None, widen: bool = True
) -> Placement:  # fmt: skip
    """Move the cameras ``free`` (C,) in every window, and all points, until they agree best; ``window`` (B,) of each block.

    ``scale`` multiplies the expected errors; with ``widen`` it starts as wide as the disagreement is (graduated non-convexity). ``prior`` (W, C, 6)
    is the change that the weak prior draws towards, by default none.
    """
    W, C = start.motion.shape[:2]
    prior = np.zeros((W, C, POSE)) if prior is None else prior
    widths = [1.0]
    if widen:
        error, _ = _scaled_error(points, start, window, scale)
        typical = float(np.sqrt(np.median(error[np.isfinite(error)]))) if np.isfinite(error).any() else 1.0
        widths = [w for w in (_WIDEST, 16.0, 6.0, 2.5) if w < 1.5 * typical] + [1.0]
    place = start
    for width in widths:
        place = _descend(points, place, window, free, scale * width, prior, _STEPS if width == 1.0 else _FEWEST_STEPS)
    return place


def scale_of(points: SharedPoints, place: Placement, window: IntArray, free: BoolArray, scale: float) -> float:
    """Return the factor on the expected errors that the residuals show, by expectation and maximisation for Student's t."""
    error, seen = _scaled_error(points, place, window, 1.0)
    error = np.nan_to_num(error[seen], nan=_BEHIND)
    if len(error) == 0:
        return scale
    eliminated = int(place.placed.sum()) * (3 if points.known is None else 6)
    left = 2 * len(error) - eliminated - POSE * int(free.sum()) * len(place.motion)
    share = max(left / (2 * len(error)), 0.02)
    variance = scale**2
    for _ in range(20):
        # Residuals are smaller than errors by the share of freedom that is left.
        weight = (FREEDOM + 2) / (FREEDOM + error / (share * variance))
        variance = float(np.sum(weight * error) / (2 * len(error) * share))
    return max(float(np.sqrt(variance)), _SMALLEST_SCALE)


def costs(points: SharedPoints, place: Placement, window: IntArray, scale: float) -> FloatArray:
    """Return the robust cost (B,) of each block: minus the logarithm of Student's t."""
    error, seen = _scaled_error(points, place, window, scale)
    return np.asarray(np.where(seen, 0.5 * (FREEDOM + 2) * np.log1p(np.nan_to_num(error, nan=_BEHIND) / FREEDOM), 0.0).sum(axis=(0, 2)))


def residuals(points: SharedPoints, place: Placement, window: IntArray) -> FloatArray:
    """Return predicted minus seen (C, B, m, 2) px; NaN where not seen."""
    return _predict(points, place, window)[0] - points.pixels


def linearise(points: SharedPoints, place: Placement, window: IntArray, scale: float) -> Linear:
    """Return the problem near ``place`` in terms of the changes of all cameras."""
    system = _system(points, place, window, scale)
    W, C = place.motion.shape[:2]
    by_block = system.E.reshape(points.blocks, system.E.shape[1], C * POSE)
    half = _half_inverse(system.V)
    reduced = half @ by_block
    information = np.zeros((W, C * POSE, C * POSE))
    for w in range(W):
        rows = reduced[window == w].reshape(-1, C * POSE)
        information[w] = -rows.T @ rows
        for c in range(C):
            own = slice(c * POSE, (c + 1) * POSE)
            information[w, own, own] += system.F[w, c]
    direct = np.einsum("cbmit,cbm,cbmi->bmct", system.B, system.weight, system.r).reshape(*points.part.shape, C * POSE)
    of_point = np.einsum("cbmik,cbm,cbmi->bmk", system.A, system.weight, system.r)
    score = direct - np.einsum("bmk,bkt->bmt", of_point @ half.swapaxes(-1, -2), reduced)
    for w in range(W):
        to_change = np.linalg.inv(_from_step(place.motion[w]))
        information[w] = to_change.T @ information[w] @ to_change
        score[window == w] = score[window == w] @ to_change
    seen = system.weight > 0
    t = FREEDOM / (FREEDOM + (system.r**2).sum(axis=-1)[seen] / (points.sigma[seen] * scale) ** 2)
    # A weight w = (nu + 2) / (nu + s) goes with a curvature, mean of both directions, of w + s dw/ds = w nu / (nu + s).
    curvature = float(np.mean(t**2) / np.mean(t)) if seen.any() else 1.0
    return Linear(np.where(seen[..., None], system.r, np.nan), system.weight, information * curvature, score, system.B)


def _from_step(motion: FloatArray) -> FloatArray:
    """Return the matrix (D, D) from steps in the cameras' present frames to changes of rotation vectors and displacements."""
    C = len(motion)
    matrix = np.eye(C * POSE)
    J = rotation.right_jacobian_inverse(rotation.log(motion[:, :3, :3]))
    for c in range(C):
        first = c * POSE
        matrix[first : first + 3, first : first + 3] = J[c]
        matrix[first + 3 : first + 6, first + 3 : first + 6] = motion[c, :3, :3]
    return matrix


@dataclass(frozen=True)
class _System:
    r: FloatArray
    weight: FloatArray
    A: FloatArray
    """(C, B, m, 2, k) derivatives by the block's own place."""
    B: FloatArray
    """(C, B, m, 2, t) derivatives by the camera's terms."""
    V: FloatArray
    """(B, k, k)"""
    a: FloatArray
    """(B, k)"""
    E: FloatArray
    """(B, k, C, t)"""
    F: FloatArray
    """(W, C, t, t)"""
    g: FloatArray
    """(W, C, t)"""


def _predict(
    points: SharedPoints, place: Placement, window: IntArray, *, jacobian: bool = False
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return pixels (C, B, m, 2), their derivatives by the point in the body's frame (or empty) and the points in the cameras (C, B, m, 3)."""
    T = invert(np.einsum("cij,wcjk->wcik", points.T_body_camera, place.motion))[window]
    where = place.place[:, None] if points.known is None else apply(place.place[:, None], points.known)
    in_camera = np.swapaxes(where[:, None] @ np.swapaxes(T[..., :3, :3], -1, -2) + T[:, :, None, :3, 3], 0, 1)
    if not jacobian:
        return np.stack([model.project(p) for model, p in zip(points.models, in_camera, strict=True)]), np.empty(0), in_camera
    found = [model.project_jacobian(p) for model, p in zip(points.models, in_camera, strict=True)]
    return np.stack([f[0] for f in found]), np.stack([f[1] for f in found]), in_camera


def _scaled_error(points: SharedPoints, place: Placement, window: IntArray, scale: float) -> tuple[FloatArray, BoolArray]:
    """Return squared errors (C, B, m) in units of the expected one, and where something was seen of a block that has a place."""
    r = residuals(points, place, window)
    return np.square(r).sum(axis=-1) / (points.sigma * scale) ** 2, points.seen & place.placed[None, :, None]


def _system(points: SharedPoints, place: Placement, window: IntArray, scale: float) -> _System:
    predicted, J, in_camera = _predict(points, place, window, jacobian=True)
    r = predicted - points.pixels
    sound = np.asarray(np.isfinite(r).all(axis=-1) & np.isfinite(J).all(axis=(-1, -2)))
    r, J = np.where(sound[..., None], r, 0.0), np.where(sound[..., None, None], J, 0.0)
    in_camera = np.where(sound[..., None], in_camera, 0.0)
    variance = (points.sigma * scale) ** 2
    weight = np.where(sound, (FREEDOM + 2) / (FREEDOM + np.square(r).sum(axis=-1) / variance) / variance, 0.0)
    W, C = place.motion.shape[:2]
    B = np.concatenate([J @ rotation.hat(in_camera), -J], axis=-1)
    R = invert(np.einsum("cij,wcjk->wcik", points.T_body_camera, place.motion))[..., :3, :3][window]
    A = J @ np.moveaxis(R, 0, 1)[:, :, None]
    if points.known is not None:
        arm = np.nan_to_num(np.einsum("bij,bmj->bmi", place.place[:, :3, :3], points.known))
        A = np.concatenate([-A @ rotation.hat(arm), A], axis=-1)
    blocks, k, t = points.blocks, A.shape[-1], B.shape[-1]
    by_block = np.moveaxis(A, 0, 1).reshape(blocks, C, -1, k)
    weighted = np.swapaxes(np.moveaxis(A * weight[..., None, None], 0, 1).reshape(blocks, C, -1, k), 2, 3)
    V = (weighted @ by_block).sum(axis=1)
    V += (1e-9 * np.trace(V, axis1=1, axis2=2)[:, None, None] + _FLOOR) * np.eye(k)
    a = (weighted @ np.moveaxis(r, 0, 1).reshape(blocks, C, -1, 1)).sum(axis=1)[..., 0]
    E = np.moveaxis(weighted @ np.moveaxis(B, 0, 1).reshape(blocks, C, -1, t), 1, 2)
    Bw = B * weight[..., None, None]
    F, g = np.zeros((W, C, t, t)), np.zeros((W, C, t))
    for w in range(W):
        for c in range(C):
            rows, scaled = B[c, window == w].reshape(-1, t), Bw[c, window == w].reshape(-1, t)
            F[w, c] = scaled.T @ rows
            g[w, c] = scaled.T @ r[c, window == w].ravel()
    return _System(r, weight, A, B, V, a, E, F, g)


def _half_inverse(V: FloatArray) -> FloatArray:
    """Return L^-1 (B, k, k) with V = L L^T."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(V)))


def _descend(
    points: SharedPoints, place: Placement, window: IntArray, free: BoolArray, scale: float, prior: FloatArray, steps: int
) -> Placement:
    """Levenberg and Marquardt's method, damped for each window by itself."""
    W, C = place.motion.shape[:2]
    terms = np.flatnonzero(np.repeat(free, POSE))
    precision = np.tile(np.repeat([PRIOR_ROTATION**-2.0, PRIOR_POSITION**-2.0], 3), C)
    damping = np.full(W, 1e-3)

    def total(candidate: Placement) -> FloatArray:
        data = np.bincount(window, costs(points, candidate, window, scale), W)
        off = (candidate.change - prior).reshape(W, -1)
        return np.asarray(data + 0.5 * (off**2 * precision).sum(axis=1))

    cost = total(place)
    active = np.ones(W, dtype=bool)
    system: _System | None = None
    for _ in range(steps):
        system = _system(points, place, window, scale) if system is None else system
        half = _half_inverse(system.V * (1 + damping[window])[:, None, None] if not len(terms) else system.V)
        reduced = half @ system.E.reshape(points.blocks, -1, C * POSE)
        eliminated = np.einsum("bij,bj->bi", half, system.a)
        off = (place.change - prior).reshape(W, -1)
        step = np.zeros((W, C * POSE))
        for w in np.flatnonzero(active) if len(terms) else ():
            rows = reduced[window == w].reshape(-1, C * POSE)
            H = -rows.T @ rows
            for c in range(C):
                own = slice(c * POSE, (c + 1) * POSE)
                H[own, own] += system.F[w, c]
            g = system.g[w].ravel() - rows.T @ eliminated[window == w].ravel()
            H += np.diag(precision + damping[w] * np.maximum(np.diag(H), 0.0))
            g += precision * off[w]
            step[w, terms] = -np.linalg.solve(H[np.ix_(terms, terms)], g[terms])
        own_step = -np.einsum("bji,bj->bi", half, eliminated + np.einsum("bkt,bt->bk", reduced, step[window]))
        candidate = _stepped(place, step, np.where(active[window][:, None], own_step, 0.0))
        new = total(candidate)
        better = active & (new <= cost)
        gain = np.where(better, cost - new, 0.0)
        if better.any():
            place = _mixed(place, candidate, better, window)
            cost = np.where(better, new, cost)
            system = None
        damping = np.where(better, damping / 5, np.where(active, damping * 10, damping))
        active &= ~((better & (gain < _SETTLED)) | (damping > 1e6))
        if not active.any():
            break
    return place


def _stepped(place: Placement, step: FloatArray, own: FloatArray) -> Placement:
    W, C = place.motion.shape[:2]
    motion = place.motion @ moved_by(step.reshape(W, C, POSE))
    if place.place.ndim == 2:
        return Placement(motion, place.place + own)
    T = place.place.copy()
    T[:, :3, :3] = rotation.exp(own[:, :3]) @ T[:, :3, :3]
    T[:, :3, 3] += own[:, 3:]
    return Placement(motion, T)


def _mixed(old: Placement, new: Placement, take: BoolArray, window: IntArray) -> Placement:
    """Return the new placement in some windows and the old one in the others."""
    of_block = take[window].reshape(-1, *[1] * (old.place.ndim - 1))
    return replace(old, motion=np.where(take[:, None, None, None], new.motion, old.motion), place=np.where(of_block, new.place, old.place))
