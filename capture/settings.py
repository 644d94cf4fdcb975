"""What ``recording.toml`` may hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

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


class RecordingSettings(Settings):
    """The whole file."""

    name: str
    task: str = ""
    operator: str = ""
    consent: str = ""
    """What the persons shown agreed to, in words or as a reference."""
    rig: str = ""
    """Name of the rig that was worn."""
    started_utc_ns: int | None = None
    """UTC time of second 0, where it is known."""
    clock: Literal["container", "external", "none"] = "container"
    """Where the times come from: the videos' own timestamps, or a file of capture times that came with them; "none" for stills, which are
    numbered and have no times: the k-th of every camera were taken of the same scene."""
    cameras: dict[str, CameraSettings] = Field(min_length=1)
