"""Which way a forearm points from the wrist, seen in the images around it: no landmark model is asked.

Head-worn cameras show forearms well but no whole person, so pose models cannot be used. Here directions on a grid are compared: each stands for a
tapered capsule, whose projections must be unlike their surroundings on both sides and alike along and in every camera (``limb_contrast``). The
weights of these features are those of a conditional logit (McFadden 1974) between the directions, so that the scores are a posterior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.limb_contrast import View, limb_features
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

FloatArray = npt.NDArray[np.float64]

_STATIONS = np.linspace(0.25, 1.0, 7)
"""Shares of the forearm, from the wrist, that are compared; nearer there is the hand's own edge or a cuff."""
_PARTS = (0, 2, 4)
"""First station of each part of the forearm. The parts have weights of their own: the near one may be bare, the far one is often hidden."""
_RADIUS_M = (0.030, 0.014)
"""At the wrist, and what is added up to the elbow."""
_UPPER_ARM = np.linspace(0.3, 1.0, 5)
"""Shares of the upper arm, from the elbow, at which it may hide the forearm."""
_SPACING_DEG, _COARSE_DEG = 5.0, 10.0
_REFINED = 60
"""Directions of the fine grid that are looked at; the others share the score of the coarse direction next to them."""
_MAX_FLEXION, _MAX_DEVIATION, _MAX_REACH_M = math.radians(90), math.radians(55), 0.13
_FLEXION_SIGMA, _DEVIATION_SIGMA, _NEAR_SIGMA, _REACH_SIGMA_M = 0.55, 0.40, 0.35, 0.07
"""Of the prior: wide, since it only says where to look. A fit that uses the result has posture priors of its own."""
_PEAK_RAD = math.radians(12)
_PEAKS = 40
"""Directions, the likeliest first, that may be the middle of the peak."""
_TAILS = 4.0
"""Degrees of freedom of the Student's t that is laid through the posterior: far, unlikely directions widen a Gaussian too much."""
_CLEARANCE_M = 0.10
_LEAST_PEAK, _WORST_SIGMA = 0.2, 0.2
"""An answer whose peak holds less of the posterior, or whose better known axis has a greater deviation in rad, is none."""
_WEIGHTS = np.array(
    [
        [2.3, -1.5, 0.4, 2.0, -1.3, -1.3, -2.4, -2.0],
        [2.7, -1.8, -0.8, -1.9, -1.5, -2.0, -2.6, -2.5],
        [2.0, -1.6, 3.6, -1.9, -1.2, 0.2, -1.1, -1.7],
    ]
)
"""(part, feature) of ``limb_contrast.FEATURES``; tests/benchmarks/forearm_direction.py --train finds them from simulated recordings."""


@dataclass(frozen=True)
class Forearm:
    """The direction of a forearm as the images tell it. Arrays are read-only."""

    direction: FloatArray
    """(3,) unit vector from wrist to elbow."""
    information: FloatArray
    """(3, 3) inverse covariance of the direction in 1/rad^2, zero along the direction itself. What the prior told is taken out, so an axis that the
    images leave open has none."""
    peak: float
    """Share of the posterior within 12 degrees of its peak; the rest is ambiguity."""
    gain_nats: float
    """How much the images told beyond the prior (Kullback-Leibler divergence)."""
    views: tuple[int, ...]
    """Indices of the views that show the wrist, or the middle of a forearm straight behind the hand."""

    def __post_init__(self) -> None:
        freeze_arrays(self, {"direction": ((3,), np.float64), "information": ((3, 3), np.float64)})

    @property
    def sigmas(self) -> tuple[float, float]:
        """Standard deviations in rad along the better and the worse known axis across the direction; inf for one left open."""
        _, worse, better = np.linalg.eigvalsh(self.information)
        return _deviation(better), _deviation(worse)


@dataclass(frozen=True)
class Candidates:
    """Directions that a forearm may have, and what prior and images say of each."""

    directions: FloatArray
    """(H, 3)."""
    log_prior: FloatArray
    """(H,) before any image, up to a constant."""
    log_likelihood: FloatArray
    """(H,) of the images, up to a constant."""
    views: tuple[int, ...]
    features: npt.NDArray[np.float32] | None = None
    """(H, C, thickness, part, feature) of ``limb_contrast``, where asked for: to find the weights."""


def find_forearm(
    views: Sequence[View],
    wrist: FloatArray,
    hand: FloatArray,
    side: str,
    *,
    shoulder: FloatArray | None = None,
    forearm_m: float = TYPICAL_LENGTHS["forearm"],
    upper_arm_m: float | None = None,
    near: FloatArray | None = None,
    least_gain_nats: float = 0.7,
) -> Forearm | None:
    """Return which way the forearm points, or None where the images do not tell.

    ``wrist`` (3,) and ``hand`` (21, 3) in MediaPipe's order, ``shoulder`` (3,) within about 7 cm, ``near`` (3,) direction a moment ago: all in the
    views' common frame, in m. ``side`` is "left" or "right". ``upper_arm_m`` is in proportion to the forearm unless given. Views should be ``reduced``.
    """
    found = candidates(views, wrist, hand, side, shoulder=shoulder, forearm_m=forearm_m, upper_arm_m=upper_arm_m, near=near)
    return None if found is None else summarise(found, least_gain_nats)


def candidates(
    views: Sequence[View],
    wrist: FloatArray,
    hand: FloatArray,
    side: str,
    *,
    shoulder: FloatArray | None = None,
    forearm_m: float = TYPICAL_LENGTHS["forearm"],
    upper_arm_m: float | None = None,
    near: FloatArray | None = None,
    keep_features: bool = False,
) -> Candidates | None:
    """Return the directions within reach and their scores; None where no view shows the place or the hand has no shape. See ``find_forearm``."""
    R = _hand_axes(hand, side)
    if R is None:
        return None
    middle = wrist + 0.5 * forearm_m * R[0]
    shown = tuple(number for number, view in enumerate(views) if _shows(view, wrist) or _shows(view, middle))
    if not shown:
        return None
    fine, parents, coarse = _grid()
    log_prior = _posture_prior(fine)
    directions = fine @ R
    if shoulder is not None:
        upper = upper_arm_m or forearm_m * TYPICAL_LENGTHS["upper_arm"] / TYPICAL_LENGTHS["forearm"]
        beyond = np.linalg.norm(wrist + forearm_m * directions - shoulder, axis=1) - upper
        log_prior = np.where(np.abs(beyond) < _MAX_REACH_M, log_prior - 0.5 * (beyond / _REACH_SIGMA_M) ** 2, -np.inf)
    log_prior = np.where(_clear_of_cameras(views, wrist, forearm_m * directions), log_prior, -np.inf)
    kept = np.isfinite(log_prior)
    if not kept.any():
        return None
    directions, parents, log_prior = directions[kept], parents[kept], log_prior[kept]
    if near is not None:
        log_prior = log_prior - 0.5 * (np.arccos(np.clip(directions @ near, -1.0, 1.0)) / _NEAR_SIGMA) ** 2

    place = _Place([views[number] for number in shown], wrist, forearm_m, shoulder)
    if keep_features:
        features = place.features(directions)
        return Candidates(directions, log_prior, image_scores(features), shown, features)
    looked_at, row = np.unique(parents, return_inverse=True)
    log_likelihood = image_scores(place.features(coarse[looked_at] @ R, 2))[row]
    most = np.full(len(looked_at), -np.inf)
    np.maximum.at(most, row, log_likelihood + log_prior)
    rank = np.empty(len(looked_at), dtype=int)
    rank[np.argsort(-most)] = np.arange(len(looked_at))
    refined = np.argsort(rank[row], kind="stable")[:_REFINED]
    log_likelihood[refined] = image_scores(place.features(directions[refined]))
    return Candidates(directions, log_prior, log_likelihood, shown)


@dataclass(frozen=True)
class _Place:
    """Where the limb hangs."""

    views: list[View]
    wrist: FloatArray
    forearm_m: float
    shoulder: FloatArray | None

    def features(self, directions: FloatArray, every: int = 1) -> npt.NDArray[np.float32]:
        """Return the features of forearms in ``directions`` (H, 3), compared at ``every`` station, second, ..."""
        shares = _STATIONS[::every]
        stations = self.wrist + directions[:, None] * (self.forearm_m * shares)[:, None]
        behind = None
        if self.shoulder is not None:
            elbows = (self.wrist + self.forearm_m * directions)[:, None]
            behind = elbows + (self.shoulder - elbows) * _UPPER_ARM[:, None]
        return limb_features(self.views, stations, _RADIUS_M[0] + _RADIUS_M[1] * shares, behind, [first // every for first in _PARTS])


def image_scores(features: npt.NDArray[np.float32]) -> FloatArray:
    """Return the log likelihood (H,), up to a constant, of features (H, C, thickness, part, feature): of views together and any thickness."""
    each = np.einsum("hctpk,pk->ht", features, _WEIGHTS, dtype=np.float64)
    top = each.max(axis=1)
    return np.asarray(top + np.log(np.exp(each - top[:, None]).sum(axis=1)))


def summarise(found: Candidates, least_gain_nats: float) -> Forearm | None:
    """Return the peak of the posterior with its information; None where the images told less than ``least_gain_nats``."""
    posterior, prior = _softmax(found.log_likelihood + found.log_prior), _softmax(found.log_prior)
    gain = float(np.sum(posterior * np.log(np.maximum(posterior, 1e-300) / np.maximum(prior, 1e-300))))
    if gain < least_gain_nats:
        return None
    likely = np.argsort(-posterior)[:_PEAKS]
    near = found.directions[likely] @ found.directions.T > math.cos(_PEAK_RAD)
    share = near @ posterior
    best = int(share.argmax())
    start = (posterior * near[best]) @ found.directions
    start = start / np.linalg.norm(start)
    axes = _across(start)
    points = _flat(found.directions, start, axes)
    some = posterior > 1e-6
    mean, scatter = _student(points[some], posterior[some])
    off = points - mean
    information = np.linalg.inv(scatter) - np.linalg.inv((off * prior[:, None]).T @ off)
    values, vectors = np.linalg.eigh(information)
    if share[best] < _LEAST_PEAK or values[-1] < _WORST_SIGMA**-2:
        return None
    moved = mean @ axes
    length = float(np.linalg.norm(moved))
    direction = math.cos(length) * start + np.sinc(length / math.pi) * moved
    # The axes at the start serve at the peak: it is at most a few degrees away.
    spread = ((vectors * np.maximum(values, 0.0)) @ vectors.T @ axes).T @ axes
    level = np.eye(3) - np.outer(direction, direction)
    return Forearm(direction, level @ spread @ level, float(share[best]), gain, found.views)


def _student(points: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return location (2,) and scatter (2, 2) of Student's t through weighted points (H, 2), by EM (Liu and Rubin 1995), the grid's spacing added."""
    mean, scatter = np.zeros(2), _PEAK_RAD**2 / 2 * np.eye(2)
    for _ in range(8):
        off = points - mean
        w = weights * (_TAILS + 2) / (_TAILS + np.einsum("hi,ij,hj->h", off, np.linalg.inv(scatter), off))
        mean = w @ points / w.sum()
        off = points - mean
        scatter = (off * w[:, None]).T @ off + (math.radians(_SPACING_DEG) / 3) ** 2 * np.eye(2)
    return mean, scatter


@cache
def _grid() -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray]:
    """Return directions (N, 3) in the hand's axes over the wrist's range, and for each the row of the nearest of fewer ones (M, 3)."""
    fine, coarse = _lattice(_SPACING_DEG), _lattice(_COARSE_DEG)
    return fine, (fine @ coarse.T).argmax(axis=1), coarse


def _lattice(spacing_deg: float) -> FloatArray:
    """Return directions evenly spread over the wrist's range (a Fibonacci lattice of the sphere)."""
    count = int(4 * math.pi / math.radians(spacing_deg) ** 2 * 2 / math.sqrt(3))
    number = np.arange(count) + 0.5
    z = 1 - 2 * number / count
    angle = math.pi * (1 + math.sqrt(5)) * number
    radius = np.sqrt(1 - z**2)
    all_round = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    flexion, deviation = _wrist_angles(all_round)
    return all_round[(np.abs(flexion) < _MAX_FLEXION) & (np.abs(deviation) < _MAX_DEVIATION)]


def _wrist_angles(local: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.arctan2(local[:, 2], local[:, 0]), np.arcsin(local[:, 1])


def _posture_prior(local: FloatArray) -> FloatArray:
    flexion, deviation = _wrist_angles(local)
    return np.asarray(-0.5 * ((flexion / _FLEXION_SIGMA) ** 2 + (deviation / _DEVIATION_SIGMA) ** 2))


def _hand_axes(hand: FloatArray, side: str) -> FloatArray | None:
    """Return (3, 3) rows: from the knuckles to the wrist, towards the thumb, across the palm; None if the hand has no shape."""
    back = hand[0] - hand[[5, 9, 13, 17]].mean(axis=0)
    normal = np.cross(back, hand[5] - hand[17])
    if not np.isfinite(normal).all() or np.linalg.norm(normal) < 1e-6:
        return None
    back = back / np.linalg.norm(back)
    normal = normal / np.linalg.norm(normal)
    sign = 1.0 if side == "left" else -1.0
    return np.stack([back, np.cross(normal, back), sign * normal])


def _shows(view: View, point: FloatArray) -> bool:
    if not np.isfinite(view.T_frame_camera).all() or not np.isfinite(point).all():
        return False
    u, v = view.model.project((point - view.T_frame_camera[:3, 3]) @ view.T_frame_camera[:3, :3])
    width, height = view.model.image_size
    return bool(0 <= u <= width - 1 and 0 <= v <= height - 1)


def _clear_of_cameras(views: Sequence[View], wrist: FloatArray, forearms: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which forearms (H, 3) from the wrist to the elbow keep away from every camera: next to one nearly all directions look alike."""
    clear = np.ones(len(forearms), dtype=bool)
    for view in views:
        to_camera = view.T_frame_camera[:3, 3] - wrist
        share = np.clip(forearms @ to_camera / (forearms**2).sum(axis=1), 0.0, 1.0)
        clear &= ~(np.linalg.norm(to_camera - share[:, None] * forearms, axis=1) < _CLEARANCE_M)
    return clear


def _softmax(scores: FloatArray) -> FloatArray:
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def _across(direction: FloatArray) -> FloatArray:
    """Return two unit vectors (2, 3) across a direction."""
    first = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    first = first / np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first)])


def _flat(directions: FloatArray, around: FloatArray, axes: FloatArray) -> FloatArray:
    """Return directions (H, 3) as points (H, 2) in rad on the plane that touches the sphere at ``around`` (azimuthal equidistant)."""
    angle = np.arccos(np.clip(directions @ around, -1.0, 1.0))
    return (directions @ axes.T) / np.maximum(np.sinc(angle / math.pi), 1e-3)[:, None]


def _deviation(information: float) -> float:
    return 1.0 / math.sqrt(information) if information > 1e-9 else math.inf
