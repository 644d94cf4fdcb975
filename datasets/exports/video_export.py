"""Camera images of an episode as one video a camera, frame k at exactly k / rate s, for readers that jump to any frame.

Every second frame stands alone (as LeRobot's do), none looks ahead, and the colours are BT.601 of limited range, said so in the file. A stored JPEG of the
right size goes to the encoder without a detour over RGB; a held image is encoded again but not decoded again. One thread encodes one camera, so the
bytes do not depend on how many processors there are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_settings import Codec
from bodydouble.datasets.exports.samples import CameraSamples, image_at
from bodydouble.datasets.images import Image, jpeg_size
from bodydouble.errors import DataError, MissingDependencyError
from bodydouble.progress import Progress, silent

FRAMES_BETWEEN_KEYS = 2

_BT601, _LIMITED, _FULL = 5, 1, 2
"""FFmpeg's numbers of JPEG's colour matrix, of video's range of brightness, and of JPEG's."""

_SAMPLED_SIDE, _WHOLE_BELOW = 150, 300
"""LeRobot describes images by every n-th pixel, so that about 150 are left along the longer side of those of 300 px or more."""


@dataclass(frozen=True)
class CodecChoice:
    """How one codec is set."""

    encoder: str
    """FFmpeg's name of it."""
    options: Mapping[str, str]
    described: Mapping[str, Any]
    """The same as LeRobot describes a video in ``info.json``."""


CODEC_CHOICES: dict[Codec, CodecChoice] = {
    # Against the stored JPEG of 640x480 px: 35 dB or more in every frame of three real videos of 30 to 60 kB an image, 33 dB in one of 108 kB; LeRobot's own
    # crf of 30 gives 4 dB less for two fifths of the bytes. The preset has no B frames and no arithmetic coding, which makes jumping to a frame cheap; the
    # deblocking that it lacks as well is worth 0.7 dB.
    "h264": CodecChoice(
        "libx264", {"g": "2", "crf": "24", "preset": "ultrafast", "x264-params": "no-deblock=0:8x8dct=1"},
        {
            "video.g": 2, "video.crf": 24, "video.preset": "ultrafast", "video.fast_decode": 0, "video.video_backend": "pyav",
            "video.extra_options": {"x264-params": "no-deblock=0:8x8dct=1"},
        },
    ),
    "av1": CodecChoice(
        "libsvtav1", {"g": "2", "crf": "30", "preset": "10", "svtav1-params": "lp=1"},
        {"video.g": 2, "video.crf": 30, "video.preset": 10, "video.fast_decode": 0, "video.video_backend": "pyav", "video.extra_options": {}},
    ),
}  # fmt: skip


@dataclass
class ImageHistogram:
    """How often each brightness occurs in a share of the pixels of a share of the images."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    """(3, 256): red, green, blue."""
    images: int = 0

    def add(self, rgb: Image) -> None:
        """Count an image (H, W, 3)."""
        for channel in range(3):
            self.counts[channel] += np.bincount(rgb[..., channel].ravel(), minlength=256)
        self.images += 1


def exported_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) px of a video of images of ``size``: the last column or row of an odd one is cut off, as 4:2:0 colour has to be even."""
    return size[0] - size[0] % 2, size[1] - size[1] % 2


def describe_video(size: tuple[int, int], rate_hz: int, codec: Codec) -> dict[str, Any]:
    """Return what LeRobot's ``info.json`` says of a video of images of ``size`` (width, height) px."""
    width, height = exported_size(size)
    return {
        "video.height": height, "video.width": width, "video.codec": codec, "video.pix_fmt": "yuv420p", "video.fps": rate_hz, "video.channels": 3,
        "has_audio": False, **CODEC_CHOICES[codec].described, "is_depth_map": False,
    }  # fmt: skip


def sampled_frames(frames: int) -> set[int]:
    """Return which of ``frames`` images are described by statistics: LeRobot's choice."""
    count = max(min(100, frames), min(int(frames**0.75), 10_000))
    return set(np.round(np.linspace(0, frames - 1, count)).astype(int).tolist())


def encode_cameras(
    episode: Episode, cameras: Mapping[str, CameraSamples], sizes: Mapping[str, tuple[int, int]], paths: Mapping[str, Path], rate_hz: int, codec: Codec,
    progress: Progress = silent,
) -> dict[str, ImageHistogram]:  # fmt: skip
    """Write one video a camera, several at a time, and return their histograms. ``progress`` counts samples.

    ``sizes`` are the (width, height) px that the plan chose. Raises: DataError for an image that is damaged or a size that the codec cannot hold;
    MissingDependencyError where the encoder is missing.
    """
    if not cameras:
        return {}
    count = max(len(samples.frame) for samples in cameras.values())
    done = dict.fromkeys(cameras, 0)
    stopped = threading.Event()

    def encode(name: str) -> ImageHistogram:
        def counted(frame: int) -> None:
            done[name] = frame
            if stopped.is_set():
                raise InterruptedError

        return encode_camera(episode, name, cameras[name], sizes[name], paths[name], rate_hz, codec, counted)

    with ThreadPoolExecutor(min(len(cameras), os.cpu_count() or 1)) as pool:
        try:
            futures = {name: pool.submit(encode, name) for name in cameras}
            while wait(futures.values(), timeout=0.2, return_when=FIRST_EXCEPTION).not_done:
                progress(sum(done.values()) // len(done), count)
                if any(future.done() and future.exception() for future in futures.values()):
                    break
        finally:
            stopped.set()  # also on Ctrl-C: the pool waits for its threads
    failed = [error for future in futures.values() if (error := future.exception()) and not isinstance(error, InterruptedError)]
    if failed:
        raise failed[0]
    progress(count, count)
    return {name: future.result() for name, future in futures.items()}


def encode_camera(
    episode: Episode, camera: str, samples: CameraSamples, size: tuple[int, int], path: Path, rate_hz: int, codec: Codec,
    counted: Callable[[int], None] = lambda frame: None,
) -> ImageHistogram:  # fmt: skip
    """Write the video of one camera and return the histogram of its images; ``counted`` is told how many frames are done. Raises: as ``encode_cameras``."""
    histogram = ImageHistogram()
    encode_frames(_video_frames(episode, camera, samples, size, histogram), camera, size, path, rate_hz, codec, counted)
    return histogram


def encode_frames(
    frames: Iterable[Any], camera: str, size: tuple[int, int], path: Path, rate_hz: int, codec: Codec,
    counted: Callable[[int], None] = lambda frame: None, *, other_codec: bool = True,
) -> None:  # fmt: skip
    """Write frames (yuv420p, of ``exported_size``) as a video, frame k at k / ``rate_hz`` s; ``other_codec``: whether an error may suggest one.

    Raises: as ``encode_cameras``.
    """
    import av

    choice = CODEC_CHOICES[codec]
    os.environ.setdefault("SVT_LOG", "1")  # else it writes its settings to the terminal for every video
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = exported_size(size)
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream: Any = container.add_stream(choice.encoder, rate=rate_hz, options=dict(choice.options))
            stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, "yuv420p", Fraction(1, rate_hz)
            context = stream.codec_context
            context.thread_count = 1  # the bytes shall not depend on the number of processors
            context.colorspace, context.color_range = _BT601, _LIMITED
            for number, frame in enumerate(frames):
                frame.pts, frame.time_base = number, Fraction(1, rate_hz)
                frame.pict_type = 0  # the JPEG decoder says "intra", which the encoder would obey
                container.mux(stream.encode(frame))
                counted(number + 1)
            container.mux(stream.encode())
    except av.codec.codec.UnknownCodecError:
        choose = f", or choose --codec {'av1' if codec == 'h264' else 'h264'}" if other_codec else ""
        raise MissingDependencyError(
            f"this build of PyAV (av {av.__version__}) has no encoder {choice.encoder}. Install the wheel from PyPI (pip install --upgrade av){choose}."
        ) from None
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):  # a full disk, say, which the caller words
            raise
        choose = " or --codec" if other_codec else ""
        raise DataError(
            f"camera '{camera}' cannot be encoded as {codec} at {width}x{height} px ({error.strerror}); choose another --image-size{choose}."
        ) from None


def _video_frames(episode: Episode, camera: str, samples: CameraSamples, size: tuple[int, int], histogram: ImageHistogram) -> Iterator[Any]:
    """Give one frame (yuv420p) a sample."""
    described = sampled_frames(len(samples.frame))
    decoder = _FrameDecoder(episode, camera, size)
    shown, frame, rgb = -2, None, None
    for number, index in enumerate(samples.frame.tolist()):
        if index != shown:
            frame, rgb = decoder.frame(samples, number)
            shown = index
        if number in described and rgb is not None:
            histogram.add(rgb())
        yield frame


class _FrameDecoder:
    """Turns stored images into frames for the encoder, by the shortest way."""

    def __init__(self, episode: Episode, camera: str, size: tuple[int, int]) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self.episode, self.camera, self.size = episode, camera, size
        self.decoder: Any = av.CodecContext.create("mjpeg", "r")
        self.decoder.thread_count = 1
        self.decoder.options = {"err_detect": "explode"}
        self.whole, self.small = VideoReformatter(), VideoReformatter()
        self.one_thread: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 18 else {}

    def frame(self, samples: CameraSamples, number: int) -> tuple[Any, Callable[[], Image]]:
        """Return the frame of one sample, and a function that gives its pixels that statistics count, RGB."""
        jpeg = self._jpeg(int(samples.frame[number]))
        if jpeg is not None:
            frame = self.whole.reformat(jpeg, format="yuv420p", src_color_range=_FULL, dst_color_range=_LIMITED, **self.one_thread)
            return frame, lambda: self._sampled(jpeg)
        import av

        rgb = image_at(self.episode, self.camera, samples, number, self.size)
        width, height = exported_size(self.size)
        rgb = np.ascontiguousarray(rgb[:height, :width])
        step = _sampling_step(self.size)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame = self.whole.reformat(frame, format="yuv420p", dst_colorspace=_BT601, dst_color_range=_LIMITED, **self.one_thread)
        return frame, lambda: rgb[::step, ::step]

    def _jpeg(self, frame: int) -> Any:
        """Return a stored image as the JPEG holds it, None where it has another size than the video or is not there."""
        import av

        images = self.episode.images
        data = images.jpeg(self.camera, frame) if images is not None and frame >= 0 else None
        if data is None or exported_size(self.size) != self.size:
            return None
        source = f"image {frame} of camera '{self.camera}'"
        if jpeg_size(data, source=source) != self.size:
            return None
        try:
            return self.decoder.decode(av.Packet(data))[0]
        except (av.error.FFmpegError, IndexError):
            raise DataError(f"{source} is damaged and cannot be decoded; copy or make the episode again.") from None

    def _sampled(self, jpeg: Any) -> Image:
        step = _sampling_step(self.size)
        small = self.small.reformat(
            jpeg, width=max(1, self.size[0] // step), height=max(1, self.size[1] // step), format="rgb24", interpolation="POINT",
            src_color_range=_FULL, dst_color_range=_FULL, **self.one_thread,
        )  # fmt: skip
        return np.asarray(small.to_ndarray(), dtype=np.uint8)


def _sampling_step(size: tuple[int, int]) -> int:
    return max(1, max(size) // _SAMPLED_SIDE) if max(size) >= _WHOLE_BELOW else 1


def check_video(path: Path, frames: int, size: tuple[int, int], rate_hz: int) -> None:
    """Decode the first and the last frame of a video and compare it with what it should be.

    ``size`` as the plan chose it. Raises: DataError.
    """
    import av

    wrong = ""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.frames != frames:
                wrong = f"it has {stream.frames} frames, not {frames}"
            elif (stream.width, stream.height) != exported_size(size):
                wrong = f"it is {stream.width}x{stream.height} px, not {'x'.join(map(str, exported_size(size)))}"
            else:
                last = Fraction(frames - 1, rate_hz)
                times = [next(container.decode(stream)).time]
                container.seek(int(last / stream.time_base), stream=stream)
                times.extend(frame.time for frame in container.decode(stream))
                if len(times) < 2 or not np.allclose([times[0], times[-1]], [0.0, float(last)], atol=1e-6):
                    wrong = f"its frames lie at {times[0]} s to {times[-1]} s, not 0 s to {float(last)} s"
    except FileNotFoundError:
        wrong = "it is not there"
    except (av.error.FFmpegError, IndexError, StopIteration) as error:
        wrong = f"it cannot be decoded ({error})"
    if wrong:
        raise DataError(f"{path.name} of {path.parent.parent.name}/{path.parent.name}: {wrong}; make the export again.")
