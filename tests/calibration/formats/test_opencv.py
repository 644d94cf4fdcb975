"""OpenCV's YAML, and ROS'."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bodydouble.calibration import (
    DoubleSphereCamera,
    FisheyeCamera,
    MountedCamera,
    OmniCamera,
    PinholeCamera,
    Rig,
    read_opencv,
    write_opencv,
)
from bodydouble.calibration.transform import apply, pose_from_rotvec
from bodydouble.errors import UsageError

K = np.array([[900.0, 0.0, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]])
TERMS = np.array([[-0.1, 0.01, 1e-5, 0.002, -1.0]]).T


def store(path, **values):
    """Write a file with OpenCV itself."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in values.items():
        storage.write(key, value)
    storage.release()
    return path


def sample(path, **values):
    """Write what OpenCV's calibration sample writes, with changes; None leaves a key out."""
    defaults = {
        "calibration_time": "Mon 1 Jan 2024", "nr_of_frames": 9, "image_width": 1280, "image_height": 720, "board_width": 9, "square_size": 50.0,
        "flags": 0, "fisheye_model": 0, "camera_matrix": K, "distortion_coefficients": TERMS, "avg_reprojection_error": 0.2,
        "per_view_reprojection_errors": np.array([[0.1], [np.nan], [np.inf]]), "extrinsic_parameters": np.arange(54.0).reshape(9, 6),
        "image_points": np.zeros((9, 54, 2)),
    }  # fmt: skip
    return store(path, **{key: value for key, value in {**defaults, **values}.items() if value is not None})


def test_what_opencvs_calibration_sample_writes_is_read(tmp_path):
    rig = read_opencv(sample(tmp_path / "webcam.yml"))
    assert rig.names == ("webcam",)
    assert rig.camera("webcam").model == PinholeCamera((1280, 720), (900.0, 910.0), (640.0, 360.0), (-0.1, 0.01, 1e-5, 0.002, -1.0))


def test_a_camera_without_a_pose_is_on_a_body_of_its_own(tmp_path):
    camera = read_opencv(sample(tmp_path / "webcam.yml")).camera("webcam")
    assert camera.body == "webcam"
    assert np.array_equal(camera.T_body_camera, np.eye(4))


@pytest.mark.parametrize(
    "flag", [{"fisheye_model": 1}, {"fisheye_model": None, "fisheye": 1}, {"fisheye_model": None, "distortion_model": "equidistant"}]
)
def test_four_terms_are_a_fisheyes_where_the_file_says_so(tmp_path, flag):
    model = read_opencv(sample(tmp_path / "a.yml", distortion_coefficients=TERMS[:4], **flag)).camera("a").model
    assert model == FisheyeCamera((1280, 720), (900.0, 910.0), (640.0, 360.0), (-0.1, 0.01, 1e-5, 0.002))


def test_four_terms_are_a_pinholes_where_the_file_says_so_and_are_refused_where_it_says_nothing(tmp_path):
    model = read_opencv(sample(tmp_path / "a.yml", distortion_coefficients=TERMS[:4])).camera("a").model
    assert model == PinholeCamera((1280, 720), (900.0, 910.0), (640.0, 360.0), (-0.1, 0.01, 1e-5, 0.002, 0.0))
    with pytest.raises(UsageError, match="does not say which lens they are for; add fisheye_model: 1 for"):
        read_opencv(sample(tmp_path / "a.yml", distortion_coefficients=TERMS[:4], fisheye_model=None))


def test_eight_terms_and_longer_ones_that_end_in_zeros_are_read(tmp_path):
    eight = np.arange(1, 9)[None] / 100
    for terms in (eight, np.pad(eight, ((0, 0), (0, 4))), np.pad(eight, ((0, 0), (0, 6)))):
        assert read_opencv(sample(tmp_path / "a.yml", distortion_coefficients=terms)).camera("a").model.distortion == tuple(eight[0])


@pytest.mark.parametrize("size", [{"image_size": np.array([[1280, 720]])}, {"resolution": np.array([[1280], [720]], dtype=np.int32)}])
def test_short_names_of_keys_are_read(tmp_path, size):
    path = store(tmp_path / "cam.yaml", K=K, D=TERMS, camera_name="front", **size)
    assert read_opencv(path).camera("front").model == PinholeCamera((1280, 720), (900.0, 910.0), (640.0, 360.0), tuple(TERMS.ravel()))


def test_the_capitals_of_opencv_2_are_read(tmp_path):
    path = store(tmp_path / "cam.yaml", Camera_Matrix=K, Distortion_Coefficients=TERMS, image_Width=1280, image_Height=720)
    assert read_opencv(path).camera("cam").model.image_size == (1280, 720)


@pytest.mark.parametrize("rotation", ["matrix", "vector"])
def test_r_and_t_take_points_of_the_room_to_the_camera_as_opencv_projects(tmp_path, rotation):
    rotvec, t = np.array([[0.1], [-0.2], [0.3]]), np.array([[100.0], [-50.0], [2000.0]])
    R = cv2.Rodrigues(rotvec)[0] if rotation == "matrix" else rotvec
    camera = read_opencv(sample(tmp_path / "a.yml", R=R, T=t), unit="mm").camera("a")
    points = np.array([[10.0, 20.0, 30.0], [300.0, -200.0, 100.0]])
    expected = cv2.projectPoints(points, rotvec, t, K, TERMS)[0].reshape(-1, 2)
    assert camera.body == "room"
    assert np.allclose(camera.model.project(apply(camera.T_camera_body, points / 1000)), expected, atol=1e-8)


def test_translations_need_a_unit_from_the_file_or_from_the_caller(tmp_path):
    path = sample(tmp_path / "a.yml", rvec=np.zeros((3, 1)), tvec=np.array([[0.0], [0.0], [2000.0]]))
    with pytest.raises(UsageError, match=r"does not say its unit.*origin is 2 m if the unit is mm"):
        read_opencv(path)
    path = sample(tmp_path / "b.yml", rvec=np.zeros((3, 1)), tvec=np.array([[0.0], [0.0], [2000.0]]), unit="mm")
    assert read_opencv(path).camera("b").T_camera_body[2, 3] == pytest.approx(2.0)
    with pytest.raises(UsageError, match="says that its unit of length is mm, but m was asked for"):
        read_opencv(path, unit="m")


def test_several_files_make_one_rig(tmp_path):
    paths = [sample(tmp_path / f"{name}.yml") for name in ("left", "right")]
    rig = read_opencv(*paths)
    assert rig.names == rig.bodies == ("left", "right")
    with pytest.raises(UsageError, match="two cameras named 'left'"):
        read_opencv(paths[0], paths[0])


ROS = """image_width: 2448
image_height: 2050
camera_name: prosilica
camera_matrix:
  rows: 3
  cols: 3
  data: [4827.94, 0, 1223.5, 0, 4835.62, 1024.5, 0, 0, 1]
distortion_model: {model}
distortion_coefficients:
  rows: 1
  cols: {count}
  data: {terms}
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [4827.94, 0, 1223.5, 0, 0, 4835.62, 1024.5, 0, 0, 0, 1, 0]
"""
"""The example of ROS' ``camera_calibration_parsers`` documentation, "File formats"."""


def test_ros_camera_info_is_read(tmp_path):
    path = tmp_path / "prosilica.yaml"
    path.write_text(ROS.format(model="plumb_bob", count=5, terms="[-0.41527, 0.31874, -0.00197, 0.00071, 0]"))
    model = read_opencv(path).camera("prosilica").model
    assert model == PinholeCamera((2448, 2050), (4827.94, 4835.62), (1223.5, 1024.5), (-0.41527, 0.31874, -0.00197, 0.00071, 0.0))
    path.write_text(ROS.format(model="equidistant", count=4, terms="[0.1, 0.2, 0.3, 1e-4]"))
    assert isinstance(read_opencv(path).camera("prosilica").model, FisheyeCamera)
    path.write_text(ROS.format(model="thin_prism", count=4, terms="[0.1, 0.2, 0.3, 0.4]"))
    with pytest.raises(UsageError, match="its distortion_model is 'thin_prism'; expected plumb_bob"):
        read_opencv(path)


@pytest.fixture
def full(rig):
    """The simulated rig with a camera of each model that OpenCV has, one of an unknown place, and awkward names."""
    cameras = dict(rig.cameras)
    eight = PinholeCamera((640, 480), (500.0, 501.0), (320.0, 240.0), (-0.1, 0.02, 1e-3, 2e-3, 0.01, 0.02, 0.003, 1e-4))
    omni = OmniCamera((752, 480), (833.0, 830.3), (373.9, 253.7), (0.8, -0.3, 0.1, 5e-4, 6e-4))
    cameras["0012"] = MountedCamera("0012", eight, "helmet", pose_from_rotvec([0.0, 0.1, 3.0], [0.5, 0.0, 0.2]))
    cameras['höher: "x" #1'] = MountedCamera('höher: "x" #1', omni, "yes", np.eye(4))
    cameras["lone"] = MountedCamera("lone", omni, "lone", np.eye(4))
    return Rig("full rig", ("room", "helmet", "yes", "lone"), cameras)


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_a_written_rig_reads_back(full, tmp_path, unit):
    write_opencv(full, tmp_path / "rig.yaml", unit)
    back = read_opencv(tmp_path / "rig.yaml")
    assert (back.name, back.names, back.bodies) == (full.name, full.names, full.bodies)
    for name, camera in full.cameras.items():
        assert back.camera(name).model == camera.model
        assert back.camera(name).body == camera.body
        assert np.allclose(back.camera(name).T_body_camera, camera.T_body_camera, atol=1e-12)


def test_clock_offsets_are_read_back(full, tmp_path):
    cameras = full.cameras | {name: replace(full.camera(name), time_offset_s=0.25) for name in ("front", "lone")}
    write_opencv(Rig("r", full.bodies, cameras), tmp_path / "rig.yaml")
    back = read_opencv(tmp_path / "rig.yaml")
    assert {name for name, camera in back.cameras.items() if camera.time_offset_s == 0.25} == {"front", "lone"}
    assert sum(camera.time_offset_s for camera in back.cameras.values()) == 0.5


def test_one_camera_is_written_where_opencv_programs_look(rig, tmp_path):
    write_opencv(rig.select(["wall"]), tmp_path / "wall.yaml", "mm")
    storage = cv2.FileStorage(str(tmp_path / "wall.yaml"), cv2.FILE_STORAGE_READ)
    wall = rig.camera("wall")
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, 0.2]]) + wall.T_body_camera[:3, 3] + wall.T_body_camera[:3, 2] * 3
    expected = wall.model.project(apply(wall.T_camera_body, points))
    rotvec = cv2.Rodrigues(storage.getNode("R").mat())[0]
    got = cv2.projectPoints(
        1000 * points,
        rotvec,
        storage.getNode("T").mat(),
        storage.getNode("camera_matrix").mat(),
        storage.getNode("distortion_coefficients").mat(),
    )[0]
    assert np.allclose(got.reshape(-1, 2), expected, atol=1e-6)
    assert storage.getNode("image_width").real() == 1088
    assert storage.getNode("camera_name").string() == "wall"
    back = read_opencv(tmp_path / "wall.yaml")
    assert np.allclose(back.camera("wall").T_body_camera, wall.T_body_camera, atol=1e-12)


def test_several_are_written_so_that_opencv_reads_them_too(full, tmp_path):
    write_opencv(full, tmp_path / "rig.yaml")
    storage = cv2.FileStorage(str(tmp_path / "rig.yaml"), cv2.FILE_STORAGE_READ)
    node = storage.getNode("cameras")
    assert [node.at(k).getNode("camera_name").string() for k in range(node.size())] == list(full.names)
    assert node.at(1).getNode("fisheye_model").real() == 1
    assert node.at(3).getNode("xi").real() == 0.8


def test_a_model_that_opencv_has_not_is_refused_and_nothing_written(tmp_path):
    sphere = MountedCamera("s", DoubleSphereCamera((640, 480), (300.0, 300.0), (320.0, 240.0), (-0.2, 0.6)), "room", np.eye(4))
    with pytest.raises(UsageError, match=r"'s' has a DoubleSphereCamera, which OpenCV's YAML cannot hold; it holds pinhole, fisheye, omni"):
        write_opencv(Rig("r", ("room",), {"s": sphere}), tmp_path / "out.yaml")
    assert not (tmp_path / "out.yaml").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"camera_matrix": None}, r"it has no camera_matrix \(or K\), and no cameras"),
        ({"distortion_coefficients": None}, r"'a': it has no distortion_coefficients"),
        ({"image_width": None}, "'a': it does not say the size of its images; add image_width and image_height"),
        ({"image_width": 1280.5}, "expected whole pixels"),
        ({"image_width": 0}, "image size"),
        ({"camera_matrix": K[:2]}, "its matrix is not"),
        ({"camera_matrix": K + np.eye(3, k=1)}, "its matrix is not"),
        ({"camera_matrix": -K}, "its matrix is not"),
        ({"camera_matrix": K * [[-1], [1], [1]]}, "focal length"),
        ({"camera_matrix": "wide"}, "camera_matrix is not a matrix of numbers"),
        ({"distortion_coefficients": TERMS[:3]}, "3 distortion terms"),
        ({"distortion_coefficients": TERMS * np.nan}, "finite numbers"),
        ({"distortion_coefficients": np.ones((1, 12))}, "thin prism"),
        ({"xi": 1.2}, "xi and 5 distortion terms"),
        ({"R": np.eye(3)}, "it has R only"),
        ({"T": np.ones((3, 1))}, "it has T only"),
        ({"R": np.eye(3), "T": np.ones((4, 1))}, "R and T are not"),
        ({"R": np.diag([1.0, 1.0, -1.0]), "T": np.ones((3, 1))}, r"R is left-handed \(determinant -1"),
        ({"R": 2 * np.eye(3), "T": np.ones((3, 1))}, "R has axes that are not perpendicular"),
        ({"R": np.eye(3), "T": np.full((3, 1), np.nan)}, "not a pose of finite numbers"),
        ({"rvec": np.full((3, 1), np.inf), "T": np.ones((3, 1))}, "not finite numbers"),
        ({"R": np.eye(3), "T": np.ones((3, 1)), "unit": "inch"}, "'inch' is not a unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path, values, said):
    with pytest.raises(UsageError, match=said):
        read_opencv(sample(tmp_path / "a.yml", **values), unit=None if "unit" in values else "m")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("%YAML:1.0\n---\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   data: [ 1., 2.", r"it is not valid YAML.*line \d"),
        ("camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   data: [ 1., 2. ]\n", r"a matrix of 3 x 3 has 2 numbers \(line 1\)"),
        ("camera_matrix: !!opencv-matrix\n   rows: 3\n   data: [ 1., 2. ]\n", "a matrix lacks rows, cols or data"),
        ("camera_matrix: 1\ncamera_matrix: 2\n", r"it names 'camera_matrix' twice \(line 2\)"),
        ("cameras:\n - 5\n", r"cameras\[0\] is not a camera"),
        ("cameras:\n - {camera_matrix: [1]}\n", r"camera 'cameras\[0\]': it has no camera_name"),
        ("words", "not a mapping"),
    ],
)
def test_broken_yaml_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_opencv(tmp_path / "a.yaml")
