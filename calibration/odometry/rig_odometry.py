"""Visual odometry of a rig on one moving body: where it was at every moment against where it was first, without any map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.localization.moment_poses import Knots
from bodydouble.calibration.localization.rate_estimates import rates_of
from bodydouble.calibration.localization.rig_motion import BodyMotion, Outcome, RigMotion
from bodydouble.calibration.odometry.body_pose import find_pose, refine_pose
from bodydouble.calibration.odometry.carried_points import without_carried
from bodydouble.calibration.odometry.chain import FEWEST_POINTS, LEAST_SHARE, Chain
from bodydouble.calibration.odometry.sights import Sights
from bodydouble.calibration.rig import Rig
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ODOMETRY = "odometry"
"""Name of the world, as ``RigMotion.room``."""
_CHUNK, _LAP = 80, 20
"""Keyframes that are adjusted together at the end, and how many of them the next ones share."""
_SLACK = 3.0
"""By how much the errors of neighbouring frames being alike (a feature that has slid off its corner stays off) makes poses worse than independent
errors would: found on simulated recordings."""


def solve_motion(
    rig: Rig, sights: Sights, times_s: FloatArray, camera_times_s: FloatArray, *,
    tell: Callable[[float], None] = lambda done: None,
) -> RigMotion:  # fmt: skip
    """Return where the body of all cameras of ``sights`` was, in the frame of its own first pose.

    ``times_s`` (T,) of the moments, ``camera_times_s`` (C, T) true times of the frames, NaN where there is none. The scale is that of the distances
    between the cameras. After a gap over which no feature could be followed a new piece starts, which nothing ties to the one before: the longest
    piece is kept, and moments of others are DETACHED. Raises: DataError where no piece has two moments.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return _solve(rig, sights, times_s, camera_times_s, tell)


def _solve(rig: Rig, sights: Sights, times_s: FloatArray, camera_times_s: FloatArray, tell: Callable[[float], None]) -> RigMotion:
    mounted = [rig.camera(name) for name in sights.cameras]
    sights = without_carried(sights)
    chain = Chain(sights, np.stack([camera.T_body_camera for camera in mounted]), times_s, camera_times_s - times_s)
    chain.grow(lambda moment: tell(0.7 * (moment + 1) / sights.moments))
    sizes = np.bincount(chain.piece[chain.piece >= 0]) if (chain.piece >= 0).any() else np.zeros(1)
    longest = int(sizes.argmax())
    if sizes[longest] < 2:
        raise DataError(
            "Visual odometry found no motion: its cameras see too little in common, or too little that stands still, to tell how far things are."
        )
    detached = (chain.piece >= 0) & (chain.piece != longest)
    covariance = np.zeros((sights.moments, 6, 6))
    for _ in range(2 if chain.late else 1):
        own = sights.keyframes[chain.piece[sights.keyframes] == longest]
        covariance[own] = _adjust_all(chain, own)
        agree, own_covariance = _locate_all(chain, longest)
        _learn_rates(chain, times_s, longest)
        tell(0.9)
    good = chain.piece == longest
    covariance = _between_keyframes(covariance, own, times_s) * _SLACK**2
    covariance += own_covariance
    return _motion(rig, chain, times_s, camera_times_s, good, detached, covariance, agree)


def _adjust_all(chain: Chain, keyframes: IntArray) -> FloatArray:
    """Adjust all keyframes of a piece, a long one in parts that overlap, and return the covariance (K, 6, 6) of each against the first."""
    covariance, done = np.zeros((len(keyframes), 6, 6)), 0
    while True:
        first = max(done - _LAP, 0)
        part = keyframes[first : first + _CHUNK]
        held = 1 if first == 0 else _LAP // 2
        found = chain.adjust_keyframes(part, held=held, steps=6, covariance=True)
        new = np.arange(held if first else 0, len(part))
        joint = first + held - 1
        covariance[first + new] = found[new] + (
            _carried_on(covariance[joint], chain.T[keyframes[joint]], chain.T[part[new]]) if first else 0.0
        )
        done = first + len(part)
        if done >= len(keyframes):
            return covariance


def _carried_on(covariance: FloatArray, T_joint: FloatArray, T: FloatArray) -> FloatArray:
    """Return the covariance (n, 6, 6) that an error of one pose gives to later ones: a turn there shifts what is far from it."""
    J = np.zeros((len(T), 6, 6))
    J[:, :3, :3] = np.swapaxes(T[:, :3, :3], 1, 2) @ T_joint[:3, :3]
    J[:, 3:, 3:] = np.eye(3)
    J[:, 3:, :3] = -rotation.hat(T[:, :3, 3] - T_joint[:3, 3]) @ T_joint[:3, :3]
    return np.asarray(J @ covariance @ np.swapaxes(J, 1, 2))


def _locate_all(chain: Chain, piece: int) -> tuple[IntArray, FloatArray]:
    """Locate every moment of a piece once more by the points as they are now, also those that were passed over; return who agrees and how well."""
    moments = chain.sights.moments
    agree, covariance = np.zeros(moments, dtype=np.int64), np.zeros((moments, 6, 6))
    known = np.flatnonzero(chain.piece == piece)
    missed = [m for m in np.flatnonzero(chain.piece < 0) if known[0] - 30 <= m <= known[-1] + 30]
    for moment in [*known, *missed[::-1]]:
        rows = chain.known_rows(int(moment), piece)
        views, points, sigma = chain.views(rows), chain.points.take(chain.sights.point[rows]), chain.sigma_rad(rows)
        if chain.piece[moment] == piece:
            found = refine_pose(chain.T[moment], views, points, sigma)
        else:
            near = np.flatnonzero(chain.piece == piece)
            found = find_pose(chain.T[near[np.abs(near - moment).argmin()]], views, points, sigma)
        if found is None or found.agrees.sum() < max(FEWEST_POINTS, LEAST_SHARE * len(rows)):
            chain.piece[moment], chain.T[moment] = -1, np.nan
            continue
        chain.piece[moment], chain.T[moment] = piece, found.T
        agree[moment], covariance[moment] = found.agrees.sum(), found.covariance
    return agree, covariance


def _learn_rates(chain: Chain, times_s: FloatArray, piece: int) -> tuple[FloatArray, npt.NDArray[np.bool_], tuple[float, float]]:
    rows = np.flatnonzero(chain.piece == piece)
    none = np.zeros((len(rows), 6))
    best = Knots(chain.T[rows], none, none, none, none)
    good = chain.piece == piece
    rates, known, size = rates_of(times_s, len(times_s), rows, best, np.zeros((len(rows), 6, 6)), good, MotionPrior())
    chain.rate[:] = np.where(known[:, None], rates.rate, 0.0)
    return rates.rate, known, (float(size[0]), float(size[1]))


def _between_keyframes(covariance: FloatArray, keyframes: IntArray, times_s: FloatArray) -> FloatArray:
    """Return covariances (T, 6, 6) of all moments from those of keyframes: between two of them, mixed by time."""
    moments = np.arange(len(times_s))
    after = np.clip(np.searchsorted(keyframes, moments), 1, max(len(keyframes) - 1, 1))
    a, b = keyframes[after - 1], keyframes[np.minimum(after, len(keyframes) - 1)]
    share = np.clip((times_s - times_s[a]) / np.maximum(times_s[b] - times_s[a], 1e-9), 0.0, 1.0)[:, None, None]
    return np.asarray((1 - share) * covariance[a] + share * covariance[b])


def _motion(
    rig: Rig, chain: Chain, times_s: FloatArray, camera_times_s: FloatArray, good: npt.NDArray[np.bool_], detached: npt.NDArray[np.bool_],
    covariance: FloatArray, agree: IntArray,
) -> RigMotion:  # fmt: skip
    piece = int(chain.piece[good][0])
    rate, known, acceleration = _learn_rates(chain, times_s, piece)
    seen = np.bincount(chain.sights.moment, minlength=len(times_s)) > 0
    outcome = np.where(good, Outcome.LOCATED, np.where(detached, Outcome.DETACHED, np.where(seen, Outcome.TOO_FEW, Outcome.UNSEEN)))
    body = rig.camera(chain.sights.cameras[0]).body
    motion = BodyMotion(
        times_s, np.where(good[:, None, None], chain.T, np.nan), np.where(good[:, None, None], covariance, np.nan),
        np.where((good & known)[:, None], rate, np.nan), acceleration, (0.0, 0.0), outcome, np.where(good, agree, 0), np.zeros(len(times_s)),
    )  # fmt: skip
    return RigMotion(rig.name, ODOMETRY, {body: motion}, dict.fromkeys(chain.sights.cameras, chain.noise_px), ("pixels",))
