"""Views into a fisheye image: together they show nearly all of it, and the model they belong to fits a cropped video."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble import assets
from bodydouble.calibration import preset_rig
from bodydouble.errors import BodydoubleError
from bodydouble.hand_pose.hand_search import HandSearch, HandSearchSettings, in_video, search_views

SETTINGS = HandSearchSettings()


@pytest.mark.parametrize("name", ["front", "left_down"])
@pytest.mark.parametrize("fov_deg", [SETTINGS.search_fov_deg, SETTINGS.fine_fov_deg])
def test_every_part_of_the_image_but_its_far_corners_is_in_some_view(name, fov_deg):
    model = preset_rig("optimus-helmet5").camera(name).model
    width, height = model.image_size
    pixels = np.stack(np.meshgrid(np.linspace(5, width - 5, 25), np.linspace(5, height - 5, 19)), axis=-1).reshape(-1, 2)
    views = search_views(model, fov_deg)
    shown = np.array([np.isfinite(view.from_image(pixels)).all(axis=-1) for view in views]).any(axis=0)
    away = np.abs(pixels / (width, height) - 0.5)
    assert shown[away.max(axis=1) < 0.38].all()
    assert shown.mean() > 0.88
    assert len(views) <= 12


def test_a_model_for_a_cropped_video_gives_the_same_rays():
    model = preset_rig("optimus-helmet5").camera("front").model
    cropped = in_video(model, (1000, 800), (100, 50))
    assert cropped.image_size == (1000, 800)
    pixels = np.array([(10.0, 20.0), (500.0, 400.0)])
    np.testing.assert_allclose(cropped.rays(pixels), model.rays(pixels + np.array([100, 50])), atol=1e-12)
    assert in_video(model, model.image_size, None) is model


def test_an_image_without_hands_has_none():
    try:
        path = assets.path_of("hand_landmarker_full.task")
    except BodydoubleError as error:
        pytest.skip(str(error))
    model = preset_rig("optimus-helmet5").camera("front").model
    search = HandSearch(path, model)
    found = search.detect(np.full((1200, 1600, 3), 120, np.uint8))
    search.close()
    assert np.isnan(found.pixels).all()
    assert np.isnan(found.confidence).all()
