"""A camera from OpenCV's camera matrix and distortion coefficients, and back: what most files hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera

_FULL = 14
"""k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4 tau_x tau_y: all that OpenCV has, the last six for thin prisms and tilted sensors."""


def focal_and_center(matrix: npt.ArrayLike) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (fx, fy), (cx, cy) of a camera matrix (3, 3). Raises: ValueError if it has skew or is none."""
    K = np.asarray(matrix, dtype=np.float64)
    if K.shape != (3, 3) or not np.array_equal(K, [[K[0, 0], 0, K[0, 2]], [0, K[1, 1], K[1, 2]], [0, 0, 1]]):
        raise ValueError("its matrix is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    return (float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2]))


def camera_from_matrix(
    image_size: Sequence[int], matrix: npt.ArrayLike, distortion: Sequence[float], *, fisheye: bool
) -> PinholeCamera | FisheyeCamera:
    """Return a fisheye camera of k1 k2 k3 k4, or a pinhole camera of OpenCV's 0, 4, 5, 8, 12 or 14 coefficients.

    Raises: ValueError with one sentence when the matrix is skewed, the count is another, or a coefficient past the eighth is not 0.
    """
    width, height = image_size
    focal, center = focal_and_center(matrix)
    terms = [float(value) for value in distortion]
    if fisheye:
        if len(terms) != 4:
            raise ValueError(f"it has {len(terms)} distortion terms; a fisheye camera has 4 (k1 k2 k3 k4)")
        return FisheyeCamera((width, height), focal, center, tuple(terms))
    if len(terms) not in (0, 4, 5, 8, 12, _FULL):
        raise ValueError(
            f"it has {len(terms)} distortion terms; a pinhole camera has 5 (k1 k2 p1 p2 k3), 4 without k3, 8 with k4 k5 k6, or none"
        )
    padded = np.pad(terms, (0, _FULL - len(terms)))
    if padded[8:].any():
        raise ValueError(
            "it has thin prism or tilted sensor terms that are not 0, which the pinhole model does not hold; calibrate without them"
        )
    count = 8 if padded[5:8].any() else 5
    return PinholeCamera((width, height), focal, center, tuple(padded[:count].tolist()))


def matrix_of(camera: Any) -> list[list[float]]:
    """Return the camera matrix of any model with a focal length and a principal point, as rows."""
    (fx, fy), (cx, cy) = camera.focal, camera.center
    return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
