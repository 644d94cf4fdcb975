"""One whole image for every frame that a camera has, none for the others: JPEG bytes in the file, or videos beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.images import decode_jpeg, jpeg_size
from bodydouble.datasets.stored_videos import StoredVideos
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.errors import DataError

DECODED_PER_CAMERA = 8
"""Images a camera that are decoded whole; of all others the header and the end are checked."""


def images(episode: OpenedEpisode) -> Iterator[Check]:
    """Check the images of every camera."""
    kind = next((name for name in ("images", "videos") if name in episode.file), None)
    if kind is None:
        yield Check("images", "WARN", "no images are stored", "Process again with images if a policy is to see.")
        return
    group, sizes = episode.file[kind], episode.file["recording/image_size"][()].tolist()
    for camera, frames, (width, height) in zip(episode.cameras, episode.present, sizes, strict=True):
        if camera not in group or group[camera].shape != frames.shape:
            yield Check("images", "FAIL", f"camera '{camera}' has no images, or not one a frame", AGAIN)
            continue
        find = _image_problem if kind == "images" else _video_problem
        problem = find(episode, camera, frames) or _size_problem(group[camera], (width, height), camera)
        yield (
            Check("images", "FAIL", problem, AGAIN)
            if problem
            else Check("images", "PASS", f"camera '{camera}': {int(frames.sum())} images")
        )


def _image_problem(episode: OpenedEpisode, camera: str, frames: npt.NDArray[np.bool_]) -> str:
    dataset = episode.file["images"][camera]
    decoded = set(np.linspace(0, len(frames) - 1, DECODED_PER_CAMERA, dtype=int).tolist())
    expected = tuple(int(v) for v in dataset.attrs["image_size"]) if frames.any() else (0, 0)
    for frame, there in enumerate(frames):
        data = bytes(dataset[frame])
        if bool(data) != bool(there):
            return f"camera '{camera}', frame {frame}: the image and recording/present do not agree"
        if not there:
            continue
        try:
            size = jpeg_size(data)
            if frame in decoded:
                decode_jpeg(data)
        except DataError as error:
            return f"camera '{camera}', frame {frame}: {error}"
        if size != expected:
            return f"camera '{camera}', frame {frame} is {size[0]}x{size[1]}; expected {expected[0]}x{expected[1]}"
    return ""


def _video_problem(episode: OpenedEpisode, camera: str, frames: npt.NDArray[np.bool_]) -> str:
    numbers = episode.file["videos"][camera][()]
    wrong = np.flatnonzero((numbers >= 0) != frames)
    if len(wrong):
        return f"camera '{camera}', frame {wrong[0]}: the video's frame and recording/present do not agree"
    if (np.diff(numbers[frames]) <= 0).any():
        return f"camera '{camera}': the frames of its video do not follow each other"
    there, videos = np.flatnonzero(frames), StoredVideos(episode.path, (camera,))
    expected = tuple(int(v) for v in episode.file["videos"][camera].attrs["image_size"]) if frames.any() else (0, 0)
    try:
        for frame in there[np.unique(np.linspace(0, len(there) - 1, DECODED_PER_CAMERA, dtype=int))] if len(there) else ():
            image = videos.read(camera, int(frame))
            if image is None or (image.shape[1], image.shape[0]) != expected:
                return f"camera '{camera}', frame {frame} of its video is not an image of {expected[0]}x{expected[1]}"
    except DataError as error:
        return f"camera '{camera}': {error}"
    finally:
        videos.close()
    return ""


def _size_problem(dataset: Any, video: tuple[int, int], camera: str) -> str:
    if "image_size" not in dataset.attrs:
        return ""  # a camera without a frame
    width, height = (int(v) for v in dataset.attrs["image_size"])
    same_shape = abs(width * video[1] - height * video[0]) <= 0.5 * (abs(video[0]) + abs(video[1]))  # as far as rounding allows
    if min(video) >= max(1, min(width, height)) and same_shape:
        return ""
    return f"camera '{camera}': images of {width}x{height} px are not those of a video of {video[0]}x{video[1]} px (recording/image_size)"
