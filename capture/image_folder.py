"""A camera whose frames are image files in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError

RgbImage = npt.NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of their names, numbers counted as numbers (9 before 10)."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(images, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)])


def read_image(path: Path) -> RgbImage:
    """Read an image as RGB, turned upright as its EXIF orientation says. Raises: DataError if it cannot be read."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} cannot be read as an image. Copy it again, or take it out of the folder.")
    return np.ascontiguousarray(image[..., ::-1])


def size_of(image: RgbImage) -> tuple[int, int]:
    """Return (width, height)."""
    return image.shape[1], image.shape[0]


def read_images(folder: Path, wanted: npt.NDArray[np.int64], size: tuple[int, int] | None = None) -> Iterator[tuple[int, RgbImage]]:
    """Yield (index, image) for the indices ``wanted`` into ``list_images``.

    ``size`` is that of the first image of the folder, where it is known. Raises: DataError if an image is missing or has another size than
    the first one, or than one before it.
    """
    images = list_images(folder.resolve())  # errors name the user's folder, not a link to it in the cache
    like: Path | None = images[0] if size is not None and images else None
    for index in wanted.tolist():
        if index >= len(images):
            raise DataError(f"{folder} holds {len(images)} images; frame {index} was asked for. Import it again.")
        image = read_image(images[index])
        found = size_of(image)
        if like is None:
            size, like = found, images[index]
        elif found != size and (other := size_of(read_image(like))) != found:
            raise DataError(
                f"{images[index]} is {found[0]}x{found[1]} px but {like} is {other[0]}x{other[1]} px. The images of one camera have one size, "
                "as it was calibrated or will be: take out or turn those that differ."
            )
        yield index, image
