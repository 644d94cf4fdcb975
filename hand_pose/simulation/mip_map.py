"""Textures with smaller copies of themselves beside them, so that one resampling reads each place at the resolution it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays

Float32Array = npt.NDArray[np.float32]

_BORDER = 3
"""Texels repeated around each copy, so that interpolation never reads its neighbour."""


@dataclass(frozen=True)
class MipMap:
    """K textures in one image, each in L resolutions that halve. Arrays are read-only.

    The place (x, y) of texture k, in texels from the corner of its first one, is at ``x * scale[level] + offset[k, level, 0]``, likewise y.
    """

    image: npt.NDArray[np.uint8]
    """(H, W) or (H, W, 3)"""
    scale: Float32Array
    """(L,)"""
    offset: Float32Array
    """(K, L, 2)"""

    def __post_init__(self) -> None:
        K, L = self.offset.shape[:2]
        freeze_arrays(self, {"image": (self.image.shape, np.uint8), "scale": ((L,), np.float32), "offset": ((K, L, 2), np.float32)})

    @classmethod
    def of(cls, textures: Sequence[npt.NDArray[np.uint8]], levels: int) -> MipMap:
        """Make the copies by averaging over areas."""
        import cv2

        strips, offset, top = [], np.zeros((len(textures), levels, 2), dtype=np.float32), 0
        scale = 0.5 ** np.arange(levels)
        for k, texture in enumerate(textures):
            copies, left = [], 0
            for level in range(levels):
                height, width = texture.shape[:2]
                # The size of a copy is rounded, its scale is not: it covers the whole texture and a little of nothing, by less than a texel.
                size = max(1, round(width * scale[level])), max(1, round(height * scale[level]))
                copy = texture if level == 0 else cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
                bordered = cv2.copyMakeBorder(copy, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_REPLICATE)
                offset[k, level] = left + _BORDER - 0.5, top + _BORDER - 0.5
                left += bordered.shape[1]
                copies.append(bordered)
            strip = np.zeros((copies[0].shape[0], left, *texture.shape[2:]), dtype=np.uint8)
            left = 0
            for copy in copies:
                strip[: copy.shape[0], left : left + copy.shape[1]] = copy
                left += copy.shape[1]
            strips.append(strip)
            top += strip.shape[0]
        image = np.zeros((top, max(strip.shape[1] for strip in strips), *textures[0].shape[2:]), dtype=np.uint8)
        top = 0
        for strip in strips:
            image[top : top + strip.shape[0], : strip.shape[1]] = strip
            top += strip.shape[0]
        return cls(image, scale.astype(np.float32), offset)
