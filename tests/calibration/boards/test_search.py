"""Which board is it? The right one, or none."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import PinholeCamera, transform
from bodydouble.calibration.boards.growth import find_any_checkerboard
from bodydouble.calibration.boards.layout import board_layout, marker_grid, together
from bodydouble.calibration.boards.search import search_board

CAMERA = PinholeCamera((800, 450), (600, 600), (400, 225), (-0.2, 0.05, 0, 0, 0))
TILTS = ((0.3, -0.2, 0.2), (-0.2, 0.4, -0.3), (0.1, 0.1, 2.8))
CHARUCO = {"type": "charuco", "columns": 6, "rows": 5, "square_size": 0.04, "marker_size": 0.03, "dictionary": "DICT_5X5_50"}


def at(board, tilt, distance=0.6, pixel=(400, 225), behind=False):
    R = transform.pose_from_rotvec(np.asarray(tilt, dtype=float), np.zeros(3))[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    if behind:
        R = R @ np.diag([-1.0, 1.0, -1.0])
    middle = board.targets.points.mean(axis=0)
    return transform.pose_from(R, CAMERA.rays(np.array(pixel, dtype=float)) * distance - R @ middle)


def views(board, board_view, **options):
    return [board_view(board, CAMERA, at(board, tilt), seed=k, **options) for k, tilt in enumerate(TILTS)]


@pytest.mark.parametrize(
    "values",
    [
        CHARUCO,
        {**CHARUCO, "inverted": True},
        {**CHARUCO, "columns": 5, "rows": 6, "legacy_layout": True, "inverted": True, "dictionary": "DICT_4X4_50", "marker_size": 0.026},
        {**CHARUCO, "columns": 5, "rows": 6, "legacy_layout": False, "dictionary": "DICT_6X6_50", "first_id": 20},
        {**CHARUCO, "columns": 4, "rows": 7, "dictionary": "DICT_APRILTAG_36h11"},
        {"type": "aprilgrid", "columns": 5, "rows": 3, "marker_size": 0.04, "tag_spacing": 0.3},
        {"type": "aprilgrid", "columns": 4, "rows": 3, "marker_size": 0.04, "tag_spacing": 0.25, "first_id": 30, "inverted": True},
        {"type": "aprilgrid", "columns": 4, "rows": 3, "marker_size": 0.04, "tag_spacing": 0.4, "corner_squares": False, "border_bits": 1},
        {"type": "checkerboard", "columns": 8, "rows": 5, "square_size": 0.03},
        {"type": "checkerboard", "columns": 6, "rows": 6, "square_size": 0.03},
        {"type": "checkerboard", "columns": 7, "rows": 5, "square_size": 0.03, "inverted": True},
    ],
    ids=lambda values: " ".join(f"{value}" for value in values.values()),
)
def test_a_board_is_recognised_with_all_it_is(values, make_board, board_view):
    board = make_board(**values)
    size = board.settings.square_size if hasattr(board.settings, "square_size") else board.settings.marker_size
    search = search_board(views(board, board_view), square_size=size)
    found = search.found
    assert found is not None
    assert (found.front, found.back, found.sized) == (True, False, True)
    expected = board.settings.model_dump() | {"name": None}
    actual = found.settings.model_dump()
    for name, tolerance in (("marker_size", 0.02), ("tag_spacing", 0.02)):
        if name in expected:
            assert actual.pop(name) == pytest.approx(expected.pop(name), rel=tolerance)
    assert actual == expected
    assert found.points >= 0.9 * len(board.targets.points)


def test_the_smallest_dictionary_that_holds_the_markers_is_named_and_the_larger_ones_serve_as_well(make_board, board_view):
    board = make_board(**{**CHARUCO, "dictionary": "DICT_5X5_1000"})
    found = search_board(views(board, board_view)[:1]).found
    assert found.settings.dictionary == "DICT_5X5_50"
    assert found.equivalents == ("DICT_5X5_100", "DICT_5X5_250", "DICT_5X5_1000")
    assert not found.sized


@pytest.mark.parametrize("values", [CHARUCO, {"type": "aprilgrid", "columns": 5, "rows": 3, "marker_size": 0.04, "tag_spacing": 0.3}])
def test_a_mirrored_back_is_recognised_alone_and_beside_the_front(values, make_board, board_view):
    board = make_board(**values)
    back = [board_view(board, CAMERA, at(board, tilt, behind=True), seed=k) for k, tilt in enumerate(TILTS)]
    found = search_board(back).found
    assert (found.front, found.back, found.settings.two_sided) == (False, True, True)
    assert (found.settings.columns, found.settings.rows) == (board.settings.columns, board.settings.rows)
    front = views(board, board_view)
    both = search_board([front[0], back[0], front[1], back[1], front[2]]).found
    assert (both.front, both.back, both.settings.two_sided) == (True, True, True)


def test_single_tags_are_listed(make_board, board_view):
    board = make_board(type="markers", dictionary="DICT_APRILTAG_36h11", ids=[4, 9], marker_size=0.1)
    one = make_board(type="markers", dictionary="DICT_APRILTAG_36h11", ids=[4], marker_size=0.1)
    image = board_view(board, CAMERA, at(one, TILTS[0], 0.8, (200, 200)), tag=0)
    image = board_view(board, CAMERA, at(one, TILTS[1], 0.8, (560, 250)), tag=1, into=image)
    found = search_board([image], square_size=0.1).found
    assert found.settings == board.settings


def test_a_board_that_is_not_wholly_in_any_image_is_put_together(make_board, board_view):
    board = make_board(**{**CHARUCO, "columns": 8, "rows": 7})
    parts = [board_view(board, CAMERA, at(board, (0.1, 0.1, 0.1), 0.35, pixel)) for pixel in ((400, 280), (310, 80), (560, 310))]
    found = search_board(parts).found
    assert (found.settings.columns, found.settings.rows) == (8, 7)


@pytest.mark.parametrize("kind", ["plain", "noise", "stripes"])
def test_nothing_is_found_where_nothing_is(kind):
    image = {
        "plain": np.full((240, 320), 128, np.uint8),
        "noise": np.random.default_rng(1).integers(0, 255, (90, 120), dtype=np.uint8),
        "stripes": np.tile(np.repeat([40, 200], 20), (240, 8)).astype(np.uint8),
    }[kind]
    search = search_board([image])
    assert search.found is None
    assert search.images == 1
    assert any("ChArUco" in line for line in search.tried)


def test_progress_ends_at_the_end(make_board, board_view):
    told = []
    search_board(views(make_board(**CHARUCO), board_view)[:1], progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(("columns", "rows"), [(4, 4), (9, 6), (14, 5)])
def test_a_checkerboard_of_any_size_is_counted(columns, rows, make_board, board_view):
    board = make_board(type="checkerboard", columns=columns, rows=rows, square_size=0.3 / columns)
    for tilt in TILTS:
        assert find_any_checkerboard(board_view(board, CAMERA, at(board, tilt, 0.5))) == (columns - 1, rows - 1)


def test_markers_on_no_grid_are_no_board():
    random = np.random.default_rng(0)
    square = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]]) * [1, -1]
    corners = np.stack([30 * square + random.uniform(0, 600, 2) for _ in range(8)])
    grid = marker_grid(corners)
    assert grid is None or board_layout(grid, list(range(8))) is None
    assert marker_grid(corners[:1]) is None


def test_misread_numbers_are_outvoted():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) * 30
    corners = np.stack([square + 40.0 * np.array([column, -row]) for row in range(3) for column in range(4)])
    ids = list(range(12))
    ids[5] = 77
    layout = board_layout(marker_grid(corners), ids)
    assert (layout.kind, layout.columns, layout.rows, layout.first_id, layout.matched) == ("aprilgrid", 4, 3, 0, 11)
    assert together([layout, layout]) == layout
    assert together([]) is None


@pytest.mark.slow
def test_the_real_boards_are_recognised(shared_data):
    from bodydouble.calibration.boards.images import spread_images

    folder = shared_data / "multicam_calib" / "caliscope_hands_board"
    found = search_board([image for _, image in spread_images(folder / "cam_0.mp4", 12)], square_size=0.054).found
    assert (found.settings.columns, found.settings.rows, found.settings.inverted, found.settings.dictionary) == (4, 5, True, "DICT_4X4_50")
    assert found.settings.marker_size == pytest.approx(0.0405, abs=0.0006)
    assert (found.front, found.back) == (True, False)
    stills = shared_data / "multicam_body" / "pose2sim_single" / "calibration" / "intrinsics" / "int_cam01_img"
    found = search_board([image for _, image in spread_images(stills, 3)]).found
    assert (found.settings.type, found.settings.columns, found.settings.rows) == ("checkerboard", 8, 5)
