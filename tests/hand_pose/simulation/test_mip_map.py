"""Smaller copies of a texture stay aligned with it."""

from __future__ import annotations

import cv2
import numpy as np

from bodydouble.hand_pose.simulation.mip_map import MipMap


def test_every_level_shows_an_edge_at_the_same_place() -> None:
    texture = np.zeros((64, 96), dtype=np.uint8)
    texture[:, 48:] = 200
    mip = MipMap.of([np.full((32, 32), 255, dtype=np.uint8), texture], 4)
    for level in range(4):
        x = np.linspace(40, 56, 161, dtype=np.float32)[None]
        u, v = x * mip.scale[level] + mip.offset[1, level, 0], np.full_like(x, 30) * mip.scale[level] + mip.offset[1, level, 1]
        seen = cv2.remap(mip.image, u, v, cv2.INTER_LINEAR)[0].astype(float)
        assert abs(np.interp(100, seen, x[0]) - 48) < 0.3
