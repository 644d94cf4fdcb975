"""The normal equations of one Gauss-Newton step.

What a camera sees at a moment depends on its intrinsics and on one pose: of the room in the camera for all targets that stand still, of the
target in the camera for each that moves. So the 6 + P normal equations of each such image are formed from its points first, and then lifted to
the unknowns that make up the pose: mount, clock offset, and the knots of what moves. Static targets add 6 unknowns of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.linearization import Linearization
from bodydouble.calibration.bundle.state import STATIC, Layout, Structure, Views

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
    """Add up the views of each image, lift them to the unknowns that make up its base's pose, and add up all."""
    P, terms = where.intrinsics.shape[1], 6 * structure.order
    moments, K, size = len(structure.moment_s), structure.chains * terms, where.size + 1
    first, image = linear.images.first, linear.images.of_view
    camera, moment, target_chain = views.camera[first], views.moment[first], structure.chain_of_target[views.target]
    chains = [(structure.camera_chain(camera), linear.lifts.by_body), (target_chain[first], linear.lifts.by_target)]
    chains = [pair for pair in chains if (pair[0] != STATIC).any()]
    G = P + 7
    lift = np.zeros((len(first), P + 6, G + terms * len(chains)))
    lift[:, :P, :P] = np.eye(P)
    lift[:, P:, P : P + 6], lift[:, P:, P + 6] = linear.lifts.by_mount, linear.lifts.rate
    parts = [slice(G + i * terms, G + (i + 1) * terms) for i in range(len(chains))]
    for part, (_, by_knot) in zip(parts, chains, strict=True):
        lift[:, P:, part] = by_knot
    H = np.swapaxes(lift, 1, 2) @ _summed(own, image, len(first)) @ lift
    g = np.einsum("gij,gi->gj", lift, _summed(gradient, image, len(first)))

    columns = np.empty((len(first), G), dtype=np.int64)
    columns[:, :P], columns[:, P : P + 6], columns[:, P + 6] = where.intrinsics[camera], where.mount[camera], where.offset[camera]
    inner = np.arange(terms)
    rows = [(moment * K + chain * terms)[:, None] + inner for chain, _ in chains]
    moving = [np.flatnonzero(chain != STATIC) for chain, _ in chains]

    result = _zeros(moments, K, size)
    _add(result.global_global, columns[:, :, None] * size + columns[:, None, :], H[:, :G, :G])
    _add(result.global_gradient, columns, g[:, :G])
    for row, part, on in zip(rows, parts, moving, strict=True):
        _add(result.local_gradient, row[on], g[on, part])
        _add(result.local_global, row[on][:, :, None] * size + columns[on][:, None, :], H[on, part, :G])
        for (other, _), other_part, also in zip(chains, parts, moving, strict=True):
            both = np.intersect1d(on, also, assume_unique=True)
            column = (other[both] * terms)[:, None] + inner
            _add(result.local_local, row[both][:, :, None] * K + column[:, None, :], H[both, part, other_part])
    if static.own.size:
        _add_static(result, linear, structure, views, where, static)
    return replace(
        result, global_global=result.global_global[:-1, :-1], local_global=result.local_global[..., :-1],
        global_gradient=result.global_gradient[:-1],
    )  # fmt: skip


def _add_static(result: Normal, linear: Linearization, structure: Structure, views: Views, where: Layout, static: _Static) -> None:
    """Add what the static targets' own unknowns have to do with each other, with the cameras' and with the knots of the cameras' bodies.

    Every entry is a sum over the views of one target, of one camera and target, or of one moment and target: these are added up first.
    """
    P, terms, targets = where.intrinsics.shape[1], 6 * structure.order, len(structure.chain_of_target)
    moments, size = len(structure.moment_s), where.size + 1
    v = np.flatnonzero(structure.chain_of_target[views.target] == STATIC)
    camera, target, of = views.camera[v], views.target[v], linear.images.of_view[v]

    index = where.target[np.arange(targets)]
    _add(result.global_gradient, index, _summed(static.gradient[v], target, targets))
    _add(result.global_global, index[:, :, None] * size + index[:, None, :], _summed(static.own[v], target, targets))

    lifts, cross = linear.lifts, static.cross[v]
    by_global = np.swapaxes(np.concatenate([lifts.by_mount, lifts.rate[:, :, None]], axis=2), 1, 2)
    pairs, pair = np.unique(camera * targets + target, return_inverse=True)
    c, g = np.divmod(pairs, targets)
    columns = np.concatenate([where.intrinsics[c], where.mount[c], where.offset[c, None]], axis=1)
    values = np.concatenate(
        [_summed(cross[:, :P], pair, len(pairs)), _summed(by_global[of] @ cross[:, P:], pair, len(pairs))], axis=1
    )  # intrinsics are lifted to themselves
    _add(result.global_global, columns[:, :, None] * size + where.target[g][:, None, :], values)
    _add(result.global_global, where.target[g][:, :, None] * size + columns[:, None, :], np.swapaxes(values, 1, 2))

    chain = structure.camera_chain(camera)
    on = chain != STATIC
    if on.any():
        trios, trio = np.unique((chain[on] * moments + views.moment[v[on]]) * targets + target[on], return_inverse=True)
        (knot, g), K = np.divmod(trios, targets), result.local_local.shape[1]
        row = ((knot % moments) * K + (knot // moments) * terms)[:, None] + np.arange(terms)
        values = _summed(np.swapaxes(lifts.by_body, 1, 2)[of[on]] @ cross[on, P:], trio, len(trios))
        _add(result.local_global, row[:, :, None] * size + where.target[g][:, None, :], values)


def _zeros(moments: int, K: int, size: int) -> Normal:
    return Normal(
        np.zeros((size, size)), np.zeros((moments, K, size)), np.zeros((moments, K, K)), np.zeros((max(moments - 1, 0), K, K)), np.zeros(size),
        np.zeros((moments, K)),
    )  # fmt: skip


def _summed(values: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Return the sums (groups, ...) of the values (V, ...) of each group."""
    from scipy.sparse import csr_array

    members = csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(groups, len(group)))
    shape = values.shape[1:]
    return np.asarray((members @ values.reshape(len(values), math.prod(shape))).reshape(groups, *shape))


def _add(into: FloatArray, index: IntArray, values: FloatArray) -> None:
    """Add values to the elements of an array at flat positions, which may repeat."""
    np.add.at(into.reshape(-1), index.ravel(), values.ravel())
