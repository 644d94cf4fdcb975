from dataclasses import dataclass

import numpy as np
import pytest

from bodydouble.frozen_arrays import freeze_arrays


@dataclass(frozen=True)
class Pair:
    values: np.ndarray

    def __post_init__(self) -> None:
        freeze_arrays(self, {"values": ((2,), np.float64)})


def test_the_field_is_read_only_and_the_callers_array_is_not():
    mine = np.zeros(2)
    pair = Pair(mine)
    with pytest.raises(ValueError, match="read-only"):
        pair.values[0] = 1.0
    mine[0] = 1.0


def test_lists_and_other_types_are_converted():
    assert Pair([1, 2]).values.dtype == np.float64


def test_a_wrong_shape_names_the_field_and_both_shapes():
    with pytest.raises(ValueError, match=r"Pair.values has shape \(3,\); expected \(2,\)"):
        Pair(np.zeros(3))
