"""The simulated body: skin that follows bones, landmarks rigid on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.errors import DataError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.landmark_table import landmark_places
from bodydouble.hand_pose.simulation.moment import Part


def at_rest(body: Body) -> tuple[np.ndarray, np.ndarray]:
    T = np.eye(4)
    T[:3, 3] = body.heads[0]
    return np.tile(np.eye(3), (len(body.bones), 1, 1)), T


def test_no_rotation_leaves_skin_joints_and_landmarks_where_they_rest(person: Body) -> None:
    posed = person.posed(*at_rest(person))
    np.testing.assert_allclose(posed.vertices, person.vertices, atol=1e-5)
    np.testing.assert_allclose(posed.joints, person.heads, atol=1e-12)
    np.testing.assert_allclose(posed.landmarks, person.landmarks, atol=1e-12)


def test_moving_the_root_moves_everything_with_it(person: Body) -> None:
    rotations, T = at_rest(person)
    turn = Rotation.from_rotvec([0.3, -0.2, 1.1]).as_matrix()
    T[:3, :3] = turn
    posed = person.posed(rotations, T)
    np.testing.assert_allclose(posed.vertices, (person.vertices - person.heads[0]) @ turn.T + person.heads[0], atol=1e-5)
    np.testing.assert_allclose(posed.landmarks, (person.landmarks - person.heads[0]) @ turn.T + person.heads[0], atol=1e-12)


def test_bones_keep_their_length_in_any_pose(person: Body) -> None:
    rotations, T = at_rest(person)
    rng = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(rng.normal(0, 0.4, (len(rotations), 3))).as_matrix()
    posed = person.posed(rotations, T)
    children = np.flatnonzero(person.parents >= 0)
    length = np.linalg.norm(posed.joints[children] - posed.joints[person.parents[children]], axis=1)
    np.testing.assert_allclose(length, np.linalg.norm(person.heads[children] - person.heads[person.parents[children]], axis=1), atol=1e-12)


def test_a_bent_finger_moves_only_that_finger(person: Body) -> None:
    rotations, T = at_rest(person)
    rotations[person.bone("finger2-1.L")] = Rotation.from_rotvec([0.5, 0.5, 0.0]).as_matrix()
    moved = np.linalg.norm(person.posed(rotations, T).landmarks - person.landmarks, axis=1) > 1e-9
    assert np.flatnonzero(moved).tolist() == [33 + 6, 33 + 7, 33 + 8]


def test_the_knuckles_are_where_buchholz_measured_them(person: Body) -> None:
    hand = person.landmarks[33:54]
    length = sum(np.linalg.norm(hand[b] - hand[a]) for a, b in ((0, 9), (9, 10), (10, 11), (11, 12)))
    shares = [np.linalg.norm(hand[k + 1] - hand[k]) / length for k in (5, 9, 13, 17)]
    np.testing.assert_allclose(shares, [0.245, 0.266, 0.244, 0.204], atol=0.012)
    assert np.linalg.norm(hand[9] - hand[0]) / length == pytest.approx(0.446, abs=0.05)


def test_left_and_right_are_mirror_images(person: Body) -> None:
    np.testing.assert_allclose(person.landmarks[33:54] * (1, -1, 1), person.landmarks[54:75], atol=2e-3)


def test_hands_are_parts_of_their_own(person: Body) -> None:
    middle = person.vertices[person.triangles].mean(axis=1)
    for part, side in ((Part.LEFT_HAND, "L"), (Part.RIGHT_HAND, "R")):
        away = np.linalg.norm(middle[person.part == part] - person.head(f"wrist.{side}"), axis=1)
        assert away.size > 1000
        assert away.max() < 0.25


def test_a_saved_body_comes_back_and_another_file_is_refused(person: Body, tmp_path: Path) -> None:
    person.save(tmp_path / "body.h5")
    again = Body.load(tmp_path / "body.h5")
    assert again.bones == person.bones
    np.testing.assert_array_equal(again.vertices, person.vertices)
    (tmp_path / "other.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a simulated body"):
        Body.load(tmp_path / "other.h5")


def test_another_mesh_than_makehumans_is_refused(person: Body) -> None:
    with pytest.raises(ValueError, match="lacks vertices"):
        landmark_places(person.bones, person.heads, person.vertices, np.zeros(len(person.vertices), dtype=np.int64))
