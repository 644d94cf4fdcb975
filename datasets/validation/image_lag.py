"""How late a camera's images are against its landmarks: the shift at which each landmark keeps looking the same.

A landmark stays on the same spot of the body, so that the image around it hardly changes from frame to frame; where images are late it lies beside the
limb as soon as that moves. So the variance of the image at the landmarks, over a second or so, is least at the right shift. Unlike optical flow this
needs no motion between neighbouring frames that is larger than the noise of the landmarks, and it does not mind cameras that move.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.validation.lag_search import UNKNOWN, Lag, best_lag
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.small_images import SmallImages

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FARTHEST_S = (0.15, 0.4)
"""Looked for in the nearer range first: what a hand comes back to looks alike too, and a wider range leaves less of a short recording."""
LEAST_SHIFTS = 4
"""Frames, either way."""
WINDOW_S, LEAST_WINDOWS = 0.5, 4
"""Over which a landmark is to look the same; longer, and light and the hand's own turning change it. Short recordings have shorter ones."""
SURE = 0.5
"""Confidence from which a landmark counts."""
PATCH = 3
"""px over which images are averaged."""
AROUND = np.array([(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)])
"""px from a landmark to the places that are looked at."""
LEAST_CONTRAST = 0.2
"""By what share the least variance is below the largest, before it tells anything."""


def image_lag(episode: OpenedEpisode, camera: str) -> Lag:
    """Return by how much one camera's images are later than the landmarks of the same frames; unknown where too little moves."""
    images, row = episode.small_images(camera), episode.cameras.index(camera)
    if images is None or len(images.frames) < 3:
        return UNKNOWN
    times = episode.camera_times_s[row][images.frames]
    period = float(np.median(np.diff(times)))
    if not period > 0:
        return UNKNOWN
    pixels = episode.in_small_images(camera, episode.landmarks.pixels[row][images.frames])
    pixels[np.nan_to_num(episode.landmarks.confidence[row][images.frames]) < SURE] = np.nan
    for farthest in FARTHEST_S:
        count = max(LEAST_SHIFTS, round(farthest / period))
        lag = _search(images, times, pixels, np.arange(-count, count + 1), period)
        if lag.known:
            return lag
    return UNKNOWN


def _search(images: SmallImages, times: FloatArray, pixels: FloatArray, shifts: npt.NDArray[np.int_], period: float) -> Lag:
    """Return the best of whole-frame ``shifts`` (S,) and between them, for landmarks ``pixels`` (F, N, 2) of images at ``times`` (F,)."""
    run = np.cumsum(~images.follows, dtype=np.intp)
    moved = np.stack([_shifted(pixels, run, int(shift)) for shift in shifts])
    # The same landmarks at every shift, or their number would decide.
    inside = np.isfinite(moved) & (moved >= 0) & (moved <= np.array(images.grey.shape[:0:-1]) - 1)
    usable = np.asarray(inside.all(axis=(0, 3)))
    told = np.asarray(usable.any(axis=1))
    if not told.any():
        return UNKNOWN
    length = min(WINDOW_S, float(np.ptp(times[told])) / LEAST_WINDOWS + 1e-9)
    window = np.unique(np.stack([run, np.floor((times - times[told][0]) / length)]), axis=1, return_inverse=True)[1]
    grey = _blurred(images.grey)
    sums = np.zeros((int(window.max()) + 1, 2, len(shifts)))
    for column, places in enumerate(moved):
        seen = _looked_at(grey, np.where(usable[..., None], places, 0.0))
        for number in range(len(sums)):
            values, there = seen[window == number], usable[window == number]
            count = there.sum(axis=0)
            mean = np.where(there[..., None], values, 0.0).sum(axis=0) / np.maximum(count, 1)[:, None]
            sums[number, 0, column] = np.sum(np.where(there[..., None], values - mean, 0.0) ** 2)
            sums[number, 1, column] = count.sum()
    sums = sums[sums[:, 1].any(axis=1)]
    variance = -_likeness(sums.sum(axis=0))
    clear = float(variance.min()) <= (1 - LEAST_CONTRAST) * float(variance.max())
    return best_lag(np.asarray(shifts * period, dtype=np.float64), sums, _likeness) if clear else UNKNOWN


def _likeness(sums: FloatArray) -> FloatArray:
    found: FloatArray = -sums[0] / np.maximum(sums[1], 1.0)
    return found


def _shifted(pixels: FloatArray, run: npt.NDArray[np.intp], shift: int) -> FloatArray:
    """Return the landmarks (F, N, 2) that images late by ``shift`` frames show: those of so many frames before; NaN where another run is."""
    source = np.arange(len(pixels)) - shift
    inside = (source >= 0) & (source < len(pixels))
    inside[inside] = run[source[inside]] == run[inside]
    found = np.full_like(pixels, np.nan)
    found[inside] = pixels[source[inside]]
    return found


def _blurred(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    import cv2

    return np.stack([cv2.blur(image.astype(np.float32), (PATCH, PATCH)) for image in grey])


def _looked_at(grey: npt.NDArray[np.float32], places: FloatArray) -> FloatArray:
    """Return (F, N, 5) the images (F, h, w) at and around places (F, N, 2), by bilinear interpolation."""
    height, width = grey.shape[1:]
    around = np.clip(places[:, :, None] + AROUND, 0, np.array([width, height]) - 1.001)
    left = np.floor(around).astype(int)
    (x, y), (right, down) = np.moveaxis(left, -1, 0), np.moveaxis(around - left, -1, 0)
    frame = np.arange(len(grey))[:, None, None]
    upper = (1 - right) * grey[frame, y, x] + right * grey[frame, y, x + 1]
    lower = (1 - right) * grey[frame, y + 1, x] + right * grey[frame, y + 1, x + 1]
    found: FloatArray = (1 - down) * upper + down * lower
    return found
