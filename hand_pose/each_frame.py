"""Every frame fitted by itself, from few to all: key frames first, then the frames half way between those known, level by level.

A level is solved at once, and each of its frames starts from between two that are known and is expected near there. So a frame that shows little, or
something wrong, is held by the frames beside it as in tracking, but the number of steps grows with the logarithm of the frames between keys.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.batched_kinematics import difference, integrate
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.pose_fit import BLOCK, Expected, PosePrior, cost_of, fit_poses
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Start = Callable[[IntArray], FloatArray]
"""Gives closed-form configurations (F, nq) of some frames (F,)."""

COARSE_TO_FINE = (16.0, 4.0, 1.0)
"""Factors on the expected error when a pose starts from nothing."""
NEAR = (4.0, 1.0)
"""The same for a pose that starts from between its neighbours'."""
SHORTEST_S = 1e-3
KEY_STRIDE = 12
"""At most so many frames from one key frame to the next, and in a short recording no more than leave ``KEYS``."""
KEYS = 16
ROUNDS = 3
"""How often key frames' poses are offered to those beside them."""
POOR = 0.1
"""Mean cost of a ray, at the first of ``NEAR``, from which a pose's own start is worth trying: an error of 1.3 sigma."""


def key_frames(usable: IntArray, score: FloatArray) -> IntArray:
    """Return of the usable frames (U,), ascending, the one of the greatest ``score`` (T,) in each run of some frames."""
    stride = int(np.clip(len(score) // KEYS, 1, KEY_STRIDE))
    runs = np.split(usable, np.flatnonzero(np.diff(usable // stride)) + 1)
    return np.array([run[np.argmax(score[run])] for run in runs], dtype=np.intp)


def fit_keys(
    human: Human, observations: Observations, times_s: FloatArray, keys: IntArray, start: Start, report: Progress = silent
) -> FloatArray:
    """Return configurations (F, nq) of key frames (F,), ascending, each from its own start or, where that ends better, from a pose beside it."""
    poses = fit_poses(human, start(keys), observations, keys, widen=COARSE_TO_FINE, iterations=8)
    prior = PosePrior.of(human)
    cost = costs(human, poses, observations, keys, prior)
    changed = np.ones(len(keys), dtype=bool)
    for round_ in range(ROUNDS):
        before, found = poses.copy(), np.zeros(len(keys), dtype=bool)
        for way in (-1, 1):
            near = np.arange(len(keys)) + way
            rows = np.flatnonzero((near >= 0) & (near < len(keys)) & changed[np.clip(near, 0, len(keys) - 1)])
            if not len(rows):
                continue
            expected = Expected.near(before[near[rows]], np.abs(times_s[keys[rows]] - times_s[keys[near[rows]]]), human.nv)
            tried = fit_poses(human, before[near[rows]], observations, keys[rows], widen=NEAR, iterations=5, expected=expected)
            now = costs(human, tried, observations, keys[rows], prior)
            better = now + expected.cost(tried) < cost[rows] + expected.cost(poses[rows]) - 0.01 * cost[rows]
            poses[rows[better]], cost[rows[better]] = tried[better], now[better]
            found[rows[better]] = True
        changed = found
        report(round_ + 1, ROUNDS)
        if not changed.any():
            break
    report(1, 1)
    return poses


def fill_in(
    human: Human, observations: Observations, times_s: FloatArray, keys: IntArray, key_poses: FloatArray, start: Start, usable: BoolArray,
    report: Progress = silent,
) -> FloatArray:  # fmt: skip
    """Return configurations (T, nq) of all frames from those of the key frames; ``usable`` (T,) have a ``start`` of their own."""
    total = observations.frames
    poses = np.empty((total, key_poses.shape[1]))
    poses[keys] = key_poses
    rays = (observations.weight > 0).sum(axis=(0, 2))
    limbs = parts(human, observations)
    prior = PosePrior.of(human)
    known = keys
    while len(known) < total:
        middle = _between(known, total)
        poses[middle] = interpolated(poses[known], times_s[known], times_s[middle])
        level = middle[rays[middle] > 0]
        if len(level):
            before, after = _beside(known, level)
            away = np.maximum(np.minimum(np.abs(times_s[level] - times_s[before]), np.abs(times_s[after] - times_s[level])), SHORTEST_S)
            expected = Expected.near(poses[level], away, human.nv)
            first = poses[level].copy()
            for columns, seen in limbs:  # nobody knows what a limb did that comes into view
                expected.information[np.ix_(seen[level] & ~seen[before] & ~seen[after], columns)] = 0.0
            cost = costs(human, first, observations, level, prior, widen=NEAR[0])
            poor = np.flatnonzero(usable[level] & (cost > POOR * rays[level]))
            if len(poor):
                _try_arms(human, observations, level, first, poor, cost[poor], start(level[poor]), prior)
            poses[level] = fit_poses(human, first, observations, level, widen=NEAR, iterations=2, expected=expected)
        known = np.union1d(known, middle)
        report(len(known), total)
    for columns, seen in limbs:
        if seen.any() and not seen.all():
            _bridge(poses, times_s, seen, columns)
    return poses


def parts(human: Human, observations: Observations) -> list[tuple[IntArray, BoolArray]]:
    """Return the tangent columns of arms, and of hands, with the frames (T,) in which each was seen by some camera."""
    weight = observations.weight
    found = []
    for side, rows in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
        hand: BoolArray = np.asarray((weight[..., rows] > 0).any(axis=(0, 2)))
        limb = [LANDMARK_NAMES.index(f"{side}_{name}") for name in ("elbow", "wrist")]
        arm: BoolArray = hand | np.asarray((weight[..., limb] > 0).all(axis=2).any(axis=0))
        columns = human.arm_columns(side)
        split = human.columns(f"{side}_wrist_flexion").start
        found += [(columns[columns < split], arm), (columns[columns >= split], hand)]
    return found


def interpolated(poses: FloatArray, known_s: FloatArray, times_s: FloatArray) -> FloatArray:
    """Return configurations (F, nq) at times (F,) between those known at ``known_s`` (K,); the nearest before the first and after the last."""
    after = np.searchsorted(known_s, times_s)
    one, two = np.clip(after - 1, 0, len(known_s) - 1), np.clip(after, 0, len(known_s) - 1)
    span = known_s[two] - known_s[one]
    share = np.where(span > 0, (times_s - known_s[one]) / np.where(span > 0, span, 1.0), 0.0)
    return integrate(poses[one], share[:, None] * difference(poses[one], poses[two]))


def costs(
    human: Human, poses: FloatArray, observations: Observations, frames: IntArray, prior: PosePrior, *, widen: float = 1.0
) -> FloatArray:
    """Return the cost (F,) of poses (F, nq) of some frames (F,), ascending."""
    blocks = [slice(first, first + BLOCK) for first in range(0, len(frames), BLOCK)]
    return np.concatenate([cost_of(human, poses[block], observations.select(frames[block]), prior, widen=widen) for block in blocks])


def _between(known: IntArray, total: int) -> IntArray:
    """Return the frames half way between known ones, and beyond the first and last those twice as far out as the last level reached."""
    gaps = np.diff(known)
    middle = (known[:-1] + known[1:]) // 2
    found = [middle[gaps > 1]]
    if known[0] > 0:
        found.append(np.array([known[0] - 1]))
    if known[-1] < total - 1:
        found.append(np.array([known[-1] + 1]))
    return np.unique(np.concatenate(found))


def _beside(known: IntArray, frames: IntArray) -> tuple[IntArray, IntArray]:
    after = np.searchsorted(known, frames)
    return known[np.clip(after - 1, 0, len(known) - 1)], known[np.clip(after, 0, len(known) - 1)]


def _with_arm(human: Human, poses: FloatArray, others: FloatArray, side: str) -> FloatArray:
    """Return ``poses`` (F, nq) with one arm's joints of ``others``."""
    way = difference(poses, others)
    chosen = np.zeros_like(way)
    columns = human.arm_columns(side)
    chosen[:, columns] = way[:, columns]
    return integrate(poses, chosen)


def _try_arms(
    human: Human, observations: Observations, frames: IntArray, poses: FloatArray, rows: IntArray, cost: FloatArray, starts: FloatArray,
    prior: PosePrior,
) -> None:  # fmt: skip
    """Give poses in some rows the arm of their own ``starts`` where that explains what was seen clearly better, in place."""
    for side in ("left", "right"):
        tried = _with_arm(human, poses[rows], starts, side)
        now = costs(human, tried, observations, frames[rows], prior, widen=NEAR[0])
        better = now < 0.7 * cost
        poses[rows[better]], cost = tried[better], np.where(better, now, cost)


def _bridge(poses: FloatArray, times_s: FloatArray, known: BoolArray, columns: IntArray) -> None:
    """Move some joints in the frames in which they were not seen to between where they were before and after, in place."""
    gap = np.flatnonzero(~known)
    way = difference(poses[gap], interpolated(poses[known], times_s[known], times_s[gap]))
    chosen = np.zeros_like(way)
    chosen[:, columns] = way[:, columns]
    poses[gap] = integrate(poses[gap], chosen)
