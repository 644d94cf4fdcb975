"""What calibrating a rig gives: the rig, the map of what stood in the room, and everything a report shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutScore:
    """Errors on frames that the solver did not see. NaN where there was nothing to measure.

    Every point seen by two or more cameras is triangulated (linearly, then by least squares in pixels) and the distances between all pairs
    of points of one target at one moment are compared with the board. Nothing is removed by its residual, and no fitted board pose is used.
    """

    distance_error_m: FloatArray
    """(D,) signed: triangulated minus true distance, of every pair."""
    corners: int
    """Triangulated points."""
    frames: int
    """Moments with at least one pair."""
    reprojection_px: dict[str, FloatArray]
    """Camera to (N,) distances between each seen point and the triangulated one."""


@dataclass(frozen=True)
class RigCalibration:
    """A calibrated rig with how it was found. C cameras, G targets, V views used in the solve."""

    rig: Rig
    """With sigma of focal length, principal point, rotation, position and clock offset for each camera."""
    reference: dict[str, str]
    """Body to the camera whose mount was held: the other cameras' sigma are relative to it."""
    observations: Observations
    """All that was detected, trained on or not."""
    T_room_target: FloatArray
    """(G, 4, 4) targets that stood still in the room; NaN for those that moved."""
    target_sigma: FloatArray
    """(G, 2) one standard deviation of a static target's rotation (rad) and position (m); NaN where it moved or was held."""
    views: Views
    """The views the solver used; ``moment`` counts those of ``observations``."""
    residual: FloatArray
    """(V, n, 2) predicted minus seen px of the solved views; 0 where not seen."""
    weight: FloatArray
    """(V, n) how much each point counted, about 1 for a good one; 0 where not seen."""
    noise_px: FloatArray
    """(C,) one standard deviation of corner errors."""
    jitter_s: float
    """One standard deviation of how far single frames were taken from their stamped time; 0 where the clocks were taken as exact."""
    held_out: HeldOutScore
    """On unseen frames, put into moments by the calibrated clocks."""
    held_out_as_stamped: HeldOutScore | None = None
    """The same with the moments that the stamps say, for the rig that was found with these; worse where clocks are apart."""
    rejected: dict[str, str] = field(default_factory=dict)
    """View, e.g. "cam01 frame 7", to why it was left out."""
    detect_seconds: float = float("nan")
    solve_seconds: float = float("nan")
    converged: bool = True
