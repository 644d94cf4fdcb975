"""Several cameras in step by time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.capture.frame_sets import ABSENT, build_frame_sets
from bodydouble.errors import UsageError

RATE = np.arange(20) / 10


def test_cameras_that_agree_are_all_present():
    sets = build_frame_sets({"a": RATE, "b": RATE + 0.002})
    assert sets.master == "a"
    assert sets.present.all()
    assert np.array_equal(sets.frame_index, np.tile(np.arange(20), (2, 1)))
    assert np.allclose(sets.skew_ms, 2.0)
    assert np.allclose(sets.camera_times_s[1], RATE + 0.002)


def test_the_master_is_the_camera_with_the_most_frames():
    sets = build_frame_sets({"few": RATE[::2], "many": RATE})
    assert (sets.master, len(sets)) == ("many", 20)
    assert np.array_equal(sets.times_s, RATE)


def test_a_dropped_frame_is_absent_and_not_filled_with_its_neighbour():
    sets = build_frame_sets({"a": RATE, "b": np.delete(RATE, 7)})
    assert np.flatnonzero(~sets.present[1]).tolist() == [7]
    assert sets.frame_index[1, 7] == ABSENT
    assert np.isnan(sets.camera_times_s[1, 7])
    assert sets.frame_index[1, 8] == 7
    assert sets.skew_ms[7] == 0
    with pytest.raises(IndexError):
        RATE[sets.frame_index[1, 7]]


def test_a_slower_camera_gives_each_frame_once():
    sets = build_frame_sets({"fast": np.arange(60) / 60, "slow": np.arange(30) / 30})
    assert sets.present[1].sum() == 30
    assert sets.present[1, ::2].all()


def test_a_camera_that_starts_late_is_absent_before():
    sets = build_frame_sets({"a": RATE, "b": RATE[:10] + 1.0})
    assert sets.present[1].tolist() == [False] * 10 + [True] * 10


def test_one_camera_alone_is_its_own_master():
    sets = build_frame_sets({"a": RATE})
    assert sets.present.all()
    assert (sets.skew_ms == 0).all()


def test_cameras_of_one_frame_each_are_one_set():
    assert build_frame_sets({"a": np.array([0.0]), "b": np.array([0.2])}).present.all()


def test_a_range_in_seconds_takes_the_start_and_leaves_the_stop():
    sets = build_frame_sets({"a": RATE, "b": RATE + 0.002}, start_s=0.5, stop_s=0.8)
    assert np.allclose(sets.times_s, [0.5, 0.6, 0.7])
    assert sets.frame_index[1].tolist() == [5, 6, 7]


def test_a_range_in_frames_is_a_slice():
    assert np.allclose(build_frame_sets({"a": RATE}, start=3, stop=5).times_s, [0.3, 0.4])
    assert len(build_frame_sets({"a": RATE}, start=3, stop=500)) == 17


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start_s": 0.5, "stop_s": 0.5}, "is empty: start must be before stop"),
        ({"start_s": 0.8, "stop_s": 0.5}, "is empty: start must be before stop"),
        ({"start_s": 5.0}, r"No frame lies in the range .* from 0\.000 s to 1\.900 s"),
        ({"start_s": 0.51, "stop_s": 0.59}, "No frame lies in the range"),
        ({"start": 4, "stop": 4}, "is empty: start must be before stop"),
        ({"start": 20}, "starts at frame 20, but the recording has"),
        ({"start": 30, "stop": 40}, "starts at frame 30, but the recording has 20 frames"),
        ({"start": -1}, "negative"),
        ({"start": 1, "stop_s": 1.0}, "both in seconds and in frames"),
    ],
)
def test_an_impossible_range_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        build_frame_sets({"a": RATE}, **options)


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        build_frame_sets({"a": RATE}).frame_index[0, 0] = 3


times = st.lists(st.floats(0.005, 0.2), min_size=1, max_size=40).map(lambda steps: np.cumsum(steps))


@given(times, times, times)
def test_no_frame_is_counted_twice_and_every_pair_is_near(a, b, c):
    streams = {"a": a, "b": b, "c": c}
    sets = build_frame_sets(streams)
    for row, name in enumerate(sets.cameras):
        used = sets.frame_index[row, sets.present[row]]
        assert (np.diff(used) > 0).all()
        distance = np.abs(streams[name][used] - sets.times_s[sets.present[row]])
        for time, gap in zip(sets.times_s[sets.present[row]], distance, strict=True):
            assert gap <= np.abs(streams[name] - time).min() + 1e-12
    assert sets.present[sets.cameras.index(sets.master)].all()
