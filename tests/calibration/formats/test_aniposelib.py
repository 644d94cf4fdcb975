"""aniposelib's TOML."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import Rig, read_aniposelib, write_aniposelib
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


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_a_written_rig_reads_back(rig, tmp_path, unit):
    on_one_body = Rig("r", ("room",), {n: type(c)(n, c.model, "room", c.T_body_camera) for n, c in rig.cameras.items()})
    write_aniposelib(on_one_body, tmp_path / "out.toml", unit)
    back = read_aniposelib(tmp_path / "out.toml", unit)
    for name in rig.names:
        assert back.camera(name).model == rig.camera(name).model
        assert np.allclose(back.camera(name).T_body_camera, rig.camera(name).T_body_camera, atol=1e-12)


def test_cameras_on_two_bodies_cannot_be_written(rig, tmp_path):
    with pytest.raises(UsageError, match="mounted on helmet, room"):
        write_aniposelib(rig, tmp_path / "out.toml", "m")
    assert not (tmp_path / "out.toml").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rotation = [0.0, 0.0, 1.5707963267948966]\n", "", r"\[cam_0\]: key 'rotation' is missing"),
        ("rotation = [0.0, 0.0, 1.5707963267948966]", "rotation = [0.0]", r"\[cam_0\].*rotation"),
        ("[900.0, 0.0, 640.0]", "[900.0, 2.0, 640.0]", "its matrix is not"),
        ("[-0.1, 0.01, 0.001, 0.002, 0.0]", "[-0.1, 0.01]", "2 distortion terms"),
        ("[900.0, 0.0, 640.0]", "[-900.0, 0.0, 640.0]", "focal length"),
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
