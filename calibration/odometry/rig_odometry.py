"""Visual odometry of a rig on one moving body: where it was at every moment against where it was first, without any map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from bodydouble.calibration.odometry.scale_doubt import scale_doubt
from bodydouble.calibration.odometry.sights import Sights
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.transform import pose_from
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ODOMETRY = "odometry"
"""Name of the world, as ``RigMotion.room``."""
SCALE_SIGMA = "scale_sigma"
"""``RigMotion.provenance``: one standard deviation of the scale as a share of it, which the covariances count (``scale_doubt``)."""
_CHUNK, _LAP = 80, 20
"""Keyframes that are adjusted together at the end, and how many of them the next ones share."""
_SAME_TIME_S = 1e-6
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
    doubt = scale_doubt(chain, longest)
    gone = np.nan_to_num(chain.T[:, :3, 3] - chain.T[np.flatnonzero(good)[0], :3, 3])
    covariance[:, 3:, 3:] += doubt**2 * gone[:, :, None] * gone[:, None, :]
    return _motion(rig, chain, times_s, camera_times_s, good, detached, covariance, agree, doubt)


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
        views, points, sigma = chain.views(rows), chain.points.take(chain.sights.point[rows]), chain.sigma_rad(rows, scaled=False)
        if chain.piece[moment] == piece:
            found = refine_pose(chain.T[moment], views, points, sigma)
        else:
            near = np.flatnonzero(chain.piece == piece)
            found = find_pose(chain.T[near[np.abs(near - moment).argmin()]], views, points, sigma)
        if found is None or found.agrees.sum() < max(FEWEST_POINTS, LEAST_SHARE * len(rows)):
            chain.piece[moment], chain.T[moment] = -1, np.nan
            continue
        chain.piece[moment], chain.T[moment], chain.scale[moment] = piece, found.T, found.scale
        agree[moment], covariance[moment] = found.agrees.sum(), found.covariance
    return agree, covariance


def _learn_rates(chain: Chain, times_s: FloatArray, piece: int) -> tuple[FloatArray, BoolArray, tuple[float, float]]:
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
    rig: Rig, chain: Chain, times_s: FloatArray, camera_times_s: FloatArray, good: BoolArray, detached: BoolArray, covariance: FloatArray, agree: IntArray,
    doubt: float,
) -> RigMotion:  # fmt: skip
    rate, known, acceleration = _learn_rates(chain, times_s, int(chain.piece[good][0]))
    seen = np.bincount(chain.sights.moment, minlength=len(times_s)) > 0
    outcome = np.where(good, Outcome.LOCATED, np.where(detached, Outcome.DETACHED, np.where(seen, Outcome.TOO_FEW, Outcome.UNSEEN)))
    motion = BodyMotion(
        times_s, np.where(good[:, None, None], chain.T, np.nan), np.where(good[:, None, None], covariance, np.nan),
        np.where((good & known)[:, None], rate, np.nan), acceleration, (0.0, 0.0), outcome, np.where(good, agree, 0), np.zeros(len(times_s), dtype=np.int64),
    )  # fmt: skip
    body = rig.camera(chain.sights.cameras[0]).body
    motions = {body: _reaching(motion, camera_times_s)}
    return RigMotion(
        rig.name,
        ODOMETRY,
        motions,
        dict.fromkeys(chain.sights.cameras, chain.noise_px),
        ("pixels",),
        provenance={SCALE_SIGMA: f"{doubt:.4f}"},
    )


def _reaching(motion: BodyMotion, camera_times_s: FloatArray) -> BodyMotion:
    """Return the motion with more moments where a located run starts or ends, so that it reaches the earliest and the latest frame there.

    These frames told the pose like all others, but poses are never extrapolated: without it the first and last frames of cameras that are a little
    out of step would have none.
    """
    times, good = motion.times_s, motion.observed
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8))).reshape(-1, 2)
    ends = [(first, np.nanmin(camera_times_s[:, first])) for first, _ in edges] + [
        (after - 1, np.nanmax(camera_times_s[:, after - 1])) for _, after in edges
    ]
    ends = [(moment, at) for moment, at in ends if abs(at - times[moment]) > _SAME_TIME_S]
    if not ends:
        return motion
    rows = np.concatenate([np.arange(len(times)), [moment for moment, _ in ends]]).astype(np.int64)
    late = np.concatenate([np.zeros(len(times)), [at - times[moment] for moment, at in ends]])
    moved_by = np.nan_to_num(motion.rate[rows]) * late[:, None]
    T = motion.T_room_body[rows]
    T = pose_from(T[:, :3, :3] @ rotation.exp(moved_by[:, :3]), T[:, :3, 3] + moved_by[:, 3:])
    doubt = np.where(np.isfinite(motion.rate[rows]), 0.0, np.repeat(MotionPrior().velocity, 3)) * late[:, None]
    covariance = motion.covariance[rows] + np.eye(6) * np.square(doubt)[:, None, :]
    order = np.argsort(times[rows] + late, kind="stable")
    arrays = {name: getattr(motion, name)[rows][order] for name in ("rate", "outcome", "points", "targets")}
    return replace(motion, times_s=(times[rows] + late)[order], T_room_body=T[order], covariance=covariance[order], **arrays)
