"""Arrays inside frozen dataclasses: of the right shape and type, and read-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def freeze_arrays(value: object, expected: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
    """Replace fields of a frozen dataclass by read-only arrays; called from its ``__post_init__``.

    ``expected`` maps a field to its shape and dtype. The caller's own array stays as writable as it was. Raises: ValueError naming the field for a
    shape that is not the expected one.
    """
    for name, (shape, dtype) in expected.items():
        array = np.ascontiguousarray(getattr(value, name), dtype=dtype).view()
        if array.shape != shape:
            raise ValueError(f"{type(value).__name__}.{name} has shape {array.shape}; expected {shape}")
        array.flags.writeable = False
        object.__setattr__(value, name, array)
