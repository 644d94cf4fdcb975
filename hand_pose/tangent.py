"""Many configurations of the tree at once: moving them by tangents and measuring moves, as Pinocchio does for one.

A configuration is Pinocchio's: pelvis position and quaternion xyzw, then a quaternion for each ball joint and an angle for each revolute one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SMALL = 1e-4
"""rad below which series stand in for quotients of sines."""


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """``numpy.cross`` of (..., 3), several times faster on few or small vectors."""
    found = np.empty(np.broadcast_shapes(a.shape, b.shape))
    found[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    found[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    found[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return found


def lengths(vector: FloatArray) -> FloatArray:
    """Return the lengths (..., 1) of vectors (..., n)."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vector, vector))[..., None])


def exp3(vector: FloatArray) -> FloatArray:
    """Return quaternions xyzw (..., 4) of rotation vectors (..., 3)."""
    angle = lengths(vector)
    small = angle < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(small, 0.5 - angle**2 / 48, np.sin(angle / 2) / angle)
    return np.concatenate([share * vector, np.cos(angle / 2)], axis=-1)


def log3(quaternion: FloatArray) -> FloatArray:
    """Return rotation vectors (..., 3), at most pi long, of unit quaternions xyzw (..., 4)."""
    q = np.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
    sine = lengths(q[..., :3])
    small = sine < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(small, 2.0 / q[..., 3:] * (1 - sine**2 / (3 * q[..., 3:] ** 2)), 2 * np.arctan2(sine, q[..., 3:]) / sine)
    rotated: FloatArray = share * q[..., :3]
    return rotated


def product(one: FloatArray, two: FloatArray) -> FloatArray:
    """Return the product of quaternions xyzw (..., 4): first ``two``, then ``one``, normalised."""
    a, b = one[..., :3], two[..., :3]
    vector = one[..., 3:] * b + two[..., 3:] * a + cross(a, b)
    both = np.concatenate([vector, one[..., 3:] * two[..., 3:] - np.einsum("...i,...i->...", a, b)[..., None]], axis=-1)
    normal: FloatArray = both / lengths(both)
    return normal


def conjugate(quaternion: FloatArray) -> FloatArray:
    """Return the inverse of unit quaternions xyzw (..., 4)."""
    return np.asarray(quaternion * np.array([-1.0, -1.0, -1.0, 1.0]))


def matrices(quaternion: FloatArray) -> FloatArray:
    """Return rotation matrices (..., 3, 3) of unit quaternions xyzw (..., 4)."""
    x, y, z, w = (quaternion[..., i] for i in range(4))
    R = np.empty((*quaternion.shape[:-1], 3, 3))
    R[..., 0, 0], R[..., 0, 1], R[..., 0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    R[..., 1, 0], R[..., 1, 1], R[..., 1, 2] = 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    R[..., 2, 0], R[..., 2, 1], R[..., 2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
    return R


def quaternions(rotation: FloatArray) -> FloatArray:
    """Return unit quaternions xyzw (..., 4) of rotation matrices (..., 3, 3), by the largest component (Shepperd 1978)."""
    R = rotation
    trace = np.trace(R, axis1=-2, axis2=-1)
    candidates = np.empty((*trace.shape, 4, 4))
    size = np.stack([1 + 2 * R[..., i, i] - trace for i in range(3)] + [1 + trace], axis=-1)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        candidates[..., i, i], candidates[..., i, j] = size[..., i], R[..., i, j] + R[..., j, i]
        candidates[..., i, k], candidates[..., i, 3] = R[..., i, k] + R[..., k, i], R[..., k, j] - R[..., j, k]
        candidates[..., 3, i] = R[..., k, j] - R[..., j, k]
    candidates[..., 3, 3] = size[..., 3]
    best = np.argmax(size, axis=-1)
    chosen = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    unit: FloatArray = chosen / lengths(chosen)
    return unit


def exp6(twist: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return translations (..., 3) and quaternions xyzw (..., 4) of twists (..., 6), linear part first."""
    linear, angular = twist[..., :3], twist[..., 3:]
    angle = lengths(angular)
    small = angle < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(angle)) / angle**2)
        b = np.where(small, 1 / 6 - angle**2 / 120, (angle - np.sin(angle)) / angle**3)
    turned = cross(angular, linear)
    return linear + a * turned + b * cross(angular, turned), exp3(angular)


def log6(translation: FloatArray, quaternion: FloatArray) -> FloatArray:
    """Return twists (..., 6), linear part first; the inverse of ``exp6``."""
    angular = log3(quaternion)
    angle = lengths(angular)
    small = angle < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        half = angle / 2
        b = np.where(small, 1 / 12 + angle**2 / 720, (1 - half * np.cos(half) / np.sin(half)) / angle**2)
    turned = cross(angular, translation)
    return np.concatenate([translation - 0.5 * turned + b * cross(angular, turned), angular], axis=-1)


def rotated(quaternion: FloatArray, vector: FloatArray) -> FloatArray:
    """Return vectors (..., 3) turned by unit quaternions xyzw (..., 4)."""
    axis = quaternion[..., :3]
    twice = 2.0 * cross(axis, vector)
    turned: FloatArray = vector + quaternion[..., 3:] * twice + cross(axis, twice)
    return turned
