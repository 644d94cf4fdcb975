"""Recordings: cameras, clocks, video in; everything that reads pixels and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bodydouble.capture.frame_sets import ABSENT, FrameSets
from bodydouble.capture.recording import Recording

if TYPE_CHECKING:
    from bodydouble.capture.importing import import_videos, open_recording
    from bodydouble.capture.metadata import focal_px_from_metadata
    from bodydouble.capture.settings import CameraSettings, RecordingSettings

__all__ = [
    "ABSENT",
    "CameraSettings",
    "FrameSets",
    "Recording",
    "RecordingSettings",
    "focal_px_from_metadata",
    "import_videos",
    "open_recording",
]

_LAZY = {
    "CameraSettings": "settings",
    "RecordingSettings": "settings",
    "focal_px_from_metadata": "metadata",
    "import_videos": "importing",
    "open_recording": "importing",
}


def __getattr__(name: str) -> Any:
    """Import what needs pydantic only when it is asked for: importing this package must stay fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
