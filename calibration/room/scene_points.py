"""Points of a room whose places were measured, and where they were clicked in each camera's image; ``scene_points.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from bodydouble.config import Settings, load_settings, save_settings
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FEWEST_POINTS = 4
TAPE_SIGMA_M = 0.005
"""What a tape measure and a steady hand reach over a few metres."""
CLICK_SIGMA_PX = 1.0
_FARTHEST_M = 50.0
"""No room that one person's cameras stand in is larger; in millimetres the smallest scene is."""
_THINNEST = 0.03
"""Points whose spread across is less than this share of that along are on one line as far as a click can tell."""
_SAME_PLACE_M = 1e-4
_SAME_PIXEL = 0.05

Coordinate = Annotated[float, Field(allow_inf_nan=False)]


class ScenePointsSettings(Settings):
    """What ``scene_points.toml`` holds."""

    sigma_m: float = Field(TAPE_SIGMA_M, ge=0, le=0.5, allow_inf_nan=False)
    """One standard deviation of each measured coordinate; 0 for points known exactly."""
    sigma_px: float = Field(CLICK_SIGMA_PX, gt=0, le=100, allow_inf_nan=False)
    """One standard deviation of a click, in each direction."""
    points: dict[str, tuple[Coordinate, Coordinate, Coordinate]]
    image_size_px: dict[str, tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    cameras: dict[str, dict[str, tuple[Coordinate, Coordinate]]] = Field(default_factory=dict)


@dataclass(frozen=True)
class ScenePoints:
    """P measured points and where C cameras show them. Arrays are read-only."""

    names: tuple[str, ...]
    points: FloatArray
    """(P, 3) m in the room: x forward, y left, z up."""
    cameras: tuple[str, ...]
    pixels: FloatArray
    """(C, P, 2); NaN where a point was not clicked. Pixel (0, 0) is the centre of the upper left pixel."""
    sigma_m: float = TAPE_SIGMA_M
    """One standard deviation of each measured coordinate; 0 for points known exactly."""
    sigma_px: float = CLICK_SIGMA_PX
    """One standard deviation of a click, in each direction."""
    image_size: tuple[tuple[int, int] | None, ...] = ()
    """(width, height) of the image that was clicked in, one a camera; None where not known."""

    def __post_init__(self) -> None:
        for name in ("names", "cameras"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "image_size", tuple(self.image_size) or (None,) * len(self.cameras))
        count = len(self.names)
        freeze_arrays(self, {"points": ((count, 3), np.float64), "pixels": ((len(self.cameras), count, 2), np.float64)})
        _check_points(self.names, self.points)
        _check_clicks(self)

    @property
    def seen(self) -> BoolArray:
        """(C, P) which points were clicked."""
        return np.asarray(np.isfinite(self.pixels).all(axis=-1))

    def select(self, cameras: tuple[str, ...]) -> ScenePoints:
        """Return the scene with some of its cameras, in the order asked for. Raises: UnknownNameError."""
        for name in cameras:
            if name not in self.cameras:
                raise UnknownNameError("camera", name, "the clicked images", self.cameras)
        rows = [self.cameras.index(name) for name in cameras]
        sizes = tuple(self.image_size[row] for row in rows)
        return ScenePoints(self.names, self.points, cameras, self.pixels[rows], self.sigma_m, self.sigma_px, sizes)

    def save(self, path: Path) -> None:
        """Write ``scene_points.toml``. Loading it gives the same scene to the last bit."""
        clicks = {
            camera: {self.names[p]: tuple(self.pixels[row, p].tolist()) for p in np.flatnonzero(self.seen[row])}
            for row, camera in enumerate(self.cameras)
        }
        values = {
            "sigma_m": self.sigma_m, "sigma_px": self.sigma_px, "points": dict(zip(self.names, self.points.tolist(), strict=True)),
            "image_size_px": {c: size for c, size in zip(self.cameras, self.image_size, strict=True) if size is not None},
            "cameras": clicks,
        }  # fmt: skip
        save_settings(Path(path), ScenePointsSettings.model_validate(values), header=HEADER)

    @classmethod
    def load(cls, path: Path) -> ScenePoints:
        """Read ``scene_points.toml``; one without ``[cameras.NAME]`` holds points that nobody has clicked yet.

        Raises: UsageError, UnknownNameError with one sentence on what cannot be: a point that was clicked but not measured, fewer than four
        points, two at one place, all on one line, or coordinates that look like millimetres.
        """
        settings = load_settings(Path(path), ScenePointsSettings)
        names = tuple(settings.points)
        pixels = np.full((len(settings.cameras), len(names), 2), np.nan)
        try:
            for camera in settings.image_size_px:
                if camera not in settings.cameras:
                    raise UnknownNameError("camera", camera, f"[cameras] of {path}, but in [image_size_px]", settings.cameras)
            for row, (camera, clicks) in enumerate(settings.cameras.items()):
                for name, pixel in clicks.items():
                    if name not in settings.points:
                        raise UnknownNameError("point", name, f"[points] of {path}, but in [cameras.{camera}]", names)
                    pixels[row, names.index(name)] = pixel
            sizes = tuple(settings.image_size_px.get(camera) for camera in settings.cameras)
            points = np.array(list(settings.points.values())).reshape(-1, 3)
            return cls(names, points, tuple(settings.cameras), pixels, settings.sigma_m, settings.sigma_px, sizes)
        except UnknownNameError:
            raise  # it names the file already
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None


def _check_points(names: tuple[str, ...], points: FloatArray) -> None:
    if len(set(names)) != len(names):
        raise UsageError(f"a measured point is named twice: {', '.join(names)}.")
    if len(names) < FEWEST_POINTS:
        raise UsageError(
            f"{len(names)} measured point{'s' if len(names) != 1 else ''}: {', '.join(names) or 'none'}; at least {FEWEST_POINTS} "
            "are needed to find a camera. Measure more, well apart from each other."
        )
    if not np.isfinite(points).all():
        raise UsageError("a measured point has a coordinate that is not a number; give each point three numbers in metres.")
    largest = float(np.abs(points).max())
    if largest > _FARTHEST_M:
        raise UsageError(
            f"measured point '{names[int(np.abs(points).max(axis=1).argmax())]}' is {largest:g} m from the origin along an axis; expected at most "
            f"{_FARTHEST_M:.0f} m. Points are in metres: divide them by 1000 if they are in millimetres, by 100 if in centimetres."
        )
    distance = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag(np.full(len(points), np.inf))
    if distance.min() < _SAME_PLACE_M:
        one, two = np.unravel_index(int(distance.argmin()), distance.shape)
        raise UsageError(f"measured points '{names[one]}' and '{names[two]}' are at the same place; give each its own coordinates.")
    if on_one_line(points):
        raise UsageError("the measured points are all on one line, about which a camera could turn freely; measure one well beside it.")


def _check_clicks(scene: ScenePoints) -> None:
    if len(set(scene.cameras)) != len(scene.cameras):
        raise UsageError(f"a camera is named twice: {', '.join(scene.cameras)}.")
    if len(scene.image_size) != len(scene.cameras):
        raise ValueError(f"{len(scene.image_size)} image sizes for {len(scene.cameras)} cameras")
    for row, camera in enumerate(scene.cameras):
        size = scene.image_size[row]
        which = np.flatnonzero(scene.seen[row])
        pixels = scene.pixels[row, which]
        if size is not None:
            check_inside(camera, [scene.names[p] for p in which], pixels, size)
        apart = np.linalg.norm(pixels[:, None] - pixels, axis=-1) + np.diag(np.full(len(pixels), np.inf))
        if apart.size and apart.min() < _SAME_PIXEL:
            one, two = (scene.names[which[k]] for k in np.unravel_index(int(apart.argmin()), apart.shape))
            raise UsageError(f"points '{one}' and '{two}' are clicked at the same pixel of camera '{camera}'; click one of them again.")


def check_inside(camera: str, names: list[str], pixels: FloatArray, size: tuple[int, int]) -> None:
    """Check that clicks (n, 2) lie in an image of (width, height). Raises: UsageError naming the first that does not."""
    outside = ((pixels < -0.5) | (pixels > np.array(size) - 0.5)).any(axis=-1)
    if outside.any():
        k = int(outside.argmax())
        u, v = pixels[k]
        raise UsageError(
            f"point '{names[k]}' is clicked at ({u:.1f}, {v:.1f}) in camera '{camera}', outside its image of {size[0]}x{size[1]} px; "
            "click in an image of the size that the camera was calibrated with."
        )


def on_one_line(points: FloatArray) -> bool:
    """Tell whether points (n, 3) lie nearly on one line, or are fewer than three."""
    if len(points) < 3:
        return True
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] < _THINNEST * spread[0])


HEADER = """Measured points of a room and where they were clicked. Metres (x forward, y left, z up) and pixels; pixel (0, 0) is the centre of the
upper left pixel. sigma_m and sigma_px: one standard deviation of a measured coordinate and of a click."""
