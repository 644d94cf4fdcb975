"""Where in its image a camera saw corners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.calibration import FisheyeCamera, PinholeCamera
from bodydouble.calibration.report.coverage import cell_of, coverage_of, grid_shape

CAMERA = PinholeCamera((1280, 960), (900.0, 900.0), (639.5, 479.5), (0.0, 0.0, 0.0, 0.0, 0.0))


def test_cells_are_nearly_square_and_twelve_along_the_longer_side():
    assert grid_shape((1280, 960)) == (9, 12)
    assert grid_shape((1088, 1920)) == (12, 7)
    assert grid_shape((4000, 10)) == (1, 12)


@given(st.integers(8, 4000), st.integers(8, 4000), st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_every_pixel_has_a_cell_and_those_outside_of_the_image_the_nearest(width, height, x, y):
    rows, columns = grid_shape((width, height))
    ((row, column),) = cell_of(np.array([[x * width, y * height]]), (width, height))
    assert 0 <= row < rows
    assert 0 <= column < columns
    assert column == min(max(int((x * width + 0.5) / width * columns // 1), 0), columns - 1)


def test_the_share_counts_cells_and_not_corners():
    assert coverage_of(CAMERA, np.zeros((0, 2))).share == 0.0
    one = np.tile([[100.0, 100.0]], (500, 1))
    assert coverage_of(CAMERA, one).share == pytest.approx(1 / 108)
    x, y = np.meshgrid(np.arange(0, 1280, 20.0), np.arange(0, 960, 20.0))
    assert coverage_of(CAMERA, np.stack([x, y], -1).reshape(-1, 2)).share == 1.0


def test_the_thirds_that_lack_most_are_named_worst_first():
    x, y = np.meshgrid(np.arange(0, 1280, 20.0), np.arange(0, 960, 20.0))
    pixels = np.stack([x, y], -1).reshape(-1, 2)
    assert coverage_of(CAMERA, pixels).emptiest_thirds() == ()
    away_from_corner = pixels[~((pixels[:, 0] > 860) & (pixels[:, 1] < 310))]
    assert coverage_of(CAMERA, away_from_corner).emptiest_thirds(1) == ("upper right third",)
    assert len(coverage_of(CAMERA, np.zeros((0, 2))).emptiest_thirds()) == 2


def test_what_a_fisheye_does_not_see_needs_no_corners():
    # k1 < 0 bends the rays so that beyond a radius there are none: the corners of the image are dark.
    camera = FisheyeCamera((1200, 1200), (330.0, 330.0), (599.5, 599.5), (-0.05, 0.0, 0.0, 0.0))
    coverage = coverage_of(camera, np.zeros((0, 2)))
    assert coverage.visible[6, 6]
    assert not coverage.visible[0, 0]
    assert coverage.emptiest_thirds(9) != ()
