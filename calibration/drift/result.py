"""What a drift check found: of each camera, and of the rig."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.settings import PointKind

FloatArray = npt.NDArray[np.float64]

Finding = Literal["still", "moved", "one_of", "several", "exchanged", "incoherent", "not_enough"]
"""Nobody moved; one camera did; one of a few did, which cannot be told; several did; two cameras have each other's videos; cameras do not see the same
thing at the same time, wherever they stand; too little is shared to tell anything."""
CameraState = Literal["still", "moved", "suspect", "unknown"]
"""Suspect: it or another one moved; unknown: the recording cannot tell."""


@dataclass(frozen=True)
class CameraDrift:
    """What is known of one camera. The axes are its own as calibrated: x right, y down, z forward."""

    name: str
    state: CameraState
    rotation_rad: FloatArray
    """(3,) by how much it turned, as a rotation vector, if it alone (or with the others that moved) moved; NaN where nothing is known."""
    position_m: FloatArray
    """(3,) by how much it moved."""
    sigma_rotation_rad: float
    """One standard deviation along the direction of ``rotation_rad``."""
    sigma_position_m: float
    shift_px: float
    """Root mean square of how far the points that it sees went in its image."""
    noticed_deg: float
    """The smallest turn to the side or up and down that would have been noticed nearly always (95 %)."""
    p_value: float
    """How likely chance makes it look as if any camera had moved as much as this one."""
    shared_moments: int
    partner: str
    """The camera that it shares most moments with, "" for none."""
    before_px: float
    """Median distance in its image between what it saw and where all cameras together put it, as calibrated."""
    after_px: float
    """The same once the cameras that moved are put where they are now."""

    @property
    def turned_deg(self) -> float:
        """Angle by which it turned."""
        return float(np.degrees(np.linalg.norm(self.rotation_rad)))

    @property
    def moved_mm(self) -> float:
        """Distance by which it moved."""
        return float(1000 * np.linalg.norm(self.position_m))


@dataclass(frozen=True)
class Residuals:
    """Where one camera saw points, and how far off they are: predicted minus seen."""

    pixels: FloatArray
    """(N, 2)"""
    before: FloatArray
    """(N, 2) px as calibrated."""
    after: FloatArray
    """(N, 2) px with the cameras that moved where they are now."""


@dataclass(frozen=True)
class DriftWindow:
    """A stretch of time, and how far the images of the cameras in question were off in it."""

    start_s: float
    stop_s: float
    shift_px: dict[str, float]


@dataclass(frozen=True)
class Drift:
    """The result of a drift check."""

    finding: Finding
    suspects: tuple[str, ...]
    """The cameras that the finding is about."""
    cameras: dict[str, CameraDrift]
    kind: PointKind
    noise_px: float
    """One standard deviation of the points' errors, found from the recording; NaN where nothing could be fitted."""
    moments: int
    """At how many moments at least two cameras saw the same point."""
    pass_px: float
    """The largest shift that is left alone."""
    since_s: float | None = None
    """When it moved, if that was during the recording; then the cameras' changes are those after it."""
    until_s: float | None = None
    """When it was put back where the calibration has it; then the changes are those before it."""
    windows: tuple[DriftWindow, ...] = ()
    residuals: dict[str, Residuals] = field(default_factory=dict, repr=False)
