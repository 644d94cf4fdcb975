"""What an ideal pinhole camera at the same place as a real one would have seen, looking in any direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel, contains
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.transform import is_rotation
from bodydouble.errors import UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
MapArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[Any]

CAMERA_UP = (0.0, -1.0, 0.0)
"""Up in the image of a camera, in its own frame."""
_OUTSIDE = -2.0
"""A coordinate from which OpenCV's interpolation reaches no pixel."""


@dataclass(frozen=True, eq=False)
class VirtualView:
    """A rectified view into the image of a camera: straight lines are straight, whatever the lens.

    The table by which images are resampled is computed once, at first use; it does not travel when a view is pickled. Raises: UsageError for a
    rotation, a size or a focal length that cannot be one.
    """

    model: CameraModel
    """The camera that took the image."""
    R_camera_view: FloatArray
    """(3, 3) rotation of the view (x right, y down, z forward) in the camera frame; read-only."""
    image_size: tuple[int, int]
    """(width, height) of the view in pixels."""
    focal: float
    """In pixels of the view, both ways."""
    center: tuple[float, float] | None = None
    """Principal point in pixels of the view; its middle if not given."""

    def __post_init__(self) -> None:
        freeze_arrays(self, {"R_camera_view": ((3, 3), np.float64)})
        if not bool(is_rotation(self.R_camera_view)):
            raise UsageError("R_camera_view is not a rotation; expected three perpendicular axes of length 1 that are right-handed.")
        width, height = map(int, self.image_size)
        center = ((width - 1) / 2, (height - 1) / 2) if self.center is None else self.center
        try:
            camera = PinholeCamera((width, height), (self.focal, self.focal), center)
        except ValueError as error:
            raise UsageError(f"the view cannot be: {error}.") from None
        for name, value in {"image_size": camera.image_size, "focal": camera.focal[0], "center": camera.center}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def towards(
        cls, model: CameraModel, direction: npt.ArrayLike, *, fov_deg: float, image_size: Sequence[int], up: npt.ArrayLike = CAMERA_UP
    ) -> VirtualView:
        """Return the view that has ``direction`` (3,) of the camera frame in its middle.

        ``fov_deg`` is across the width; ``up`` (3,), in the camera frame, is what points upwards in the view. Raises: UsageError for an angle that no
        plane image has, or an ``up`` along the direction.
        """
        if not 0 < fov_deg < 180:
            raise UsageError(f"a view {fov_deg:g} degrees wide cannot be; expected more than 0 and less than 180, say 90.")
        z, upwards = np.asarray(direction, dtype=np.float64), np.asarray(up, dtype=np.float64)
        x = np.cross(z, upwards)
        if z.shape != (3,) or upwards.shape != (3,) or not np.linalg.norm(x) > 1e-9 * np.linalg.norm(z) * np.linalg.norm(upwards):
            raise UsageError(f"a view towards {_listed(z)} has no upright with up = {_listed(upwards)}; expected two different directions.")
        x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
        width, height = image_size
        return cls(model, np.stack([x, np.cross(z, x), z], axis=1), (width, height), width / 2 / math.tan(math.radians(fov_deg) / 2))

    @cached_property
    def camera(self) -> PinholeCamera:
        """The view's own camera model, without distortion; its frame is that of the view."""
        assert self.center is not None
        return PinholeCamera(self.image_size, (self.focal, self.focal), self.center)

    @property
    def fov_deg(self) -> float:
        """Field of view across the width, in degrees, of a view about its middle."""
        return 2 * math.degrees(math.atan(self.image_size[0] / 2 / self.focal))

    @property
    def valid(self) -> BoolArray:
        """(height, width): which pixels of the view the image shows; read-only."""
        return self._table[1]

    def remap(self, image: Image) -> Image:
        """Return the view (height, width[, channels]) of an image of the camera, interpolated linearly; 0 where the image shows nothing.

        Raises: UsageError when the image has not the size that the camera was calibrated for.
        """
        import cv2

        width, height = self.model.image_size
        if image.shape[:2] != (height, width):
            raise UsageError(f"the image is {image.shape[1]}x{image.shape[0]}, but its camera was calibrated for {width}x{height}.")
        view: Image = cv2.remap(image, self._table[0], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return view

    def to_image(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return where pixels (..., 2) of the view lie in the camera's image; NaN for those outside of either."""
        uv = np.asarray(pixels, dtype=np.float64)
        return _inside(self.model, self.model.project(self.camera.rays(_inside(self.camera, uv)) @ self.R_camera_view.T))

    def from_image(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return where pixels (..., 2) of the camera's image lie in the view; NaN for those outside of either."""
        uv = np.asarray(pixels, dtype=np.float64)
        return _inside(self.camera, self.camera.project(self.model.rays(_inside(self.model, uv)) @ self.R_camera_view))

    @cached_property
    def _table(self) -> tuple[MapArray, BoolArray]:
        """Coordinates in the image (height, width, 2) of every pixel of the view, and which of them it has."""
        width, height = self.image_size
        places = self.to_image(np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1))
        valid = np.isfinite(places[..., 0])
        # Half a pixel beyond the outer centres there is nothing to interpolate with: the outer pixel reaches that far.
        table = np.clip(places, 0.0, np.array(self.model.image_size) - 1.0)
        table[~valid] = _OUTSIDE
        valid.flags.writeable = False
        return table.astype(np.float32), valid

    def __getstate__(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def _inside(camera: CameraModel, pixels: FloatArray) -> FloatArray:
    return np.where(contains(camera, pixels)[..., None], pixels, np.nan)


def _listed(vector: FloatArray) -> str:
    return f"({', '.join(f'{value:g}' for value in vector.ravel())})"
