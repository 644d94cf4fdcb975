"""Where a known target is in one camera of any model: all poses that explain what was seen about equally well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.camera_model import CameraModel
from bodydouble.calibration.rotation import hat
from bodydouble.calibration.transform import apply, pose_from

FloatArray = npt.NDArray[np.float64]

FEWEST_POINTS = 4
_FLAT = 1e-6
_RIVAL = 4.0
"""A second pose is kept while its error is below this many times that of the best: a small tag seen from afar has two that differ by a flip."""
_FLOOR_PX = 0.2


def target_poses(
    model: CameraModel, points: FloatArray, pixels: FloatArray, rays: FloatArray | None = None
) -> list[tuple[FloatArray, float]]:
    """Return poses ``T_camera_target`` (4, 4) of points (n, 3) in m seen at pixels (n, 2), best first, each with its RMS error in px.

    Pixels are first turned into rays and the camera towards their middle, so that targets at the side of a fisheye image are treated as
    those in the middle. A flat target (z = 0) has up to two poses (Collins and Bartoli, "Infinitesimal plane-based pose estimation", IJCV
    2014), any other one (Terzakis and Lourakis, "A consistently fast and globally optimal solution to the PnP problem", ECCV 2020).
    Empty with fewer than four points, or where no pose puts the points in front of the rays. ``rays`` (n, 3): those of the pixels, where they are
    known already.
    """
    import cv2

    rays = model.rays(pixels) if rays is None else rays
    good = np.isfinite(rays).all(axis=-1)
    points, pixels, rays = points[good], pixels[good], rays[good]
    if len(points) < FEWEST_POINTS:
        return []
    R_turned_camera = _towards(rays.mean(axis=0))
    turned = rays @ R_turned_camera.T
    if (turned[:, 2] < 0.05).any():
        return []
    normalized = np.ascontiguousarray(turned[:, :2] / turned[:, 2:])
    flat = bool(np.abs(points[:, 2]).max() < _FLAT)
    try:
        found = cv2.solvePnPGeneric(
            np.ascontiguousarray(points), normalized, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE if flat else cv2.SOLVEPNP_SQPNP
        )
    except cv2.error:
        return []
    poses: list[tuple[FloatArray, float]] = []
    for rotvec, position in zip(found[1], found[2], strict=True):
        R, _ = cv2.Rodrigues(rotvec)
        T = pose_from(R_turned_camera.T @ R, R_turned_camera.T @ position.ravel())
        error = model.project(apply(T, points)) - pixels
        rms = float(np.sqrt(np.mean(np.square(error).sum(axis=-1))))
        if np.isfinite(T).all() and np.isfinite(rms):
            poses.append((T, rms))
    poses.sort(key=lambda pose: pose[1])
    return [pose for pose in poses if pose[1] <= _RIVAL * max(poses[0][1], _FLOOR_PX)]


def _towards(direction: FloatArray) -> FloatArray:
    """Return a rotation (3, 3) that takes ``direction`` to the z axis."""
    z = direction / np.linalg.norm(direction)
    x = np.array([z[2], 0.0, -z[0]] if abs(z[1]) < 0.9 else [0.0, -z[2], z[1]])  # of length above 0 and perpendicular to z
    x /= np.linalg.norm(x)
    return np.stack([x, hat(z) @ x, z])
