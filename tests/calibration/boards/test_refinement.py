"""Fits of crossings and right angles to grey values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from bodydouble.calibration.boards.consistency import edge_bends, local_maps, without_outliers
from bodydouble.calibration.boards.refinement import FINE_PX, Surroundings, fit_crossings, fit_right_angles, too_unlike

SIDE = 20.0
"""px of a metre: the board's squares are 1 m."""


def crossing(centre, angle=0.2, blur=0.8, black=40.0, white=200.0, size=41):
    """Return an image of a crossing whose squares with u v > 0 are black, every pixel the mean of its area; v is up, so left-handed here."""
    y, x = (np.mgrid[: 6 * size, : 6 * size] - 2.5) / 6 - np.array(centre)[::-1, None, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
    edges = (erf(u / blur / np.sqrt(2)) * erf(v / blur / np.sqrt(2))).reshape(size, 6, size, 6).mean(axis=(1, 3))
    return np.rint((black + white) / 2 - (white - black) / 2 * edges).astype(np.uint8)


def axes_at(angle=0.2):
    return SIDE * np.array([[[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]]])


@settings(max_examples=30, deadline=None)
@given(
    centre=st.tuples(st.floats(18, 22), st.floats(18, 22)),
    angle=st.floats(-3, 3),
    blur=st.floats(0.4, 2.0),
    start=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_a_crossing_is_found_from_two_pixels_away(centre, angle, blur, start):
    around = Surroundings(reach=0.45)
    image, black = crossing(centre, angle, blur), np.ones(1)
    first = fit_crossings(image, np.array([centre]) + start, axes_at(angle), black, around)
    fit = fit_crossings(image, first.pixels, axes_at(angle), black, around, blur=first.blur, still_px=FINE_PX)
    np.testing.assert_allclose(fit.pixels[0], centre, atol=0.01)
    assert fit.explained[0] > 0.99
    assert fit.contrast[0] == pytest.approx(160, rel=0.05)
    assert fit.blur[0] == pytest.approx(blur, rel=0.15)


def test_swapped_black_and_white_give_a_negative_contrast():
    fit = fit_crossings(crossing((20, 20)), np.array([[20.0, 20.0]]), axes_at(), -np.ones(1), Surroundings(reach=0.45))
    assert fit.contrast[0] < -100


def test_a_right_angle_is_where_its_edges_meet_whatever_the_blur():
    y, x = np.mgrid[:61, :61].astype(float)
    for blur in (0.5, 1.5):
        u, v = x - 30.3, y - 29.8
        inside = (1 + erf(u / blur / np.sqrt(2))) * (1 + erf(v / blur / np.sqrt(2))) / 4
        image = np.rint(200 - 160 * inside).astype(np.uint8)
        axes = 60.0 * np.eye(2)[None]
        fit = fit_right_angles(image, np.array([[31.0, 29.0]]), axes, Surroundings(reach=0.45, gap=0.2, border=0.2))
        np.testing.assert_allclose(fit.pixels[0], [30.3, 29.8], atol=0.02)


@pytest.mark.parametrize("pixel", [(np.nan, 3.0), (-5.0, 3.0), (0.0, 0.0), (100.0, 3.0)])
def test_what_is_outside_the_image_or_nowhere_is_missing(pixel):
    fit = fit_crossings(crossing((20, 20)), np.array([pixel]), axes_at(), np.ones(1), Surroundings(reach=0.45))
    assert np.isnan(fit.pixels).all()
    assert np.isnan(fit.explained).all()


def test_a_plain_image_has_no_crossing():
    fit = fit_crossings(np.full((41, 41), 90, np.uint8), np.array([[20.0, 20.0]]), axes_at(), np.ones(1), Surroundings(reach=0.45))
    assert not fit.contrast[0] > 1


def test_the_corner_that_is_least_like_the_others_is_too_unlike():
    np.testing.assert_array_equal(too_unlike(np.array([0.02, 0.03, 0.3, np.nan])), [False, False, True, False])
    np.testing.assert_array_equal(too_unlike(np.array([0.2, 0.25, 0.3])), [False, False, False])
    assert not too_unlike(np.array([np.nan])).any()


def lattice():
    return np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)


def seen_through_a_lens(points, k=-0.1):
    plane = np.c_[points, np.ones(len(points))] @ np.array([[0.15, 0.02, -0.4], [-0.01, 0.16, -0.3], [0.02, 0.01, 1.0]]).T
    straight = plane[:, :2] / plane[:, 2:]
    return 400 * straight * (1 + k * (straight**2).sum(axis=1, keepdims=True)) + 320


def test_local_maps_say_where_a_missing_corner_is_and_how_long_a_metre_is_there():
    points, pixels = lattice(), seen_through_a_lens(lattice())
    others = np.arange(len(points)) != 14
    guess, axes = local_maps(points[others], pixels[others], points[14:15])
    np.testing.assert_allclose(guess[0], pixels[14], atol=0.3)
    step = 1e-4
    along = (seen_through_a_lens(points[14:15] + np.array([step, 0.0])) - pixels[14]) / step
    np.testing.assert_allclose(axes[0, :, 0], along[0], rtol=0.02, atol=0.5)


def test_the_bend_of_a_line_is_its_second_derivative_by_its_length():
    u = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0)), axis=-1).reshape(-1, 2)
    pixels = np.stack([30 * u[:, 0], 0.5 * 0.002 * (30 * u[:, 0]) ** 2 - 30 * u[:, 1]], axis=1)
    bends = edge_bends(u, pixels)
    np.testing.assert_allclose(bends[3, 0], [0, 0.002], atol=1e-9)
    np.testing.assert_allclose(bends[:, 1], 0, atol=1e-9)


def test_points_on_one_line_bend_nothing():
    u = np.stack([np.arange(9.0), np.zeros(9)], axis=1)
    np.testing.assert_array_equal(edge_bends(u, 30 * u), 0)


@given(which=st.sets(st.integers(0, 29), max_size=4), far=st.floats(6, 60))
@settings(max_examples=20, deadline=None)
def test_corners_that_no_lens_explains_are_dropped_and_no_others(which, far):
    points, pixels = lattice(), seen_through_a_lens(lattice())
    wrong = sorted(which)
    pixels[wrong] += far * np.array([0.6, -0.8])
    kept = without_outliers(points, pixels, 1.0, (640, 640))
    np.testing.assert_array_equal(np.isnan(kept[:, 0]), np.isin(np.arange(30), wrong))


def test_four_corners_are_too_few_to_doubt_one():
    pixels = seen_through_a_lens(lattice())[:4]
    np.testing.assert_array_equal(without_outliers(lattice()[:4], pixels, 1.0, (640, 640)), pixels)
