"""Locate one body at all moments: start from single tags, refine with all cameras, learn the rates from the neighbours, and judge every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle_noise import SMALLEST_SIGMA_PX, scale_of, variance_of
from bodydouble.calibration.frame_slack import FrameSlack, far_off, find_slack
from bodydouble.calibration.moment_poses import (
    FrameNormals,
    Images,
    Knots,
    absorbed,
    covariances,
    frame_normals,
    information,
    left_over,
    predict,
    refine,
    robust_weights,
    with_prior,
)
from bodydouble.calibration.moment_starts import COARSE_PX, find_starts
from bodydouble.calibration.motion_prior import MotionPrior
from bodydouble.calibration.rig_motion import Outcome
from bodydouble.calibration.sightings import Sightings
from bodydouble.calibration.transform import pose_distance

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

AGREES = 25.0
"""A point agrees with a pose if it is less than 5 sigma off; this is the square."""
_LONGEST_STEP_S = 0.25
"""Moments further apart say nothing about how fast the body moved in between."""
_RATE_DOUBT = 0.2
"""Share of the change of rate from one moment to the next by which a central difference may be wrong."""
_RIVAL_COST = 9.0
"""A second pose is a rival while the images are less than e^4.5 times as likely from the first."""
_RIVAL_APART = (0.05, 0.03)
"""rad, m: poses closer than that are the same."""
_SAME = (0.01, 0.005)
"""rad, m: coarse refinements that end as near to each other ended at one pose."""
_MUCH_WORSE = 30.0
"""Difference of coarse costs that finer ones cannot turn round."""
_NOISE_SPREAD = 2.5
"""How far the noise of one camera may be from that of all."""
_LARGEST_NOISE_PX = 3.0
"""No corner detector is worse than that on average; what is further off than 5 times as much is not where it was thought to be."""
_COARSE_STEPS = 8
_NOISE_ROUNDS = 3
_REWEIGHTED = 3
_LEAST_MOTION = MotionPrior(velocity=(0.05, 0.02), acceleration=(0.2, 0.05))


@dataclass(frozen=True)
class Located:
    """One body at M moments."""

    sightings: Sightings
    knots: Knots
    """NaN poses where there was nothing to start from."""
    covariance: FloatArray
    """(M, 12, 12) of pose and rate, from pixel noise; NaN where there is no pose."""
    residual: FloatArray
    """(N, 2) px; NaN where there is no pose."""
    noise_px: FloatArray
    """(C,) one standard deviation of a Gaussian corner error that leaves the poses as uncertain as they are."""
    scale_px: FloatArray
    """(C,) scale of the t distribution."""
    agrees: BoolArray
    """(N,) points that are less than 5 sigma off."""
    outcome: npt.NDArray[np.uint8]
    """(M,) of ``Outcome``; not yet by how well the pose is known."""
    rate_known: BoolArray
    """(M,) whether a neighbour told the rate."""
    acceleration: FloatArray
    """(2,) root mean square over the recording, per axis; NaN where it could not be measured."""
    slack: FrameSlack


def locate_body(
    s: Sightings, times_s: FloatArray, T_room_target: FloatArray, *, tell: Callable[[float], None] = lambda done: None
) -> Located:  # fmt: skip
    """Locate the body that ``s`` was seen from; ``tell`` is called with the share that is done."""
    prior = MotionPrior()
    tell(0.0)
    starts = find_starts(s, T_room_target)
    tell(0.2)
    still = np.zeros((len(starts.moment), 6))
    wide = np.broadcast_to(np.repeat(prior.velocity, 3), still.shape)
    knots = Knots(starts.T, still.copy(), still, still, wide)
    moment, tried = starts.moment, s.take(starts.moment)
    sigma = np.full(len(s.models), COARSE_PX)
    knots, cost = refine(tried, knots, sigma, steps=_COARSE_STEPS, tell=lambda done: tell(0.2 + 0.1 * done / tried.moments))
    kept = ~_hopeless(knots, cost, moment)
    moment, tried, knots = moment[kept], tried.take(np.flatnonzero(kept)), knots.take(np.flatnonzero(kept))
    sigma = _scale(*_best(tried, knots, cost[kept], moment)[:2], sigma, common=True)
    knots, cost = refine(tried, knots, sigma, tell=lambda done: tell(0.3 + 0.3 * done / tried.moments))
    chosen, best, row = _best(tried, knots, cost, moment)
    sigma = _scale(chosen, best, sigma)
    _, agrees = _judge(chosen, best, sigma)
    covariance = _covariance(chosen, best, agrees, np.square(sigma))
    good = _well_located(s.moments, moment[row], _contradicted(chosen, agrees), _ambiguous(knots, cost, moment))
    rates, rate_known, acceleration = _rates(times_s, s.moments, moment[row], best, covariance, good, prior)
    told = rate_known[moment][:, None]
    knots = replace(rates.take(moment), T=knots.T, rate=np.where(told, rates.rate[moment], knots.rate))
    slack = FrameSlack() if np.isfinite(times_s).any() else FrameSlack(time_s=0.0)
    for part in (0.6, 0.8):
        chosen, best, row = _best(tried, knots, cost, moment)
        chosen, sigma, slack = _noise(chosen, best, sigma, slack)
        tried = chosen.take(np.searchsorted(moment[row], moment))
        knots, cost = refine(tried, knots, sigma, tell=lambda done, part=part, all=tried.moments: tell(part + 0.2 * done / all))  # type: ignore[misc]
    return _judged(s, tried, knots, cost, moment, sigma, slack, rate_known, acceleration)


def _hopeless(knots: Knots, cost: FloatArray, moment: IntArray) -> BoolArray:
    """Return which second poses need no closer look: they ended at the first one, or are much worse."""
    second = np.flatnonzero(np.diff(moment, prepend=-1) == 0)
    turned, away = pose_distance(knots.T[second - 1], knots.T[second])
    same = (turned < _SAME[0]) & (away < _SAME[1])
    result = np.zeros(len(moment), dtype=bool)
    result[second] = same | (cost[second] > cost[second - 1] + _MUCH_WORSE)
    result[second - 1] |= ~same & (cost[second - 1] > cost[second] + _MUCH_WORSE)
    return result


def _best(tried: Sightings, knots: Knots, cost: FloatArray, moment: IntArray) -> tuple[Sightings, Knots, IntArray]:
    """Return the better of two poses for each moment that has any, what was seen then, and which they are."""
    order = np.lexsort((cost, moment))
    row = order[np.flatnonzero(np.diff(moment[order], prepend=-1))]
    return tried.take(row), knots.take(row), row


def _ambiguous(knots: Knots, cost: FloatArray, moment: IntArray) -> IntArray:
    """Return the moments at which two poses that differ explain what was seen about equally well."""
    second = np.flatnonzero(np.diff(moment, prepend=-1) == 0)
    turned, away = pose_distance(knots.T[second - 1], knots.T[second])
    near = np.abs(cost[second] - cost[second - 1]) < _RIVAL_COST
    return np.asarray(moment[second[near & ((turned > _RIVAL_APART[0]) | (away > _RIVAL_APART[1]))]])


def _judge(s: Sightings, knots: Knots, sigma: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return what the frames' disturbances leave over of the residuals (N, 2), and which points are less than 5 sigma off in a frame that is not far off."""
    images = predict(s, knots)
    normals, left = _settled(s, images, sigma)
    square = np.square(left).sum(axis=1) / np.square(sigma[s.camera_of_point])
    return images.residual, np.asarray((square < AGREES) & ~far_off(normals.size)[s.frame])


def _settled(s: Sightings, images: Images, sigma: FloatArray, left: FloatArray | None = None) -> tuple[FrameNormals, FloatArray]:
    """Return the frames' normal equations with robust weights that follow from what their disturbances leave over (N, 2), and that."""
    steps = _REWEIGHTED if left is None and s.slack.any() else 1
    left = images.residual if left is None else left
    for _ in range(steps):
        normals = frame_normals(s, images, robust_weights(s, left, sigma))
        left = left_over(s, images, normals)
    return normals, left


def _contradicted(s: Sightings, agrees: BoolArray) -> BoolArray:
    """Return (M,) the moments whose pose does not explain more than half of the points."""
    seen = np.bincount(s.moment_of_point, minlength=s.moments)
    return np.asarray(2 * np.bincount(s.moment_of_point, agrees, minlength=s.moments) <= seen)


def _well_located(moments: int, rows: IntArray, contradicted: BoolArray, ambiguous: IntArray) -> BoolArray:
    """Return (M,) the moments of the recording whose pose may tell something about others."""
    good = np.zeros(moments, dtype=bool)
    good[rows] = ~contradicted
    good[ambiguous] = False
    return good


def _covariance(s: Sightings, knots: Knots, agrees: BoolArray, variance: FloatArray) -> FloatArray:
    """Return (M, 12, 12) of pose and rate; ``variance`` (C,) px^2 of a point that agrees, others count for nothing."""
    images = predict(s, knots)
    H, _ = information(s, images, frame_normals(s, images, agrees / variance[s.camera_of_point]))
    return covariances(with_prior(H, knots))


def _scale(s: Sightings, knots: Knots, sigma: FloatArray, *, common: bool = False) -> FloatArray:
    """Return (C,) the most likely scale of corner errors, one for all cameras if ``common``; ``sigma`` (C,) is that of before."""
    return _scale_of(s, knots, predict(s, knots), sigma, common=common)[0]


def _scale_of(
    s: Sightings, knots: Knots, images: Images, sigma: FloatArray, left: FloatArray | None = None, *, common: bool = False
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return the same, and what the frames' disturbances leave over (N, 2); ``left`` is that of before, where it is known."""
    if len(s.frame) == 0:
        return np.full(len(s.models), _LARGEST_NOISE_PX), np.zeros((0, 2))
    normals, left = _settled(s, images, sigma, left)
    residual, views, cameras = left[:, None], s.as_views, len(s.models)
    correction = _correction(s, knots, images, normals)
    together = scale_of(residual, views, cameras, 0.0, common=True) * np.sqrt(_overall(s, correction))
    together = np.minimum(together, _LARGEST_NOISE_PX)
    if common:
        return np.asarray(together), left
    own = scale_of(residual, views, cameras, 0.0) * np.sqrt(correction)
    return np.clip(own, together / _NOISE_SPREAD, np.minimum(together * _NOISE_SPREAD, _LARGEST_NOISE_PX)), left


def _correction(s: Sightings, knots: Knots, images: Images, normals: FrameNormals) -> FloatArray:
    """Return (C,) by how much squared residuals are larger than they look, because the unknowns have taken up a part of them."""
    H, _ = information(s, images, normals)
    total = 2.0 * np.bincount(s.camera_of_point, minlength=len(s.models))
    left = total - absorbed(s, images, normals, covariances(with_prior(H, knots)))
    return np.asarray(np.maximum(total, 1.0) / np.maximum(left, 0.1 * np.maximum(total, 1.0)))


def _overall(s: Sightings, correction: FloatArray) -> float:
    """Return the correction for all cameras together."""
    total = np.bincount(s.camera_of_point, minlength=len(s.models))
    return float(total.sum() / (total / correction).sum())


def _noise(
    s: Sightings, knots: Knots, sigma: FloatArray, slack: FrameSlack, rounds: int = _NOISE_ROUNDS
) -> tuple[Sightings, FloatArray, FrameSlack]:
    """Return the sightings with each frame's slack, the scale of corner errors that it leaves over, and the slack."""
    images = predict(s, knots)
    if not s.slack.any() and slack:
        s = replace(s, slack=slack.covariance(images.by_time, np.zeros(len(s.camera))))
    sigma, left = _scale_of(s, knots, images, sigma)
    for _ in range(rounds if slack else 0):
        slack, covariance = find_slack(s, knots, images, robust_weights(s, left, sigma), slack)
        s = replace(s, slack=covariance)
        sigma, left = _scale_of(s, knots, images, sigma, left)
    return s, sigma, slack


def _rates(
    times_s: FloatArray, moments: int, rows: IntArray, best: Knots, covariance: FloatArray, good: BoolArray, prior: MotionPrior
) -> tuple[Knots, BoolArray, FloatArray]:
    """Return knots (M,) whose rates are what neighbouring moments say, which moments have such neighbours, and how lively the motion was (2,)."""
    T, variance = np.broadcast_to(np.eye(4), (moments, 4, 4)).copy(), np.zeros((moments, 6))
    T[rows], variance[rows] = best.T, np.einsum("mii->mi", covariance)[:, :6]
    gap = np.diff(times_s)
    linked = good[:-1] & good[1:] & (gap > 0) & (gap <= _LONGEST_STEP_S)
    gap = np.where(linked, gap, 1.0)
    step = np.concatenate([rotation.log(np.swapaxes(T[:-1, :3, :3], 1, 2) @ T[1:, :3, :3]), np.diff(T[:, :3, 3], axis=0)], axis=1)
    speed = np.where(linked[:, None], step / gap[:, None], 0.0)
    none = np.zeros((1, 6))
    before, after = np.concatenate([none, speed]), np.concatenate([speed, none])
    h1, h2 = np.append(1.0, gap)[:, None], np.append(gap, 1.0)[:, None]
    has_before, has_after = np.append(False, linked)[:, None], np.append(linked, False)[:, None]
    both = has_before & has_after
    noise = np.concatenate([none, variance[:-1]]), np.concatenate([variance[1:], none])
    rate = np.where(both, (before * h2 + after * h1) / (h1 + h2), np.where(has_before, before, after))
    acceleration = np.where(both, 2 * (after - before) / (h1 + h2), 0.0)
    bend, own_noise = _acceleration(acceleration, both, variance, h1, h2, noise)
    size, lively = np.full(2, np.nan), np.repeat(prior.acceleration, 3)
    if both.any():
        excess = (np.square(bend) - own_noise)[both[:, 0]].mean(axis=0)
        size = np.sqrt(np.maximum([excess[:3].mean(), excess[3:].mean()], np.square(_LEAST_MOTION.acceleration)))
        lively = np.repeat(size, 3)
    acceleration = bend * np.square(lively) / (np.square(lively) + own_noise)
    of_both = np.sqrt((noise[0] + noise[1]) / np.square(h1 + h2) + np.square(_RATE_DOUBT * (after - before)))
    h = np.where(has_before, h1, h2)
    of_one = np.sqrt((np.where(has_before, noise[0], noise[1]) + variance) / np.square(h) + np.square(0.5 * h * lively))
    unknown = np.broadcast_to(np.repeat(prior.velocity, 3), rate.shape)
    sigma = np.where(both, of_both, np.where(has_before | has_after, of_one, unknown))
    return Knots(T, rate, acceleration, rate, np.maximum(sigma, 1e-6)), (has_before | has_after)[:, 0], size


def _acceleration(
    second: FloatArray, both: BoolArray, variance: FloatArray, h1: FloatArray, h2: FloatArray, noise: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return accelerations (M, 6) and the variance of their noise, from second differences.

    Where five moments follow each other, those of three are so mixed that the pose in the middle does not count: else its error would come back
    into itself by the frames that were taken before and after.
    """
    own = (noise[0] + 4 * variance + noise[1]) / np.square(h1 * h2)
    inner = both.copy()
    inner[1:-1] &= both[:-2] & both[2:]
    inner[[0, -1]] = False
    mixed, less = second.copy(), own.copy()
    mixed[1:-1] = (second[:-2] + second[1:-1] + second[2:]) / 3
    less[1:-1] = (noise[0][:-2] + noise[0][1:-1] + noise[1][1:-1] + noise[1][2:]) / 9 / np.square(h1 * h2)[1:-1]
    return np.where(inner, mixed, second), np.where(inner, less, own)


def _judged(
    s: Sightings, tried: Sightings, knots: Knots, cost: FloatArray, moment: IntArray, sigma: FloatArray, slack: FrameSlack,
    rate_known: BoolArray, acceleration: FloatArray,
) -> Located:  # fmt: skip
    chosen, best, row = _best(tried, knots, cost, moment)
    rows = moment[row]
    chosen, sigma, slack = _noise(chosen, best, sigma, slack, rounds=1)
    residual, agrees = _judge(chosen, best, sigma)
    kept, variance = chosen.keep(agrees), np.square(sigma)
    if agrees.any():
        images = predict(kept, best)
        _, left = _settled(kept, images, sigma)
        variance = variance_of(left[:, None], kept.as_views, sigma, 0.0)
        variance = variance * _correction(kept, best, images, frame_normals(kept, images, 1 / variance[kept.camera_of_point]))
    outcome = np.full(s.moments, Outcome.UNSEEN, dtype=np.uint8)
    outcome[s.moment] = Outcome.TOO_FEW
    outcome[rows] = np.where(_contradicted(chosen, agrees), Outcome.CONTRADICTORY, Outcome.LOCATED)
    rival = np.zeros(s.moments, dtype=bool)
    rival[_ambiguous(knots, cost, moment)] = True
    outcome[rival & (outcome == Outcome.LOCATED)] = Outcome.AMBIGUOUS
    everywhere = {name: np.full((s.moments, *getattr(best, name).shape[1:]), np.nan) for name in Knots.__dataclass_fields__}
    for name, array in everywhere.items():
        array[rows] = getattr(best, name)
    covariance = np.full((s.moments, 12, 12), np.nan)
    covariance[rows] = _covariance(chosen, best, agrees, variance)
    of_point = np.isin(s.moment_of_point, rows)
    all_residual, all_agree = np.full((len(s.frame), 2), np.nan), np.zeros(len(s.frame), dtype=bool)
    all_residual[of_point], all_agree[of_point] = residual, agrees
    noise = np.where(
        np.bincount(s.camera_of_point, minlength=len(s.models)) > 0, np.sqrt(np.maximum(variance, SMALLEST_SIGMA_PX**2)), np.nan
    )
    with_slack = np.zeros_like(s.slack)
    with_slack[np.isin(s.moment, rows)] = chosen.slack
    return Located(
        replace(s, slack=with_slack), Knots(**everywhere), covariance, all_residual, noise, sigma, all_agree, outcome,
        rate_known & (outcome == Outcome.LOCATED), acceleration, slack,
    )  # fmt: skip
