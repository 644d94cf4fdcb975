"""Boards on paper have the sizes that they say."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import pytest

from bodydouble.calibration.boards.detection import BoardDetector
from bodydouble.calibration.boards.print import PAGES, board_pages, describe, page_size, planned_files, print_board
from bodydouble.errors import UnknownNameError, UsageError

MM = 72 / 25.4
CHARUCO = {"type": "charuco", "columns": 5, "rows": 7, "square_size": 0.03, "marker_size": 0.022, "dictionary": "DICT_5X5_100"}
SMALL = [
    CHARUCO,
    {**CHARUCO, "inverted": True},
    {"type": "checkerboard", "columns": 8, "rows": 5, "square_size": 0.025},
    {"type": "aprilgrid", "columns": 4, "rows": 5, "marker_size": 0.03, "tag_spacing": 0.3},
    {"type": "aprilgrid", "columns": 4, "rows": 5, "marker_size": 0.03, "tag_spacing": 0.3, "inverted": True, "corner_squares": False},
]


def drawings(pdf: bytes) -> list[str]:
    return [zlib.decompress(part).decode("latin-1") for part in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)]


def rectangles(drawing: str) -> np.ndarray:
    """Return (N, 4) x, y, width, height in mm of a page."""
    scale = float(re.match(r"([\d.]+) 0 0 \1 0 0 cm", drawing)[1])
    assert scale == pytest.approx(MM, abs=1e-8)
    return np.array([[float(v) for v in found] for found in re.findall(r"^(\S+) (\S+) (\S+) (\S+) re$", drawing, re.MULTILINE)])


def test_a_pdf_is_to_scale(make_board, tmp_path):
    board = make_board(**CHARUCO)
    assert print_board(board, tmp_path / "board.pdf", page_size("a4")) == [tmp_path / "board.pdf"]
    pdf = (tmp_path / "board.pdf").read_bytes()
    media = [float(v) for v in re.search(rb"/MediaBox \[0 0 (\S+) (\S+)\]", pdf).groups()]
    np.testing.assert_allclose(media, [210 * MM, 297 * MM], atol=1e-5)
    boxes = rectangles(drawings(pdf)[0])
    squares = boxes[np.isclose(boxes[:, 2], 30) & np.isclose(boxes[:, 3], 30)]
    assert len(squares) == 18
    np.testing.assert_allclose(np.ptp(squares[:, 0]), 120, atol=1e-5)
    np.testing.assert_allclose(np.ptp(squares[:, 1]), 180, atol=1e-5)
    assert (np.isclose(boxes[:, 2], 100) & (boxes[:, 3] < 0.5)).sum() == 1, "the line to measure"
    assert b"/PrintScaling /None" in pdf


def test_the_places_in_a_pdf_are_where_its_table_says(make_board, tmp_path):
    print_board(make_board(**CHARUCO, two_sided=True), tmp_path / "board.pdf", page_size("a4"))
    pdf = (tmp_path / "board.pdf").read_bytes()
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    assert pdf[start:].startswith(b"xref\n0 9\n")
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n ", pdf), 1):
        assert pdf[int(place) :].startswith(b"%d 0 obj" % number)


@pytest.mark.parametrize("values", SMALL, ids=lambda values: " ".join(map(str, values.values())))
def test_an_image_of_a_page_holds_the_board_to_scale(values, make_board, tmp_path):
    cv2 = pytest.importorskip("cv2")
    board, dpi = make_board(**values), 150
    (file,) = print_board(board, tmp_path / "board.png", page_size("a4"), dpi=dpi)
    image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert sorted(image.shape) == [round(210 / 25.4 * dpi), round(297 / 25.4 * dpi)]
    found = BoardDetector(board).detect(image)
    assert np.isfinite(found).all()
    on_paper = found * 25.4 / dpi / 1000 * [1, -1]
    points = board.targets.points[:, :2]
    np.testing.assert_allclose(on_paper - on_paper.mean(axis=0), points - points.mean(axis=0), atol=1e-5)


def test_a_png_says_how_many_pixels_an_inch_it_has(make_board, tmp_path):
    print_board(make_board(**CHARUCO), tmp_path / "board.png", page_size("a4"), dpi=100)
    content = (tmp_path / "board.png").read_bytes()
    place = content.index(b"pHYs")
    assert struct.unpack(">IIB", content[place + 4 : place + 13]) == (3937, 3937, 1)


def test_the_back_of_a_two_sided_board_lies_behind_its_front(make_board, tmp_path):
    cv2 = pytest.importorskip("cv2")
    board = make_board(**CHARUCO, two_sided=True)
    files = print_board(board, tmp_path / "board.png", page_size("a4"), dpi=100)
    assert [file.name for file in files] == ["board-1.png", "board-2.png"]
    front, back = (BoardDetector(board).detect(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)) for file in files)
    assert np.isfinite(front).all()
    width = 210 / 25.4 * 100  # of the paper; the image's is rounded
    np.testing.assert_allclose(width - 1 - back[:, 0], front[:, 0], atol=0.05)
    np.testing.assert_allclose(back[:, 1], front[:, 1], atol=0.05)


def test_single_tags_get_a_page_each_or_share_pages(make_board, tmp_path):
    cv2 = pytest.importorskip("cv2")
    board = make_board(type="markers", dictionary="DICT_APRILTAG_36h11", ids=list(range(20)), marker_size=0.05)
    assert len(board_pages(board, page_size("a4"))) == 20
    files = print_board(board, tmp_path / "tags.png", page_size("a4"), dpi=100, pack=True)
    assert len(files) == 3
    found = [BoardDetector(board).detect(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)) for file in files]
    seen = np.array([np.isfinite(pixels[:, 0]) for pixels in found])
    np.testing.assert_array_equal(seen.sum(axis=0), 1)
    corners = np.nansum(found, axis=0).reshape(20, 4, 2)
    np.testing.assert_allclose(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1), 50 / 25.4 * 100, atol=0.1)


def test_tags_of_different_sizes_share_a_page_without_touching(make_board):
    board = make_board(type="markers", dictionary="DICT_4X4_50", ids=[0, 1, 2, 3], marker_sizes=[0.06, 0.03, 0.1, 0.03])
    (page,) = board_pages(board, page_size("a4"), pack=True)
    boxes = [(fill.black[:, :2].min(axis=0), fill.black[:, 2:].max(axis=0)) for fill in page.fills[:4]]
    for k, (low, high) in enumerate(boxes):
        assert (low > 5).all()
        assert high[0] < 205
        assert all((high < other_low).any() or (low > other_high).any() for other_low, other_high in boxes[k + 1 :])


def test_a_board_lies_on_its_side_where_it_fits_only_so(make_board):
    (page,) = board_pages(make_board(type="checkerboard", columns=9, rows=5, square_size=0.028), page_size("a4"))
    assert (page.width, page.height) == (297, 210)


def test_a_board_that_does_not_fit_says_which_page_does(make_board):
    large = make_board(**{**CHARUCO, "square_size": 0.05})
    with pytest.raises(UsageError, match=r"needs 285x399 mm and does not fit on a page of 210x297 mm; --page a3 fits, or make the squares"):
        board_pages(large, page_size("a4"))
    huge = make_board(**{**CHARUCO, "square_size": 0.4})
    with pytest.raises(UsageError, match=r"no standard page fits: use --page 2210x3024 \(mm\)"):
        board_pages(huge, page_size("a0"))
    tags = make_board(type="markers", dictionary="DICT_4X4_50", ids=[0], marker_size=0.3)
    for pack in (False, True):
        with pytest.raises(UsageError, match=r"does not fit on a page of 210x297 mm; --page a2 fits"):
            board_pages(tags, page_size("a4"), pack=pack)


@pytest.mark.parametrize("name", PAGES)
def test_what_fits_according_to_a_message_fits(name, make_board):
    across, up = PAGES[name]
    side = min((across - 10) / 5.5, (up - 24) / 7.5) / 1000 * 0.999
    assert len(board_pages(make_board(**{**CHARUCO, "square_size": side, "marker_size": 0.7 * side}), PAGES[name])) == 1


def test_captions_stay_on_the_page(make_board):
    board = make_board(type="checkerboard", columns=4, rows=4, square_size=0.008)
    (page,) = board_pages(board, (70, 70))
    assert all(text.x + 0.55 * text.size * len(text.text) <= 70 for text in page.texts[:1])


@pytest.mark.parametrize(
    ("name", "size"),
    [("a4", (210, 297)), ("A3", (297, 420)), ("letter", (215.9, 279.4)), ("300x400", (300, 400)), ("300X400mm", (300, 400))],
)
def test_pages_are_named_or_measured(name, size):
    assert page_size(name) == size


def test_an_unknown_page_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"page 'a44'.*valid: a4, letter.*WIDTHxHEIGHT in mm.*Did you mean 'a4'"):
        page_size("a44")
    with pytest.raises(UsageError, match=r"'widexhigh' is not a width and a height in mm"):
        page_size("widexhigh")
    for name in ("0.3x0.4", "nanxnan", "300x9000", "-300x400"):
        with pytest.raises(UsageError, match=r"20 to 5000 mm"):
            page_size(name)


def test_what_cannot_be_written_is_said(make_board, tmp_path):
    board = make_board(**CHARUCO)
    with pytest.raises(UsageError, match=r"written as \.pdf or \.png"):
        print_board(board, tmp_path / "board.svg", page_size("a4"))
    for dpi in (10, 5000):
        with pytest.raises(UsageError, match=r"outside 50 to 1200"):
            print_board(board, tmp_path / "board.png", page_size("a4"), dpi=dpi)
    with pytest.raises(UsageError, match=r"million pixels at 1200 dpi; lower --dpi or write a \.pdf"):
        print_board(board, tmp_path / "board.png", page_size("a1"), dpi=1200)
    assert not list(tmp_path.iterdir())


def test_the_files_can_be_known_before_they_are_written(make_board, tmp_path):
    board = make_board(**CHARUCO, two_sided=True)
    for name in ("board.pdf", "board.png"):
        planned = planned_files(board, tmp_path / name, page_size("a4"))
        assert print_board(board, tmp_path / name, page_size("a4"), dpi=50) == planned
        assert all(file.exists() for file in planned)


def test_a_board_is_described_in_millimetres(make_board):
    assert describe(make_board(**CHARUCO)) == "charuco 5x7 squares of 30 mm, markers of 22 mm, DICT_5X5_100"
    assert "40.5 mm, DICT_4X4_1000, ids from 3, legacy layout, inverted" in describe(
        make_board(type="charuco", columns=4, rows=4, square_size=0.054, marker_size=0.0405, dictionary="DICT_4X4_1000", first_id=3,
                   legacy_layout=True, inverted=True)
    )  # fmt: skip
    grid = make_board(type="aprilgrid", columns=4, rows=5, marker_size=0.03, tag_spacing=0.3)
    assert describe(grid) == "aprilgrid 4x5 tags of 30 mm, gaps of 9 mm, DICT_APRILTAG_36h11, ids from 0"
    tags = make_board(type="markers", dictionary="DICT_4X4_50", ids=[0, 1], marker_sizes=[0.08, 0.03])
    assert describe(tags) == "2 single tags of 30 to 80 mm, DICT_4X4_50"
