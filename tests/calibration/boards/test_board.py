"""Where the points of a board are."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bodydouble.calibration.boards.board import Targets, join_targets
from bodydouble.errors import UsageError


def test_the_corners_of_a_chessboard_go_row_by_row_from_the_upper_left_above_the_lower_left_origin(make_board):
    for board in (
        make_board(type="checkerboard", columns=4, rows=5, square_size=0.1),
        make_board(type="charuco", columns=4, rows=5, square_size=0.1, marker_size=0.05, dictionary="DICT_4X4_50"),
    ):
        points = board.targets.points
        assert points.shape == (12, 3)
        np.testing.assert_allclose(points[[0, 1, 3, -1]], [[0.1, 0.4, 0], [0.2, 0.4, 0], [0.1, 0.3, 0], [0.3, 0.1, 0]])
        assert board.targets.names == ("board",)
        assert not board.targets.target_of_point.any()


def test_the_corners_of_a_charuco_board_are_opencvs(make_board):
    cv2 = pytest.importorskip("cv2")
    board = make_board(type="charuco", columns=4, rows=5, square_size=0.1, marker_size=0.05, dictionary="DICT_4X4_50")
    theirs = cv2.aruco.CharucoBoard((4, 5), 0.1, 0.05, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)).getChessboardCorners()
    np.testing.assert_allclose(board.targets.points, np.asarray(theirs) * [1, -1, 0] + [0, 0.5, 0], atol=1e-7)


def test_an_aprilgrid_starts_at_the_lower_left_tag_and_goes_right_then_up(make_board):
    board = make_board(type="aprilgrid", columns=3, rows=2, marker_size=0.1, tag_spacing=0.2)
    points = board.targets.points.reshape(6, 4, 3)
    np.testing.assert_allclose(points[0], [[0, 0.1, 0], [0.1, 0.1, 0], [0.1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(points[1] - points[0], np.tile([0.12, 0, 0], (4, 1)), atol=1e-15)
    np.testing.assert_allclose(points[3] - points[0], np.tile([0, 0.12, 0], (4, 1)), atol=1e-15)
    assert board.tag_ids == (0, 1, 2, 3, 4, 5)


def test_single_tags_are_targets_of_their_own_about_their_centres(make_board):
    board = make_board(type="markers", dictionary="DICT_APRILTAG_36h11", ids=[5, 2], marker_sizes=[0.2, 0.1])
    assert board.targets.names == ("tag_5", "tag_2")
    np.testing.assert_allclose(board.targets.points[:4], [[-0.1, 0.1, 0], [0.1, 0.1, 0], [0.1, -0.1, 0], [-0.1, -0.1, 0]])
    np.testing.assert_allclose(np.ptp(board.targets.points[4:], axis=0), [0.1, 0.1, 0])
    np.testing.assert_array_equal(board.targets.target_of_point, [0] * 4 + [1] * 4)
    np.testing.assert_array_equal(board.targets.points_of(1), [4, 5, 6, 7])


def test_joined_targets_keep_their_points_and_get_numbers_of_their_own(make_board):
    tags = make_board(type="markers", dictionary="DICT_4X4_50", ids=[5, 2], marker_size=0.1).targets
    desk = make_board(type="checkerboard", columns=4, rows=5, square_size=0.1).targets
    joined = join_targets([tags, desk])
    assert joined.names == ("tag_5", "tag_2", "board")
    np.testing.assert_array_equal(joined.points, np.concatenate([tags.points, desk.points]))
    np.testing.assert_array_equal(joined.points_of(2), np.arange(8, 20))
    with pytest.raises(ValueError, match="read-only"):
        joined.points[0] = 0


def test_two_targets_of_one_name_cannot_be_joined(make_board):
    board = make_board(type="checkerboard", columns=4, rows=5, square_size=0.1).targets
    with pytest.raises(UsageError, match=r"Two boards or tags are called 'board'; give each board file a name"):
        join_targets([board, board])


def test_nothing_joined_is_nothing():
    joined = join_targets([])
    assert joined.names == ()
    assert joined.points.shape == (0, 3)


def test_a_point_of_a_target_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no name"):
        Targets(("a",), np.zeros((2, 3)), np.array([0, 1]))
    with pytest.raises(ValueError, match="shape"):
        Targets(("a",), np.zeros((2, 2)), np.array([0, 0]))


def test_a_board_can_be_sent_to_another_process(make_board):
    board = make_board(type="markers", dictionary="DICT_4X4_50", ids=[5, 2], marker_size=0.1)
    assert board.targets.points.shape == (8, 3)
    again = pickle.loads(pickle.dumps(board))
    assert again == board
    np.testing.assert_array_equal(again.targets.points, board.targets.points)
