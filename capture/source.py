"""What a camera's frames are read from: a video file or a folder of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.capture import image_folder, video
from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

_REMEDY = "put a timestamps.csv (camera,frame_index,time_s) with the capture times beside the videos"


def read_source(
    path: Path, wanted: npt.NDArray[np.int64], times_s: FloatArray, *, seek: bool, size: tuple[int, int] | None = None
) -> Iterator[tuple[int, RgbImage]]:
    """Yield (index, image) for increasing frame indices; images are RGB uint8 (H, W, 3). ``size`` is what they should have, where known."""
    if path.is_dir():
        return image_folder.read_images(path, wanted, size)
    return video.read_frames(path, wanted, times_s, seek=seek)


def image_size_of(path: Path) -> tuple[int, int]:
    """Return (width, height) of the first frame. Raises: DataError if there is none."""
    if not path.is_dir():
        return video.first_image_size(path)
    images = image_folder.list_images(path)
    if not images:
        raise DataError(f"{path} holds no images ({', '.join(image_folder.SUFFIXES)}).")
    return image_folder.size_of(image_folder.read_image(images[0]))


def files_of(path: Path) -> list[Path]:
    """Return the files that hold the frames."""
    return image_folder.list_images(path) if path.is_dir() else [path]


def container_times(paths: Mapping[str, Path], *, progress: Progress = silent) -> tuple[dict[str, FloatArray], dict[str, tuple[int, int]]]:
    """Return camera to times (N,) in s from the first frame of any camera, and camera to image size.

    All containers are taken to share one clock: what a live recording writes, and true of videos that were cut to start together.

    Raises: DataError if a video cannot be read whole, if a camera has images (which have no times), or if the cameras never overlap.
    """
    check_no_images(paths.values())
    indexed: dict[str, video.VideoIndex] = {}
    for number, (name, path) in enumerate(paths.items()):
        length = video.declared_length_s(path)

        def tell(time_s: float, number: int = number, length: float | None = length) -> None:
            if length:
                progress(number + min(time_s / length, 1.0), len(paths))

        indexed[name] = video.index_video(path, progress=tell)
        progress(number + 1, len(paths))
    check_overlap({name: item.times_s for name, item in indexed.items()})
    start = min(item.times_s[0] for item in indexed.values())
    return {name: np.round(item.times_s - start, 9) for name, item in indexed.items()}, {
        name: item.image_size for name, item in indexed.items()
    }


def check_no_images(paths: Iterable[Path]) -> None:
    """Check that every camera has a video, whose frames have times. Raises: DataError naming a folder of images."""
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path} is a folder of images, which do not say when they were taken; {_REMEDY}.")


def check_overlap(times_s: Mapping[str, FloatArray]) -> None:
    """Check that all cameras share some time. Raises: DataError naming two cameras that do not, and their times."""
    late = max(times_s, key=lambda name: times_s[name][0])
    early = min(times_s, key=lambda name: times_s[name][-1])
    if times_s[late][0] > times_s[early][-1]:
        spans = {name: f"'{name}' ({times_s[name][0]:.3f} to {times_s[name][-1]:.3f} s)" for name in (early, late)}
        raise DataError(
            f"Cameras {spans[early]} and {spans[late]} have no time in common: their timestamps are not on one clock; {_REMEDY}."
        )
