"""Rotations of many frames at once: from axes, from points, from Euler angles. All matrices are (..., 3, 3); NaN in, NaN out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FLAT = 0.02
"""A set of points whose second extent is less than this share of the first lies on a line: it has no orientation."""


def known_rows(values: FloatArray) -> BoolArray:
    """Return in which rows (T,) of an array (T, ...) nothing is NaN or infinite."""
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def median_known(values: FloatArray) -> FloatArray:
    """Return the median over those rows of an array (T, ...) of which nothing is NaN; NaN where there is none."""
    known = known_rows(values)
    return np.asarray(np.median(values[known], axis=0)) if known.any() else np.full(values.shape[1:], np.nan)


def unit(vectors: FloatArray) -> FloatArray:
    """Return vectors (..., 3) at length 1; NaN where they have none."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: FloatArray = np.divide(vectors, norms, out=np.full(np.shape(vectors), np.nan), where=norms > 1e-9)
    return units


def across(vectors: FloatArray, axis: FloatArray) -> FloatArray:
    """Return the part of vectors (..., 3) that is perpendicular to unit vectors ``axis`` (..., 3)."""
    part: FloatArray = vectors - axis * np.sum(vectors * axis, axis=-1, keepdims=True)
    return part


def axes_along(first: FloatArray, second: FloatArray, names: str) -> FloatArray:
    """Return rotations whose axis ``names[0]`` is along ``first`` (..., 3) and whose axis ``names[1]`` is as near to ``second`` (..., 3) as can be.

    ``axes_along(up, left, "zy")``: z is exactly up, y leans towards left. NaN where the two are parallel.
    """
    first, second = np.broadcast_arrays(first, second)
    i, j = ("xyz".index(name) for name in names)
    a = unit(first)
    b = unit(across(second, a))
    c = np.cross(a, b) * (1.0 if (j - i) % 3 == 1 else -1.0)
    a = np.where(np.isfinite(b), a, np.nan)
    columns = {i: a, j: b, 3 - i - j: c}
    return np.stack([columns[0], columns[1], columns[2]], axis=-1)


def least_rotation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the shortest rotations that carry unit vectors ``a`` (..., 3) to ``b`` (..., 3); of opposite ones a half turn about any axis."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    v, more = np.cross(a, b), np.sum(np.square(a + b), axis=-1) / 2  # 1 + cos of the angle, exact where that is near pi
    opposite = more < 1e-18
    other = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    axis = unit(across(other, a))
    half_turn = 2 * axis[..., :, None] * axis[..., None, :] - np.eye(3)
    skew = _skew(v)
    turned = np.eye(3) + skew + skew @ skew / np.where(opposite, 1.0, more)[..., None, None]
    return np.where(opposite[..., None, None], half_turn, turned)


def about(axis: str, angle: npt.ArrayLike) -> FloatArray:
    """Return rotations (..., 3, 3) about one coordinate axis by angles (...) rad."""
    angle = np.asarray(angle, dtype=np.float64)
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "x": [[one, zero, zero], [zero, c, -s], [zero, s, c]],
        "y": [[c, zero, s], [zero, one, zero], [-s, zero, c]],
        "z": [[c, -s, zero], [s, c, zero], [zero, zero, one]],
    }[axis]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def hinged(axis: FloatArray, rest: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the rotations (T, 3, 3) about one unit ``axis`` (3,) that bring the direction ``rest`` (3,) as near as they can to ``seen`` (T, 3)."""
    from_rest, to_seen = across(rest, axis), across(seen, axis)
    angle = np.arctan2(np.cross(from_rest, to_seen) @ axis, to_seen @ from_rest)
    skew = _skew(axis)
    return np.asarray(np.eye(3) + np.sin(angle)[:, None, None] * skew + (1 - np.cos(angle))[:, None, None] * (skew @ skew))


def product_about(order: str, angles: FloatArray) -> FloatArray:
    """Return the product of rotations about ``order``'s axes, left to right, by angles (..., len(order)) rad: "zyx" is Rz Ry Rx."""
    result = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for i, axis in enumerate(order):
        result = result @ about(axis, angles[..., i])
    return result


def best_rotation(zero: FloatArray, seen: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the rotations (T, 3, 3) that turn points ``zero`` (N, 3) nearest to those ``seen`` (T, N, 3), about their weighted middles (Kabsch 1976).

    A seen point that is NaN does not count. NaN where fewer than three count or they lie on a line. Scale does not matter.
    """
    known: BoolArray = np.asarray(np.isfinite(seen).all(axis=2))
    weight = known * (np.ones(len(zero)) if weights is None else weights)
    total = weight.sum(axis=1, keepdims=True)
    share = (weight / np.where(total > 0, total, 1.0))[..., None]
    there = np.where(known[..., None], seen, 0.0)
    ours = zero - (share * zero).sum(axis=1, keepdims=True)
    theirs = there - (share * there).sum(axis=1, keepdims=True)
    left, extent, right = np.linalg.svd(np.einsum("tni,tnj->tij", share * theirs, ours))
    left[..., 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[:, None]
    usable = (known.sum(axis=1) >= 3) & (extent[:, 1] > FLAT**2 * extent[:, 0])
    return np.where(usable[:, None, None], left @ right, np.nan)


def mean_rotation(rotations: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the rotation (3, 3) nearest to the weighted sum of rotations (T, 3, 3), those that are NaN left out; NaN where none is left."""
    known = known_rows(rotations)
    weight = known * (np.ones(len(rotations)) if weights is None else np.nan_to_num(weights))
    if not weight.any():
        return np.full((3, 3), np.nan)
    return nearest_rotation(np.einsum("t,tij->ij", weight, np.where(known[:, None, None], rotations, 0.0)))


def halfway(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the rotations in the middle between ``a`` and ``b`` (T, 3, 3); NaN where either is."""
    known = (known_rows(a) & known_rows(b))[:, None, None]
    return np.where(known, nearest_rotation(np.where(known, a + b, np.eye(3))), np.nan)


def nearest_rotation(matrices: FloatArray) -> FloatArray:
    """Return the rotations nearest to matrices (..., 3, 3)."""
    left, _, right = np.linalg.svd(matrices)
    left[..., 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[..., None]
    return np.asarray(left @ right)


def turned(rotations: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return vectors (..., 3) turned by rotations (..., 3, 3)."""
    return np.asarray((rotations @ vectors[..., None])[..., 0])


def turned_back(rotations: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return world vectors (..., 3) in the axes of frames with world rotations (..., 3, 3)."""
    return np.asarray((np.swapaxes(rotations, -1, -2) @ vectors[..., None])[..., 0])


def quaternions(rotations: FloatArray) -> FloatArray:
    """Return quaternions xyzw (T, 4) of rotations (T, 3, 3), NaN where they are."""
    from scipy.spatial.transform import Rotation

    known = known_rows(rotations)
    found = np.full((len(rotations), 4), np.nan)
    if known.any():
        found[known] = Rotation.from_matrix(rotations[known]).as_quat()
    return found


def _skew(v: FloatArray) -> FloatArray:
    zero = np.zeros_like(v[..., 0])
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    return np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], axis=-2)
