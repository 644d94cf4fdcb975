"""What a board file may say, and what one sentence says about what it may not."""

from __future__ import annotations

import pytest

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.errors import UnknownNameError, UsageError

CHARUCO = {"type": "charuco", "columns": 4, "rows": 5, "square_size": 0.054, "marker_size": 0.0405, "dictionary": "DICT_4X4_50"}
CHECKERBOARD = {"type": "checkerboard", "columns": 8, "rows": 5, "square_size": 0.06}
APRILGRID = {"type": "aprilgrid", "columns": 6, "rows": 6, "marker_size": 0.088, "tag_spacing": 0.3}
MARKERS = {"type": "markers", "dictionary": "DICT_APRILTAG_36h11", "ids": [0, 7, 3], "marker_size": 0.16}


@pytest.mark.parametrize("values", [CHARUCO, CHECKERBOARD, APRILGRID, MARKERS], ids=lambda values: values["type"])
def test_a_saved_board_is_the_same_when_it_is_read(values, tmp_path):
    board = Board(parse_board(values, source="x"), "board")
    board.save(tmp_path / "board.toml")
    assert Board.load(tmp_path / "board.toml") == board


def test_a_board_is_called_as_its_file_unless_it_says_its_name(tmp_path):
    for name, expected in ((None, "wall"), ("desk", "desk")):
        Board(parse_board({**CHARUCO, "name": name}, source="x"), "any").save(tmp_path / "wall.toml")
        assert Board.load(tmp_path / "wall.toml").name == expected


def test_a_dictionary_may_be_written_with_any_capitals():
    assert parse_board({**APRILGRID, "dictionary": "dict_apriltag_36H11"}, source="x").dictionary == "DICT_APRILTAG_36h11"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"key 'type' is missing; valid: charuco, checkerboard, aprilgrid, markers"),
        ({**CHARUCO, "columns": 1}, r"columns is 1; a charuco needs at least 2 squares \(not inner corners\) each way"),
        ({**CHARUCO, "columns": 2, "rows": 2}, r"2x2 squares has 1 inner corners; its pose needs at least 4"),
        ({**CHARUCO, "rows": 1000}, r"more than 200 squares"),
        ({**CHARUCO, "marker_size": 0.054}, r"marker_size 0\.054 m is not smaller than square_size 0\.054 m"),
        ({**CHARUCO, "square_size": 0}, r"'square_size': Input should be greater than 0"),
        ({**CHARUCO, "square_size": float("nan")}, r"'square_size'"),
        ({**CHARUCO, "first_id": -1}, r"'first_id'"),
        ({**CHARUCO, "columns": 20, "rows": 20}, r"DICT_4X4_50 has ids 0 to 49, but 199 is needed for a charuco of 20x20; DICT_4X4_250 starts with the same"),
        ({**CHARUCO, "first_id": 45}, r"ids 0 to 49, but 54 is needed"),
        ({**CHARUCO, "tag_spacing": 0.3}, r"unknown key 'tag_spacing' \(valid keys: type, name, columns, rows, square_size"),
        ({**CHARUCO, "colums": 4}, r"unknown key 'colums'.*Did you mean 'columns'\?"),
        ({key: CHARUCO[key] for key in CHARUCO if key != "marker_size"}, r"key 'marker_size' is missing"),
        ({**CHECKERBOARD, "columns": 3}, r"columns is 3; a checkerboard needs at least 4 squares"),
        ({**CHECKERBOARD, "two_sided": True}, r"unknown key 'two_sided'"),
        ({**APRILGRID, "tag_spacing": 0.0}, r"'tag_spacing'"),
        ({**APRILGRID, "dictionary": "DICT_APRILTAG_16h5"}, r"DICT_APRILTAG_16h5 has ids 0 to 29, but 35 is needed for an aprilgrid of 6x6"),
        ({**MARKERS, "ids": []}, r"ids is empty"),
        ({**MARKERS, "ids": [1, 2, 1]}, r"id 1 is listed twice"),
        ({**MARKERS, "ids": [1, 600]}, r"ids 0 to 586, but 600 is needed"),
        ({**MARKERS, "marker_size": None}, r"give either marker_size .* or marker_sizes"),
        ({**MARKERS, "marker_sizes": [0.1, 0.1, 0.1]}, r"give either marker_size .* or marker_sizes"),
        ({**MARKERS, "marker_size": None, "marker_sizes": [0.1]}, r"marker_sizes has 1 numbers for 3 ids"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_sentence(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_board(values, source="board.toml")
    assert str(caught.value).startswith("board.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**CHARUCO, "type": "charucco"}, r"board type 'charucco' is not in board\.toml.*Did you mean 'charuco'\?"),
        ({**CHARUCO, "dictionary": "DICT_4X4_500"}, r"dictionary 'DICT_4X4_500'.*Did you mean 'DICT_4X4_50'"),
    ],
)
def test_an_unknown_name_gets_the_near_ones(values, message):
    with pytest.raises(UnknownNameError, match=message):
        parse_board(values, source="board.toml")


def test_caliscopes_board_file_is_read(shared_data):
    board = Board.load(shared_data / "multicam_calib" / "caliscope_hands_board" / "charuco.toml")
    settings = board.settings
    assert (settings.columns, settings.rows, settings.inverted, settings.dictionary) == (4, 5, True, "DICT_4X4_1000")
    assert settings.square_size == pytest.approx(0.054)
    assert settings.marker_size == pytest.approx(0.0405)


CALISCOPE = """
columns = 4
rows = 5
board_height = 11.0
board_width = 8.5
dictionary = "DICT_4X4_50"
units = "inch"
aruco_scale = 0.75
inverted = false
"""


def test_caliscopes_squares_fill_the_page_where_no_size_is_given(tmp_path):
    (tmp_path / "charuco.toml").write_text(CALISCOPE)
    assert Board.load(tmp_path / "charuco.toml").settings.square_size == pytest.approx(8.5 * 0.0254 / 4)


def test_a_caliscope_file_that_lacks_something_says_what(tmp_path):
    (tmp_path / "charuco.toml").write_text(CALISCOPE.replace('units = "inch"', ""))
    with pytest.raises(UsageError, match=r"looks like Caliscope's charuco\.toml, but 'units' is missing"):
        Board.load(tmp_path / "charuco.toml")


def test_a_caliscope_file_with_a_wrong_value_says_so(tmp_path):
    (tmp_path / "charuco.toml").write_text(CALISCOPE.replace("aruco_scale = 0.75", 'aruco_scale = "x"'))
    with pytest.raises(UsageError, match=r"looks like Caliscope's charuco\.toml, but a value in it is wrong: .*'x'"):
        Board.load(tmp_path / "charuco.toml")


KALIBR = """target_type: 'aprilgrid' #gridtype
tagCols: 6               #number of apriltags
tagRows: 5
tagSize: 0.088           #size of apriltag, edge to edge [m]
tagSpacing: 0.3          #ratio of space between tags to tagSize
"""


def test_kalibrs_aprilgrid_is_read(tmp_path):
    (tmp_path / "april.yaml").write_text(KALIBR)
    board = Board.load(tmp_path / "april.yaml")
    assert board.name == "april"
    assert (board.settings.columns, board.settings.rows, board.settings.marker_size, board.settings.tag_spacing) == (6, 5, 0.088, 0.3)
    assert board.settings.border_bits == 2


def test_kalibrs_checkerboard_counts_corners_and_ours_squares(tmp_path):
    text = "target_type: 'checkerboard'\ntargetCols: 7\ntargetRows: 4\nrowSpacingMeters: 0.06\ncolSpacingMeters: 0.06\n"
    (tmp_path / "checker.yaml").write_text(text)
    settings = Board.load(tmp_path / "checker.yaml").settings
    assert (settings.columns, settings.rows, settings.square_size) == (8, 5, 0.06)
    (tmp_path / "checker.yaml").write_text(text.replace("colSpacingMeters: 0.06", "colSpacingMeters: 0.05"))
    with pytest.raises(UsageError, match=r"0\.05 x 0\.06 m are not square"):
        Board.load(tmp_path / "checker.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target_type: 'circlegrid'\n", r"target_type is 'circlegrid'; .* 'aprilgrid' and 'checkerboard' can be read"),
        ("cam0:\n  camera_model: pinhole\n", r"target_type is 'None'"),
        (KALIBR.replace("tagSize: 0.088", "tagSize: wide"), r"looks like a target of Kalibr, but could not convert"),
        (KALIBR.replace("tagCols: 6", ""), r"looks like a target of Kalibr, but 'tagCols' is missing"),
        (KALIBR.replace("tagSize: 0.088", "tagSize: -1"), r"'marker_size': Input should be greater than 0"),
    ],
)
def test_a_kalibr_target_that_cannot_be_read_says_why(text, message, tmp_path):
    (tmp_path / "target.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        Board.load(tmp_path / "target.yaml")


@pytest.mark.parametrize("name", ["board.toml", "board.yaml"])
def test_a_file_that_is_not_there_or_no_text_is_named(name, tmp_path):
    with pytest.raises(UsageError, match=rf"{name} does not exist"):
        Board.load(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UsageError, match=name):
        Board.load(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=name):
        Board.load(tmp_path / name)
