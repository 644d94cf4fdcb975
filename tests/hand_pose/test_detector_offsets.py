"""What a detector marks beside a landmark is taken off: residuals know of it, landmarks that are put out do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.hand_pose import detector_offsets, human
from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human import BONES, Human
from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND


def test_the_table_names_landmarks_of_the_hand_and_offsets_of_millimetres():
    assert set(detector_offsets.table()) <= set(HAND_NAMES)
    assert len(detector_offsets.table()) >= 10
    sizes = [np.linalg.norm(offset) for offset in detector_offsets.table().values()]
    assert min(sizes) > 0.005
    assert max(sizes) < 0.15  # of a hand of 0.18 m


def test_right_hands_have_the_mirror_image_and_the_body_none():
    table = detector_offsets.detected_map()
    np.testing.assert_array_equal(table[RIGHT_HAND], table[LEFT_HAND] * np.array([1.0, -1.0, 1.0])[:, None])
    assert not table[: LEFT_HAND.start].any()


def test_an_offset_is_a_share_of_the_hands_length(monkeypatch):
    monkeypatch.setattr(human, "detected_map", detector_offsets.detected_map)
    person = Human(np.full(len(BONES), 0.05))
    name = next(iter(detector_offsets.table()))
    row = LANDMARK_NAMES.index(f"left_hand_{name}")
    expected = np.array(detector_offsets.table()[name]) * 0.05 * len(detector_offsets.HAND_LENGTH)
    np.testing.assert_allclose(person.detected_offsets[row] - person.landmark_offsets[row], expected)


@pytest.fixture
def marked(make_simulated, monkeypatch):
    """A person whose detector marks what the table says."""
    monkeypatch.setattr(human, "detected_map", detector_offsets.detected_map)
    person = make_simulated(frames=8, noise_px=1.0)
    points = BatchedKinematics.of(Human(person.human.lengths), person.configurations).detected
    pixels = np.array(person.landmarks.pixels)
    for row, camera in enumerate(person.rig.cameras.values()):
        T = np.linalg.inv(camera.T_body_camera)
        shift = [camera.model.project(places @ T[:3, :3].T + T[:3, 3]) for places in (points, person.points)]
        pixels[row] += shift[0] - shift[1]
    return replace(person, landmarks=replace(person.landmarks, pixels=pixels))


def test_landmarks_come_out_where_anatomy_has_them(marked, monkeypatch):
    found = estimate(marked.landmarks, marked.rig).landmarks[:, 33:]
    error = np.linalg.norm(found - marked.points[:, 33:], axis=-1)
    assert np.median(error) < 0.004
    monkeypatch.setattr(human, "detected_map", lambda: np.zeros((75, 3, len(BONES))))
    without = np.linalg.norm(estimate(marked.landmarks, marked.rig).landmarks[:, 33:] - marked.points[:, 33:], axis=-1)
    assert np.median(without) > 1.3 * np.median(error)
