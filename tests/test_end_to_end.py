"""The whole way on ten real frames of four cameras, as a user takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bodydouble.calibration import Rig
from bodydouble.capture import Recording
from bodydouble.cli import inspect, validate
from bodydouble.datasets import Episode, read_episode
from bodydouble.hand_pose import Source, reprojection_residuals
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, MAIN_JOINTS
from bodydouble.retarget import limit_violations

GROUPS = {"neck": 2, "torso": 2, "left_leg": 7, "right_leg": 7, "left_arm": 5, "right_arm": 5, "left_hand": 25, "right_hand": 25}


@pytest.fixture(scope="module")
def episode(sample_run) -> Episode:
    return read_episode(sample_run.episode)


@pytest.fixture(scope="module")
def inspected(sample_run) -> dict:
    done = CliRunner().invoke(inspect.app, [str(sample_run.episode), "--json"])
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_the_episode_is_valid(sample_run):
    done = CliRunner().invoke(validate.app, [str(sample_run.episode)])
    assert done.exit_code == 0, done.output


def test_inspect_has_exactly_the_keys_that_programs_rely_on(inspected):
    assert set(inspected) == {
        "actuated_joints", "joint_groups", "frames", "rate_hz", "duration_s", "cameras", "grade", "masks", "quality", "provenance",
    }  # fmt: skip
    assert set(inspected["masks"]) == {"body", "left_hand", "right_hand"}
    assert all(set(shares) == {"observed", "interpolated", "inferred"} for shares in inspected["masks"].values())
    assert all(set(gate) == {"value", "unit", "threshold", "verdict"} for gate in inspected["quality"].values())
    assert {"reprojection_median_px", "reprojection_p95_px", "joint_limit_violations", "velocity_limit_violations",
            "bone_length_variation_pct"} <= set(inspected["quality"])  # fmt: skip


def test_ten_frames_of_four_cameras_move_78_joints_in_named_groups(inspected):
    assert inspected["actuated_joints"] == 78
    assert {name: len(joints) for name, joints in inspected["joint_groups"].items()} == GROUPS
    assert inspected["frames"] == 10
    assert inspected["rate_hz"] == pytest.approx(60, abs=0.1)
    assert inspected["duration_s"] == pytest.approx(9 / 60, abs=1e-3)
    assert inspected["cameras"] == ["cam01", "cam02", "cam03", "cam04"]


def test_the_figures_keep_what_the_project_promises(inspected):
    value = {name: gate["value"] for name, gate in inspected["quality"].items()}
    assert value["reprojection_median_px"] < 12
    assert value["joint_limit_violations"] == value["velocity_limit_violations"] == 0
    assert value["bone_length_variation_pct"] < 1e-6
    assert value["skew_p95_ms"] < 2
    assert inspected["masks"]["body"]["observed"] > 0.9
    assert inspected["grade"] in ("A", "B", "C")


def test_the_figures_are_those_of_the_episodes_own_data(episode):
    found = reprojection_residuals(episode.motion, episode.landmarks, episode.rig)
    assert episode.quality["reprojection_median_px"].value == pytest.approx(found.median_px)
    assert episode.quality["reprojection_p95_px"].value == pytest.approx(found.p95_px)
    sure = episode.landmarks.confidence[:, :, list(MAIN_JOINTS)] >= 0.5
    assert np.isfinite(found.error_px).sum() == sure.sum()
    assert limit_violations(episode.trajectory) == (0, 0, 0)


def test_times_are_the_videos_own(episode, sample_run):
    recording = Recording.open(sample_run.recording)
    for row, camera in enumerate(episode.cameras):
        assert np.array_equal(episode.recording.times_s[row], recording.times(camera)[:10])
    assert np.array_equal(episode.times_s, episode.trajectory.times_s)
    assert (np.diff(episode.times_s) > 0).all()


def test_the_images_are_the_recordings(episode, sample_run):
    """Colours and order: a stored image is the video's frame, smaller and compressed."""
    import cv2

    recording = Recording.open(sample_run.recording)
    for camera in ("cam01", "cam04"):
        stored = episode.image(camera, 7)
        original = cv2.resize(recording.read(camera, 7), stored.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert max(stored.shape) == 960
        difference = np.abs(stored.astype(float) - original)
        assert difference.mean() < 4
        assert np.abs(stored.astype(float) - original[..., ::-1]).mean() > 2 * difference.mean()


def test_the_rig_is_the_recordings_and_the_crop_is_declared(episode, sample_run):
    rig = Rig.load(sample_run.recording / "rig.toml")
    assert episode.rig.names == rig.names
    assert np.array_equal(episode.rig.cameras["cam02"].T_body_camera, rig.cameras["cam02"].T_body_camera)
    assert episode.recording.image_size.tolist() == [[1080, 1920], [1080, 1920], [1088, 1920], [1088, 1920]]
    assert episode.rig.cameras["cam01"].model.image_size == (1088, 1920)


def test_the_person_stands_upright_in_the_room(episode):
    points = episode.motion.landmarks[0]
    place = dict(zip(LANDMARK_NAMES, points, strict=True))
    assert 1.3 < place["nose"][2] - min(place["left_heel"][2], place["right_heel"][2]) < 1.9
    assert np.linalg.norm(place["left_shoulder"] - place["right_shoulder"]) == pytest.approx(0.35, abs=0.08)
    assert 1.5 < episode.motion.stature < 2.0
    assert episode.motion.frame == episode.trajectory.frame == "room"


def test_the_robot_moves_as_the_person_does(episode):
    """The hand that is higher, and the foot that is lifted, are the person's own."""
    from bodydouble.retarget import Robot

    robot = Robot.load("optimus")
    links = {name: robot.file.skeleton[name] for name in ("left_hand", "right_hand", "left_foot", "right_foot", "head")}
    poses = robot.link_poses(episode.trajectory.positions, episode.trajectory.base_pose, tuple(links.values()))[:, :, :3, 3]
    robots = dict(zip(links, np.moveaxis(poses, 1, 0), strict=True))
    for part in ("hand", "foot"):
        person = episode.motion.link(f"left_{part}")[:, 2, 3] - episode.motion.link(f"right_{part}")[:, 2, 3]
        robot_difference = robots[f"left_{part}"][:, 2] - robots[f"right_{part}"][:, 2]
        assert np.abs(person - robot_difference).max() < 0.12, part
    assert (robots["head"][:, 2] > robots["left_hand"][:, 2]).all() or (episode.motion.link("left_hand")[:, 2, 3] > 1.3).any()


def test_nothing_that_was_not_seen_looks_observed(episode):
    hands = {"left": slice(33, 54), "right": slice(54, 75)}
    for side, rows in hands.items():
        unseen = ~np.isfinite(episode.landmarks.pixels[:, :, rows, 0]).any(axis=(0, 2))
        assert not (episode.motion.landmark_source[unseen, rows] == Source.OBSERVED).any(), side


def test_provenance_says_what_made_it_and_nothing_of_this_machine(inspected, sample_run):
    provenance = inspected["provenance"]
    assert set(provenance["videos"]) == {"cam01", "cam02", "cam03", "cam04"}
    assert provenance["frame_range"] == [0, 10]
    assert provenance["rig"] == "rig.toml"
    assert provenance["robot"]["name"] == "optimus"
    assert "pose_landmarker_full.task" in provenance["detector"]
    text = json.dumps(provenance)
    assert str(sample_run.recording.parent) not in text
    assert str(Path.home()) not in text


def test_the_command_showed_a_bar_for_each_stage_and_a_table_of_figures(sample_run):
    for stage in ("Finding body and hands", "Fitting the person", "Moving the robot", "Writing the episode"):
        assert stage in sample_run.stderr
    for word in ("reprojection_median_px", "≤ 12 px", "joint_limit_violations", "PASS", "Grade", "10 frames in", str(sample_run.episode)):
        assert word in sample_run.stdout, word
    for noise in ("Traceback", "Warning", "W0000", "INFO:"):
        assert noise not in sample_run.stderr + sample_run.stdout
