from __future__ import annotations

import contextlib
import json

import h5py
import numpy as np
import pytest
from edited_episode import edited, put_positions

from bodydouble.datasets import read_episode, validate_episode
from bodydouble.errors import DataError, UsageError


def failures(path):
    return [check for check in validate_episode(path) if check.verdict == "FAIL"]


def change(path, dataset, edit):
    """Change one dataset, its checksum with it, and what is worked out from positions."""
    with edited(path) as file:
        data = file[dataset][()]
        edit(data)
        if dataset == "robot/positions":
            put_positions(file, data)
        else:
            file[dataset][()] = data


def test_a_whole_episode_passes_every_check(written_episode):
    checks = validate_episode(written_episode)
    assert {check.verdict for check in checks} == {"PASS"}
    assert {"schema", "times", "missing values", "joint ranges", "joint speeds", "images", "grade"} <= {check.name for check in checks}


def test_a_joint_that_changes_its_speed_too_suddenly_fails_where_the_limit_is_stored(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["robot/acceleration_limit"] = np.full(3, 10.0)
    assert not failures(written_episode)
    change(written_episode, "robot/positions", lambda p: p.__setitem__((1, 1), p[1, 1] + 0.01))
    assert [(check.name, check.found) for check in failures(written_episode)] == [
        ("joint accelerations", "2 values: left_elbow more sudden than its limit")
    ]


def test_a_limit_that_nobody_gives_is_infinite_and_a_position_never_is(written_episode):
    change(written_episode, "robot/effort_limit", lambda limit: limit.__setitem__(0, np.inf))
    assert not failures(written_episode)
    change(written_episode, "robot/upper", lambda limit: limit.__setitem__(0, np.inf))
    assert any("robot/upper holds infinite values" in check.found for check in failures(written_episode))


def test_every_failure_has_a_remedy(written_episode):
    change(written_episode, "robot/positions", lambda p: p.__setitem__((1, 1), 5.0))
    assert all(check.remedy for check in failures(written_episode))


@pytest.mark.parametrize(
    ("dataset", "edit", "found"),
    [
        ("robot/times_s", lambda t: t.__setitem__(2, t[1]), "does not grow from frame 1 to 2"),
        ("recording/times_s", lambda t: t.__setitem__((0, 3), 0.0), "capture times of camera 'portrait' go back"),
        ("robot/base_pose", lambda q: q.__setitem__((1, 6), 1.1), "norm off by 0.1"),
        ("human/base_pose", lambda q: q.__setitem__((0, slice(3, 7)), 0.0), "norm off by 1"),
        ("robot/positions", lambda p: p.__imul__(180 / np.pi * 10), "degrees"),
        ("human/joint_angles", lambda p: p.__setitem__((2, 0), 90.0), "degrees"),
        ("robot/positions", lambda p: p.__setitem__((1, 2), 1.1), "right_elbow outside its range"),
        ("robot/positions", lambda p: p.__setitem__((1, 0), 0.5), "neck_yaw faster than its limit"),
        ("human/landmarks", lambda p: p.__setitem__((0, 0), np.nan), "NaN but not marked missing"),
        ("human/landmarks", lambda p: p.__setitem__((3, 60), 0.0), "marked missing but hold numbers"),
        ("robot/positions", lambda p: p.__setitem__((0, 0), np.nan), "may have none"),
        ("recording/times_s", lambda t: t.__setitem__((1, 2), 0.1), "marked missing but hold numbers"),
        ("landmarks/confidence", lambda c: c.__setitem__((0, 0, 0), np.nan), "not missing together"),
        ("robot/lower", lambda p: p.__setitem__(0, np.nan), "may have none"),
        ("human/fit_error_px", lambda p: p.__setitem__(0, np.inf), "infinite"),
        ("human/landmarks", lambda p: p.__imul__(1000), "these are not metres"),
        ("robot/base_pose", lambda p: p.__setitem__((slice(None), 0), 1e300), "from the world's origin"),
        ("human/link_poses", lambda p: p.__setitem__(0, np.nan), "link_poses and human/base_pose are not missing together"),
        ("recording/image_size", lambda s: s.__imul__(0), "not those of a video of 0x0 px"),
        ("recording/image_size", lambda s: s.__setitem__((0, 0), 5000), "not those of a video of 5000x"),
        ("human/landmark_source", lambda s: s.__setitem__((0, 0), 9), "without a meaning"),
    ],
)
def test_a_wrong_number_is_found(written_episode, dataset, edit, found):
    change(written_episode, dataset, edit)
    assert any(found in check.found for check in failures(written_episode)), failures(written_episode)


def test_a_dropped_dataset_a_wrong_type_and_a_wrong_shape_are_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        del file["robot/torques"]
        velocities = file["robot/velocities"][()]
        del file["robot/velocities"]
        file["robot/velocities"] = velocities[:-1]
        upper = file["robot/upper"][()]
        del file["robot/upper"]
        file["robot/upper"] = upper.astype(np.float32)
    found = " ".join(check.found for check in failures(written_episode))
    assert "robot/torques is missing" in found
    assert "robot/velocities has shape (3, 3); expected (4, 3) (T, J)" in found
    assert "robot/upper is float32; expected float64" in found


def test_an_unknown_dataset_is_a_warning(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["robot/smell"] = 1
    warned = [check for check in validate_episode(written_episode) if check.verdict == "WARN"]
    assert [check.found for check in warned] == ["unknown datasets: robot/smell"]


def test_a_joint_in_two_groups_or_in_none_is_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        groups = {"neck": ["neck_yaw"], "left_arm": ["left_elbow", "neck_yaw"]}
        file["robot"].attrs["joint_groups"] = json.dumps(groups)
    found = [check.found for check in failures(written_episode)]
    assert "joint 'neck_yaw' is in 2 groups" in found
    assert "joint 'right_elbow' is in 0 groups" in found


@pytest.mark.parametrize("damage", [lambda d: d[:-40], lambda d: b"", lambda d: b"\x00" * len(d)])
def test_a_damaged_image_is_found_with_its_camera_and_frame(written_episode, damage):
    with h5py.File(written_episode, "r+") as file:
        images = file["images/wide"]
        images[1] = np.frombuffer(damage(bytes(images[1])), np.uint8)
    assert any("camera 'wide', frame 1" in check.found for check in failures(written_episode))


def test_an_image_that_should_not_be_there_is_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["images/wide"][2] = file["images/wide"][1]
    assert any("frame 2: the image and recording/present do not agree" in check.found for check in failures(written_episode))


def test_an_edited_grade_verdict_or_count_is_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file.attrs["grade"] = "B"
        file["quality/reprojection_median_px"][()] = 40.0
        file["quality/joint_limit_violations"][()] = 3
    found = " ".join(check.found for check in failures(written_episode))
    assert "reprojection_median_px is PASS; by quality.toml it is FAIL" in found
    assert "joint_limit_violations says 3; the stored motion has 0" in found
    assert "graded B; the stored figures deserve D" in found


def test_an_assumed_scale_must_be_graded_c(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["human"].attrs["assumed"] = json.dumps({"stature": {"value": 1.73, "sigma": 0.07}})
    assert any("deserve C" in check.found for check in failures(written_episode))


def test_a_broken_rig_is_found(written_episode):
    with h5py.File(written_episode, "r+") as file:
        text = file["rig"].asstr()[()]
        del file["rig"]
        file["rig"] = text.replace("[cameras.wide]", "[cameras.wide]\nlens = 3")
    assert any("lens" in check.found for check in failures(written_episode))


def test_a_truncated_or_foreign_file_is_one_failed_check(written_episode, tmp_path):
    written_episode.write_bytes(written_episode.read_bytes()[:-1000])
    (tmp_path / "text.h5").write_text("hello")
    for path in (written_episode, tmp_path / "text.h5"):
        (check,) = validate_episode(path)
        assert check.verdict == "FAIL"
        assert check.remedy


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        validate_episode(tmp_path / "no.h5")


EDITS = {
    "a format that is an array": lambda f: f.attrs.__setitem__("format", np.arange(3)),
    "a version that is an array": lambda f: f.attrs.__setitem__("schema_version", np.arange(3)),
    "groups that are a list": lambda f: f["robot"].attrs.__setitem__("joint_groups", "[]"),
    "a group with a joint that the robot has not": lambda f: f["robot"].attrs.__setitem__("joint_groups", '{"a": ["nose"]}'),
    "joints without names": lambda f: f["robot"].attrs.__setitem__("joint_names", "[1, 2, 3]"),
    "names that are no JSON": lambda f: f["robot"].attrs.__setitem__("joint_names", "left, right"),
    "cameras that are a number": lambda f: f["recording"].attrs.__setitem__("cameras", "5"),
    "provenance that is a list": lambda f: (f.__delitem__("provenance"), f.__setitem__("provenance", "[1, 2]")),
    "provenance with NaN": lambda f: (f.__delitem__("provenance"), f.__setitem__("provenance", '{"a": NaN}')),
    "a group where numbers should be": lambda f: (f.__delitem__("robot/positions"), f.create_group("robot/positions")),
    "a number where a group should be": lambda f: (f.__delitem__("robot"), f.__setitem__("robot", 5)),
    "one time": lambda f: (f.__delitem__("robot/times_s"), f.__setitem__("robot/times_s", 5.0)),
    "a base out of this world": lambda f: f["robot/base_pose"].__setitem__((0, 0), 1e300),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_file_is_found_and_refused_in_one_sentence(written_episode, edit):
    with h5py.File(written_episode, "r+") as file:
        edit(file)
    assert failures(written_episode)
    with pytest.raises(DataError) as caught:
        read_episode(written_episode)
    assert "\n" not in str(caught.value)


def test_any_damaged_byte_leaves_a_verdict_and_no_stack_trace(written_episode):
    content = written_episode.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), 30):
            damaged[position] = random.integers(256)
        written_episode.write_bytes(damaged)
        assert validate_episode(written_episode)
        with contextlib.suppress(DataError):
            read_episode(written_episode)


def test_motion_is_not_judged_where_times_do_not_grow(written_episode):
    change(written_episode, "robot/times_s", lambda t: t.__setitem__(2, t[1]))
    (motion,) = [check for check in validate_episode(written_episode) if check.name == "motion"]
    assert motion.verdict == "WARN"
    assert "times that grow" in motion.found


def test_a_robot_that_no_program_knows_is_judged_by_what_the_file_says(written_episode):
    with h5py.File(written_episode, "r+") as file:
        file["robot"].attrs["robot"] = json.dumps("/etc/passwd.toml")
    assert not failures(written_episode)


@pytest.mark.parametrize(("column", "found"), [(1, "left_elbow"), (2, "right_elbow")])
def test_one_joint_in_degrees_is_named(written_episode, column, found):
    with edited(written_episode) as file:
        file["robot/velocities"][:, column] = file["robot/velocities"][:, column] * 180 / np.pi
    (check,) = [check for check in failures(written_episode) if check.name == "units"]
    assert f"({found} 57.3)" in check.found


def test_actions_of_another_frame_are_found_with_the_number_of_frames(written_episode):
    with edited(written_episode) as file:
        file["robot/actions"][:-1] = file["robot/positions"][:-1]
    (check,) = [check for check in failures(written_episode) if check.name == "actions"]
    assert "those of 0 frames on" in check.found
