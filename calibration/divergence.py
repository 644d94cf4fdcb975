"""Whether an adjustment ended somewhere: one that did not is told as an error, and nothing of it is written."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.report.target_scale import relative_target_sizes
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.errors import DataError

_FARTHEST = 0.01
"""Of an image's longer side: a calibration is off by a hundredth of that, and one that is off by this much explains nothing."""

_ODD_SIZE = 0.01
_WRONG_SHARE = 0.05


class DivergedError(DataError):
    """An adjustment that explains what some cameras saw no better than chance. Attributes: ``cameras``."""

    def __init__(self, message: str, cameras: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.cameras = cameras


def check_settled(calibration: RigCalibration) -> None:
    """Raise DivergedError if what was found explains nothing.

    That is so where half of a camera's corners, on the frames solved with or on the others, are far from where the others put them, however
    small their weight; and where distances between corners on unseen frames come back wrong by a good part of themselves.
    """
    views = calibration.views
    off = np.linalg.norm(calibration.residual, axis=-1)
    off = np.where(np.isfinite(off), off, np.inf)  # where the lens maps no point to
    far = {}
    for c, name in enumerate(calibration.observations.cameras):
        own = views.seen & (views.camera == c)[:, None]
        limit = _FARTHEST * max(calibration.observations.image_size[c])
        unseen = calibration.held_out.reprojection_px.get(name, np.zeros(0))
        typical = max((float(np.median(distances)) for distances in (off[own], unseen) if len(distances)), default=0.0)
        if not typical <= limit:
            how_far = f"more than {typical:.0f} px" if np.isfinite(typical) else "beyond what its lens maps"
            far[name] = f"'{name}' {how_far} (at most {limit:.0f} px are usual)"
    if not far:
        _check_distances(calibration)
    if far:
        raise DivergedError(
            f"The adjustment diverged: half of the corners are off in {', '.join(far.values())}. Nothing was written. {_sizes(calibration)}"
            "Check that the board file describes the board (`bodydouble board find IMAGE`), that all videos are of one recording, and their timestamps.",
            tuple(far),
        )


def _check_distances(calibration: RigCalibration) -> None:
    from scipy.spatial.distance import pdist

    errors = np.abs(calibration.held_out.distance_error_m)
    if len(errors) == 0:
        return
    targets = calibration.observations.targets
    apart = [pdist(targets.points[targets.points_of(g)]) for g in range(len(targets.names))]
    typical, size = float(np.median(errors)), float(np.median(np.concatenate(apart)))
    if typical > _WRONG_SHARE * size:
        raise DivergedError(
            f"The adjustment diverged: on frames that it did not see, half of the distances between corners come back more than {1e3 * typical:.0f} mm "
            f"off, where they are some {1e3 * size:.0f} mm long. Nothing was written. {_sizes(calibration)}Check that the board file describes the "
            "board (`bodydouble board find IMAGE`), that all videos are of one recording, and their timestamps."
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
