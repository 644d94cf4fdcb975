"""What a person may choose about an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bodydouble.datasets.quality import Grade

StateKind = Literal["positions", "positions+velocities", "end-effector"]
ActionKind = Literal["absolute", "delta", "end-effector"]
Frame = Literal["base", "head", "world"]
Codec = Literal["h264", "av1"]

STATE_KINDS: tuple[str, ...] = get_args(StateKind)
ACTION_KINDS: tuple[str, ...] = get_args(ActionKind)
FRAMES: tuple[str, ...] = get_args(Frame)
CODECS: tuple[str, ...] = get_args(Codec)


@dataclass(frozen=True)
class QualityFilter:
    """Keep episodes whose quality figure is at most, or at least, a limit; one without that figure is not kept."""

    figure: str
    at_most: bool
    limit: float

    def keeps(self, value: float) -> bool:
        """Tell whether a figure of this value is kept; NaN is not."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{self.figure}{'<=' if self.at_most else '>='}{self.limit:g}"


@dataclass(frozen=True)
class ExportSettings:
    """All options of an export; a format ignores none silently, see its ``ExportFormat``."""

    rate_hz: float | None = None
    """Frames a second of the export; None: the format's own rate, else the episodes'."""
    cameras: tuple[str, ...] | None = None
    """None: all that every episode has; empty: no images."""
    image_size: tuple[int, int] | None = None
    """(width, height) px; None: as stored."""
    joints: tuple[str, ...] = ()
    """Joint names or groups of the robot; empty: all."""
    state: StateKind = "positions"
    action: ActionKind = "absolute"
    """absolute: positions of the next frame (rad); delta: those minus the present ones; end-effector: palms of the next frame, and the fingers' positions."""
    frame: Frame = "base"
    """What end effectors are relative to."""
    min_grade: Grade = "D"
    """D takes every episode."""
    filters: tuple[QualityFilter, ...] = ()
    allow_unconsented: bool = False
    codec: Codec = "h264"
