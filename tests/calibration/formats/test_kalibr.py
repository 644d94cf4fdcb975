"""Kalibr's camera chains."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import (
    DoubleSphereCamera,
    FisheyeCamera,
    MountedCamera,
    OmniCamera,
    PinholeCamera,
    Rig,
    read_kalibr,
    write_kalibr,
)
from bodydouble.calibration.transform import apply, invert, pose_from_rotvec
from bodydouble.errors import UsageError

DOCUMENTED = """cam0:
  camera_model: pinhole
  intrinsics: [461.629, 460.152, 362.680, 246.049]
  distortion_model: radtan
  distortion_coeffs: [-0.27695497, 0.06712482, 0.00087538, 0.00011556]
  T_cam_imu:
  - [0.01779318, 0.99967549,-0.01822936, 0.07008565]
  - [-0.9998017, 0.01795239, 0.00860714,-0.01771023]
  - [0.00893160, 0.01807260, 0.99979678, 0.00399246]
  - [0.0, 0.0, 0.0, 1.0]
  timeshift_cam_imu: -8.121e-05
  rostopic: /cam0/image_raw
  resolution: [752, 480]
cam1:
  camera_model: omni
  intrinsics: [0.80065662, 833.006, 830.345, 373.850, 253.749]
  distortion_model: radtan
  distortion_coeffs: [-0.33518750, 0.13211436, 0.00055967, 0.00057686]
  T_cn_cnm1:
  - [ 0.99998854, 0.00216014, 0.00427195,-0.11003785]
  - [-0.00221074, 0.99992702, 0.01187697, 0.00045792]
  - [-0.00424598,-0.01188627, 0.99992034,-0.00064487]
  - [0.0, 0.0, 0.0, 1.0]
  T_cam_imu:
  - [ 0.01567142, 0.99978002,-0.01393948,-0.03997419]
  - [-0.99966203, 0.01595569, 0.02052137,-0.01735854]
  - [ 0.02073927, 0.01361317, 0.99969223, 0.00326019]
  - [0.0, 0.0, 0.0, 1.0]
  timeshift_cam_imu: -8.681e-05
  rostopic: /cam1/image_raw
  resolution: [752, 480]
"""
"""The example of Kalibr's own documentation (wiki page "Yaml formats")."""

STEREO = """cam0:
  cam_overlaps: [1]
  camera_model: ds
  distortion_coeffs: []
  distortion_model: none
  intrinsics: [-0.2, 0.59, 317.5, 316.2, 724.9, 546.6]
  resolution: [1440, 1080]
  rostopic: /left
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.2]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [0.01, -0.02, 0.003, -0.004]
  distortion_model: equidistant
  intrinsics: [300.0, 301.0, 720.0, 540.0]
  resolution: [1440, 1080]
  rostopic: /right
"""
IDENTITY = "  {}:\n  - [1.0, 0.0, 0.0, {}]\n  - [0.0, 1.0, 0.0, 0.0]\n  - [0.0, 0.0, 1.0, 0.0]\n  - [0.0, 0.0, 0.0, 1.0]\n"


def write(folder, text):
    path = folder / "camchain.yaml"
    path.write_text(text)
    return path


def test_the_documented_example_reads_with_the_imu_as_its_body(tmp_path):
    rig = read_kalibr(write(tmp_path, DOCUMENTED))
    assert rig.bodies == ("imu",)
    pinhole, omni = rig.camera("cam0").model, rig.camera("cam1").model
    assert pinhole == PinholeCamera(
        (752, 480), (461.629, 460.152), (362.68, 246.049), (-0.27695497, 0.06712482, 0.00087538, 0.00011556, 0.0)
    )
    assert omni == OmniCamera(
        (752, 480), (833.006, 830.345), (373.85, 253.749), (0.80065662, -0.3351875, 0.13211436, 0.00055967, 0.00057686)
    )
    assert np.allclose(rig.camera("cam0").T_camera_body[:3, 3], [0.07008565, -0.01771023, 0.00399246])
    assert np.linalg.norm(rig.camera("cam0").T_body_camera[:3, 3] - rig.camera("cam1").T_body_camera[:3, 3]) == pytest.approx(
        0.11, abs=1e-3
    )


def test_the_time_shift_is_the_clock_offset_of_the_camera(tmp_path):
    rig = read_kalibr(write(tmp_path, DOCUMENTED))
    assert [camera.time_offset_s for camera in rig.cameras.values()] == [-8.121e-05, -8.681e-05]
    with pytest.raises(UsageError, match="cam0: 'timeshift_cam_imu'"):
        read_kalibr(write(tmp_path, DOCUMENTED.replace("-8.121e-05", ".nan")))


def test_clock_offsets_are_written_and_read_back_even_where_the_first_camera_is_the_body(tmp_path):
    model = PinholeCamera((640, 480), (500.0, 501.0), (320.0, 240.0), (0.0, 0.0, 0.0, 0.0, 0.0))
    cameras = {n: MountedCamera(n, model, "head", np.eye(4), time_offset_s=s) for n, s in {"a": 0.0, "b": 0.004}.items()}
    write_kalibr(Rig("r", ("head",), cameras), tmp_path / "camchain.yaml")
    back = read_kalibr(tmp_path / "camchain.yaml")
    assert back.bodies == ("head",)
    assert [camera.time_offset_s for camera in back.cameras.values()] == [0.0, 0.004]


def test_without_an_imu_the_first_camera_is_the_body_and_the_chain_leads_to_the_others(tmp_path):
    third = STEREO.split("cam1:")[1].replace("-0.2]", "0.5]")
    rig = read_kalibr(write(tmp_path, STEREO + "cam2:" + third))
    assert rig.bodies == ("cam0",)
    assert np.array_equal(rig.camera("cam0").T_body_camera, np.eye(4))
    assert np.allclose(rig.camera("cam1").T_body_camera[:3, 3], [0.2, 0, 0]), "the right camera is to the right"
    assert np.allclose(rig.camera("cam2").T_body_camera[:3, 3], [-0.3, 0, 0])
    assert rig.camera("cam0").model == DoubleSphereCamera((1440, 1080), (317.5, 316.2), (724.9, 546.6), (-0.2, 0.59))
    assert rig.camera("cam1").model == FisheyeCamera((1440, 1080), (300.0, 301.0), (720.0, 540.0), (0.01, -0.02, 0.003, -0.004))


def test_cameras_are_ordered_by_number_and_not_by_letter(tmp_path):
    second = STEREO.split("cam1:")[1]
    text = "cam10:" + second + STEREO + "".join(f"cam{k}:{second}" for k in range(9, 1, -1))
    rig = read_kalibr(write(tmp_path, text))
    assert rig.names == tuple(f"cam{k}" for k in range(11))
    assert rig.camera("cam10").T_body_camera[0, 3] == pytest.approx(2.0)


def test_a_camera_without_its_own_imu_pose_takes_it_from_the_chain(tmp_path):
    text = DOCUMENTED.split("  T_cam_imu:\n  - [ 0.0156")[0] + "  resolution: [752, 480]\n"
    alone, both = read_kalibr(write(tmp_path, text)), read_kalibr(write(tmp_path, DOCUMENTED))
    assert alone.bodies == ("imu",)
    assert np.allclose(alone.camera("cam1").T_body_camera, both.camera("cam1").T_body_camera, atol=1e-4)


def test_openvins_header_and_inverse_pose_are_read(tmp_path):
    text = "%YAML:1.0 # need to specify the file type at the top!\n\n" + STEREO.split("cam1:")[0] + IDENTITY.format("T_imu_cam", "0.3")
    rig = read_kalibr(write(tmp_path, text))
    assert rig.bodies == ("imu",)
    assert np.allclose(rig.camera("cam0").T_body_camera[:3, 3], [0.3, 0, 0])


def test_numbers_with_exponents_that_yaml_takes_for_text_are_numbers(tmp_path):
    model = read_kalibr(write(tmp_path, STEREO.replace("0.01, -0.02, 0.003, -0.004", "1e-2, -2E-2, 3e-3, -.004"))).camera("cam1").model
    assert model.distortion == (0.01, -0.02, 0.003, -0.004)


@pytest.fixture
def chain():
    """A rig of all the models that Kalibr has, on a helmet."""
    models = {
        "front": PinholeCamera((1088, 1920), (1681.2, 1681.1), (533.0, 948.1), (-0.046, 0.14, 6e-4, 7e-4, 0.0)),
        "left side": FisheyeCamera((1600, 1200), (500.1, 500.2), (799.5, 599.5), (0.01, -0.002, 1e-4, 1e-5)),
        "höher": OmniCamera((752, 480), (833.0, 830.3), (373.9, 253.7), (0.8, -0.3, 0.1, 5e-4, 6e-4)),
        "0012": DoubleSphereCamera((1440, 1080), (317.5, 316.1), (724.8, 546.5), (-0.2, 0.59)),
    }
    poses = [pose_from_rotvec([0.4 * i, 0.2, -0.1 * i], [0.1 * i, -0.05, 0.3]) for i in range(4)]
    return Rig("chain", ("helmet",), {n: MountedCamera(n, m, "helmet", T) for (n, m), T in zip(models.items(), poses, strict=True)})


def test_a_written_rig_reads_back(chain, tmp_path):
    write_kalibr(chain, tmp_path / "camchain.yaml")
    back = read_kalibr(tmp_path / "camchain.yaml")
    assert back.names == chain.names
    assert back.bodies == ("helmet",)
    for name, camera in chain.cameras.items():
        assert back.camera(name).model == camera.model
        assert np.allclose(back.camera(name).T_body_camera, camera.T_body_camera, atol=1e-12)


def test_what_is_written_is_what_kalibr_checks_for(chain, tmp_path):
    """The checks of Kalibr's ``ConfigReader``, restated: cam0 to camN and nothing else at the top, floats and counts of numbers."""
    import yaml

    write_kalibr(chain, tmp_path / "camchain.yaml")
    values = yaml.safe_load((tmp_path / "camchain.yaml").read_text())
    assert sorted(values) == [f"cam{k}" for k in range(4)]
    before, T_before = {"pinhole": 0, "omni": 1, "ds": 2}, None
    for k in range(4):
        item = values[f"cam{k}"]
        assert len(item["intrinsics"]) == before[item["camera_model"]] + 4
        assert all(isinstance(number, float) for number in (*item["intrinsics"], *item["distortion_coeffs"], item["timeshift_cam_imu"]))
        assert all(isinstance(number, int) for number in item["resolution"])
        assert isinstance(item["rostopic"], str)
        T_cam_imu = np.array(item["T_cam_imu"])
        if T_before is not None:
            assert np.allclose(np.array(item["T_cn_cnm1"]) @ T_before, T_cam_imu), "T_cn_cnm1 takes the camera before to this one"
        T_before = T_cam_imu


def test_a_rig_whose_first_camera_is_its_body_is_written_without_an_imu(chain, tmp_path):
    first = chain.camera("front").T_camera_body
    cameras = {name: MountedCamera(name, c.model, "helmet", first @ c.T_body_camera) for name, c in chain.cameras.items()}
    cameras["front"] = MountedCamera("front", chain.camera("front").model, "helmet", np.eye(4))
    write_kalibr(Rig("r", ("helmet",), cameras), tmp_path / "camchain.yaml")
    assert "T_cam_imu" not in (tmp_path / "camchain.yaml").read_text()
    back = read_kalibr(tmp_path / "camchain.yaml")
    assert np.allclose(back.camera("0012").T_body_camera, cameras["0012"].T_body_camera, atol=1e-12)
    p = np.array([0.1, 0.2, 1.5])
    assert np.allclose(apply(back.camera("höher").T_camera_body, p), apply(invert(cameras["höher"].T_body_camera), p))


def test_what_a_chain_cannot_hold_is_refused_and_nothing_written(rig, chain, tmp_path):
    with pytest.raises(UsageError, match=r"one frame for all cameras.*helmet, room"):
        write_kalibr(rig, tmp_path / "camchain.yaml")
    with pytest.raises(
        UsageError, match=r"'wall' has a PinholeCamera, which Kalibr's camera chain cannot hold; it holds pinhole with five"
    ):
        write_kalibr(rig.select(["wall"]), tmp_path / "camchain.yaml")
    assert not (tmp_path / "camchain.yaml").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("camera_model: ds", "camera_model: eucm", r"cam0: eucm with none is not among the models that are read here: pinhole with radtan"),
        ("distortion_model: equidistant", "distortion_model: fov", "cam1: pinhole with fov is not among"),
        ("[-0.2, 0.59, 317.5", "[0.59, 317.5", "ds has 6 intrinsics, but 5 are given"),
        ("[0.01, -0.02, 0.003, -0.004]", "[0.01]", "equidistant has 4 distortion_coeffs, but 1 are given"),
        ("[-0.2, 0.59, 317.5", "[-0.2, 1.59, 317.5", "cam0: alpha is 1.59"),
        ("  resolution: [1440, 1080]\n", "", "cam0: key 'resolution' is missing"),
        ("- [0.0, 1.0, 0.0, 0.0]", "- [0.0, -1.0, 0.0, 0.0]", r"cam1: T_cn_cnm1 is left-handed \(determinant -1"),
        ("- [0.0, 1.0, 0.0, 0.0]", "- [0.0, 1.2, 0.0, 0.0]", "axes that are not perpendicular"),
        ("- [0.0, 0.0, 0.0, 1.0]", "- [0.0, 0.0, 0.0, 2.0]", "T_cn_cnm1 is not a pose"),
        ("- [1.0, 0.0, 0.0, -0.2]", "- [1.0, 0.0, 0.0, .nan]", "T_cn_cnm1 is not a pose of finite numbers"),
        ("- [1.0, 0.0, 0.0, -0.2]", "- [1.0, 0.0, 0.0, -200.0]", "are 200 m apart; expected at most 50 m.*millimetres"),
        ("T_cn_cnm1", "T_other", "cam1: it has no T_cn_cnm1 to a cam0 before it"),
        ("cam1:", "cam2:", "cam2: it has no T_cn_cnm1 to a cam1 before it"),
        ("cam1:", "cam0:", "it names 'cam0' twice"),
        ("cam1:", "cam00:", "numbers two cameras 0"),
        ("  rostopic: /right", "  camera_name: cam0", "holds two cameras named 'cam0'"),
        ("[300.0, 301.0,", "[-300.0, 301.0,", "cam1: focal length"),
        ("[300.0, 301.0,", "[wide, 301.0,", "cam1: 'intrinsics.0'"),
        ("rostopic: /right\n", "rostopic: /right\n" + IDENTITY.format("T_cam_imu", "0.1"), "cam0: it has no T_cam_imu.*while others have"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_chain_is_said(tmp_path, old, new, said):
    assert old in STEREO
    with pytest.raises(UsageError, match=said):
        read_kalibr(write(tmp_path, STEREO.replace(old, new, 1)))


def test_poses_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"cam1: T_cam_imu and T_cn_cnm1 contradict each other by \d+\.\d mm.*remove the one that is wrong"
    ):
        read_kalibr(write(tmp_path, DOCUMENTED.replace("-0.11003785", "-0.21003785")))


@pytest.mark.parametrize("text", ["imu0:\n  rate: 200\n", "- 1\n- 2\n", "cam0: 5\n", "just words"])
def test_yaml_that_is_no_chain_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match=r"is not a camera"):
        read_kalibr(write(tmp_path, text))


def test_a_chain_that_was_cut_off_is_refused(tmp_path):
    for length in range(0, len(STEREO) - 1, 7):
        path = write(tmp_path, STEREO[:length])
        try:
            rig = read_kalibr(path)
        except UsageError:
            continue
        assert len(rig.cameras) == 1 or length > STEREO.index("resolution: [1440, 1080]\n  rostopic: /right"), length
