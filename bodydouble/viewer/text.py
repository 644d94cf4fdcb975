"""Words on pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def write(image: Image, text: str, at: tuple[int, int], *, height: int, colour: Colour = (235, 238, 242), bold: bool = False) -> int:
    """Write ``text`` into an RGB image, its baseline starting at ``at`` (x, y), in letters ``height`` px high; return its end in x."""
    import cv2

    if hasattr(cv2, "FontFace"):
        # OpenCV 5 brings a typeface; its size is the height of a line
        end, _ = cv2.putText(image, text, at, colour, _typeface(), height, 700 if bold else 400)
        return int(end[0])
    scale, thickness = height / 36, 2 if bold and height > 20 else 1
    plain = text.encode("ascii", "replace").decode()  # the older strokes have no other letters
    cv2.putText(image, plain, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
    return at[0] + int(cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)[0][0])


def shortened(text: str, letters: int) -> str:
    """Return ``text``, its end replaced by dots when it has more than so many letters."""
    return text if len(text) <= letters else text[: max(1, letters - 3)].rstrip() + "..."


def shade(image: Image, left: int, top: int, right: int, bottom: int, *, strength: float = 0.55) -> None:
    """Darken a rectangle of an image, so that words on it can be read."""
    window = image[max(top, 0) : bottom, max(left, 0) : right]
    window[:] = (window * (1 - strength)).astype(np.uint8)


_FACES: list[Any] = []


def _typeface() -> Any:
    import cv2

    if not _FACES:
        _FACES.append(cv2.FontFace("sans"))
    return _FACES[0]
