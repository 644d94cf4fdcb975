"""How far a motion is from another, and how plausible it is by itself: the measures of the literature, as functions of arrays.

T instants, N points, in m and s; a missing value is NaN and is left out, so a measure of nothing is NaN. No measure aligns anything unless its
name says so. A mean is one over all points and instants alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.simulation.moment import Visibility

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HANDS = (LEFT_HAND, RIGHT_HAND)
UNOCCLUDED_SHARE = 0.8
"""A camera sees a hand unoccluded when this share of its 21 landmarks is in the image with nothing but the hand itself before them."""
LOST_M = 0.1
"""A hand whose 21 landmarks are off by more than this on average is lost."""
CHI2_95 = 7.814727903251179
"""95th percentile of the chi-squared distribution with three degrees of freedom."""
CONTACT_HEIGHT_M = 0.05
CONTACT_SPEED_M_S = 0.15
FLOOR_PERCENTILE = 5.0


def mpjpe(estimate: FloatArray, truth: FloatArray) -> float:
    """Return the mean per joint position error in m of points (T, N, 3), without any alignment.

    Ionescu et al. 2014, "Human3.6M", give it after moving the pelvis of both to the origin; see ``rooted`` for that.
    """
    return _mean(_distance(estimate, truth))


def rooted(points: FloatArray, root: FloatArray) -> FloatArray:
    """Return points (T, N, 3) relative to a root (T, 3), for the root-aligned MPJPE of Ionescu et al. 2014."""
    return points - root[:, None]


def pa_mpjpe(estimate: FloatArray, truth: FloatArray) -> float:
    """Return the MPJPE in m after the best similarity of each instant by itself (Procrustes-aligned, "reconstruction error").

    Zhou et al. 2018, "MonoCap"; Kanazawa et al. 2018, "HMR". Instants with fewer than three points of both are left out.
    """
    scale, rotation, shift = similarity(estimate, truth)
    return mpjpe(_moved(estimate, scale, rotation, shift), truth)


def w_mpjpe(estimate: FloatArray, truth: FloatArray, *, scale: bool) -> float:
    """Return the MPJPE in m after one alignment of the whole recording: rigid, or a similarity with ``scale``.

    The world-aligned error, WA-MPJPE, of Ye et al. 2023, "SLAHMR", and Shin et al. 2024, "WHAM", but over the whole recording where they cut it
    into pieces of 100 frames, which forgives drift.
    """
    found = similarity(estimate.reshape(1, -1, 3), truth.reshape(1, -1, 3), scale=scale)
    return mpjpe(_moved(estimate.reshape(1, -1, 3), *found), truth.reshape(1, -1, 3))


def similarity(source: FloatArray, target: FloatArray, *, scale: bool = True) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scales (B,), rotations (B, 3, 3) and shifts (B, 3) m that carry points (B, N, 3) to others with the least squares.

    Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns"; never a reflection. NaN where fewer than
    three points are finite in both.
    """
    both: BoolArray = np.isfinite((source + target).sum(axis=-1))
    enough = both.sum(axis=1) >= 3
    weight = both[..., None] / np.maximum(both.sum(axis=1), 1)[:, None, None]
    source, target = np.where(both[..., None], source, 0.0), np.where(both[..., None], target, 0.0)
    from_mean, to_mean = (weight * source).sum(axis=1), (weight * target).sum(axis=1)
    centred, wanted = source - from_mean[:, None], target - to_mean[:, None]
    left, spread, right = np.linalg.svd(np.einsum("bni,bnj->bij", weight * wanted, centred))
    proper = np.ones_like(spread)
    proper[:, 2] = np.sign(np.linalg.det(left) * np.linalg.det(right))
    rotation = (left * proper[:, None]) @ right
    variance = np.sum(weight * centred**2, axis=(1, 2))
    factor = (spread * proper).sum(axis=1) / np.where(variance > 0, variance, np.nan) if scale else np.ones(len(source))
    factor = np.where(enough, factor, np.nan)
    return factor, rotation, to_mean - factor[:, None] * np.einsum("bij,bj->bi", rotation, from_mean)


def _moved(points: FloatArray, scale: FloatArray, rotation: FloatArray, shift: FloatArray) -> FloatArray:
    moved: FloatArray = scale[:, None, None] * np.einsum("bij,bnj->bni", rotation, points) + shift[:, None]
    return moved


@dataclass(frozen=True)
class HandErrors:
    """The errors of both hands over T instants, left before right. Arrays are read-only."""

    error: FloatArray
    """(T, 2) m, mean over the 21 landmarks in the world; NaN where the estimate lacks one."""
    other_error: FloatArray
    """(T, 2) m, the same against the true landmarks of the other hand."""
    counted: BoolArray
    """(T, 2) hands that ought to be found."""

    def __post_init__(self) -> None:
        shape = (len(self.error), 2)
        freeze_arrays(self, {"error": (shape, np.float64), "other_error": (shape, np.float64), "counted": (shape, np.bool_)})

    @property
    def tracked(self) -> BoolArray:
        """(T, 2) counted hands that are not lost."""
        return self.counted & (np.nan_to_num(self.error, nan=np.inf) <= LOST_M)

    @property
    def mkpe(self) -> float:
        """Mean keypoint error in m of the tracked hands: world frame, no alignment.

        Banerjee et al. 2025, "HOT3D", and Meta's reports on Aria Gen 2 call it so.
        """
        return _mean(self.error[self.tracked])

    @property
    def lost_track_ratio(self) -> float:
        """Share of the counted hands that have no complete estimate or one that is off by more than 100 mm on average."""
        return 1.0 - float(self.tracked.sum() / self.counted.sum()) if self.counted.any() else math.nan

    @property
    def side_errors(self) -> int:
        """Number of counted hands whose estimate lies nearer to the other hand, landmark by landmark, than to its own.

        Lost ones are included: a hand that is far from both but nearer to the other one was put on the wrong side.
        """
        return int(np.sum(self.counted & (self.other_error < self.error)))


def hand_errors(estimate: FloatArray, truth: FloatArray, counted: BoolArray) -> HandErrors:
    """Compare the hands among landmarks (T, 75, 3) with the truth where they are ``counted`` (T, 2) and the truth is known."""
    error, other = np.empty((2, len(estimate), 2))
    for side, rows in enumerate(HANDS):
        error[:, side] = _distance(estimate[:, rows], truth[:, rows]).mean(axis=1)
        other[:, side] = _distance(estimate[:, rows], truth[:, HANDS[1 - side]]).mean(axis=1)
    known = np.stack([np.isfinite(truth[:, rows]).all(axis=(1, 2)) for rows in HANDS], axis=1)
    return HandErrors(error, other, counted & known)


def unoccluded_hands(visibility: npt.NDArray[np.uint8]) -> BoolArray:
    """Return (..., 2) whether the left and the right hand are unoccluded, of the ``Visibility`` (..., 75) of the landmarks."""
    clear = (visibility == Visibility.VISIBLE) | (visibility == Visibility.SELF_HIDDEN)
    return np.stack([clear[..., rows].mean(axis=-1) >= UNOCCLUDED_SHARE - 1e-9 for rows in HANDS], axis=-1)


def accel_error(estimate: FloatArray, truth: FloatArray, times_s: FloatArray) -> float:
    """Return the mean length in m/s^2 of the difference between the accelerations of points (T, N, 3).

    Kanazawa et al. 2019, "HMMR", but with second divided differences, so that times (T,) need not be even.
    """
    return _mean(np.linalg.norm(_derivative(estimate, times_s, 2) - _derivative(truth, times_s, 2), axis=-1))


def jitter(points: FloatArray, times_s: FloatArray) -> float:
    """Return the mean length in m/s^3 of the jerk of points (T, N, 3), by third divided differences over the true times (T,).

    Flash and Hogan 1985; as a measure of captured motion Yi et al. 2021, "TransPose".
    """
    return _mean(np.linalg.norm(_derivative(points, times_s, 3), axis=-1))


def _derivative(points: FloatArray, times_s: FloatArray, order: int) -> FloatArray:
    """Return the ``order``-th derivative (T - order, N, 3): a factorial times the divided difference of consecutive instants."""
    found = np.asarray(points, dtype=np.float64)
    for step in range(1, order + 1):
        span = times_s[step:] - times_s[:-step]
        found = step * np.diff(found, axis=0) / np.where(span > 0, span, np.nan)[:, None, None]
    return found


def bone_length_variation(points: FloatArray, bones: Sequence[tuple[int, int]]) -> float:
    """Return the standard deviation of each bone's length over its mean, as a share, averaged over the bones.

    ``bones`` are pairs of rows of points (T, N, 3). A bone that fewer than two instants show is left out.
    """
    shares = []
    for one, two in bones:
        length = _distance(points[:, one], points[:, two])
        length = length[np.isfinite(length)]
        if len(length) >= 2 and length.mean() > 0:
            shares.append(length.std() / length.mean())
    return _mean(np.array(shares))


def foot_contact(feet: FloatArray, times_s: FloatArray) -> BoolArray:
    """Return (T, F) whether points of true feet (T, F, 3), z up, stand: within 5 cm of their lowest and slower than 0.15 m/s.

    Lowest is the 5th percentile of each point's height. With a true motion both conditions are safe; for an estimate see ``foot_near_floor``.
    """
    velocity = np.gradient(feet, times_s, axis=0) if len(feet) > 1 else np.zeros_like(feet)
    slow: BoolArray = np.nan_to_num(np.linalg.norm(velocity, axis=-1), nan=np.inf) < CONTACT_SPEED_M_S
    return slow & foot_near_floor(feet)


def foot_near_floor(feet: FloatArray) -> BoolArray:
    """Return (T, F) whether points (T, F, 3), z up, are within 5 cm of their lowest (5th percentile); speed would hide the skating looked for."""
    near = np.zeros(feet.shape[:2], dtype=bool)
    for column in range(feet.shape[1]):
        height = feet[:, column, 2]
        if np.isfinite(height).any():
            near[:, column] = height < np.nanpercentile(height, FLOOR_PERCENTILE) + CONTACT_HEIGHT_M
    return near


def foot_skate(feet: FloatArray, times_s: FloatArray, contact: BoolArray) -> float:
    """Return the mean horizontal speed in m/s of points (T, F, 3), z up, from one instant of ``contact`` (T, F) to the next.

    The sliding of Shimada et al. 2020, "PhysCap", and Shin et al. 2024, "WHAM", who take the contact from the truth, but over time.
    """
    speed = np.linalg.norm(_derivative(feet, times_s, 1)[..., :2], axis=-1)
    return _mean(np.where(contact[1:] & contact[:-1], speed, np.nan))


def coverage_95(estimate: FloatArray, truth: FloatArray, spread: FloatArray) -> float:
    """Return the share of the truth (..., 3) that lies in the 95 % region of the estimate.

    ``spread`` is a covariance (..., 3, 3) in m^2, whose region is the ellipsoid of chi^2(3), or sigma (...) in m along the worst axis, whose region is
    the sphere of the same sigmas: that one holds more than 95 % wherever the error is longer along one axis than along the others.
    """
    away = estimate - truth
    if spread.shape == estimate.shape[:-1]:
        squared = np.sum(away**2, axis=-1) / np.where(spread > 0, spread, np.nan) ** 2
    else:
        known = np.isfinite(spread).all(axis=(-2, -1)) & np.isfinite(away).all(axis=-1)
        squared = np.full(known.shape, np.nan)
        squared[known] = np.einsum("ni,ni->n", away[known], np.linalg.solve(spread[known], away[known][..., None])[..., 0])
    return _mean(np.where(np.isfinite(squared), squared <= CHI2_95, np.nan))


def median_and_p90(values: npt.ArrayLike) -> dict[str, float]:
    """Return {"median": ..., "p90": ...} of the values that are not NaN; infinity where so many are infinite."""
    known = np.asarray(values, dtype=np.float64).ravel()
    known = known[~np.isnan(known)]
    if not len(known):
        return {"median": math.nan, "p90": math.nan}
    return {"median": _percentile(known, 50), "p90": _percentile(known, 90)}


def _percentile(values: FloatArray, percent: float) -> float:
    """Interpolate linearly; NumPy makes no number of two of which one is infinite."""
    ordered = np.sort(values)
    place = percent / 100 * (len(ordered) - 1)
    below, share = int(place), place - int(place)
    return float(ordered[below] if share < 1e-9 else ordered[below] + share * (ordered[below + 1] - ordered[below]))


def _distance(one: FloatArray, other: FloatArray) -> FloatArray:
    distance: FloatArray = np.linalg.norm(one - other, axis=-1)
    return distance


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
