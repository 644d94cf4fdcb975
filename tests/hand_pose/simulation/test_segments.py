"""Segments: what is encoded apart and joined plays as one video, at the times asked for."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.capture.video import index_video, read_frames
from bodydouble.errors import DataError
from bodydouble.hand_pose.simulation.segments import Segment, encode, join

SIZE = (64, 48)


def images(start: int, count: int) -> list[np.ndarray]:
    """Frames that tell their number by their brightness."""
    return [np.full((SIZE[1], SIZE[0], 3), 20 + 8 * k, dtype=np.uint8) for k in range(start, start + count)]


def joined(folder, parts, times):
    return join(folder, {"front": SIZE}, {"front": np.asarray(times)}, [{"front": part} for part in parts])["front"]


def test_the_joined_video_holds_every_frame_once_and_in_order(tmp_path):
    times = np.arange(13) / 30
    path = joined(tmp_path, [encode(images(0, 8)), encode(images(8, 5))], times)
    index = index_video(path)
    np.testing.assert_allclose(index.times_s, times, atol=1e-6)
    assert index.image_size == SIZE
    levels = [image.mean() for _, image in read_frames(path, np.arange(13), times, seek=False)]
    np.testing.assert_allclose(levels, 20 + 8 * np.arange(13), atol=3)


def test_a_dropped_frame_leaves_a_gap_in_the_containers_times(tmp_path):
    times = np.array([0, 1, 3, 4, 9]) / 30
    path = joined(tmp_path, [encode(images(0, 3)), encode([]), encode(images(3, 2))], times)
    np.testing.assert_allclose(index_video(path).times_s, times, atol=1e-6)


def test_a_video_can_be_entered_at_every_segment(tmp_path):
    path = joined(tmp_path, [encode(images(8 * i, 8)) for i in range(3)], np.arange(24) / 30)
    import av

    with av.open(str(path)) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    assert np.flatnonzero(keys).tolist() == [0, 8, 16]


def test_the_same_images_are_the_same_bytes(tmp_path):
    assert encode(images(0, 4)) == encode(images(0, 4))


def test_a_segment_survives_being_kept_as_arrays():
    segment = encode(images(0, 4))
    assert Segment.from_arrays(segment.as_arrays("front_"), "front_") == segment
    empty = encode([])
    assert Segment.from_arrays(empty.as_arrays("x_"), "x_") == empty


@pytest.mark.parametrize(("count", "said"), [(3, "more frames than times"), (6, "would lack 2 frames")])
def test_another_number_of_frames_than_times_is_an_error(tmp_path, count, said):
    with pytest.raises(DataError, match=said):
        joined(tmp_path, [encode(images(0, 4))], np.arange(count) / 30)


def test_segments_that_do_not_belong_together_are_not_joined(tmp_path):
    other = encode([np.zeros((48, 80, 3), dtype=np.uint8)])
    with pytest.raises(DataError, match="another version of the encoder"):
        joined(tmp_path, [encode(images(0, 1)), other], np.arange(2) / 30)
