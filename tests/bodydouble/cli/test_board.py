"""``bodydouble board print`` and ``board find`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bodydouble.cli.board import app
from bodydouble.errors import DataError, FileExistsUsageError, UsageError

run = CliRunner()

BOARD = """
type = "charuco"
columns = 5
rows = 7
square_size = 0.03
marker_size = 0.022
dictionary = "DICT_4X4_50"
inverted = true
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    (tmp_path / "board.toml").write_text(BOARD)
    return tmp_path / "board.toml"


def call(*arguments: Any) -> Any:
    done = run.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done


def test_a_printed_board_is_found_again(board: Path, tmp_path: Path) -> None:
    done = call("print", board, "-o", tmp_path / "board.png", "--dpi", 100)
    assert "charuco 5x7 squares of 30 mm, markers of 22 mm, DICT_4X4_50, inverted: " in done.stdout
    assert "Print at 100 %" in done.stdout
    done = call("find", tmp_path / "board.png", "--square-size", 0.03, "-o", tmp_path / "found.toml")
    assert "charuco 5x7 squares of 30 mm, markers of 21.9 mm, DICT_4X4_50, inverted" in done.stdout
    assert "DICT_4X4_100, DICT_4X4_250, DICT_4X4_1000 start with the same markers" in done.stdout
    from bodydouble.calibration.boards.board import Board

    found = Board.load(tmp_path / "found.toml").settings
    assert found.marker_size == pytest.approx(0.022, abs=3e-4)
    assert found.model_copy(update={"marker_size": 0.022}) == Board.load(board).settings


def test_without_a_size_the_parts_are_told(board: Path, tmp_path: Path) -> None:
    call("print", board, "-o", tmp_path / "board.png", "--dpi", 100)
    done = call("find", tmp_path / "board.png")
    assert "charuco 5x7 squares, DICT_4X4_50, markers 0.73 of a square, inverted" in done.stdout
    assert "give --square-size" in done.stdout


def test_programs_get_json(board: Path, tmp_path: Path) -> None:
    printed = json.loads(call("print", board, "-o", tmp_path / "board.pdf", "--json").stdout)
    assert printed == {
        "board": "charuco 5x7 squares of 30 mm, markers of 22 mm, DICT_4X4_50, inverted",
        "files": [str(tmp_path / "board.pdf")],
        "page_mm": [210.0, 297.0],
    }
    call("print", board, "-o", tmp_path / "board.png", "--dpi", 100)
    found = json.loads(call("find", tmp_path / "board.png", "--json").stdout)
    assert found["board"] == {
        "type": "charuco", "columns": 5, "rows": 7, "dictionary": "DICT_4X4_50", "first_id": 0, "inverted": True, "legacy_layout": False,
        "two_sided": False, "marker_to_square": pytest.approx(0.73, abs=0.01),
    }  # fmt: skip
    assert (found["front_seen"], found["back_seen"], found["sized"], found["most_points"]) == (True, False, False, 24)
    assert found["equivalent_dictionaries"] == ["DICT_4X4_100", "DICT_4X4_250", "DICT_4X4_1000"]


def test_a_two_sided_board_has_two_pages(board: Path, tmp_path: Path) -> None:
    board.write_text(BOARD + "two_sided = true\n")
    files = json.loads(call("print", board, "-o", tmp_path / "b.png", "--dpi", 60, "--json").stdout)["files"]
    assert files == [str(tmp_path / "b-1.png"), str(tmp_path / "b-2.png")]
    done = call("find", tmp_path / "b-2.png")
    assert "seen mirrored only" in done.stdout


def test_what_is_there_is_kept_unless_forced(board: Path, tmp_path: Path) -> None:
    out = tmp_path / "board.pdf"
    out.write_text("mine")
    with pytest.raises(FileExistsUsageError):
        run.invoke(app, ["print", str(board), "-o", str(out)], catch_exceptions=False)
    assert out.read_text() == "mine"
    call("print", board, "-o", out, "--force")
    assert out.read_bytes().startswith(b"%PDF")
    with pytest.raises(FileExistsUsageError):
        run.invoke(app, ["find", "any.png", "--square-size", "0.03", "-o", str(board)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("find", "none.png"), "none.png does not exist"),
        (("find", "none.png", "-o", "b.toml"), "measure a square and give --square-size"),
        (("find", "none.png", "--square-size", "54"), r"--square-size 54 is outside 0.001 to 10 m; give it in metres"),
        (("find", "none.png", "--square-size", "nan"), r"--square-size nan is outside"),
        (("print", "none.toml", "-o", "b.pdf"), "none.toml does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run.invoke(app, list(arguments), catch_exceptions=False)


def test_a_board_too_large_for_the_page_names_one_that_is_not(board: Path, tmp_path: Path) -> None:
    board.write_text(BOARD.replace("0.03", "0.05"))
    with pytest.raises(UsageError, match="--page a3 fits"):
        run.invoke(app, ["print", str(board), "-o", str(tmp_path / "b.pdf")], catch_exceptions=False)
    call("print", board, "-o", tmp_path / "b.pdf", "--page", "a3")
    assert not (tmp_path / "b.png").exists()


def test_no_board_says_what_was_tried(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300), 120, np.uint8))
    with pytest.raises(DataError, match=r"wall\.png: no board was found in 1 image\. Tried: markers of 4X4_1000.*checkerboards of 4x4"):
        run.invoke(
            app, ["find", str(tmp_path / "wall.png"), "-o", str(tmp_path / "b.toml"), "--square-size", "0.1"], catch_exceptions=False
        )
    assert not (tmp_path / "b.toml").exists()


@pytest.mark.parametrize("verb", ["print", "find"])
def test_help_shows_an_example(verb: str) -> None:
    assert f"Example: bodydouble board {verb}" in call(verb, "--help").stdout


def test_the_image_is_never_replaced_by_the_board_file(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"image\.png is a file that this command reads"):
        run.invoke(app, ["find", str(image), "--square-size", "0.05", "-o", str(image), "--force"], catch_exceptions=False)
    assert image.read_bytes() == b"mine"
