"""From where, and in which direction, points of the surroundings were seen: what odometry works with, whatever the cameras are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sights:
    """N sights of P points by C cameras at T moments, in the order of the moments. Arrays are read-only."""

    moments: int
    cameras: tuple[str, ...]
    moment: IntArray
    """(N,)"""
    camera: IntArray
    """(N,)"""
    point: IntArray
    """(N,) number of the point."""
    ray: FloatArray
    """(N, 3) unit vector in the camera."""
    sigma_rad: FloatArray
    """(N,) the angle that a pixel spans there."""
    keyframes: IntArray
    """(K,) moments at which cameras were compared with each other, so that new points have a distance."""

    def __post_init__(self) -> None:
        N = len(self.moment)
        freeze_arrays(self, {
            "moment": ((N,), np.int64), "camera": ((N,), np.int64), "point": ((N,), np.int64), "ray": ((N, 3), np.float64), "sigma_rad": ((N,), np.float64),
            "keyframes": ((len(self.keyframes),), np.int64),
        })  # fmt: skip

    @property
    def points(self) -> int:
        """Number of points."""
        return int(self.point.max(initial=-1)) + 1

    @property
    def starts(self) -> IntArray:
        """(T + 1,) where the sights of each moment start, and where the last end."""
        return np.searchsorted(self.moment, np.arange(self.moments + 1))

    def take(self, chosen: BoolArray | IntArray) -> Sights:
        """Return some of the sights; numbers of points stay."""
        return Sights(
            self.moments, self.cameras, self.moment[chosen], self.camera[chosen], self.point[chosen], self.ray[chosen], self.sigma_rad[chosen], self.keyframes
        )  # fmt: skip


@dataclass(frozen=True)
class Views:
    """Sights as the moving body has them: each a ray from a place on it. N rows, beside those of ``Sights``."""

    origin: FloatArray
    """(N, 3) the camera's centre in the body."""
    ray: FloatArray
    """(N, 3) unit vector in the body, both as the body stood at the moment."""
    shift: FloatArray
    """(N, 3) m in the world by which the body had moved between the moment and the frame."""
    axes: FloatArray
    """(N, 2, 3) two directions across the ray."""

    @classmethod
    def of(cls, sights: Sights, T_body_camera: FloatArray, late_s: FloatArray, rate: FloatArray) -> Views:
        """Carry each frame to its moment, from which it is ``late_s`` (C, T), with the ``rate`` (T, 6) of the body as in ``BodyMotion`` (0 if NaN)."""
        from bodydouble.calibration import rotation

        c, m = sights.camera, sights.moment
        late = np.nan_to_num(late_s)
        known = np.nan_to_num(rate)
        turned = rotation.exp(known[None, :, :3] * late[..., None])[c, m]
        T = T_body_camera[c]
        R = turned @ T[:, :3, :3]
        ray = np.einsum("nij,nj->ni", R, sights.ray)
        return cls(np.einsum("nij,nj->ni", turned, T[:, :3, 3]), ray, known[m, 3:] * late[c, m][:, None], across(ray))

    def take(self, chosen: BoolArray | IntArray) -> Views:
        """Return some of the rows."""
        return Views(self.origin[chosen], self.ray[chosen], self.shift[chosen], self.axes[chosen])


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the cross products (n, 3) of vectors (n, 3); many times faster than ``np.cross`` for few."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def across(directions: FloatArray) -> FloatArray:
    """Return two unit vectors (n, 2, 3) across each unit vector (n, 3)."""
    one = cross(directions, np.eye(3)[np.abs(directions).argmin(axis=1)])
    one /= np.sqrt(np.einsum("ni,ni->n", one, one))[:, None]
    return np.stack([one, cross(directions, one)], axis=1)
