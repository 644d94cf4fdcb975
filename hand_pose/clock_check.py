"""How far each camera's clock is off, by what a fitted person shows: a late frame shows a moving hand further on its way.

A camera that takes its frames ``dt`` later than claimed sees every landmark displaced by ``dt`` times the landmark's apparent velocity, that of the
camera's own motion included. The fit has given way to such a camera, so what it left over is too little: every landmark of every frame gets a free
correction beside the clocks, which is eliminated (Schur complement), and what counts is only in what way the cameras disagree. Each camera's mount may be
off by a small turn besides. Only differences between clocks show, so they are told against the camera in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LEFT_HAND, MAIN_JOINTS, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.observations import Observations

FloatArray = npt.NDArray[np.float64]

USED = np.array([*MAIN_JOINTS, *(hand.start + point for hand in (LEFT_HAND, RIGHT_HAND) for point in (0, 2, 4, 5, 8, 9, 12, 17))])
"""Main joints, wrists, knuckles and tips: their neighbours move with them and err with them."""
MOST_FRAMES = 3000
"""Of a longer recording every k-th frame is used."""
PRIOR_S = 0.05
"""Expected size of a clock's error before anything is seen."""
POINT_M, TURN_RAD = 0.1, 0.03
"""Expected size of the corrections of landmarks and of mounts."""
WIDENINGS = (4.0, 2.0, 1.0, 1.0)
"""Factors on the expected error, a pass each, from which a residual counts as an outlier: a bad clock's are large at first."""
OUTLYING = 2.5
TREND_S = 2.0
"""What a camera is off by on average over this time at a landmark is the detector's habit in that pose, not its clock."""
BLOCK_S = 0.25
"""Errors of landmarks last this long: blocks of it are taken to be independent."""
SIGMA_FACTOR = 2.0
"""On six sound recordings clocks differ by up to three of the sigmas that the blocks tell: detectors have habits that last longer."""
LEAST_BLOCKS = 4
LARGEST_SIGMA_S = 0.02
"""A clock that is less well known than this is not known."""
SURE_SIGMA_S = 0.004
"""A clock that is as well known as this is judged."""
PARAMETERS = 4
"""A camera: clock, three turns."""


@dataclass(frozen=True)
class ClockOffsets:
    """True minus claimed time of each camera's frames, against the camera in the middle. Arrays are read-only; NaN where nothing tells."""

    cameras: tuple[str, ...]
    offset_s: FloatArray
    """(C,) to be added to ``time_offset_s`` of rig.toml."""
    sigma_s: FloatArray
    """(C,) one standard deviation."""

    def __post_init__(self) -> None:
        freeze_arrays(self, {name: ((len(self.cameras),), np.float64) for name in ("offset_s", "sigma_s")})

    @property
    def largest_sure_s(self) -> float:
        """The largest offset, without its sign, of the cameras whose clock is known to ``SURE_SIGMA_S``; NaN if there is none."""
        sure = self.sigma_s <= SURE_SIGMA_S
        return float(np.abs(self.offset_s[sure]).max()) if sure.any() else float("nan")

    def as_dict(self) -> dict[str, dict[str, float | None]]:
        """Return camera to ``offset_ms`` and ``sigma_ms`` for JSON, None where nothing tells."""
        rows = zip(self.cameras, 1e3 * self.offset_s, 1e3 * self.sigma_s, strict=True)
        return {
            name: {"offset_ms": float(offset), "sigma_ms": float(sigma)}
            if np.isfinite(offset)
            else {"offset_ms": None, "sigma_ms": None}
            for name, offset, sigma in rows
        }  # fmt: skip


def clock_offsets(motion: HumanMotion, landmarks: Landmarks, rig: Rig) -> ClockOffsets:
    """Estimate from a fit of ``landmarks`` how late each camera's clock is. A camera beside which no other sees the same moving landmarks is NaN."""
    cameras = landmarks.cameras
    unknown = ClockOffsets(cameras, np.full(len(cameras), np.nan), np.full(len(cameras), np.nan))
    if motion.frames < 3 or len(cameras) < 2:
        return unknown
    poses = motion.camera_poses
    if poses is None:
        poses = CameraPoses.static(rig, cameras, motion.frames).T_world_camera
    sided = landmarks.exchanged(motion.relabelled == 1)
    step = -(-motion.frames // MOST_FRAMES)
    rays = _Rays.of(Observations.of(sided, rig, CameraPoses(cameras, poses, cameras)), poses, landmarks.times_s, step)
    tracks = [_Track.of(motion, poses[row], landmarks.times_s[row]) for row in range(len(cameras))]
    x, covariance = np.zeros(PARAMETERS * len(cameras)), np.zeros((0, 0))
    trust = np.ones(rays.weight.shape)
    scale = 1.0
    for widen in WIDENINGS:
        system = _System.of(rays, tracks, x, trust)
        if system.blocks < LEAST_BLOCKS:
            return unknown
        x, covariance, left = system.solve(x)
        length = np.linalg.norm(left, axis=-1)
        there = rays.weight > 0
        scale = max(float(np.median(length[there])) / 1.18, 1e-3)
        trust = 1.0 / (1.0 + (length / (OUTLYING * widen * scale)) ** 2)
    return _against_the_middle(cameras, x[::PARAMETERS], covariance[::PARAMETERS, ::PARAMETERS])


@dataclass(frozen=True)
class _Rays:
    """What C cameras saw of N landmarks in F frames, where two or more saw them."""

    frames: npt.NDArray[np.intp]
    """(F,) rows of the motion."""
    times_s: FloatArray
    """(C, F)."""
    rotation: FloatArray
    """(C, F, 3, 3) from the camera to the world."""
    direction: FloatArray
    """(C, F, N, 3) unit vectors in the camera, zero where not seen."""
    weight: FloatArray
    """(C, F, N) 1 / rad^2, zero where not seen."""

    @classmethod
    def of(cls, seen: Observations, poses: FloatArray, times_s: FloatArray, step: int) -> _Rays:
        frames = np.arange(0, seen.frames, step)
        rotation = poses[:, frames, :3, :3]
        direction = np.einsum("ctji,ctnj->ctni", rotation, seen.rays[:, frames][:, :, USED])
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = seen.weight[:, frames][:, :, USED] / seen.sigma_rad[:, frames][:, :, USED] ** 2
        weight = np.where(np.isfinite(direction).all(axis=-1), np.nan_to_num(weight, posinf=0.0), 0.0)
        weight = np.where((weight > 0).sum(axis=0) >= 2, weight, 0.0)
        return cls(frames, times_s[:, frames], np.nan_to_num(rotation), np.nan_to_num(direction), weight)


@dataclass(frozen=True)
class _Track:
    """The fitted landmarks as one camera would see them at any time."""

    times_s: FloatArray
    """(K,) ascending."""
    points: FloatArray
    """(K, N, 3) in the camera."""

    @classmethod
    def of(cls, motion: HumanMotion, poses: FloatArray, times_s: FloatArray) -> _Track:
        known = np.isfinite(times_s) & np.isfinite(poses[:, 0, 0])
        points = _at(motion.times_s, motion.landmarks[:, USED], times_s[known])
        away = points - poses[known][:, None, :3, 3]
        return cls(times_s[known], np.einsum("tji,tnj->tni", poses[known][:, :3, :3], away))

    def at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return points and velocities (F, N, 3) at times (F,), NaN where not known."""
        if len(self.times_s) < 3:
            nowhere = np.full((len(times_s), len(USED), 3), np.nan)
            return nowhere, nowhere
        velocity = np.gradient(self.points, self.times_s, axis=0)
        gaps = np.gradient(self.times_s) > 3 * np.median(np.diff(self.times_s))
        velocity[gaps] = np.nan
        return _at(self.times_s, self.points, times_s), _at(self.times_s, velocity, times_s)


@dataclass(frozen=True)
class _System:
    """Normal equations of the clocks and turns, block of time by block of time, with the landmarks eliminated."""

    information: FloatArray
    """(B, P, P)."""
    gradient: FloatArray
    """(B, P)."""
    residual: FloatArray
    """(C, F, N, 3) in sigmas, before."""
    design: FloatArray
    """(C, F, N, 3, 4) in sigmas."""
    inverse: FloatArray
    """(F, N, 3, 3) inverse information of the landmarks."""
    lever: FloatArray
    """(C, F, N, 3, 3) what a landmark's correction does to a residual, in sigmas."""
    root_trust: FloatArray
    """(C, F, N)."""

    @property
    def blocks(self) -> int:
        """Blocks of time in which anything was seen."""
        return len(self.information)

    @classmethod
    def of(cls, rays: _Rays, tracks: list[_Track], x: FloatArray, trust: FloatArray) -> _System:
        cameras = len(tracks)
        residual, design, lever = (np.zeros((*rays.weight.shape, 3, *more)) for more in ((), (PARAMETERS,), (3,)))
        weight = rays.weight * trust
        for row, track in enumerate(tracks):
            clock, turn = x[PARAMETERS * row], x[PARAMETERS * row + 1 : PARAMETERS * (row + 1)]
            points, velocity = track.at(rays.times_s[row] + clock)
            distance = np.linalg.norm(points, axis=-1)
            usable = np.isfinite(velocity).all(axis=-1) & (distance > 0.05)
            weight[row] = np.where(usable, weight[row], 0.0)
            distance = np.where(usable, distance, 1.0)[..., None]
            ahead = np.where(usable[..., None], points, [0.0, 0.0, 1.0]) / distance
            ahead = ahead + np.cross(turn, ahead)
            ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
            across = np.eye(3) - ahead[..., :, None] * ahead[..., None, :]
            moved = np.where(usable[..., None], velocity, 0.0)[..., None] / distance[..., None]
            turned = np.stack([np.cross(axis, ahead) for axis in np.eye(3)], axis=-1)
            root = np.sqrt(rays.weight[row])[..., None]
            off = np.einsum("fnij,fnj->fni", across, rays.direction[row] - ahead)[..., None]
            by = np.einsum("fnij,fnjk->fnik", across, np.concatenate([moved, turned], axis=-1))
            both = np.concatenate([off, by], axis=-1)
            both = both - _running_mean(both, weight[row], rays.times_s[row])
            residual[row], design[row] = root * both[..., 0], root[..., None] * both[..., 1:]
            lever[row] = root[..., None] * np.einsum("fnij,fkj->fnik", across / distance[..., None], rays.rotation[row])
        root_trust = np.where(weight > 0, np.sqrt(trust), 0.0) * (np.sum(weight > 0, axis=0) >= 2)
        weighted = root_trust[..., None, None]
        pull, push, point = residual * root_trust[..., None], design * weighted, lever * weighted
        inverse = np.linalg.inv(np.einsum("cfnij,cfnik->fnjk", point, point) + np.eye(3) / POINT_M**2)
        on_point = np.einsum("cfnij,cfni->fnj", point, pull)
        cross = np.einsum("cfnij,cfnik->fncjk", point, push)
        mixed = np.einsum("fnjk,fnckl->fncjl", inverse, cross)
        P = PARAMETERS * cameras
        eye = np.eye(cameras)
        information = np.einsum("cfnij,cfnik,cd->fcjdk", push, push, eye) - np.einsum("fncjk,fndjl->fckdl", mixed, cross)
        gradient = np.einsum("cfnij,cfni->fcj", push, pull) - np.einsum("fncjk,fnj->fck", mixed, on_point)
        times = np.nanmean(np.where(np.isfinite(rays.times_s), rays.times_s, np.nan), axis=0)
        block = np.floor((times - np.nanmin(times)) / BLOCK_S)
        numbers = [number for number in np.unique(block) if root_trust[:, block == number].any()]
        whole = [
            (information[block == n].sum(axis=0).reshape(P, P), gradient[block == n].sum(axis=0).reshape(P)) for n in numbers
        ]  # fmt: skip
        return cls(
            np.array([item[0] for item in whole]).reshape(-1, P, P), np.array([item[1] for item in whole]).reshape(-1, P),
            residual, design, inverse, lever, root_trust,
        )  # fmt: skip

    def solve(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the parameters, their covariance (sandwich of independent blocks, White 1982) and the residuals that are left, in sigmas."""
        prior = np.tile([PRIOR_S**-2.0, *[TURN_RAD**-2.0] * 3], len(self.residual))
        total = self.information.sum(axis=0) + np.diag(prior)
        inverse = np.linalg.inv(total)
        step = inverse @ (self.gradient.sum(axis=0) - prior * x)
        score = self.gradient - self.information @ step
        spread = score.T @ score * len(score) / max(len(score) - 2, 1)
        covariance = inverse @ (SIGMA_FACTOR**2 * spread + np.diag(prior)) @ inverse
        after = self.residual - np.einsum("cfnij,cj->cfni", self.design, step.reshape(len(self.residual), PARAMETERS))
        weighted = self.root_trust[..., None]
        shift = np.einsum("fnij,cfnki,cfnk->fnj", self.inverse, self.lever, after * weighted**2)
        return x + step, covariance, after - np.einsum("cfnij,fnj->cfni", self.lever, shift)


def _against_the_middle(cameras: tuple[str, ...], clock_s: FloatArray, covariance: FloatArray) -> ClockOffsets:
    """Return clocks against that of the camera in the middle of those that are known against each other."""
    known = np.ones(len(cameras), dtype=bool)
    sigma = np.full(len(cameras), np.nan)
    while known.sum() >= 2:
        rows = np.flatnonzero(known)
        from_mean = np.eye(len(rows)) - 1.0 / len(rows)
        own = np.sqrt(np.diag(from_mean @ covariance[np.ix_(rows, rows)] @ from_mean))
        if own.max() <= LARGEST_SIGMA_S:
            sigma[rows] = own
            break
        known[rows[np.argmax(own)]] = False
    offset = np.full(len(cameras), np.nan)
    if np.isfinite(sigma).any():
        rows = np.flatnonzero(known)
        offset[rows] = clock_s[rows] - np.sort(clock_s[rows])[(len(rows) - 1) // 2]
    return ClockOffsets(cameras, offset, sigma)


def _at(times_s: FloatArray, values: FloatArray, when_s: FloatArray) -> FloatArray:
    """Return values (K, ...) at other times (F,) by straight lines, those at the ends beyond them; NaN at times that are not known."""
    if len(times_s) < 2:
        return np.repeat(values[:1], len(when_s), axis=0) if len(values) else np.full((len(when_s), *values.shape[1:]), np.nan)
    right = np.clip(np.searchsorted(times_s, np.nan_to_num(when_s)), 1, len(times_s) - 1)
    span = times_s[right] - times_s[right - 1]
    share = np.clip((when_s - times_s[right - 1]) / span, 0.0, 1.0).reshape(-1, *[1] * (values.ndim - 1))
    found: FloatArray = (1.0 - share) * values[right - 1] + share * values[right]
    return found


def _running_mean(values: FloatArray, weight: FloatArray, times_s: FloatArray) -> FloatArray:
    """Return the weighted means of values (F, N, 3, K) over ``TREND_S`` around each time (F,), weight (F, N); zero where nothing is weighed."""
    when = np.interp(np.arange(len(times_s)), np.flatnonzero(np.isfinite(times_s)), times_s[np.isfinite(times_s)])
    first, last = np.searchsorted(when, when - TREND_S / 2), np.searchsorted(when, when + TREND_S / 2, side="right")

    def summed(array: FloatArray) -> FloatArray:
        running = np.concatenate([np.zeros((1, *array.shape[1:])), np.cumsum(array, axis=0)])
        found: FloatArray = running[last] - running[first]
        return found

    share = weight[..., None, None]
    mean: FloatArray = summed(values * share) / np.maximum(summed(share), 1e-12)
    return mean
