"""Following what cameras see: from frame to frame, over blank frames and fast turns, and from one camera to the other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from textured_room import HALF_M, image, small_rig, write_recording

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.feature_tracks import FeatureTracker
from bodydouble.calibration.odometry.stereo_views import StereoPair, even_contrast, stereo_pairs
from bodydouble.calibration.odometry.tracking import BLOCK, OVERLAP, _blocks, keyframes_of, track
from bodydouble.calibration.odometry.turn_between import rotation_of, turn_between
from bodydouble.calibration.odometry.working_image import WorkingImage
from bodydouble.calibration.transform import apply, invert, pose_from

RIG = small_rig()
FRONT = RIG.camera("front")
WORKING = WorkingImage.of(FRONT.model, FRONT.model.image_size)


def seen(turn: tuple[float, float, float] = (0, 0, 0), name: str = "front") -> np.ndarray:
    """Return the working image after a turn about the front camera."""
    camera, R, centre = RIG.camera(name), rotation.exp(turn), FRONT.T_body_camera[:3, 3]
    working = WorkingImage.of(camera.model, camera.model.image_size)
    return working.of_frame(image(camera.model, pose_from(R, centre - R @ centre) @ camera.T_body_camera))


def started(most_passed: int = 3) -> tuple[FeatureTracker, np.ndarray]:
    tracker = FeatureTracker(WORKING, most_passed=most_passed)
    first = seen()
    tracker.follow(first)
    tracker.refill(first)
    return tracker, tracker.found[1]


def pixels_after(pixels: np.ndarray, turn: tuple[float, float, float]) -> np.ndarray:
    R = FRONT.T_body_camera[:3, :3]
    return WORKING.project(WORKING.rays(pixels) @ (R.T @ rotation.exp(turn).T @ R).T)


def test_features_are_where_the_turn_of_the_camera_takes_them():
    tracker, before = started()
    assert len(before) > 80
    for k in range(1, 4):
        tracker.follow(seen((0, 0, 0.02 * k)))
    ids, after = tracker.found
    assert len(ids) > 0.7 * len(before)
    assert np.median(np.linalg.norm(after - pixels_after(before[ids], (0, 0, 0.06)), axis=1)) < 0.2


def test_a_blank_frame_is_passed_over_and_features_go_on_after_it():
    tracker, before = started()
    tracker.follow(np.zeros_like(seen()))
    assert len(tracker.found[0]) == 0
    tracker.refill(np.zeros_like(seen()))
    tracker.follow(seen((0, 0, 0.03)))
    assert len(tracker.found[0]) > 0.7 * len(before)
    assert tracker.found[0].max() < len(before)


def test_after_too_many_blank_frames_all_features_are_new():
    tracker, before = started(most_passed=2)
    for _ in range(4):
        tracker.follow(np.zeros_like(seen()))
    tracker.follow(seen())
    tracker.refill(seen())
    assert tracker.found[0].min() >= len(before)


def test_a_turn_too_fast_to_follow_is_found_by_descriptors():
    R = turn_between(WORKING, seen(), seen((0, 0.1, 0.5)))
    assert R is not None
    B = FRONT.T_body_camera[:3, :3]
    assert np.linalg.norm(rotation.log(R @ (B.T @ rotation.exp((0, 0.1, 0.5)) @ B))) < 0.02
    tracker, before = started()
    tracker.follow(seen((0, 0.1, 0.5)))
    ids, after = tracker.found
    assert len(ids) > 0.2 * len(before)
    assert np.median(np.linalg.norm(after - pixels_after(before[ids], (0, 0.1, 0.5)), axis=1)) < 0.5


def test_images_with_nothing_in_common_have_no_turn_between_them():
    assert turn_between(WORKING, seen(), np.full_like(seen(), 90)) is None
    assert rotation_of(np.eye(3), np.eye(3)) is None


def test_what_is_to_be_ignored_is_not_followed():
    mask = np.zeros((300, 400), dtype=bool)
    mask[:, 200:] = True
    tracker = FeatureTracker(WORKING, most_passed=1)
    tracker.follow(seen(), mask)
    tracker.refill(seen(), mask)
    assert tracker.found[1][:, 0].max() < 200
    assert len(tracker.found[0]) > 20


def test_a_flat_image_has_no_features():
    tracker = FeatureTracker(WORKING, most_passed=1)
    tracker.follow(np.full((300, 400), 80, np.uint8))
    tracker.refill(np.full((300, 400), 80, np.uint8))
    assert len(tracker.found[0]) == 0


def test_a_corner_is_found_in_the_other_camera_whichever_way_that_looks():
    left = RIG.camera("left_down")
    two = WorkingImage.of(left.model, left.model.image_size)
    T_left_front = invert(left.T_body_camera) @ FRONT.T_body_camera
    pair = StereoPair.of(WORKING, two, T_left_front)
    assert 0.2 < pair.overlap < 0.9
    pixels = started()[1]
    found, good = pair.match(even_contrast(seen()), even_contrast(seen(name="left_down")), pixels)
    assert good.sum() > 20
    # Where a ray of the front camera meets the room, as the picture was made.
    ray = WORKING.rays(pixels[good]) @ FRONT.T_body_camera[:3, :3].T
    centre = FRONT.T_body_camera[:3, 3]
    far = ((np.where(ray > 0, HALF_M, -HALF_M) - centre) / ray).min(axis=1)
    true = two.project(apply(invert(left.T_body_camera), centre + far[:, None] * ray))
    off = np.linalg.norm(found[good] - true, axis=1)
    assert np.median(off) < 0.3
    assert (off < 2).mean() > 0.9


def test_another_exposure_does_not_matter_to_stereo():
    left = RIG.camera("left_down")
    pair = StereoPair.of(WORKING, WorkingImage.of(left.model, left.model.image_size), invert(left.T_body_camera) @ FRONT.T_body_camera)
    pixels, second = started()[1], seen(name="left_down")
    dark = (0.4 * second + 10).astype(np.uint8)
    _, good = pair.match(even_contrast(seen()), even_contrast(second), pixels)
    _, still = pair.match(even_contrast(seen()), even_contrast(dark), pixels)
    assert (good & still).sum() > 0.8 * good.sum()


def test_cameras_beside_each_other_are_no_pair():
    T = np.eye(4)
    beside = pose_from(np.eye(3), [0.012, 0, 0])
    assert not stereo_pairs([WORKING, WORKING], np.stack([T, beside]))
    assert set(stereo_pairs([WORKING, WORKING], np.stack([T, pose_from(np.eye(3), [0.1, 0, 0])]))) == {(0, 1), (1, 0)}


def test_pixels_of_large_and_of_cut_images_lie_where_they_were():
    working = WorkingImage.of(FRONT.model, (2400, 1800), (100, 50))
    assert (working.step, working.size) == (3, (800, 600))
    assert np.allclose(working.calibrated(np.array([0.0, 0.0])), [101, 51])
    assert np.allclose(working.working(working.calibrated(np.array([3.25, 7.5]))), [3.25, 7.5])
    assert working.of_frame(np.zeros((1800, 2400, 3), np.uint8)).shape == (600, 800)


@pytest.mark.parametrize(("moments", "period", "expected"), [(1, 1.0, [0]), (6, 1 / 30, [0, 1, 2, 3, 4, 5]), (31, 1 / 30, [0, 6, 12, 18, 24, 30]),
                                                             (5, 0.5, [0, 1, 2, 3, 4])])  # fmt: skip
def test_keyframes_are_a_fifth_of_a_second_apart_and_at_least_four(moments, period, expected):
    assert keyframes_of(period * np.arange(moments)).tolist() == expected


@pytest.mark.parametrize("moments", [1, BLOCK, BLOCK + 1, 10 * BLOCK + 3])
def test_blocks_cover_all_moments_and_reach_into_the_next(moments):
    blocks = _blocks(moments)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == moments
    for (_, after), (start, _) in pairwise(blocks):
        assert after == start + OVERLAP
    assert max(b - a for a, b in blocks) <= BLOCK + OVERLAP


def test_a_recording_is_followed_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(tmp_path / "cache"))
    poses = pose_from(rotation.exp(np.linspace([0, 0, 0], [0, 0.02, 0.1], 4)), np.linspace([0, 0, 0], [0.03, 0, 0.01], 4))
    recording = write_recording(tmp_path / "rec", RIG, poses)
    told: list[tuple[float, float]] = []
    sights = track(recording, RIG, recording.frame_sets(), workers=1, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)
    assert np.unique(sights.camera).tolist() == [0, 1, 2]
    assert (np.bincount(sights.moment) > 150).all()
    assert len(np.unique(sights.point)) == sights.points
    again = track(recording, RIG, recording.frame_sets(), workers=1)
    assert np.array_equal(again.ray, sights.ray)
