"""JointCapture: what a motion file says, in its own names, unit and axes; and the forward kinematics of files that hold rotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UsageError

FloatArray = npt.NDArray[np.float64]

RATES_HZ = (1.0, 2000.0)
"""What a rate may be: slower is no motion, faster no motion capture."""


@dataclass(frozen=True, eq=False)
class JointCapture:
    """N named joints over T frames. Arrays are the file's, still in its unit and axes."""

    names: tuple[str, ...]
    times_s: FloatArray
    """(T,) s."""
    places: FloatArray
    """(T, N, 3) in the file's unit."""
    rotations: FloatArray | None = None
    """(T, N, 3, 3), the identity in the rest pose; None for files of points."""
    rest: FloatArray | None = None
    """(N, 3) the rest pose's places, in the file's unit; None for files of points."""
    metres: float | None = None
    """m of one of the file's units; None where the file does not say."""
    axes: str | None = None
    """The axis that points up, "x", "-x", "y", ...; None where the file does not say."""


def text_of(path: Path, kind: str) -> str:
    """Return a text file's content. Raises: DataError where it is not text or cannot be read."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file, as a {kind} is: byte {error.start} is no UTF-8. Convert it, or give another file."
        ) from None


def evenly(frames: int, rate_hz: float) -> FloatArray:
    """Return the times (T,) s of frames at a constant rate."""
    return np.arange(frames) / rate_hz


def checked_rate(rate_hz: float, source: str) -> float:
    """Return a rate that can be. Raises: UsageError for one that cannot."""
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:  # also refuses NaN
        raise UsageError(
            f"{source} gives a rate of {rate_hz:g} Hz; {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz can be. Pass --rate-hz with the rate of the recording."
        )
    return float(rate_hz)


def check_numbers(path: Path, places: FloatArray) -> None:
    """Raise DataError where places (T, N, 3) hold no frame, nothing known, or infinite values."""
    if not len(places):
        raise DataError(f"{path} holds no frames.")
    if not np.isfinite(places).all(axis=2).any():
        raise DataError(f"{path} holds no point in any of its {len(places)} frames: every value is missing.")
    if np.isinf(places).any():
        frame = int(np.argwhere(np.isinf(places))[0, 0])
        raise DataError(f"{path} holds an infinite value in frame {frame + 1}; the file is damaged.")


def forward(parents: Sequence[int], offsets: FloatArray, local: FloatArray, shifts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places (T, N, 3) and rotations (T, N, 3, 3) of a tree.

    ``parents``: of each joint, before it, -1 for the root; ``offsets``: (N, 3) or (T, N, 3) from the parent; ``local``: (T, N, 3, 3) against the parent;
    ``shifts``: (T, 3) where the root is.
    """
    frames, joints = local.shape[:2]
    offsets = np.broadcast_to(offsets, (frames, joints, 3))
    places, rotations = np.empty((frames, joints, 3)), np.empty((frames, joints, 3, 3))
    for joint, parent in enumerate(parents):
        if parent < 0:
            places[:, joint], rotations[:, joint] = shifts, local[:, joint]
            continue
        np.matmul(rotations[:, parent], local[:, joint], out=rotations[:, joint])
        places[:, joint] = places[:, parent] + np.einsum("tij,tj->ti", rotations[:, parent], offsets[:, joint])
    return places, rotations
