"""Recordings that went wrong, through the whole estimator: what comes out is right where it can be, and says so where it cannot. All of it simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from worn_person import WornPerson, worn_person

from bodydouble.calibration import contains
from bodydouble.errors import DataError
from bodydouble.hand_pose.camera_poses import project
from bodydouble.hand_pose.clock_check import clock_offsets
from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND, Landmarks

HANDS = (LEFT_HAND, RIGHT_HAND)
FRAMES = 60


@pytest.fixture(scope="module")
def person() -> WornPerson:
    """Two seconds of a person whose hands carry the right labels, until a test takes them away."""
    return worn_person(frames=FRAMES, flips=0.0, hidden=0.0)


@pytest.fixture(scope="module")
def motion(person: WornPerson) -> HumanMotion:
    return fitted(person)


def fitted(person: WornPerson, landmarks: Landmarks | None = None) -> HumanMotion:
    return estimate(person.landmarks if landmarks is None else landmarks, person.rig, camera_poses=person.camera_poses)


def hand_error_mm(found: HumanMotion, person: WornPerson, hand: slice, frames: slice = slice(None)) -> float:
    return float(1e3 * np.linalg.norm(found.landmarks - person.points, axis=-1)[frames, hand].mean())


def taken_away(landmarks: Landmarks, gone: np.ndarray) -> Landmarks:
    """Return landmarks without those that ``gone`` (C, T, 75) marks."""
    return replace(
        landmarks, pixels=np.where(gone[..., None], np.nan, landmarks.pixels), confidence=np.where(gone, np.nan, landmarks.confidence),
        shape_m=np.where(gone[..., None], np.nan, landmarks.shape_m),
    )  # fmt: skip


def nothing_gone(person: WornPerson) -> np.ndarray:
    return np.zeros(person.landmarks.confidence.shape, dtype=bool)


def with_labels_exchanged(landmarks: Landmarks, frames: slice) -> Landmarks:
    swap = np.zeros(landmarks.confidence.shape[:2], dtype=bool)
    swap[:, frames] = True
    return landmarks.exchanged(swap)


@pytest.mark.parametrize("away", [6, 15])
def test_a_hand_that_leaves_and_comes_back_as_the_other_one_keeps_its_side_while_the_other_is_away(person, away):
    gone = nothing_gone(person)
    gone[:, 20 : 20 + away, RIGHT_HAND] = True
    gone[:, 20:, LEFT_HAND] = True  # the right hand alone comes back, and every camera calls it left
    found = fitted(person, with_labels_exchanged(taken_away(person.landmarks, gone), slice(20 + away, None)))
    back = slice(20 + away, None)
    assert hand_error_mm(found, person, RIGHT_HAND, back) < 20
    assert (found.landmark_source[back, RIGHT_HAND] == Source.OBSERVED).mean() > 0.9
    assert not (found.landmark_source[back, LEFT_HAND] == Source.OBSERVED).any()


def test_a_hand_that_leaves_and_comes_back_as_the_other_one_beside_it_keeps_its_side(person):
    gone = nothing_gone(person)
    gone[:, 20:30, RIGHT_HAND] = True
    found = fitted(person, with_labels_exchanged(taken_away(person.landmarks, gone), slice(30, None)))
    seen = np.isfinite(person.landmarks.pixels[:, 30:, [33, 54], 0]).any(axis=-1)
    assert (found.relabelled[:, 30:] == 1)[seen].all()
    for hand in HANDS:
        assert hand_error_mm(found, person, hand, slice(30, None)) < 15


def test_a_hand_that_is_away_for_a_third_of_a_second_is_inferred_not_interpolated(person):
    gone = nothing_gone(person)
    gone[:, 20:30, RIGHT_HAND] = True
    found = fitted(person, taken_away(person.landmarks, gone))
    assert (found.landmark_source[20:30, RIGHT_HAND] == Source.INFERRED).all()
    assert (found.landmark_source[30:, RIGHT_HAND] == Source.OBSERVED).mean() > 0.95
    assert np.isfinite(found.landmarks).all()


def other_persons_hands(person: WornPerson, landmarks: Landmarks, shift_m: tuple[float, float, float], frames: slice) -> Landmarks:
    """Let the cameras find the hands of somebody who does the same, ``shift_m`` further away, in place of the wearer's."""
    pixels, confidence, shape_m = np.array(landmarks.pixels), np.array(landmarks.confidence), np.array(landmarks.shape_m)
    chosen = np.zeros(landmarks.frames, dtype=bool)
    chosen[frames] = True
    for row, name in enumerate(landmarks.cameras):
        model = person.rig.camera(name).model
        there = project(model, person.camera_poses.of_camera(name), person.points + shift_m)
        R = person.camera_poses.of_camera(name)[:, :3, :3]
        for hand in HANDS:
            seen = chosen & contains(model, np.nan_to_num(there[:, hand], nan=-1.0)).all(axis=1)
            pixels[row, chosen, hand], confidence[row, chosen, hand], shape_m[row, chosen, hand] = np.nan, np.nan, np.nan
            pixels[row, seen, hand] = there[seen, hand]
            confidence[row, seen, hand] = 0.9
            own = person.points[:, hand] - person.points[:, hand].mean(axis=1, keepdims=True)
            shape_m[row, seen, hand] = np.einsum("tji,tnj->tni", R, own)[seen]
    return replace(landmarks, pixels=pixels, confidence=confidence, shape_m=shape_m)


def test_hands_of_a_second_person_beyond_reach_are_not_the_wearers(person):
    landmarks = other_persons_hands(person, person.landmarks, (1.2, 0.0, 0.1), slice(20, 50))
    assert np.isfinite(landmarks.pixels[:, 20:50, 33:]).any(axis=-1).sum() > 300
    found = fitted(person, landmarks)
    assert not (found.landmark_source[20:50, 33:] == Source.OBSERVED).any()
    assert np.linalg.norm(found.landmarks - person.points, axis=-1)[20:50, 33:].max() < 0.6
    for hand in HANDS:
        assert hand_error_mm(found, person, hand, slice(0, 20)) < 15


def test_a_second_persons_hands_in_one_camera_do_not_move_the_wearers(person, motion):
    row = person.landmarks.cameras.index("front")
    other = other_persons_hands(person, person.landmarks, (0.9, 0.2, 0.1), slice(20, 50))
    views = {name: np.array(getattr(person.landmarks, name)) for name in ("pixels", "confidence", "shape_m")}
    for name, values in views.items():
        values[row] = getattr(other, name)[row]
    found = fitted(person, replace(person.landmarks, **views))
    for hand in HANDS:
        assert hand_error_mm(found, person, hand, slice(20, 50)) < hand_error_mm(motion, person, hand, slice(20, 50)) + 5


@pytest.mark.parametrize("camera", ["front", "left_down", "right_side"])
def test_a_camera_that_is_covered_in_mid_take_leaves_the_hands_where_they_are(person, motion, camera):
    gone = nothing_gone(person)
    gone[person.landmarks.cameras.index(camera), 20:40] = True
    found = fitted(person, taken_away(person.landmarks, gone))
    for hand in HANDS:
        assert hand_error_mm(found, person, hand) < hand_error_mm(motion, person, hand) + 6
    assert (found.landmark_source[:, 33:] == Source.OBSERVED).mean() > 0.9


def test_when_all_cameras_are_covered_nothing_is_observed(person):
    gone = nothing_gone(person)
    gone[:, 20:40] = True
    found = fitted(person, taken_away(person.landmarks, gone))
    assert not (found.landmark_source[20:40, 33:] == Source.OBSERVED).any()
    assert np.isfinite(found.landmarks).all()


def test_no_hands_at_all_is_one_sentence_that_says_what_to_do(person):
    with pytest.raises(DataError, match=r"No frame shows a hand to a worn camera.*--start and --stop") as refused:
        fitted(person, taken_away(person.landmarks, ~nothing_gone(person)))
    assert refused.value.exit_code == 1
    assert "\n" not in str(refused.value)


def test_a_single_frame_is_fitted_and_says_nothing_of_clocks(person):
    landmarks = replace(
        person.landmarks, **{name: getattr(person.landmarks, name)[:, 7:8] for name in ("times_s", "pixels", "confidence", "shape_m")}
    )
    bodies = {name: T[7:8] for name, T in person.camera_poses.T_world_body.items()}
    poses = replace(person.camera_poses, T_world_camera=person.camera_poses.T_world_camera[:, 7:8], T_world_body=bodies)
    found = estimate(landmarks, person.rig, camera_poses=poses)
    assert np.linalg.norm(found.landmarks[0] - person.points[7], axis=-1)[33:].mean() < 0.03
    assert np.isnan(clock_offsets(found, landmarks, person.rig).offset_s).all()


def slipped(person: WornPerson, degrees: float, from_frame: int) -> WornPerson:
    """Turn the helmet on the head about the ears: the cameras and what they see of the hands are where they were, the head's true pose is not the helmet's."""
    head = np.array(person.camera_poses.T_world_body["helmet"])
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    turned = head.copy()
    turned[from_frame:] = head[from_frame:] @ turn
    T = np.stack([turned @ person.rig.camera(name).T_body_camera for name in person.landmarks.cameras])
    poses = replace(person.camera_poses, T_world_camera=T, T_world_body={"helmet": turned})
    pixels = np.array(person.landmarks.pixels)
    for row, name in enumerate(person.landmarks.cameras):
        model = person.rig.camera(name).model
        moved = project(model, T[row], person.points) - project(model, person.camera_poses.of_camera(name), person.points)
        pixels[row] += moved
    return replace(person, camera_poses=poses, landmarks=replace(person.landmarks, pixels=pixels))


def test_hands_stay_where_they_are_when_the_helmet_slips(person, motion):
    wearer = slipped(person, 3.0, FRAMES // 2)
    found = fitted(wearer)
    assert np.isfinite(found.landmarks).all()
    for hand in HANDS:
        assert hand_error_mm(found, wearer, hand) < hand_error_mm(motion, person, hand) + 4
    jump = np.linalg.norm(np.diff(found.landmarks[FRAMES // 2 - 1 : FRAMES // 2 + 1, 33:], axis=0), axis=-1)
    assert jump.max() < 0.05


def test_a_head_that_is_taken_to_be_elsewhere_for_a_moment_moves_the_hands_with_it_and_no_further(person, motion):
    """A tag map that turns the located head by 3 degrees, against the images: hands hang on the cameras, 0.5 m from them."""
    turned = slipped(person, 3.0, FRAMES // 2)
    found = fitted(replace(turned, landmarks=person.landmarks))
    before, after = slice(0, FRAMES // 2 - 3), slice(FRAMES // 2, None)
    for hand in HANDS:
        assert hand_error_mm(found, person, hand, before) < hand_error_mm(motion, person, hand, before) + 5
        assert hand_error_mm(found, person, hand, after) < 60
    assert np.isfinite(found.landmarks).all()
