"""The range of the double sphere camera, and its relations to other models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodydouble.calibration import DoubleSphereCamera, OmniCamera

SIZE = (1600, 1200)


def image_radius(theta: np.ndarray, xi: float, alpha: float) -> np.ndarray:
    """Equations 40 to 45 of the paper, without the model's range."""
    shifted = xi + np.cos(theta)
    return np.sin(theta) / (alpha * np.hypot(np.sin(theta), shifted) + (1 - alpha) * shifted)


def along_x(theta: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(theta), 0 * theta, np.cos(theta)], axis=-1)


@pytest.mark.parametrize("xi", [-0.5, -0.2, 0.0, 0.3, 0.99, 1.0, 1.2])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.6, 0.95, 1.0])
def test_it_sees_all_that_it_can_and_no_more(xi, alpha):
    camera = DoubleSphereCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (xi, alpha))
    theta = np.linspace(0, camera.limit - 1e-5, 2000)
    radius = image_radius(theta, xi, alpha)
    assert (np.diff(radius) > 0).all()
    assert np.allclose(camera.project(along_x(theta))[:, 0], 800 + 500 * radius, rtol=1e-9)
    inner = theta < 0.999 * camera.limit
    assert np.abs(camera.rays(camera.project(along_x(theta)))[inner] - along_x(theta)[inner]).max() < 1e-9
    if camera.limit > math.pi - 1e-3:
        return
    beyond = camera.limit + np.array([1e-5, 1e-3])
    folded = image_radius(beyond, xi, alpha)
    assert folded[0] < 0 or folded[1] < folded[0], "the range ends where it must"
    assert np.isnan(camera.project(along_x(beyond))).all()


def test_pixels_beyond_the_edge_of_the_sphere_have_no_ray():
    camera = DoubleSphereCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (-0.2, 0.8))
    edge = 500 / math.sqrt(2 * 0.8 - 1)
    rays = camera.rays([[800 + edge - 1e-3, 600], [800 + edge + 1e-3, 600]])
    assert np.isfinite(rays[0]).all()
    assert np.isnan(rays[1]).all()


def test_with_one_sphere_it_is_the_unified_model():
    """Usenko's alpha and Mei's xi say the same: xi = alpha / (1 - alpha), and Mei's focal length is the other over 1 - alpha."""
    points = np.random.default_rng(0).normal(size=(50, 3)) + np.array([0, 0, 2])
    double = DoubleSphereCamera(SIZE, (500.0, 510.0), (800.0, 600.0), (0.0, 0.6))
    mei = OmniCamera(SIZE, (500.0 / 0.4, 510.0 / 0.4), (800.0, 600.0), (0.6 / 0.4, 0.0, 0.0, 0.0, 0.0))
    assert np.allclose(double.project(points), mei.project(points), rtol=1e-13, equal_nan=True)
    assert double.limit == pytest.approx(mei.limit)


@pytest.mark.parametrize(
    ("distortion", "said"),
    [
        ((0.1, -0.1), r"^alpha is -0\.1; expected 0 to 1$"),
        ((0.1, 1.1), r"^alpha is 1\.1"),
        ((-1.0, 0.5), r"^xi is -1, but .*more than -1$"),
    ],
)
def test_spheres_that_cannot_be_are_refused(distortion, said):
    with pytest.raises(ValueError, match=said):
        DoubleSphereCamera(SIZE, (500.0, 500.0), (800.0, 600.0), distortion)
