from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from bodydouble.atomic import OutOfSpaceError
from bodydouble.capture import ABSENT
from bodydouble.datasets import read_episode, validate_episode, write_episode
from bodydouble.datasets.schema import FIELDS
from bodydouble.errors import DataError, FileExistsUsageError, UsageError


def test_everything_written_is_read_back_the_same(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    read = read_episode(tmp_path / "e.h5")
    for name in ("task", "grade", "provenance", "quality", "cameras"):
        assert getattr(read, name) == getattr(episode, name)
    for part in ("trajectory", "motion", "landmarks", "recording"):
        for name, value in vars(getattr(episode, part)).items():
            other = getattr(getattr(read, part), name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(other, value)
                assert other.dtype == value.dtype
                assert not other.flags.writeable
            elif isinstance(value, dict) and value and isinstance(next(iter(value.values())), np.ndarray):
                assert other.keys() == value.keys()
                assert all(np.array_equal(other[key], value[key], equal_nan=True) for key in value)
            else:
                assert other == value
    np.testing.assert_array_equal(read.rig.cameras["wide"].T_body_camera, episode.rig.cameras["wide"].T_body_camera)
    assert read.rig.cameras["wide"].model == episode.rig.cameras["wide"].model


def complete(trajectory):
    """The same trajectory with everything that is optional."""
    shape = trajectory.positions.shape
    return replace(
        trajectory, accelerations=np.full(shape, np.nan), acceleration_limit=np.full(shape[1], 100.0), supported_torques=np.full(shape, 2.0),
        centre_of_pressure=np.full((shape[0], 2), 0.1), support_margin=np.array([np.nan, 0.02, 0.03, np.nan]),
        contacts={"left_heel": np.array([0, 1, 1, 0], np.uint8)}, solver={"stage": "whole", "collision_pairs": 12.0},
        effort_limit=np.array([50.0, np.inf, 50.0]),
    )  # fmt: skip


def test_accelerations_contacts_and_what_holds_the_robot_up_are_kept_and_valid(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    episode = replace(episode, trajectory=complete(episode.trajectory))
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    read = read_episode(tmp_path / "e.h5").trajectory
    for name in ("accelerations", "acceleration_limit", "supported_torques", "centre_of_pressure", "support_margin", "effort_limit"):
        np.testing.assert_array_equal(getattr(read, name), getattr(episode.trajectory, name), err_msg=name)
    assert read.contacts["left_heel"].tolist() == [0, 1, 1, 0]
    assert read.solver == episode.trajectory.solver
    assert all(check.verdict != "FAIL" for check in validate_episode(tmp_path / "e.h5"))
    with h5py.File(tmp_path / "e.h5") as file:
        assert file["robot/support_margin"].attrs["unit"] == "m"
        assert file["robot/accelerations"].attrs["unit"] == "rad/s^2"


def test_an_episode_from_before_there_were_accelerations_is_read_and_valid(written_episode):
    with h5py.File(written_episode) as file:
        assert not {"accelerations", "contacts", "support_margin"} & set(file["robot"])
    assert read_episode(written_episode).trajectory.acceleration_limit is None
    assert all(check.verdict != "FAIL" for check in validate_episode(written_episode))


def test_images_come_back_rgb_and_a_dropped_frame_is_none(written_episode):
    episode = read_episode(written_episode)
    image = episode.image("wide", 3)
    assert image.shape == (90, 160, 3)
    np.testing.assert_allclose(image.mean(axis=(0, 1)), (60, 90, 200), atol=3)
    assert episode.image("wide", 2) is None
    assert episode.recording.frame_index[1, 2] == ABSENT
    assert not episode.recording.present[1, 2]


def test_an_image_can_be_decoded_smaller(written_episode):
    assert read_episode(written_episode).image("wide", 0, at_least=(80, 45)).shape == (45, 80, 3)
    assert read_episode(written_episode).image("wide", 0, at_least=(81, 45)).shape == (90, 160, 3)


def test_images_are_shrunk_on_demand_and_jpeg_bytes_are_kept(simulated_episode, simulated_images, written_episode, tmp_path):
    episode = simulated_episode()
    write_episode(tmp_path / "small.h5", episode, images=simulated_images(episode), max_side=64)
    assert read_episode(tmp_path / "small.h5").image("portrait", 0).shape == (64, 36, 3)
    original = read_episode(written_episode)
    write_episode(tmp_path / "copy.h5", original)
    assert read_episode(tmp_path / "copy.h5").images.jpeg("wide", 0) == original.images.jpeg("wide", 0)


def test_an_episode_handed_to_another_process_opens_its_own_file(written_episode):
    episode = read_episode(written_episode)
    episode.image("wide", 0)
    again = pickle.loads(pickle.dumps(episode.images))
    np.testing.assert_array_equal(again.read("wide", 0), episode.image("wide", 0))


def test_every_dataset_says_its_unit_and_quaternions_their_order(written_episode):
    with h5py.File(written_episode) as file:
        for field in FIELDS:
            if field.name != "*" and field.path in file:
                assert file[field.path].attrs["unit"], field.path
        assert file["robot/base_pose"].attrs["quaternion_order"] == "xyzw"
        assert file["robot/task_errors/left_hand_position"].attrs["unit"] == "m"
        assert file["images/wide"].chunks == (1,)
        assert bool(file.attrs["complete"])


def test_an_existing_episode_is_left_alone_without_force(written_episode, simulated_episode):
    before = written_episode.read_bytes()
    with pytest.raises(FileExistsUsageError, match="--force"):
        write_episode(written_episode, simulated_episode())
    assert written_episode.read_bytes() == before
    write_episode(written_episode, simulated_episode(task="another"), force=True)
    assert read_episode(written_episode).task == "another"


def test_a_missing_image_is_an_error_that_names_camera_and_frame(simulated_episode, simulated_images, tmp_path):
    episode = simulated_episode()
    images = [item for item in simulated_images(episode) if item[:2] != ("wide", 1)]
    with pytest.raises(DataError, match="'wide' gave no image for frame 1"):
        write_episode(tmp_path / "e.h5", episode, images=images)
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_a_frame_that_the_recording_has_not_is_an_error(simulated_episode, tmp_path):
    with pytest.raises(DataError, match="no such frame"):
        write_episode(tmp_path / "e.h5", simulated_episode(), images=[("wide", 2, np.zeros((4, 4, 3), np.uint8))])


def test_ctrl_c_while_writing_leaves_no_file_and_keeps_the_old_one(written_episode, simulated_episode):
    def interrupted():
        yield "wide", 0, np.zeros((90, 160, 3), np.uint8)
        raise KeyboardInterrupt

    before = written_episode.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_episode(written_episode, simulated_episode(), images=interrupted(), force=True)
    assert written_episode.read_bytes() == before
    assert list(written_episode.parent.iterdir()) == [written_episode]


def _child(code: str, source: Path, target: Path, **options) -> subprocess.Popen:
    prelude = "import sys, time\nfrom pathlib import Path\nfrom bodydouble.datasets import read_episode, write_episode\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, str(source), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


SLOWLY = """
episode = read_episode(Path(sys.argv[1]))
def images():
    for camera in episode.cameras:
        for frame in range(episode.frames):
            data = episode.images.jpeg(camera, frame)
            if data:
                yield camera, frame, data
                print("image", flush=True)
                time.sleep(float(%r))
write_episode(Path(sys.argv[2]), episode, images=images(), force=True)
print("done", flush=True)
"""


def test_kill_9_while_writing_leaves_nothing_under_the_final_name(written_episode, tmp_path):
    target = tmp_path / "out" / "killed.h5"
    child = _child(SLOWLY % 10, written_episode, target)
    assert child.stdout.readline() == "image\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not target.exists()
    write_episode(target, read_episode(written_episode))
    assert read_episode(target).frames == 4


def test_two_writers_of_one_file_leave_one_whole_episode(written_episode, tmp_path):
    target = tmp_path / "both.h5"
    children = [_child(SLOWLY % 0.05, written_episode, target) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert read_episode(target).frames == 4
    assert not list(tmp_path.glob(".*.partial"))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(written_episode, tmp_path):
    target = tmp_path / "full.h5"
    copy = "write_episode(Path(sys.argv[2]), read_episode(Path(sys.argv[1])))"
    code = f"try:\n    {copy}\nexcept Exception as e:\n    print(type(e).__name__, e)"
    child = _child(code, written_episode, target, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)))
    out, err = child.communicate()
    assert child.returncode == 0, err
    assert out.startswith(OutOfSpaceError.__name__)
    assert "Free some space" in out
    assert not target.exists()
    assert not list(tmp_path.glob(".*.partial"))


def test_a_truncated_file_is_one_clear_error(written_episode):
    written_episode.write_bytes(written_episode.read_bytes()[:20_000])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_episode(written_episode)


def test_another_kind_of_file_is_one_clear_error(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(DataError, match="not an HDF5 file"):
        read_episode(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["data"] = 1
    with pytest.raises(DataError, match="not a bodydouble episode"):
        read_episode(tmp_path / "foreign.h5")


@pytest.mark.parametrize(
    ("attribute", "value", "message"), [("schema_version", 7, "schema version 7"), ("complete", False, "never finished")]
)
def test_a_version_from_the_future_and_an_unfinished_file_are_refused(written_episode, attribute, value, message):
    with h5py.File(written_episode, "r+") as file:
        file.attrs[attribute] = value
    with pytest.raises(DataError, match=message):
        read_episode(written_episode)


def test_a_file_without_a_part_says_what_is_missing(written_episode):
    with h5py.File(written_episode, "r+") as file:
        del file["human/landmarks"]
    with pytest.raises(DataError, match="bodydouble validate"):
        read_episode(written_episode)


def test_no_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_episode(tmp_path / "no.h5")


def test_opening_and_reading_one_frame_is_fast(written_episode):
    read_episode(written_episode).image("wide", 0)
    start = time.process_time()
    read_episode(written_episode).image("wide", 1)
    assert time.process_time() - start < 0.2
