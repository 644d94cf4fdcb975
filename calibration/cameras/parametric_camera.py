"""What all camera models share: ``pixel = focal * lens(point; distortion) + center``, and what follows from it for any lens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import check_parameters, plain_parameters

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_BLOCK = 4096
"""Points that are worked on at a time: their intermediate values stay in the processor's cache."""


@dataclass(frozen=True)
class ParametricCamera(ABC):
    """A camera model made of a lens: a subclass gives the lens, its derivatives and its inverse, in coordinates of focal length 1.

    Numbers may come as any sequences; they are stored as tuples of plain numbers. Raises: ValueError for numbers that cannot be a camera's.
    """

    image_size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    distortion: tuple[float, ...]

    TERMS: ClassVar[tuple[int, ...]]
    """How many distortion coefficients there may be."""

    def __post_init__(self) -> None:
        for name, value in plain_parameters(self.image_size, self.focal, self.center, self.distortion).items():
            object.__setattr__(self, name, value)
        check_parameters(self.image_size, self.focal, self.center, self.distortion, self.TERMS)

    @property
    def parameters(self) -> FloatArray:
        """(P,): fx, fy, cx, cy, then the distortion."""
        return np.array([*self.focal, *self.center, *self.distortion])

    def with_parameters(self, values: npt.ArrayLike) -> Self:
        """Return the camera with other ``parameters`` (P,). Raises: ValueError for numbers that cannot be a camera's."""
        numbers = np.asarray(values, dtype=np.float64).tolist()
        return type(self)(self.image_size, tuple(numbers[:2]), tuple(numbers[2:4]), tuple(numbers[4:]))

    def project(self, p_camera: npt.ArrayLike) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) in m in the camera frame; NaN where the model sees no such point."""
        return self._evaluate(p_camera, point=False, parameters=False)[0]

    def project_jacobian(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives (..., 2, 3) with respect to the point, in pixels a metre."""
        return self._evaluate(p_camera, point=True, parameters=False)[:2]

    def project_jacobians(self, p_camera: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return pixels (..., 2) and their derivatives with respect to the point (..., 2, 3) and to ``parameters`` (..., 2, P).

        All are NaN where the model sees no such point.
        """
        return self._evaluate(p_camera, point=True, parameters=True)

    def rays(self, pixels: npt.ArrayLike) -> FloatArray:
        """Return unit vectors (..., 3) in the camera frame for pixels (..., 2); NaN where no direction leads to that pixel."""
        uv = np.asarray(pixels, dtype=np.float64)
        flat = uv.reshape(-1, 2)
        directions = np.empty((len(flat), 3))
        with np.errstate(all="ignore"):
            for start in range(0, len(flat), _BLOCK):
                block = slice(start, start + _BLOCK)
                x, y = ((flat[block, i] - self.center[i]) / self.focal[i] for i in range(2))
                self._directions(x, y, directions[block])
        return directions.reshape(*uv.shape[:-1], 3)

    def rays_jacobian(self, pixels: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return rays (..., 3) and their derivatives (..., 3, 2) with respect to the pixel.

        By the implicit function theorem from the derivatives a, b of the pixel's coordinates at the ray r: both are perpendicular to r, so the
        two tangents are b x r and r x a, each over det(a, b, r).
        """
        r = self.rays(pixels)
        _, J = self.project_jacobian(r)
        a, b = J[..., 0, :], J[..., 1, :]
        tangents = np.empty((*r.shape, 2))
        tangents[..., 0], tangents[..., 1] = np.cross(b, r), np.cross(r, a)
        with np.errstate(divide="ignore", invalid="ignore"):
            tangents /= np.einsum("...i,...i->...", a, tangents[..., 0])[..., None, None]
        return r, tangents

    @abstractmethod
    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return the image coordinates (N,), (N,) of points (N, 3) at focal length 1, and which points are seen (N,).

        Writes the derivatives of the PIXELS, so times the focal lengths, into the arrays that are given: ``J_point`` (N, 2, 3), ``J_lens`` (N, 2, K) for
        the K distortion coefficients. What is not seen may be anything, at no warning.
        """

    @abstractmethod
    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        """Write the unit vectors of image coordinates (N,), (N,) at focal length 1 into ``out`` (N, 3); NaN where there are none."""

    def _evaluate(self, p_camera: npt.ArrayLike, *, point: bool, parameters: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what ``project_jacobians`` does; derivatives that were not asked for have no values."""
        p = np.asarray(p_camera, dtype=np.float64)
        points, leading = p.reshape(-1, 3), p.shape[:-1]
        pixels = np.empty((len(points), 2))
        J_point, J_parameters = np.empty((len(points), 2, 3 * point)), np.empty((len(points), 2, (4 + len(self.distortion)) * parameters))
        with np.errstate(all="ignore"):
            for start in range(0, len(points), _BLOCK):
                block = slice(start, start + _BLOCK)
                by_point, by_parameters = J_point[block] if point else None, J_parameters[block] if parameters else None
                x, y, seen = self._lens(points[block], by_point, None if by_parameters is None else by_parameters[:, :, 4:])
                for column, (values, f, c) in enumerate(zip((x, y), self.focal, self.center, strict=True)):
                    pixels[block, column] = values * f + c
                if by_parameters is not None:
                    by_parameters[:, 0, 0], by_parameters[:, 1, 1] = x, y
                    by_parameters[:, 0, 2] = by_parameters[:, 1, 3] = 1.0
                    by_parameters[:, 0, 1:4:2] = by_parameters[:, 1, 0:3:2] = 0.0
                if not seen.all():
                    unseen = start + np.flatnonzero(~seen)
                    pixels[unseen], J_point[unseen], J_parameters[unseen] = np.nan, np.nan, np.nan
        return (
            pixels.reshape(*leading, 2),
            J_point.reshape(*leading, *J_point.shape[1:]),
            J_parameters.reshape(*leading, *J_parameters.shape[1:]),
        )
