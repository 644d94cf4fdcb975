"""The place from which the robot is shown: that of a camera, so that both can be compared, or the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.viewer.view import View, view_from

if TYPE_CHECKING:
    from bodydouble.datasets import Episode
    from bodydouble.viewer.robot_renderer import RobotRenderer

FloatArray = npt.NDArray[np.float64]

FRONT = "front"
FRONT_AZIMUTH, FRONT_ELEVATION = np.radians(30.0), np.radians(12.0)
ELEVATIONS = np.radians([4.0, 28.0])
STANDING_M = 0.6
"""Within this distance the robot counts as standing at one place: the view does not move with it."""
SAMPLES = 24


class RobotView:
    """The view of each frame, near enough to fill a picture of ``size`` (width, height) with the whole motion.

    ``positions`` (T, J) rad in the order of the renderer's robot.
    """

    def __init__(self, episode: Episode, positions: FloatArray, renderer: RobotRenderer, view: str, size: tuple[int, int]) -> None:
        base = episode.trajectory.base_pose
        known = np.flatnonzero(np.isfinite(base).all(axis=1) & np.isfinite(positions).all(axis=1))
        self._size = size
        self._azimuth, self._elevation = _direction(episode, view)
        sampled = known[np.linspace(0, len(known) - 1, min(SAMPLES, len(known))).astype(int)] if len(known) else known
        points = [renderer.points(positions[t], base[t]) for t in sampled]
        self.ground_z = float(np.quantile([p[:, 2].min() for p in points], 0.1)) if points else 0.0
        """Height of the ground (m): where the feet are, but for a few frames in which one may be too low."""
        self._path = _followed(base[:, :3], episode.times_s, known)
        right = np.array([-np.sin(self._azimuth), np.cos(self._azimuth)])
        heights = [p[:, 2].max() - self.ground_z for p in points]
        across = [(p[:, :2] - self._path[t, :2]) @ right for p, t in zip(points, sampled, strict=True)]
        low, high = min((a.min() for a in across), default=-0.5), max((a.max() for a in across), default=0.5)
        self._height = 1.16 * float(max(heights, default=1.8))
        self._width = 1.12 * float(high - low)
        self._path[:, :2] += right * float(low + high) / 2

    def at(self, frame: int) -> View:
        """Return the view of one frame."""
        x, y = self._path[frame, :2]
        target = (float(x), float(y), self.ground_z + 0.46 * self._height)
        return view_from(self._azimuth, self._elevation, target, self._height, self._width, self._size)


def choose_view(episode: Episode) -> str:
    """Return the camera that sees most of the robot's front, or "front" when no camera stands in the room."""
    facing = {}
    for name in _standing_cameras(episode):
        away = _towards_camera(episode, name)[:2]
        facing[name] = float(np.nanmean(_forward(episode) @ (away / max(float(np.linalg.norm(away)), 1e-9))))
    best = max(facing, key=lambda name: facing[name], default=FRONT)
    return best if best != FRONT and np.isfinite(facing[best]) else FRONT


def _direction(episode: Episode, view: str) -> tuple[float, float]:
    """Return azimuth and elevation (rad) of the eye as seen from the robot."""
    if view != FRONT and view in _standing_cameras(episode):
        x, y, z = _towards_camera(episode, view)
        if np.isfinite([x, y, z]).all():
            return float(np.arctan2(y, x)), float(np.clip(np.arctan2(z, np.hypot(x, y)), *ELEVATIONS))
    forward = np.nanmean(_forward(episode), axis=0) if np.isfinite(_forward(episode)).any() else np.array([1.0, 0.0])
    return float(np.arctan2(forward[1], forward[0]) + FRONT_AZIMUTH), float(FRONT_ELEVATION)


def _standing_cameras(episode: Episode) -> tuple[str, ...]:
    """Cameras mounted on what does not move with a person."""
    worn = {"helmet", "backpack", "head", "chest"}
    return tuple(name for name in episode.cameras if episode.rig.camera(name).body not in worn)


def _towards_camera(episode: Episode, name: str) -> FloatArray:
    """Return (3,) m from the robot's mean place to the camera."""
    return np.asarray(episode.rig.camera(name).T_body_camera[:3, 3] - _mean_place(episode))


def _mean_place(episode: Episode) -> FloatArray:
    base = episode.trajectory.base_pose[:, :3]
    known = np.isfinite(base).all(axis=1)
    return np.asarray(base[known].mean(axis=0)) if known.any() else np.full(3, np.nan)


def _forward(episode: Episode) -> FloatArray:
    """Return (T, 2): the base's x axis on the ground."""
    qx, qy, qz, qw = episode.trajectory.base_pose[:, 3:].T
    return np.stack([1 - 2 * (qy**2 + qz**2), 2 * (qx * qy + qz * qw)], axis=1)


def _followed(places: FloatArray, times_s: FloatArray, known: npt.NDArray[np.intp]) -> FloatArray:
    """Return where to look (T, 3) m: one place if the robot stays there, else its path, smoothed over about a second."""
    if len(known) == 0:
        return np.zeros_like(places)
    middle = (places[known].min(axis=0) + places[known].max(axis=0)) / 2
    if np.linalg.norm(np.ptp(places[known, :2], axis=0)) < STANDING_M:
        return np.tile(middle, (len(places), 1)).copy()
    filled = np.stack([np.interp(times_s, times_s[known], places[known, axis]) for axis in range(3)], axis=1)
    weights = np.exp(-(((times_s[:, None] - times_s[None, :]) / 0.5) ** 2))
    return np.asarray(weights @ filled / weights.sum(axis=1, keepdims=True))
