"""The range of the omnidirectional camera."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodydouble.calibration import OmniCamera, PinholeCamera

SIZE = (1600, 1200)


def image_radius(theta: np.ndarray, xi: float, k1: float, k2: float) -> np.ndarray:
    """The model written down plainly, without its range."""
    m = np.sin(theta) / (np.cos(theta) + xi)
    return m * (1 + k1 * m**2 + k2 * m**4)


@pytest.mark.parametrize("xi", [-0.4, 0.0, 0.5, 0.9, 1.0, 1.5, 3.0])
@pytest.mark.parametrize(("k1", "k2"), [(0.0, 0.0), (-0.2, 0.0), (-0.05, 0.01), (0.1, -0.1), (0.3, 0.1)])
def test_it_sees_all_that_it_can_and_no_more(xi, k1, k2):
    camera = OmniCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (xi, k1, k2, 0.0, 0.0))
    theta = np.linspace(0, camera.limit - 1e-6, 2000)
    radius = image_radius(theta, xi, k1, k2)
    assert (np.diff(radius) > 0).all()
    rays = np.stack([np.sin(theta), 0 * theta, np.cos(theta)], axis=-1)
    pixels = camera.project(rays)
    assert np.isfinite(pixels).all()
    inner = theta < 0.995 * camera.limit
    assert np.allclose(pixels[inner, 0], 800 + 500 * radius[inner], rtol=1e-9)
    assert np.abs(camera.rays(pixels[inner]) - rays[inner]).max() < 1e-9
    if camera.limit > math.pi - 1e-9:
        return
    beyond = camera.limit + np.array([1e-6, 1e-4])
    folded = image_radius(beyond, xi, k1, k2)
    assert folded[0] < 0 or folded[1] < folded[0], "the range ends where it must"
    assert np.isnan(camera.project(np.stack([np.sin(beyond), 0 * beyond, np.cos(beyond)], axis=-1))).all()


def test_with_the_sphere_seen_from_its_centre_it_is_a_pinhole_camera():
    points = np.random.default_rng(0).normal(size=(50, 3)) + np.array([0, 0, 3])
    omni = OmniCamera(SIZE, (500.0, 510.0), (800.0, 600.0), (0.0, -0.1, 0.02, 1e-3, 2e-3))
    pinhole = PinholeCamera(SIZE, (500.0, 510.0), (800.0, 600.0), (-0.1, 0.02, 1e-3, 2e-3, 0.0))
    assert np.allclose(omni.project(points), pinhole.project(points), rtol=1e-13)


def test_pixels_beyond_the_edge_of_the_sphere_have_no_ray():
    camera = OmniCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (2.0, 0.0, 0.0, 0.0, 0.0))
    edge = 500 / math.sqrt(3)
    assert math.degrees(camera.limit) == pytest.approx(120)
    rays = camera.rays([[800 + edge - 1e-3, 600], [800 + edge + 1e-3, 600]])
    assert np.isfinite(rays[0]).all()
    assert np.isnan(rays[1]).all()


def test_a_sphere_seen_from_in_front_is_refused():
    with pytest.raises(ValueError, match=r"^xi is -1\.5, but .*expected more than -1$"):
        OmniCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (-1.5, 0.0, 0.0, 0.0, 0.0))
