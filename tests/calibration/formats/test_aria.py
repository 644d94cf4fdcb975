"""Project Aria's calibrations, against projections that projectaria_tools made of the same points."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bodydouble.calibration import Fisheye624Camera, contains, read_aria
from bodydouble.calibration.transform import apply
from bodydouble.errors import UsageError

WRITTEN_BY_PROJECTARIA_TOOLS = {
    "AlgorithmName": "RealCalib",
    "CameraCalibrations": [
        {
            "Calibrated": True,
            "ConfigData": {"ImageHeight": 512, "ImageWidth": 512, "MaxSolidAngle": 1.4, "ValidRadius": 300.0},
            "Label": "slam-front-right",
            "Projection": {
                "Description": "fx, cx, cy, k_0, k_1, k_2, k_3, k_4, k_5, p_0, p_1, s_0, s_1, s_2, s_3",
                "Name": "FisheyeRadTanThinPrism",
                "Params": [
                    246.24554460832937, 256.0333441694981, 254.21989109547042, 0.02910294084498366, -0.02116473316181631, 0.02475921449537347,
                    -0.037887686211097255, 0.010680039561576638, -0.00012029158099477398, -0.0007024538652587829, -0.002460460547505789,
                    0.00144750400462374, -0.00012615532361799265, 0.0021257033328199652, -0.00023829712928751464,
                ],
            },
            "SerialNumber": "SERIAL",
            "T_Device_Camera": {
                "Translation": [0.13245766928828537, 0.019710948260926876, -0.04630211806891009],
                "UnitQuaternion": [0.9397702383963659, [-9.377276069487269e-05, 0.3137471726439577, 0.13562670050189052]],
            },
        }
    ],
}  # fmt: skip
"""``device_calibration_to_json_string`` of projectaria_tools 2.3.0, one camera of it, from the calibration of aria_gen2_five_cam_cup."""

LANDMARKS = {
    "thumb tip": (0.30518531799316406, 0.2846410274505615, 0.1711118519306183),
    "wrist": (0.28139692544937134, 0.3588966429233551, 0.07654392719268799),
}
PROJECTED_BY_PROJECTARIA_TOOLS = {
    ("thumb tip", "slam-front-left"): (462.4260703463451, 450.1297360510104),
    ("thumb tip", "slam-front-right"): (306.12585277597316, 414.3904560112685),
    ("thumb tip", "slam-side-right"): (148.7971973410195, 469.56068572902996),
    ("wrist", "slam-front-right"): (351.9117552785798, 477.5819920164939),
    ("wrist", "slam-side-right"): (238.6709912883015, 485.9870530407378),
}
"""Version 2.3.0, from the calibration of aria_gen2_five_cam_cup."""


@pytest.fixture(scope="module")
def cup(shared_data):
    return shared_data / "egocentric" / "aria_gen2_five_cam_cup"


def write(folder, values):
    path = folder / "calibration.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def changed(**values):
    """Return the tools' file with other values in its camera."""
    camera = {**WRITTEN_BY_PROJECTARIA_TOOLS["CameraCalibrations"][0], **values}
    return {"CameraCalibrations": [camera]}


def test_five_head_cameras_are_read_in_the_devices_frame(cup):
    rig = read_aria(cup / "calibration.json")
    assert rig.names == ("camera-rgb", "slam-front-left", "slam-front-right", "slam-side-left", "slam-side-right")
    assert rig.bodies == ("device",)
    assert rig.camera("camera-rgb").model.image_size == (2560, 1920)
    assert np.allclose(rig.camera("slam-front-left").T_body_camera, np.eye(4))
    assert np.linalg.norm(rig.camera("slam-front-right").T_body_camera[:3, 3]) == pytest.approx(0.1417, abs=1e-3)


def test_hand_landmarks_project_where_projectaria_tools_projects_them(cup):
    rig = read_aria(cup / "calibration.json")
    for (landmark, name), expected in PROJECTED_BY_PROJECTARIA_TOOLS.items():
        camera = rig.camera(name)
        assert np.allclose(camera.model.project(apply(camera.T_camera_body, LANDMARKS[landmark])), expected, atol=1e-6)


def test_all_hand_landmarks_are_in_the_images_of_the_cameras_that_see_the_hand(cup):
    rig = read_aria(cup / "calibration.json")
    for frame in json.loads((cup / "hand_tracking_on_device.json").read_text())["frames"]:
        points = frame["right_hand"]["landmark_positions_device_m"]
        for name in ("slam-front-right", "slam-side-right"):
            camera = rig.camera(name)
            assert contains(camera.model, camera.model.project(apply(camera.T_camera_body, points))).all()


def test_the_three_cameras_of_the_first_glasses_are_read(shared_data):
    rig = read_aria(shared_data / "egocentric" / "aria_gen1_kitchen_mug" / "calibration.json")
    assert rig.names == ("camera-rgb", "camera-slam-left", "camera-slam-right")
    assert rig.camera("camera-slam-left").model.image_size == (640, 480)


def test_what_projectaria_tools_wrote_projects_as_projectaria_tools_does(tmp_path):
    camera = read_aria(write(tmp_path, WRITTEN_BY_PROJECTARIA_TOOLS)).camera("slam-front-right")
    assert isinstance(camera.model, Fisheye624Camera)
    for (landmark, name), expected in PROJECTED_BY_PROJECTARIA_TOOLS.items():
        if name == camera.name:
            assert np.allclose(camera.model.project(apply(camera.T_camera_body, LANDMARKS[landmark])), expected, atol=1e-6)


LENS = WRITTEN_BY_PROJECTARIA_TOOLS["CameraCalibrations"][0]["Projection"]
POSE = {"Translation": [0, 0, 0], "UnitQuaternion": [1, [0, 0, 0]]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Projection": {**LENS, "Name": "KannalaBrandtK3"}}, "its model is KannalaBrandtK3, but only FISHEYE624"),
        ({"Projection": {**LENS, "Params": [1.0, 2.0]}}, "2 projection parameters; expected 15"),
        ({"Projection": {**LENS, "Params": [-1.0] * 15}}, "focal length"),
        ({"T_Device_Camera": {**POSE, "UnitQuaternion": [2, [0, 0, 0]]}}, "UnitQuaternion is not of length 1"),
        ({"T_Device_Camera": {**POSE, "Translation": [0, 0, float("nan")]}}, "not a pose of finite numbers"),
        ({"ConfigData": {}}, r"CameraCalibrations\[0\]: key 'ConfigData.ImageWidth' is missing"),
    ],
)
def test_what_is_wrong_with_a_camera_is_said(tmp_path, values, said):
    with pytest.raises(UsageError, match=said):
        read_aria(write(tmp_path, changed(**{"T_Device_Camera": POSE, **values})))


def test_a_left_handed_pose_of_a_camera_is_refused(tmp_path):
    pose = np.diag([1.0, 1.0, -1.0, 1.0]).tolist()
    camera = {"width": 5, "height": 5, "model": "FISHEYE624", "projection_params": LENS["Params"], "T_device_camera": pose}
    with pytest.raises(UsageError, match=r"camera 'a': T_device_camera is left-handed"):
        read_aria(write(tmp_path, {"cameras": {"a": camera}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a calibration of Aria glasses"),
        ('{"cameras": {"a": {}, "a": {}}}', "it names 'a' twice"),
        ("{}", "holds no cameras of Aria glasses"),
        ("[]", "holds no cameras of Aria glasses"),
        ('{"cameras": {"a": 5}}', "camera 'a'"),
    ],
)
def test_other_json_is_refused(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        read_aria(write(tmp_path, text))
