from __future__ import annotations

import dataclasses

import numpy as np

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.viewer.overlay import camera_picture, draw_skeleton, projected_landmarks
from bodydouble.viewer.skeleton import BONES, ENDS, LEFT, RIGHT

WHOLE = (0.0, 0.0, 160.0, 90.0)
ROW = {name: row for row, name in enumerate(LANDMARK_NAMES)}


def test_projection_gives_the_detected_pixels_of_the_simulated_person(simulated_episode):
    episode = simulated_episode()
    detected = episode.landmarks.pixels[0]
    fitted = projected_landmarks(episode, "portrait")
    both = np.isfinite(detected) & np.isfinite(fitted)
    assert both.any()
    np.testing.assert_allclose(fitted[both], detected[both], atol=1e-9)


def test_a_crop_origin_moves_the_skeleton_with_the_image(simulated_episode):
    episode = simulated_episode()
    info = dataclasses.replace(episode.recording, crop_origin_px=np.array([[10.0, 20.0], [0, 0]]))
    moved = projected_landmarks(simulated_episode(recording=info), "portrait")
    np.testing.assert_allclose(moved, projected_landmarks(episode, "portrait") - [10, 20])


def test_left_and_right_have_their_colours_and_bones_lie_between_their_landmarks():
    image = np.zeros((100, 100, 3), np.uint8)
    pixels = np.full((75, 2), np.nan)
    pixels[[ROW["left_elbow"], ROW["left_wrist"]]] = [[20, 20], [20, 80]]
    pixels[[ROW["right_elbow"], ROW["right_wrist"]]] = [[70, 20], [70, 80]]
    draw_skeleton(image, pixels, np.ones(75, bool))
    assert tuple(image[50, 20]) == LEFT
    assert tuple(image[50, 70]) == RIGHT
    assert not image[:, 40:60].any()


def test_what_was_not_observed_is_dim():
    pixels = np.full((75, 2), np.nan)
    pixels[[ROW["left_elbow"], ROW["left_wrist"]]] = [[20, 20], [20, 80]]
    solid, dim = (np.zeros((100, 100, 3), np.uint8) for _ in range(2))
    draw_skeleton(solid, pixels, np.ones(75, bool))
    draw_skeleton(dim, pixels, np.zeros(75, bool))
    assert 0 < dim[50, 20].max() < 0.6 * solid[50, 20].max()


def test_points_behind_the_camera_or_far_outside_are_not_drawn():
    image = np.zeros((50, 50, 3), np.uint8)
    pixels = np.full((75, 2), 1e9)
    pixels[::2] = np.nan
    draw_skeleton(image, pixels, np.ones(75, bool))
    assert not image.any()


def test_every_landmark_of_a_hand_is_an_end_of_a_bone():
    assert set(range(33, 75)) <= set(ENDS.ravel().tolist())
    assert len(BONES) == len(ENDS)


def test_a_frame_that_the_camera_dropped_is_dark_and_says_so(simulated_episode):
    episode = simulated_episode()
    pixels = projected_landmarks(episode, "wide")
    dropped = camera_picture(episode, "wide", 2, (320, 180), pixels, WHOLE)
    assert dropped.shape == (180, 320, 3)
    assert dropped[60:].max() <= 24


def test_an_episode_without_images_still_shows_its_skeleton(simulated_episode):
    episode = simulated_episode()
    picture = camera_picture(episode, "wide", 0, (320, 180), projected_landmarks(episode, "wide"), WHOLE)
    assert picture.max() > 200
