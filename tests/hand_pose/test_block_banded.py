"""Block-banded systems against dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.hand_pose.block_banded import Factor


def system(bands: int, count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of a positive definite matrix, and the matrix."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((count * size, count * size))
    blocks = np.zeros((bands, count, size, size))
    for offset in range(bands):
        for i in range(offset, count):
            block = rng.normal(size=(size, size))
            if offset == 0:
                block = block @ block.T + 4 * bands * size * np.eye(size)
            blocks[offset, i] = block
            rows, columns = slice(i * size, (i + 1) * size), slice((i - offset) * size, (i - offset + 1) * size)
            dense[rows, columns], dense[columns, rows] = block, block.T
    return blocks, dense


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_banded_solution_is_the_dense_one(bands, count, size, seed):
    blocks, dense = system(bands, count, size, seed)
    right = np.random.default_rng(seed + 1).normal(size=(count, size))
    np.testing.assert_allclose(Factor.of(blocks).solve(right).ravel(), np.linalg.solve(dense, right.ravel()), atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_diagonal_of_the_inverse_is_the_dense_ones(bands, count, size, seed):
    blocks, dense = system(bands, count, size, seed)
    inverse = np.linalg.inv(dense)
    expected = [inverse[i * size : (i + 1) * size, i * size : (i + 1) * size] for i in range(count)]
    np.testing.assert_allclose(Factor.of(blocks).inverse_diagonal(), expected, atol=1e-9)


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="block 1 is not positive definite"):
        Factor.of(np.stack([np.eye(2), -np.eye(2)])[None].copy())
