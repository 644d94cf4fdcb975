"""What keeps two processes at one video from losing each other's results, and a damaged file from being believed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.capture.frame_blocks import BLOCK, FrameBlocks
from bodydouble.errors import BodydoubleError, DataError

SHAPES = {"pixels": (5, 2), "score": ()}


def blocks(folder: Path) -> FrameBlocks:
    return FrameBlocks(folder, "front", SHAPES)


def found(value: float) -> dict:
    return {name: np.full(shape, value) for name, shape in SHAPES.items()}


def test_results_of_one_block_by_several_at_a_time_are_all_kept(tmp_path):
    one = blocks(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: one.keep([index], [found(index)]), range(24)))
    assert len(one.missing(np.arange(24))) == 0
    assert np.array_equal(one.read(np.arange(24))["score"], np.arange(24))


def test_frames_kept_in_any_order_of_ranges_keep_their_own_values(tmp_path):
    one = blocks(tmp_path)
    for first in (BLOCK, 10, 0, BLOCK + 10):
        indices = list(range(first, first + 10))
        one.keep(indices, [found(index) for index in indices])
    wanted = np.array([BLOCK + 3, 7, 7, 19, BLOCK + 12])
    read = one.read(wanted)
    assert np.array_equal(read["score"], wanted)
    assert np.array_equal(read["pixels"][:, 2, 1], wanted)


def test_what_is_missing_is_told_in_order_and_once(tmp_path):
    one = blocks(tmp_path)
    one.keep([1, 2], [found(1)] * 2)
    assert one.missing(np.array([70, 3, 2, 1, 0, 3])).tolist() == [0, 3, 70]
    assert one.missing(np.empty(0, dtype=np.int64)).tolist() == []


def test_a_frame_kept_again_has_the_later_value(tmp_path):
    one = blocks(tmp_path)
    one.keep([4, 5], [found(1.0)] * 2)
    one.keep([5, 6], [found(2.0)] * 2)
    assert one.read(np.array([4, 5, 6]))["score"].tolist() == [1, 2, 2]


def test_what_was_not_found_stays_nan(tmp_path):
    one = blocks(tmp_path)
    one.keep([0], [found(np.nan)])
    assert len(one.missing(np.array([0]))) == 0
    assert np.isnan(one.read(np.array([0]))["pixels"]).all()


def test_reading_a_frame_that_is_not_kept_names_it(tmp_path):
    one = blocks(tmp_path)
    one.keep([0], [found(1.0)])
    with pytest.raises(DataError, match=r"Frame 3 of camera 'front' was not kept in .*; run the same command again"):
        one.read(np.array([0, 3]))


def test_arrays_of_other_shapes_than_declared_are_not_kept(tmp_path):
    one = blocks(tmp_path)
    with pytest.raises(ValueError, match=r"'pixels' of a frame has the shape \(4, 2\); \(5, 2\) was declared"):
        one.keep([0], [{"pixels": np.zeros((4, 2)), "score": np.zeros(())}])
    assert one.missing(np.array([0])).tolist() == [0]


@pytest.mark.parametrize("spoil", ["shape", "dtype", "group", "cut", "garbage", "empty"])
def test_a_kept_file_that_is_not_as_it_should_be_is_as_good_as_none(tmp_path, spoil):
    one = blocks(tmp_path)
    one.keep([0, 1, 2], [found(1.0)] * 3)
    path = one.path(0)
    if spoil in ("cut", "garbage", "empty"):
        content = path.read_bytes()
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": os.urandom(5000), "empty": b""}[spoil])
    else:
        with h5py.File(path, "r+") as file:
            name = "index" if spoil == "dtype" else "pixels"
            del file[name]
            if spoil == "group":
                file.create_group(name)
            else:
                file[name] = np.zeros(3) if spoil == "dtype" else np.zeros((2, 5, 2))
    assert one.missing(np.arange(3)).tolist() == [0, 1, 2]
    one.keep([0, 1, 2], [found(2.0)] * 3)
    assert one.read(np.array([0]))["score"] == 2.0


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BodydoubleError, match="a file stands where a folder is needed"):
        blocks(tmp_path / "file" / "results").keep([0], [found(0.0)])
