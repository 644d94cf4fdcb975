"""Poses of many flat targets at once, each from the rays to its points, with both readings of a small or distant one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SIDEWAYS = 0.05
"""Cosine of the angle between a ray and the middle of its target's rays; nearly at right angles a target is no target any more."""
_RIDGE = 1e-12


def plane_poses(points: FloatArray, rays: FloatArray, seen: BoolArray) -> FloatArray:
    """Return the two poses (V, 2, 4, 4) ``T_camera_target`` that explain each of V flat targets; NaN where there is none.

    ``points`` (V, n, 3) in m in the frame of the target (z = 0), ``rays`` (V, n, 3) unit vectors in the camera, ``seen`` (V, n) which of them there
    are: at least four, not on one line. The cameras may be of any model. The poses fit the homography between plane and rays (Collins and Bartoli,
    "Infinitesimal plane-based pose estimation", IJCV 2014), which is a start for a refinement and not the most likely pose.
    """
    weight = (seen & np.isfinite(rays).all(axis=-1))[..., None].astype(np.float64)
    count = weight.sum(axis=1)
    rays = np.where(weight > 0, rays, 0.0)
    with np.errstate(all="ignore"):
        middle = (weight * points).sum(axis=1) / count
        flat = weight * (points - middle[:, None])
        scale = np.sqrt(np.square(flat).sum(axis=(1, 2)) / count[:, 0])
        towards = turn_to_z(rays.sum(axis=1))
        turned = rays @ np.swapaxes(towards, 1, 2)
        good = (count[:, 0] >= 4) & np.where(weight[..., 0] > 0, turned[..., 2] > SIDEWAYS, True).all(axis=1) & (scale > 0)
        H = _homographies(flat[..., :2] / scale[:, None, None], turned, weight)
        again = turn_to_z(H[:, :, 2])
        H = again @ H
        R = _rotations(H / H[:, 2:, 2:])
        R = np.swapaxes(again @ towards, 1, 2)[:, None] @ R
        across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
        across *= weight[..., None]
        total = across.sum(axis=1) + _RIDGE * np.eye(3)
        on_ray = np.einsum("vnij,vbjk,vnk->vbi", across, R, flat)
        at = -np.einsum("vij,vbj->vbi", np.linalg.inv(np.where(good[:, None, None], total, np.eye(3))), on_ray)
        position = at - np.einsum("vbij,vj->vbi", R, middle)
        good &= (np.einsum("vbi,vi->vb", at, rays.sum(axis=1)) > 0).all(axis=1)
        T = pose_from(R, position)
    return np.where((good & np.isfinite(T).all(axis=(1, 2, 3)))[:, None, None, None], T, np.nan)


def turn_to_z(directions: FloatArray) -> FloatArray:
    """Return rotations (V, 3, 3) that take each of ``directions`` (V, 3) to the z axis."""
    z = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    beside = np.where((np.abs(z[:, 1]) < 0.9)[:, None], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    x = np.cross(beside, z)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _homographies(plane: FloatArray, turned: FloatArray, weight: FloatArray) -> FloatArray:
    """Return (V, 3, 3) from the plane (V, n, 2) to directions whose z is 1, by least squares; the last number is 1."""
    image = turned[..., :2] / np.where(weight > 0, turned[..., 2:], 1.0)
    on_plane = np.concatenate([plane, np.ones_like(weight)], axis=-1) * weight
    rows = np.zeros((*plane.shape, 8))
    rows[..., 0, :3], rows[..., 1, 3:6] = on_plane, on_plane
    rows[..., 6:] = -image[..., :, None] * plane[..., None, :] * weight[..., None]
    A = rows.reshape(len(rows), -1, 8)
    right = (image * weight).reshape(len(rows), -1, 1)
    transposed = np.swapaxes(A, 1, 2)
    normal = transposed @ A
    normal += (_RIDGE * np.trace(normal, axis1=1, axis2=2) + 1e-300)[:, None, None] * np.eye(8)
    bad = ~np.isfinite(normal).all(axis=(1, 2))
    normal[bad] = np.eye(8)
    h = np.linalg.solve(normal, np.where(bad[:, None, None], np.nan, transposed @ right))[..., 0]
    return np.concatenate([h, np.ones((len(h), 1))], axis=1).reshape(-1, 3, 3)


def _rotations(H: FloatArray) -> FloatArray:
    """Return the two rotations (V, 2, 3, 3) that a homography has whose plane's origin is on the z axis."""
    J = H[:, :2, :2]
    gram = np.swapaxes(J, 1, 2) @ J
    half, product = 0.5 * np.trace(gram, axis1=1, axis2=2), np.linalg.det(gram)
    stretch = np.sqrt(half + np.sqrt(np.maximum(half**2 - product, 0.0)))
    top = J / stretch[:, None, None]
    left = np.eye(2) - np.swapaxes(top, 1, 2) @ top
    out = np.sqrt(np.maximum(np.stack([left[:, 0, 0], left[:, 1, 1]], axis=1), 0.0))
    out[:, 1] *= np.where(left[:, 0, 1] < 0, -1.0, 1.0)
    R = np.empty((len(H), 2, 3, 3))
    for branch, sign in enumerate((1.0, -1.0)):
        R[:, branch, :2, :2], R[:, branch, 2, :2] = top, sign * out
        first, second = R[:, branch, :, 0], R[:, branch, :, 1]
        first /= np.linalg.norm(first, axis=-1, keepdims=True)
        second -= np.einsum("vi,vi->v", first, second)[:, None] * first
        second /= np.linalg.norm(second, axis=-1, keepdims=True)
        R[:, branch, :, 2] = np.cross(first, second)
    return R
