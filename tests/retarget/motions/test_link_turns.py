"""How links are turned, told from points alone: known poses come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bodydouble.retarget.mapping import END_POINTS, HUMAN_LINKS
from bodydouble.retarget.motions.body_points import BodyPoints, observed
from bodydouble.retarget.motions.link_turns import link_turns

EXACT = ("thorax", "pelvis", "clavicle", "upper_arm", "forearm", "hand", "thigh", "shank", "foot", "metacarpal")


def points_of(person: Any, *without: str) -> BodyPoints:
    names = [name for name in (*HUMAN_LINKS, *END_POINTS) if not any(part in name for part in without)]
    places = {name: person.place(name) for name in names}
    return BodyPoints(person.times_s, places, observed(places))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle (T,) rad between rotations (T, 3, 3)."""
    return Rotation.from_matrix(np.swapaxes(a, 1, 2) @ b).magnitude()


def test_a_bent_body_comes_back_from_its_joints_places(someone_moving: Any) -> None:
    person = someone_moving(shrugging=False)
    turns = link_turns(points_of(person))
    for link in HUMAN_LINKS:
        if link.endswith(EXACT):
            assert apart(turns[link], person.turn(link)).max() < 1e-5, link


def test_fingers_and_thumbs_come_back_within_the_hold_on_their_spread(someone_moving: Any) -> None:
    person = someone_moving(shrugging=False)
    turns = link_turns(points_of(person))
    for link in HUMAN_LINKS:
        if any(part in link for part in ("thumb", "index", "middle", "ring", "little")):
            assert np.median(apart(turns[link], person.turn(link))) < np.radians(1), link
            assert apart(turns[link], person.turn(link)).max() < np.radians(5), link
            along = 2 if "thumb" not in link else 0
            if along == 2:  # the bone itself is exact
                np.testing.assert_allclose(turns[link][:, :, 2], person.turn(link)[:, :, 2], atol=1e-7)


@given(st.floats(-np.pi, np.pi), st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_the_heading_changes_nothing_but_the_heading(someone_moving: Any, heading: float, seed: int) -> None:
    body = points_of(someone_moving(20, seed), "tip", "heel")
    turn = Rotation.from_euler("z", heading).as_matrix()
    before, after = link_turns(body), link_turns(body.moved(turn, np.array([3.0, -1.0, 0.5])))
    for link, rotation in before.items():
        np.testing.assert_allclose(after[link], turn @ rotation, atol=1e-6, err_msg=link)


@given(st.floats(0.6, 1.3), st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_the_size_of_the_person_changes_nothing(someone_moving: Any, size: float, seed: int) -> None:
    body = points_of(someone_moving(20, seed), "tip")
    larger = BodyPoints(body.times_s, {name: place * size for name, place in body.places.items()}, body.source)
    for link, rotation in link_turns(body).items():
        np.testing.assert_allclose(link_turns(larger)[link], rotation, atol=2e-5, err_msg=link)


def mirrored(body: BodyPoints) -> BodyPoints:
    flip = {"left": "right", "right": "left"}
    places = {}
    for name, place in body.places.items():
        side, _, rest = name.partition("_")
        places[f"{flip[side]}_{rest}" if side in flip else name] = place * [1.0, -1.0, 1.0]
    return BodyPoints(body.times_s, places, body.source)


def test_left_and_right_are_mirror_images(someone_moving: Any) -> None:
    body = points_of(someone_moving(30, 3))
    turns, other = link_turns(body), link_turns(mirrored(body))
    mirror = np.diag([1.0, -1.0, 1.0])
    for link in HUMAN_LINKS:
        side, _, rest = link.partition("_")
        twin = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, link)
        np.testing.assert_allclose(other[twin], mirror @ turns[link] @ mirror, atol=1e-6, err_msg=link)


def test_elbows_and_knees_bend_the_right_way(posed: Any) -> None:
    person = posed({"left_elbow_flexion": 1.2, "right_elbow_flexion": 1.2, "left_knee_flexion": 1.0, "right_knee_flexion": 1.0})
    turns = link_turns(points_of(person))
    for side in ("left", "right"):
        np.testing.assert_allclose(turns[f"{side}_upper_arm"][0], np.eye(3), atol=1e-9)  # y to the left, whichever the side
        np.testing.assert_allclose(turns[f"{side}_thigh"][0], np.eye(3), atol=1e-9)
        assert turns[f"{side}_forearm"][0, 0, 2] < -0.9  # z against the bone, which points forward


def test_a_straight_body_is_turned_as_its_zero_pose(posed: Any) -> None:
    turns = link_turns(points_of(posed({})))
    for link in HUMAN_LINKS:
        np.testing.assert_allclose(turns[link][0], np.eye(3), atol=1e-6, err_msg=link)


def test_a_straight_leg_looks_where_its_foot_does(posed: Any) -> None:
    person = posed({"left_hip": [0.0, 0.0, 0.6]})
    np.testing.assert_allclose(link_turns(points_of(person))["left_thigh"][0], person.turn("left_thigh")[0], atol=1e-3)


def test_an_arm_that_straightens_and_bends_again_does_not_flip(posed: Any) -> None:
    frames = 121
    swing = np.linspace(0, 2 * np.pi, frames)
    flexion = 0.6 * (1 + np.cos(swing))  # straight in the middle, with noise on the joints
    twist = np.stack([np.full(frames, 0.5), np.zeros(frames), np.full(frames, 0.8)], axis=1)
    person = posed({"left_shoulder": twist, "left_elbow_flexion": flexion}, frames)
    body = points_of(person)
    noise = np.random.default_rng(0).normal(0, 0.001, (frames, 3))
    noisy = BodyPoints(body.times_s, {**body.places, "left_forearm": body.places["left_forearm"] + noise}, body.source)
    turn = link_turns(noisy)["left_upper_arm"]
    assert apart(turn[:-1], turn[1:]).max() < np.radians(8)
    assert apart(turn, person.turn("left_upper_arm")).max() < np.radians(10)


def test_an_arm_that_never_bends_is_turned_least_from_hanging(t_pose: Any) -> None:
    turn = link_turns(points_of(t_pose))
    for side in ("left", "right"):  # arms out: thumbs ahead, palms down
        np.testing.assert_allclose(turn[f"{side}_hand"][0], t_pose.turn(f"{side}_hand")[0], atol=1e-6)
        assert apart(turn[f"{side}_upper_arm"], t_pose.turn(f"{side}_upper_arm"))[0] < np.radians(35)


@pytest.mark.parametrize("missing", ["left_hand", "right_shank", "neck", "left_index", "thigh", "upper_arm"])
def test_a_missing_point_takes_away_what_hangs_on_it_and_no_more(someone_moving: Any, missing: str) -> None:
    person = someone_moving(20)
    body = points_of(person)
    places = {name: place.copy() for name, place in body.places.items()}
    for name in places:
        if missing in name:
            places[name][5:9] = np.nan
    turns = link_turns(BodyPoints(body.times_s, places, body.source))
    for link, turn in turns.items():
        whole = np.isfinite(turn).reshape(20, -1)
        assert (whole.all(axis=1) == whole.any(axis=1)).all(), link
        assert whole[[0, 4, 9, 19]].all(), link
    if missing == "left_hand":
        assert np.isnan(turns["left_hand"][5:9]).all() or np.isfinite(turns["left_hand"][5:9]).all()
        assert np.isnan(turns["left_forearm"][6]).all()
        assert np.isfinite(turns["right_forearm"][6]).all()


def test_a_head_with_a_face_is_turned_by_it(posed: Any) -> None:
    from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

    person = posed({"head": [0.1, 0.4, 0.7]})
    body = points_of(person)
    face = {name: person.landmarks[:, LANDMARK_NAMES.index(name)] for name in ("nose", "left_ear", "right_ear", "left_eye", "right_eye")}
    turns = link_turns(BodyPoints(body.times_s, {**body.places, **face}, body.source))
    np.testing.assert_allclose(turns["head"][0], person.turn("head")[0], atol=1e-6)


def test_a_neck_that_the_file_draws_leaning_is_straight_where_it_mostly_is(posed: Any) -> None:
    person = posed({}, 50)
    body = points_of(person)
    lean = np.tile([0.06, 0.0, 0.09], (50, 1))
    lean[40:, 0] += 0.06  # the head goes down in the end
    turns = link_turns(BodyPoints(body.times_s, {**body.places, "head": person.place("neck") + lean}, body.source))
    np.testing.assert_allclose(turns["head"][0], np.eye(3), atol=1e-6)
    assert turns["head"][45, 2, 0] < -0.2  # x points down


def test_feet_that_stand_are_flat_however_high_the_file_puts_their_ankle(posed: Any) -> None:
    person = posed({"left_hip": [0.25, 0.0, 0.0], "right_hip": [-0.25, 0.0, 0.0]}, 30)  # legs apart, feet rolled with them
    body = points_of(person, "heel", "toe_tip")
    places = dict(body.places)
    for side in ("left", "right"):
        places[f"{side}_toes"] = places[f"{side}_foot"] + [0.12, 0.0, -0.02]
    turns = link_turns(BodyPoints(body.times_s, places, body.source))
    for side in ("left", "right"):
        np.testing.assert_allclose(turns[f"{side}_foot"][:, :, 2], np.tile([0, 0, 1.0], (30, 1)), atol=0.02)
