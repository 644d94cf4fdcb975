from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.sources import MAX_ABSENCE_S, MAX_GAP_S, absent_frames, classify, observed_landmarks

O, P, F = Source.OBSERVED, Source.INTERPOLATED, Source.INFERRED  # noqa: E741


def column(*seen: int) -> np.ndarray:
    return np.array(seen, dtype=bool)[:, None]


def test_a_gap_of_two_tenths_of_a_second_is_interpolated_and_a_longer_one_inferred():
    seen = column(1, 0, 0, 1)
    assert list(classify(seen, np.array([0.0, 0.1, 0.15, MAX_GAP_S]))[:, 0]) == [O, P, P, O]
    assert list(classify(seen, np.array([0.0, 0.1, 0.15, MAX_GAP_S + 0.01]))[:, 0]) == [O, F, F, O]


def test_the_gap_is_measured_in_time_and_not_in_frames():
    seen = column(1, 0, 1, 0, 0, 0, 0, 0, 1)
    times = np.array([0.0, 0.2, 0.4, 0.42, 0.44, 0.46, 0.48, 0.5, 0.52])
    assert list(classify(seen, times)[:, 0]) == [O, F, O, P, P, P, P, P, O]


def test_before_the_first_and_after_the_last_observation_everything_is_inferred():
    assert list(classify(column(0, 1, 0), np.array([0.0, 0.01, 0.02]))[:, 0]) == [F, O, F]
    assert list(classify(column(0, 0), np.array([0.0, 0.01]))[:, 0]) == [F, F]


def test_each_landmark_is_classified_by_itself():
    seen = np.array([[1, 1], [0, 1], [1, 0]], dtype=bool)
    assert classify(seen, np.array([0.0, 0.05, 0.1])).tolist() == [[O, O], [P, O], [O, F]]


def test_frames_far_in_time_from_any_body_are_absent():
    times = np.array([0.0, 0.5, MAX_ABSENCE_S, 1.6, 2.4, 3.0])
    seen = np.zeros((6, 75), dtype=bool)
    seen[[0, 5], :33] = True
    assert absent_frames(seen, times).tolist() == [False, False, False, True, False, False]


def test_an_hour_of_frames_does_not_fill_the_memory():
    seen = np.zeros((216_000, 75), dtype=bool)
    seen[::1000, :33] = True  # every 16.7 s
    absent = absent_frames(seen, np.arange(216_000) / 60)
    assert absent[62:939].all()
    assert not absent[:60].any()
    assert not absent[941:1000].any()


def test_a_hand_alone_is_no_body():
    seen = np.zeros((2, 75), dtype=bool)
    seen[0, 33:54] = True
    assert absent_frames(seen, np.array([0.0, 0.1])).all()


def test_what_two_cameras_agree_on_is_observed_and_what_only_one_sees_is_not(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[1:, :, 15] = True
    hidden[2:, :, 16] = True
    observed = observed_landmarks(Observations.of(hide(simulated.landmarks, hidden), simulated.rig), simulated.points)
    assert not observed[:, 15].any()
    assert observed[:, 16].mean() > 0.9
    assert observed[:, 17:].mean() > 0.98


def test_a_fit_that_lies_beside_the_detection_is_not_observed(simulated):
    observed = observed_landmarks(Observations.of(simulated.landmarks, simulated.rig), simulated.points + np.array([0.0, 0.0, 0.3]))
    assert not observed.any()


def test_one_camera_is_enough_where_there_is_only_one(make_simulated):
    person = make_simulated(frames=3, azimuths_deg=(20.0,))
    assert observed_landmarks(Observations.of(person.landmarks, person.rig), person.points).mean() > 0.98


@pytest.mark.parametrize("confidence", [0.35, 0.45])
def test_a_view_that_the_detector_doubts_does_not_count(simulated, confidence):
    doubtful = type(simulated.landmarks)(
        simulated.landmarks.cameras, simulated.landmarks.times_s, simulated.landmarks.pixels,
        np.full((4, 30, 75), confidence), simulated.landmarks.shape_m,
    )  # fmt: skip
    assert not observed_landmarks(Observations.of(doubtful, simulated.rig), simulated.points)[:, :33].any()
