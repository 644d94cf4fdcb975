"""Symmetric positive definite systems whose blocks couple each frame to a few before it: Cholesky, solution, and the diagonal of the inverse.

Time and memory are linear in the number of frames. ``blocks`` (K, N, n, n): ``blocks[k, i]`` is the block at block row i, block column i - k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas, lapack

FloatArray = npt.NDArray[np.float64]

RAISED = 1e-9
"""Added to the diagonal."""


@dataclass(frozen=True)
class Factor:
    """The Cholesky factor L of a block-banded matrix L L^T.

    Its blocks on the diagonal are kept inverted: products with a triangle of this size take a fifth of the time of solving with it.
    """

    inverse: FloatArray
    """(N, n, n) upper triangular: the transposes of the inverses of L's blocks on the diagonal."""
    below: FloatArray
    """(K - 1, N, n, n): ``below[k - 1, i]`` is L's block at block row i, block column i - k."""

    @classmethod
    def of(cls, blocks: FloatArray) -> Factor:
        """Factorise; ``blocks`` is overwritten. Raises: numpy.linalg.LinAlgError if the matrix is not positive definite."""
        bands, count, size, _ = blocks.shape
        index = np.arange(size)
        blocks[0][:, index, index] += RAISED
        for j in range(count):
            # Views of C-ordered blocks are, transposed, what LAPACK takes in place.
            L, info = lapack.dpotrf(blocks[0, j].T, lower=1, clean=1, overwrite_a=1)
            if info:
                raise np.linalg.LinAlgError(f"block {j} is not positive definite")
            L_inverse, _ = lapack.dtrtri(L, lower=1, overwrite_c=1)
            rows = range(1, min(bands, count - j))
            for k in rows:
                blas.dtrmm(1.0, L_inverse, blocks[k, j + k].T, side=0, lower=1, overwrite_b=1)
            for one in rows:
                # Of blocks on the diagonal one triangle is enough: the one that the next factorisation reads.
                blas.dsyrk(-1.0, blocks[one, j + one].T, trans=1, beta=1.0, c=blocks[0, j + one].T, lower=1, overwrite_c=1)
                for two in range(1, one):
                    blas.dgemm(
                        -1.0, blocks[two, j + two].T, blocks[one, j + one].T, trans_a=1, beta=1.0,
                        c=blocks[one - two, j + one].T, overwrite_c=1,
                    )  # fmt: skip
        return cls(blocks[0], blocks[1:])

    def solve(self, right: FloatArray) -> FloatArray:
        """Return the solution (N, n) for a right-hand side (N, n)."""
        count = len(right)
        bands = len(self.below)
        found = right.copy()
        for j in range(count):
            for k in range(1, min(bands, j) + 1):
                found[j] -= self.below[k - 1, j] @ found[j - k]
            found[j] = found[j] @ self.inverse[j]
        for j in range(count - 1, -1, -1):
            for k in range(1, min(bands, count - 1 - j) + 1):
                found[j] -= found[j + k] @ self.below[k - 1, j + k]
            found[j] = self.inverse[j] @ found[j]
        return found

    def inverse_diagonal(self) -> FloatArray:
        """Return the blocks (N, n, n) on the diagonal of the inverse, without the rest of it (Takahashi, Fagan and Chin 1973)."""
        count, size = self.inverse.shape[:2]
        bands = len(self.below)
        found = np.empty((count, size, size))
        near: dict[tuple[int, int], FloatArray] = {}  # blocks of the inverse among the next few frames
        for j in range(count - 1, -1, -1):
            rows = range(1, min(bands, count - 1 - j) + 1)
            L_inverse = self.inverse[j].T
            # M_k = L_(j+k, j) L_jj^-1
            M = {k: blas.dtrmm(1.0, L_inverse, self.below[k - 1, j + k].T, side=0, lower=1, trans_a=1).T for k in rows}
            beside = {}
            for k in rows:
                beside[k] = -sum(_block(near, j + k, j + m) @ M[m] for m in rows)
            inverse, _ = lapack.dlauum(L_inverse, lower=1)
            inverse = np.tril(inverse) + np.tril(inverse, -1).T
            for k in rows:
                inverse -= M[k].T @ beside[k]
            found[j] = (inverse + inverse.T) / 2
            near = {key: block for key, block in near.items() if key[0] < j + bands}
            near[(j, j)] = found[j]
            near |= {(j + k, j): block for k, block in beside.items() if k < bands}
        return found


def _block(near: dict[tuple[int, int], FloatArray], row: int, column: int) -> FloatArray:
    return near[(row, column)] if row >= column else near[(column, row)].T
