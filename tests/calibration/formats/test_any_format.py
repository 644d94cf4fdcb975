"""Any calibration file: recognised by what it holds, refused in one sentence, written as another."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest

from bodydouble.calibration import (
    RIG_FILES,
    RIG_FORMATS,
    FisheyeCamera,
    MountedCamera,
    PinholeCamera,
    Rig,
    convert_rig,
    read_qualisys,
    read_rig,
    write_rig,
)
from bodydouble.calibration.formats.any_format import rig_format_of
from bodydouble.calibration.transform import pose_from_rotvec
from bodydouble.errors import FileExistsUsageError, UsageError

WRITTEN = ("rig", "aniposelib", "opencv", "kalibr")


@pytest.fixture
def helmet():
    """A rig of two cameras that every format can hold."""
    pinhole = PinholeCamera((640, 480), (500.0, 501.0), (320.0, 240.0), (-0.1, 0.02, 1e-3, 2e-3, 0.0))
    fisheye = FisheyeCamera((1600, 1200), (500.1, 500.2), (799.5, 599.5), (0.01, -0.002, 1e-4, 1e-5))
    cameras = {
        "left": MountedCamera("left", pinhole, "helmet", pose_from_rotvec([0.1, 0.2, 0.3], [0.1, 0.1, 0.0])),
        "right": MountedCamera("right", fisheye, "helmet", pose_from_rotvec([-2.1, 0.2, 0.3], [0.1, -0.1, 0.05])),
    }
    return Rig("helmet rig", ("helmet",), cameras)


EXTENSIONS = [(fmt, extension) for fmt in WRITTEN for extension in (".toml" if fmt in ("rig", "aniposelib") else ".yaml", ".txt", "")]
"""A name that says TOML or YAML is believed."""


@pytest.mark.parametrize(("fmt", "extension"), EXTENSIONS)
def test_what_is_written_is_recognised_and_read_back_whatever_its_name(helmet, tmp_path, fmt, extension):
    path = tmp_path / f"cameras{extension}"
    write_rig(helmet, path, fmt)
    assert rig_format_of(path) == fmt
    back = read_rig(path)
    assert back.names == helmet.names
    assert back.bodies == helmet.bodies
    for name, camera in helmet.cameras.items():
        assert back.camera(name).model == camera.model
        assert np.allclose(back.camera(name).T_body_camera, camera.T_body_camera, atol=1e-12)


def test_the_real_files_of_other_programs_are_recognised(shared_data, pose2sim_sample):
    files = {
        "caliscope": shared_data / "multicam_calib" / "caliscope_hands_board" / "camera_array.toml",
        "opencv": shared_data / "fisheye" / "surround_view_4cam" / "front.yaml",
        "aria": shared_data / "egocentric" / "aria_gen1_kitchen_mug" / "calibration.json",
        "qualisys": pose2sim_sample / "calibration" / "Calib.qca.txt",
    }
    for fmt, path in files.items():
        assert rig_format_of(path) == fmt
        assert len(read_rig(path).cameras) >= 1


def test_a_renamed_file_is_what_it_holds(tmp_path, pose2sim_sample):
    shutil.copy(pose2sim_sample / "calibration" / "Calib.qca.txt", tmp_path / "rig")
    assert read_rig(tmp_path / "rig").names == read_qualisys(tmp_path / "rig").names


def test_a_byte_order_mark_does_no_harm(helmet, tmp_path):
    write_rig(helmet, tmp_path / "a.yaml", "kalibr")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.yaml").read_bytes())
    assert read_rig(tmp_path / "a.yaml").names == ("left", "right")


@pytest.mark.parametrize("source", WRITTEN)
@pytest.mark.parametrize("target", WRITTEN)
def test_any_is_converted_to_any(helmet, tmp_path, source, target):
    write_rig(helmet, tmp_path / "source", source)
    rig = convert_rig(tmp_path / "source", tmp_path / "target", target)
    assert np.allclose(read_rig(tmp_path / "target").camera("right").T_body_camera, helmet.camera("right").T_body_camera, atol=1e-12)
    assert rig.names == helmet.names


def test_the_units_of_source_and_target_are_told_apart(helmet, tmp_path):
    write_rig(helmet, tmp_path / "a.toml", "aniposelib", "mm")
    (tmp_path / "a.toml").write_text((tmp_path / "a.toml").read_text().replace('unit = "mm"\n', ""))
    with pytest.raises(UsageError, match="does not say its unit of length"):
        read_rig(tmp_path / "a.toml")
    convert_rig(tmp_path / "a.toml", tmp_path / "b.yaml", "opencv", unit="mm", target_unit="cm")
    assert 'unit: "cm"' in (tmp_path / "b.yaml").read_text()
    assert np.allclose(read_rig(tmp_path / "b.yaml").camera("left").T_body_camera, helmet.camera("left").T_body_camera, atol=1e-12)


def test_a_target_that_is_there_is_left_unless_forced(helmet, tmp_path):
    write_rig(helmet, tmp_path / "a.toml", "rig")
    (tmp_path / "b.yaml").write_text("mine")
    with pytest.raises(FileExistsUsageError):
        convert_rig(tmp_path / "a.toml", tmp_path / "b.yaml", "kalibr")
    assert (tmp_path / "b.yaml").read_text() == "mine"
    convert_rig(tmp_path / "a.toml", tmp_path / "b.yaml", "kalibr", force=True)
    assert rig_format_of(tmp_path / "b.yaml") == "kalibr"


def test_a_unit_that_a_format_has_not_is_refused(helmet, tmp_path):
    write_rig(helmet, tmp_path / "a.yaml", "kalibr")
    assert read_rig(tmp_path / "a.yaml", "m").names == helmet.names
    with pytest.raises(UsageError, match=r"Kalibr's camchain.yaml, whose unit of length is always m, not mm; leave the unit out"):
        read_rig(tmp_path / "a.yaml", "mm")
    with pytest.raises(UsageError, match=r"Kalibr's camchain.yaml is always in m; it cannot be written in mm"):
        write_rig(helmet, tmp_path / "b.yaml", "kalibr", "mm")
    with pytest.raises(UsageError, match="'foot' is not a unit"):
        read_rig(tmp_path / "a.yaml", "foot")


def test_a_format_that_cannot_be_written_lists_those_that_can(helmet, tmp_path):
    with pytest.raises(UsageError, match=r"format 'caliscope' is not in .*valid: rig, aniposelib, opencv, kalibr"):
        write_rig(helmet, tmp_path / "a", "caliscope")
    assert tuple(name for name, item in RIG_FORMATS.items() if item.write) == WRITTEN


@pytest.mark.parametrize(
    "text", ["just words", "name = 1", "a: 1", "- 1\n- 2", "1", "[other]\nx = 1", "<opencv_storage></opencv_storage>", "a: [1"]
)
def test_what_is_none_of_them_lists_them(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(UsageError) as error:
        read_rig(tmp_path / "file")
    assert f"is none of the calibrations that can be read: {RIG_FILES}" in str(error.value)


BAD = {
    "empty": b"",
    "blank": b" \n\n",
    "not UTF-8": b'[cam_0]\nname = "h\xf6her"\n',
    "binary": bytes(range(256)),
    "zeros": bytes(64),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json", "a.qca.txt", "a"])
def test_files_without_a_calibration_are_refused_in_one_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=name):
        read_rig(tmp_path / name)
    for item in RIG_FORMATS.values():
        with pytest.raises(UsageError, match=name) as error:
            item.read(tmp_path / name, "m")
        assert "Traceback" not in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for read in (read_rig, *(item.read for item in RIG_FORMATS.values())):
        with pytest.raises(UsageError, match="does not exist"):
            read(tmp_path / "none.toml", None)
        with pytest.raises(UsageError, match="is a folder"):
            read(tmp_path, None)


@pytest.mark.parametrize(("fmt", "extension"), EXTENSIONS)
def test_a_truncated_file_is_refused_or_holds_whole_cameras(helmet, tmp_path, fmt, extension):
    write_rig(helmet, tmp_path / "whole", fmt)
    content = (tmp_path / "whole").read_bytes()
    path = tmp_path / f"cut{extension}"
    sizes = {camera.model.image_size for camera in helmet.cameras.values()}
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with contextlib.suppress(UsageError):
            assert all(camera.model.image_size in sizes for camera in read_rig(path, "m").cameras.values())


def test_a_file_whose_name_says_its_syntax_is_told_what_is_wrong_with_that(tmp_path):
    (tmp_path / "a.toml").write_text("name = [")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_rig(tmp_path / "a.toml")
    (tmp_path / "a.yaml").write_text("a: [1")
    with pytest.raises(UsageError, match=r"it is not valid YAML: .*line"):
        read_rig(tmp_path / "a.yaml")


def test_a_rig_file_with_a_mistake_is_told_the_mistake(tmp_path, helmet):
    helmet.save(tmp_path / "r.toml")
    (tmp_path / "r.toml").write_text((tmp_path / "r.toml").read_text().replace("bodies", "bodys"))
    with pytest.raises(UsageError, match=r"unknown key 'bodys'.*Did you mean 'bodies'|'bodies' is missing"):
        read_rig(tmp_path / "r.toml")
    (tmp_path / "rig.toml").write_text("name = 1\n")
    with pytest.raises(UsageError, match=r"'bodies' is missing|'name'"):
        read_rig(tmp_path / "rig.toml")


def test_deeply_nested_values_do_not_break_the_reader(tmp_path):
    for name, text in {"a.json": '{"a":' * 100000, "a.yaml": "[" * 100000, "a.toml": "a = " + "[" * 100000}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match=name):
            read_rig(tmp_path / name)


def test_a_camera_that_no_format_but_ours_holds_is_refused_by_the_others(tmp_path, shared_data):
    aria = read_rig(shared_data / "egocentric" / "aria_gen1_kitchen_mug" / "calibration.json")
    write_rig(aria, tmp_path / "rig.toml", "rig")
    assert read_rig(tmp_path / "rig.toml").camera("camera-rgb").model == aria.camera("camera-rgb").model
    for fmt in WRITTEN[1:]:
        with pytest.raises(UsageError, match=r"'camera-rgb' has a Fisheye624Camera, which .* cannot hold"):
            write_rig(aria, tmp_path / "other", fmt)
