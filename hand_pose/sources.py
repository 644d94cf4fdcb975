"""How each value of a fitted motion is known: observed at that instant, interpolated over a short gap, inferred, or missing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, POSE
from bodydouble.hand_pose.observations import Observations

FloatArray = npt.NDArray[np.float64]

AGREES_SIGMA = 2.5
"""A view agrees with the fit when its residual is below this: 95 % of a two-dimensional normal error is."""
SURE_WEIGHT = 0.25
"""Least weight of a view that counts: a visibility of 0.5 squared."""
MAX_GAP_S = 0.2
"""A longer gap is not interpolation: in 0.2 s a hand can start, move 10 cm and stop."""
MAX_ABSENCE_S = 1.0
"""A person unseen for longer than this is missing, not inferred."""
FACE = slice(0, 11)
JOINT_SIGMA = 0.35
"""rad: a joint whose angle the images leave more open than this was not observed."""


def observed_landmarks(observations: Observations, points: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (T, 75) True where enough cameras saw a landmark and agree with the fit: two, or the only one."""
    needed = min(2, len(observations.origins))
    scaled, depth = observations.residuals(points)
    near = np.linalg.norm(np.nan_to_num(scaled, nan=np.inf), axis=-1) < AGREES_SIGMA
    agreeing = np.sum(near & (observations.weight >= SURE_WEIGHT) & (depth > 0), axis=0)
    return np.asarray(agreeing >= needed)


def with_worn(observed: npt.NDArray[np.bool_], head: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the mask (T, 75) with what worn cameras measure too: the face where the head (T,) is located, wrists and knuckles with their hands."""
    observed = observed.copy()
    observed[:, FACE] |= head[:, None]
    for pose, hand in on_hands():
        observed[:, pose] |= observed[:, hand]
    return observed


def on_hands() -> list[tuple[int, int]]:
    """Return the pose's landmarks that are joints of the hand's own, with those."""
    row = LANDMARK_NAMES.index
    names = {"wrist": "wrist", "pinky": "little_mcp", "index": "index_mcp", "thumb": "thumb_ip"}
    return [(row(f"{side}_{pose}"), row(f"{side}_hand_{hand}")) for side in ("left", "right") for pose, hand in names.items()]


def classify(observed: npt.NDArray[np.bool_], times_s: FloatArray) -> npt.NDArray[np.uint8]:
    """Return (T, N) of ``Source`` from an observed mask (T, N): gaps up to ``MAX_GAP_S`` between observations are interpolated, the rest inferred."""
    source = np.where(observed, Source.OBSERVED, Source.INFERRED).astype(np.uint8)
    for column in range(observed.shape[1]):
        seen = np.flatnonzero(observed[:, column])
        for before, after in pairwise(seen):
            if after > before + 1 and times_s[after] - times_s[before] <= MAX_GAP_S:
                source[before + 1 : after, column] = Source.INTERPOLATED
    return source


def absent_frames(observed: npt.NDArray[np.bool_], times_s: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (T,) True where the body has not been seen for ``MAX_ABSENCE_S`` either way: nothing can be said of it there."""
    seen = np.flatnonzero(observed[:, POSE].sum(axis=1) >= 4)
    if not len(seen):
        return np.ones(len(times_s), dtype=bool)
    after = np.searchsorted(seen, np.arange(len(times_s)))
    since = times_s - times_s[seen[np.maximum(after - 1, 0)]]
    until = times_s[seen[np.minimum(after, len(seen) - 1)]] - times_s
    absent: npt.NDArray[np.bool_] = np.minimum(np.abs(since), np.abs(until)) > MAX_ABSENCE_S
    return absent
