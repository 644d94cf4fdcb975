"""The light of a simulated room: soft from above, and one key light."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

TO_KEY_LIGHT: Float32Array = (np.array([0.35, 0.45, 0.82]) / np.linalg.norm([0.35, 0.45, 0.82])).astype(np.float32)
"""(3,) unit vector in the world towards the key light, far away."""
_AMBIENT_SIDE, _AMBIENT_UP = 0.52, 0.16
_KEY = 0.46
_WRAP = 0.15
"""By how much the key light reaches around a body: real lamps are not points."""


def light_on(normals: Float32Array) -> Float32Array:
    """Return how bright (...,) a white surface with unit normals (..., 3) is, 1 for fully lit."""
    key = np.maximum(normals @ TO_KEY_LIGHT + np.float32(_WRAP), 0.0) * np.float32(_KEY / (1 + _WRAP))
    return np.asarray(key + ambient_on(normals), dtype=np.float32)


def ambient_on(normals: Float32Array) -> Float32Array:
    """Return how much of that is left where the key light is blocked."""
    return np.asarray(np.float32(_AMBIENT_UP) * normals[..., 2] + np.float32(_AMBIENT_SIDE), dtype=np.float32)


SHADE = float(ambient_on(np.array([0, 0, 1], dtype=np.float32)) / light_on(np.array([0, 0, 1], dtype=np.float32)))
"""What is left of the light on the floor where the key light is blocked."""
