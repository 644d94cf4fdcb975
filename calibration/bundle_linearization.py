"""Residuals of all views and the normal equations of one Gauss-Newton step, with analytic Jacobians.

What a camera sees at a moment depends on its intrinsics and on one pose: of the room in the camera for all targets that stand still, of the
target in the camera for each that moves. So the 6 + P normal equations of each such image are formed from its points first, and then lifted to
the unknowns that make up the pose: mount, clock offset, and the knots of what moves. Static targets add 6 unknowns of their own.
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
    """Normal equations: global unknowns (size), and local ones (M moments of K each); of blocks that mirror each other one is kept."""

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

    def __add__(self, other: Normal) -> Normal:
        """Return the normal equations of both together."""
        return Normal(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ViewPoses:
    """Poses in the camera of what each view hangs on (the room, or the target that moves), and how each was made up."""

    R: FloatArray
    """(V, 3, 3) R_camera_base; the base is the room for static targets, the target itself for moving ones."""
    t: FloatArray
    """(V, 3) m."""
    body: Motion
    target: Motion
    R_camera_room: FloatArray
    R_body_base: FloatArray
    between: FloatArray
    """(V, 3) m, from the body to the base, in the body's frame."""
    points: FloatArray
    """(V, n, 3) m in the base."""


def view_poses(state: State, structure: Structure, views: Views) -> ViewPoses:
    """Return the pose of each view's base in its camera, at the time the view was taken by the state's clocks."""
    dt = views.time_s + state.offset_s[views.camera] - structure.moment_s[views.moment]
    body = motion_of(state, structure.camera_chain(views.camera), views.moment, dt)
    chain = structure.chain_of_target[views.target]
    target = motion_of(state, chain, views.moment, dt)
    still = (chain == STATIC)[:, None]
    T = state.T_room_target[views.target]
    points = np.where(still[..., None], np.einsum("vij,vnj->vni", T[:, :3, :3], views.points) + T[:, None, :3, 3], views.points)
    mount = state.T_body_camera[views.camera]
    R_camera_body = np.swapaxes(mount[:, :3, :3], -1, -2)
    R_body_room = np.swapaxes(body.R, -1, -2)
    R_body_base = R_body_room @ target.R
    between = np.einsum("vij,vj->vi", R_body_room, target.p - body.p)
    t = np.einsum("vij,vj->vi", R_camera_body, between - mount[:, :3, 3])
    return ViewPoses(R_camera_body @ R_body_base, t, body, target, R_camera_body @ R_body_room, R_body_base, between, points)


def residuals(state: State, structure: Structure, views: Views) -> FloatArray:
    """Return predicted minus seen pixels (V, n, 2); 0 where not seen, NaN where the model sees no such point."""
    poses = view_poses(state, structure, views)
    points = np.einsum("vij,vnj->vni", poses.R, poses.points) + poses.t[:, None]
    result = np.zeros(views.pixels.shape)
    for c, model in enumerate(state.models):
        rows = views.camera == c
        result[rows] = np.where(views.seen[rows][..., None], model.project(points[rows]) - views.pixels[rows], 0.0)
    return result


@dataclass(frozen=True)
class Linearization:
    """Residuals of all views and their derivatives by the camera's intrinsics, by the base's pose in the camera and by the target's in the room."""

    residual: FloatArray
    """(V, n, 2) predicted minus seen px; 0 where not seen, NaN where the model sees no such point."""
    J: FloatArray
    """(V, n, 2, P + 6) by intrinsics and base; 0 where not seen or NaN."""
    J_target: FloatArray
    """(V, n, 2, 6) by a static target's pose in the room; empty where no target is static."""
    lifts: tuple[FloatArray, FloatArray, FloatArray]
    """(V, 6, 6) from the poses of body, moving target and mount to that of the base in the camera."""
    rate: FloatArray
    """(V, 6) how the base's pose in the camera changes with time: angular velocity on the right (rad/s), velocity (m/s)."""
    poses: ViewPoses


def linearize(state: State, structure: Structure, views: Views, intrinsics: int) -> Linearization:
    """Return residuals and derivatives, with room for ``intrinsics`` parameters of each camera."""
    poses = view_poses(state, structure, views)
    points = np.einsum("vij,vnj->vni", poses.R, poses.points) + poses.t[:, None]
    P = intrinsics
    J = np.zeros((*views.point.shape, 2, P + 6))
    still = bool((structure.chain_of_target == STATIC).any())
    J_target = np.zeros((*views.point.shape, 2, 6 if still else 0))
    residual = np.zeros(views.pixels.shape)
    by_turn = -poses.R[:, None] @ rotation.hat(poses.points)
    R_room_target = state.T_room_target[views.target][:, :3, :3]
    for c, model in enumerate(state.models):
        rows = views.camera == c
        if not rows.any():
            continue
        pixels, J_point, J_model = model.project_jacobians(points[rows])
        residual[rows] = pixels - views.pixels[rows]
        J[rows, :, :, : J_model.shape[-1]] = J_model
        J[rows, :, :, P : P + 3] = J_point @ by_turn[rows]
        J[rows, :, :, P + 3 :] = J_point
        if still:
            J_room = J_point @ poses.R[rows][:, None]
            J_target[rows, :, :, :3] = J_room @ (-R_room_target[rows][:, None] @ rotation.hat(views.points[rows]))
            J_target[rows, :, :, 3:] = J_room
    used = (views.seen & np.isfinite(residual).all(axis=-1))[..., None]
    lifts = _pose_lifts(state, views, poses)
    rate = np.einsum("vij,vj->vi", lifts[0], poses.body.rate) + np.einsum("vij,vj->vi", lifts[1], poses.target.rate)
    return Linearization(
        np.where(views.seen[..., None], residual, 0.0), np.where(used[..., None], J, 0.0), np.where(used[..., None], J_target, 0.0),
        lifts, rate, poses,
    )  # fmt: skip


def normal_equations(
    linear: Linearization, structure: Structure, views: Views, where: Layout, weights: FloatArray, slack: FloatArray | None = None
) -> Normal:
    """Return the normal equations with ``weights`` (V, n) = 1 / px^2 on each point.

    ``slack`` (V, 6, 6) is the covariance by which the pose of each moving target's view may differ from what the unknowns say; it is integrated
    out.
    """
    count, n = views.point.shape
    root = np.sqrt(weights)[..., None]
    A = (linear.J * root[..., None]).reshape(count, 2 * n, linear.J.shape[-1])
    B = (linear.J_target * root[..., None]).reshape(count, 2 * n, linear.J_target.shape[-1])
    r = (np.nan_to_num(linear.residual) * root).reshape(count, 2 * n, 1)
    A_t, B_t = np.swapaxes(A, 1, 2), np.swapaxes(B, 1, 2)
    own, gradient = A_t @ A, (A_t @ r)[..., 0]
    if slack is not None:
        P = own.shape[1] - 6
        gain = slack @ np.linalg.inv(np.eye(6) + own[:, P:, P:] @ slack) @ own[:, P:, :]
        gradient = gradient - np.einsum("vik,vi->vk", gain, gradient[:, P:])
        own = own - own[:, :, P:] @ gain
    static = _Static(A_t @ B, B_t @ B, (B_t @ r)[..., 0])
    return _assemble(linear, structure, views, where, own, gradient, static)


@dataclass(frozen=True)
class _Static:
    """Parts of each view's normal equations that belong to its static target."""

    cross: FloatArray
    """(V, P + 6, 6) with intrinsics and base."""
    own: FloatArray
    """(V, 6, 6)"""
    gradient: FloatArray
    """(V, 6)"""


def _assemble(
    linear: Linearization, structure: Structure, views: Views, where: Layout, own: FloatArray, gradient: FloatArray, static: _Static
) -> Normal:
    """Add up views that share a base, lift them to the unknowns that make up its pose, and add up all."""
    P, terms = where.intrinsics.shape[1], 6 * structure.order
    moments, K, size = len(structure.moment_s), structure.chains * terms, where.size + 1
    (by_body, by_target, by_mount), poses = linear.lifts, linear.poses
    target_chain = structure.chain_of_target[views.target]

    key = (views.camera * moments + views.moment) * (structure.chains + 1) + target_chain + 1
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    chains = [(structure.camera_chain(views.camera), by_body, poses.body.lift), (target_chain, by_target, poses.target.lift)]
    chains = [chain for chain in chains if (chain[0] != STATIC).any()]
    G = P + 7
    lift = np.zeros((len(first), P + 6, G + terms * len(chains)))
    lift[:, :P, :P] = np.eye(P)
    lift[:, P:, P : P + 6] = by_mount[first]
    lift[:, P:, P + 6] = linear.rate[first]
    for i, (_, by_frame, by_knot) in enumerate(chains):
        lift[:, P:, G + i * terms : G + (i + 1) * terms] = by_frame[first] @ by_knot[first]
    lift_t = np.swapaxes(lift, 1, 2)
    H = lift_t @ _grouped(own, group, len(first)) @ lift
    g = np.einsum("gij,gi->gj", lift, _grouped(gradient, group, len(first)))

    columns = np.empty((len(first), G), dtype=np.int64)
    camera, moment = views.camera[first], views.moment[first]
    columns[:, :P], columns[:, P : P + 6], columns[:, P + 6] = where.intrinsics[camera], where.mount[camera], where.offset[camera]
    inner = np.arange(terms)
    rows = [(moment * K + chain[first] * terms)[:, None] + inner for chain, _, _ in chains]
    parts = [slice(G + i * terms, G + (i + 1) * terms) for i in range(len(chains))]
    moving = [np.flatnonzero(chain[first] != STATIC) for chain, _, _ in chains]

    global_global = _scatter(columns[:, :, None] * size + columns[:, None, :], H[:, :G, :G], (size, size))
    global_gradient = _scatter(columns, g[:, :G], (size,))
    local_global, local_local, local_gradient = np.zeros((moments, K, size)), np.zeros((moments, K, K)), np.zeros((moments, K))
    for row, part, on in zip(rows, parts, moving, strict=True):
        local_gradient += _scatter(row[on], g[on, part], (moments, K))
        local_global += _scatter(row[on][:, :, None] * size + columns[on][:, None, :], H[on, part, :G], (moments, K, size))
        for (other, _, _), other_part, also in zip(chains, parts, moving, strict=True):
            both = np.intersect1d(on, also, assume_unique=True)
            column = (other[first][both] * terms)[:, None] + inner
            local_local += _scatter(row[both][:, :, None] * K + column[:, None, :], H[both, part, other_part], (moments, K, K))

    if static.own.size:
        v = np.flatnonzero(target_chain == STATIC)
        target, of = where.target[views.target[v]], group[v]
        cross = lift_t[of] @ static.cross[v]
        global_gradient += _scatter(target, static.gradient[v], (size,))
        global_global += _scatter(target[:, :, None] * size + target[:, None, :], static.own[v], (size, size))
        sides = _scatter(columns[of][:, :, None] * size + target[:, None, :], cross[:, :G], (size, size))
        global_global += sides + sides.T
        for row, part, (chain, _, _) in zip(rows, parts, chains, strict=True):
            on = chain[v] != STATIC
            if on.any():
                local_global += _scatter(row[of[on]][:, :, None] * size + target[on][:, None, :], cross[on, part], (moments, K, size))
    none = np.zeros((max(moments - 1, 0), K, K))
    return Normal(global_global[:-1, :-1], local_global[..., :-1], local_local, none, global_gradient[:-1], local_gradient)


def _grouped(values: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Sum values (V, ...) of each group; result (groups, ...)."""
    if groups == len(values):
        order = np.empty(groups, dtype=np.int64)
        order[group] = np.arange(groups)
        return values[order]
    by_group = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[by_group], np.arange(groups))
    return np.asarray(np.add.reduceat(values[by_group], starts, axis=0))


def _pose_lifts(state: State, views: Views, poses: ViewPoses) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (V, 6, 6) from changes of the body's, the moving target's and the mount's pose to that of the base in the camera."""
    count = len(views)
    R_camera_body = np.swapaxes(state.T_body_camera[views.camera][:, :3, :3], -1, -2)
    by_body, by_target, by_mount = np.zeros((count, 6, 6)), np.zeros((count, 6, 6)), np.zeros((count, 6, 6))
    by_body[:, :3, :3] = -np.swapaxes(poses.R_body_base, -1, -2)
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
