from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.hand_pose.person_change import person_changes


def jump(landmarks, cameras: list[int], frames: slice, by: tuple[float, float] = (400.0, 30.0), size: float = 1.0):
    """Put the detections of some frames elsewhere, as of another person of another size."""
    pixels = np.array(landmarks.pixels)
    for camera in cameras:
        points = pixels[camera, frames]
        centre = points[:, [11, 12, 23, 24]].mean(axis=1, keepdims=True)
        pixels[camera, frames] = centre + size * (points - centre) + by
    return replace(landmarks, pixels=pixels)


def test_an_ordinary_recording_has_one_person(simulated):
    assert not person_changes(simulated.landmarks).any()


def test_fast_human_motion_is_no_change_of_person(make_simulated):
    """Six times faster than everyday: joints reach 15 rad/s, and the torso turns and bends with them."""
    fast = make_simulated(speed=6.0, rate_hz=30.0, seed=2)
    points = np.diff(fast.points[:, 15], axis=0) / np.diff(fast.times_s)[:, None]
    assert np.linalg.norm(points, axis=-1).max() > 3.5
    assert not person_changes(fast.landmarks).any()


def test_a_runner_who_crosses_the_image_is_one_person(make_simulated):
    """8 m/s across the view of one camera at 60 frames a second."""
    person = make_simulated(frames=20, rate_hz=60.0, azimuths_deg=(0.0,))
    focal_over_distance = 1300 / 3.5
    moving = np.array(person.landmarks.pixels) + [[[[1.0, 0.0]]]] * (8.0 * person.times_s * focal_over_distance)[None, :, None, None]
    assert not person_changes(replace(person.landmarks, pixels=moving)).any()


def test_a_jump_in_most_cameras_is_flagged_from_there_on(simulated):
    changed = person_changes(jump(simulated.landmarks, [0, 1, 2], slice(17, 30)))
    assert changed.tolist() == [False] * 17 + [True] * 13


def test_a_jump_there_and_back_marks_what_lies_between(simulated):
    changed = person_changes(jump(simulated.landmarks, [0, 1, 2, 3], slice(10, 15)))
    assert np.flatnonzero(changed).tolist() == [10, 11, 12, 13, 14]


def test_one_camera_of_several_that_jumps_is_an_outlier_and_no_change(simulated):
    assert not person_changes(jump(simulated.landmarks, [3], slice(17, 30))).any()


def test_one_camera_alone_that_jumps_is_a_change(make_simulated):
    person = make_simulated(frames=10, azimuths_deg=(20.0,))
    assert np.flatnonzero(person_changes(jump(person.landmarks, [0], slice(6, 10)))).tolist() == [6, 7, 8, 9]


def test_another_size_and_half_a_torso_away_is_another_person(make_simulated):
    person = make_simulated(frames=10, azimuths_deg=(20.0,))
    torso = 190.0
    changed = person_changes(jump(person.landmarks, [0], slice(6, 10), by=(0.6 * torso, 0.0), size=0.4))
    assert np.flatnonzero(changed).tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize("gone", [slice(8, 12), slice(0, 30)])
def test_a_person_who_was_hidden_is_the_same_person(simulated, hide, gone):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, gone] = True
    assert not person_changes(hide(simulated.landmarks, hidden)).any()
