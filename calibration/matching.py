"""Does this rig belong to that recording?"""

from __future__ import annotations

from typing import Protocol

from bodydouble.calibration.rig import Rig
from bodydouble.errors import UsageError, did_you_mean


class HasCameras(Protocol):
    """The part of a Recording that is looked at here."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""

    def image_size(self, camera: str) -> tuple[int, int]:
        """(width, height) of the camera's video in pixels."""

    def crop_origin(self, camera: str) -> tuple[int, int] | None:
        """Where the video's upper left pixel is in the calibrated image, if it was declared."""


def check_rig_matches(rig: Rig, recording: HasCameras) -> None:
    """Check that rig and recording have the same cameras, and that each video is the calibrated image or a declared part of it.

    Select cameras of both first where only some are wanted. Raises: UsageError naming both lists or both sizes, and the option.
    """
    listed = f"cameras of rig '{rig.name}': {', '.join(rig.names)}; of the recording: {', '.join(recording.cameras)}"
    both = [name for name in recording.cameras if name in rig.names]
    remedy = (
        f"Use those in both with --cameras {','.join(both)}, or give the right rig with --rig."
        if both
        else "Give the right rig with --rig."
    )
    for name in recording.cameras:
        if name not in rig.names:
            raise UsageError(f"Camera '{name}' of the recording is not in the rig ({listed}).{did_you_mean(name, rig.names)} {remedy}")
    for name in rig.names:
        if name not in recording.cameras:
            raise UsageError(
                f"Camera '{name}' of the rig is not in the recording ({listed}).{did_you_mean(name, recording.cameras)} {remedy}"
            )
    for name in recording.cameras:
        check_image_size(name, rig.camera(name).model.image_size, recording.image_size(name), recording.crop_origin(name))


def check_image_size(name: str, calibrated: tuple[int, int], found: tuple[int, int], crop_origin: tuple[int, int] | None) -> None:
    """Check one camera's video size against the size it was calibrated at. Raises: UsageError naming both and ``--crop``."""
    sizes = f"camera '{name}': its video is {found[0]}x{found[1]} px but it was calibrated at {calibrated[0]}x{calibrated[1]} px"
    if crop_origin is None:
        if found != calibrated:
            raise UsageError(
                f"{sizes}. If the video is a part cut out of the calibrated image, say where its upper left pixel is: "
                f"`bodydouble import --crop {name}=X,Y`, or crop_origin_px = [X, Y] under [cameras.{name}] in recording.toml; "
                f"else calibrate again at {found[0]}x{found[1]}."
            )
        return
    x, y = crop_origin
    if x < 0 or y < 0 or x + found[0] > calibrated[0] or y + found[1] > calibrated[1]:
        raise UsageError(f"{sizes}, and a part of that size does not fit into it at crop origin ({x}, {y}). Correct --crop {name}=X,Y.")
