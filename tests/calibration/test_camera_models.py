"""Pinhole and fisheye against themselves (round trips, finite differences) and against OpenCV."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import CameraModel, FisheyeCamera, PinholeCamera, contains

SIZE = (1600, 1200)

pinholes = st.builds(
    lambda f, aspect, c, k: PinholeCamera(SIZE, (f, f * aspect), c, k),
    st.floats(400, 3000),
    st.floats(0.98, 1.02),
    st.tuples(st.floats(700, 900), st.floats(500, 700)),
    st.tuples(st.floats(-0.35, 0.3), st.floats(-0.15, 0.2), st.floats(-2e-3, 2e-3), st.floats(-2e-3, 2e-3), st.floats(-0.05, 0.05)),
)
fisheyes = st.builds(
    lambda f, aspect, c, k: FisheyeCamera(SIZE, (f, f * aspect), c, k),
    st.floats(250, 900),
    st.floats(0.98, 1.02),
    st.tuples(st.floats(700, 900), st.floats(500, 700)),
    st.tuples(st.floats(-0.1, 0.1), st.floats(-0.02, 0.02), st.floats(-0.005, 0.005), st.floats(-0.0005, 0.0005)),
)
seeds = st.integers(0, 2**32 - 1)


def directions(seed: int, widest_rad: float, count: int = 200) -> np.ndarray:
    random = np.random.default_rng(seed)
    theta, phi = widest_rad * np.sqrt(random.uniform(0, 1, count)), random.uniform(-math.pi, math.pi, count)
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def usable_angle(camera: PinholeCamera | FisheyeCamera) -> float:
    """Widest angle at which a round trip is well posed: a little inside the range, where tangential terms do not fold it."""
    if isinstance(camera, FisheyeCamera):
        return min(0.98 * camera.limit, 3.0)
    return math.atan(min(0.9 * camera.limit, math.tan(math.radians(50))))


@settings(deadline=None, max_examples=50)
@given(pinholes | fisheyes, seeds)
def test_the_ray_of_a_projected_direction_is_that_direction(camera, seed):
    rays = directions(seed, usable_angle(camera))
    assert np.abs(camera.rays(camera.project(rays * 2.5)) - rays).max() < 1e-9


@settings(deadline=None, max_examples=50)
@given(pinholes | fisheyes, seeds)
def test_projecting_the_ray_of_a_pixel_gives_the_pixel(camera, seed):
    pixels = camera.project(directions(seed, usable_angle(camera)))
    assert np.abs(camera.project(3.0 * camera.rays(pixels)) - pixels).max() < 1e-9 * max(camera.focal)


@settings(deadline=None, max_examples=50)
@given(pinholes | fisheyes, seeds, st.floats(0.3, 5.0))
def test_the_jacobian_is_that_of_finite_differences(camera, seed, depth):
    points = depth * directions(seed, 0.95 * usable_angle(camera), count=30)
    pixels, jacobian = camera.project_jacobian(points)
    step = 1e-6 * depth
    numeric = np.stack(
        [(camera.project(points + step * axis) - camera.project(points - step * axis)) / (2 * step) for axis in np.eye(3)], axis=-1
    )
    assert np.array_equal(pixels, camera.project(points))
    assert np.abs(jacobian - numeric).max() < 1e-5 * (1 + np.abs(numeric).max())


@settings(deadline=None, max_examples=50)
@given(pinholes, seeds)
def test_the_pinhole_agrees_with_opencv(camera, seed):
    import cv2

    points = directions(seed, usable_angle(camera))
    K = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(camera.distortion))
    assert np.abs(camera.project(points) - expected.reshape(-1, 2)).max() < 1e-8


@settings(deadline=None, max_examples=50)
@given(fisheyes, seeds)
def test_the_fisheye_agrees_with_opencv_in_front_of_the_camera(camera, seed):
    import cv2

    points = directions(seed, min(usable_angle(camera), 1.5))
    K = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    expected, _ = cv2.fisheye.projectPoints(points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), K, np.array(camera.distortion))
    assert np.abs(camera.project(points) - expected.reshape(-1, 2)).max() < 1e-6


@pytest.mark.parametrize("angle_deg", [89.0, 90.0, 91.0, 110.0, 150.0])
def test_the_fisheye_sees_at_and_beyond_a_right_angle(angle_deg):
    camera = FisheyeCamera(SIZE, (300.0, 300.0), (800.0, 600.0), (0.01, -0.001, 0.0, 0.0))
    theta = math.radians(angle_deg)
    ray = np.array([math.sin(theta), 0.0, math.cos(theta)])
    pixel = camera.project(ray)
    assert pixel[0] == pytest.approx(800 + 300 * theta * (1 + 0.01 * theta**2 - 0.001 * theta**4))
    assert np.abs(camera.rays(pixel) - ray).max() < 1e-12


def test_the_optical_axis_goes_to_the_principal_point():
    for camera in (PinholeCamera(SIZE, (500.0, 510.0), (801.0, 599.0)), FisheyeCamera(SIZE, (500.0, 510.0), (801.0, 599.0))):
        pixels, jacobian = camera.project_jacobian(np.array([0.0, 0.0, 2.0]))
        assert pixels.tolist() == [801.0, 599.0]
        assert np.allclose(jacobian, [[250, 0, 0], [0, 255, 0]])
        assert camera.rays(pixels).tolist() == [0.0, 0.0, 1.0]


def test_a_point_behind_the_pinhole_is_not_seen():
    camera = PinholeCamera(SIZE, (500.0, 500.0), (800.0, 600.0))
    pixels, jacobian = camera.project_jacobian(np.array([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0], [0.1, 0.2, 1.0]]))
    assert np.isnan(pixels).all(axis=-1).tolist() == [True, True, False]
    assert np.isnan(jacobian).all(axis=(-2, -1)).tolist() == [True, True, False]


def test_beyond_the_range_of_the_distortion_nothing_is_seen():
    barrel = PinholeCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (-0.3, 0.0, 0.0, 0.0, 0.0))
    assert barrel.limit == pytest.approx(1 / math.sqrt(0.9))
    inside, outside = 0.99 * barrel.limit, 1.01 * barrel.limit
    assert np.isfinite(barrel.project([inside, 0.0, 1.0])).all()
    assert np.isnan(barrel.project([outside, 0.0, 1.0])).all()
    assert np.isnan(barrel.rays([800 + 500 * 1.0, 600.0])).all(), "no direction leads to a pixel beyond the fold"


def test_a_fisheye_that_folds_back_ends_there():
    camera = FisheyeCamera(SIZE, (300.0, 300.0), (800.0, 600.0), (-0.1, 0.0, 0.0, 0.0))
    assert camera.limit == pytest.approx(1 / math.sqrt(0.3))
    theta = camera.limit + 0.01
    assert np.isnan(camera.project([math.sin(theta), 0.0, math.cos(theta)])).all()
    edge = 300 * camera.limit * (1 - 0.1 * camera.limit**2)
    assert np.isnan(camera.rays([[800 + edge + 1, 600.0]])).all()
    assert np.isfinite(camera.rays([[800 + edge - 1, 600.0]])).all()


def test_missing_points_and_pixels_stay_missing():
    for camera in (
        PinholeCamera(SIZE, (500.0, 500.0), (800.0, 600.0), (-0.1, 0, 1e-3, 0, 0)),
        FisheyeCamera(SIZE, (500.0, 500.0), (800.0, 600.0)),
    ):
        assert np.isnan(camera.project(np.full((2, 3), np.nan))).all()
        rays = camera.rays(np.array([[np.nan, np.nan], [800.0, 600.0]]))
        assert np.isnan(rays[0]).all()
        assert np.isfinite(rays[1]).all()


def test_any_leading_shape_is_kept():
    for camera in (PinholeCamera(SIZE, (500.0, 500.0), (800.0, 600.0)), FisheyeCamera(SIZE, (500.0, 500.0), (800.0, 600.0))):
        pixels, jacobian = camera.project_jacobian(np.ones((4, 5, 3)))
        assert (pixels.shape, jacobian.shape, camera.rays(pixels).shape) == ((4, 5, 2), (4, 5, 2, 3), (4, 5, 3))
        assert isinstance(camera, CameraModel)


def test_the_image_reaches_half_a_pixel_beyond_the_centres_of_its_outer_pixels():
    camera = PinholeCamera(SIZE, (500.0, 500.0), (800.0, 600.0))
    assert contains(camera, [[-0.5, 0], [-0.6, 0], [1599.5, 1199.5], [1599.6, 0], [np.nan, 0]]).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image_size": (0, 100)}, "image size"),
        ({"focal": (-1.0, 100.0)}, "focal length"),
        ({"center": (float("nan"), 0.0)}, "principal point"),
        ({"distortion": (0.0,)}, "distortion"),
    ],
)
@pytest.mark.parametrize("model", [PinholeCamera, FisheyeCamera])
def test_numbers_that_cannot_be_a_camera_are_refused(model, values, said):
    with pytest.raises(ValueError, match=said):
        model(**{"image_size": SIZE, "focal": (500.0, 500.0), "center": (800.0, 600.0), **values})
