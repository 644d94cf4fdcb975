"""How far the scale of a motion is in doubt because the rig is not as it was calibrated.

What one camera sees of its own features over time agrees to a tenth of a pixel whatever the rig is. What two cameras see of one point does not if
one of them has turned a little since the calibration, as on a frame that bends: then all that a pair sees is off the same way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.odometry.bearings import residuals
from bodydouble.calibration.odometry.chain import Chain

FloatArray = npt.NDArray[np.float64]

_FEWEST = 30
"""Sights of a pair that tell by how much it is off."""


def scale_doubt(chain: Chain, piece: int) -> float:
    """Return one standard deviation of the scale, as a share of it: what the turn that pairs of cameras seem to have does to distances of the points seen."""
    sights = chain.sights
    known = (chain.piece_of_point == piece) & ~chain.wrong & (chain.points.inverse_m > 0)
    rows = np.flatnonzero(known[sights.point] & (chain.piece[sights.moment] == piece))
    cameras = len(sights.cameras)
    views = np.bincount(sights.point[rows] * cameras + sights.camera[rows], minlength=sights.points * cameras).reshape(-1, cameras)
    own = views.argmax(axis=1)[sights.point[rows]]
    other = sights.camera[rows] != own
    rows, pair = rows[other], (own * cameras + sights.camera[rows])[other]
    if len(rows) == 0:
        return 0.0
    T = chain.T[sights.moment[rows]]
    points = chain.points.take(sights.point[rows])
    found = residuals(T[:, :3, :3], T[:, :3, 3], chain.views(rows), points)
    lever = np.linalg.norm(found.by_inverse, axis=1) * points.inverse_m
    squares, counts = 0.0, 0
    for number in np.unique(pair):
        of_pair = pair == number
        count = int(of_pair.sum())
        if count >= _FEWEST:
            turn = float(np.linalg.norm(np.median(found.value[of_pair], axis=0)))
            squares += count * (turn / max(float(np.median(lever[of_pair])), 1e-9)) ** 2
            counts += count
    return float(np.sqrt(squares / counts)) if counts else 0.0
