"""The odd polynomial and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bodydouble.calibration.cameras import radial
from bodydouble.calibration.cameras.radial_tangential import Bend, RadialTangential

coefficients = st.tuples(*[st.floats(-0.4, 0.4)] * 4)


@settings(deadline=None, max_examples=200)
@given(coefficients)
@example((0.0, -0.2326493015566134, -0.3489830874422138, 0.34453222050911225))
@example((0.25, 1.1759915365028989e-148, 0.0, -1.1759915365028989e-148))
def test_it_grows_up_to_its_limit_and_is_inverted_there(k):
    limit = radial.monotone_limit(k)
    r = np.linspace(0, min(0.999 * limit, 3.0), 500)
    distorted = radial.distort(r, k)
    assert (np.diff(distorted) > 0).all()
    back = radial.undistort(distorted, k, limit)
    assert np.abs(radial.distort(back, k) - distorted).max() < 1e-12 * max(1.0, distorted.max())


def test_without_distortion_it_is_the_identity():
    r = np.array([0.0, 1e-12, 0.5, 100.0])
    assert radial.monotone_limit((0.0, 0.0)) == float("inf")
    assert np.array_equal(radial.undistort(r, (0.0, 0.0), float("inf")), r)


def test_values_beyond_the_fold_have_no_inverse():
    limit = radial.monotone_limit((-0.3,))
    top = radial.distort(np.array([limit]), (-0.3,))
    assert np.isfinite(radial.undistort(top, (-0.3,), limit)).all()
    assert np.isnan(radial.undistort(top + 1e-9, (-0.3,), limit)).all()
    assert np.isnan(radial.undistort(np.array([np.nan, -1.0]), (-0.3,), limit)).all()


@settings(deadline=None, max_examples=200)
@given(st.tuples(*[st.floats(-0.4, 0.8)] * 3), st.tuples(*[st.floats(-0.4, 0.8)] * 3))
def test_with_a_denominator_it_grows_up_to_its_limit_and_is_inverted_there(k, d):
    limit = radial.monotone_limit(k, d)
    r = np.linspace(0, min(0.999 * limit, 3.0), 500)
    distorted = radial.distort(r, k, d)
    assert (np.diff(distorted) > 0).all()
    inner = 0.9 * r
    numeric = (radial.distort(inner + 1e-6, k, d) - radial.distort(inner - 1e-6, k, d)) / 2e-6
    assert np.allclose(radial.distort_derivative(inner, k, d), numeric, rtol=1e-4, atol=1e-6)
    back = radial.undistort(distorted, k, limit, d)
    assert np.abs(radial.distort(back, k, d) - distorted).max() < 1e-12 * max(1.0, distorted.max())


def test_it_ends_before_its_denominator_vanishes():
    limit = radial.monotone_limit((0.0,), (-0.25,))
    assert limit == pytest.approx(2.0)
    assert radial.distort(np.array([limit]), (0.0,), (-0.25,))[0] > 1e8
    assert radial.undistort(np.array([1e6]), (0.0,), limit, (-0.25,))[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("k", "d", "p", "limit"),
    [((0.0,), (), 0.1, 1 / 0.6), ((-0.3,), (), 1e-9, 1 / np.sqrt(0.9)), ((0.0,), (-0.25,), 1e-9, 2.0), ((1.0,), (), 0.5, 1 / 3)],
)
def test_tangential_terms_bring_the_limit_nearer(k, d, p, limit):
    tangential = radial.monotone_limit(k, d, p)
    assert tangential <= radial.monotone_limit(k, d)
    assert tangential == pytest.approx(limit, rel=0.5 if k == (1.0,) else 1e-6)


def test_a_whole_distortion_short_of_its_limit_is_one_to_one():
    """Its symmetric matrix of slopes stays positive definite; at the limit of a barrel it reaches zero in one direction."""
    lenses = [((-0.3, 0.03), (), 3e-3, -4e-3, 0.01), ((0.3, 0.1, 0.0), (0.6, 0.05, 0.0), 0.02, 0.01, 0.2), ((0.05,), (), 0.1, 0.0, 0.5)]
    for k, d, p1, p2, at_limit in lenses:
        lens = RadialTangential(k, p1, p2, d)
        phi = np.linspace(-np.pi, np.pi, 721)
        least = []
        for share in (0.5, 0.9, 0.999):
            xx, xy, yy = Bend(lens, share * lens.limit * np.cos(phi), share * lens.limit * np.sin(phi)).slopes()
            least.append(np.linalg.eigvalsh(np.moveaxis(np.array([[xx, xy], [xy, yy]]), -1, 0)).min())
        assert min(least) > 0
        assert least[2] < at_limit


def test_the_even_polynomial_and_its_derivative_are_as_written():
    r2 = np.array([0.0, 0.5, 2.0])
    assert np.allclose(radial.even(r2, (2.0, 3.0)), 1 + 2 * r2 + 3 * r2**2)
    assert np.allclose(radial.even_derivative(r2, (2.0, 3.0)), 2 + 6 * r2)
    assert radial.even(r2, ()).tolist() == [1.0] * 3
    assert radial.even_derivative(r2, ()).tolist() == [0.0] * 3
