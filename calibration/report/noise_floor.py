"""What corner noise alone does to board distances: far from the cameras no calibration, however good, measures better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.held_out import score_held_out
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.rig_calibration import RigCalibration

FloatArray = npt.NDArray[np.float64]

_MOST_MOMENTS = 100
_MOST_NOISE_PX = 0.3
"""Corners are found at least so well; residuals that are larger come from elsewhere, and are not to excuse anything."""


def noise_floor(calibration: RigCalibration) -> FloatArray:
    """Return (D,) errors in m of board distances that noise of the corners brings about on moments that were not solved with.

    The distances are measured twice, with the corners as they were found and with noise of each camera's size added; what differs is noise alone
    (a parametric bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 6). At most 100 moments are used.
    """
    observations = calibration.observations
    unseen = np.setdiff1d(np.flatnonzero(observations.seen.any(axis=(0, 2))), calibration.views.moment)
    chosen = unseen[np.unique(np.linspace(0, max(len(unseen) - 1, 0), min(len(unseen), _MOST_MOMENTS)).astype(np.int64))]
    rows = [c for c, name in enumerate(observations.cameras) if name in calibration.rig.cameras]
    part = np.ix_(np.array(rows, dtype=np.int64), chosen)
    found = Observations(
        tuple(observations.cameras[c] for c in rows), tuple(observations.image_size[c] for c in rows), observations.targets,
        observations.frame_index[part], observations.times_s[part], observations.pixels[part],
    )  # fmt: skip
    noise_px = np.minimum(np.nan_to_num(calibration.noise_px[rows]), _MOST_NOISE_PX)
    noise = np.random.default_rng(0).normal(0.0, 1.0, found.pixels.shape) * noise_px[:, None, None, None]
    once, again = (score_held_out(calibration.rig, seen).distance_error_m for seen in (found, replace(found, pixels=found.pixels + noise)))
    if once.shape != again.shape:  # a point that one of both could not triangulate
        return np.zeros(0)
    errors = again - once
    return np.asarray(errors[np.isfinite(errors)])
