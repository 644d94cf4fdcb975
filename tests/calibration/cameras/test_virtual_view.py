"""Virtual pinhole views into the images of real lenses."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodydouble.calibration import DoubleSphereCamera, Fisheye624Camera, FisheyeCamera, OmniCamera, PinholeCamera, VirtualView
from bodydouble.calibration.transform import pose_from_rotvec
from bodydouble.errors import UsageError

SIZE = (640, 480)
CAMERAS = {
    "pinhole": PinholeCamera(SIZE, (400.0, 405.0), (321.0, 238.0), (-0.2, 0.05, 1e-3, -1e-3, 0.0)),
    "fisheye": FisheyeCamera(SIZE, (180.0, 182.0), (321.0, 238.0), (0.02, -0.01, 0.001, 0.0)),
    "omni": OmniCamera(SIZE, (450.0, 455.0), (321.0, 238.0), (1.5, -0.05, 0.01, 1e-3, 0.0)),
    "double_sphere": DoubleSphereCamera(SIZE, (180.0, 182.0), (321.0, 238.0), (-0.2, 0.6)),
    "fisheye624": Fisheye624Camera(SIZE, (180.0, 180.0), (321.0, 238.0), (0.02, -0.01, *[0.0] * 4, 1e-3, -1e-3, 2e-3, 0.0, 1e-3, 0.0)),
}
each_camera = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
rotations = st.tuples(*[st.floats(-0.6, 0.6)] * 3).map(lambda rotvec: pose_from_rotvec(rotvec, np.zeros(3))[:3, :3])


def smooth_scene(directions: np.ndarray) -> np.ndarray:
    """Brightness 0 to 255 of a world that depends on the direction (..., 3) alone."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return 128 + 40 * np.sin(4 * x + 1) + 40 * np.cos(5 * y) + 30 * np.sin(3 * z * x)


def pixels_of(size: tuple[int, int]) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1).astype(float)


@each_camera
@settings(deadline=None, max_examples=20)
@given(rotations, st.floats(30, 110))
def test_pixels_go_to_the_image_and_back(camera, rotation, fov_deg):
    view = VirtualView(camera, rotation, (100, 80), 50 / math.tan(math.radians(fov_deg) / 2))
    pixels = pixels_of(view.image_size)
    there = view.to_image(pixels)
    back = view.from_image(there)
    assert np.array_equal(np.isnan(there), np.isnan(back)) or np.nanmax(np.abs(back - pixels)) < 1e-9
    assert np.nanmax(np.abs(back - pixels), initial=0) < 1e-9
    assert np.array_equal(view.valid, np.isfinite(there[..., 0]))


@each_camera
def test_the_direction_looked_at_is_in_the_middle(camera):
    direction = np.array([0.3, -0.2, 1.0])
    view = VirtualView.towards(camera, direction, fov_deg=40, image_size=(201, 101))
    assert np.allclose(view.to_image([100.0, 50.0]), camera.project(direction))
    assert np.allclose(view.from_image(camera.project(direction)), [100.0, 50.0])
    assert view.fov_deg == pytest.approx(40)


@each_camera
def test_a_point_lands_where_a_pinhole_camera_sees_it(camera):
    """Turned 20 degrees to the right, what lies 20 degrees to the right is in the middle, and 30 degrees is f tan(10) further."""
    view = VirtualView.towards(camera, [math.sin(math.radians(20)), 0.0, math.cos(math.radians(20))], fov_deg=50, image_size=(301, 301))
    point = np.array([math.sin(math.radians(30)), 0.0, math.cos(math.radians(30))])
    expected = [150 + view.focal * math.tan(math.radians(10)), 150.0]
    assert np.allclose(view.from_image(camera.project(point)), expected, atol=1e-9)
    assert view.focal == pytest.approx(150.5 / math.tan(math.radians(25)))


@pytest.mark.parametrize(
    ("up", "beside"), [((0.0, -1.0, 0.0), (100.0, 60.0)), ((1.0, 0.0, 0.0), (60.0, 100.0)), ((0.0, 1.0, 0.0), (100.0, 140.0))]
)
def test_what_is_up_points_upwards(up, beside):
    camera = CAMERAS["fisheye"]
    view = VirtualView.towards(camera, [0.0, 0.0, 2.0], fov_deg=60, image_size=(201, 201), up=up)
    above = np.array([0.0, -math.tan(math.atan(40 / view.focal)), 1.0])
    assert np.allclose(view.from_image(camera.project(above)), beside, atol=1e-9)
    assert np.linalg.det(view.R_camera_view) == pytest.approx(1.0)


@each_camera
def test_a_remapped_image_shows_what_a_pinhole_camera_would_have_seen(camera):
    rays = camera.rays(pixels_of(SIZE))
    image = np.nan_to_num(smooth_scene(rays)).round().astype(np.uint8)
    view = VirtualView.towards(camera, [0.25, 0.15, 1.0], fov_deg=50, image_size=(320, 240))
    seen = view.remap(image)
    expected = smooth_scene(view.camera.rays(pixels_of(view.image_size)) @ view.R_camera_view.T)
    assert view.valid.all()
    assert np.abs(seen - expected).max() < 2.0
    assert np.sqrt(np.mean((seen - expected) ** 2)) < 0.6


def test_where_the_image_shows_nothing_the_view_is_black_and_not_valid():
    camera = CAMERAS["fisheye"]
    view = VirtualView.towards(camera, [1.0, 0.0, 0.3], fov_deg=100, image_size=(200, 200))
    white = view.remap(np.full((480, 640), 255, dtype=np.uint8))
    assert 0.1 < view.valid.mean() < 0.9
    assert np.array_equal(white == 255, view.valid)
    assert np.array_equal(white == 0, ~view.valid)
    assert np.isnan(view.to_image(pixels_of((200, 200))[~view.valid])).all()


def test_behind_a_pinhole_camera_there_is_nothing():
    view = VirtualView.towards(CAMERAS["pinhole"], [0.0, 0.1, -1.0], fov_deg=60, image_size=(20, 20))
    assert not view.valid.any()
    assert not view.remap(np.full((480, 640, 3), 255, dtype=np.uint8)).any()


def test_pixels_outside_of_either_image_have_no_counterpart():
    view = VirtualView.towards(CAMERAS["pinhole"], [0.0, 0.0, 1.0], fov_deg=20, image_size=(100, 100))
    assert np.isnan(view.to_image([[-0.6, 50.0], [50.0, 99.6], [np.nan, 50.0]])).all()
    assert np.isfinite(view.to_image([[-0.5, 50.0], [50.0, 99.5]])).all()
    assert np.isnan(view.from_image([[5.0, 5.0], [-1.0, 240.0], [np.nan, 0.0]])).all()


def test_colour_images_and_any_number_type_keep_theirs():
    view = VirtualView.towards(CAMERAS["omni"], [0.0, 0.0, 1.0], fov_deg=60, image_size=(64, 48))
    random = np.random.default_rng(0)
    for image in (random.integers(0, 255, (480, 640, 3), dtype=np.uint8), random.random((480, 640)).astype(np.float32)):
        seen = view.remap(image)
        assert seen.dtype == image.dtype
        assert seen.shape == (48, 64, *image.shape[2:])


def test_the_table_is_made_once_and_does_not_travel():
    view = VirtualView.towards(CAMERAS["fisheye"], [0.2, 0.0, 1.0], fov_deg=60, image_size=(640, 480))
    assert view.valid is view.valid
    packed = pickle.dumps(view)
    assert len(packed) < 2000
    assert np.array_equal(pickle.loads(packed).valid, view.valid)
    with pytest.raises(ValueError, match="read-only"):
        view.valid[0, 0] = False
    with pytest.raises(ValueError, match="read-only"):
        view.R_camera_view[0, 0] = 0.0


def test_an_image_of_another_size_is_refused():
    view = VirtualView.towards(CAMERAS["fisheye"], [0.2, 0.0, 1.0], fov_deg=60, image_size=(64, 48))
    with pytest.raises(UsageError, match=r"^the image is 320x240, but its camera was calibrated for 640x480\.$"):
        view.remap(np.zeros((240, 320), dtype=np.uint8))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"fov_deg": 180.0}, r"a view 180 degrees wide cannot be; expected more than 0 and less than 180"),
        ({"fov_deg": -1.0}, r"a view -1 degrees wide cannot be"),
        ({"up": (0.0, 0.0, 3.0)}, r"a view towards \(0, 0, 1\) has no upright with up = \(0, 0, 3\); expected two different directions"),
        ({"direction": (0.0, 0.0, 0.0)}, r"a view towards \(0, 0, 0\) has no upright"),
        ({"direction": (np.nan, 0.0, 0.0)}, r"a view towards \(nan, 0, 0\) has no upright"),
        ({"image_size": (0, 48)}, r"the view cannot be: image size"),
    ],
)
def test_views_that_cannot_be_are_refused(values, said):
    with pytest.raises(UsageError, match=said):
        VirtualView.towards(CAMERAS["fisheye"], **{"direction": (0.0, 0.0, 1.0), "fov_deg": 60.0, "image_size": (64, 48), **values})


def test_a_rotation_or_focal_length_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="R_camera_view is not a rotation"):
        VirtualView(CAMERAS["fisheye"], np.diag([1.0, 1.0, -1.0]), (64, 48), 50.0)
    with pytest.raises(UsageError, match="the view cannot be: focal length"):
        VirtualView(CAMERAS["fisheye"], np.eye(3), (64, 48), -50.0)
