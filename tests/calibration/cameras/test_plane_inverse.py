"""The inverse of maps of the plane."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.cameras.plane_inverse import invert_plane_map


def steep(x, y):
    """A map so bent that Newton's plain steps from afar end nowhere: arctan, row by row."""
    zero = np.zeros_like(x)
    return np.arctan(x), np.arctan(y), 1 / (1 + x * x), zero, zero, 1 / (1 + y * y)


def test_steps_that_lead_away_are_halved():
    x, y = np.array([0.1, 0.0, -2.0]), np.array([0.2, 1.0, 3.0])
    start = np.full(3, 8.0)
    back = invert_plane_map(steep, np.arctan(x), np.arctan(y), start, -start, 20.0)
    assert np.allclose(back, [x, y], atol=1e-12)


def test_what_the_disc_does_not_reach_is_missing():
    u = np.array([np.arctan(3.0), np.arctan(0.5), np.nan, np.inf])
    x, y = invert_plane_map(steep, u, np.zeros(4), np.zeros(4), np.zeros(4), 2.0)
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [True, False, True, True]
    assert np.isclose(x[1], 0.5, rtol=1e-12)


def test_no_points_are_no_points():
    nothing = np.zeros(0)
    assert invert_plane_map(steep, nothing, nothing, nothing, nothing, 1.0)[0].shape == (0,)
