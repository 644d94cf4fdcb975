"""What ``rig.toml`` may hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bodydouble.config import Settings

Row = tuple[float, float, float, float]


class SigmaSettings(Settings):
    """``[cameras.NAME.sigma]``: one standard deviation of each; leave out what is not known."""

    focal_px: float | None = None
    center_px: float | None = None
    rotation_rad: float | None = None
    position_m: float | None = None


class MountSettings(Settings):
    """``[cameras.NAME]``."""

    model: Literal["pinhole", "fisheye"]
    body: str
    image_size_px: tuple[int, int]
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    distortion: tuple[float, ...]
    T_body_camera: tuple[Row, Row, Row, Row]
    sigma: SigmaSettings | None = None


class AssumedSettings(Settings):
    """``[assumed."NAME"]``: a value that was not measured."""

    value: float
    sigma: float


class RigSettings(Settings):
    """The whole file."""

    name: str
    bodies: tuple[str, ...]
    cameras: dict[str, MountSettings]
    assumed: dict[str, AssumedSettings] = Field(default_factory=dict)
