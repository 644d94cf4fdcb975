"""Where the bodies of a rig were in the room over time, with how well that is known; ``rig_motion.h5``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.motion_between import between
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LONGEST_GAP_S = 0.1
_SAME_TIME_S = 1e-6


class Outcome(IntEnum):
    """What became of a body at a moment. Only LOCATED moments have a pose."""

    LOCATED = 0
    UNSEEN = 1
    """None of its cameras saw a point of the map."""
    TOO_FEW = 2
    """No camera saw four points of one target that are not nearly on one line."""
    CONTRADICTORY = 3
    """No pose explains more than half of the points that were seen."""
    AMBIGUOUS = 4
    """Two poses that differ explain what was seen about equally well."""
    UNCERTAIN = 5
    """The pose is known worse than was asked for."""
    DETACHED = 6
    """By visual odometry: known only against other moments of this kind, which nothing ties to the located ones."""


class Source(IntEnum):
    """How a pose at some time is known."""

    MISSING = 0
    OBSERVED = 1
    INTERPOLATED = 2


@dataclass(frozen=True)
class PosesAt:
    """Poses of a body at N times. NaN where ``source`` is MISSING."""

    T_room_body: FloatArray
    """(N, 4, 4)"""
    covariance: FloatArray
    """(N, 6, 6) as of ``BodyMotion``; between moments with what may have happened there."""
    source: npt.NDArray[np.uint8]
    """(N,) of ``Source``."""


@dataclass(frozen=True)
class BodyMotion:
    """One body at T moments. Arrays are read-only; where ``outcome`` is not LOCATED they are NaN: nothing is interpolated."""

    times_s: FloatArray
    """(T,) true time of each moment, as the rig's clocks were corrected; NaN for stills."""
    T_room_body: FloatArray
    """(T, 4, 4)"""
    covariance: FloatArray
    """(T, 6, 6) of the rotation about the body's axes (rad) and the position in the room (m): ``T (exp(d[:3]), d[3:])``, as ``bundle_state.moved``."""
    rate: FloatArray
    """(T, 6) angular velocity in the body's axes (rad/s) and velocity in the room (m/s); NaN also where no neighbouring moment is near enough."""
    acceleration: tuple[float, float]
    """Root mean square over the recording, per axis (rad/s^2, m/s^2): what interpolation reckons with. NaN where it could not be measured."""
    slack: tuple[float, float]
    """One standard deviation of how far whole frames are off beyond what corners are: turn of the camera (rad) and time (s); 0 if no camera had company."""
    outcome: npt.NDArray[np.uint8]
    """(T,) of ``Outcome``."""
    points: npt.NDArray[np.int64]
    """(T,) points that agree with the pose; 0 where there is none."""
    targets: npt.NDArray[np.int64]
    """(T,) targets that these are on."""

    def __post_init__(self) -> None:
        T = len(self.times_s)
        freeze_arrays(self, {
            "times_s": ((T,), np.float64), "T_room_body": ((T, 4, 4), np.float64), "covariance": ((T, 6, 6), np.float64), "rate": ((T, 6), np.float64),
            "outcome": ((T,), np.uint8), "points": ((T,), np.int64), "targets": ((T,), np.int64),
        })  # fmt: skip

    @property
    def observed(self) -> BoolArray:
        """(T,) the mask: at which moments the body was located."""
        return np.asarray(self.outcome == Outcome.LOCATED)

    @property
    def sigma(self) -> FloatArray:
        """(T, 2) one standard deviation of rotation (rad) and position (m), root mean square over the axes."""
        variance = np.einsum("tii->ti", self.covariance)
        return np.asarray(np.sqrt(np.stack([variance[:, :3].mean(axis=1), variance[:, 3:].mean(axis=1)], axis=1)))

    def gaps(self) -> list[tuple[int, int]]:
        """Return the runs of moments without a pose, each as the first one and the one after the last."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.observed, [True]]).astype(np.int8)))
        return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

    def pose_at(self, times_s: npt.ArrayLike, *, longest_gap_s: float = LONGEST_GAP_S) -> PosesAt:
        """Return the poses at any times (N,) in s, as the rig's clocks were corrected: a frame's stamp plus its camera's ``time_offset_s``.

        At a located moment it is OBSERVED; between two that are at most ``longest_gap_s`` apart INTERPOLATED (a cubic with the rates at both ends,
        where they are known, else straight); else MISSING. Never extrapolated. Raises: UsageError where the moments have no times.
        """
        asked = np.atleast_1d(np.asarray(times_s, dtype=np.float64))
        known = np.flatnonzero(self.observed & np.isfinite(self.times_s))
        if len(known) == 0 and self.observed.any():
            raise UsageError("The moments of this motion have no times, because it was made of stills; use T_room_body by number.")
        T, covariance = np.full((len(asked), 4, 4), np.nan), np.full((len(asked), 6, 6), np.nan)
        source = np.full(len(asked), Source.MISSING, dtype=np.uint8)
        if len(known) == 0:
            return PosesAt(T, covariance, source)
        at = self.times_s[known]
        after = np.clip(np.searchsorted(at, asked), 1, max(len(known) - 1, 1))
        before, after = known[after - 1], known[np.minimum(after, len(known) - 1)]
        for end in (before, after):
            same = np.abs(self.times_s[end] - asked) <= _SAME_TIME_S
            T[same], covariance[same], source[same] = self.T_room_body[end[same]], self.covariance[end[same]], Source.OBSERVED
        first, last = self.times_s[before], self.times_s[after]
        inside = (source == Source.MISSING) & (asked > first) & (asked < last) & (last - first <= longest_gap_s)
        a, b = before[inside], after[inside]
        T[inside], covariance[inside] = between(
            self.T_room_body[a], self.T_room_body[b], self.rate[a], self.rate[b], self.covariance[a], self.covariance[b],
            last[inside] - first[inside], asked[inside] - first[inside], self.acceleration,
        )  # fmt: skip
        source[inside] = Source.INTERPOLATED
        return PosesAt(T, covariance, source)


@dataclass(frozen=True)
class RigMotion:
    """All bodies of a rig that move, located in one tag map at the same T moments."""

    rig: str
    room: str
    """Name of the tag map."""
    bodies: dict[str, BodyMotion]
    noise_px: dict[str, float]
    """Camera to one standard deviation of its corner errors; NaN where it saw nothing of the map."""
    covariance_of: tuple[str, ...]
    """What the covariances count: "pixels" always; "map", "rig" where their sigma are known and were asked for."""
    rejected: dict[str, str] = field(default_factory=dict)
    """What was left out ("tag_7", "front", "front moment 12 tag_3") to why."""
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def times_s(self) -> FloatArray:
        """(T,) true times of the moments."""
        return next(iter(self.bodies.values())).times_s

    def body(self, name: str) -> BodyMotion:
        """Return one body. Raises: UnknownNameError."""
        if name not in self.bodies:
            raise UnknownNameError("body", name, f"the motion of rig '{self.rig}'", self.bodies)
        return self.bodies[name]

    def save(self, path: Path, *, force: bool = False) -> None:
        """Write ``rig_motion.h5``. Raises: FileExistsUsageError unless ``force``; OutOfSpaceError."""
        from bodydouble.calibration.localization.rig_motion_file import write_rig_motion

        write_rig_motion(Path(path), self, force=force)

    @classmethod
    def load(cls, path: Path) -> RigMotion:
        """Read what ``save`` wrote. Raises: DataError if the file is not one of those."""
        from bodydouble.calibration.localization.rig_motion_file import read_rig_motion

        return read_rig_motion(Path(path))


def outcome_counts(motion: BodyMotion) -> Mapping[Outcome, int]:
    """Return how many moments had each outcome."""
    return {outcome: int((motion.outcome == outcome).sum()) for outcome in Outcome}
