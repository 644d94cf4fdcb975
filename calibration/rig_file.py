"""What ``rig.toml`` may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bodydouble.config import Settings

Row = tuple[float, float, float, float]
Spread = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SigmaSettings(Settings):
    """``[cameras.NAME.sigma]``: one standard deviation of each; leave out what is not known."""

    focal_px: Spread | None = None
    center_px: Spread | None = None
    rotation_rad: Spread | None = None
    position_m: Spread | None = None
    time_offset_s: Spread | None = None


class MountSettings(Settings):
    """``[cameras.NAME]``."""

    model: Literal["pinhole", "fisheye", "omni", "double_sphere", "fisheye624"]
    body: str
    image_size_px: tuple[int, int]
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    distortion: tuple[float, ...]
    T_body_camera: tuple[Row, Row, Row, Row]
    time_offset_s: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """True capture time minus stamped time; 0 where left out."""
    sigma: SigmaSettings | None = None


class AssumedSettings(Settings):
    """``[assumed."NAME"]``: a value that was not measured."""

    value: float = Field(allow_inf_nan=False)
    sigma: Spread


class RigSettings(Settings):
    """The whole file."""

    name: str
    bodies: tuple[str, ...]
    cameras: dict[str, MountSettings]
    assumed: dict[str, AssumedSettings] = Field(default_factory=dict)
