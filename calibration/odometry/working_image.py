"""The image in which features are followed: grey, small enough to be fast, and part of the calibrated image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

MOST_WIDTH = 1000
"""px: wider images are halved, or cut to a third and so on; finer ones cost time and decide nothing."""


@dataclass(frozen=True)
class WorkingImage:
    """How pixels of the working image, of the camera's video and of its calibrated image belong together."""

    model: CameraModel
    size: tuple[int, int]
    """(width, height) of the working image."""
    step: int
    """Pixels of the video on each side of a working pixel."""
    origin: tuple[int, int] = (0, 0)
    """Where the video's upper left pixel is in the calibrated image."""

    @classmethod
    def of(cls, model: CameraModel, video_size: tuple[int, int], origin: tuple[int, int] | None = None) -> WorkingImage:
        """Return the working image of a camera whose video has this (width, height)."""
        step = -(-video_size[0] // MOST_WIDTH)
        return cls(model, (video_size[0] // step, video_size[1] // step), step, origin or (0, 0))

    def of_frame(self, rgb: Image) -> Image:
        """Return the working image (h, w) of a frame (H, W, 3)."""
        import cv2

        width, height = self.size
        grey = cv2.cvtColor(rgb[: height * self.step, : width * self.step], cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.resize(grey, self.size, interpolation=cv2.INTER_AREA) if self.step > 1 else grey, dtype=np.uint8)

    def calibrated(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return pixels (..., 2) of the calibrated image for those of the working image."""
        return (np.asarray(pixels, dtype=np.float64) + 0.5) * self.step - 0.5 + np.array(self.origin, dtype=np.float64)

    def working(self, calibrated: FloatArray) -> FloatArray:
        """Return pixels (..., 2) of the working image for those of the calibrated image."""
        return np.asarray((calibrated - np.array(self.origin, dtype=np.float64) + 0.5) / self.step - 0.5)

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return unit vectors (..., 3) in the camera; NaN where no direction leads there."""
        return self.model.rays(self.calibrated(pixels))

    def project(self, p_camera: FloatArray) -> FloatArray:
        """Return pixels (..., 2) of points (..., 3) in the camera; NaN where it sees no such point."""
        return self.working(self.model.project(p_camera))

    def inside(self, pixels: FloatArray, margin: float) -> npt.NDArray[np.bool_]:
        """Tell which pixels (..., 2) are inside by at least ``margin``."""
        most = np.array(self.size) - 1 - margin
        return np.asarray(((pixels >= margin) & (pixels <= most)).all(axis=-1))

    @property
    def pixel_rad(self) -> float:
        """The angle that a pixel spans in the middle of the image."""
        return self.step / (0.5 * sum(self.model.focal))
