"""What ``recording.toml`` may hold."""

from __future__ import annotations

import datetime
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from bodydouble.config import Settings


class CameraSettings(Settings):
    """``[cameras.NAME]``."""

    video: str
    """File of the video (or folder of images) inside the recording, e.g. "front.mkv"."""
    image_size_px: tuple[int, int] | None = None
    """(width, height) as shown, rotation applied; read from the video when left out."""
    crop_origin_px: tuple[int, int] | None = None
    """Where the video's upper left pixel is in the image the camera was calibrated with; left out when they are the same image."""

    @field_validator("video")
    @classmethod
    def _inside(cls, video: str) -> str:
        if not video or video.startswith(("/", "\\", "~")) or ".." in video.replace("\\", "/").split("/"):
            raise ValueError("a path inside the recording's folder was expected, so that the folder can be moved")
        return video


class ConsentSettings(Settings):
    """``[consent]``: what the persons shown agreed to."""

    version: str = ""
    """Which form was signed, e.g. "2026-03"."""
    scope: tuple[Literal["training", "sharing", "publication"], ...] = ()
    expires: datetime.date | None = None
    """The last day on which it holds; left out where it never ends."""
    statement: str = ""
    """In words, or where it is filed."""


class SegmentSettings(Settings):
    """One of ``[[segments]]``: what is done when."""

    start_s: float = Field(ge=0, allow_inf_nan=False)
    stop_s: float = Field(allow_inf_nan=False)
    text: str = Field(min_length=1)

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if not self.start_s < self.stop_s:
            raise ValueError(f"segment '{self.text}' must end after it starts, not at {self.stop_s} s")
        return self


class RecordingSettings(Settings):
    """The whole file."""

    name: str
    task: str = ""
    operator: str = ""
    """A pseudonym of the person shown."""
    consent: ConsentSettings | str = ""
    """A table, or words, which cover nothing in particular."""
    licence: str = ""
    """SPDX identifier of the licence of the data, e.g. "CC-BY-4.0", or words."""
    privacy: Literal["unknown", "identifiable", "faces_blurred", "nobody"] = "unknown"
    """Whether persons can be recognised in the images."""
    rig: str = ""
    """Name of the rig that was worn."""
    started_utc_ns: int | None = None
    """UTC time of second 0, where it is known."""
    clock: Literal["container", "external", "none"] = "container"
    """Where the times come from: the videos' own timestamps, or a file of capture times that came with them; "none" for stills, which are
    numbered and have no times: the k-th of every camera were taken of the same scene."""
    cameras: dict[str, CameraSettings] = Field(min_length=1)
    segments: tuple[SegmentSettings, ...] = ()
