"""Boards in images: which points are found, how exactly, and what is not taken for a board.

Figures of this detector on these renderings (px, root mean square of one coordinate): chessboard corners 0.004 to 0.012, AprilGrid 0.004 to
0.015, single tags 0.01 to 0.06 at 2 grey values of noise. OpenCV's cornerSubPix, started at the truth with a window of a tenth of a square, has
0.03 to 0.6.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import FisheyeCamera, PinholeCamera, transform
from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.detection import BoardDetector

CAMERAS = {
    "pinhole": PinholeCamera((1280, 720), (900, 900), (640, 360), (-0.3, 0.1, 0, 0, 0)),
    "fisheye": FisheyeCamera((1280, 960), (420, 420), (640, 480), (0.02, -0.01, 0.001, 0)),
}
BOARDS = {
    "charuco": {"type": "charuco", "columns": 6, "rows": 5, "square_size": 0.04, "marker_size": 0.03, "dictionary": "DICT_5X5_100"},
    "legacy": {"type": "charuco", "columns": 5, "rows": 6, "square_size": 0.04, "marker_size": 0.028, "dictionary": "DICT_4X4_50", "legacy_layout": True},
    "charuco of AprilTags": {"type": "charuco", "columns": 5, "rows": 6, "square_size": 0.04, "marker_size": 0.03, "dictionary": "DICT_APRILTAG_36h11"},
    "checkerboard": {"type": "checkerboard", "columns": 8, "rows": 5, "square_size": 0.04},
    "aprilgrid": {"type": "aprilgrid", "columns": 4, "rows": 3, "marker_size": 0.05, "tag_spacing": 0.3},
    "aprilgrid without squares": {
        "type": "aprilgrid", "columns": 4, "rows": 3, "marker_size": 0.05, "tag_spacing": 0.3, "corner_squares": False, "border_bits": 1
    },
}  # fmt: skip


def looking_at(camera, board: Board, rotation, distance: float, pixel=(0.5, 0.5)):
    """Return T_camera_board with the board's middle seen ``distance`` m away at a part of the image, tilted by a rotation vector."""
    R = transform.pose_from_rotvec(np.asarray(rotation, dtype=float), np.zeros(3))[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    ray = camera.rays(np.array(pixel) * camera.image_size)
    return transform.pose_from(R, ray * distance - R @ board.targets.points.mean(axis=0))


def errors(board: Board, camera, T, image):
    found = BoardDetector(board).detect(image)
    truth = camera.project(transform.apply(T, board.targets.points))
    return found - truth, np.isfinite(found[:, 0])


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("name", BOARDS)
def test_all_points_are_found_to_a_small_part_of_a_pixel(name, camera, make_board, board_view):
    board, lens = make_board(**BOARDS[name]), CAMERAS[camera]
    distance = 0.35 if camera == "fisheye" else 0.6
    for k, (rotation, pixel) in enumerate(
        [((0.0, 0.0, 0.1), (0.5, 0.5)), ((0.5, 0.2, -0.7), (0.6, 0.55)), ((-0.3, 0.6, 2.8), (0.45, 0.45))]
    ):
        T = looking_at(lens, board, rotation, distance, pixel)
        off, found = errors(board, lens, T, board_view(board, lens, T, seed=k))
        assert found.all()
        assert np.sqrt((off**2).mean()) < (0.03 if name == "aprilgrid without squares" else 0.015)


@pytest.mark.parametrize("name", BOARDS)
def test_inverted_boards_are_found_as_well(name, make_board, board_view):
    board, camera = make_board(**BOARDS[name], inverted=True), CAMERAS["pinhole"]
    T = looking_at(camera, board, (0.3, -0.2, 0.2), 0.6)
    image = board_view(board, camera, T)
    off, found = errors(board, camera, T, image)
    assert found.all()
    assert np.sqrt((off**2).mean()) < 0.04
    if name != "checkerboard":  # whose inverse is, but for its margin, itself turned by half
        assert not np.isfinite(BoardDetector(make_board(**BOARDS[name])).detect(image)).any()


@pytest.mark.parametrize("blur", [0.4, 1.0, 1.8])
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_blur_and_noise_cost_little(blur, noise, make_board, board_view):
    board, camera = make_board(**BOARDS["charuco"]), CAMERAS["pinhole"]
    T = looking_at(camera, board, (0.4, 0.3, 0.2), 0.6)
    off, found = errors(board, camera, T, board_view(board, camera, T, blur_px=blur, noise=noise))
    assert found.all()
    assert np.sqrt((off**2).mean()) < 0.008 + 0.004 * noise * blur
    assert np.abs(off.mean(axis=0)).max() < 0.004 + 0.002 * noise


@pytest.mark.parametrize("blur", [0.5, 1.5])
def test_the_corners_of_single_tags_are_not_rounded_off_by_blur(blur, make_board, board_view):
    board, camera = make_board(type="markers", dictionary="DICT_APRILTAG_36h11", ids=[3], marker_size=0.16), CAMERAS["pinhole"]
    outwards = []
    for k, rotation in enumerate([(0.0, 0.0, 0.3), (0.5, 0.0, 1.0), (0.0, 0.5, -0.5), (-0.4, 0.4, 2.0)]):
        T = looking_at(camera, board, rotation, 1.0)
        off, found = errors(board, camera, T, board_view(board, camera, T, blur_px=blur, seed=k, tag=0))
        assert found.all()
        assert np.abs(off).max() < 0.2
        away = camera.project(transform.apply(T, board.targets.points)) - camera.project(T[:3, 3])
        outwards.append((off * away).sum(axis=1) / np.linalg.norm(away, axis=1))
    assert abs(np.mean(outwards)) < 0.02


def test_single_tags_of_several_sizes_are_told_apart_and_others_ignored(make_board, board_view):
    board = make_board(type="markers", dictionary="DICT_4X4_50", ids=[7, 3, 9], marker_sizes=[0.2, 0.1, 0.1])
    other = make_board(type="markers", dictionary="DICT_4X4_50", ids=[20], marker_size=0.1)
    camera = CAMERAS["pinhole"]
    poses = [looking_at(camera, other, (0.3, 0.1, 0.2), 1.2, pixel) for pixel in ((0.25, 0.4), (0.5, 0.6), (0.8, 0.5))]
    image = board_view(board, camera, poses[0], tag=0)
    image = board_view(board, camera, poses[1], tag=1, into=image)
    image = board_view(other, camera, poses[2], tag=0, into=image)
    found = BoardDetector(board).detect(image)
    assert np.isfinite(found[:, 0]).tolist() == [True] * 8 + [False] * 4
    for k, T in enumerate(poses[:2]):
        truth = camera.project(transform.apply(T, board.targets.points[4 * k : 4 * k + 4]))
        np.testing.assert_allclose(found[4 * k : 4 * k + 4], truth, atol=0.15)


def test_a_tag_that_is_seen_twice_is_not_taken(make_board, board_view):
    board, camera = make_board(type="markers", dictionary="DICT_4X4_50", ids=[7], marker_size=0.1), CAMERAS["pinhole"]
    image = board_view(board, camera, looking_at(camera, board, (0, 0, 0), 0.8, (0.3, 0.5)), tag=0)
    image = board_view(board, camera, looking_at(camera, board, (0, 0, 0), 0.8, (0.7, 0.5)), tag=0, into=image)
    assert np.isnan(BoardDetector(board).detect(image)).all()


@pytest.mark.parametrize("name", ["charuco", "legacy", "aprilgrid"])
def test_the_back_of_a_two_sided_board_has_the_same_points_at_the_same_places(name, make_board, board_view):
    camera = CAMERAS["pinhole"]
    board, one_sided = make_board(**BOARDS[name], two_sided=True), make_board(**BOARDS[name])
    T = looking_at(camera, board, (0.2, np.pi + 0.3, 0.1), 0.6)
    image = board_view(board, camera, T)
    off, found = errors(board, camera, T, image)
    assert found.all()
    assert np.sqrt((off**2).mean()) < 0.015
    assert np.isnan(BoardDetector(one_sided).detect(image)).all()


def test_what_is_covered_is_missing_and_the_rest_stays_exact(make_board, board_view):
    camera, board = CAMERAS["pinhole"], make_board(**BOARDS["charuco"])
    T = looking_at(camera, board, (0.2, 0.3, 0.1), 0.6)
    truth = camera.project(transform.apply(T, board.targets.points))
    image = board_view(board, camera, T)
    hand = (np.mgrid[:720, :1280][::-1].transpose(1, 2, 0) - truth[7]) @ np.array([1.0, 0.3])
    covered = (np.abs(hand) < 40) & (np.mgrid[:720, :1280][0] > truth[7, 1] - 15)
    image[covered] = 150
    found = BoardDetector(board).detect(image)
    hidden = covered[tuple(np.rint(truth[:, ::-1]).astype(int).T)]
    assert hidden.any()
    assert np.isnan(found[hidden]).all()
    seen = np.isfinite(found[:, 0])
    assert seen.sum() >= 10
    assert np.abs(found[seen] - truth[seen]).max() < 0.1


def test_a_chessboard_corner_without_a_readable_marker_beside_it_is_found_by_its_neighbours(make_board, board_view):
    camera, board = CAMERAS["pinhole"], make_board(**BOARDS["charuco"])
    T = looking_at(camera, board, (0.2, 0.3, 0.1), 0.6)
    image = board_view(board, camera, T)
    for column, row in ((5, 4), (4, 3), (3, 4)):  # a pen over the markers in the lower right
        middle = camera.project(transform.apply(T, [(column + 0.5) * 0.04, (4 - row + 0.5) * 0.04, 0.0]))
        x, y = np.rint(middle).astype(int)
        image[y - 7 : y + 8, x - 7 : x + 8] = 60
    off, found = errors(board, camera, T, image)
    assert found.all()
    assert np.abs(off).max() < 0.08


def test_a_board_that_reaches_out_of_the_image_keeps_what_is_inside(make_board, board_view):
    camera = CAMERAS["pinhole"]
    for name in ("charuco", "aprilgrid"):
        board = make_board(**BOARDS[name])
        T = looking_at(camera, board, (0.1, 0.1, 0.1), 0.5, (0.95, 0.5))
        off, found = errors(board, camera, T, board_view(board, camera, T))
        assert 4 <= found.sum() < len(found)
        assert np.abs(off[found]).max() < 0.1


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_is_found_where_there_is_no_board(name, make_board):
    detector = BoardDetector(make_board(**BOARDS[name]))
    random = np.random.default_rng(0)
    stripes = np.tile(np.repeat([40, 200], 30), (400, 8)).astype(np.uint8)
    for image in (np.full((300, 400), 128, np.uint8), random.integers(0, 255, (300, 400), dtype=np.uint8), stripes):
        assert np.isnan(detector.detect(image)).all()


def test_another_board_is_not_taken_for_this_one(make_board, board_view):
    camera = CAMERAS["pinhole"]
    shown = make_board(**BOARDS["charuco"])
    image = board_view(shown, camera, looking_at(camera, shown, (0.2, 0.3, 0.1), 0.6))
    others = (
        {**BOARDS["charuco"], "dictionary": "DICT_4X4_1000"},
        {**BOARDS["charuco"], "columns": 5, "rows": 6},
        {**BOARDS["checkerboard"], "columns": 9, "rows": 8},
        BOARDS["aprilgrid"],
    )
    for other in others:
        assert np.isfinite(BoardDetector(make_board(**other)).detect(image)[:, 0]).sum() < 4


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_an_odd_and_an_even_side_tell_how_a_checkerboard_is_turned(angle, make_board, board_view):
    camera, board = CAMERAS["pinhole"], make_board(**BOARDS["checkerboard"])
    T = looking_at(camera, board, (0.1, 0.2, angle), 0.6)
    off, found = errors(board, camera, T, board_view(board, camera, T))
    assert found.all()
    assert np.abs(off).max() < 0.05


@pytest.mark.parametrize(("columns", "rows"), [(6, 4), (7, 5), (5, 5), (6, 6)])
@pytest.mark.parametrize("angle", [0.2, np.pi - 0.2])
def test_a_checkerboard_that_looks_the_same_upside_down_is_read_the_more_upright_way(columns, rows, angle, make_board, board_view):
    camera, board = CAMERAS["pinhole"], make_board(type="checkerboard", columns=columns, rows=rows, square_size=0.04)
    T = looking_at(camera, board, (0.1, 0.2, angle), 0.6)
    truth = camera.project(transform.apply(T, board.targets.points))
    expected = truth if angle < 1 else truth[::-1]
    np.testing.assert_allclose(BoardDetector(board).detect(board_view(board, camera, T)), expected, atol=0.05)


@settings(max_examples=8, deadline=None)
@given(
    tilt=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(-3.1, 3.1)),
    distance=st.floats(0.45, 0.9),
    place=st.tuples(st.floats(0.35, 0.65), st.floats(0.4, 0.6)),
)
def test_no_view_of_a_charuco_board_gives_a_wrong_corner(make_board, board_view, tilt, distance, place):
    camera, board = CAMERAS["pinhole"], make_board(**BOARDS["charuco"])
    T = looking_at(camera, board, tilt, distance, place)
    off, found = errors(board, camera, T, board_view(board, camera, T, blur_px=0.8))
    assert found.mean() > 0.9
    assert np.abs(off[found]).max() < 0.1


def test_images_of_another_kind_are_refused(make_board):
    detector = BoardDetector(make_board(**BOARDS["charuco"]))
    for image in (np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10))):
        with pytest.raises(ValueError, match=r"a grey image \(H, W\) of uint8 was expected"):
            detector.detect(image)


def test_an_image_smaller_than_a_window_holds_no_board(make_board):
    for name in BOARDS:
        assert np.isnan(BoardDetector(make_board(**BOARDS[name])).detect(np.zeros((8, 8), np.uint8))).all()


def test_the_real_charuco_board_fits_a_plane_to_a_twentieth_of_a_pixel(shared_data):
    """Caliscope's recording (inverted ChArUco 4x5, laminated, four webcams); even frames only. OpenCV's own corners have 0.12 px."""
    import tomllib

    cv2 = pytest.importorskip("cv2")
    import av

    folder = shared_data / "multicam_calib" / "caliscope_hands_board"
    board = Board.load(folder / "charuco.toml")
    detector = BoardDetector(board)
    cameras = tomllib.loads((folder / "camera_array.toml").read_text())["cameras"]
    rests = []
    for number in ("1", "3"):
        matrix, distortions = np.array(cameras[number]["matrix"]), np.array(cameras[number]["distortions"])
        with av.open(str(folder / f"cam_{number}.mp4")) as container:
            frames = [frame.to_ndarray(format="gray") for k, frame in enumerate(container.decode(video=0)) if k in range(86, 111, 6)]
        for frame in frames:
            found = detector.detect(frame)
            seen = np.isfinite(found[:, 0])
            assert seen.sum() >= 10
            straight = cv2.undistortPoints(found[seen][:, None], matrix, distortions)[:, 0]
            H, _ = cv2.findHomography(board.targets.points[seen, :2], straight)
            back = cv2.perspectiveTransform(board.targets.points[seen, :2][:, None], H)[:, 0]
            rests.append((back - straight) * matrix[0, 0])
    assert np.sqrt((np.concatenate(rests) ** 2).mean()) < 0.05


def test_no_still_of_the_real_checkerboard_gives_a_false_detection(shared_data, make_board):
    """Pose2Sim's cam01: OpenCV's classic finder takes something else for the board in one still."""
    cv2 = pytest.importorskip("cv2")
    folder = shared_data / "multicam_body" / "pose2sim_single" / "calibration" / "intrinsics"
    board = make_board(type="checkerboard", columns=8, rows=5, square_size=0.06)
    detector, points = BoardDetector(board), board.targets.points[:, :2]
    for file in sorted((folder / "int_cam01_img").glob("*.jpg")):
        found = detector.detect(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
        assert np.isfinite(found).all(), file
        H, _ = cv2.findHomography(points, found)
        assert np.sqrt(((cv2.perspectiveTransform(points[:, None], H)[:, 0] - found) ** 2).mean()) < 0.5, file
    empty = detector.detect(cv2.imread(str(folder / "int_cam02_img" / "cam02_06_int.jpg"), cv2.IMREAD_GRAYSCALE))
    assert np.isnan(empty).all()
