"""Parts of the cameras' videos, encoded apart, and joined without encoding again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.hand_pose.simulation.clocks import RATE_HZ

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

SUFFIX = ".mp4"
_TICK = Fraction(1, 90_000)
"""Of the container's clock: a frame's time at 30 Hz is a whole number of them."""
_OPTIONS = {"preset": "veryfast", "crf": "16", "threads": "1", "bf": "0", "sc_threshold": "0", "rc-lookahead": "0"}
"""No frames are shown in another order than they are stored, so that the n-th packet is the n-th frame; one thread and no
look-ahead, so that the bytes are always the same: with it, x264 decided otherwise for the same frames in one process of four."""


@dataclass(frozen=True)
class Segment:
    """Some frames of one camera in a row, as H.264, decodable without any before it."""

    packets: tuple[bytes, ...]
    """One a frame."""
    key: tuple[bool, ...]
    """Whether decoding can start there."""
    header: bytes
    """Parameter sets; those of segments that can be joined are equal."""

    def as_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the segment as arrays whose names start with ``prefix``."""
        return {
            f"{prefix}data": np.frombuffer(b"".join(self.packets), dtype=np.uint8),
            f"{prefix}bytes": np.array([len(packet) for packet in self.packets], dtype=np.int64),
            f"{prefix}key": np.array(self.key, dtype=bool),
            f"{prefix}header": np.frombuffer(self.header, dtype=np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Segment:
        """Return what ``as_arrays`` made arrays of."""
        data = arrays[f"{prefix}data"].tobytes()
        ends = np.cumsum(arrays[f"{prefix}bytes"]).tolist()
        starts = [0, *ends[:-1]]
        packets = tuple(data[start:end] for start, end in zip(starts, ends, strict=True)) if ends else ()
        return cls(packets, tuple(arrays[f"{prefix}key"].tolist()), arrays[f"{prefix}header"].tobytes())


def encode(images: Sequence[RgbImage]) -> Segment:
    """Return RGB images (H, W, 3) of one camera, H and W even, as H.264 in 4:2:0 of good quality."""
    import av

    if not images:
        return Segment((), (), b"")
    height, width = images[0].shape[:2]
    context: Any = av.CodecContext.create("libx264", "w")
    _set_up(context, (width, height))
    context.flags |= av.codec.context.Flags.global_header
    packets: list[Any] = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = int(number / RATE_HZ / _TICK), _TICK
        packets += context.encode(frame)
    packets += context.encode(None)
    return Segment(tuple(bytes(p) for p in packets), tuple(bool(p.is_keyframe) for p in packets), bytes(context.extradata or b""))


def join(
    folder: Path, sizes: Mapping[str, tuple[int, int]], times_s: Mapping[str, FloatArray], rows: Iterable[Mapping[str, Segment]]
) -> dict[str, Path]:
    """Write one video a camera into ``folder``, of segments by camera in the order of time; return their paths.

    ``times_s`` (N,) are the times of all frames of a camera, which the container gets to within 6 microseconds; ``sizes`` are (width, height).
    Raises: DataError if there are more or fewer frames than times, or a segment was not encoded as the others.
    """
    paths = {name: folder / f"{name}{SUFFIX}" for name in sizes}
    with ExitStack() as open_files:
        writers = {name: _Writer(open_files, paths[name], size, times_s[name]) for name, size in sizes.items()}
        for row in rows:
            for name, segment in row.items():
                writers[name].add(segment)
        for writer in writers.values():
            writer.check_complete()
    return paths


class _Writer:
    """One camera's video while it is being joined."""

    def __init__(self, open_files: ExitStack, path: Path, size: tuple[int, int], times_s: FloatArray) -> None:
        import av

        options = {"video_track_timescale": str(_TICK.denominator)}
        self._path = path
        self._container: Any = open_files.enter_context(av.open(str(path), "w", format="mp4", options=options))
        self._stream: Any = self._container.add_stream("libx264", rate=RATE_HZ)
        _set_up(self._stream.codec_context, size)
        self._stream.time_base = _TICK
        self._pending: Iterator[int] = iter(np.round(times_s / float(_TICK)).astype(np.int64).tolist())
        self._missing = len(times_s)
        self._container.start_encoding()
        self._header = bytes(self._stream.codec_context.extradata or b"")

    def add(self, segment: Segment) -> None:
        import av

        if segment.packets and segment.header != self._header:
            raise DataError(f"A part of {self._path.name} was encoded by another version of the encoder; run the same command again.")
        for data, key in zip(segment.packets, segment.key, strict=True):
            tick = next(self._pending, None)
            if tick is None:
                raise DataError(f"{self._path.name} would have more frames than times; run the same command again.")
            packet = av.Packet(data)
            packet.stream, packet.time_base = self._stream, _TICK
            packet.pts = packet.dts = tick
            packet.duration = int(1 / RATE_HZ / _TICK)
            packet.is_keyframe = key
            self._container.mux(packet)
            self._missing -= 1

    def check_complete(self) -> None:
        if self._missing:
            raise DataError(f"{self._path.name} would lack {self._missing} frames; run the same command again.")


def _set_up(context: Any, size: tuple[int, int]) -> None:
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = _TICK, Fraction(RATE_HZ)
    context.options = _OPTIONS
