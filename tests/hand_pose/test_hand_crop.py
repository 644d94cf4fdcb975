"""A crop holds its hand upright, half as long as it is wide, whatever the lens and the direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import preset_rig
from bodydouble.calibration.rotation import exp
from bodydouble.hand_pose.hand_crop import HandCrop, _upsampled
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import RIGHT_HAND
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

MODEL = preset_rig("optimus-helmet5").camera("left_down").model


def hand() -> np.ndarray:
    """Return a typical right hand (21, 3) m about its own middle."""
    human = Human(np.array(list(TYPICAL_LENGTHS.values())))
    points = human.landmarks(human.rest)[RIGHT_HAND]
    return points - points.mean(axis=0)


vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)


@settings(max_examples=40, deadline=None)
@given(vectors, st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_a_hand_in_any_direction_lies_inside_of_its_crop_with_the_fingers_up(turn, x, y):
    rays = hand() @ exp(turn).T + 0.5 * np.array([x, y, 1.0]) / np.linalg.norm([x, y, 1.0])
    crop = HandCrop.around(rays)
    in_crop = rays @ crop.R_camera_crop
    pixels = (in_crop[:, :2] / in_crop[:, 2:] / crop.half + 1) * crop.side / 2 - 0.5
    np.testing.assert_allclose(crop.rays(pixels), rays / np.linalg.norm(rays, axis=1, keepdims=True), atol=1e-9)
    assert pixels.min() > -0.15 * crop.side
    assert pixels.max() < 1.15 * crop.side
    up = (pixels[5] + pixels[13]) / 4 + pixels[9] / 2 - pixels[0]
    if np.linalg.norm(up) > 15:  # seen along the palm it has no direction
        assert abs(np.degrees(np.arctan2(up[0], -up[1]))) < 2


def test_a_hand_around_the_camera_has_no_crop():
    assert HandCrop.around(hand() * 3) is None


def test_a_crop_shows_what_lies_at_its_rays():
    v, u = np.mgrid[: MODEL.image_size[1], : MODEL.image_size[0]]
    image = np.stack([u * 255 / MODEL.image_size[0], v * 255 / MODEL.image_size[1], np.zeros(u.shape)], axis=-1).round().astype(np.uint8)
    crop = HandCrop.searching(np.array([0.3, 0.2, 1.0]), 30, 224, np.array([0.0, -1.0, 0.0]))
    shown = crop.cut(image, MODEL)
    pixels = np.array([(10.0, 20.0), (200.0, 111.0), (111.0, 200.0)])
    expected = MODEL.project(crop.rays(pixels)) * 255 / MODEL.image_size
    found = np.array([shown[int(y), int(x), :2] for x, y in pixels])
    np.testing.assert_allclose(found, expected, atol=1.2)


def test_a_crop_that_looks_past_the_image_is_none():
    image = np.zeros((MODEL.image_size[1], MODEL.image_size[0], 3), np.uint8)
    assert HandCrop.searching(np.array([0.0, 0.1, -1.0]), 30, 224, np.array([0.0, -1.0, 0.0])).cut(image, MODEL) is None


@pytest.mark.parametrize("side", [192, 224])
def test_between_its_nodes_the_map_is_straight(side):
    table = _upsampled(np.tile(np.linspace(0, side - 1, 15).astype(np.float32), (15, 1)), side)
    np.testing.assert_allclose(table, np.broadcast_to(np.arange(side), (side, side)), atol=1e-3)
