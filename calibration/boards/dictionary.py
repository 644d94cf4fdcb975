"""Marker dictionaries: OpenCV's names, how many markers each holds, and which way up they are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UnknownNameError

DICTIONARIES: dict[str, tuple[int, int]] = {
    **{f"DICT_{bits}X{bits}_{count}": (bits, count) for bits in (4, 5, 6, 7) for count in (50, 100, 250, 1000)},
    "DICT_ARUCO_ORIGINAL": (5, 1024),
    "DICT_ARUCO_MIP_36h12": (6, 250),
    "DICT_APRILTAG_16h5": (4, 30),
    "DICT_APRILTAG_25h9": (5, 35),
    "DICT_APRILTAG_36h10": (6, 2320),
    "DICT_APRILTAG_36h11": (6, 587),
}
"""Name to (bits a side, number of markers)."""

_APRILTAG_FIRST_ROW = {
    "DICT_APRILTAG_16h5": "0010",
    "DICT_APRILTAG_25h9": "10101",
    "DICT_APRILTAG_36h10": "000111",
    "DICT_APRILTAG_36h11": "110101",
}
"""Upper row of tag 0 as the AprilTag project and Kalibr print it, white is 1."""


def check_dictionary(name: str, source: str) -> str:
    """Return the name as OpenCV spells it, whatever its capitals. Raises: UnknownNameError with the near ones."""
    for known in DICTIONARIES:
        if known.lower() == name.lower():
            return known
    raise UnknownNameError("dictionary", name, source, DICTIONARIES)


@lru_cache(maxsize=32)
def opencv_dictionary(name: str) -> Any:
    """Return OpenCV's dictionary of that name."""
    import cv2

    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


@lru_cache(maxsize=32)
def half_turned(name: str) -> int:
    """Return by how many corners OpenCV has the tags of this dictionary turned: 2 where they are upside down, else 0.

    Its AprilTags are, against how the AprilTag project and Kalibr print them, up to version 5.1; later ones are announced to be upright
    (opencv/opencv#28823). So look at the bits and not at the version.
    """
    if name not in _APRILTAG_FIRST_ROW:
        return 0
    upright = np.array([int(bit) for bit in _APRILTAG_FIRST_ROW[name]])
    return 0 if np.array_equal(_stored_bits(name, 0)[0], upright) else 2


def possible_turns(name: str) -> tuple[int, ...]:
    """Return by how many corners the markers OpenCV finds may be turned on a board: boards that OpenCV drew have its AprilTags upside down."""
    return (half_turned(name), 2 - half_turned(name)) if name in _APRILTAG_FIRST_ROW else (0,)


def marker_bits(name: str, marker_id: int) -> npt.NDArray[np.bool_]:
    """Return (bits, bits) of a marker the right way up, row 0 at the top; True is white."""
    bits = _stored_bits(name, marker_id)
    return np.rot90(bits, 2).astype(bool) if half_turned(name) else bits.astype(bool)


def _stored_bits(name: str, marker_id: int) -> npt.NDArray[np.uint8]:
    from cv2.aruco import Dictionary

    packed = opencv_dictionary(name).bytesList[marker_id : marker_id + 1]
    return np.asarray(Dictionary.getBitsFromByteList(packed, DICTIONARIES[name][0]), dtype=np.uint8)


def same_family(name: str) -> tuple[str, ...]:
    """Return the dictionaries that start with the same markers, from small to large, ``name`` among them."""
    stem, _, count = name.rpartition("_")
    if not count.isdigit():
        return (name,)
    return tuple(other for other in DICTIONARIES if other.rpartition("_")[0] == stem)
