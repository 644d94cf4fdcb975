"""Rigid transforms: 4x4 poses ``T_a_b`` (frame b in frame a, ``p_a = T_a_b @ p_b``), batched over leading axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ROTATION_TOLERANCE = 1e-4
"""How far ``R^T R`` may be from the identity, and ``det R`` from 1: files print rotations with as few as five digits."""


def pose_from(R: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """Return the 4x4 pose of rotation ``R`` and translation ``t``.

    Shapes: ``R`` (..., 3, 3), ``t`` (..., 3) in m, broadcast against each other; result (..., 4, 4).
    """
    rotation, translation = np.asarray(R, dtype=np.float64), np.asarray(t, dtype=np.float64)
    shape = np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    T = np.zeros((*shape, 4, 4))
    T[..., :3, :3] = rotation
    T[..., :3, 3] = translation
    T[..., 3, 3] = 1.0
    return T


def pose_from_rotvec(rotvec: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """Return the 4x4 pose of a rotation vector (axis times angle in rad) and a translation; shapes (..., 3), result (..., 4, 4)."""
    from scipy.spatial.transform import Rotation

    vectors = np.asarray(rotvec, dtype=np.float64)
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)
    return pose_from(matrices, t)


def rotvec_of(T: npt.ArrayLike) -> FloatArray:
    """Return the rotation vector (axis times angle in rad, angle in [0, pi]) of poses (..., 4, 4); result (..., 3)."""
    from scipy.spatial.transform import Rotation

    matrices = np.asarray(T, dtype=np.float64)[..., :3, :3]
    vectors: FloatArray = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(*matrices.shape[:-2], 3)


def invert(T_a_b: npt.ArrayLike) -> FloatArray:
    """Return ``T_b_a``; shapes (..., 4, 4). The rotation part must be a rotation: its transpose is taken."""
    T = np.asarray(T_a_b, dtype=np.float64)
    R_b_a = np.swapaxes(T[..., :3, :3], -1, -2)
    return pose_from(R_b_a, -np.einsum("...ij,...j->...i", R_b_a, T[..., :3, 3]))


def apply(T_a_b: npt.ArrayLike, p_b: npt.ArrayLike) -> FloatArray:
    """Return ``p_a``: the points ``p_b`` (..., 3) of frame b in frame a. Leading axes broadcast, so (4, 4) moves any number of points."""
    T, p = np.asarray(T_a_b, dtype=np.float64), np.asarray(p_b, dtype=np.float64)
    return rotate(T, p) + T[..., :3, 3]


def rotate(T_a_b: npt.ArrayLike, v_b: npt.ArrayLike) -> FloatArray:
    """Return ``v_a``: the directions ``v_b`` (..., 3) of frame b in frame a, without the translation."""
    R, v = np.asarray(T_a_b, dtype=np.float64)[..., :3, :3], np.asarray(v_b, dtype=np.float64)
    v_a: FloatArray = v @ R.T if R.ndim == 2 else np.einsum("...ij,...j->...i", R, v)
    return v_a


def is_rotation(R: npt.ArrayLike, *, tolerance: float = ROTATION_TOLERANCE) -> npt.NDArray[np.bool_]:
    """Tell which matrices (..., 3, 3) are right-handed and orthonormal within ``tolerance``; result (...)."""
    matrices = np.asarray(R, dtype=np.float64)
    gram = np.swapaxes(matrices, -1, -2) @ matrices
    orthonormal = np.abs(gram - np.eye(3)).max(axis=(-2, -1)) <= tolerance
    right_handed = np.abs(np.linalg.det(matrices) - 1.0) <= 3 * tolerance
    return np.asarray(orthonormal & right_handed)


def nearest_rotation(R: npt.ArrayLike) -> FloatArray:
    """Return the rotation nearest to each matrix (..., 3, 3) in the Frobenius norm (Kabsch)."""
    U, _, Vt = np.linalg.svd(np.asarray(R, dtype=np.float64))
    U[..., :, 2] *= np.sign(np.linalg.det(U @ Vt))[..., None]
    return np.asarray(U @ Vt)


def pose_distance(T_a_b: npt.ArrayLike, T_a_c: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return how far frame c is from frame b: (angle in rad (...), distance in m (...))."""
    T_b_c = invert(T_a_b) @ np.asarray(T_a_c, dtype=np.float64)
    return np.linalg.norm(rotvec_of(T_b_c), axis=-1), np.linalg.norm(T_b_c[..., :3, 3], axis=-1)
