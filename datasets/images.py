"""Camera images of an episode: JPEG bytes, one image a chunk, opened once a process and decoded when asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError

Image = npt.NDArray[np.uint8]

_REDUCTIONS = ((8, "IMREAD_REDUCED_COLOR_8"), (4, "IMREAD_REDUCED_COLOR_4"), (2, "IMREAD_REDUCED_COLOR_2"))


class StoredImages:
    """The images of one episode file, read lazily.

    The file is opened at the first image and again in every process that uses this object (fork or spawn), so that it can be handed to
    the workers of a data loader. ``cameras`` are those with stored images.
    """

    def __init__(self, path: Path, cameras: tuple[str, ...]) -> None:
        self.path, self.cameras = Path(path), cameras
        self._file: Any = None
        self._pid = 0

    def jpeg(self, camera: str, frame: int) -> bytes | None:
        """Return the JPEG bytes of one frame, None where the camera has none. Raises: UnknownNameError, DataError."""
        if camera not in self.cameras:
            raise UnknownNameError("camera", camera, f"the images of {self.path.name}", self.cameras)
        try:
            data = self._open()[f"images/{camera}"][frame]
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise DataError(
                f"{self.path}: image {frame} of camera '{camera}' cannot be read ({error}); copy or make the episode again."
            ) from None
        return bytes(data) or None

    def read(self, camera: str, frame: int, *, at_least: tuple[int, int] | None = None) -> Image | None:
        """Return one image as RGB uint8 (H, W, 3), None where the camera has none.

        With ``at_least=(width, height)`` it is decoded at the smallest of full, half, quarter or eighth size that still has that many
        pixels, which is faster.
        Raises: UnknownNameError, DataError.
        """
        data = self.jpeg(camera, frame)
        return None if data is None else decode_jpeg(data, at_least=at_least, source=f"{self.path}: image {frame} of camera '{camera}'")

    def close(self) -> None:
        """Close the file if this process has it open; it opens again when needed."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "cameras": self.cameras, "_file": None, "_pid": 0}

    def _open(self) -> Any:
        if self._file is None or self._pid != os.getpid():
            self._file, self._pid = h5py.File(self.path, "r"), os.getpid()
        return self._file


def encode_jpeg(rgb: Image, *, quality: int = 90, max_side: int | None = None) -> bytes:
    """Return the JPEG bytes of an RGB uint8 image (H, W, 3), shrunk first so that no side is longer than ``max_side`` pixels."""
    import cv2

    rgb = shrunk(rgb, max_side)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise DataError(f"an image of shape {rgb.shape} could not be encoded as JPEG")
    return bytes(data)


def shrunk(rgb: Image, max_side: int | None) -> Image:
    """Return an image (H, W, 3) of which no side is longer than ``max_side`` px; None keeps it."""
    import cv2

    longest = max(rgb.shape[:2])
    if max_side is None or longest <= max_side:
        return rgb
    size = tuple(max(1, round(side * max_side / longest)) for side in (rgb.shape[1], rgb.shape[0]))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def decode_jpeg(data: bytes, *, at_least: tuple[int, int] | None = None, source: str = "image") -> Image:
    """Return an RGB uint8 image (H, W, 3); see ``StoredImages.read`` for ``at_least``. Raises: DataError if it is no JPEG image."""
    import cv2

    flag = cv2.IMREAD_COLOR
    if at_least is not None:
        width, height = jpeg_size(data, source=source)
        fitting = [name for factor, name in _REDUCTIONS if width // factor >= at_least[0] and height // factor >= at_least[1]]
        flag = getattr(cv2, fitting[0]) if fitting else flag
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if bgr is None:
        raise DataError(f"{source} is not a JPEG image that can be decoded; copy or make the episode again.")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def jpeg_size(data: bytes, *, source: str = "image") -> tuple[int, int]:
    """Return (width, height) from the header of a complete JPEG, without decoding. Raises: DataError if it is damaged or something else."""
    if not (data.startswith(b"\xff\xd8") and data.rstrip(b"\0").endswith(b"\xff\xd9")):
        raise DataError(f"{source} is not a whole JPEG image ({len(data)} bytes)")
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        # start of frame, any of the coding processes; C4, C8 and CC in that range are tables
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[position + 7 : position + 9], "big"), int.from_bytes(data[position + 5 : position + 7], "big")
        position += 2 + length
    raise DataError(f"{source} has no JPEG frame header")
