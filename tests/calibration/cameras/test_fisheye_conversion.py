"""Any model as a fisheye camera."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import DoubleSphereCamera, FisheyeCamera, OmniCamera, PinholeCamera, to_fisheye
from bodydouble.errors import DataError

SIZE = (640, 480)


def test_a_fisheye_camera_stays_itself():
    camera = FisheyeCamera(SIZE, (200.0, 205.0), (321.0, 238.0), (0.02, -0.01, 0.002, -1e-4))
    fit = to_fisheye(camera)
    assert fit.max_px < 1e-6
    assert np.allclose(fit.camera.parameters, camera.parameters, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("camera", "rms_px"),
    [
        (OmniCamera(SIZE, (500.0, 505.0), (320.0, 240.0), (1.5, -0.05, 0.01, 0.0, 0.0)), 1e-3),
        (DoubleSphereCamera(SIZE, (200.0, 205.0), (320.0, 240.0), (-0.2, 0.6)), 1e-3),
        (PinholeCamera(SIZE, (400.0, 400.0), (320.0, 240.0), (-0.2, 0.05, 0.0, 0.0, 0.0)), 0.03),
    ],
    ids=["omni", "double sphere", "pinhole"],
)
def test_other_round_lenses_fit_to_hundredths_of_a_pixel(camera, rms_px):
    fit = to_fisheye(camera)
    assert fit.rms_px < rms_px
    assert fit.max_px < 20 * rms_px
    assert fit.camera.image_size == SIZE


def test_what_is_not_round_remains_as_error():
    """The error is that of an independent look at other pixels."""
    camera = PinholeCamera(SIZE, (400.0, 400.0), (320.0, 240.0), (-0.2, 0.05, 5e-3, -3e-3, 0.0))
    fit = to_fisheye(camera)
    pixels = np.random.default_rng(0).uniform(0, SIZE, (2000, 2))
    miss = np.linalg.norm(fit.camera.project(camera.rays(pixels)) - pixels, axis=1)
    assert 0.05 < fit.rms_px < fit.max_px < 10
    assert np.sqrt(np.mean(miss**2)) == pytest.approx(fit.rms_px, rel=0.1)


def test_a_smaller_field_of_view_fits_better_and_says_how_far_it_goes():
    camera = OmniCamera(SIZE, (500.0, 505.0), (320.0, 240.0), (1.5, -0.05, 0.01, 2e-3, -1e-3))
    whole, narrow = to_fisheye(camera), to_fisheye(camera, 60)
    assert narrow.rms_px < whole.rms_px
    assert 58 < narrow.field_of_view_deg <= 60 < whole.field_of_view_deg


def test_a_field_of_view_that_shows_nothing_is_refused():
    camera = PinholeCamera(SIZE, (400.0, 400.0), (320.0, 240.0))
    with pytest.raises(
        DataError, match=r"^within 1 degrees the camera shows only \d+ of \d+ pixels looked at; give a larger field of view\.$"
    ):
        to_fisheye(camera, 1)
