"""Caliscope's camera arrays, and the proof on the real one that it is read the right way."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import BoardDetector, FisheyeCamera, PinholeCamera, read_caliscope
from bodydouble.calibration.transform import apply
from bodydouble.errors import UsageError

WRITTEN_BY_CALISCOPE = """[cameras.0]
cam_id = 0
rotation_count = 0
error = 0.541
exposure = -8
grid_count = 39
fisheye = false
size = [1280, 720]
matrix = [[903.550124089999, 0.0, 618.3086297620227], [0.0, 907.8788668762852, 394.213230569746], [0.0, 0.0, 1.0]]
distortions = [-0.3320992998866297, 0.04641968621160267, -0.004295771569519648, 0.004113240100199701, 0.0665682301495769]
translation = [0.12300856355436324, -0.20907747237613664, 0.6679490544839296]
rotation = [1.4077800926103805, -0.9044226916103407, 0.6482016285157549]

[cameras.2]
cam_id = 2
rotation_count = 0
error = 0.366
exposure = -6
grid_count = 37
fisheye = true
size = [1280, 720]
matrix = [[650.801908585405, 0.0, 647.3391995946636], [0.0, 654.4652152401134, 392.19105369229516], [0.0, 0.0, 1.0]]
distortions = [0.18039827881295703, -0.25603810782846814, 0.003209768150056599, 0.0022377311012611876]
translation = [0.10706089301638763, 0.05770174248442657, 0.6492768156220774]
rotation = [1.5583535416105925, -1.425374581344811, 0.8814342432512613]

[cameras.3]
cam_id = 3
rotation_count = 0
error = 0.329
exposure = -7
grid_count = 40
fisheye = false
size = [1280, 720]
matrix = [[639.8834321530571, 0.0, 657.2701926797533], [0.0, 639.5401432267563, 336.26480544286756], [0.0, 0.0, 1.0]]
distortions = [0.16889026717338923, -0.22656481380801907, 0.0014291725779222067, 0.00041512649462704715, 0.10610964089301607]
"""
"""``CameraArray.to_toml`` of Caliscope 0.11.8, from the array below ../shared/data with camera 2 made a fisheye and the pose of camera 3 taken away."""


def write(folder, text):
    path = folder / "camera_array.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def session(shared_data):
    return shared_data / "multicam_calib" / "caliscope_hands_board"


@pytest.fixture(scope="module")
def real(session):
    return read_caliscope(session / "camera_array.toml")


def test_the_real_array_reads_as_four_cameras_named_after_the_videos(real):
    assert real.names == ("cam_0", "cam_1", "cam_2", "cam_3")
    assert real.bodies == ("room",)
    assert all(isinstance(camera.model, PinholeCamera) and camera.model.image_size == (1280, 720) for camera in real.cameras.values())
    assert np.allclose(real.camera("cam_0").T_camera_body[:3, 3], [0.12300856, -0.20907747, 0.66794905])


def test_a_board_of_known_size_triangulates_to_its_size(real, session, make_board):
    """The board was printed with 54 mm squares: neither another sense of the poses nor another unit gives that."""
    import cv2

    board = make_board(type="charuco", columns=4, rows=5, square_size=0.054, marker_size=0.0405, dictionary="DICT_4X4_1000", inverted=True)
    detector = BoardDetector(board)
    seen = {name: {} for name in real.names}
    for name in real.names:
        video = cv2.VideoCapture(str(session / f"{name}.mp4"))
        for frame in range(100):
            if not video.grab():
                break
            if frame >= 60 and frame % 4 == 0:
                seen[name][frame] = detector.detect(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2GRAY))
    points = board.targets.points
    neighbours = np.argwhere(np.abs(np.linalg.norm(points[:, None] - points[None], axis=-1) - 0.054) < 1e-6)
    errors, reprojection = [], []
    for frame in seen["cam_0"]:
        corners = np.full((len(points), 3), np.nan)
        for index in range(len(points)):
            pixels = {name: seen[name][frame][index] for name in real.names if np.isfinite(seen[name][frame][index]).all()}
            if len(pixels) < 3:
                continue
            corners[index] = _nearest_to_rays(real, pixels)
            reprojection += [
                np.linalg.norm(real.camera(n).model.project(apply(real.camera(n).T_camera_body, corners[index])) - uv)
                for n, uv in pixels.items()
            ]
        lengths = np.linalg.norm(corners[neighbours[:, 0]] - corners[neighbours[:, 1]], axis=-1)
        errors += (lengths - 0.054)[np.isfinite(lengths)].tolist()
    assert len(errors) > 50
    assert np.median(np.abs(errors)) < 0.6e-3
    assert np.median(reprojection) < 1.0


def _nearest_to_rays(rig, pixels):
    A, b = np.zeros((3, 3)), np.zeros(3)
    for name, pixel in pixels.items():
        camera = rig.camera(name)
        direction = camera.T_body_camera[:3, :3] @ camera.model.rays(pixel)
        across = np.eye(3) - np.outer(direction, direction)
        A, b = A + across, b + across @ camera.T_body_camera[:3, 3]
    return np.linalg.solve(A, b)


def test_what_a_later_caliscope_wrote_is_the_same_rig(tmp_path, real):
    rig = read_caliscope(write(tmp_path, WRITTEN_BY_CALISCOPE))
    assert rig.camera("cam_0").model == real.camera("cam_0").model
    assert np.allclose(rig.camera("cam_0").T_body_camera, real.camera("cam_0").T_body_camera, atol=1e-9)
    assert np.allclose(rig.camera("cam_2").T_body_camera, real.camera("cam_2").T_body_camera, atol=1e-9)


def test_a_fisheye_is_a_fisheye_and_a_camera_without_a_pose_has_a_body_of_its_own(tmp_path):
    rig = read_caliscope(write(tmp_path, WRITTEN_BY_CALISCOPE))
    assert isinstance(rig.camera("cam_2").model, FisheyeCamera)
    assert rig.bodies == ("room", "cam_3")
    assert rig.camera("cam_3").body == "cam_3"


def test_ignored_cameras_are_left_out_and_nested_numbers_are_read(tmp_path):
    text = WRITTEN_BY_CALISCOPE.replace("cam_id = 2\n", "cam_id = 2\nignore = true\n")
    text = text.replace("[0.12300856355436324, -0.20907747237613664, 0.6679490544839296]", "[[0.123], [-0.209], [0.668]]")
    text = text.replace("exposure = -8", 'exposure = "null"').replace("error = 0.541", 'error = "null"')
    rig = read_caliscope(write(tmp_path, text))
    assert rig.names == ("cam_0", "cam_3")
    assert np.allclose(rig.camera("cam_0").T_camera_body[:3, 3], [0.123, -0.209, 0.668])
    with pytest.raises(UsageError, match="only cameras with ignore = true"):
        read_caliscope(write(tmp_path, WRITTEN_BY_CALISCOPE.replace("cam_id", "ignore = true\ncam_id")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("translation = [0.107", "other = [0.107", "'cam_2': it has a rotation only"),
        ("rotation = [1.5583", "other = [1.5583", "'cam_2': it has a translation only"),
        ("rotation = [1.5583535416105925, -1.425374581344811, 0.8814342432512613]", "rotation = [1.0, 2.0]", "'cam_2': its pose is not"),
        (
            "rotation = [1.5583535416105925, -1.425374581344811, 0.8814342432512613]",
            "rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]",
            "'cam_2': rotation is left-handed",
        ),
        ("translation = [0.123", "translation = [123.0", r"m apart; expected at most 50 m"),
        ("cam_id = 2", "cam_id = 0", "two cameras named 'cam_0'"),
        ("size = [1280, 720]\n", "", r"\[cameras.0\]: key 'size' is missing"),
        ("distortions = [-0.33", "other = [-0.33", "'cam_0': it has no matrix or no distortions"),
        ("[903.550124089999, 0.0,", "[903.550124089999, 1.0,", "'cam_0': its matrix is not"),
        ("[cameras.0]", "[cameras]\nx = 1\n[cameras.0]", r"cameras.x is not a camera"),
    ],
)
def test_what_is_wrong_with_an_array_is_said(tmp_path, old, new, said):
    assert old in WRITTEN_BY_CALISCOPE
    with pytest.raises(UsageError, match=said):
        read_caliscope(write(tmp_path, WRITTEN_BY_CALISCOPE.replace(old, new, 1)))


def test_a_file_without_cameras_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no cameras"):
        read_caliscope(write(tmp_path, "stage = 2\n"))
