"""``timestamps.csv``: when each frame was taken; ours (``camera,frame_index,time_s``) and Caliscope's."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import write_atomically
from bodydouble.errors import DataError, did_you_mean

FloatArray = npt.NDArray[np.float64]

FILE_NAME = "timestamps.csv"
_OURS = ("camera", "frame_index", "time_s")
_CALISCOPE = (("sync_index", "cam_id", "frame_index", "frame_time"), ("sync_index", "port", "frame_index", "frame_time"))


def write_timestamps(path: Path, times_s: Mapping[str, FloatArray]) -> None:
    """Write one row a frame; times in s from the start of the recording, to the nanosecond."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_OURS)
    for camera, times in times_s.items():
        writer.writerows((camera, index, f"{time:.9f}") for index, time in enumerate(times.tolist()))
    write_atomically(path, text.getvalue().encode("utf-8"))


def read_timestamps(path: Path, frame_counts: Mapping[str, int | None]) -> dict[str, FloatArray]:
    """Read the times of the cameras in ``frame_counts`` (camera to number of frames, None where it is not known).

    Ours gives the time of every frame, 0 to N-1. Caliscope's rows belong, in the order of ``sync_index``, to the frames of the video
    (its ``frame_index`` counts those of the camera before they were aligned); its cameras are called by number: ``0`` is ``cam_0``.

    Returns: camera to (N,) seconds as they stand in the file. Raises: DataError naming the file, the row or the camera.
    """
    header, rows = _read_rows(path)
    if header == _OURS:
        by_camera = _by_camera(path, rows, camera=0, order=1, time=2)
    elif header in _CALISCOPE:
        by_camera = {
            _matching(name, frame_counts) or name: values for name, values in _by_camera(path, rows, camera=1, order=0, time=3).items()
        }
    else:
        raise DataError(f"{path} has the columns {','.join(header)}; expected {','.join(_OURS)} or Caliscope's {','.join(_CALISCOPE[0])}.")
    result: dict[str, FloatArray] = {}
    for camera, count in frame_counts.items():
        if camera not in by_camera:
            raise DataError(f"{path} has no rows for camera '{camera}'; it has {', '.join(by_camera)}.{did_you_mean(camera, by_camera)}")
        indices, times = by_camera[camera]
        if header == _OURS and not np.array_equal(indices, np.arange(len(indices))):
            raise DataError(f"{path}: the frames of camera '{camera}' are not numbered 0 to {len(indices) - 1} without gaps.")
        if count is not None and len(times) != count:
            raise DataError(f"{path} has {len(times)} times for camera '{camera}', but its video has {count} frames. Give one row a frame.")
        if not (np.diff(times) > 0).all():
            at = int(np.argmin(np.diff(times) > 0)) + 1
            raise DataError(
                f"{path}: frame {at} of camera '{camera}' is at {times[at]:.6f} s, not after the one before it ({times[at - 1]:.6f} s)."
            )
        result[camera] = times
    return result


def _read_rows(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; expected the capture times of the frames.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None
    if len(rows) < 2:
        raise DataError(f"{path} holds no times; expected a header {','.join(_OURS)} and one row a frame.")
    return tuple(cell.strip() for cell in rows[0]), rows[1:]


def _by_camera(
    path: Path, rows: Sequence[Sequence[str]], *, camera: int, order: int, time: int
) -> dict[str, tuple[npt.NDArray[np.int64], FloatArray]]:
    collected: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            entry = (int(row[order]), float(row[time]))
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number}: {','.join(row)!r} is not a camera, a whole number and a time in s.") from None
        if not math.isfinite(entry[1]):
            raise DataError(f"{path}, line {number}: the time is {row[time]!r}; expected seconds.")
        collected.setdefault(row[camera].strip(), []).append(entry)
    result = {}
    for name, entries in collected.items():
        entries.sort()
        result[name] = (np.array([e[0] for e in entries], dtype=np.int64), np.array([e[1] for e in entries]))
    return result


def _matching(cam_id: str, cameras: Mapping[str, int | None]) -> str | None:
    spellings = (cam_id, f"cam_{cam_id}", f"cam{cam_id}", f"port_{cam_id}", f"camera_{cam_id}", f"camera{cam_id}")
    return next((name for name in spellings if name in cameras), None)
