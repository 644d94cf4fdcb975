"""Any camera model as the nearest fisheye camera of Kannala and Brandt, which most other programs can read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]

_SAMPLES = 4000
_STEPS = 50
_FEWEST = 50


@dataclass(frozen=True)
class FisheyeFit:
    """A fisheye camera in place of another, and how far apart the two put the same direction."""

    camera: FisheyeCamera
    rms_px: float
    max_px: float
    field_of_view_deg: float
    """Full angle that the directions of the fit span; beyond it nothing is known about the camera."""


def to_fisheye(model: CameraModel, field_of_view_deg: float | None = None) -> FisheyeFit:
    """Fit a fisheye camera to what another camera sees: least squares over its image, on a grid of pixels.

    ``field_of_view_deg``: full angle around the optical axis that has to fit, all that the image shows by default. Terms of the model that are not symmetric
    about the axis remain as fitting error. Raises: DataError when the model sees too little within that angle.
    """
    pixels = _pixel_grid(model)
    rays = model.rays(pixels)
    widest = math.pi if field_of_view_deg is None else math.radians(field_of_view_deg) / 2
    theta = np.arccos(np.clip(rays[:, 2], -1, 1))
    used = theta <= widest
    if used.sum() < _FEWEST:
        raise DataError(
            f"within {math.degrees(2 * widest):.0f} degrees the camera shows only {used.sum()} of {len(used)} pixels looked at; "
            "give a larger field of view."
        )
    rays, pixels, theta = rays[used], pixels[used], theta[used]
    camera = _refined(_first(model, pixels, theta), rays, pixels)
    miss = np.linalg.norm(camera.project(rays) - pixels, axis=1)
    if not np.isfinite(miss).all():
        raise DataError(
            f"no fisheye camera grows out to the {math.degrees(2 * theta.max()):.0f} degrees that this one shows; give a smaller field of view."
        )
    return FisheyeFit(camera, float(np.sqrt(np.mean(miss**2))), float(miss.max()), math.degrees(2 * theta.max()))


def _pixel_grid(model: CameraModel) -> FloatArray:
    """Return about 4000 pixels (N, 2) spread evenly over the image, edges included."""
    width, height = model.image_size
    step = max(1.0, math.sqrt(width * height / _SAMPLES))
    u = np.linspace(-0.5, width - 0.5, max(2, round(width / step)))
    v = np.linspace(-0.5, height - 0.5, max(2, round(height / step)))
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


def _first(model: CameraModel, pixels: FloatArray, theta: FloatArray) -> FisheyeCamera:
    """Return a camera about the same optical axis and of the same aspect, whose radii fit in the least-squares sense."""
    center, focal = model.project([0.0, 0.0, 1.0]), np.array(model.focal)
    radius = np.linalg.norm((pixels - center) / focal, axis=1)
    gains, *_ = np.linalg.lstsq(theta[:, None] ** [1, 3, 5, 7, 9], radius, rcond=None)
    return FisheyeCamera(model.image_size, tuple(focal * gains[0]), tuple(center), tuple(gains[1:] / gains[0]))


def _refined(camera: FisheyeCamera, rays: FloatArray, pixels: FloatArray) -> FisheyeCamera:
    """Return the camera whose projections are nearest to the pixels: Levenberg-Marquardt over all eight numbers."""

    def cost(one: FisheyeCamera) -> float:
        total = float(((one.project(rays) - pixels) ** 2).sum())
        return total if math.isfinite(total) else math.inf

    now, damping = cost(camera), 1e-6
    for _ in range(_STEPS):
        projected, _, J = camera.project_jacobians(rays)
        A, r = J.reshape(-1, J.shape[-1]), (projected - pixels).ravel()
        known = np.isfinite(r)
        A, r = A[known], r[known]
        H, g = A.T @ A, A.T @ r
        size = np.sqrt(np.diag(H))
        H, g = H / np.outer(size, size), g / size
        step = np.linalg.solve(H + damping * np.eye(len(g)), g) / size
        try:
            tried = camera.with_parameters(camera.parameters - step)
            then = cost(tried)
        except ValueError:
            then = math.inf
        if then < now:
            done = now - then < 1e-12 * now
            camera, now, damping = tried, then, max(damping / 10, 1e-12)
            if done:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    return camera
