"""The estimator on worn cameras: hands come back, labels are put right, and what no camera can see says so. All of it simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worn_person import WornPerson, worn_person

from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.reprojection import reprojection_residuals

ELBOWS, HIPS = [13, 14], [23, 24]


def errors_mm(motion: HumanMotion, person: WornPerson) -> np.ndarray:
    return 1e3 * np.linalg.norm(motion.landmarks - person.points, axis=-1)


def seen_where(landmarks: Landmarks, kept: np.ndarray) -> Landmarks:
    return replace(
        landmarks, pixels=np.where(kept[..., None], landmarks.pixels, np.nan), confidence=np.where(kept, landmarks.confidence, np.nan),
        shape_m=np.where(kept[..., None], landmarks.shape_m, np.nan),
    )  # fmt: skip


@pytest.fixture(scope="module")
def person() -> WornPerson:
    return worn_person()


@pytest.fixture(scope="module")
def motion(person: WornPerson) -> HumanMotion:
    return estimate(person.landmarks, person.rig, camera_poses=person.camera_poses)


def test_hands_are_found_within_a_centimetre_or_so(person, motion):
    error = errors_mm(motion, person)[:, 33:]
    assert np.mean(error) < 15
    assert np.percentile(error, 95) < 30
    raw = 1e3 * np.linalg.norm(motion.triangulated - person.points, axis=-1)[:, 33:]
    assert np.mean(error) < 0.9 * np.nanmean(raw)


def test_every_wrong_label_is_put_right(person, motion):
    assert person.flipped.any()
    seen = np.isfinite(person.landmarks.pixels[..., [33, 54], 0])
    read = (motion.relabelled == 1)[..., None] & seen
    assert np.array_equal(read, person.flipped & seen)


def test_hands_and_head_are_observed_and_the_rest_is_inferred(person, motion):
    names = LANDMARK_NAMES.index
    assert (motion.landmark_source[:, [*range(33, 75), names("left_wrist"), names("nose")]] == Source.OBSERVED).mean() > 0.97
    hidden = [names(f"{side}_{part}") for side in ("left", "right") for part in ("elbow", "shoulder", "hip", "knee", "ankle")]
    assert (motion.landmark_source[:, hidden] == Source.INFERRED).all()
    legs = [index for index, name in enumerate(motion.joint_names) if "hip" in name or "knee" in name or "ankle" in name]
    assert not (motion.joint_source[:, legs] == Source.OBSERVED).any()


def test_what_is_inferred_is_where_a_person_would_have_it(person, motion):
    error = errors_mm(motion, person)
    assert np.mean(error[:, ELBOWS]) < 100
    assert np.mean(error[:, HIPS]) < 120
    assert np.abs(motion.landmark("left_heel")[:, 2]).max() < 0.15


def test_stature_comes_from_the_height_of_the_eyes(motion):
    assert motion.stature == pytest.approx(1.80, abs=0.12)
    assert "stature" not in motion.assumed


def test_it_says_where_its_cameras_were_and_judges_itself_by_the_hands(person, motion):
    assert motion.frame == "room"
    np.testing.assert_array_equal(motion.camera_poses, person.camera_poses.T_world_camera)
    reprojection = reprojection_residuals(motion, person.landmarks, person.rig)
    assert reprojection.error_px.shape == (5, 30, 54)
    assert 1 < reprojection.median_px < 15
    assert np.isfinite(motion.fit_error_px).all()


def test_it_survives_a_file(motion, tmp_path):
    motion.save(tmp_path / "motion.h5")
    np.testing.assert_array_equal(HumanMotion.load(tmp_path / "motion.h5").camera_poses, motion.camera_poses)


def test_a_camera_can_be_left_out(person):
    cameras = ("left_down", "right_down")
    found = estimate(person.landmarks.select(cameras), person.rig, camera_poses=person.camera_poses.select(cameras))
    assert found.cameras == cameras
    assert np.mean(errors_mm(found, person)[:, 33:]) < 25


def test_a_hand_that_nobody_saw_is_not_observed(person):
    kept = np.ones(person.landmarks.confidence.shape, dtype=bool)
    flipped = person.landmarks.exchanged(person.flipped.any(axis=2))
    kept[:, :, RIGHT_HAND] = False
    found = estimate(seen_where(flipped, kept), person.rig, camera_poses=person.camera_poses)
    assert (found.landmark_source[:, RIGHT_HAND] == Source.INFERRED).all()
    assert (found.landmark_source[:, LEFT_HAND] == Source.OBSERVED).mean() > 0.97
    assert np.isfinite(found.landmarks).all()


def test_frames_in_which_the_head_was_not_located_are_flagged_and_nothing_is_observed_in_them(person):
    T = person.camera_poses.T_world_camera.copy()
    head = person.camera_poses.T_world_body["helmet"].copy()
    T[:, 10:13], head[10:13] = np.nan, np.nan
    found = estimate(
        person.landmarks, person.rig, camera_poses=replace(person.camera_poses, T_world_camera=T, T_world_body={"helmet": head})
    )
    assert found.flags["head_pose_unknown"].tolist() == [10 <= frame < 13 for frame in range(30)]
    assert not (found.landmark_source[10:13] == Source.OBSERVED).any()
    assert np.isfinite(found.landmarks).all()


def test_relative_to_the_head_the_frame_says_so(person):
    poses = CameraPoses.relative_to_body(person.rig, person.rig.names, 30)
    found = estimate(person.landmarks, person.rig, camera_poses=poses)
    assert found.frame == "head"
    assert "stature" in found.assumed
    head = person.camera_poses.T_world_body["helmet"]
    true = np.einsum("tji,tnj->tni", head[:, :3, :3], person.points - head[:, None, :3, 3])
    assert np.mean(1e3 * np.linalg.norm(found.landmarks - true, axis=-1)[:, 33:]) < 15


def test_no_hands_at_all_is_one_sentence(person):
    kept = np.zeros(person.landmarks.confidence.shape, dtype=bool)
    with pytest.raises(DataError, match=r"No frame shows a hand to a worn camera.*--start and --stop"):
        estimate(seen_where(person.landmarks, kept), person.rig, camera_poses=person.camera_poses)


def frames_of(person: WornPerson, frames: slice) -> tuple[Landmarks, CameraPoses]:
    view, poses = person.landmarks, person.camera_poses
    landmarks = Landmarks(view.cameras, *(array[:, frames] for array in (view.times_s, view.pixels, view.confidence, view.shape_m)))
    bodies = {name: T[frames] for name, T in poses.T_world_body.items()}
    return landmarks, CameraPoses(poses.cameras, poses.T_world_camera[:, frames], poses.moving, bodies, poses.frame)


def test_one_frame_is_enough(person):
    landmarks, poses = frames_of(person, slice(4, 5))
    found = estimate(landmarks, person.rig, camera_poses=poses)
    assert found.frames == 1
    assert np.isfinite(found.landmarks).all()
    assert np.median(1e3 * np.linalg.norm(found.landmarks - person.points[4:5], axis=-1)[:, 33:]) < 40


def test_a_camera_that_is_covered_in_mid_take_costs_little(person, motion):
    kept = np.ones(person.landmarks.confidence.shape, dtype=bool)
    kept[person.landmarks.cameras.index("left_down"), 12:] = False
    found = estimate(seen_where(person.landmarks, kept), person.rig, camera_poses=person.camera_poses)
    assert np.isfinite(found.landmarks).all()
    assert np.mean(errors_mm(found, person)[:, 33:]) < 1.5 * np.mean(errors_mm(motion, person)[:, 33:]) + 5
    assert (found.relabelled[person.landmarks.cameras.index("left_down"), 12:] == 255).all()


def test_a_thing_that_one_camera_takes_for_a_hand_does_not_move_the_hand(person, motion):
    pixels = np.array(person.landmarks.pixels)
    row = person.landmarks.cameras.index("front")
    pixels[row, 8:14, 33:] += [90.0, -60.0]
    found = estimate(replace(person.landmarks, pixels=pixels), person.rig, camera_poses=person.camera_poses)
    assert np.mean(errors_mm(found, person)[8:14, 33:]) < np.mean(errors_mm(motion, person)[8:14, 33:]) + 6


def test_it_says_how_the_helmet_sits_and_how_sure_that_is(motion):
    assert set(motion.estimated) == {
        f"helmet.{key}" for key in ("shift_x_m", "shift_y_m", "shift_z_m", "turn_x_rad", "turn_y_rad", "turn_z_rad")
    }
    assert all(0 < item["sigma"] < 0.1 for item in motion.estimated.values())


def test_without_poses_worn_cameras_are_refused(person):
    with pytest.raises(UsageError, match=r"'front' on 'helmet'.*tag map"):
        estimate(person.landmarks, person.rig)


def test_two_cameras_at_one_place_do_not_observe_how_far_a_hand_is(person):
    one = person.rig.camera("left_down")
    twin = replace(one, name="twin")
    rig = replace(person.rig, cameras={"left_down": one, "twin": twin})
    view = person.landmarks.select(("left_down",))
    landmarks = Landmarks(
        ("left_down", "twin"), *(np.concatenate([array, array]) for array in (view.times_s, view.pixels, view.confidence, view.shape_m))
    )
    row = person.camera_poses.of_camera("left_down")
    poses = CameraPoses(landmarks.cameras, np.stack([row, row]), landmarks.cameras, person.camera_poses.T_world_body)
    found, by_all = estimate(landmarks, rig, camera_poses=poses), estimate(person.landmarks, person.rig, camera_poses=person.camera_poses)
    seen = found.landmark_source[:, 33:] == Source.OBSERVED
    sigma = found.landmark_sigma[:, 33:]
    # What only the hand's size tells is observed where that is known to half the length of a hand, and its sigma says how well.
    assert (sigma[seen] < 0.10).all()
    assert np.median(sigma[seen]) > 2 * np.median(by_all.landmark_sigma[:, 33:][seen])
