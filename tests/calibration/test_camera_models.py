"""All camera models against themselves (round trips, finite differences) and against OpenCV."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import (
    MODELS,
    CameraModel,
    DoubleSphereCamera,
    Fisheye624Camera,
    FisheyeCamera,
    OmniCamera,
    PinholeCamera,
    contains,
)

SIZE = (1600, 1200)


def cameras(model: type, focal: tuple[float, float], *distortion: tuple[float, float]) -> st.SearchStrategy:
    """Build cameras of a model with numbers from these ranges."""
    return st.builds(
        lambda f, aspect, c, k: model(SIZE, (f, f * aspect), c, k),
        st.floats(*focal),
        st.floats(0.98, 1.02),
        st.tuples(st.floats(700, 900), st.floats(500, 700)),
        st.tuples(*(st.floats(*limits) for limits in distortion)),
    )


TANGENTIAL = (-2e-3, 2e-3)
pinholes = cameras(PinholeCamera, (400, 3000), (-0.35, 0.3), (-0.15, 0.2), TANGENTIAL, TANGENTIAL, (-0.05, 0.05))
rational_pinholes = cameras(
    PinholeCamera, (400, 3000), (-0.5, 1.5), (-0.3, 0.5), TANGENTIAL, TANGENTIAL, (-0.05, 0.1), (-0.3, 1.8), (-0.2, 0.8), (-0.05, 0.2)
)
fisheyes = cameras(FisheyeCamera, (250, 900), (-0.1, 0.1), (-0.02, 0.02), (-0.005, 0.005), (-0.0005, 0.0005))
omnis = cameras(OmniCamera, (400, 2000), (-0.5, 2.5), (-0.3, 0.3), (-0.1, 0.1), TANGENTIAL, TANGENTIAL)
double_spheres = cameras(DoubleSphereCamera, (200, 900), (-0.6, 1.3), (0.0, 1.0))
fisheye624s = cameras(
    Fisheye624Camera, (200, 1200), (-0.05, 0.05), (-0.05, 0.05), (-0.1, 0.1), (-0.1, 0.1), (-0.05, 0.05), (-0.01, 0.01), *[TANGENTIAL] * 6
)
anything = st.one_of(pinholes, rational_pinholes, fisheyes, omnis, double_spheres, fisheye624s)
EXAMPLES = {
    "pinhole": PinholeCamera(SIZE, (500.0, 510.0), (801.0, 599.0), (-0.1, 0.02, 1e-3, -5e-4, 1e-3)),
    "rational": PinholeCamera(SIZE, (500.0, 510.0), (801.0, 599.0), (0.3, -0.1, 1e-3, -5e-4, 0.01, 0.5, 0.1, 0.02)),
    "fisheye": FisheyeCamera(SIZE, (300.0, 310.0), (801.0, 599.0), (0.01, -0.001, 1e-4, 1e-5)),
    "omni": OmniCamera(SIZE, (900.0, 910.0), (801.0, 599.0), (1.4, -0.1, 0.05, 1e-3, -1e-3)),
    "double_sphere": DoubleSphereCamera(SIZE, (300.0, 310.0), (801.0, 599.0), (-0.2, 0.6)),
    "fisheye624": Fisheye624Camera(
        SIZE, (300.0, 310.0), (801.0, 599.0), (0.02, -0.01, 0.003, -1e-3, 1e-4, 1e-5, 1e-3, -5e-4, 2e-3, 1e-4, -1e-3, -1e-4)
    ),
}
each_model = pytest.mark.parametrize("camera", EXAMPLES.values(), ids=EXAMPLES)
seeds = st.integers(0, 2**32 - 1)


def directions(seed: int, widest_rad: float, count: int = 200) -> np.ndarray:
    random = np.random.default_rng(seed)
    theta, phi = widest_rad * np.sqrt(random.uniform(0, 1, count)), random.uniform(-math.pi, math.pi, count)
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def usable_angle(camera: CameraModel) -> float:
    """Widest angle at which figures are well posed: a little inside the range."""
    if isinstance(camera, PinholeCamera):
        return math.atan(min(0.98 * camera.limit, math.tan(math.radians(80))))
    return min(0.98 * camera.limit, 3.0)


@settings(deadline=None, max_examples=200)
@given(anything, seeds)
def test_the_ray_of_a_projected_direction_is_that_direction(camera, seed):
    rays = directions(seed, usable_angle(camera))
    assert np.abs(camera.rays(camera.project(rays * 2.5)) - rays).max() < 1e-9


@settings(deadline=None, max_examples=200)
@given(anything, seeds)
def test_projecting_the_ray_of_a_pixel_gives_the_pixel(camera, seed):
    pixels = camera.project(directions(seed, usable_angle(camera)))
    size = np.maximum(max(camera.focal), np.linalg.norm(pixels - camera.center, axis=1, keepdims=True))
    assert (np.abs(camera.project(3.0 * camera.rays(pixels)) - pixels) < 1e-9 * size).all()


@settings(deadline=None, max_examples=200)
@given(anything, seeds, st.floats(0.3, 5.0))
def test_the_jacobian_is_that_of_finite_differences(camera, seed, depth):
    points = depth * directions(seed, 0.95 * usable_angle(camera), count=30)
    pixels, jacobian = camera.project_jacobian(points)
    step = 1e-6 * depth
    numeric = np.stack(
        [(camera.project(points + step * axis) - camera.project(points - step * axis)) / (2 * step) for axis in np.eye(3)], axis=-1
    )
    assert np.array_equal(pixels, camera.project(points))
    assert np.abs(jacobian - numeric).max() < 1e-5 * (1 + np.abs(numeric).max())


@settings(deadline=None, max_examples=200)
@given(anything, seeds)
def test_the_jacobian_of_the_parameters_is_that_of_finite_differences(camera, seed):
    points = directions(seed, 0.8 * usable_angle(camera), count=30)
    pixels, by_point, by_parameters = camera.project_jacobians(points)
    values = camera.parameters
    if isinstance(camera, DoubleSphereCamera) and not 1e-5 < values[5] < 1 - 1e-5:
        return  # alpha ends there
    for k, value in enumerate(values):
        step = 1e-6 * max(1.0, abs(value))
        ends = [camera.with_parameters(np.where(np.arange(len(values)) == k, value + s, values)).project(points) for s in (step, -step)]
        numeric = (ends[0] - ends[1]) / (2 * step)
        numeric[np.isnan(numeric)] = by_parameters[..., k][np.isnan(numeric)]  # a step may take the limit past a point
        assert np.abs(by_parameters[..., k] - numeric).max() < 1e-4 * (1 + np.abs(numeric).max()), f"parameter {k}"
    assert np.array_equal(by_point, camera.project_jacobian(points)[1])
    assert np.array_equal(pixels, camera.project(points))


@settings(deadline=None, max_examples=200)
@given(anything, seeds)
def test_the_jacobian_of_the_rays_is_that_of_finite_differences(camera, seed):
    pixels = camera.project(directions(seed, 0.8 * usable_angle(camera), count=30))
    rays, jacobian = camera.rays_jacobian(pixels)
    step = 1e-6 * max(camera.focal)
    numeric = np.stack(
        [(camera.rays(pixels + step * axis) - camera.rays(pixels - step * axis)) / (2 * step) for axis in np.eye(2)], axis=-1
    )
    assert np.array_equal(rays, camera.rays(pixels))
    assert np.abs(jacobian - numeric).max() < 1e-5 * np.abs(numeric).max()


@settings(deadline=None, max_examples=50)
@given(pinholes | rational_pinholes, seeds)
def test_the_pinhole_agrees_with_opencv(camera, seed):
    import cv2

    points = directions(seed, usable_angle(camera))
    K = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(camera.distortion))
    assert np.abs(camera.project(points) - expected.reshape(-1, 2)).max() < 1e-12 * np.abs(expected).max()


@settings(deadline=None, max_examples=50)
@given(fisheyes, seeds)
def test_the_fisheye_agrees_with_opencv_in_front_of_the_camera(camera, seed):
    import cv2

    points = directions(seed, min(usable_angle(camera), 1.5))
    K = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    expected, _ = cv2.fisheye.projectPoints(points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), K, np.array(camera.distortion))
    assert np.abs(camera.project(points) - expected.reshape(-1, 2)).max() < 1e-6


@settings(deadline=None, max_examples=50)
@given(omnis, seeds)
def test_the_omnidirectional_camera_agrees_with_opencv(camera, seed):
    import cv2

    points = directions(seed, min(usable_angle(camera), 2.0))
    K = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    xi, *rest = camera.distortion
    expected, _ = cv2.omnidir.projectPoints(points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), K, xi, np.array(rest))
    assert np.abs(camera.project(points) - expected.reshape(-1, 2)).max() < 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("angle_deg", [89.0, 90.0, 91.0, 110.0, 150.0])
def test_the_fisheye_sees_at_and_beyond_a_right_angle(angle_deg):
    camera = FisheyeCamera(SIZE, (300.0, 300.0), (800.0, 600.0), (0.01, -0.001, 0.0, 0.0))
    theta = math.radians(angle_deg)
    ray = np.array([math.sin(theta), 0.0, math.cos(theta)])
    pixel = camera.project(ray)
    assert pixel[0] == pytest.approx(800 + 300 * theta * (1 + 0.01 * theta**2 - 0.001 * theta**4))
    assert np.abs(camera.rays(pixel) - ray).max() < 1e-12


@pytest.mark.parametrize("name", ["fisheye", "omni", "double_sphere", "fisheye624"])
@pytest.mark.parametrize("angle_deg", [89.0, 90.0, 91.0, 100.0])
def test_wide_models_see_at_and_beyond_a_right_angle(name, angle_deg):
    camera, theta = EXAMPLES[name], math.radians(angle_deg)
    rays = np.array([[math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta)] for phi in (0.0, 1.0, 4.0)])
    assert np.isfinite(camera.project(rays)).all()
    assert np.abs(camera.rays(camera.project(rays)) - rays).max() < 1e-12


@each_model
def test_the_optical_axis_goes_to_the_principal_point(camera):
    pixels, jacobian = camera.project_jacobian(np.array([0.0, 0.0, 2.0]))
    scale = 1 + camera.distortion[0] if isinstance(camera, OmniCamera) else 1.0
    if isinstance(camera, DoubleSphereCamera):
        scale = 1 + camera.distortion[0]
    assert pixels.tolist() == [801.0, 599.0]
    assert np.allclose(jacobian, np.array([[camera.focal[0], 0, 0], [0, camera.focal[1], 0]]) / (2 * scale), rtol=1e-14, atol=0)
    assert camera.rays(pixels).tolist() == [0.0, 0.0, 1.0]


@each_model
def test_the_axis_is_no_special_place(camera):
    on, beside = (camera.project_jacobians(np.array([x, 0.5 * x, 2.0])) for x in (0.0, 1e-8))
    for exact, near in zip(on, beside, strict=True):
        assert np.allclose(exact, near, rtol=1e-6, atol=1e-4)


@each_model
def test_a_camera_is_made_of_its_parameters(camera):
    values = camera.parameters
    assert values.tolist() == [*camera.focal, *camera.center, *camera.distortion]
    assert camera.with_parameters(values) == camera
    moved = camera.with_parameters(values + 1e-3)
    assert type(moved) is type(camera)
    assert moved.image_size == camera.image_size
    assert moved.parameters.tolist() == (values + 1e-3).tolist()


@each_model
def test_parameters_that_cannot_be_a_camera_are_refused(camera):
    with pytest.raises(ValueError, match=r"distortion .* finite numbers"):
        camera.with_parameters(camera.parameters[:-1])
    with pytest.raises(ValueError, match="focal length"):
        camera.with_parameters(-camera.parameters)


@each_model
def test_many_points_come_out_as_each_of_them_alone(camera):
    points = directions(0, 0.6, count=10_001)
    points[[0, 4095, 4096, 10_000], 2] = np.nan
    alone = [0, 1, 4094, 4095, 4096, 4097, 9_999, 10_000]
    for many, few in zip(camera.project_jacobians(points), camera.project_jacobians(points[alone]), strict=True):
        assert np.allclose(many[alone], few, rtol=1e-13, atol=1e-13, equal_nan=True)
    assert np.allclose(
        camera.rays(camera.project(points))[alone], points[alone] * [1, 1, 1] + 0 * points[alone, 2:], atol=1e-12, equal_nan=True
    )


@each_model
def test_what_is_not_seen_has_no_derivatives(camera):
    points = np.array([[0.1, 0.2, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [np.nan, 0.0, 1.0], [0.01, 0.01, -1.0]])
    seen = [True, False, False, False, isinstance(camera, FisheyeCamera) and camera.limit == math.pi]
    for values in camera.project_jacobians(points):
        axes = tuple(range(1, values.ndim))
        assert np.isfinite(values).all(axis=axes).tolist() == seen
        assert np.isnan(values).all(axis=axes).tolist() == [not one for one in seen]


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


@each_model
def test_missing_points_and_pixels_stay_missing(camera):
    assert np.isnan(camera.project(np.full((2, 3), np.nan))).all()
    pixels = np.array([[np.nan, np.nan], [800.0, np.nan], [800.0, 600.0]])
    for values in camera.rays_jacobian(pixels):
        assert np.isnan(values[:2]).all()
        assert np.isfinite(values[2]).all()


@each_model
def test_any_leading_shape_is_kept(camera):
    for leading in ((), (0,), (7,), (4, 5), (3, 0, 2)):
        points = np.broadcast_to([0.1, 0.2, 1.0], (*leading, 3))
        pixels, by_point, by_parameters = camera.project_jacobians(points)
        assert camera.project(points).shape == pixels.shape == (*leading, 2)
        assert by_point.shape == camera.project_jacobian(points)[1].shape == (*leading, 2, 3)
        assert by_parameters.shape == (*leading, 2, len(camera.parameters))
        rays, by_pixel = camera.rays_jacobian(pixels)
        assert (rays.shape, by_pixel.shape) == ((*leading, 3), (*leading, 3, 2))
    assert isinstance(camera, CameraModel)


@each_model
def test_points_and_pixels_anywhere_raise_no_warnings(camera, recwarn):
    huge = np.array([0.0, 1.0, -1.0, 1e-300, 1e300, np.inf, -np.inf, np.nan])
    points = np.stack(np.meshgrid(huge, huge, huge), axis=-1)
    camera.project_jacobians(points)
    camera.rays_jacobian(points[..., :2])
    assert not recwarn.list


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
@pytest.mark.parametrize("name", MODELS)
def test_numbers_that_cannot_be_a_camera_are_refused(name, values, said):
    with pytest.raises(ValueError, match=said) as refused:
        MODELS[name](**{"image_size": SIZE, "focal": (500.0, 500.0), "center": (800.0, 600.0), **values})
    assert "\n" not in str(refused.value)
