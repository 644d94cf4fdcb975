"""Reading one camera's video: frames with the container's true timestamps, upright, as RGB."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError

RgbImage = npt.NDArray[np.uint8]

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv")
"""What is taken for a video in a folder of videos."""

_SHORTFALL_FRAMES = 2.5
_SHORTFALL_S = 0.15
_SEEK_FROM_FRAME = 48
_SAME_TIME_S = 1e-6


@dataclass(frozen=True)
class VideoIndex:
    """What decoding a whole video told: one time a frame, in the order of decoding."""

    times_s: npt.NDArray[np.float64]
    """(N,) presentation times of the container in s, strictly increasing; not yet counted from the start of a recording."""
    image_size: tuple[int, int]
    """(width, height) upright."""


def index_video(path: Path, *, timed: bool = True, progress: Callable[[float], None] = lambda time_s: None) -> VideoIndex:
    """Decode a video once and return the time of every frame; ``progress`` is told the seconds reached.

    Without ``timed`` the frames are only counted and checked: their times are known from elsewhere, and those here may be NaN.

    Raises: DataError if the file is missing, unreadable, without video or frames or timestamps, or breaks off: a file that holds
    less than its header declares. A file that declares no length (Matroska whose writer was killed) is taken as far as it goes.
    """
    times: list[Fraction] = []
    count = 0
    size: tuple[int, int] | None = None
    with _opened(path) as container:
        stream = _video_stream(container, path)
        for frame in _decoded(container, stream, path, times):
            if size is not None and _upright_size(frame) != size:
                raise DataError(
                    f"{path}: frame {count} has another size than the {size[0]}x{size[1]} px of those before it; cut the video there."
                )
            size = _upright_size(frame)
            if frame.pts is not None:
                time = frame.pts * frame.time_base
                if timed and times and time <= times[-1]:
                    raise DataError(
                        f"{path}: frame {count} is at {float(time):.4f} s, not after the frame before it ({float(times[-1]):.4f} s). "
                        "The timestamps are broken; remux or transcode the video."
                    )
                times.append(time)
                progress(float(time))
            elif timed:
                raise DataError(
                    f"{path}: frame {count} has no timestamp, so its time is unknown; time is never taken from a nominal rate. "
                    "Remux the video into a container with timestamps (mp4, mkv), or put a timestamps.csv beside it."
                )
            count += 1
        if size is None:
            raise DataError(f"{path} has a video stream but no frame could be decoded from it. Record or copy it again.")
        if len(times) == count:
            _check_complete(container, stream, path, times)
    return VideoIndex(np.array([float(t) for t in times]) if timed else np.full(count, np.nan), size)


def first_image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a video, upright, from its first frame. Raises: DataError if it has none."""
    with _opened(path) as container:
        for frame in _decoded(container, _video_stream(container, path), path, []):
            return _upright_size(frame)
    raise DataError(f"{path} has a video stream but no frame could be decoded from it. Record or copy it again.")


def declared_length_s(path: Path) -> float | None:
    """Return how long the container says it is, in s, for showing progress only; None if it does not say."""
    import av

    with _opened(path) as container:
        return None if container.duration is None else float(container.duration / av.time_base)


def read_frames(
    path: Path, wanted: npt.NDArray[np.int64], times_s: npt.NDArray[np.float64], *, seek: bool
) -> Iterator[tuple[int, RgbImage]]:
    """Yield (index, image) for the frame indices ``wanted`` (strictly increasing), decoding once and in order.

    ``times_s`` (N,) are the times of all frames. With ``seek`` (they are the container's, up to a constant) decoding starts at the
    key frame before the first wanted frame. Raises: DataError if the video ends or breaks before the last wanted frame.
    """
    if len(wanted) == 0:
        return
    entry = _find_key_frame(path, int(wanted[0]), times_s) if seek and wanted[0] >= _SEEK_FROM_FRAME else None
    with _opened(path) as container:
        stream = _video_stream(container, path)
        if entry is not None:
            container.seek(entry.pts, stream=stream, backward=True)
        remaining = iter(wanted.tolist())
        target: int | None = next(remaining)
        for number, frame in enumerate(_decoded(container, stream, path, [])):
            index = number if entry is None else entry.index_of(frame, times_s)
            if target is None or index < target:
                continue
            if index > target:
                raise DataError(
                    f"{path}: frame {target} is not where its timestamp says. The video has changed since it was imported; import it again."
                )
            yield index, _upright_rgb(frame)
            target = next(remaining, None)
            if target is None:
                return
    raise DataError(f"{path} ends before frame {target}, though {len(times_s)} frames were found when it was imported. Import it again.")


def _opened(path: Path) -> Any:
    import av

    if not path.exists():
        raise DataError(f"{path} does not exist; expected a video file.")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); expected a video file. Record or copy it again.")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read as a video ({reason}). If it was cut off while being written, repair or copy it again."
        ) from None


def _video_stream(container: Any, path: Path) -> Any:
    streams = [s for s in container.streams.video if "attached_pic" not in str(s.disposition)]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise DataError(f"{path} has no video stream (it holds {kinds}). Give a file that holds video.")
    streams[0].thread_type = "AUTO"
    return streams[0]


def _decoded(container: Any, stream: Any, path: Path, times: list[Fraction]) -> Iterator[Any]:
    """Yield frames; a break becomes a DataError that names the last time in ``times``, which the caller fills."""
    import av

    try:
        yield from container.decode(stream)
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, av.error.EOFError):
            return
        raise _broken(path, times, str(getattr(error, "strerror", None) or error)) from None


def _check_complete(container: Any, stream: Any, path: Path, times: list[Fraction]) -> None:
    import av

    declared: float | None = None
    if stream.duration is not None:
        declared = float((stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base)
    elif "DURATION" in stream.metadata:
        declared = _clock_seconds(stream.metadata["DURATION"])
    elif container.duration is not None and len(container.streams) == 1:
        declared = (container.start_time or 0) / av.time_base + container.duration / av.time_base
    if declared is None:
        return
    period = float(np.median(np.diff([float(t) for t in times]))) if len(times) > 1 else 0.0
    if declared - float(times[-1]) > max(_SHORTFALL_FRAMES * period, _SHORTFALL_S) and len(times) > 1:
        raise _broken(path, times, f"its header declares {declared:.2f} s")


def _broken(path: Path, times: list[Fraction], reason: str) -> DataError:
    if not times:
        return DataError(f"{path} cannot be decoded ({reason}); no frame is readable. Record or copy it again.")
    last = float(times[-1])
    return DataError(
        f"{path} breaks off: the last good frame is {len(times) - 1} at {last:.3f} s ({reason}). "
        f"Copy it again, or keep the good part with `ffmpeg -i {path.name} -t {last:.3f} good.mp4` and import that."
    )


def _clock_seconds(text: str) -> float | None:
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


@dataclass(frozen=True)
class _KeyFrame:
    """Where to start decoding, and how to tell frames from there on."""

    pts: int
    offset_s: float
    """Container time minus recording time."""

    def index_of(self, frame: Any, times_s: npt.NDArray[np.float64]) -> int:
        """Return which frame this is by its time, or -1 if it is none of them."""
        if frame.pts is None:
            return -1
        distance = np.abs(times_s - (float(frame.pts * frame.time_base) - self.offset_s))
        nearest = int(np.argmin(distance))
        return nearest if distance[nearest] <= _SAME_TIME_S else -1


def _find_key_frame(path: Path, index: int, times_s: npt.NDArray[np.float64]) -> _KeyFrame | None:
    """Return the key frame to start from for frame ``index``; None if seeking in this file does not lead before that frame."""
    import av

    with _opened(path) as container:
        stream = _video_stream(container, path)
        try:
            first = next(container.decode(stream), None)
            if first is None or first.pts is None:
                return None
            offset = float(first.pts * first.time_base) - float(times_s[0])
            entry = _KeyFrame(math.floor((times_s[index] + offset) / stream.time_base), offset)
            container.seek(entry.pts, stream=stream, backward=True)
            landed = next(container.decode(stream), None)
        except av.FFmpegError:
            return None
    return entry if landed is not None and 0 <= entry.index_of(landed, times_s) <= index else None


def _quarter_turns(frame: Any) -> int:
    """Return the number of counterclockwise quarter turns that make the frame upright."""
    turns: int = round(frame.rotation / 90) % 4
    return turns


def _upright_size(frame: Any) -> tuple[int, int]:
    size = (int(frame.width), int(frame.height))
    return size if _quarter_turns(frame) % 2 == 0 else (size[1], size[0])


def _upright_rgb(frame: Any) -> RgbImage:
    image: RgbImage = frame.to_ndarray(format="rgb24")
    turns = _quarter_turns(frame)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
