"""A first guess of a lens from views of a flat board: one focal length, and which family of lenses it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.pnp import target_poses

FloatArray = npt.NDArray[np.float64]

LENSES: dict[str, tuple[type[PinholeCamera] | type[FisheyeCamera], int]] = {
    "pinhole": (PinholeCamera, 5),
    "pinhole8": (PinholeCamera, 8),
    "fisheye": (FisheyeCamera, 4),
}
"""Name of a lens to its model and number of distortion terms."""

_FOCALS = np.geomspace(0.2, 4.0, 25)
"""Focal lengths tried, in image widths (longer side): from 180 degree fisheyes to telephoto lenses."""
_VIEWS = 15


def first_guess(lens: str, image_size: tuple[int, int], views: Sequence[tuple[FloatArray, FloatArray]]) -> CameraModel:
    """Return a camera without distortion whose focal length explains most views best.

    ``views`` are pairs of points (n, 3) in m and pixels (n, 2). The median error over the views decides, so that a false detection does
    not; each focal length is judged by the pose it gives (a search needs no closed form and serves every lens).
    """
    cls, terms = LENSES[lens]
    width, height = image_size
    center = ((width - 1) / 2, (height - 1) / 2)
    chosen = [views[i] for i in np.linspace(0, len(views) - 1, min(len(views), _VIEWS)).astype(int)]

    def camera(focal: float) -> CameraModel:
        return cls(image_size, (focal, focal), center, (0.0,) * terms)

    def cost(focal: float) -> float:
        errors, model = [], camera(focal)
        for points, pixels in chosen:
            poses = target_poses(model, points, pixels)
            errors.append(poses[0][1] if poses else np.inf)
        # A lens without distortion cannot explain the views; one that sees most of them well is near enough to start from.
        return float(np.median(errors))

    focals = _FOCALS * max(image_size)
    costs = [cost(focal) for focal in focals]
    best = int(np.argmin(costs))
    nearby = np.geomspace(focals[max(best - 1, 0)], focals[min(best + 1, len(focals) - 1)], 9)
    return camera(float(nearby[int(np.argmin([cost(focal) for focal in nearby]))]))
