"""Where the cameras of a recording were, and which tag map tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from textured_room import small_rig, write_recording

from bodydouble.calibration import Rig, rotation
from bodydouble.calibration.odometry.rig_odometry import ODOMETRY
from bodydouble.calibration.transform import invert, pose_distance, pose_from
from bodydouble.capture import Recording, open_recording
from bodydouble.datasets.locating import locate_cameras, tag_map_path
from bodydouble.errors import UsageError
from bodydouble.hand_pose.camera_poses import HEAD_FRAME

FRAMES = 6
HEAD = pose_from(rotation.exp(np.linspace([0, 0, 0], [0.02, 0.05, 0.15], FRAMES)), np.linspace([0, 0, 0], [0.05, 0.02, 0.01], FRAMES))
EVERY = set(range(FRAMES))


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path / "cache"))


def located(recording: Recording, rig: Rig | None = None, **settings):
    rig = rig or Rig.load(recording.folder / "rig.toml")
    return locate_cameras(recording, rig.select(recording.cameras), recording.frame_sets(), None, workers=1, **settings)


def test_without_a_tag_map_visual_odometry_locates_a_helmet(own_cache, tmp_path):
    told = []
    found = located(write_recording(tmp_path / "rec", small_rig(), HEAD), progress=lambda done, total: told.append(done / total))
    assert found.sentence.startswith("Located by visual odometry: the helmet in 6 of 6 frames, by ")
    assert found.sentence.endswith("The recording has no tag_map.toml.")
    assert found.camera_poses.frame == ODOMETRY == found.rig_motion.room
    assert told == sorted(told)
    assert told[-1] == 1
    poses = found.camera_poses.T_world_body["helmet"]
    turned, away = pose_distance(invert(HEAD[0]) @ HEAD, invert(poses[0]) @ poses)
    assert turned.max() < 2e-3
    assert away.max() < 2e-3
    assert np.allclose(poses[0, :3, 3], 0)
    assert found.camera_poses.known.all()


def test_one_camera_alone_stays_relative_to_the_head_and_says_why(own_cache, tmp_path):
    found = located(write_recording(tmp_path / "rec", small_rig(("front",)), HEAD))
    assert found.camera_poses.frame == HEAD_FRAME
    assert found.sentence.startswith("Everything is relative to the helmet: the recording has no tag_map.toml. One camera alone")


def test_where_nothing_is_seen_everything_is_relative_to_the_head(own_cache, tmp_path):
    rig = small_rig()
    found = located(write_recording(tmp_path / "rec", rig, HEAD, black=dict.fromkeys(rig.names, EVERY)))
    assert found.camera_poses.frame == HEAD_FRAME
    assert found.rig_motion is None
    assert "found no motion" in found.sentence


def test_where_little_is_located_everything_is_relative_to_the_head(own_cache, tmp_path):
    rig = small_rig()
    found = located(write_recording(tmp_path / "rec", rig, HEAD, black={name: {2, 3, 4, 5} for name in rig.names}))
    assert found.camera_poses.frame == HEAD_FRAME
    assert "located it in 2 of 6 frames only" in found.sentence


def test_frames_in_which_nothing_is_seen_are_a_gap(own_cache, tmp_path):
    rig = small_rig()
    found = located(write_recording(tmp_path / "rec", rig, HEAD, black={name: {1, 2, 3} for name in rig.names}))
    assert "in 3 of 6 frames, the longest gap 3 frames" in found.sentence
    assert np.isnan(found.camera_poses.T_world_camera[:, 1:4]).all()
    poses = found.camera_poses.T_world_body["helmet"]
    turned, away = pose_distance(invert(HEAD[0]) @ HEAD[5], invert(poses[0]) @ poses[5])
    assert turned < 3e-3
    assert away < 3e-3


def test_a_covered_camera_does_not_matter(own_cache, tmp_path):
    found = located(write_recording(tmp_path / "rec", small_rig(), HEAD, black={"front": EVERY}))
    assert "the helmet in 6 of 6 frames" in found.sentence


def test_two_bodies_that_move_need_a_tag_map(own_cache, tmp_path):
    rig = small_rig()
    cameras = {**rig.cameras, "front": replace(rig.camera("front"), body="backpack")}
    recording = write_recording(tmp_path / "rec", rig, HEAD)
    with pytest.raises(UsageError, match="tag map"):
        located(recording, replace(rig, bodies=("helmet", "backpack"), cameras=cameras))


def test_the_tag_map_of_a_folder_of_videos_is_the_one_beside_them(sample_cache, tmp_path):
    for name in ("cam03.mp4", "cam04.mp4"):
        (tmp_path / name).write_bytes((sample_cache.recording / name).read_bytes())
    assert tag_map_path(open_recording(tmp_path), None) is None
    (tmp_path / "tag_map.toml").write_text("")
    assert tag_map_path(open_recording(tmp_path), None) == tmp_path / "tag_map.toml"
    assert tag_map_path(open_recording(tmp_path), tmp_path / "other.toml") == tmp_path / "other.toml"


def test_the_tag_map_of_a_recording_is_its_own(sample_cache, tmp_path):
    recording = Recording.open(sample_cache.recording)
    assert tag_map_path(recording, None) is None
    assert tag_map_path(recording, tmp_path / "chosen.toml") == tmp_path / "chosen.toml"
