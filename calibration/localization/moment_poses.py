"""Poses of one body at many moments, each from all its cameras at once: batched, robust Levenberg-Marquardt with analytic Jacobians.

A frame is taken a little before or after its moment, so each moment has the body's pose and its rate of change as unknowns; what neighbouring
moments say about the rate is a prior. The corner errors are Student's t (see ``bundle_noise``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.noise import FREEDOM, squared_error, weight_of
from bodydouble.calibration.bundle.state import State, motion_of, moved
from bodydouble.calibration.localization.sightings import Sightings

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK = 150
"""Moments solved at a time: memory stays small however long the recording."""
_STEPS = 30
_DAMPING = 1e-3
_GIVE_UP = 1e8
_SETTLED = 1e-3
"""Squared length of the last step in sigmas; convergence is quadratic, so what is left is far below."""
_FIRM = 1e-12
_NOTHING = 1e-30


@dataclass(frozen=True)
class Knots:
    """Pose of a body at M moments and how it changes about them, with what is known of the rates before the images."""

    T: FloatArray
    """(M, 4, 4) T_room_body."""
    rate: FloatArray
    """(M, 6) angular velocity in the body's axes (rad/s), velocity in the room (m/s)."""
    acceleration: FloatArray
    """(M, 6) rad/s^2, m/s^2; taken as known."""
    expected_rate: FloatArray
    """(M, 6)"""
    rate_sigma: FloatArray
    """(M, 6) one standard deviation of the rate about ``expected_rate``."""

    def take(self, which: IntArray) -> Knots:
        """Return some of the moments, or one more than once."""
        return Knots(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Images:
    """What is predicted at given knots: residuals and their derivatives. A camera is disturbed by ``w x q + v``, for each of its points q."""

    residual: FloatArray
    """(N, 2) predicted minus seen px; NaN where the model sees no such point."""
    in_camera: FloatArray
    """(N, 3) m, the points q."""
    J_point: FloatArray
    """(N, 2, 3) by the point in the camera."""
    R_camera_room: FloatArray
    """(F, 3, 3)"""
    lift: FloatArray
    """(F, 6, 12) from a change of the moment's pose and rate to a disturbance (w, v) of the camera."""
    by_time: FloatArray
    """(F, 6) disturbance of the camera per second."""

    @cached_property
    def J(self) -> FloatArray:
        """(N, 2, 6) by a disturbance of the camera."""
        q, a = self.in_camera[:, None], self.J_point
        J = np.empty((*a.shape[:2], 6))
        J[..., 0] = q[..., 1] * a[..., 2] - q[..., 2] * a[..., 1]
        J[..., 1] = q[..., 2] * a[..., 0] - q[..., 0] * a[..., 2]
        J[..., 2] = q[..., 0] * a[..., 1] - q[..., 1] * a[..., 0]
        J[..., 3:] = a
        return J


def joined(parts: list[Knots]) -> Knots:
    """Put knots one after the other."""
    return Knots(*(np.concatenate([getattr(part, name) for part in parts]) for name in Knots.__dataclass_fields__))


def predict(s: Sightings, knots: Knots) -> Images:
    """Return residuals and Jacobians of all points."""
    rates = np.stack([knots.rate, knots.acceleration], axis=1)
    state = State(s.models, s.T_camera_body, np.zeros(0), np.zeros((0, 4, 4)), knots.T[None], rates[None])
    motion = motion_of(state, np.zeros(len(s.moment), dtype=np.int64), s.moment, s.dt_s)
    mount = s.T_camera_body[s.camera]
    R_camera_body = mount[:, :3, :3]
    R_camera_room = R_camera_body @ np.swapaxes(motion.R, 1, 2)
    t = mount[:, :3, 3] - np.einsum("fij,fj->fi", R_camera_room, motion.p)
    by_body = np.zeros((len(t), 6, 6))
    by_body[:, :3, :3] = -R_camera_body
    by_body[:, 3:, :3] = -rotation.hat(mount[:, :3, 3]) @ R_camera_body
    by_body[:, 3:, 3:] = -R_camera_room
    residual, points, J_point = np.empty_like(s.pixels), np.empty_like(s.p_room), np.empty((len(s.frame), 2, 3))
    for rows, model in zip(s.points_of_camera, s.models, strict=True):
        frame = s.frame[rows]
        q = np.einsum("nij,nj->ni", R_camera_room[frame], s.p_room[rows]) + t[frame]
        pixels, J_point[rows] = model.project_jacobian(q)
        residual[rows], points[rows] = pixels - s.pixels[rows], q
    return Images(
        residual, points, J_point, R_camera_room, by_body @ motion.lift[..., :12], np.einsum("fij,fj->fi", by_body, motion.rate)
    )  # fmt: skip


@dataclass(frozen=True)
class FrameNormals:
    """Normal equations of each frame by a disturbance of its camera, and the disturbance beyond the body's pose that the frame's slack makes likely."""

    D: FloatArray
    """(F, 6, 6)"""
    shrunk: FloatArray
    """(F, 6, 6) D with the slack integrated out: (I + D S)^-1 D."""
    pull: FloatArray
    """(F, 6) gradient with the slack integrated out: (I + D S)^-1 g."""
    disturbance: FloatArray
    """(F, 6) the most likely one."""
    size: FloatArray
    """(F,) its squared length in sigmas."""


def frame_normals(s: Sightings, images: Images, weights: FloatArray) -> FrameNormals:
    """Return the normal equations of all frames, with ``weights`` (N,) = 1 / px^2."""
    return with_slack(of_frames(s, images, weights), s.slack)


def of_frames(s: Sightings, images: Images, weights: FloatArray) -> FloatArray:
    """Return (F, 6, 7) normal matrix and gradient of each frame by a disturbance of its camera."""
    root = np.sqrt(np.where(np.isfinite(images.residual[:, 0]), weights, 0.0))
    rows = np.empty((len(root), 2, 7))
    rows[..., :6], rows[..., 6] = images.J, images.residual
    rows *= root[:, None, None]
    rows[root == 0] = 0.0
    if len(rows) == 0:
        return np.zeros((0, 6, 7))
    return np.asarray(np.add.reduceat(np.swapaxes(rows[..., :6], 1, 2) @ rows, np.searchsorted(s.frame, np.arange(len(s.camera)))))


def with_slack(own: FloatArray, slack: FloatArray) -> FrameNormals:
    """Return the normal equations ``own`` (F, 6, 7) of frames whose cameras may be disturbed by ``slack`` (F, 6, 6)."""
    D = own[..., :6]
    if not slack.any():
        return FrameNormals(D, D, own[..., 6], np.zeros((len(D), 6)), np.zeros(len(D)))
    shrunk: FloatArray = np.asarray(np.linalg.solve(np.eye(6) + D @ slack, own), dtype=np.float64)
    pull = shrunk[..., 6]
    disturbance = -np.einsum("fij,fj->fi", slack, pull)
    return FrameNormals(D, shrunk[..., :6], pull, disturbance, -np.einsum("fi,fi->f", pull, disturbance))


def information(s: Sightings, images: Images, normals: FrameNormals) -> tuple[FloatArray, FloatArray]:
    """Return the normal matrices (M, 12, 12) and gradients (M, 12) of pose and rate, without the prior."""
    H, g = np.zeros((s.moments, 12, 12)), np.zeros((s.moments, 12))
    if len(s.frame):
        lift_t = np.swapaxes(images.lift, 1, 2)
        there, first = np.unique(s.moment, return_index=True)
        H[there] = np.add.reduceat(lift_t @ normals.shrunk @ images.lift, first)
        g[there] = np.add.reduceat((lift_t @ normals.pull[..., None])[..., 0], first)
    return H, g


def absorbed(s: Sightings, images: Images, normals: FrameNormals, covariance: FloatArray) -> FloatArray:
    """Return (C,) how many of each camera's residuals the unknowns and the frames' disturbances take up: the sums of the leverages."""
    spread = images.lift @ covariance[s.moment] @ np.swapaxes(images.lift, 1, 2)
    kept = np.linalg.inv(np.eye(6) + s.slack @ normals.D)
    spread = kept @ s.slack + kept @ spread @ np.swapaxes(kept, 1, 2)
    return np.asarray(np.bincount(s.camera, np.einsum("fij,fji->f", normals.D, spread), minlength=len(s.models)), dtype=np.float64)


def left_over(s: Sightings, images: Images, normals: FrameNormals) -> FloatArray:
    """Return (N, 2) the residuals after each frame's camera took its most likely disturbance."""
    if not s.slack.any():
        return images.residual
    return np.asarray(images.residual + np.einsum("nki,ni->nk", images.J, normals.disturbance[s.frame]))


def with_prior(H: FloatArray, knots: Knots) -> FloatArray:
    """Return the normal matrices (M, 12, 12) with what is known of the rates."""
    result = H.copy()
    rows = np.arange(6, 12)
    result[:, rows, rows] += 1 / np.square(knots.rate_sigma)
    return result


def covariances(H: FloatArray) -> FloatArray:
    """Return inverses (M, 12, 12) of normal matrices, scaled first; what nothing decides becomes huge and not an error."""
    scale = np.sqrt(np.maximum(np.einsum("mii->mi", H), _NOTHING))
    outer = scale[:, :, None] * scale[:, None, :]
    return np.asarray(np.linalg.inv(H / outer + _FIRM * np.eye(H.shape[1])) / outer)


def costs(s: Sightings, knots: Knots, residual: FloatArray, normals: FrameNormals, sigma: FloatArray) -> FloatArray:
    """Return (M,) twice the negative log likelihood of each moment, up to a constant.

    ``residual`` (N, 2) is what the frames' disturbances have left over; ``sigma`` (C,) px.
    """
    square = squared_error(residual[:, None], sigma[s.camera_of_point])[:, 0]
    cost = np.bincount(s.moment_of_point, (FREEDOM + 2) * np.log1p(square / FREEDOM), minlength=s.moments)
    cost = cost + np.bincount(s.moment, normals.size, minlength=s.moments)
    return np.asarray(cost + np.square((knots.rate - knots.expected_rate) / knots.rate_sigma).sum(axis=1))


def robust_weights(s: Sightings, residual: FloatArray, sigma: FloatArray) -> FloatArray:
    """Return (N,) 1 / px^2."""
    scale = sigma[s.camera_of_point]
    return np.asarray(weight_of(residual[:, None], scale)[:, 0] / np.square(scale))


def refine(
    s: Sightings, knots: Knots, sigma: FloatArray, *, steps: int = _STEPS, tell: Callable[[int], None] = lambda done: None
) -> tuple[Knots, FloatArray]:
    """Return the most likely knots near the given ones, and their costs (M,); ``tell`` is called with the moments done so far."""
    parts, cost = [], []
    for first in range(0, s.moments, _BLOCK):
        block = np.arange(first, min(first + _BLOCK, s.moments))
        part, value = _refined(s.take(block), knots.take(block), sigma, steps)
        parts.append(part)
        cost.append(value)
        tell(int(block[-1]) + 1)
    return joined(parts) if parts else knots, np.concatenate([*cost, np.zeros(0)])


def _refined(s: Sightings, knots: Knots, sigma: FloatArray, steps: int) -> tuple[Knots, FloatArray]:
    images = predict(s, knots)
    weights = robust_weights(s, images.residual, sigma)
    weights = robust_weights(s, left_over(s, images, frame_normals(s, images, weights)), sigma)
    cost = np.zeros(s.moments)
    damping = np.full(s.moments, _DAMPING)
    busy = np.ones(s.moments, dtype=bool)
    working, within = s, np.arange(s.moments)
    for step_number in range(steps + 1):
        here = knots.take(within)
        normals = frame_normals(working, images, weights)
        left = left_over(working, images, normals)
        cost[within] = costs(working, here, left, normals, sigma)
        if step_number == steps or not busy.any():
            break
        H, g = information(working, images, normals)
        H = with_prior(H, here)
        g[:, 6:] += (here.rate - here.expected_rate) / np.square(here.rate_sigma)
        step = -_solved(H, g, damping[within])
        trial = replace(here, T=moved(here.T, step[:, :6]), rate=here.rate + step[:, 6:])
        trial_images = predict(working, trial)
        # Disturbances are judged with the same weights before and after, so that a lower cost is due to the step.
        trial_normals = frame_normals(working, trial_images, weights) if s.slack.any() else normals
        trial_left = left_over(working, trial_images, trial_normals)
        better = (costs(working, trial, trial_left, trial_normals, sigma) <= cost[within]) & busy[within]
        length = np.einsum("mi,mij,mj->m", step, H, step)
        taken = within[better]
        knots.T[taken], knots.rate[taken] = trial.T[better], trial.rate[better]
        damping[within] = np.where(better, damping[within] / 8, damping[within] * 8)
        busy[within] &= ~((better | (damping[within] > 1)) & (length < _SETTLED)) & (damping[within] < _GIVE_UP)
        of_better = better[working.moment_of_point]
        weights = np.where(of_better, robust_weights(working, trial_left, sigma), weights)
        if busy.any() and busy.sum() < 0.7 * len(within):
            chosen = np.flatnonzero(busy[within])
            within, part = within[chosen], np.isin(working.moment_of_point, chosen)
            working, weights = working.take(chosen), weights[part]
            images = predict(working, knots.take(within))
        else:
            images = trial_images if better.all() else predict(working, knots.take(within))
    return knots, cost


def _solved(H: FloatArray, g: FloatArray, damping: FloatArray) -> FloatArray:
    """Return H^-1 g (M, 12) with every diagonal element enlarged by the factor ``1 + damping`` (Marquardt), scaled to be well conditioned."""
    scale = np.sqrt(np.maximum(np.einsum("mii->mi", H), _NOTHING))
    scaled = H / (scale[:, :, None] * scale[:, None, :])
    rows = np.arange(H.shape[1])
    scaled[:, rows, rows] += damping[:, None] + _FIRM
    return np.asarray(np.linalg.solve(scaled, (g / scale)[..., None])[..., 0] / scale)
