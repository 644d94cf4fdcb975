"""Where a known target is in one camera of any model: all poses that explain what was seen about equally well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.plane_pose import SIDEWAYS, plane_poses, turn_to_z
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
    rays = model.rays(pixels) if rays is None else rays
    good = np.isfinite(rays).all(axis=-1)
    points, pixels, rays = points[good], pixels[good], rays[good]
    if len(points) < FEWEST_POINTS:
        return []
    flat = bool(np.abs(points[:, 2]).max() < _FLAT)
    candidates = plane_poses(points[None], rays[None], np.ones((1, len(points)), dtype=np.bool_))[0] if flat else _solid_poses(points, rays)
    poses: list[tuple[FloatArray, float]] = []
    for T in candidates:
        error = model.project(apply(T, points)) - pixels
        rms = float(np.sqrt(np.mean(np.square(error).sum(axis=-1))))
        if np.isfinite(T).all() and np.isfinite(rms):
            poses.append((T, rms))
    poses.sort(key=lambda pose: pose[1])
    return [pose for pose in poses if pose[1] <= _RIVAL * max(poses[0][1], _FLOOR_PX)]


def _solid_poses(points: FloatArray, rays: FloatArray) -> list[FloatArray]:
    """Return poses of points that are not in one plane."""
    import cv2

    towards = turn_to_z(rays.mean(axis=0, keepdims=True))[0]
    turned = rays @ towards.T
    if (turned[:, 2] < SIDEWAYS).any():
        return []
    normalized = np.ascontiguousarray(turned[:, :2] / turned[:, 2:])
    try:
        found = cv2.solvePnPGeneric(np.ascontiguousarray(points), normalized, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error:
        return []
    return [
        pose_from(towards.T @ cv2.Rodrigues(rotvec)[0], towards.T @ position.ravel())
        for rotvec, position in zip(found[1], found[2], strict=True)
    ]
