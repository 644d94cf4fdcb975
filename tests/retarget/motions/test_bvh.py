"""BVH files: known motions come back exactly, and damaged files are one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.errors import BodydoubleError, DataError, UsageError
from bodydouble.retarget.motions.bvh import read_bvh

SMALL = """HIERARCHY
ROOT Hips
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 90 0
"""


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    def write(old: str = "", new: str = "", text: str = SMALL) -> Path:
        assert old in text
        path = tmp_path / "small.bvh"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_channels_multiply_from_left_to_right_and_positions_replace_the_offset(small: Any) -> None:
    found = read_bvh(small())
    assert found.names == ("Hips", "Chest", "Chest_end")
    np.testing.assert_allclose(found.times_s, [0, 0.02])
    np.testing.assert_allclose(found.places[0], [[0, 0, 0], [0, 10, 0], [0, 15, 0]], atol=1e-12)
    # A quarter turn about z lays the spine along -x; then one about the chest's own x bends its end to z.
    np.testing.assert_allclose(found.places[1], [[1, 2, 3], [-9, 2, 3], [-9, 2, 8]], atol=1e-12)
    np.testing.assert_allclose(found.rest, [[1, 2, 3], [1, 12, 3], [1, 17, 3]])


def test_joints_with_position_channels_move_against_their_parent(small: Any) -> None:
    moved = SMALL.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 4 Yposition Zrotation Xrotation Yrotation")
    moved = moved.replace("0 0 0 0 0 0 0 0 0\n", "0 0 0 0 0 0 12 0 0 0\n").replace("1 2 3 90 0 0 0 90 0", "1 2 3 90 0 0 10 0 90 0")
    np.testing.assert_allclose(read_bvh(small(text=moved)).places[0, 1], [0, 12, 0])


def test_the_rate_that_is_passed_stands_for_the_files(small: Any) -> None:
    np.testing.assert_allclose(read_bvh(small(), 100.0).times_s, [0, 0.01])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCHIE", "does not start with HIERARCHY"),
        ("MOTION", "", "has no MOTION section: the file is cut off"),
        ("Frames: 2", "Frames: 3", "says 3 frames and holds 2: it is cut off"),
        ("0 90 0\n", "0 90", "frame 2 has 8 values where the hierarchy has 9 channels"),
        ("Frames: 2", "Frames: two", "'Frames: two' is not a number of frames"),
        ("1 2 3 90", "1 2 x 90", "holds a value that is not a number"),
        ("1 2 3 90", "1 2 inf 90", "infinite value in frame 2"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", "line 8: 'OFFSET 0 ten 0' cannot be read"),
        ("OFFSET 0 10 0", "OFFSET 0 10", "line 8: 'OFFSET 0 10' cannot be read"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation", "cannot be read as part of a BVH hierarchy"),
        ("  }\n}\nMOTION", "}\nMOTION", "a closing brace is missing"),
        ("ROOT Hips\n{", "{", "cannot be read as part of a BVH hierarchy"),
        ("Frame Time: 0.02", "Frame Time: 0", r"no usable Frame Time \(0.0\); pass --rate-hz"),
        ("0 0 0 0 0 0 0 0 0\n1 2 3 90 0 0 0 90 0\n", "", "holds no frames"),
    ],
)
def test_a_damaged_file_is_one_sentence(small: Any, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_bvh(small(old, new))


def test_a_frame_time_that_cannot_be_asks_for_the_rate(small: Any) -> None:
    with pytest.raises(UsageError, match=r"1e\+09 Hz; 1 to 2000 Hz can be. Pass --rate-hz"):
        read_bvh(small("Frame Time: 0.02", "Frame Time: 1e-9"))
    with pytest.raises(UsageError, match="--rate-hz gives a rate of 0 Hz"):
        read_bvh(small(), 0.0)


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.bvh").write_bytes(b"HIERARCHY\n\xff\xfe\x00")
    with pytest.raises(DataError, match=r"x\.bvh is not a text file, as a BVH is: byte 10 is no UTF-8"):
        read_bvh(tmp_path / "x.bvh")


@pytest.mark.parametrize("cut", range(5, len(SMALL) - 12, 7))
def test_a_file_cut_off_anywhere_is_an_error_of_ours(tmp_path: Path, cut: int) -> None:
    (tmp_path / "cut.bvh").write_text(SMALL[:cut])
    with pytest.raises(BodydoubleError):
        read_bvh(tmp_path / "cut.bvh")
