"""Camera images of an episode as H.264 videos beside its file: a tenth of the size, at a few milliseconds more a random frame."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.datasets.images import Image, encode_jpeg
from bodydouble.errors import DataError, UnknownNameError

KEYFRAME_EVERY = 10
"""Frames: a random one is at most so many decodings away."""
CRF = "18"
"""x264's constant rate factor; 18 is called visually lossless in its documentation."""
TICKS = 1000
"""Of the video's clock a frame. Its times say nothing: the true ones are in the episode."""


class VideoWriter:
    """Encodes the images of one camera, one after the other, as H.264 in MP4; the first decides the size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.size = (0, 0)
        self._container: Any = None
        self._stream: Any = None

    def add(self, rgb: Image) -> int:
        """Append an RGB uint8 image (H, W, 3) and return its number. Raises: DataError for one of another size."""
        import av

        size = (rgb.shape[1], rgb.shape[0])
        if self._container is None:
            self._open(size)
        if size != self.size:
            raise DataError(f"image {self.count} is {size[0]}x{size[1]} px; the video's first was {self.size[0]}x{self.size[1]}.")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts = self.count * TICKS
        frame.time_base = self._stream.codec_context.time_base
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self.count += 1
        return self.count - 1

    def close(self) -> None:
        """Finish the file; one without an image is not made."""
        if self._container is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._container = None

    def abandon(self) -> None:
        """Close without finishing and remove the file."""
        with suppress(OSError):  # on a full disk the end of the file can't be written either
            if self._container is not None:
                self._container.close()
        self._container = None
        self.path.unlink(missing_ok=True)

    def _open(self, size: tuple[int, int]) -> None:
        from fractions import Fraction

        import av

        self.size = size
        self._container = av.open(str(self.path), "w", format="mp4")
        options = {"crf": CRF, "preset": "veryfast", "g": str(KEYFRAME_EVERY), "bf": "0"}
        self._stream = self._container.add_stream("libx264", rate=30, options=options)
        self._stream.width, self._stream.height = size
        # Chroma of half the size needs an even number of pixels.
        self._stream.pix_fmt = "yuv420p" if size[0] % 2 == 0 and size[1] % 2 == 0 else "yuv444p"
        self._stream.codec_context.time_base = Fraction(1, 30 * TICKS)


class StoredVideos:
    """The images of one episode in videos beside it, read lazily; see ``StoredImages``, which it can stand for.

    Every process opens its own; reading on from the last frame decodes each frame once.
    """

    def __init__(self, path: Path, cameras: tuple[str, ...]) -> None:
        self.path, self.cameras = Path(path), cameras
        self._readers: dict[str, _Reader] = {}
        self._inherited: dict[str, _Reader] = {}
        self._pid = 0

    def read(self, camera: str, frame: int, *, at_least: tuple[int, int] | None = None) -> Image | None:
        """Return one image as RGB uint8 (H, W, 3), None where the camera has none; ``at_least`` changes nothing.

        Raises: UnknownNameError, DataError.
        """
        if camera not in self.cameras:
            raise UnknownNameError("camera", camera, f"the images of {self.path.name}", self.cameras)
        if self._pid != os.getpid():
            # A decoder that was opened before a fork must be neither used nor closed: it would wait for threads that are not there.
            self._inherited, self._readers, self._pid = self._readers, {}, os.getpid()
        if camera not in self._readers:
            self._readers[camera] = _Reader(self.path, camera)
        return self._readers[camera].read(frame)

    def jpeg(self, camera: str, frame: int) -> bytes | None:
        """Return one frame encoded as JPEG, None where the camera has none. Raises: UnknownNameError, DataError."""
        image = self.read(camera, frame)
        return None if image is None else encode_jpeg(image)

    def close(self) -> None:
        """Close what this process has open; it opens again when needed."""
        if self._pid != os.getpid():
            return
        for reader in self._readers.values():
            reader.close()
        self._readers = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "cameras": self.cameras, "_readers": {}, "_inherited": {}, "_pid": 0}


class _Reader:
    def __init__(self, episode: Path, camera: str) -> None:
        import av

        with h5py.File(episode, "r") as file:
            stored = file[f"videos/{camera}"]
            self.numbers: npt.NDArray[np.int64] = stored[()]
            self.path = episode.with_name(str(stored.attrs["file"])) if "file" in stored.attrs else None
        self.episode, self.camera, self.last = episode, camera, -2
        if self.path is None:
            return
        try:
            self.container = av.open(str(self.path))
        except (OSError, av.FFmpegError) as error:
            raise DataError(
                f"{self.path}, the video of camera '{camera}' of {episode.name}, cannot be opened ({error}); copy it beside the episode again."
            ) from None
        self.stream = self.container.streams.video[0]
        self.stream.codec_context.thread_count = 1
        self.decoder = self.container.decode(self.stream)

    def read(self, frame: int) -> Image | None:
        import av

        number = int(self.numbers[frame])
        if number < 0 or self.path is None:
            return None
        try:
            if not 0 <= number - self.last <= KEYFRAME_EVERY or number == self.last:
                ticks = float(number * TICKS) / (30 * TICKS) / float(self.stream.time_base)
                self.container.seek(round(ticks), stream=self.stream)
                self.decoder = self.container.decode(self.stream)
            for decoded in self.decoder:
                found = round(float(decoded.pts * self.stream.time_base) * 30)
                if found >= number:
                    self.last = found
                    if found > number:
                        break
                    return np.asarray(decoded.to_ndarray(format="rgb24"))
        except (OSError, av.FFmpegError, StopIteration) as error:
            raise DataError(f"{self.path}: frame {number} of camera '{self.camera}' cannot be decoded ({error}); copy it again.") from None
        raise DataError(f"{self.path} ends before frame {number} of camera '{self.camera}'; copy it beside the episode again.")

    def close(self) -> None:
        if self.path is not None:
            self.container.close()


def video_name(episode: Path, camera: str, sha256: str) -> str:
    """Return the name of a camera's video beside an episode. It holds its content's hash, so that an old episode keeps its own until it is replaced."""
    return f"{episode.stem}.{quote(camera, safe='')}.{sha256[:12]}.mp4"
