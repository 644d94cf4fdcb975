"""Is a calibrated rig as large as it is known to be? A board of another size than its file says makes everything larger or smaller alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import invert, pose_distance

FloatArray = npt.NDArray[np.float64]

_LIKELY = 4.0
"""Standard deviations up to which a difference is put down to chance."""
_TURN_RAD, _SHIFT, _SCALE = np.radians(1.0), 0.03, 0.02
"""Differences that are never remarkable: rotations, positions as a share of the largest distance, and the scale itself."""


@dataclass(frozen=True)
class KnownScale:
    """How many times as large as known a rig came out."""

    factor: float
    sigma: float
    cameras: tuple[str, ...]
    """Those whose places were compared."""

    @property
    def is_wrong(self) -> bool:
        """Whether the factor differs from 1 by more than what chance and the rigs' own sigma explain."""
        return abs(self.factor - 1) > max(_SCALE, _LIKELY * self.sigma)


def known_scale(found: Rig, known: Rig) -> KnownScale | None:
    """Return how many times as far apart as in ``known`` the cameras of ``found`` are, by least squares.

    None where that cannot be told: no two cameras are on one body in both rigs, or they are turned or placed differently, so that they have moved.
    """
    compared: list[str] = []
    ours, theirs, shifts = [], [], []
    for body in found.bodies:
        names = [name for name in found.names if name in known.names and found.camera(name).body == body]
        names = [name for name in names if known.camera(name).body == known.camera(names[0]).body]
        for name in names[1:]:
            one, other = _relative(found, names[0], name), _relative(known, names[0], name)
            turn, shift = _sigma(found.camera(name), known.camera(name), known.camera(names[0]))
            if pose_distance(one, other)[0] > max(_TURN_RAD, _LIKELY * turn):
                return None
            ours.append(one[:3, 3])
            theirs.append(other[:3, 3])
            shifts.append(shift)
        compared += names if len(names) > 1 else []
    largest = max((float(np.linalg.norm(position)) for position in theirs), default=0.0)
    if largest == 0.0:
        return None
    extent = float(np.sqrt(np.square(theirs).sum()))
    factor = float(np.multiply(ours, theirs).sum()) / extent**2
    allowed = np.maximum(_SHIFT * largest, _LIKELY * np.array(shifts))
    if factor <= 0 or (np.linalg.norm(np.array(ours) / factor - theirs, axis=1) > allowed).any():
        return None
    return KnownScale(factor, float(np.sqrt(np.mean(np.square(shifts)))) / extent, tuple(compared))


def _relative(rig: Rig, one: str, other: str) -> FloatArray:
    return invert(rig.camera(one).T_body_camera) @ rig.camera(other).T_body_camera


def _sigma(*cameras: MountedCamera) -> tuple[float, float]:
    """Return how well the poses of some cameras together are known, in rad and m; 0 where nothing is said."""
    turns = [camera.sigma.rotation_rad or 0.0 for camera in cameras]
    shifts = [camera.sigma.position_m or 0.0 for camera in cameras]
    return float(np.linalg.norm(turns)), float(np.linalg.norm(shifts))
