from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.viewer.framing import around_person, whole


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(200, 2000), st.integers(200, 2000)), min_size=1, max_size=4))
def test_every_part_is_inside_its_image_and_all_have_one_shape(seed, sizes):
    random = np.random.default_rng(seed)
    pixels = [random.normal(random.uniform(0, size), random.uniform(5, 400), (4, 75, 2)) for size in sizes]
    crops = around_person(pixels, sizes)
    for (x, y, w, h), (width, height) in zip(crops, sizes, strict=True):
        assert -1e-6 <= x <= x + w <= width + 1e-6
        assert -1e-6 <= y <= y + h <= height + 1e-6
    shapes = [w / h for _, _, w, h in crops]
    np.testing.assert_allclose(shapes, shapes[0])


def test_a_person_in_the_middle_is_shown_larger_and_whole():
    points = np.zeros((2, 75, 2)) + np.linspace((450, 400), (550, 700), 75)
    ((x, y, w, h),) = around_person([points], [(1000, 1000)])
    assert h < 700
    assert x < 450 < 550 < x + w
    assert y < 400 < 700 < y + h


def test_a_camera_that_sees_nobody_is_shown_whole():
    assert around_person([np.full((2, 75, 2), np.nan)], [(640, 480)]) == whole([(640, 480)])
