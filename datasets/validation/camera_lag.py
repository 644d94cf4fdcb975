"""How late each camera's landmarks are against the fitted person: the shift that leaves the least reprojection error.

A landmark that is late is displaced by the shift times its apparent velocity, so that the shift follows from least squares on displacement and velocity,
robust against wrong detections, with what is off on average over some seconds taken out: that is the detector's habit, not a clock. See
``hand_pose.clock_check`` for what the fit has given way to, which does not show here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.validation.lag_search import UNKNOWN, Lag, at_times
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.hand_pose.camera_poses import project
from bodydouble.hand_pose.clock_check import USED

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

STEPS = 6
"""Gauss-Newton; a shift of three frames needs four."""
OUTLYING = 2.0
"""Of the median error: where a residual counts half."""
HABIT_S = 2.0
"""What a landmark is off by on average over this time says nothing of the clock."""
BLOCK_S = 0.25
"""Errors of detectors last this long; blocks of it are taken to be independent."""
FARTHEST_S = 0.3
SURE = 0.5
"""Confidence from which a landmark counts."""
LEAST_SEEN, LEAST_BLOCKS = 60, 4
VELOCITY_S = 0.01
"""Over twice this time velocities are taken."""


def camera_lag(episode: OpenedEpisode, row: int) -> Lag:
    """Return by how much one camera's landmarks are later than its times say; unknown where too little moves."""
    there = np.flatnonzero(episode.present[row] & np.isfinite(episode.T_world_camera[row]).all(axis=(1, 2)))
    if len(there) < 3:
        return UNKNOWN
    times = episode.camera_times_s[row][there]
    seen = episode.labelled.pixels[row][there][:, USED]
    sure = np.nan_to_num(episode.labelled.confidence[row][there][:, USED]) >= SURE
    lag, sigma = 0.0, float("nan")
    for _ in range(STEPS):
        off, velocity = _residuals(episode, row, there, times + lag, seen)
        usable = sure & np.isfinite(off).all(axis=-1) & np.isfinite(velocity).all(axis=-1)
        if usable.sum() < LEAST_SEEN:
            return UNKNOWN
        off, velocity = (_without_habit(values, usable, times) for values in (off, velocity))
        size = np.linalg.norm(off, axis=-1)
        weight = usable / (1.0 + (size / (OUTLYING * float(np.median(size[usable])) + 1e-9)) ** 2)
        squared = np.sum(weight[..., None] * velocity * velocity)
        if squared <= 0:
            return UNKNOWN
        step = float(np.sum(weight[..., None] * velocity * off) / squared)
        sigma = _sigma(weight[..., None] * velocity * (off - step * velocity), times) / float(squared)
        lag = float(np.clip(lag + step, -FARTHEST_S, FARTHEST_S))
    return Lag(lag, sigma) if np.isfinite(sigma) else UNKNOWN


def _residuals(
    episode: OpenedEpisode, row: int, there: npt.NDArray[np.intp], times_s: FloatArray, seen: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return (F, N, 2) px: seen less projected at ``times_s`` (F,), and the velocity of the projection in px/s."""
    model, T = episode.rig.camera(episode.cameras[row]).model, episode.T_world_camera[row][there]
    points = episode.motion.landmarks[:, USED]
    now, before, after = (project(model, T, at_times(episode.times_s, points, times_s + shift)) for shift in (0.0, -VELOCITY_S, VELOCITY_S))
    return seen - now, (after - before) / (2 * VELOCITY_S)


def _without_habit(values: FloatArray, usable: BoolArray, times_s: FloatArray) -> FloatArray:
    """Return values (F, N, 2) less each landmark's mean over stretches of ``HABIT_S``; 0 where not usable."""
    stretches = np.floor(
        (times_s - times_s[0]) / max(HABIT_S, (times_s[-1] - times_s[0]) / max(1, round((times_s[-1] - times_s[0]) / HABIT_S)) + 1e-9)
    )
    found = np.where(usable[..., None], values, 0.0)
    for number in np.unique(stretches):
        rows = stretches == number
        count = usable[rows].sum(axis=0)[:, None]
        found[rows] -= np.where(usable[rows][..., None], found[rows].sum(axis=0) / np.maximum(count, 1), 0.0)
    return found


def _sigma(score: FloatArray, times_s: FloatArray) -> float:
    """Return the deviation of the sum of scores (F, N, 2), blocks of time taken to be independent; NaN for too few."""
    blocks = np.floor((times_s - times_s[0]) / BLOCK_S).astype(int)
    sums = np.bincount(blocks, weights=score.sum(axis=(1, 2)))
    there = np.bincount(blocks, weights=(score != 0).any(axis=(1, 2))) > 0
    count = int(there.sum())
    return float(np.sqrt(np.sum(sums[there] ** 2) * count / (count - 1))) if count >= LEAST_BLOCKS else float("nan")
