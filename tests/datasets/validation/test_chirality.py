"""Left hands are told from right ones, and people from people turned inside out, by shape alone."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.datasets.validation.chirality import backwards, curl
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, swapped_sides
from bodydouble.hand_pose.skeleton import JOINTS, TYPICAL_LENGTHS


@pytest.fixture(scope="module")
def bent() -> np.ndarray:
    """Give the landmarks (1, 75, 3) of a person whose fingers are bent as at rest."""
    human = Human(np.array([TYPICAL_LENGTHS[bone] for bone in BONES]))
    q = human.rest.copy()
    for joint in JOINTS:
        if joint.name.endswith(("_mcp", "_pip")) and "thumb" not in joint.name:
            q[human.positions(joint.name)] = 0.5
    return human.landmarks(q)[None]


def test_bent_fingers_tell_left_from_right(bent):
    assert curl(bent[:, LEFT_HAND])[0] < -0.3
    assert curl(bent[:, RIGHT_HAND])[0] > 0.3


def test_a_mirrored_hand_is_one_of_the_other_side(bent):
    assert curl(bent[:, LEFT_HAND] * [1, -1, 1])[0] == pytest.approx(-curl(bent[:, LEFT_HAND])[0])


def test_straight_fingers_tell_nothing():
    human = Human(np.array([TYPICAL_LENGTHS[bone] for bone in BONES]))
    assert abs(curl(human.landmarks(human.rest)[None, LEFT_HAND])[0]) < 0.05


def test_face_and_feet_are_behind_a_person_whose_sides_are_exchanged(bent):
    def named(points):
        return dict(zip(LANDMARK_NAMES, np.swapaxes(points, 0, 1), strict=True))

    assert backwards(named(bent)).tolist() == [0.0]
    assert backwards(named(bent[:, swapped_sides()])).tolist() == [1.0]


def test_a_person_of_whom_the_feet_are_not_known_is_not_judged(bent):
    points = bent.copy()
    points[:, LANDMARK_NAMES.index("left_heel")] = np.nan
    named = dict(zip(LANDMARK_NAMES, np.swapaxes(points, 0, 1), strict=True))
    assert np.isnan(backwards(named)).all()
