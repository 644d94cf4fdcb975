"""How smooth a motion is beside another: jerk over a band that both share, and spectral arc length.

Both are computed in true time, on stretches without a gap, brought to even steps by a cubic spline.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

BAND_HZ = 20.0
"""Above it is the noise of whatever measured the person; people's hands move below 10 Hz."""
BAND_SHARE = 0.4
"""Of the frame rate: nearer to half of it, differences say nothing."""
SHORTEST_S = 0.4
"""A shorter stretch is left out."""
FEWEST = 12
"""Frames of the shortest stretch."""
SPARC_WINDOW_S = 4.0
"""Longer stretches are cut: the longer a movement, the more negative its arc length."""
SPARC_HZ, SPARC_THRESHOLD, SPARC_PADDING = 10.0, 0.05, 4
"""Highest frequency, least share of the spectrum's peak, and doublings of length: the values that the authors recommend."""
STILL_M_PER_S = 1e-3
"""Slower than this there is no movement to judge."""


def jerk_ratio(times_s: FloatArray, ours: FloatArray, theirs: FloatArray) -> float:
    """Return root mean square jerk of ``ours`` over that of ``theirs`` (T, N, 3) m at the same times; NaN where nothing moves or all is missing.

    Jerk is the third difference of positions, both below ``BAND_HZ`` and ``BAND_SHARE`` of the frame rate (Butterworth, fourth order, forwards and
    backwards). A point counts in the stretches in which both have it.
    """
    sums = np.zeros(2)
    for n in range(ours.shape[1]):
        both = np.isfinite(np.concatenate([ours[:, n], theirs[:, n]], axis=1)).all(axis=1)
        for stretch in _stretches(times_s, np.asarray(both)):
            even, step = _evenly(times_s[stretch], np.concatenate([ours[stretch, n], theirs[stretch, n]], axis=1))
            jerk = _jerk(even, step)
            sums += np.square(jerk[:, :3]).sum(), np.square(jerk[:, 3:]).sum()
    return float(np.sqrt(sums[0] / sums[1])) if sums[1] > 1e-9 else float("nan")


def _jerk(values: FloatArray, step_s: float) -> FloatArray:
    from scipy.signal import butter, sosfiltfilt

    cut = min(BAND_HZ, BAND_SHARE / step_s)
    filtered = sosfiltfilt(butter(4, cut * 2.0 * step_s, output="sos"), values, axis=0, padlen=min(len(values) - 1, 24))
    edge = min(int(np.ceil(0.5 / (cut * step_s))), len(values) // 4)  # the filter knows nothing of what is beyond the ends
    jerk: FloatArray = np.diff(filtered, n=3, axis=0)[edge : len(values) - 3 - edge] / step_s**3
    return jerk


def sparc_of_path(times_s: FloatArray, points: FloatArray) -> float:
    """Return the spectral arc length of the speed along a path (T, 3) m, mean over its windows by their length; NaN where nothing moves."""
    found, lengths = [], []
    for stretch in _stretches(times_s, np.asarray(np.isfinite(points).all(axis=1))):
        even, step = _evenly(times_s[stretch], points[stretch])
        speed = np.linalg.norm(np.gradient(even, step, axis=0), axis=1)
        parts = max(1, round(len(speed) * step / SPARC_WINDOW_S))
        for part in np.array_split(speed, parts):
            if part.mean() > STILL_M_PER_S:
                found.append(sparc(part, 1.0 / step))
                lengths.append(len(part))
    return float(np.average(found, weights=lengths)) if found else float("nan")


def sparc(speed: FloatArray, rate_hz: float) -> float:
    """Return the spectral arc length of a speed profile (T,) at an even rate: 0 or less, nearer to 0 is smoother.

    Balasubramanian, Melendez-Calderon, Roby-Brami and Burdet 2015, "On the analysis of movement smoothness", equation 9: the length of the normalised
    amplitude spectrum up to the last frequency, at most ``SPARC_HZ``, at which it reaches ``SPARC_THRESHOLD``.
    """
    padded = int(2 ** (np.ceil(np.log2(len(speed))) + SPARC_PADDING))
    spectrum = np.abs(np.fft.fft(speed, padded))
    frequencies = np.arange(padded) * rate_hz / padded
    spectrum = spectrum[frequencies <= SPARC_HZ] / spectrum.max()
    frequencies = frequencies[frequencies <= SPARC_HZ]
    above = np.flatnonzero(spectrum >= SPARC_THRESHOLD)
    spectrum, frequencies = spectrum[above[0] : above[-1] + 1], frequencies[above[0] : above[-1] + 1]
    span = frequencies[-1] - frequencies[0]
    if span <= 0:
        return float("nan")
    return -float(np.hypot(np.diff(frequencies) / span, np.diff(spectrum)).sum())


def _stretches(times_s: FloatArray, known: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Yield the runs of known frames that are long enough; a pause of more than three usual steps ends a run."""
    if len(times_s) < FEWEST:
        return
    steps = np.diff(times_s)
    broken = np.concatenate([[True], (steps > 3.0 * np.median(steps)) | ~known[1:] | ~known[:-1], [True]])
    edges = np.flatnonzero(broken)
    for start, stop in pairwise(edges):
        if stop - start >= FEWEST and known[start] and times_s[stop - 1] - times_s[start] >= SHORTEST_S:
            yield slice(int(start), int(stop))


def _evenly(times_s: FloatArray, values: FloatArray) -> tuple[FloatArray, float]:
    """Return values (T, ...) at as many even steps, and the step (s)."""
    from scipy.interpolate import CubicSpline

    even = np.linspace(times_s[0], times_s[-1], len(times_s))
    step = float(even[1] - even[0])
    if np.abs(even - times_s).max() < 1e-6 * step:
        return values, step
    return np.asarray(CubicSpline(times_s, values, axis=0)(even), dtype=np.float64), step
