"""Faults: what was asked for is what is done, the rest is chosen by the seed, and nonsense is one sentence."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bodydouble.calibration.transform import rotvec_of
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.faults import FAULTS, Faults, choose_faults

CAMERAS = ("front", "left_down", "right_down", "left_side", "right_side")


def choose(*asked: str, seed: int = 1) -> Faults:
    return choose_faults(asked, CAMERAS, seconds=6.0, seed=seed)


def test_nothing_goes_wrong_unless_asked():
    assert choose() == Faults()
    assert choose().as_dict({}) == {}


def test_every_fault_can_be_asked_for_and_says_exactly_what_was_done():
    faults = choose(*FAULTS)
    said = faults.as_dict({name: [3, 7] for name in CAMERAS})
    assert set(said) == set(FAULTS)
    assert json.loads(json.dumps(said)) == said
    assert len(said["dropped"]["cameras"]) == 2
    assert faults.gloves


def test_the_seed_alone_decides_and_other_faults_change_nothing():
    assert choose("clock-offset").offset_s == choose("bumped", "clock-offset", "dropped").offset_s
    assert choose("clock-offset", seed=1) != choose("clock-offset", seed=2)


def test_single_camera_faults_hit_different_cameras():
    faults = choose("clock-offset", "clock-drift", "bumped", "covered")
    assert len({*faults.offset_s, *faults.drift, *faults.bumped, *faults.covered}) == 4


@pytest.mark.parametrize("seed", range(5))
def test_defaults_are_of_the_size_that_matters(seed):
    faults = choose("clock-offset", "clock-drift", seed=seed)
    assert all(0.008 <= abs(value) <= 0.02 for value in faults.offset_s.values())
    assert all(0.001 <= abs(value) <= 0.002 for value in faults.drift.values())


def test_camera_and_value_can_be_given():
    assert choose("clock-offset=front:0.012").offset_s == {"front": 0.012}
    assert choose("clock-drift=front:-0.001").drift == {"front": -0.001}
    assert choose("dropped=left_down:0.2").dropped == {"left_down": 0.2}
    assert list(choose("covered=front").covered) == ["front"]
    assert choose("clock-offset=front:0.012", "clock-offset=left_down:-0.01").offset_s == {"front": 0.012, "left_down": -0.01}


def test_a_bump_turns_the_camera_by_three_degrees_and_moves_it_eight_millimetres_half_way():
    faults = choose("bumped=front")
    np.testing.assert_array_equal(faults.T_camera_bumped("front", 2.999), np.eye(4))
    np.testing.assert_array_equal(faults.T_camera_bumped("left_down", 5.0), np.eye(4))
    T = faults.T_camera_bumped("front", 3.0)
    assert math.degrees(np.linalg.norm(rotvec_of(T))) == pytest.approx(3.0)
    assert np.linalg.norm(T[:3, 3]) == pytest.approx(0.008)


def test_a_lens_is_covered_in_the_middle_third():
    faults = choose("covered=front")
    assert [faults.is_covered("front", t) for t in (1.99, 2.0, 3.99, 4.0)] == [False, True, True, False]
    assert not faults.is_covered("left_down", 3.0)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("drop", UnknownNameError, "fault 'drop' is not in the simulation; valid: dropped, clock-offset, .* Did you mean 'dropped'"),
        ("covered=frnt", UnknownNameError, "camera 'frnt' .*Did you mean 'front'"),
        ("clock-offset=front:soon", UsageError, "expected a value from -1 to 1 in s"),
        ("clock-offset=front:2", UsageError, "expected a value from -1 to 1 in s"),
        ("clock-offset=front:nan", UsageError, "expected a value"),
        ("dropped=front:-0.1", UsageError, "expected a value from 0 to 0.9 as a share"),
        ("covered=front:3", UsageError, "takes a camera and no value"),
        ("gloves=front", UsageError, "take no camera"),
        ("bumped=", UnknownNameError, "camera ''"),
    ],
)
def test_what_cannot_be_is_one_sentence(text, error, said):
    with pytest.raises(error, match=said):
        choose(text)
