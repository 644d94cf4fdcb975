"""The odd polynomial and its inverse."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bodydouble.calibration import radial

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
