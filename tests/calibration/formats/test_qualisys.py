"""Qualisys' calibration, and the proof on the real sample that it is read the right way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration import Rig, read_qualisys, read_rig
from bodydouble.calibration.transform import apply, pose_from
from bodydouble.errors import UsageError

DOTS = {
    "cam01": [(109.7, 1061.0), (319.6, 1337.8), (523.1, 1064.1), (772.9, 1292.5)],
    "cam02": [(432.8, 1038.9), (328.0, 1209.2), (794.0, 1085.0), (763.4, 1271.6)],
    "cam03": [(873.7, 1234.0), (520.5, 1082.9), (485.2, 1431.7), (164.4, 1240.3)],
    "cam04": [(836.4, 1410.6), (889.5, 1069.5), (384.0, 1395.5), (514.8, 1115.4)],
}
"""Four white squares stuck on the treadmill, clicked by hand in calibration/extrinsics/camNN_ext.png and moved to their centroid."""

CORNERS = {
    "back right": {"cam01": (115.8, 982.3), "cam04": (713.9, 1592.3)},
    "front right": {"cam01": (580.7, 1529.3), "cam02": (318.7, 1352.8), "cam04": (842.2, 952.2)},
    "back left": {"cam02": (721.6, 997.7), "cam03": (828.3, 1498.1), "cam04": (388.2, 1621.0)},
    "front left": {"cam01": (832.0, 1445.7), "cam03": (134.4, 1141.8)},
}
"""Corners of the board on the treadmill, clicked by hand in the same stills; the sample's Config.toml gives 2.0 x 0.6 m for them."""


def triangulate(rig: Rig, pixels: dict[str, tuple[float, float]]) -> np.ndarray:
    """Return the point nearest to the rays of all cameras, in the room."""
    A, b = np.zeros((3, 3)), np.zeros(3)
    for name, pixel in pixels.items():
        camera = rig.camera(name)
        direction = camera.T_body_camera[:3, :3] @ camera.model.rays(pixel)
        across = np.eye(3) - np.outer(direction, direction)
        A, b = A + across, b + across @ camera.T_body_camera[:3, 3]
    return np.linalg.solve(A, b)


def dots_and_error(rig: Rig) -> tuple[np.ndarray, float]:
    """Return the dots in the room (4, 3) and the RMS reprojection error in px; infinite where a camera does not see them."""
    points = np.array([triangulate(rig, {name: DOTS[name][i] for name in DOTS}) for i in range(4)])
    errors = np.array([camera.model.project(apply(camera.T_camera_body, points)) - DOTS[name] for name, camera in rig.cameras.items()])
    return points, float(np.sqrt(np.nan_to_num((errors**2).sum(axis=-1), nan=np.inf).mean()))


@pytest.fixture(scope="module")
def sample_rig(pose2sim_sample):
    return read_qualisys(pose2sim_sample / "calibration" / "Calib.qca.txt")


def test_focal_length_centre_and_size_are_in_pixels(sample_rig):
    model = sample_rig.camera("cam01").model
    assert model.image_size == (1088, 1920)
    assert model.focal == pytest.approx((107599.671875 / 64, 107588.828125 / 64))
    assert model.center == pytest.approx((34110.316406 / 64, 60680.792969 / 64))
    assert model.distortion == (-0.046183, 0.139983, 0.000608, 0.00069, 0.0)


def test_the_cameras_stand_where_the_file_says_and_look_down_at_the_treadmill(sample_rig):
    assert np.allclose(sample_rig.camera("cam03").T_body_camera[:3, 3], [-3.21686587, 2.23117864, 2.08819103])
    for camera in sample_rig.cameras.values():
        treadmill = apply(camera.T_camera_body, [-1.0, 0.0, 0.0])
        assert treadmill[2] > 2.0, "it is in front of the camera"
        assert camera.T_body_camera[2, 1] < -0.7, "the image's y axis points down in the room"


def test_dots_on_the_treadmill_lie_in_its_plane(sample_rig):
    points, error = dots_and_error(sample_rig)
    # The sample's calibration does not fit its own pictures to the pixel: each image is shifted by about 10 px, another way each. That is
    # in the data: no other reading of the numbers makes it much smaller, and shifting each image on its own brings it to 2 px.
    assert error < 13
    assert np.abs(points[:, 2]).max() < 0.012, "the treadmill's surface is z = 0"


def test_any_other_reading_of_the_pose_fails(sample_rig):
    _, right = dots_and_error(sample_rig)
    turn = pose_from(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
    wrong = {
        "no half turn": lambda T: T @ turn,
        "not transposed": lambda T: pose_from((T @ turn)[:3, :3].T, T[:3, 3]) @ turn,
        "neither": lambda T: pose_from((T @ turn)[:3, :3].T, T[:3, 3]),
        "a half turn about y": lambda T: T @ turn @ pose_from(np.diag([-1.0, 1.0, -1.0]), np.zeros(3)),
    }
    for reading, change in wrong.items():
        cameras = {name: replace(camera, T_body_camera=change(camera.T_body_camera)) for name, camera in sample_rig.cameras.items()}
        _, error = dots_and_error(Rig("wrong", ("room",), cameras))
        assert error > 8 * right, reading


def test_the_board_on_the_treadmill_has_its_known_size(sample_rig):
    corner = {name: triangulate(sample_rig, pixels) for name, pixels in CORNERS.items()}
    lengths = {
        2.0: [("back right", "front right"), ("back left", "front left")],
        0.6: [("back right", "back left"), ("front right", "front left")],
    }
    for expected, pairs in lengths.items():
        for a, b in pairs:
            assert np.linalg.norm(corner[a] - corner[b]) == pytest.approx(expected, abs=0.05), (a, b)


def test_the_distortion_has_opencvs_sign(sample_rig, pose2sim_sample):
    """A chessboard in the stills fits better with the distortion as read than without it, and worse with the other sign."""
    import cv2

    board = np.zeros((28, 3))
    board[:, :2] = np.mgrid[0:4, 0:7].T.reshape(-1, 2) * 0.06
    model = sample_rig.camera("cam02").model
    K = np.array([[model.focal[0], 0, model.center[0]], [0, model.focal[1], model.center[1]], [0, 0, 1]])
    errors: dict[int, list[float]] = {1: [], 0: [], -1: []}
    for path in sorted((pose2sim_sample / "calibration" / "intrinsics" / "int_cam02_img").glob("*.jpg"))[:4]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        found, corners = cv2.findChessboardCorners(grey, (4, 7))
        if not found:
            continue
        corners = cv2.cornerSubPix(grey, corners, (7, 7), (-1, -1), (3, 30, 0.01)).reshape(-1, 2)
        for sign, collected in errors.items():
            distortion = sign * np.array(model.distortion)
            _, rotation, translation = cv2.solvePnP(board, corners, K, distortion)
            projected, _ = cv2.projectPoints(board, rotation, translation, K, distortion)
            collected.append(float(((projected.reshape(-1, 2) - corners) ** 2).sum(axis=-1).mean()))
    assert len(errors[1]) >= 3
    assert np.mean(errors[1]) < np.mean(errors[0]) < np.mean(errors[-1])


CAMERA = """<camera active="{active}" serial="{serial}" viewrotation="{viewrotation}">
<fov_video left="{left}" top="0" right="1087" bottom="1919"/>
<transform x="1000" y="0" z="500" r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="{r33}"/>
<intrinsic focalLengthU="{focal}" focalLengthV="64000" centerPointU="32000" centerPointV="64000" skew="{skew}" radialDistortion1="0.1"/>
</camera>"""
DEFAULTS = {"active": "1", "serial": "a", "viewrotation": "0", "left": "0", "r33": "1", "focal": "64000", "skew": "0"}


def write(folder, *cameras, root="calibration"):
    path = folder / "test.qca.txt"
    text = "".join(CAMERA.format(**{**DEFAULTS, **camera}) for camera in cameras)
    path.write_text(f"<?xml version='1.0'?><{root}><cameras>{text}</cameras></{root}>")
    return path


def test_cameras_can_be_renamed_in_order_and_inactive_ones_are_left_out(tmp_path):
    path = write(tmp_path, {"serial": "1"}, {"serial": "2", "active": "0"}, {"serial": "3"})
    assert read_qualisys(path).names == ("1", "3")
    assert read_rig(path).names == ("1", "3")
    assert read_qualisys(path, ["left", "right"]).names == ("left", "right")
    with pytest.raises(UsageError, match=r"2 active cameras \(1, 3\) but 1 names"):
        read_qualisys(path, ["left"])


def test_the_video_window_is_taken_off_the_centre(tmp_path):
    model = read_qualisys(write(tmp_path, {"left": "100"})).camera("a").model
    assert model.image_size == (988, 1920)
    assert model.center == (400.0, 1000.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"viewrotation": "90"}, "viewrotation"),
        ({"skew": "0.1"}, "skew"),
        ({"r33": "-1"}, "not right-handed"),
        ({"focal": "long"}, "attribute focalLengthU is 'long'"),
        ({"focal": "nan"}, "attribute focalLengthU is 'nan'"),
        ({"focal": "-64000"}, "focal length"),
    ],
)
def test_what_cannot_be_represented_is_refused(tmp_path, change, said):
    with pytest.raises(UsageError, match=f"camera 'a'.*{said}"):
        read_qualisys(write(tmp_path, change))


def test_two_cameras_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two cameras named 'a'"):
        read_qualisys(write(tmp_path, {}, {}))


def test_a_camera_without_intrinsics_is_refused(tmp_path):
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("<intrinsic", "<other"))
    with pytest.raises(UsageError, match=r"<intrinsic> is missing"):
        read_qualisys(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no active cameras"):
        read_qualisys(write(tmp_path))
    with pytest.raises(UsageError, match="its root is <other>"):
        read_qualisys(write(tmp_path, {}, root="other"))
    (tmp_path / "text.txt").write_text("name = 1")
    with pytest.raises(UsageError, match="not XML"):
        read_qualisys(tmp_path / "text.txt")
    with pytest.raises(UsageError, match="does not exist"):
        read_qualisys(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="is a folder"):
        read_qualisys(tmp_path)
