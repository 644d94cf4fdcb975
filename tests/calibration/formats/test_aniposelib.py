"""aniposelib's TOML."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration import FisheyeCamera, MountedCamera, OmniCamera, PinholeCamera, Rig, read_aniposelib, write_aniposelib
from bodydouble.calibration.transform import apply, pose_from_rotvec
from bodydouble.errors import UsageError

FILE = """
[cam_0]
name = "left"
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [-0.1, 0.01, 0.001, 0.002, 0.0]
rotation = [0.0, 0.0, 1.5707963267948966]
translation = [100.0, 0.0, 2000.0]
fisheye = false

[metadata]
adjusted = false
error = 0.3
"""


WRITTEN_BY_ANIPOSELIB = """[cam_0]
name = "left"
size = [ 1280, 720,]
matrix = [ [ 900.5, 0.0, 640.25,], [ 0.0, 910.0, 360.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ -0.1, 0.01, 0.001, 0.002, 0.03,]
rotation = [ 0.1, -0.2, 0.3,]
translation = [ 100.0, 0.0, 2000.0,]

[cam_1]
name = "right"
size = [ 1600, 1200,]
matrix = [ [ 500.0, 0.0, 800.0,], [ 0.0, 501.0, 600.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ 0.01, -0.002, 0.0001, 1e-5,]
rotation = [ 0.0, 1.5, 0.0,]
translation = [ -400.0, 20.0, 1500.0,]
fisheye = true

[metadata]
adjusted = true
error = 0.42
"""
"""``CameraGroup.dump`` of aniposelib 0.8.0."""
POINTS_MM = [[10.0, 20.0, 30.0], [300.0, -200.0, 500.0]]
PROJECTED_BY_ANIPOSELIB = {
    "left": [[683.61529404, 368.07050548], [764.64869144, 299.58141646]],
    "right": [[678.62467065, 613.17040491], [848.05418395, 527.75568999]],
}


def write(folder, text):
    path = folder / "calibration.toml"
    path.write_text(text)
    return path


def test_rotation_and_translation_take_the_world_to_the_camera(tmp_path):
    camera = read_aniposelib(write(tmp_path, FILE), "mm").camera("left")
    assert np.allclose(camera.T_camera_body[:3, 3], [0.1, 0, 2.0])
    assert np.allclose(camera.T_camera_body[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert camera.model.focal == (900.0, 910.0)
    assert camera.model.distortion == (-0.1, 0.01, 0.001, 0.002, 0.0)


@pytest.mark.parametrize(("unit", "metres"), [("m", 2000.0), ("cm", 20.0), ("mm", 2.0)])
def test_the_unit_is_the_callers(tmp_path, unit, metres):
    assert read_aniposelib(write(tmp_path, FILE), unit).camera("left").T_camera_body[2, 3] == pytest.approx(metres)


def test_what_aniposelib_wrote_projects_as_aniposelib_does(tmp_path):
    rig = read_aniposelib(write(tmp_path, WRITTEN_BY_ANIPOSELIB), "mm")
    assert isinstance(rig.camera("right").model, FisheyeCamera)
    for name, expected in PROJECTED_BY_ANIPOSELIB.items():
        camera = rig.camera(name)
        assert np.allclose(camera.model.project(apply(camera.T_camera_body, np.array(POINTS_MM) / 1000)), expected, atol=1e-7)


@pytest.fixture
def helmet_rig(rig):
    """The simulated rig with both cameras on one body, and one with eight terms."""
    cameras = {name: MountedCamera(name, camera.model, "helmet", camera.T_body_camera) for name, camera in rig.cameras.items()}
    eight = PinholeCamera((640, 480), (500.0, 501.0), (320.0, 240.0), (-0.1, 0.02, 1e-3, 2e-3, 0.01, 0.02, 0.003, 1e-4))
    cameras["eight"] = MountedCamera("eight", eight, "helmet", pose_from_rotvec([0.0, 0.1, 3.0], [0.5, 0.0, 0.2]))
    return Rig("r", ("helmet",), cameras)


def test_clock_offsets_are_read_back(helmet_rig, tmp_path):
    cameras = helmet_rig.cameras | {"eight": replace(helmet_rig.camera("eight"), time_offset_s=0.004)}
    write_aniposelib(Rig("r", ("helmet",), cameras), tmp_path / "out.toml", "mm")
    assert {n: c.time_offset_s for n, c in read_aniposelib(tmp_path / "out.toml").cameras.items()} == {
        "wall": 0,
        "front": 0,
        "eight": 0.004,
    }
    text = (tmp_path / "out.toml").read_text().replace("time_offset_s = 0.004", "time_offset_s = nan")
    with pytest.raises(UsageError, match="time_offset_s"):
        read_aniposelib(write(tmp_path, text))


def test_a_rational_pinhole_whose_last_terms_are_0_reads_back_as_the_same_lens(tmp_path):
    eight = PinholeCamera((640, 480), (500.0, 501.0), (320.0, 240.0), (-0.1, 0.02, 1e-3, 2e-3, 0.01, 0.0, 0.0, 0.0))
    write_aniposelib(Rig("r", ("room",), {"a": MountedCamera("a", eight, "room", np.eye(4))}), tmp_path / "out.toml")
    assert read_aniposelib(tmp_path / "out.toml").camera("a").model.distortion == eight.distortion[:5]


@pytest.mark.parametrize("unit", ["m", "cm", "mm"])
def test_a_written_rig_reads_back_without_being_told_its_unit(helmet_rig, tmp_path, unit):
    write_aniposelib(helmet_rig, tmp_path / "out.toml", unit)
    back = read_aniposelib(tmp_path / "out.toml")
    assert back.names == helmet_rig.names
    for name, camera in helmet_rig.cameras.items():
        assert back.camera(name).model == camera.model
        assert back.camera(name).body == "helmet"
        assert np.allclose(back.camera(name).T_body_camera, camera.T_body_camera, atol=1e-12)


def test_aniposelib_reads_what_is_written(helmet_rig, tmp_path):
    cameras = pytest.importorskip("aniposelib.cameras", reason="aniposelib is the judge here, and not installed")
    write_aniposelib(helmet_rig, tmp_path / "out.toml", "mm")
    points = np.array([[0.1, 0.2, 2.0], [0.3, -0.2, 3.0]])
    for theirs in cameras.CameraGroup.load(str(tmp_path / "out.toml")).cameras:
        ours = helmet_rig.camera(theirs.get_name())
        p_camera = apply(ours.T_camera_body, points)
        seen = p_camera[:, 2] > 0.1
        assert np.allclose(theirs.project(1000 * points).reshape(-1, 2)[seen], ours.model.project(p_camera)[seen], atol=1e-6)


def test_a_file_that_does_not_say_its_unit_is_asked_for_it_with_what_each_would_mean(tmp_path):
    with pytest.raises(
        UsageError, match=r"does not say its unit.*furthest apart is 3\.019 m if the unit is mm, 30\.19 m if the unit is cm"
    ):
        read_aniposelib(write(tmp_path, WRITTEN_BY_ANIPOSELIB))
    with pytest.raises(UsageError, match=r"the camera's distance from the origin is 2\.002 m if the unit is mm"):
        read_aniposelib(write(tmp_path, FILE))


def test_a_wrong_unit_is_noticed_by_the_size_of_the_rig(tmp_path):
    with pytest.raises(UsageError, match=r"another unit of length than m: .* would be 3019 m"):
        read_aniposelib(write(tmp_path, WRITTEN_BY_ANIPOSELIB), "m")
    in_metres = WRITTEN_BY_ANIPOSELIB.replace("100.0, 0.0, 2000.0", "0.1, 0.0, 2.0").replace("-400.0, 20.0, 1500.0", "-0.4, 0.02, 1.5")
    with pytest.raises(UsageError, match=r"another unit of length than mm: .* would be 0\.003019 m"):
        read_aniposelib(write(tmp_path, in_metres), "mm")


def test_a_unit_that_contradicts_the_files_own_is_refused(helmet_rig, tmp_path):
    write_aniposelib(helmet_rig, tmp_path / "out.toml", "mm")
    with pytest.raises(UsageError, match="says that its unit of length is mm, but m was asked for"):
        read_aniposelib(tmp_path / "out.toml", "m")
    text = (tmp_path / "out.toml").read_text().replace('unit = "mm"', 'unit = "feet"')
    with pytest.raises(UsageError, match=r"'feet' is not a unit"):
        read_aniposelib(write(tmp_path, text))


def test_cameras_that_all_stand_at_the_origin_need_no_unit(tmp_path):
    text = WRITTEN_BY_ANIPOSELIB.replace("100.0, 0.0, 2000.0", "0.0, 0.0, 0.0").replace("-400.0, 20.0, 1500.0", "0.0, 0.0, 0.0")
    assert not read_aniposelib(write(tmp_path, text)).camera("left").T_body_camera[:3, 3].any()


def test_cameras_on_two_bodies_cannot_be_written(rig, tmp_path):
    with pytest.raises(UsageError, match="mounted on helmet, room"):
        write_aniposelib(rig, tmp_path / "out.toml", "m")
    assert not (tmp_path / "out.toml").exists()


def test_a_model_that_the_format_has_not_is_refused(tmp_path):
    omni = MountedCamera("o", OmniCamera((640, 480), (300.0, 300.0), (320.0, 240.0), (0.8, 0.0, 0.0, 0.0, 0.0)), "room", np.eye(4))
    with pytest.raises(UsageError, match=r"'o' has a OmniCamera, which aniposelib's format cannot hold; it holds pinhole, fisheye"):
        write_aniposelib(Rig("r", ("room",), {"o": omni}), tmp_path / "out.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rotation = [0.0, 0.0, 1.5707963267948966]\n", "", r"\[cam_0\]: key 'rotation' is missing"),
        ("rotation = [0.0, 0.0, 1.5707963267948966]", "rotation = [0.0]", r"\[cam_0\].*rotation"),
        ("[900.0, 0.0, 640.0]", "[900.0, 2.0, 640.0]", "its matrix is not"),
        ("[-0.1, 0.01, 0.001, 0.002, 0.0]", "[-0.1, 0.01]", "2 distortion terms"),
        ("[900.0, 0.0, 640.0]", "[-900.0, 0.0, 640.0]", "focal length"),
        ("fisheye = false", "fisheye = true", "5 distortion terms; a fisheye camera has 4"),
        ("[100.0, 0.0, 2000.0]", "[nan, 0.0, 2000.0]", "not finite"),
        ("[-0.1, 0.01, 0.001, 0.002, 0.0]", "[0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0, 0, 0]", "thin prism"),
    ],
)
def test_what_is_wrong_with_a_camera_is_said(tmp_path, old, new, said):
    assert old in FILE
    with pytest.raises(UsageError, match=said):
        read_aniposelib(write(tmp_path, FILE.replace(old, new)), "m")


def test_a_file_without_cameras_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no cameras"):
        read_aniposelib(write(tmp_path, "[metadata]\nerror = 1.0\n"), "m")


def test_two_cameras_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two cameras named 'left'"):
        read_aniposelib(write(tmp_path, FILE + FILE.split("[metadata]")[0].replace("cam_0", "cam_1")), "m")


def test_an_unknown_unit_lists_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"'inch' is not a unit.*m, cm, mm"):
        read_aniposelib(write(tmp_path, FILE), "inch")
