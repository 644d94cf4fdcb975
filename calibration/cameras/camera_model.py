"""What every camera model can do, and which numbers can be a camera's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class CameraModel(Protocol):
    """The lens and sensor of one camera, as calibrated.

    The camera frame is OpenCV's: x right, y down, z forward. Pixel (0, 0) is the centre of the upper left pixel, so the image
    covers [-0.5, width - 0.5] x [-0.5, height - 0.5].
    """

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the images it was calibrated with."""

    @property
    def focal(self) -> tuple[float, float]:
        """(fx, fy) in pixels."""

    @property
    def center(self) -> tuple[float, float]:
        """(cx, cy), the principal point in pixels."""

    @property
    def distortion(self) -> tuple[float, ...]:
        """Coefficients of the lens, in the model's order."""

    @property
    def parameters(self) -> FloatArray:
        """(P,): fx, fy, cx, cy, then the distortion."""

    def with_parameters(self, values: npt.ArrayLike) -> Self:
        """Return the camera with other ``parameters`` (P,). Raises: ValueError for numbers that cannot be a camera's."""

    def project(self, p_camera: npt.ArrayLike) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) in the camera frame; NaN where the model sees no such point."""

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return unit vectors (..., 3) in the camera frame for pixels (..., 2); NaN where no direction leads to that pixel."""

    def project_jacobian(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives (..., 2, 3) with respect to the point, in pixels a metre."""

    def project_jacobians(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives with respect to the point (..., 2, 3) and to ``parameters`` (..., 2, P)."""

    def rays_jacobian(self, pixels: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return rays (..., 3) and their derivatives (..., 3, 2) with respect to the pixel."""


def contains(camera: CameraModel, pixels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell which pixels (..., 2) are inside the image; NaN is outside."""
    uv = np.asarray(pixels, dtype=np.float64)
    u, v = uv[..., 0], uv[..., 1]
    width, height = camera.image_size
    return np.asarray((u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5))


def plain_parameters(
    image_size: Sequence[int], focal: Sequence[float], center: Sequence[float], distortion: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    """Return the numbers of a camera as tuples of plain numbers, whatever arrays or lists they came in."""
    values = {"focal": focal, "center": center, "distortion": distortion}
    return {"image_size": tuple(map(int, image_size)), **{name: tuple(map(float, numbers)) for name, numbers in values.items()}}


def check_parameters(
    image_size: tuple[int, int],
    focal: tuple[float, float],
    center: tuple[float, float],
    distortion: tuple[float, ...],
    terms: tuple[int, ...],
) -> None:
    """Raise ValueError with one sentence when the numbers of a camera cannot be those of a camera; ``terms`` are the possible counts of coefficients."""
    if len(image_size) != 2 or min(image_size) < 1:
        raise ValueError(f"image size {image_size} is not a width and a height of at least one pixel")
    if len(focal) != 2 or not all(math.isfinite(f) and f > 0 for f in focal):
        raise ValueError(f"focal length {focal} is not two positive numbers of pixels")
    if len(center) != 2 or not all(math.isfinite(c) for c in center):
        raise ValueError(f"principal point {center} is not two numbers of pixels")
    if len(distortion) not in terms or not all(math.isfinite(k) for k in distortion):
        raise ValueError(f"distortion {distortion} is not {' or '.join(map(str, terms))} finite numbers")
