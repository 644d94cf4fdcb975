from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.errors import UsageError
from bodydouble.viewer.layout import LARGEST, arrange

SIZES = st.lists(st.tuples(st.integers(100, 4000), st.integers(100, 4000)), min_size=1, max_size=8)


@given(SIZES, st.sampled_from([None, (1280, 720), (640, 480), (400, 900)]))
def test_pictures_keep_their_shape_fit_and_do_not_overlap(sizes, wanted):
    layout = arrange(sizes, wanted)
    assert layout.size == wanted or wanted is None
    assert all(side % 2 == 0 for side in layout.size)
    assert layout.size[0] <= (wanted or LARGEST)[0]
    assert layout.size[1] <= (wanted or LARGEST)[1]
    boxes = [*layout.cameras, layout.robot, layout.footer]
    for x, y, w, h in boxes:
        assert x >= 0
        assert y >= 0
        assert x + w <= layout.size[0]
        assert y + h <= layout.size[1]
    for index, (ax, ay, aw, ah) in enumerate(boxes):
        for bx, by, bw, bh in boxes[index + 1 :]:
            assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay
    for (_, _, w, h), (width, height) in zip(layout.cameras, sizes, strict=True):
        assert w == pytest.approx(h * width / height, abs=2 + 2 * width / height)


@pytest.mark.parametrize("size", [(101, 720), (1280, 721), (100, 100)])
def test_a_size_that_no_video_can_have_is_refused(size):
    with pytest.raises(UsageError, match="even and at least 160"):
        arrange([(640, 480)], size)
