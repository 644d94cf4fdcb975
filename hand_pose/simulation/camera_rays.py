"""The rays of a camera's pixels, computed once through its real lens model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CameraRays:
    """Rays of one camera model; read-only."""

    directions: Float32Array
    """(3, H', W') unit vectors in the camera frame of every pixel and of one or two rows and columns beyond, so that H' and W' are odd."""
    blind: npt.NDArray[np.bool_] | None
    """(H, W) pixels to which no direction leads; None if there are none. Their directions lead anywhere."""
    pixel_rad: float
    """Angle between neighbouring pixels in the middle of the image."""
    size: tuple[int, int]
    """(H, W)"""

    @classmethod
    def of(cls, model: CameraModel) -> CameraRays:
        """Compute the rays of a camera."""
        width, height = model.image_size
        columns, rows = width + 1 + width % 2, height + 1 + height % 2
        pixels = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
        rays = model.rays(pixels)
        blind = np.isnan(rays[..., 0])
        rays[blind] = [0.0, 0.0, 1.0]
        directions = np.ascontiguousarray(np.moveaxis(rays, -1, 0), dtype=np.float32)
        # Beyond the image a lens may see nothing, but the rays there only serve to interpolate.
        for row in range(height, rows):
            directions[:, row] = np.where(blind[row], 2 * directions[:, row - 1] - directions[:, row - 2], directions[:, row])
        for column in range(width, columns):
            directions[:, :, column] = np.where(
                blind[:, column], 2 * directions[:, :, column - 1] - directions[:, :, column - 2], directions[:, :, column]
            )
        directions.flags.writeable = False
        blind = blind[:height, :width]
        v, u = height // 2, width // 2
        step = float(np.linalg.norm(directions[:, v, u + 1] - directions[:, v, u]))
        return cls(directions, blind if blind.any() else None, step, (height, width))

    def between(self, rows: IntArray, columns: IntArray, offsets: Float32Array) -> Float32Array:
        """Return rays (N, S, 3) in the camera frame through ``offsets`` (S, 2) of u, v in pixels, up to half, from N pixels of the image.

        They are interpolated from neighbouring pixels, which is exact to a millionth of a radian.
        """
        width = self.directions.shape[2]
        flat = self.directions.reshape(3, -1)
        at = rows * width + columns
        here = flat[:, at]
        before, after = np.where(columns > 0, at - 1, at), at + 1
        by_u = (flat[:, after] - flat[:, before]) / (after - before).astype(np.float32)
        before, after = np.where(rows > 0, at - width, at), at + width
        by_v = (flat[:, after] - flat[:, before]) / ((after - before) // width).astype(np.float32)
        result = np.empty((len(at), len(offsets), 3), dtype=np.float32)
        for s, (u, v) in enumerate(offsets):
            for axis in range(3):
                result[:, s, axis] = here[axis] + u * by_u[axis] + v * by_v[axis]
        return result
