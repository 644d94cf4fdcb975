"""Rendered images show what is there, where the camera model puts it, and repeat exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from simulated_scene import AHEAD, CAMERA, LEFT, QUIET, RIGHT, at, moment, renderer

from bodydouble.calibration.boards.detection import BoardDetector
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.transform import apply, invert, pose_from_rotvec
from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.room import Room, facing
from bodydouble.hand_pose.simulation.scene_object import SceneObject

TABLE = SceneObject("table", "box", (1.0, 1.2, 0.04), (180, 150, 110), at(0.9, 0.0, 0.7))
LARGE: Any = ((800, 600), (380.0, 380.0), (399.5, 299.5))
DOWN = AHEAD @ pose_from_rotvec([-0.6, 0.0, 0.0], [0.0, 0.0, 0.0])


def test_a_ball_is_drawn_where_the_camera_model_projects_it() -> None:
    drawn = renderer(look=replace(QUIET, gloves=(250, 0, 250)))
    moved = moment()
    with_balls = drawn.image(moved, CAMERA, AHEAD).astype(float)
    away = moved.vertices + np.float32([0, 0, 50])
    without = drawn.image(replace(moved, vertices=away), CAMERA, AHEAD).astype(float)
    share = np.abs(with_balls - without).max(axis=2)
    for center in (LEFT, RIGHT):
        u, v = CAMERA.project(apply(invert(AHEAD), center))
        rows, columns = np.mgrid[round(v) - 12 : round(v) + 13, round(u) - 12 : round(u) + 13]
        part = (share[rows, columns] > 25).astype(float)
        assert abs((part * columns).sum() / part.sum() - u) < 0.3
        assert abs((part * rows).sum() / part.sum() - v) < 0.3
        assert part.sum() == pytest.approx(np.pi * (190 * 0.0215 / 0.66) ** 2, rel=0.25)


@pytest.mark.parametrize("model", [FisheyeCamera(*LARGE), PinholeCamera(*LARGE)])
def test_corners_of_tags_are_found_a_small_part_of_a_pixel_from_the_truth(model: FisheyeCamera | PinholeCamera) -> None:
    room = Room.make(0, (TABLE,))
    image = renderer(room, furniture=(TABLE,)).image(moment(), model, DOWN)
    found = BoardDetector(room.board).detect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    error = found - model.project(apply(invert(DOWN), room.tag_map.points))
    seen = np.isfinite(error[:, 0])
    assert seen.sum() >= 4 * 3
    assert np.sqrt(np.square(error[seen]).mean()) < 0.12
    assert np.abs(error[seen].mean(axis=0)).max() < 0.04
    on_table = np.repeat(np.abs(room.T_world_tag[:, 2, 3] - 0.72) < 1e-6, 4)
    assert (seen & on_table).sum() >= 4


def test_what_stands_before_a_tag_hides_it() -> None:
    room = Room.make(0, (TABLE,))
    drawn = renderer(room, furniture=(TABLE,))
    tag = int(np.argmax(np.abs(room.T_world_tag[:, 2, 3] - 0.72) < 1e-6))
    over = room.T_world_tag[tag, :3, 3] + [0, 0, 0.05]
    image = drawn.image(moment(T_world_object={"cup": at(*over)}), CAMERA, DOWN)
    u, v = np.rint(CAMERA.project(apply(invert(DOWN), over + np.array([0, 0, 0.03])))).astype(int)
    red, green, _ = image[v, u].astype(int)
    assert red > 3 * green


def test_the_same_frame_comes_out_the_same_and_another_frame_or_camera_has_other_noise() -> None:
    drawn, other = (renderer(look=replace(QUIET, noise=2.0, exposure=0.05)) for _ in range(2))
    now = moment()
    first = drawn.image(now, CAMERA, AHEAD, frame=3, camera=1)
    drawn.image(now, CAMERA, AHEAD, frame=4, camera=1)
    assert np.array_equal(first, other.image(moment(), CAMERA, AHEAD, frame=3, camera=1))
    assert not np.array_equal(first, other.image(now, CAMERA, AHEAD, frame=4, camera=1))
    assert not np.array_equal(first, other.image(now, CAMERA, AHEAD, frame=3, camera=2))


def test_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    clean = renderer().image(moment(), CAMERA, AHEAD).astype(float)
    noisy = renderer(look=replace(QUIET, noise=3.0)).image(moment(), CAMERA, AHEAD).astype(float)
    within = (clean > 20) & (clean < 230)
    assert (noisy - clean)[within].std() == pytest.approx(3.0, abs=0.15)


def test_shadows_only_darken() -> None:
    furniture = (TABLE,)
    plain = renderer(furniture=furniture).image(moment(), CAMERA, DOWN).astype(int)
    shaded = renderer(furniture=furniture, look=replace(QUIET, shadows=True)).image(moment(), CAMERA, DOWN).astype(int)
    assert (shaded <= plain).all()
    assert (shaded < plain - 20).any()


def test_motion_blur_is_the_mean_over_the_exposure() -> None:
    drawn = renderer()
    one, two = moment(), moment(vertices=moment().vertices + np.float32([0, 0.05, 0]))
    blurred = drawn.blurred_image([one, two], CAMERA, [AHEAD, AHEAD]).astype(float)
    mean = (drawn.image(one, CAMERA, AHEAD).astype(float) + drawn.image(two, CAMERA, AHEAD)) / 2
    assert np.abs(blurred - mean).max() <= 1


def test_gloves_change_the_hands() -> None:
    bare, gloved = (
        renderer().image(moment(), CAMERA, AHEAD),
        renderer(look=replace(QUIET, gloves=(30, 40, 200))).image(moment(), CAMERA, AHEAD),
    )
    u, v = np.rint(CAMERA.project(apply(invert(AHEAD), LEFT))).astype(int)
    assert bare[v, u, 0] > bare[v, u, 2]
    assert gloved[v, u, 2] > gloved[v, u, 0]


def test_a_covered_lens_shows_nothing() -> None:
    assert renderer().covered_image(CAMERA).max() < 20


def test_pixels_that_the_lens_does_not_image_are_black() -> None:
    model = CAMERA.with_parameters([90.0, 90.0, 199.5, 149.5, -0.06, 0.0, 0.0, 0.0])
    blind = np.isnan(model.rays(np.stack(np.meshgrid(np.arange(400), np.arange(300)), axis=-1))[..., 0])
    assert blind.any()
    image = renderer().image(moment(), model, AHEAD)
    assert image[blind].max() == 0
    assert image[~blind].min() > 0


def test_a_camera_outside_of_the_room_is_refused() -> None:
    with pytest.raises(UsageError, match="outside of the room"):
        renderer().image(moment(), CAMERA, at(5.0, 0.0, 1.0))


def test_an_object_without_a_place_is_named() -> None:
    with pytest.raises(UsageError, match="where object 'cup' is"):
        renderer().image(moment(T_world_object={}), CAMERA, AHEAD)


def test_furniture_without_a_place_is_named() -> None:
    with pytest.raises(UsageError, match="furniture 'table' has no place"):
        renderer(Room.make(0), furniture=(replace(TABLE, T_world_object=None),))


def test_a_tag_in_mid_air_is_refused() -> None:
    room = Room.make(0, extra_tags=[(facing([0.5, 0.0, 1.0], [-1, 0, 0], [0, 0, 1]), 0.1)])
    with pytest.raises(UsageError, match="lies on no wall, floor or face"):
        renderer(room).image(moment(), CAMERA, AHEAD)
