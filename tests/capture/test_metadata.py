"""Focal length from a video's metadata."""

from __future__ import annotations

import math

import av
import pytest

from bodydouble.capture import focal_px_from_metadata


def with_tags(source, target, tags):
    with av.open(str(source)) as read, av.open(str(target), "w", options={"movflags": "use_metadata_tags"}) as write:
        write.metadata.update(tags)
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                write.mux(packet)
    return target


def test_the_film_equivalent_has_the_same_diagonal_field_of_view(make_video, tmp_path):
    path = with_tags(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", {"com.apple.quicktime.camera.focal_length.35mm_equivalent": "26"})
    assert focal_px_from_metadata(path) == pytest.approx(26 / math.hypot(36, 24) * 80)


@pytest.mark.parametrize("value", ["", "unknown", "0"])
def test_a_value_that_is_none_is_not_used(make_video, tmp_path, value):
    path = with_tags(make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4", {"com.apple.quicktime.camera.focal_length.35mm_equivalent": value})
    assert focal_px_from_metadata(path) is None


def test_a_video_without_it_or_no_video_gives_none(make_video, tmp_path):
    assert focal_px_from_metadata(make_video(tmp_path / "a.mp4")) is None
    assert focal_px_from_metadata(tmp_path / "none.mp4") is None
