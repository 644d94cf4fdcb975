"""Writing the camera images of an episode: JPEG bytes in its file, or H.264 videos beside it."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.atomic import sync_folder
from bodydouble.cache import file_sha256
from bodydouble.datasets.episode import Episode
from bodydouble.datasets.images import Image, decode_jpeg, encode_jpeg, jpeg_size, shrunk
from bodydouble.datasets.stored_videos import VideoWriter, video_name
from bodydouble.errors import DataError

ImageEncoding = Literal["jpeg", "h264"]
IMAGE_ENCODINGS: tuple[str, ...] = get_args(ImageEncoding)

FrameImage = tuple[str, int, "Image | bytes"]
"""(camera, frame of the episode from 0, RGB uint8 (H, W, 3) or JPEG bytes)."""


def stored_images(episode: Episode) -> Iterator[FrameImage]:
    """Yield the images of an episode that was read from a file, camera after camera, as they are stored."""
    assert episode.images is not None
    for camera in episode.images.cameras:
        for frame in range(episode.frames):
            data = episode.images.jpeg(camera, frame)
            if data is not None:
                yield camera, frame, data


class Counted:
    """Which frames of which camera were written; refuses what the recording does not have."""

    def __init__(self, episode: Episode) -> None:
        self.cameras, self.present = episode.cameras, episode.recording.present
        self.written: npt.NDArray[np.bool_] = np.zeros_like(self.present)

    def add(self, camera: str, frame: int) -> None:
        """Count one image. Raises: DataError where there can be none."""
        row = self.cameras.index(camera) if camera in self.cameras else -1
        if row < 0 or not 0 <= frame < self.present.shape[1] or not self.present[row, frame]:
            raise DataError(f"image {frame} of camera '{camera}' was given, but the recording has no such frame")
        self.written[row, frame] = True

    @property
    def progress(self) -> tuple[float, float]:
        """(done, total)."""
        return float(self.written.sum()), float(self.present.sum())

    def finish(self) -> None:
        """Raise DataError if a frame got no image."""
        absent = self.present & ~self.written
        if absent.any():
            row, frame = (int(i) for i in np.argwhere(absent)[0])
            raise DataError(
                f"camera '{self.cameras[row]}' gave no image for frame {frame} ({int(absent.sum())} missing in all): "
                "its video is shorter than its timestamps say or cannot be decoded to the end. Import it again or leave it out with --cameras."
            )


def write_jpegs(
    file: Any, episode: Episode, images: Iterable[FrameImage], quality: int, max_side: int | None
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Write ``images/CAMERA`` of an open file, in any order; gives (done, total) after each. JPEG bytes are kept as they are."""
    group = file.create_group("images")
    for camera in episode.cameras:
        # one image a chunk: h5py's own choice of chunks reads images 23 times slower
        dataset = group.create_dataset(camera, shape=(episode.frames,), dtype=h5py.vlen_dtype(np.uint8), chunks=(1,))
        dataset.attrs["encoding"] = "jpeg"
        dataset.attrs["colour"] = "RGB once decoded"
    counted, digests = Counted(episode), {camera: [b""] * episode.frames for camera in episode.cameras}
    for camera, frame, image in images:
        counted.add(camera, frame)
        data = image if isinstance(image, bytes) else encode_jpeg(image, quality=quality, max_side=max_side)
        if "image_size" not in group[camera].attrs:
            group[camera].attrs["image_size"] = jpeg_size(data, source=f"image {frame} of camera '{camera}'")
        group[camera][frame] = np.frombuffer(data, np.uint8)
        digests[camera][frame] = hashlib.sha256(data).digest()
        yield counted.progress
    counted.finish()
    for camera, found in digests.items():
        group[camera].attrs["sha256"] = hashlib.sha256(b"".join(found)).hexdigest()


@contextmanager
def video_files(path: Path, cameras: tuple[str, ...]) -> Iterator[dict[str, VideoWriter]]:
    """Give a writer a camera whose videos will lie beside the episode ``path``; removes them all if anything fails.

    ``name_videos`` gives them their names, which hold their content's hash: the videos of an episode that is being replaced stay until it is.
    """
    token = f"{os.getpid()}-{secrets.token_hex(3)}"
    writers = {camera: VideoWriter(path.with_name(f".{path.name}.{number}.{token}.partial")) for number, camera in enumerate(cameras)}
    try:
        yield writers
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise


def write_videos(
    file: Any, path: Path, episode: Episode, images: Iterable[FrameImage], writers: dict[str, VideoWriter], max_side: int | None
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Encode the images, in order of time within each camera, and write ``videos/CAMERA`` of an open file; gives (done, total) after each."""
    numbers = {camera: np.full(episode.frames, -1, dtype=np.int64) for camera in episode.cameras}
    counted, last = Counted(episode), dict.fromkeys(episode.cameras, -1)
    for camera, frame, image in images:
        counted.add(camera, frame)
        if frame <= last[camera]:
            raise DataError(f"image {frame} of camera '{camera}' came after image {last[camera]}; a video needs them in order of time.")
        last[camera] = frame
        rgb = decode_jpeg(image) if isinstance(image, bytes) else image
        numbers[camera][frame] = writers[camera].add(shrunk(rgb, max_side))
        yield counted.progress
    counted.finish()
    group = file.create_group("videos")
    for camera, writer in writers.items():
        writer.close()
        dataset = group.create_dataset(camera, data=numbers[camera])
        dataset.attrs["encoding"] = "h264"
        dataset.attrs["meaning"] = "frame of the video beside this file; -1 where the camera has none"
        if writer.count:
            digest = file_sha256(writer.path)
            dataset.attrs["file"], dataset.attrs["sha256"] = video_name(path, camera, digest), digest
            dataset.attrs["image_size"] = writer.size
            with writer.path.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(writer.path, path.with_name(video_name(path, camera, digest)))
    sync_folder(path.parent)


def videos_of(path: Path) -> list[Path]:
    """Return the videos that an episode file keeps beside it; none where it cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            names = [str(data.attrs["file"]) for data in file.get("videos", {}).values() if "file" in data.attrs]
    except (OSError, KeyError):
        return []
    return [path.with_name(Path(name).name) for name in names]
