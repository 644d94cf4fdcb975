"""Left and right: a simulated person some of whose views were read the wrong way round gets its own sides back."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.sides import MAX_JOINT_STATES, decide_sides


def decided(landmarks, rig, times_s):
    seen = Observations.of(landmarks, rig)
    sigma = np.nan_to_num(seen.sigma_rad[:, :, 11], nan=0.01)
    return decide_sides(seen.origins[:, 0], seen.rays, seen.weight, sigma, times_s)


def exchanged(frames: int, **stretches) -> np.ndarray:
    """Mark camera 0, 1, ... over stretches of frames."""
    swap = np.zeros((4, frames), dtype=bool)
    for name, (start, stop) in stretches.items():
        swap[int(name[-1]), start:stop] = True
    return swap


def test_right_labels_are_left_alone(simulated):
    assert not decided(simulated.landmarks, simulated.rig, simulated.times_s).any()


@pytest.mark.parametrize(
    "stretches",
    [
        {"camera2": (0, 30)},
        {"camera2": (5, 12)},
        {"camera2": (3, 20), "camera3": (10, 30)},
        {"camera0": (8, 9), "camera3": (20, 24)},
        {"camera0": (0, 30), "camera1": (0, 30), "camera2": (0, 30)},
    ],
    ids=["one camera always", "one camera for a while", "two cameras that overlap", "single frames", "three of four cameras"],
)
def test_exchanged_stretches_are_found_again(simulated, stretches):
    swap = exchanged(30, **stretches)
    assert np.array_equal(decided(simulated.landmarks.exchanged(swap), simulated.rig, simulated.times_s), swap)


def test_views_that_are_all_exchanged_are_noticed_by_toes_that_point_backwards(simulated):
    swap = np.ones((4, 30), dtype=bool)
    assert decided(simulated.landmarks.exchanged(swap), simulated.rig, simulated.times_s).all()


def test_two_cameras_and_a_third_that_misses_frames_are_enough(make_simulated, hide):
    person = make_simulated(frames=12, azimuths_deg=(30.0, -60.0, 150.0), seed=3)
    swap = np.zeros((3, 12), dtype=bool)
    swap[1, 4:9] = True
    hidden = np.zeros((3, 12, 75), dtype=bool)
    hidden[2, ::2] = True
    found = decided(hide(person.landmarks.exchanged(swap), hidden), person.rig, person.times_s)
    assert np.array_equal(found[:2], swap[:2])
    assert not found[2, 1::2].any()


def test_one_camera_goes_on_as_most_of_its_frames_were(make_simulated):
    person = make_simulated(azimuths_deg=(20.0,))
    swap = np.zeros((1, 30), dtype=bool)
    swap[0, 10:16] = True
    assert np.array_equal(decided(person.landmarks.exchanged(swap), person.rig, person.times_s), swap)


def test_more_cameras_than_can_be_tried_together_are_decided_one_by_one(make_simulated):
    azimuths = tuple(np.linspace(0, 360, MAX_JOINT_STATES + 2, endpoint=False))
    person = make_simulated(frames=4, azimuths_deg=azimuths, seed=5)
    swap = np.zeros((len(azimuths), 4), dtype=bool)
    swap[0], swap[-1, 2:] = True, True
    assert np.array_equal(decided(person.landmarks.exchanged(swap), person.rig, person.times_s), swap)


def test_nobody_in_view_is_not_exchanged(simulated, hide):
    nobody = hide(simulated.landmarks, np.ones((4, 30, 75), dtype=bool))
    assert not decided(nobody, simulated.rig, simulated.times_s).any()


def test_a_single_frame_can_be_decided(make_simulated):
    person = make_simulated(frames=1)
    swap = np.array([[False], [True], [False], [False]])
    assert np.array_equal(decided(person.landmarks.exchanged(swap), person.rig, person.times_s), swap)
