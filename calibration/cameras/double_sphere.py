"""The double sphere camera (Kalibr's ``ds``), for fisheye lenses: two spheres one behind the other, with a closed inverse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from bodydouble.calibration.cameras.parametric_camera import BoolArray, FloatArray, ParametricCamera


@dataclass(frozen=True)
class DoubleSphereCamera(ParametricCamera):
    """A camera that projects directions onto a unit sphere, from there onto one shifted by ``xi``, and that one onto the image.

    Source: Usenko, Demmel and Cremers, "The Double Sphere Camera Model", 3DV 2018. ``limit`` is exact where the paper's bound is on the safe side.
    """

    distortion: tuple[float, ...] = (0.0, 0.0)
    """xi, alpha."""

    TERMS: ClassVar[tuple[int, ...]] = (2,)

    def __post_init__(self) -> None:
        super().__post_init__()
        xi, alpha = self.distortion
        if not xi > -1:
            raise ValueError(f"xi is {xi:g}, but the second sphere is no further than 1 in front of the first: expected more than -1")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha:g}; expected 0 to 1")

    @cached_property
    def limit(self) -> float:
        """Angle from the optical axis in rad below which the model can be used: where a sphere turns away, or its image reaches infinity."""
        xi, alpha = self.distortion
        if xi > 1:
            return math.acos(-1 / xi)
        on_second = math.acos(-alpha / (1 - alpha)) if alpha <= 0.5 else math.acos(-(1 - alpha) / alpha)
        return min(math.pi, on_second + math.asin(xi * math.sin(on_second)))

    def _lens(self, p: FloatArray, J_point: FloatArray | None, J_lens: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        xi, alpha = self.distortion
        z = p[:, 2]
        rho2 = p[:, 0] ** 2 + p[:, 1] ** 2
        distance = np.sqrt(rho2 + z * z)
        shifted = z + xi * distance
        second = np.sqrt(rho2 + shifted * shifted)
        over = 1.0 / (alpha * second + (1 - alpha) * shifted)
        x, y = p[:, 0] * over, p[:, 1] * over
        seen = z > math.cos(self.limit) * distance
        if J_point is not None:
            sideways = alpha / second
            forwards = sideways * shifted
            forwards += 1 - alpha
            outwards = forwards * (xi / distance)
            sideways += outwards
            by_x, by_y, by_z = sideways * p[:, 0], sideways * p[:, 1], forwards + outwards * z
            fx, fy = self.focal
            over_x, over_y = fx * over, fy * over
            np.multiply(1 - x * by_x, over_x, out=J_point[:, 0, 0])
            np.multiply(1 - y * by_y, over_y, out=J_point[:, 1, 1])
            over_x *= -x
            over_y *= -y
            np.multiply(over_x, by_y, out=J_point[:, 0, 1])
            np.multiply(over_x, by_z, out=J_point[:, 0, 2])
            np.multiply(over_y, by_x, out=J_point[:, 1, 0])
            np.multiply(over_y, by_z, out=J_point[:, 1, 2])
            if J_lens is not None:
                for column, by in enumerate((forwards * distance, second - shifted)):
                    np.multiply(over_x, by, out=J_lens[:, 0, column])
                    np.multiply(over_y, by, out=J_lens[:, 1, column])
        return x, y, seen

    def _directions(self, x: FloatArray, y: FloatArray, out: FloatArray) -> None:
        xi, alpha = self.distortion
        r2 = x * x + y * y
        second = (1 - alpha * alpha * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * r2) + 1 - alpha)
        lift = (second * xi + np.sqrt(second * second + (1 - xi * xi) * r2)) / (second * second + r2)
        np.multiply(x, lift, out=out[:, 0])
        np.multiply(y, lift, out=out[:, 1])
        np.subtract(lift * second, xi, out=out[:, 2])
        out[~(out[:, 2] > math.cos(self.limit))] = np.nan
