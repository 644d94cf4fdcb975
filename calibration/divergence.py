"""Whether an adjustment ended somewhere: one that did not is told as an error, and nothing of it is written."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.report_target_scale import relative_target_sizes
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.errors import DataError

_FARTHEST = 0.01
"""Of an image's longer side: a calibration is off by a hundredth of that, and one that is off by this much explains nothing."""


_ODD_SIZE = 0.01


class DivergedError(DataError):
    """An adjustment that explains what some cameras saw no better than chance. Attributes: ``cameras``."""

    def __init__(self, message: str, cameras: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.cameras = cameras


def check_settled(calibration: RigCalibration) -> None:
    """Raise DivergedError naming each camera for which half of its corners are far from where the others put them, however small their weight."""
    views = calibration.views
    off = np.linalg.norm(calibration.residual, axis=-1)
    off = np.where(np.isfinite(off), off, np.inf)  # where the lens maps no point to
    far = {}
    for c, name in enumerate(calibration.observations.cameras):
        own = views.seen & (views.camera == c)[:, None]
        limit = _FARTHEST * max(calibration.observations.image_size[c])
        typical = float(np.median(off[own])) if own.any() else 0.0
        if not typical <= limit:
            how_far = f"more than {typical:.0f} px" if np.isfinite(typical) else "beyond what its lens maps"
            far[name] = f"'{name}' {how_far} (at most {limit:.0f} px are usual)"
    if far:
        raise DivergedError(
            f"The adjustment diverged: half of the corners are off in {', '.join(far.values())}. Nothing was written. {_sizes(calibration)}"
            "Check that the board file describes the board (`bodydouble board find IMAGE`), that all videos are of one recording, and their timestamps.",
            tuple(far),
        )


def _sizes(calibration: RigCalibration) -> str:
    """Return a sentence on boards that have not the sizes of their files, "" where none stands out."""
    sizes = relative_target_sizes(calibration.observations, calibration.rig)
    odd = [f"'{name}' {100 * (size - 1):+.1f} %" for name, size in sizes.items() if abs(size - 1) > _ODD_SIZE]
    return (
        f"Measured against each other, boards differ from the size in their file: {', '.join(odd)}. Measure them with a ruler. "
        if odd
        else ""
    )
