"""What a LeRobot dataset of ours holds a frame: the names, shapes and columns of its features, for both versions of the format.

| feature | holds |
|---|---|
| observation.state, action | the robot's numbers (rad; poses in m and quaternions xyzw); one that is missing is filled with the last known one, else with 0 |
| observation.base | T_world_base: x y z (m) and quaternion xyzw |
| observation.mask.state, .action, .base | how each of those is known: 0 missing (a fill), 1 observed, 2 interpolated, 3 inferred |
| observation.images.CAMERA | video; a camera that gave no image shows its last one, or black where it had none at all |
| observation.mask.cameras | per camera: 1 an image of that moment, 0 one that is held or black |
| observation.capture_times | per camera: when the image that is shown was taken, in s on the clock of `timestamp`; 0 where there is none |

LeRobot sets two limits. A feature with "image" in its name must have statistics of three channels (`aggregate_stats` raises), so the cameras' mask is not
called after images. And LeRobot normalises every "observation." feature of a batch in that feature's own type, where an integer mask divides by zero: masks
are float32.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.exports.export_plan import ExportPlan
from bodydouble.datasets.exports.resampling import filled
from bodydouble.datasets.exports.samples import Samples, Signal
from bodydouble.datasets.exports.video_export import describe_video, exported_size
from bodydouble.errors import UsageError

STATE, ACTION, BASE = "observation.state", "action", "observation.base"
IMAGES = "observation.images."
LONGEST_NAME = 255
"""Bytes of a file's or folder's name on every usual file system."""
CAMERA_MASK = "observation.mask.cameras"
CAPTURE_TIMES = "observation.capture_times"

Columns = dict[str, npt.NDArray[Any]]
"""Feature to its values (N, D), or (N,) of one number a frame."""


@dataclass(frozen=True)
class Numbers:
    """One feature of D named numbers at N samples."""

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    """(N, D), finite."""
    known: npt.NDArray[np.bool_] | None = None
    """(N, D) False where the value is only a fill; None: nowhere."""

    def ordered(self, rows: list[int]) -> Numbers:
        """Return the numbers in another order."""
        known = None if self.known is None else self.known[:, rows]
        return Numbers(tuple(self.names[row] for row in rows), self.values[:, rows], known)


def mask_of(feature: str) -> str:
    """Return the feature that says how ``feature`` is known."""
    return f"observation.mask.{feature.removeprefix('observation.')}"


def numbers_of(samples: Samples) -> dict[str, Numbers]:
    """Return every feature of numbers except LeRobot's own counters."""
    signals = {STATE: samples.state, ACTION: samples.action, BASE: samples.base}
    features = {name: Numbers(signal.names, signal.filled, signal.source != 0) for name, signal in signals.items()}
    features |= {mask_of(name): _mask(signal) for name, signal in signals.items()}
    if samples.cameras:
        names = tuple(samples.cameras)
        fresh = np.stack([camera.fresh for camera in samples.cameras.values()], axis=1)
        taken = np.stack([camera.capture_times_s for camera in samples.cameras.values()], axis=1) - samples.times_s[0]
        features[CAMERA_MASK] = Numbers(names, fresh.astype(np.float32))
        features[CAPTURE_TIMES] = Numbers(names, filled(taken).astype(np.float32), np.isfinite(taken))
    return features


def _mask(signal: Signal) -> Numbers:
    return Numbers(signal.names, signal.source.astype(np.float32))


def counters(length: int, rate_hz: int, number: int, first_index: int, task_index: npt.NDArray[np.int64]) -> Columns:
    """Return LeRobot's own columns of episode ``number``, whose first frame is ``first_index`` of the dataset."""
    frames = np.arange(length, dtype=np.int64)
    return {
        "timestamp": (frames / rate_hz).astype(np.float32), "frame_index": frames, "episode_index": np.full(length, number, np.int64),
        "index": first_index + frames, "task_index": task_index,
    }  # fmt: skip


def describe_features(numbers: Mapping[str, Numbers], plan: ExportPlan, more: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return "features" of ``info.json``; ``more`` are further columns of one whole number a frame."""
    rate = whole_rate(plan)
    described: dict[str, dict[str, Any]] = {
        name: {"dtype": "float32", "shape": [len(item.names)], "names": list(item.names)} for name, item in numbers.items()
    }
    for camera, size in plan.cameras.items():
        width, height = exported_size(size)
        info = describe_video(size, rate, plan.settings.codec)
        described[IMAGES + camera] = {
            "dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info,
        }  # fmt: skip
    none = np.zeros(0, np.int64)
    for name, values in counters(0, rate, 0, 0, none).items():
        described[name] = {"dtype": str(values.dtype), "shape": [1], "names": None}
    return described | {name: {"dtype": "int64", "shape": [1], "names": None} for name in more}


def whole_rate(plan: ExportPlan) -> int:
    """Return the frames a second of the dataset. Raises: UsageError where it is no whole number, which LeRobot cannot express."""
    if plan.rate_hz != round(plan.rate_hz) or plan.rate_hz < 1:
        raise UsageError(
            f"LeRobot datasets have a whole number of frames a second; the export would have {plan.rate_hz:g}. "
            f"Choose one with --rate-hz, e.g. --rate-hz {max(1, round(plan.rate_hz))}."
        )
    return round(plan.rate_hz)


def check_camera_names(plan: ExportPlan) -> None:
    """Raise UsageError for a camera whose name cannot be a feature and a folder."""
    for camera in plan.cameras:
        if "/" in camera:
            raise UsageError(f"camera '{camera}' has a '/' in its name, which no LeRobot feature may have; leave it out with --cameras.")
        if len(os.fsencode(IMAGES + camera)) > LONGEST_NAME:
            raise UsageError(
                f"camera '{camera}' has too long a name: '{IMAGES}' and it name a folder, which may have {LONGEST_NAME} bytes. "
                "Leave it out with --cameras."
            )
