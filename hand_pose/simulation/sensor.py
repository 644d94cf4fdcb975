"""What a camera's sensor adds to an image: noise, and exposure that varies."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.simulation.look import Look

Image = npt.NDArray[np.uint8]

_BANK = 1 << 21
"""How many samples of noise are drawn once; a frame reads them from a place of its own, which is a hundred times cheaper than drawing."""


class Sensor:
    """Adds noise and exposure that depend on the look's seed, the camera and the frame alone."""

    def __init__(self, look: Look) -> None:
        self._look = look

    @cached_property
    def _noise(self) -> npt.NDArray[np.int16]:
        rng = np.random.default_rng([self._look.seed, 61])
        return np.rint(rng.normal(0, self._look.noise, _BANK)).astype(np.int16)

    def finish(self, image: Image, frame: int, camera: int) -> Image:
        """Return the image (H, W, 3) as the sensor delivers it; it may be the same array, changed."""
        import cv2

        look = self._look
        rng = np.random.default_rng([look.seed, 62, camera, frame])
        if look.exposure > 0:
            gain = float(np.clip(1 + look.exposure * rng.standard_normal(), 0.7, 1.3))
            image = cv2.convertScaleAbs(image, alpha=gain)
        if look.noise > 0:
            count, start = image.size, int(rng.integers(_BANK))
            # Odd steps through the bank: rows of pixels never repeat one above the other.
            noise = np.resize(np.roll(self._noise, -start), count) if count > _BANK - start else self._noise[start : start + count]
            image = cv2.add(image, noise.reshape(image.shape), dtype=cv2.CV_8U)
        return image
