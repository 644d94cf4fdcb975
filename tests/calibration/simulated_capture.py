"""Simulated captures with known truth: cameras on a moving person see tags in a room, or static cameras see a board that is moved.

Points are projected, not rendered: what is simulated is geometry, clocks, noise of corners, and what is in view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import PinholeCamera, rotation
from bodydouble.calibration.boards.board import Board, Targets
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.cameras.camera_model import CameraModel, contains
from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.calibration.presets import BACKPACK, HELMET
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import apply, invert, pose_from

FloatArray = npt.NDArray[np.float64]
Motion = Callable[[npt.ArrayLike], FloatArray]
"""True times (...) in s to poses (..., 4, 4) in the room."""

TAG_M = 0.16
STEEPEST_RAD = np.radians(75)
SMALLEST_TAG_PX, SMALLEST_BOARD_PX = 20.0, 60.0
MEAN_HEAD = np.array([0.12, 0.0, 1.65])


@dataclass(frozen=True)
class Truth:
    """What was simulated."""

    rig: Rig
    """With the true mounts, lenses and clock offsets."""
    motions: dict[str, Motion]
    """Of every body that moves and every target that moves."""
    times_s: FloatArray
    """(T,) true time of each moment."""
    capture_s: FloatArray
    """(C, T) true time of each frame, dropped or not."""
    T_room_target: FloatArray
    """(G, 4, 4); NaN for those that move."""

    def T_room_body(self, body: str, times_s: npt.ArrayLike | None = None) -> FloatArray:
        """Return the poses (..., 4, 4) of a body at true times (...), or at all moments (T, 4, 4)."""
        times = self.times_s if times_s is None else np.asarray(times_s, dtype=np.float64)
        return self.motions[body](times) if body in self.motions else np.broadcast_to(np.eye(4), (*times.shape, 4, 4))


def simulate(
    rig: Rig, targets: Targets, T_room_target: FloatArray, motions: Mapping[str, Motion], *, seconds: float = 10.0, rate_hz: float = 30.0,
    seed: int = 0, noise_px: float = 0.2, clock_offsets_s: Mapping[str, float] | None = None, phases_s: Mapping[str, float] | None = None,
    jitter_s: float = 0.0, missed: float = 0.1, dropped: float = 0.0, outliers: float = 0.0, exclusive: bool = False,
) -> tuple[Observations, Truth]:  # fmt: skip
    """Return what ``rig`` sees, and the truth. A frame is stamped with its true time minus the offset of its camera's clock.

    ``motions``: pose over time of every moving body and of targets whose ``T_room_target`` (G, 4, 4) is NaN. ``clock_offsets_s``: instead of those of
    the rig. ``phases_s``: how long after the moment a camera takes its frame. ``jitter_s``: one standard deviation of each stamp's own error.
    ``missed``, ``outliers``: shares of the targets in view that are not found, or found 5 to 50 px off. ``dropped``: share of frames that are not there.
    ``exclusive``: no two cameras see the same target at a moment (which of them sees it is chance), as if they had no common view.
    """
    rng = np.random.default_rng(seed)
    if clock_offsets_s is not None:
        rig = with_clocks(rig, clock_offsets_s)
    count, points = len(targets.names), len(targets.points)
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    shape = (len(rig.cameras), len(times))
    capture = times + np.array([[(phases_s or {}).get(name, 0.0)] for name in rig.names])
    stamped = capture - np.array([[camera.time_offset_s] for camera in rig.cameras.values()]) + rng.normal(0, 1, shape) * jitter_s
    pixels = np.full((*shape, points, 2), np.nan)
    for row, camera in enumerate(rig.cameras.values()):
        T_camera_room = invert(_pose_of(camera.body, motions, capture[row]) @ camera.T_body_camera)
        for g in range(count):
            T_room = motions[targets.names[g]](capture[row]) if targets.names[g] in motions else T_room_target[g]
            own = targets.points_of(g)
            pixels[row][:, own] = _in_view(camera.model, T_camera_room @ T_room, targets.points[own])
    of_point = targets.target_of_point
    if exclusive:
        saw = np.stack([np.isfinite(pixels[:, :, targets.points_of(g), 0]).any(axis=-1) for g in range(count)], axis=-1)
        chosen = np.where(saw, rng.random(saw.shape), -1.0).argmax(axis=0)
        pixels[(chosen != np.arange(shape[0])[:, None, None])[:, :, of_point]] = np.nan
    pixels[(rng.random((*shape, count)) < missed)[:, :, of_point]] = np.nan
    pixels += noise_px * rng.normal(0, 1, pixels.shape)
    wrong = (rng.random((*shape, count)) < outliers)[:, :, of_point]
    way = rng.normal(0, 1, (*shape, count, 2))
    way *= rng.uniform(5, 50, (*shape, count, 1)) / np.linalg.norm(way, axis=-1, keepdims=True)
    pixels += np.where(wrong[..., None], way[:, :, of_point], 0.0)
    gone = rng.random(shape) < dropped
    pixels[gone], stamped[gone] = np.nan, np.nan
    frame = np.where(gone, NO_FRAME, np.arange(len(times)))
    sizes = tuple(camera.model.image_size for camera in rig.cameras.values())
    observations = Observations(rig.names, sizes, targets, frame, stamped, pixels)
    return observations, Truth(rig, dict(motions), times, capture, np.asarray(T_room_target))


def with_clocks(rig: Rig, offsets_s: Mapping[str, float]) -> Rig:
    """Return the rig with the clock offsets of some cameras."""
    cameras = {name: replace(camera, time_offset_s=offsets_s.get(name, camera.time_offset_s)) for name, camera in rig.cameras.items()}
    return replace(rig, cameras=cameras)


def as_built(rig: Rig, seed: int = 0, *, clocks_apart_s: float = 0.008) -> Rig:
    """Return ``rig`` as somebody would build it: lenses and mounts a little off, clocks up to ``clocks_apart_s`` behind that of the first camera."""
    rng = np.random.default_rng([seed, 1])
    cameras = {}
    for number, (name, camera) in enumerate(rig.cameras.items()):
        values = camera.model.parameters
        values[:2] *= 1 + 0.01 * rng.normal()
        values[2:4] += rng.normal(0, 6, 2)
        values[4:] += rng.normal(0, 1, len(values) - 4) * (
            np.array([0.02, 0.005, 0.001, 2e-4])[: len(values) - 4] if len(values) == 8 else 1e-3
        )
        T = camera.T_body_camera.copy()
        T[:3, :3] = T[:3, :3] @ rotation.exp(rng.normal(0, 0.03, 3))
        T[:3, 3] += rng.normal(0, 0.005, 3)
        offset = 0.0 if number == 0 else float(rng.uniform(0, clocks_apart_s))
        cameras[name] = replace(camera, model=camera.model.with_parameters(values), T_body_camera=T, time_offset_s=offset)
    return replace(rig, cameras=cameras, assumed={})


def room_tags(seed: int = 0) -> tuple[Board, FloatArray]:
    """Return 24 tags of 0.16 m (floor z = 0) and their poses (24, 4, 4): 6 on a table before the person, 6 on each of floor and front wall, 3 each side.

    The person stands near the origin and looks along x. Each tag is turned in its plane as chance will have it, and a few degrees out of it.
    """
    rng = np.random.default_rng([seed, 2])
    places = [([x, y, 0.75], [0, 0, 1]) for x in (0.55, 0.95) for y in (-0.5, 0.0, 0.5)]
    places += [([1.9, y, z], [-1, 0, 0]) for y, z in ((-1.2, 1.1), (-0.7, 1.8), (-0.2, 1.2), (0.3, 1.9), (0.8, 1.2), (1.3, 1.7))]
    places += [([x, y, 0.0], [0, 0, 1]) for x, y in ((-0.6, 0.5), (0.1, 0.8), (0.2, -0.8), (-0.5, -0.6), (0.9, 1.1), (0.8, -1.1))]
    places += [([x, side * 1.8, z], [0, -side, 0]) for side in (1, -1) for x, z in ((1.1, 1.3), (0.4, 1.0), (-0.3, 1.4))]
    poses = []
    for position, normal in places:
        up = np.array([0.0, 0.0, 1.0]) if normal[2] == 0 else np.array([1.0, 0.0, 0.0])
        facing = np.stack([np.cross(up, normal), up, np.array(normal, dtype=np.float64)], axis=1)
        turned = facing @ rotation.exp([*rng.normal(0, 0.05, 2), rng.uniform(-np.pi, np.pi)])
        poses.append(pose_from(turned, np.array(position) + rng.uniform(-0.03, 0.03, 3)))
    values = {"type": "markers", "dictionary": "DICT_APRILTAG_36h11", "ids": list(range(len(places))), "marker_size": TAG_M}
    return Board(parse_board(values, source="simulated"), "tags"), np.stack(poses)


def person(seed: int = 0) -> dict[str, Motion]:
    """Return how the helmet and the backpack of somebody move who looks around at a table: up to about 2 rad/s and 1 m/s."""
    rng = np.random.default_rng([seed, 3])
    where = Sines(rng, MEAN_HEAD - [0.12, 0.0, 0.20], [0.35, 0.4, 0.12], (0.05, 0.3))
    torso = Sines(rng, [0.0, -0.12, 0.0], np.radians([25, 10, 5]), (0.05, 0.3))
    neck = Sines(rng, [0.0, -0.10, 0.0], np.radians([40, 22, 8]), (0.1, 0.5))

    def backpack(times: npt.ArrayLike) -> FloatArray:
        return pose_from(facing(torso(times)), where(times))

    def helmet(times: npt.ArrayLike) -> FloatArray:
        R = facing(neck(times))
        eyes = np.array([0.02, 0.0, 0.08]) + R @ [0.10, 0.0, 0.12]  # the head turns about the upper end of the neck
        return backpack(times) @ pose_from(R, eyes)

    return {HELMET: helmet, BACKPACK: backpack}


def hand_held(seed: int = 0, *, middle: npt.ArrayLike = (0.0, 0.0, 1.2), spread: npt.ArrayLike = (0.5, 0.4, 0.3)) -> Motion:
    """Return how somebody moves a board about ``middle`` that faces along -x, with its y axis up."""
    rng = np.random.default_rng([seed, 4])
    where, way = Sines(rng, middle, spread, (0.05, 0.4)), Sines(rng, np.zeros(3), np.radians([40, 35, 30]), (0.05, 0.4))
    level = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return lambda times: pose_from(facing(way(times)) @ level, where(times))


def charuco(columns: int = 5, rows: int = 7, square_m: float = 0.06) -> Board:
    """Return a ChArUco board."""
    values = {"type": "charuco", "columns": columns, "rows": rows, "square_size": square_m, "marker_size": 0.75 * square_m}
    return Board(parse_board(values | {"dictionary": "DICT_5X5_100"}, source="simulated"), "board")


def standing_rig(count: int = 4) -> Rig:
    """Return ``count`` webcams on tripods in an arc of 90 degrees about (0, 0, 1.2), 2.2 m away on the side of -x."""
    cameras = {}
    for k, angle in enumerate(np.radians(np.linspace(-45, 45, count))):
        position = np.array([-2.2 * np.cos(angle), 2.2 * np.sin(angle), 1.5])
        forward = np.array([0.0, 0.0, 1.2]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        model = PinholeCamera((1280, 720), (900.0, 900.0), (639.5, 359.5), (0.05, -0.1, 0.0, 0.0, 0.0))
        T = pose_from(np.stack([right, np.cross(forward, right), forward], axis=1), position)
        cameras[f"cam{k}"] = MountedCamera(f"cam{k}", model, "room", T)
    return Rig("standing", ("room",), cameras)


class Sines:
    """A smooth wander about ``middle`` (3,), never farther than ``reach`` (3,): three sines with frequencies in ``band_hz``."""

    def __init__(self, rng: np.random.Generator, middle: npt.ArrayLike, reach: npt.ArrayLike, band_hz: tuple[float, float]) -> None:
        self._middle = np.asarray(middle, dtype=np.float64)
        self._rate = 2 * np.pi * rng.uniform(*band_hz, (3, 3))
        self._phase = rng.uniform(0, 2 * np.pi, (3, 3))
        self._height = np.asarray(reach)[:, None] * rng.dirichlet([4, 4, 4], 3)

    def __call__(self, times: npt.ArrayLike) -> FloatArray:
        t = np.asarray(times, dtype=np.float64)[..., None, None]
        return self._middle + (self._height * np.sin(self._rate * t + self._phase)).sum(axis=-1)


def facing(angles: FloatArray) -> FloatArray:
    """Return rotations (..., 3, 3) of yaw to the left, elevation and roll (..., 3) in rad, for x forward, y left, z up."""
    yaw, elevation, roll = np.moveaxis(angles, -1, 0)
    zero = np.zeros_like(yaw)
    turns = [np.stack(v, axis=-1) for v in ((zero, zero, yaw), (zero, -elevation, zero), (roll, zero, zero))]
    return np.asarray(rotation.exp(turns[0]) @ rotation.exp(turns[1]) @ rotation.exp(turns[2]))


def _pose_of(body: str, motions: Mapping[str, Motion], times: FloatArray) -> FloatArray:
    return motions[body](times) if body in motions else np.broadcast_to(np.eye(4), (len(times), 4, 4))


def _in_view(model: CameraModel, T_camera_target: FloatArray, points: FloatArray) -> FloatArray:
    """Return the pixels (T, n, 2) of one target's points; NaN where they cannot be found. A single tag is found whole or not at all."""
    pixels = model.project(apply(T_camera_target[:, None], points))
    seen = contains(model, pixels)
    center = apply(T_camera_target, points.mean(axis=0))
    facing_camera = -np.einsum("ti,ti->t", T_camera_target[:, :3, 2], center) / np.linalg.norm(center, axis=-1)
    seen &= (facing_camera > np.cos(STEEPEST_RAD))[:, None]
    if len(points) == 4:
        around = np.roll(pixels, -1, axis=1) - pixels
        seen &= (np.linalg.norm(around, axis=-1).mean(axis=1) > SMALLEST_TAG_PX)[:, None]
        seen &= seen.all(axis=1, keepdims=True)
    else:
        extent = np.nanmax(pixels, axis=1, initial=-np.inf) - np.nanmin(pixels, axis=1, initial=np.inf)
        seen &= (np.linalg.norm(extent, axis=-1) > SMALLEST_BOARD_PX)[:, None]
    return np.where(seen[..., None], pixels, np.nan)
