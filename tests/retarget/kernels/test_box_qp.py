"""Box QPs against a solver that was written by others, and the envelope factor against a dense one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qpsolvers.solvers.daqp_ import daqp_solve_qp

from bodydouble.retarget.kernels.box_qp import box_qp, envelope, factor, solve

NONE = (np.zeros((1, 1)), np.zeros(1), np.zeros(1), 0)
"""No one-sided penalties."""


def problem(seed: int, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(2 * n, n))
    J[:n, : n // 2] = 0.0  # two parts that are coupled by the second half only
    J[n:, n // 2 :] *= rng.integers(0, 2)
    return J.T @ J + 1e-3 * np.eye(n), rng.normal(size=n)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.floats(1e-4, 3.0))
def test_the_answer_is_that_of_another_solver(seed: int, width: float) -> None:
    H, g = problem(seed)
    rng = np.random.default_rng(seed + 1)
    lower, upper = -width * rng.uniform(0, 1, len(g)), width * rng.uniform(0, 1, len(g))
    lower[::5] = upper[::5] = 0.0  # joints that stand at a limit on both sides
    first, x = np.empty(len(g), dtype=np.int64), np.empty(len(g))
    envelope(np.tril(H), first)
    assert box_qp(np.tril(H), first, 0.0, g, *NONE, lower, upper, np.zeros_like(H), x)
    assert (x >= lower).all()
    assert (x <= upper).all()
    other = daqp_solve_qp(H, g, lb=lower, ub=upper)

    def value(y: np.ndarray) -> float:
        return float(0.5 * y @ H @ y + g @ y)

    assert value(x) <= value(np.clip(other, lower, upper)) + 1e-8 * (1 + abs(value(other)))


def test_without_bounds_it_is_newtons_step() -> None:
    H, g = problem(3)
    first, x, wide = np.empty(len(g), dtype=np.int64), np.empty(len(g)), np.full(len(g), 1e6)
    envelope(np.tril(H), first)
    box_qp(np.tril(H), first, 0.5, g, *NONE, -wide, wide, np.zeros_like(H), x)
    np.testing.assert_allclose(x, -np.linalg.solve(H + 0.5 * np.eye(len(g)), g), atol=1e-9)


def test_the_envelope_starts_where_a_row_does_and_the_factor_stays_inside() -> None:
    H = np.diag([4.0, 5.0, 6.0, 7.0])
    H[3, 1] = H[2, 2] = 1.0
    first, L = np.empty(4, dtype=np.int64), np.zeros((4, 4))
    envelope(H, first)
    assert first.tolist() == [0, 1, 2, 1]
    assert factor(H, first, np.ones(4, dtype=bool), 0.0, L)
    full = np.tril(H) + np.tril(H, -1).T
    np.testing.assert_allclose(L @ L.T, full)
    x = np.arange(4.0)
    solve(L, first, x)
    np.testing.assert_allclose(full @ x, np.arange(4.0), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_matrix_that_is_not_positive_is_refused(value: float) -> None:
    H, first, x = np.diag([1.0, value]), np.array([0, 1]), np.empty(2)
    assert not box_qp(H, first, 0.0, np.ones(2), *NONE, -np.ones(2), np.ones(2), np.zeros((2, 2)), x)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), weight=st.floats(1.0, 300.0))
def test_one_sided_penalties_are_those_of_a_problem_with_slack_variables(seed: int, weight: float) -> None:
    H, g = problem(seed)
    rng, n, m = np.random.default_rng(seed + 2), len(g), 6
    rows, gaps = rng.normal(size=(m, n)) * (rng.uniform(size=(m, n)) < 0.3), rng.uniform(-0.2, 0.3, m)
    lower, upper = -rng.uniform(0.01, 1, n), rng.uniform(0.01, 1, n)
    first, x = np.empty(n, dtype=np.int64), np.empty(n)
    envelope(np.tril(H), first)
    assert box_qp(np.tril(H), first, 0.0, g, rows, gaps, np.full(m, weight), m, lower, upper, np.zeros_like(H), x)

    def value(y: np.ndarray) -> float:
        return float(0.5 * y @ H @ y + g @ y + 0.5 * weight**2 * np.sum(np.minimum(0.0, gaps + rows @ y) ** 2))

    wide = np.zeros((n + m, n + m))
    wide[:n, :n], wide[n:, n:] = H, weight**2 * np.eye(m)
    other = daqp_solve_qp(
        wide, np.concatenate([g, np.zeros(m)]), G=np.hstack([-rows, -np.eye(m)]), h=gaps,
        lb=np.concatenate([lower, np.zeros(m)]), ub=np.concatenate([upper, np.full(m, 1e6)]),
    )  # fmt: skip
    assert value(x) <= value(np.clip(other[:n], lower, upper)) + 1e-6 * (1 + abs(value(x)))


def test_what_is_far_enough_costs_nothing() -> None:
    H, g = problem(5)
    first, x, wide = np.empty(len(g), dtype=np.int64), np.empty(len(g)), np.full(len(g), 1e6)
    envelope(np.tril(H), first)
    box_qp(np.tril(H), first, 0.0, g, np.ones((1, len(g))), np.array([1e5]), np.array([1e3]), 1, -wide, wide, np.zeros_like(H), x)
    np.testing.assert_allclose(x, -np.linalg.solve(H, g), atol=1e-8)
