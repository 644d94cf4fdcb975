"""What is printed is what OpenCV and Kalibr would print."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.boards.dictionary import DICTIONARIES, check_dictionary, marker_bits, possible_turns, same_family
from bodydouble.calibration.boards.pattern import board_pattern, tag_pattern
from bodydouble.errors import UnknownNameError


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(("columns", "rows"), [(4, 5), (5, 4), (4, 4), (5, 5)])
def test_a_charuco_board_is_as_opencv_draws_it(make_board, columns, rows, legacy):
    cv2 = pytest.importorskip("cv2")
    board = make_board(
        type="charuco",
        columns=columns,
        rows=rows,
        square_size=0.1,
        marker_size=0.06,
        dictionary="DICT_4X4_50",
        legacy_layout=legacy,
        first_id=3,
    )
    theirs = cv2.aruco.CharucoBoard(
        (columns, rows), 0.1, 0.06, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), np.arange(3, 3 + columns * rows // 2)
    )
    theirs.setLegacyPattern(legacy)
    drawn = np.asarray(theirs.generateImage((columns * 100, rows * 100)), dtype=int)
    different = np.abs(board_pattern(board).image(1000, margin=0).astype(int) - drawn) > 128
    assert different.mean() < 0.02, "no more than the edges, which OpenCV draws a pixel off"


def test_tag_0_of_36h11_is_upright_as_the_apriltag_project_prints_it():
    code = int("d5d628584", 16)  # its bits row by row from the upper left
    bits = [code >> k & 1 for k in range(35, -1, -1)]
    np.testing.assert_array_equal(marker_bits("DICT_APRILTAG_36h11", 0).ravel(), np.array(bits, dtype=bool))


@pytest.mark.parametrize("name", DICTIONARIES)
def test_the_table_of_dictionaries_is_opencvs(name):
    from bodydouble.calibration.boards.dictionary import opencv_dictionary

    bits, count = DICTIONARIES[name]
    assert opencv_dictionary(name).markerSize == bits
    assert len(opencv_dictionary(name).bytesList) == count


def test_larger_dictionaries_of_a_family_start_with_the_same_markers():
    family = same_family("DICT_5X5_100")
    assert family == ("DICT_5X5_50", "DICT_5X5_100", "DICT_5X5_250", "DICT_5X5_1000")
    for number in (0, 49):
        for name in family:
            np.testing.assert_array_equal(marker_bits(name, number), marker_bits("DICT_5X5_50", number))
    assert same_family("DICT_APRILTAG_36h11") == ("DICT_APRILTAG_36h11",)


def test_only_apriltags_may_be_upside_down():
    assert possible_turns("DICT_4X4_50") == (0,)
    assert sorted(possible_turns("DICT_APRILTAG_25h9")) == [0, 2]


def test_an_unknown_dictionary_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"valid: DICT_4X4_50, DICT_4X4_100"):
        check_dictionary("ARUCO", "the board file")


def test_the_gaps_of_an_aprilgrid_hold_squares_that_meet_the_tags(make_board):
    board = make_board(type="aprilgrid", columns=2, rows=2, marker_size=0.1, tag_spacing=0.3)
    image = board_pattern(board).image(1000, margin=0)
    assert image.shape == (290, 290)
    for x, y, value in ((15, 15, 0), (15, 80, 255), (35, 35, 0), (145, 145, 0), (145, 80, 255), (145, 220, 255)):
        assert image[y, x] == value, (x, y)
    plain = make_board(type="aprilgrid", columns=2, rows=2, marker_size=0.1, tag_spacing=0.3, corner_squares=False)
    assert board_pattern(plain).image(1000, margin=0).shape == (230, 230)
    assert board_pattern(plain).image(1000, margin=0)[115, 115] == 255


def test_inverted_is_black_for_white_and_the_back_is_the_mirror_image(make_board):
    values = {"type": "charuco", "columns": 4, "rows": 5, "square_size": 0.1, "marker_size": 0.06, "dictionary": "DICT_4X4_50"}
    plain, inverted = board_pattern(make_board(**values)), board_pattern(make_board(**values, inverted=True))
    np.testing.assert_allclose(inverted.image(500).astype(int), 255 - plain.image(500).astype(int), atol=1)
    np.testing.assert_allclose(plain.mirrored().image(500).astype(int), plain.image(500)[:, ::-1].astype(int), atol=1)


def test_black_rectangles_do_not_overlap(make_board):
    for board in (
        make_board(type="charuco", columns=5, rows=4, square_size=0.1, marker_size=0.06, dictionary="DICT_4X4_50"),
        make_board(type="aprilgrid", columns=2, rows=2, marker_size=0.1, tag_spacing=0.3),
    ):
        pattern = board_pattern(board)
        left, bottom, right, top = pattern.black.T
        across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
        up = np.minimum(top[:, None], top) - np.maximum(bottom[:, None], bottom)
        overlap = (across > 1e-9) & (up > 1e-9)
        assert overlap.sum() == len(pattern.black)  # each with itself


def test_single_tags_have_a_pattern_each(make_board):
    board = make_board(type="markers", dictionary="DICT_4X4_50", ids=[5, 2], marker_sizes=[0.2, 0.1])
    assert tag_pattern(board, 0).bounds == (-0.1, -0.1, 0.1, 0.1)
    assert tag_pattern(board, 1).image(1000, margin=0).shape == (100, 100)
    with pytest.raises(ValueError, match="tag_pattern"):
        board_pattern(board)
    with pytest.raises(ValueError, match="board_pattern"):
        tag_pattern(make_board(type="checkerboard", columns=4, rows=5, square_size=0.1), 0)
