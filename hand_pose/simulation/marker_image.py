"""Small lamps at given places as a camera sees them: a check that images and truth agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.hand_pose.simulation.camera_rays import CameraRays

FloatArray = npt.NDArray[np.float64]

RADIUS_M = 0.004
_STEPS = (np.arange(5) - 2) / 5


def marker_image(
    points: npt.ArrayLike, model: CameraModel, T_world_camera: FloatArray, *, radius_m: float = RADIUS_M
) -> npt.NDArray[np.uint8]:
    """Return a grey image (H, W) of bright spheres at points (N, 3) of the world before black, rendered by rays, 25 a pixel. NaN points are left out."""
    rays = CameraRays.of(model)
    height, width = rays.size
    T = np.asarray(T_world_camera, dtype=np.float64)
    places = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    centers = (places[np.isfinite(places).all(axis=1)] - T[:3, 3]) @ T[:3, :3]  # in the camera frame
    out = np.zeros((height, width))
    offsets = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2).astype(np.float32)
    middle = np.moveaxis(rays.directions[:, :height, :width], 0, -1)
    for center in centers:
        distance = float(np.linalg.norm(center))
        if distance <= radius_m:
            continue
        reach = np.arcsin(radius_m / distance)
        rows, columns = np.nonzero(middle @ (center / distance).astype(np.float32) > np.cos(reach + 2 * rays.pixel_rad))
        d = rays.between(rows, columns, offsets).astype(np.float64)
        d /= np.linalg.norm(d, axis=-1, keepdims=True)
        # Away from the axis by the cross product: the cosine of so small an angle has no digits left.
        off = np.linalg.norm(np.cross(d, center / distance), axis=-1)
        out[rows, columns] = np.maximum(out[rows, columns], (off < np.sin(reach)).mean(axis=1))
    return np.rint(255 * out).astype(np.uint8)
