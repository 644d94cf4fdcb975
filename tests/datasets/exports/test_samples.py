"""One episode as a trainer gets it: state, action, images and masks at a steady rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.datasets import read_episode
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.samples import image_at, take_samples
from bodydouble.datasets.hand_head_poses import HandHeadPoses
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.human_motion import Source

CAMERAS = ("portrait", "wide")


def test_at_the_episodes_own_rate_the_state_is_what_is_stored_and_the_action_the_next(simulated_episode):
    episode = simulated_episode()
    samples = take_samples(episode, ExportSettings(), 60.0, CAMERAS)
    np.testing.assert_allclose(samples.state.values, episode.trajectory.positions)
    np.testing.assert_allclose(samples.action.values[:-1], episode.trajectory.positions[1:])
    assert samples.state.names == samples.action.names == episode.trajectory.joint_names
    assert np.isnan(samples.action.values[-1]).all()
    assert (samples.action.source[-1] == Source.MISSING).all()
    np.testing.assert_allclose(samples.action.filled[-1], episode.trajectory.positions[-1], atol=1e-6)


def test_a_delta_leads_from_the_state_to_the_absolute_action(simulated_episode):
    episode = simulated_episode()
    absolute, delta = (take_samples(episode, ExportSettings(action=kind), 25.0, ()) for kind in ("absolute", "delta"))
    np.testing.assert_allclose(delta.state.values + delta.action.values, absolute.action.values)


def test_groups_and_joints_are_chosen_in_the_robots_order(simulated_episode):
    samples = take_samples(simulated_episode(), ExportSettings(joints=("right_arm", "neck_yaw")), 60.0, ())
    assert samples.state.names == ("neck_yaw", "right_elbow")
    with pytest.raises(UnknownNameError, match="left_arm"):
        take_samples(simulated_episode(), ExportSettings(joints=("left_arn",)), 60.0, ())


def test_velocities_are_those_of_the_samples(simulated_episode):
    samples = take_samples(simulated_episode(), ExportSettings(state="positions+velocities"), 60.0, ())
    assert samples.state.names[3:] == ("neck_yaw.velocity", "left_elbow.velocity", "right_elbow.velocity")
    np.testing.assert_allclose(samples.state.values[:, 3:], [[0.0, 2.0, -1.0]] * 4, atol=1e-9)


def test_an_inferred_joint_stays_inferred_and_a_missing_one_is_filled_but_says_so(simulated_episode):
    episode = simulated_episode()
    source = episode.trajectory.joint_source.copy()
    source[1, 0], source[2:, 2] = Source.INFERRED, Source.MISSING
    samples = take_samples(replace(episode, trajectory=replace(episode.trajectory, joint_source=source)), ExportSettings(), 60.0, ())
    np.testing.assert_array_equal(samples.state.source, source)
    assert np.isnan(samples.state.values[2:, 2]).all()
    np.testing.assert_allclose(samples.state.filled[2:, 2], episode.trajectory.positions[1, 2], atol=1e-6)


def test_the_base_is_inferred_where_the_hips_were_not_seen(simulated_episode):
    episode = simulated_episode()
    assert (take_samples(episode, ExportSettings(), 60.0, ()).base.source == Source.OBSERVED).all()
    unseen = replace(episode.motion, landmark_source=np.where(episode.motion.landmark_source == 1, 3, episode.motion.landmark_source))
    assert (take_samples(replace(episode, motion=unseen), ExportSettings(), 60.0, ()).base.source == Source.INFERRED).all()


def test_a_dropped_frame_shows_the_last_one_and_says_that_it_is_held(written_episode):
    episode = read_episode(written_episode)
    samples = take_samples(episode, ExportSettings(), 60.0, CAMERAS)
    wide = samples.cameras["wide"]
    assert wide.frame.tolist() == [0, 1, 1, 3]
    assert wide.fresh.tolist() == [True, True, False, True]
    np.testing.assert_allclose(wide.capture_times_s[2], episode.recording.times_s[1, 1])
    assert abs(int(image_at(episode, "wide", wide, 2, (80, 44))[0, 0, 0]) - 20) <= 6
    assert image_at(episode, "wide", wide, 2, (80, 44)).shape == (44, 80, 3)


def test_segments_name_what_is_done(simulated_episode):
    episode = replace(simulated_episode(), segments=(Segment(0.0, 0.03, "reach"),))
    assert take_samples(episode, ExportSettings(), 60.0, ()).tasks == ("reach", "reach", episode.task, episode.task)


def test_an_episode_that_nobody_observed_is_no_sample(simulated_episode):
    episode = simulated_episode()
    unseen = replace(episode.trajectory, joint_source=np.full((4, 3), Source.INFERRED))
    with pytest.raises(DataError, match="no frame of it was observed"):
        take_samples(replace(episode, trajectory=unseen), ExportSettings(), 60.0, ())


def test_end_effectors_are_the_robots_palms_and_finger_joints(simulated_episode):
    episode = simulated_episode()
    with pytest.raises(UsageError, match="Process its recording again"):
        take_samples(episode, ExportSettings(action="end-effector"), 60.0, ())
    pose = np.tile([0.1, 0.2, 0.3, 0, 0, 0, 1.0], (4, 1))
    pose[:, 0] += np.arange(4)
    there = replace(episode, poses=HandHeadPoses(episode.poses.human, {"T_base_left_hand": pose}))
    action = take_samples(there, ExportSettings(action="end-effector"), 60.0, ()).action
    assert action.names == tuple(f"left_hand.{axis}" for axis in ("x", "y", "z", "qx", "qy", "qz", "qw"))
    np.testing.assert_allclose(action.values[:-1], pose[1:])
    assert np.isnan(action.values[-1]).all()


def test_what_is_worked_out_of_two_frames_is_known_as_the_worse_of_them(simulated_episode):
    episode = simulated_episode()
    source = episode.trajectory.joint_source.copy()
    source[:, 0] = [Source.INFERRED, Source.OBSERVED, Source.OBSERVED, Source.MISSING]
    episode = replace(episode, trajectory=replace(episode.trajectory, joint_source=source))
    delta = take_samples(episode, ExportSettings(action="delta"), 60.0, ())
    assert delta.action.source[:, 0].tolist() == [Source.INFERRED, Source.OBSERVED, Source.MISSING, Source.MISSING]
    velocity = take_samples(episode, ExportSettings(state="positions+velocities"), 60.0, ()).state
    assert velocity.source[:, 3].tolist() == [Source.INFERRED, Source.INFERRED, Source.OBSERVED, Source.MISSING]
    assert velocity.source[:, 0].tolist() == source[:, 0].tolist()
