"""Smooth curves over time: sums of minimum-jerk submovements, and the small sway of a living body. Everything is C2 in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]


def minimum_jerk(u: npt.ArrayLike) -> FloatArray:
    """Return the share of a movement done at a share ``u`` of its time: 0 before, 1 after, at rest at both ends.

    Flash and Hogan (1985), "The coordination of arm movements: an experimentally confirmed mathematical model".
    """
    x = np.clip(u, 0.0, 1.0)
    return np.asarray(x * x * x * (10.0 + x * (6.0 * x - 15.0)))


def smooth_positive(value: npt.ArrayLike, width: float) -> FloatArray:
    """Return about max(value, 0), rounded off within ``width`` of 0 so that all derivatives exist."""
    x = np.asarray(value, dtype=np.float64)
    return np.asarray((x + np.sqrt(x * x + width * width)) / 2)


@dataclass(frozen=True)
class Submovement:
    """One minimum-jerk change of a curve."""

    begin_s: float
    duration_s: float
    change: FloatArray
    """(n,) added to a vector; for a rotation (3,) the rotation vector, in the axes that it turns."""


@dataclass(frozen=True)
class Curve:
    """A vector (n,) over time. Submovements that overlap add up (Flash and Henis 1991, "Arm trajectory modifications during reaching")."""

    start: FloatArray
    moves: tuple[Submovement, ...] = ()

    @property
    def end(self) -> FloatArray:
        """(n,) after the last submovement."""
        return np.asarray(sum((move.change for move in self.moves), np.asarray(self.start, dtype=np.float64)))

    def to(self, value: npt.ArrayLike, begin_s: float, duration_s: float) -> Curve:
        """Return this curve with a submovement more, from where it ended to ``value`` (n,)."""
        return self.by(np.asarray(value, dtype=np.float64) - self.end, begin_s, duration_s)

    def by(self, change: npt.ArrayLike, begin_s: float, duration_s: float) -> Curve:
        """Return this curve with a submovement more, that adds ``change`` (n,)."""
        return Curve(self.start, (*self.moves, Submovement(begin_s, duration_s, np.asarray(change, dtype=np.float64))))

    def __call__(self, time_s: float) -> FloatArray:
        """Return the value (n,) at a time."""
        if not self.moves:
            return np.array(self.start, dtype=np.float64)
        begin, duration, change = self._table
        return np.asarray(self.start + minimum_jerk((time_s - begin) / duration) @ change)

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return (
            np.array([move.begin_s for move in self.moves]), np.array([move.duration_s for move in self.moves]),
            np.stack([move.change for move in self.moves]),
        )  # fmt: skip


@dataclass(frozen=True)
class RotationCurve:
    """A rotation over time: each submovement turns what the earlier ones made, about axes of the thing that turns."""

    start: FloatArray
    """(3, 3)"""
    moves: tuple[Submovement, ...] = ()

    @cached_property
    def end(self) -> FloatArray:
        """(3, 3) after the last submovement."""
        return np.asarray(self._finished[-1])

    def to(self, rotation: FloatArray, begin_s: float, duration_s: float) -> RotationCurve:
        """Return this curve with a submovement more, from where it ended to ``rotation`` (3, 3) on the shortest way."""
        return self.by(Rotation.from_matrix(self.end.T @ rotation).as_rotvec(), begin_s, duration_s)

    def by(self, rotvec: npt.ArrayLike, begin_s: float, duration_s: float) -> RotationCurve:
        """Return this curve with a submovement more, by a rotation vector (3,) in the axes of the thing that turns."""
        return RotationCurve(self.start, (*self.moves, Submovement(begin_s, duration_s, np.asarray(rotvec, dtype=np.float64))))

    def __call__(self, time_s: float) -> FloatArray:
        """Return the rotation (3, 3) at a time."""
        done = 0
        while done < len(self.moves) and self.moves[done].begin_s + self.moves[done].duration_s <= time_s:
            done += 1
        rotation = self._finished[done]
        for move in self.moves[done:]:
            share = float(minimum_jerk((time_s - move.begin_s) / move.duration_s))
            if share > 0.0:
                rotation = rotation @ Rotation.from_rotvec(move.change * share).as_matrix()
        return np.array(rotation)

    @cached_property
    def _finished(self) -> list[FloatArray]:
        rotations = [np.asarray(self.start, dtype=np.float64)]
        for move in self.moves:
            rotations.append(rotations[-1] @ Rotation.from_rotvec(move.change).as_matrix())
        return rotations


@dataclass(frozen=True)
class PoseCurve:
    """A pose T_a_b (4, 4) over time."""

    place: Curve
    turn: RotationCurve

    @classmethod
    def at(cls, T: npt.ArrayLike) -> PoseCurve:
        """Return a curve that rests at a pose (4, 4)."""
        pose = np.asarray(T, dtype=np.float64)
        return cls(Curve(pose[:3, 3]), RotationCurve(pose[:3, :3]))

    @property
    def end(self) -> FloatArray:
        """(4, 4) after the last submovement."""
        return pose_from(self.turn.end, self.place.end)

    def to(self, T: FloatArray, begin_s: float, duration_s: float) -> PoseCurve:
        """Return this curve with a straight submovement more, from where it ended to the pose ``T`` (4, 4)."""
        return PoseCurve(self.place.to(T[:3, 3], begin_s, duration_s), self.turn.to(T[:3, :3], begin_s, duration_s))

    def by(self, change: npt.ArrayLike, begin_s: float, duration_s: float) -> PoseCurve:
        """Return this curve with a submovement more of its place alone, by ``change`` (3,) in m."""
        return PoseCurve(self.place.by(change, begin_s, duration_s), self.turn)

    def turned(self, rotvec: npt.ArrayLike, begin_s: float, duration_s: float) -> PoseCurve:
        """Return this curve with a submovement more, that turns about axes of the thing itself by a rotation vector (3,) in rad."""
        return PoseCurve(self.place, self.turn.by(rotvec, begin_s, duration_s))

    def __call__(self, time_s: float) -> FloatArray:
        """Return the pose (4, 4) at a time."""
        return pose_from(self.turn(time_s), self.place(time_s))


@dataclass(frozen=True)
class Sway:
    """Small motion (n,) that never repeats: sines of frequencies without a common measure, by seed."""

    amplitude: FloatArray
    """(n,) one standard deviation."""
    seed: int
    slowest_hz: float = 0.11
    sines: int = field(default=4, repr=False)

    def __call__(self, time_s: float) -> FloatArray:
        """Return the motion (n,) at a time."""
        frequency, phase, weight = self._table
        return np.asarray((np.sin(2 * np.pi * frequency * time_s + phase) * weight).sum(axis=0) * self.amplitude)

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        rng = np.random.default_rng([self.seed, 0x73776179])
        size = (self.sines, len(self.amplitude))
        frequency = self.slowest_hz * np.sqrt(np.array([1.0, 5.0, 19.0, 53.0]))[: self.sines, None] * rng.uniform(0.9, 1.1, size)
        weight = 1 / np.arange(1, self.sines + 1)[:, None] ** 1.2 * np.ones(size)
        return frequency, rng.uniform(0, 2 * np.pi, size), weight * np.sqrt(2 / (weight**2).sum(axis=0))
