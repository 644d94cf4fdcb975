"""Small grey images of one camera, enough to see whether and how it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.images import Image, decode_jpeg, shrunk
from bodydouble.datasets.stored_videos import StoredVideos
from bodydouble.errors import DataError

SHORTER_PX, LONGER_PX = 120, 240
"""Images keep at least the one on both sides and at most the other on the longer, as far as they have as much."""
MOST_FRAMES, WINDOW = 600, 100
"""Of a longer recording, so many frames in runs of so many, evenly spread."""


@dataclass(frozen=True)
class SmallImages:
    """N images of one camera."""

    frames: npt.NDArray[np.intp]
    """(N,) frames of the episode, ascending; those of one run are neighbours among the camera's frames."""
    grey: npt.NDArray[np.uint8]
    """(N, h, w)."""
    follows: npt.NDArray[np.bool_]
    """(N,) whether the image before is that of the camera's frame before."""
    scale: float
    """Pixels of these images a pixel of the video."""


def read_small_images(file: Any, path: Path, camera: str, present: npt.NDArray[np.bool_], video_width: int) -> SmallImages | None:
    """Return small images of one camera's frames ``present`` (T,); None where it has none or one of them cannot be decoded."""
    there = np.flatnonzero(present)
    chosen = _chosen(len(there))
    try:
        images = [_grey(image) for image in _decoded(file, path, camera, there[chosen])]
    except DataError:
        return None
    if not images or len({image.shape for image in images}) > 1:
        return None
    follows = np.concatenate([[False], np.diff(chosen) == 1])
    return SmallImages(there[chosen], np.stack(images), follows, images[0].shape[1] / max(1, video_width))


def _chosen(count: int) -> npt.NDArray[np.intp]:
    if count <= MOST_FRAMES:
        return np.arange(count)
    starts = np.linspace(0, count - WINDOW, MOST_FRAMES // WINDOW).astype(np.intp)
    return np.unique(np.concatenate([np.arange(start, start + WINDOW) for start in starts]))


def _decoded(file: Any, path: Path, camera: str, frames: npt.NDArray[np.intp]) -> Iterator[Image]:
    if camera in file.get("images", {}):
        stored = file["images"][camera]
        for frame in frames:
            yield decode_jpeg(bytes(stored[frame]), at_least=(SHORTER_PX, SHORTER_PX))
    elif camera in file.get("videos", {}):
        videos = StoredVideos(path, (camera,))
        try:
            for frame in frames:
                image = videos.read(camera, int(frame))
                if image is None:
                    raise DataError(f"frame {frame} of camera '{camera}' has no image")
                yield image
        finally:
            videos.close()


def _grey(image: Image) -> npt.NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.cvtColor(shrunk(image, LONGER_PX), cv2.COLOR_RGB2GRAY))
