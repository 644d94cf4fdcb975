"""Short gaps in measured points, filled by a smooth curve and marked as interpolated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.sources import MAX_GAP_S
from bodydouble.retarget.motions.rotations import known_rows

FloatArray = npt.NDArray[np.float64]


def fill_gaps(times_s: FloatArray, place: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return a point's places (T, 3) with gaps of up to ``MAX_GAP_S`` filled, and which frames (T,) were.

    A gap is the time between the two frames around it. The curve is a modified Akima interpolation (Akima 1970), which bends by the frames next to
    the gap alone and does not swing. Longer gaps, and what is before the first or after the last known frame, stay NaN.
    """
    known = known_rows(place)
    place = np.where(known[:, None], place, np.nan)
    filled = np.zeros(len(place), dtype=bool)
    rows = np.flatnonzero(known)
    if known.all() or len(rows) < 2:
        return place, filled
    inside = ~known & (np.arange(len(place)) > rows[0]) & (np.arange(len(place)) < rows[-1])
    after = np.clip(np.searchsorted(rows, np.arange(len(place))), 1, len(rows) - 1)
    filled = inside & (times_s[rows[after]] - times_s[rows[after - 1]] <= MAX_GAP_S + 1e-9)
    if filled.any():
        from scipy.interpolate import Akima1DInterpolator

        curve = Akima1DInterpolator(times_s[rows], place[rows], method="makima")
        place = np.where(filled[:, None], curve(times_s), place)
    return place, filled
