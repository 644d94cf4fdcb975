"""Grey images to look for a board in: of one image, of a folder of images, or spread over a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.capture import image_folder, video
from bodydouble.errors import DataError, UsageError

GreyImage = npt.NDArray[np.uint8]

_MOST_DECODED = 3000
"""Frames: a longer video is entered at places spread over it instead of decoded as a whole."""


def spread_images(path: Path, count: int) -> list[tuple[str, GreyImage]]:
    """Return up to ``count`` images with a name each, those that tell most first: the middle, then the halves of the halves.

    Raises: UsageError if there is no such file or it is neither image nor video, DataError if it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        files = image_folder.list_images(path)
        if not files:
            raise UsageError(f"{path} holds no images ({', '.join(image_folder.SUFFIXES)}); give an image, a video or a folder of images.")
        return [(files[k].name, _grey(image_folder.read_image(files[k]))) for k in _spread(len(files), count)]
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    if path.suffix.lower() in image_folder.SUFFIXES:
        return [(path.name, _grey(image_folder.read_image(path)))]
    if path.suffix.lower() in video.SUFFIXES:
        return list(_video_frames(path, count))
    raise UsageError(
        f"{path} is neither an image ({', '.join(image_folder.SUFFIXES)}) nor a video ({', '.join(video.SUFFIXES)}) by its ending; "
        "convert or rename it."
    )


def _spread(size: int, count: int) -> list[int]:
    """Return up to ``count`` of ``size`` indices, evenly spread, in an order whose beginning is spread too."""
    chosen = np.unique(np.linspace(0, size - 1, min(size, count)).round().astype(int)).tolist()
    order: list[int] = []
    parts = [chosen]
    while parts:
        rest = []
        for part in parts:
            middle = len(part) // 2
            order.append(part[middle])
            rest += [piece for piece in (part[:middle], part[middle + 1 :]) if piece]
        parts = rest
    return order


def _video_frames(path: Path, count: int) -> Iterator[tuple[str, GreyImage]]:
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} holds no video. Give a video or an image.")
            stream = container.streams.video[0]
            frames = _entered(container, stream, count) if stream.frames > _MOST_DECODED else _decoded(container, stream, count)
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} cannot be read as a video ({error}). Copy it again, or convert it.") from None
    if not frames:
        raise DataError(f"{path}: no frame could be decoded. Copy it again, or convert it.")
    yield from (frames[k] for k in _spread(len(frames), count))


def _decoded(container: Any, stream: Any, count: int) -> list[tuple[str, GreyImage]]:
    """Decode a whole video and keep every n-th frame, n doubled whenever there are too many."""
    kept: list[tuple[str, GreyImage]] = []
    step = 1
    for number, frame in enumerate(_until_broken(container, stream)):
        if number % step == 0:
            kept.append((f"frame {number}", frame.to_ndarray(format="gray")))
            if len(kept) >= 2 * count:
                kept, step = kept[::2], 2 * step
    return kept


def _entered(container: Any, stream: Any, count: int) -> list[tuple[str, GreyImage]]:
    kept: dict[str, GreyImage] = {}
    start, length = stream.start_time or 0, stream.duration or int((container.duration or 0) / 1e6 / stream.time_base)
    for share in np.linspace(0, 1, count, endpoint=False):
        container.seek(int(start + share * length), stream=stream, backward=True)
        frame = next(_until_broken(container, stream), None)
        if frame is not None:
            kept[f"at {frame.time or 0.0:.2f} s"] = frame.to_ndarray(format="gray")
    return list(kept.items())


def _until_broken(container: Any, stream: Any) -> Iterator[Any]:
    """Decode as far as it goes: for a look at the board, the beginning of a truncated video serves."""
    import av.error

    try:
        yield from container.decode(stream)
    except av.error.FFmpegError:
        return


def _grey(image: npt.NDArray[np.uint8]) -> GreyImage:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
