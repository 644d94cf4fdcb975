"""Residuals of all views and the normal equations of one Gauss-Newton step, with analytic Jacobians.

A view's residuals depend on the camera's intrinsics and on one pose, target in camera. So each view's own 6 + P normal equations are formed
from its points first, and then lifted to the unknowns that make up the pose: mount, clock offset, target, and the knots of what moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle_state import STATIC, Layout, Motion, State, Structure, Views, motion_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Normal:
    """Normal equations: global unknowns (size), and local ones (M moments of K each); symmetric parts are kept once."""

    global_global: FloatArray
    """(size, size)"""
    local_global: FloatArray
    """(M, K, size)"""
    local_local: FloatArray
    """(M, K, K)"""
    local_next: FloatArray
    """(M - 1, K, K) between a moment and the one after."""
    global_gradient: FloatArray
    """(size,)"""
    local_gradient: FloatArray
    """(M, K)"""


@dataclass(frozen=True)
class ViewPoses:
    """Poses of targets in cameras, and how each pose was made up."""

    R: FloatArray
    """(V, 3, 3) R_camera_target."""
    t: FloatArray
    """(V, 3) m."""
    body: Motion
    target: Motion
    R_camera_room: FloatArray
    R_body_target: FloatArray
    between: FloatArray
    """(V, 3) m, from the body to the target, in the body's frame."""


def view_poses(state: State, structure: Structure, views: Views) -> ViewPoses:
    """Return the pose of each view's target in its camera, at the time the view was taken by the state's clocks."""
    dt = views.time_s + state.offset_s[views.camera] - structure.moment_s[views.moment]
    body = motion_of(state, structure.camera_chain(views.camera), views.moment, dt)
    chain = structure.chain_of_target[views.target]
    target = motion_of(state, chain, views.moment, dt)
    still = chain == STATIC
    T = state.T_room_target[views.target]
    R_room_target = np.where(still[:, None, None], T[:, :3, :3], target.R)
    p_room_target = np.where(still[:, None], T[:, :3, 3], target.p)
    mount = state.T_body_camera[views.camera]
    R_camera_body = np.swapaxes(mount[:, :3, :3], -1, -2)
    R_body_room = np.swapaxes(body.R, -1, -2)
    R_body_target = R_body_room @ R_room_target
    between = np.einsum("vij,vj->vi", R_body_room, p_room_target - body.p)
    t = np.einsum("vij,vj->vi", R_camera_body, between - mount[:, :3, 3])
    return ViewPoses(R_camera_body @ R_body_target, t, body, target, R_camera_body @ R_body_room, R_body_target, between)


def residuals(state: State, structure: Structure, views: Views) -> FloatArray:
    """Return predicted minus seen pixels (V, n, 2); 0 where not seen, NaN where the model sees no such point."""
    poses = view_poses(state, structure, views)
    points = np.einsum("vij,vnj->vni", poses.R, views.points) + poses.t[:, None]
    result = np.zeros(views.pixels.shape)
    for c, model in enumerate(state.models):
        rows = views.camera == c
        result[rows] = np.where(views.seen[rows][..., None], model.project(points[rows]) - views.pixels[rows], 0.0)
    return result


@dataclass(frozen=True)
class Linearization:
    """Residuals of all views and their derivatives by the camera's intrinsics and by the target's pose in the camera."""

    residual: FloatArray
    """(V, n, 2) predicted minus seen px; 0 where not seen, NaN where the model sees no such point."""
    J: FloatArray
    """(V, n, 2, P + 6); 0 where not seen or NaN."""
    lifts: tuple[FloatArray, FloatArray, FloatArray]
    """(V, 6, 6) from the poses of body, target and mount to that of the target in the camera."""
    rate: FloatArray
    """(V, 6) how the target's pose in the camera changes with time: angular velocity on the right (rad/s), velocity (m/s)."""
    poses: ViewPoses


def linearize(state: State, structure: Structure, views: Views, intrinsics: int) -> Linearization:
    """Return residuals and derivatives, with room for ``intrinsics`` parameters of each camera."""
    poses = view_poses(state, structure, views)
    points = np.einsum("vij,vnj->vni", poses.R, views.points) + poses.t[:, None]
    P = intrinsics
    J = np.zeros((*views.point.shape, 2, P + 6))
    residual = np.zeros(views.pixels.shape)
    by_turn = -poses.R[:, None] @ rotation.hat(views.points)
    for c, model in enumerate(state.models):
        rows = views.camera == c
        if not rows.any():
            continue
        pixels, J_point, J_model = model.project_jacobians(points[rows])
        residual[rows] = pixels - views.pixels[rows]
        J[rows, :, :, : J_model.shape[-1]] = J_model
        J[rows, :, :, P : P + 3] = J_point @ by_turn[rows]
        J[rows, :, :, P + 3 :] = J_point
    used = views.seen & np.isfinite(residual).all(axis=-1)
    lifts = _pose_lifts(state, views, poses)
    rate = np.einsum("vij,vj->vi", lifts[0], poses.body.rate) + np.einsum("vij,vj->vi", lifts[1], poses.target.rate)
    return Linearization(
        np.where(views.seen[..., None], residual, 0.0), np.where(used[..., None, None], J, 0.0), lifts, rate, poses
    )  # fmt: skip


def normal_equations(
    linear: Linearization, structure: Structure, views: Views, where: Layout, weights: FloatArray, slack: FloatArray | None = None
) -> Normal:
    """Return the normal equations with ``weights`` (V, n) = 1 / px^2 on each point.

    ``slack`` (V, 6, 6) is the covariance by which each view's pose may differ from what the unknowns say; it is integrated out.
    """
    count, n = views.point.shape
    root = np.sqrt(weights)[..., None]
    A = (linear.J * root[..., None]).reshape(count, 2 * n, -1)
    r = (np.nan_to_num(linear.residual) * root).reshape(count, 2 * n)
    own = np.swapaxes(A, 1, 2) @ A
    gradient = np.einsum("vik,vi->vk", A, r)
    if slack is not None:
        P = own.shape[1] - 6
        gain = slack @ np.linalg.inv(np.eye(6) + own[:, P:, P:] @ slack) @ own[:, P:, :]
        gradient = gradient - np.einsum("vik,vi->vk", gain, gradient[:, P:])
        own = own - own[:, :, P:] @ gain
    return _assemble(linear, structure, views, where, own, gradient)


def _assemble(linear: Linearization, structure: Structure, views: Views, where: Layout, own: FloatArray, gradient: FloatArray) -> Normal:
    """Lift each view's normal equations (V, P + 6, P + 6) to the unknowns, and add them up."""
    count, P = len(views), where.intrinsics.shape[1]
    terms = 6 * structure.order
    moments, K = len(structure.moment_s), structure.chains * terms
    (by_body, by_target, by_mount), rate, poses = linear.lifts, linear.rate, linear.poses
    body_chain, target_chain = structure.camera_chain(views.camera), structure.chain_of_target[views.target]

    lift = np.zeros((count, P + 6, P + 13 + terms * 2))
    lift[:, :P, :P] = np.eye(P)
    lift[:, P:, P : P + 6] = by_mount
    lift[:, P:, P + 6] = rate
    lift[:, P:, P + 7 : P + 13] = np.where((target_chain == STATIC)[:, None, None], by_target, 0.0)
    lift[:, P:, P + 13 : P + 13 + terms] = by_body @ poses.body.lift
    lift[:, P:, P + 13 + terms :] = by_target @ poses.target.lift
    H = np.swapaxes(lift, 1, 2) @ own @ lift
    g = np.einsum("vij,vi->vj", lift, gradient)

    columns = np.full((count, P + 13), where.size, dtype=np.int64)
    columns[:, :P] = where.intrinsics[views.camera]
    columns[:, P : P + 6] = where.mount[views.camera]
    columns[:, P + 6] = where.offset[views.camera]
    columns[:, P + 7 :] = np.where((target_chain == STATIC)[:, None], where.target[views.target], where.size)
    size, G = where.size + 1, P + 13
    global_global = _scatter(columns[:, :, None] * size + columns[:, None, :], H[:, :G, :G], (size, size))
    global_gradient = _scatter(columns, g[:, :G], (size,))
    local_global, local_local, local_gradient = np.zeros((moments, K, size)), np.zeros((moments, K, K)), np.zeros((moments, K))
    blocks = [
        (chain, slice(G + i * terms, G + (i + 1) * terms)) for i, chain in enumerate((body_chain, target_chain)) if (chain >= 0).any()
    ]
    inner = np.arange(terms)
    for chain, part in blocks:
        on = np.flatnonzero(chain >= 0)
        row = (views.moment[on] * K + chain[on] * terms)[:, None] + inner
        local_gradient += _scatter(row, g[on, part], (moments, K))
        local_global += _scatter(row[:, :, None] * size + columns[on][:, None, :], H[on, part, :G], (moments, K, size))
        for other, other_part in blocks:
            both = np.flatnonzero((chain >= 0) & (other >= 0))
            row = (views.moment[both] * K + chain[both] * terms)[:, None] + inner
            column = (other[both] * terms)[:, None] + inner
            local_local += _scatter(row[:, :, None] * K + column[:, None, :], H[both, part, other_part], (moments, K, K))
    none = np.zeros((max(moments - 1, 0), K, K))
    return Normal(global_global[:-1, :-1], local_global[..., :-1], local_local, none, global_gradient[:-1], local_gradient)


def _pose_lifts(state: State, views: Views, poses: ViewPoses) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (V, 6, 6) from changes of the body's, the target's and the mount's pose to that of the target in the camera."""
    count = len(views)
    R_camera_body = np.swapaxes(state.T_body_camera[views.camera][:, :3, :3], -1, -2)
    by_body, by_target, by_mount = np.zeros((count, 6, 6)), np.zeros((count, 6, 6)), np.zeros((count, 6, 6))
    by_body[:, :3, :3] = -np.swapaxes(poses.R_body_target, -1, -2)
    by_body[:, 3:, :3] = R_camera_body @ rotation.hat(poses.between)
    by_body[:, 3:, 3:] = -poses.R_camera_room
    by_target[:, :3, :3] = np.eye(3)
    by_target[:, 3:, 3:] = poses.R_camera_room
    by_mount[:, :3, :3] = -np.swapaxes(poses.R, -1, -2)
    by_mount[:, 3:, :3] = rotation.hat(poses.t)
    by_mount[:, 3:, 3:] = -R_camera_body
    return by_body, by_target, by_mount


def _scatter(index: IntArray, values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Add ``values`` into an array of zeros at flat positions."""
    sums: FloatArray = np.bincount(index.ravel(), values.ravel(), minlength=int(np.prod(shape))).astype(np.float64, copy=False)
    return sums.reshape(shape)
