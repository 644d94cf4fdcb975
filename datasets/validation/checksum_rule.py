"""Every number, image and video is, to the last byte, the one that was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from bodydouble.cache import file_sha256
from bodydouble.check import Check
from bodydouble.datasets.validation.limits import AGAIN
from bodydouble.datasets.validation.opened_episode import OpenedEpisode

COPY = "Copy the file again from where it was made; if it was changed on purpose, read and write it with bodydouble, which makes new checksums."
WITHOUT = 1
"""Version of the schema that has none."""


def checksums(episode: OpenedEpisode) -> Iterator[Check]:
    """Compare every dataset, every camera's images and every video with its SHA-256, where the file gives one."""
    wrong: list[str] = []
    without: list[str] = []
    count = 0
    for field in episode.fields:
        for path in (path for path in episode.paths(field) if path in episode.file):
            data = episode.file[path]
            if "sha256" not in data.attrs:
                without.append(path)
                continue
            count += 1
            if hashlib.sha256(np.ascontiguousarray(data[()]).tobytes()).hexdigest() != data.attrs["sha256"]:
                wrong.append(path)
    for path, as_written in _images(episode):
        count += as_written is not None
        without += [path] if as_written is None else []
        wrong += [path] if as_written is False else []
    for path in wrong:
        yield Check("checksums", "FAIL", f"{path} is not what was written: its SHA-256 differs", COPY)
    if without and episode.version > WITHOUT:
        found = f"{len(without)} datasets have no checksum: {', '.join(without[:4])}{' ...' if len(without) > 4 else ''}"
        yield Check("checksums", "WARN", found, AGAIN)
    elif not wrong:
        yield Check(
            "checksums", "PASS", f"{count} datasets and cameras are as they were written" if count else "a file of version 1 has none"
        )


def _images(episode: OpenedEpisode) -> Iterator[tuple[str, bool | None]]:
    """Yield the path of each camera's images and whether they are those that were written, None where the file does not say."""
    for camera in episode.file.get("images", {}):
        said = episode.file["images"][camera].attrs.get("sha256")
        yield f"images/{camera}", None if said is None else hashlib.sha256(b"".join(episode.jpeg_digests(camera))).hexdigest() == said
    for camera, stored in episode.file.get("videos", {}).items():
        if "file" not in stored.attrs:
            continue  # a camera without a frame
        said, video = stored.attrs.get("sha256"), episode.path.with_name(str(stored.attrs["file"]))
        if video.is_file():  # one that is not there is told of by the images' own rule
            yield f"videos/{camera}", None if said is None else file_sha256(video) == said
