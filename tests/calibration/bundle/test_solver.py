"""The solver of chained normal equations against NumPy on the whole matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bundles import dense, dense_gradient

from bodydouble.calibration.bundle.normal import Normal
from bodydouble.calibration.bundle.solver import SingularError, solve

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(0, 6)).filter(lambda shape: shape[0] * shape[1] + shape[2] > 0)


def chain(moments: int, K: int, size: int, *, seed: int = 0, chained: bool = True, spread: float = 1.0) -> Normal:
    """Return random positive definite equations; ``spread`` is how many powers of ten the scales of the unknowns differ by."""
    random = np.random.default_rng(seed)
    scale = 10 ** random.uniform(-spread, spread, size + moments * K)
    normal = Normal(
        np.zeros((size, size)), np.zeros((moments, K, size)), np.zeros((moments, K, K)), np.zeros((moments - 1, K, K)),
        random.normal(0, 1, size) * scale[:size], (random.normal(0, 1, moments * K) * scale[size:]).reshape(moments, K),
    )  # fmt: skip
    for m in range(moments):
        here = scale[size + m * K : size + (m + 1) * K]
        J = random.normal(0, 1, (3 * K + 2 * size + 2, size + K)) * np.concatenate([scale[:size], here])
        H = J.T @ J
        normal.global_global[:] += H[:size, :size]
        normal.local_global[m], normal.local_local[m] = H[size:, :size], normal.local_local[m] + H[size:, size:]
        if chained and m + 1 < moments:
            J = random.normal(0, 1, (2 * K, 2 * K)) * scale[size + m * K : size + (m + 2) * K]
            H = J.T @ J
            normal.local_local[m] += H[:K, :K]
            normal.local_local[m + 1] += H[K:, K:]
            normal.local_next[m] = H[:K, K:]
    return normal


def check(normal: Normal, damping: float = 0.0) -> None:
    H, g, size = dense(normal), dense_gradient(normal), len(normal.global_gradient)
    H[np.diag_indices_from(H)] *= 1 + damping
    expected = np.linalg.solve(H, g)
    found = solve(normal, damping=damping, covariance=True)
    scale = 1 / np.sqrt(np.diag(H))
    assert np.allclose(found.global_step / scale[:size], expected[:size] / scale[:size], rtol=0, atol=1e-8)
    assert np.allclose(found.local_step.ravel() / scale[size:], expected[size:] / scale[size:], rtol=0, atol=1e-8)
    inverse = np.linalg.inv(H)[:size, :size]
    if size:
        assert np.allclose(
            found.covariance / np.outer(scale, scale)[:size, :size], inverse / np.outer(scale, scale)[:size, :size], rtol=0, atol=1e-8
        )
    else:
        assert found.covariance.size == 0


@settings(deadline=None)
@given(shapes, seeds, st.booleans(), st.sampled_from([0.0, 1e-9, 0.1, 10.0, 1e8]))
def test_step_and_covariance_are_those_of_the_whole_matrix(shape, seed, chained, damping):
    check(chain(*shape, seed=seed, chained=chained), damping)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_unknowns_in_units_that_differ_by_many_powers_of_ten_are_solved_alike(seed):
    check(chain(5, 4, 3, seed=seed, spread=5.0))


def test_the_equations_given_stay_as_they_are():
    normal = chain(4, 3, 2)
    before = replace(normal, **{name: getattr(normal, name).copy() for name in Normal.__dataclass_fields__})
    solve(normal, damping=0.5, covariance=True)
    for name in Normal.__dataclass_fields__:
        assert np.array_equal(getattr(normal, name), getattr(before, name))


def test_covariance_is_left_out_unless_asked_for():
    assert solve(chain(4, 3, 2)).covariance.size == 0


def test_moments_that_nothing_touches_stay_where_they_are():
    normal = chain(4, 3, 2, chained=False)
    for part in (normal.local_global, normal.local_local, normal.local_gradient):
        part[2] = 0.0
    found = solve(normal, covariance=True)
    assert not found.local_step[2].any()
    kept = [m for m in range(4) if m != 2]
    without = replace(
        normal, local_global=normal.local_global[kept], local_local=normal.local_local[kept], local_next=normal.local_next[:2],
        local_gradient=normal.local_gradient[kept],
    )  # fmt: skip
    expected = solve(without, covariance=True)
    assert np.allclose(found.global_step, expected.global_step, rtol=1e-12)
    assert np.allclose(found.covariance, expected.covariance, rtol=1e-12)


def test_a_global_unknown_that_nothing_touches_cannot_be_solved_whatever_the_damping():
    normal = chain(3, 2, 4)
    normal.global_global[1], normal.global_global[:, 1], normal.local_global[..., 1], normal.global_gradient[1] = 0.0, 0.0, 0.0, 0.0
    for damping in (0.0, 1e-3, 1e6):
        with pytest.raises(SingularError):
            solve(normal, damping=damping)


def without_difference(seed: int = 0) -> Normal:
    """Return equations that tell the sum of two global unknowns but not their difference."""
    normal = chain(3, 2, 4, seed=seed)
    merge = np.eye(4)
    merge[:2, :2] = 0.5
    return replace(
        normal, global_global=merge @ normal.global_global @ merge, local_global=normal.local_global @ merge,
        global_gradient=merge @ normal.global_gradient,
    )  # fmt: skip


def test_unknowns_that_only_damping_decides_take_the_step_of_the_damped_matrix():
    for damping in (1e-6, 1e-3, 1.0):
        normal = without_difference()
        H = dense(normal)
        H[np.diag_indices_from(H)] *= 1 + damping
        found = solve(normal, damping=damping, covariance=True)
        assert np.allclose(found.global_step, np.linalg.solve(H, dense_gradient(normal))[:4], rtol=1e-6, atol=1e-9)
        assert np.allclose(found.covariance, np.linalg.inv(H)[:4, :4], rtol=1e-5)
        assert found.covariance[0, 0] > 0.1 / damping / H[0, 0]


@pytest.mark.parametrize("part", ["global_global", "local_global", "local_local", "local_next", "global_gradient", "local_gradient"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_equations_that_are_not_finite_are_refused(part, value):
    for size in (2, 0):
        normal = chain(3, 2, size)
        if getattr(normal, part).size:
            getattr(normal, part).flat[0] = value
            with pytest.raises(SingularError):
                solve(normal)


def test_equations_of_no_positive_definite_matrix_are_refused():
    normal = chain(3, 2, 2)
    normal.local_local[1] = -normal.local_local[1]
    normal.local_local[1][np.diag_indices(2)] *= -1e-3
    with pytest.raises(SingularError):
        solve(normal)
