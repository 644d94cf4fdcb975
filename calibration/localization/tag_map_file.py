"""What ``tag_map.toml`` may hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bodydouble.calibration.rig_file import Row, Spread
from bodydouble.config import Settings


class TargetSigmaSettings(Settings):
    """``[targets.NAME.sigma]``: one standard deviation about each axis."""

    rotation_rad: Spread
    position_m: Spread


class TargetSettings(Settings):
    """``[targets.NAME]``: a single tag ("tag_" and its id) or a board (by its name)."""

    board: str
    """Which of ``[boards]`` it is printed as."""
    dictionary: str | None = None
    tag_ids: tuple[int, ...] | None = None
    tag_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    T_room_target: tuple[Row, Row, Row, Row]
    sigma: TargetSigmaSettings | None = None


class TagMapSettings(Settings):
    """The whole file."""

    name: str = "room"
    boards: dict[str, dict[str, Any]]
    """By name, with the keys of ``board.toml``."""
    targets: dict[str, TargetSettings]
