"""Locate one body at all moments: start from single tags, refine with all cameras, learn the rates from the neighbours, and judge every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.bundle.noise import SMALLEST_SIGMA_PX, variance_of
from bodydouble.calibration.localization.frame_slack import FrameSlack, far_off
from bodydouble.calibration.localization.moment_noise import correction_of, covariance_of, noise_of, scale, settled
from bodydouble.calibration.localization.moment_poses import Knots, frame_normals, predict, refine
from bodydouble.calibration.localization.moment_starts import COARSE_PX, find_starts
from bodydouble.calibration.localization.rate_estimates import rates_of
from bodydouble.calibration.localization.rig_motion import Outcome
from bodydouble.calibration.localization.sightings import Sightings
from bodydouble.calibration.transform import pose_distance

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

AGREES = 25.0
"""A point agrees with a pose if it is less than 5 sigma off; this is the square."""
_RIVAL_COST = 9.0
"""A second pose is a rival while the images are less than e^4.5 times as likely from the first."""
_RIVAL_APART = (0.05, 0.03)
"""rad, m: poses closer than that are the same."""
_SAME = (0.01, 0.005)
"""rad, m: coarse refinements that end as near to each other ended at one pose."""
_MUCH_WORSE = 30.0
"""Difference of coarse costs that finer ones cannot turn round."""
_COARSE_STEPS = 8


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
    sigma = scale(*_best(tried, knots, cost[kept], moment)[:2], sigma, common=True)
    knots, cost = refine(tried, knots, sigma, tell=lambda done: tell(0.3 + 0.3 * done / tried.moments))
    chosen, best, row = _best(tried, knots, cost, moment)
    sigma = scale(chosen, best, sigma)
    _, agrees = _judge(chosen, best, sigma)
    covariance = covariance_of(chosen, best, agrees, np.square(sigma))
    good = _well_located(s.moments, moment[row], _contradicted(chosen, agrees), _ambiguous(knots, cost, moment))
    rates, rate_known, acceleration = rates_of(times_s, s.moments, moment[row], best, covariance, good, prior)
    told = rate_known[moment][:, None]
    knots = replace(rates.take(moment), T=knots.T, rate=np.where(told, rates.rate[moment], knots.rate))
    slack = FrameSlack() if np.isfinite(times_s).any() else FrameSlack(time_s=0.0)
    for part in (0.6, 0.8):
        chosen, best, row = _best(tried, knots, cost, moment)
        chosen, sigma, slack = noise_of(chosen, best, sigma, slack)
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
    """Return residuals (N, 2), and which points are less than 5 sigma off by what their frame's disturbance leaves over, in a frame that is not far off."""
    images = predict(s, knots)
    normals, left = settled(s, images, sigma)
    square = np.square(left).sum(axis=1) / np.square(sigma[s.camera_of_point])
    return images.residual, np.asarray((square < AGREES) & ~far_off(normals.size)[s.frame])


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


def _judged(
    s: Sightings, tried: Sightings, knots: Knots, cost: FloatArray, moment: IntArray, sigma: FloatArray, slack: FrameSlack,
    rate_known: BoolArray, acceleration: FloatArray,
) -> Located:  # fmt: skip
    chosen, best, row = _best(tried, knots, cost, moment)
    rows = moment[row]
    chosen, sigma, slack = noise_of(chosen, best, sigma, slack, rounds=1)
    residual, agrees = _judge(chosen, best, sigma)
    kept, variance = chosen.keep(agrees), np.square(sigma)
    if agrees.any():
        images = predict(kept, best)
        _, left = settled(kept, images, sigma)
        variance = variance_of(left[:, None], kept.as_views, sigma, 0.0)
        variance = variance * correction_of(kept, best, images, frame_normals(kept, images, 1 / variance[kept.camera_of_point]))
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
    covariance[rows] = covariance_of(chosen, best, agrees, variance)
    of_point = np.isin(s.moment_of_point, rows)
    all_residual, all_agree = np.full((len(s.frame), 2), np.nan), np.zeros(len(s.frame), dtype=bool)
    all_residual[of_point], all_agree[of_point] = residual, agrees
    noise = np.where(
        np.bincount(s.camera_of_point, minlength=len(s.models)) > 0, np.sqrt(np.maximum(variance, SMALLEST_SIGMA_PX**2)), np.nan
    )
    with_slack = np.zeros_like(s.slack)
    with_slack[np.isin(s.moment, rows)] = chosen.slack
    return Located(
        replace(s, slack=with_slack), Knots(**everywhere), covariance, all_residual, noise, all_agree, outcome,
        rate_known & (outcome == Outcome.LOCATED), acceleration, slack,
    )  # fmt: skip
