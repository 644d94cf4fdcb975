"""What the cameras of a helmet would follow in a room: projected points, not rendered images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig, preset_rig, rotation
from bodydouble.calibration.cameras.camera_model import contains
from bodydouble.calibration.odometry.sights import Sights
from bodydouble.calibration.transform import apply, invert, pose_from

FloatArray = npt.NDArray[np.float64]
PERIOD_S = 1 / 30


@dataclass(frozen=True)
class Simulated:
    rig: Rig
    sights: Sights
    times_s: FloatArray
    camera_times_s: FloatArray
    T_world_body: FloatArray


def head_at(times_s: npt.ArrayLike) -> FloatArray:
    """Return poses (..., 4, 4) of a head that looks about and sways."""
    t = np.asarray(times_s, dtype=np.float64)
    turn = np.stack([0.05 * np.sin(1.3 * t), 0.2 * np.sin(1.7 * t), 0.6 * np.sin(0.9 * t)], axis=-1)
    place = np.stack([0.15 * np.sin(1.1 * t), 0.12 * np.sin(0.8 * t), 1.6 + 0.03 * np.sin(2 * t)], axis=-1)
    return pose_from(rotation.exp(turn), place)


def room_points(count: int, seed: int = 0) -> FloatArray:
    """Return points (count, 3) on floor and walls of a room of 5 by 4 by 2.6 m around the origin, and on a table."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2.5, -2.0, 0.0], [2.5, 2.0, 2.6], (count, 3))
    side = rng.integers(0, 6, count)
    for number, (axis, value) in enumerate([(2, 0.0), (0, 2.5), (0, -2.5), (1, 2.0), (1, -2.0)]):
        points[side == number, axis] = value
    table = side == 5
    points[table] = rng.uniform([0.3, -0.6, 0.75], [1.1, 0.6, 0.75], (int(table.sum()), 3))
    return points


def simulate(
    *, moments: int = 40, keyframe_every: int = 6, noise_px: float = 0.2, points: FloatArray | None = None, late_s: tuple[float, ...] | None = None,
    blind: tuple[int, int] = (0, 0), forgets: bool = False, motion: Callable[[npt.ArrayLike], FloatArray] = head_at, moving: int = 0, carried: int = 0,
    outliers: float = 0.0, cameras: tuple[str, ...] | None = None, seed: int = 0,
) -> Simulated:  # fmt: skip
    """Return what is followed: each camera has its own features, and at keyframes each is also found in one other camera that sees it.

    ``blind``: moments without sights, after which features go on or, with ``forgets``, all are new. ``moving`` points go their own way, ``carried``
    ones stay before the head.
    """
    rng = np.random.default_rng(seed)
    rig = preset_rig("optimus-helmet5")
    rig = rig.select(cameras or rig.names)
    points = room_points(900, seed) if points is None else points
    times = PERIOD_S * np.arange(moments)
    camera_times = times + np.array(late_s or [0.0] * len(rig.names))[:, None]
    own = rng.integers(0, len(rig.names), len(points))
    walk = np.cumsum(rng.normal(0, 0.01, (moments, moving, 3)), axis=0)
    at_chest = rng.uniform([0.1, -0.3, -0.5], [0.3, 0.3, -0.35], (carried, 3))
    rows: list[tuple[int, int, FloatArray, FloatArray]] = []
    keyframes = np.unique([*range(0, moments, keyframe_every), moments - 1])
    for m in range(moments):
        if blind[0] <= m < blind[1]:
            continue
        for c, camera in enumerate(rig.cameras.values()):
            T = motion(camera_times[c, m])
            now = np.concatenate([points, apply(T, at_chest)])
            now[:moving] += walk[m]
            pixels = camera.model.project(apply(invert(T @ camera.T_body_camera), now))
            other = (np.concatenate([own, np.zeros(carried, dtype=int)]) == c) | ((m in keyframes) & (rng.uniform(size=len(now)) < 0.4))
            seen = contains(camera.model, pixels) & other
            wrong = rng.uniform(size=len(now)) < outliers
            pixels = pixels + rng.normal(0, noise_px, pixels.shape) + wrong[:, None] * rng.normal(0, 60, pixels.shape)
            seen &= contains(camera.model, pixels)
            number = np.flatnonzero(seen) + (len(now) if forgets and m >= blind[1] else 0)
            rows.append((m, c, number, pixels[seen]))
    rays, sigmas = [], []
    for _, c, _, pixels in rows:
        ray, J = rig.cameras[rig.names[c]].model.rays_jacobian(pixels)
        rays.append(ray)
        sigmas.append(np.sqrt(0.5 * np.einsum("nij,nij->n", J, J)))
    sights = Sights(
        moments, rig.names, np.concatenate([np.full(len(n), m) for m, _, n, _ in rows]), np.concatenate([np.full(len(n), c) for _, c, n, _ in rows]),
        np.concatenate([n for _, _, n, _ in rows]), np.concatenate(rays), np.concatenate(sigmas), keyframes,
    )  # fmt: skip
    return Simulated(rig, sights, times, camera_times, motion(times))
