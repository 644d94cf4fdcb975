"""The detector on one image: crops, sides of the hand, and models that are none."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.errors import MissingDependencyError
from bodydouble.hand_pose.detector import MIN_CROP_PX, Detector, DetectorSettings, _cut, settings_text
from bodydouble.hand_pose.landmarks import POSE, POSE_NAMES


@pytest.fixture(scope="module")
def detector(pose_model, hand_model):
    made = Detector(pose_model, hand_model, DetectorSettings())
    yield made
    made.close()


@pytest.fixture(scope="module")
def image(sample_videos):
    import av

    with av.open(str(sample_videos / "videos" / "cam04.mp4")) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.fixture(scope="module")
def view(detector, image):
    return detector.detect(image)


def test_a_person_is_found_with_the_head_above_the_feet(view):
    place = {name: view.pixels[row] for row, name in enumerate(POSE_NAMES)}
    assert place["nose"][1] < place["left_hip"][1] < place["left_ankle"][1]
    assert np.isfinite(view.shape_m[POSE]).all()
    assert np.linalg.norm(view.shape_m[[23, 24]].mean(axis=0)) < 0.02  # centred on the hips
    assert 0.3 < np.linalg.norm(view.shape_m[[11, 12]].mean(axis=0)) < 0.7


def test_pixels_count_from_the_middle_of_the_first_one(detector, image, view):
    """A picture twice as large has everything at 2 x + 0.5, not at 2 x."""
    import cv2

    large = detector.detect(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR))
    difference = large.pixels[POSE] - (2 * view.pixels[POSE] + 0.5)
    assert np.abs(np.median(difference, axis=0)).max() < 1.5


def test_a_small_person_in_a_wide_image_is_found_in_a_part_of_it(detector, image, view):
    """The same picture at a third of its size, far right in a wide grey one."""
    import cv2

    small = cv2.resize(image, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    wide = np.full((small.shape[0], 4 * small.shape[0], 3), 127, np.uint8)
    left = wide.shape[1] - small.shape[1] - 40
    wide[:, left : left + small.shape[1]] = small
    found = detector.detect(wide)
    assert np.isfinite(found.pixels[POSE]).all()
    difference = np.linalg.norm(found.pixels[POSE] - (view.pixels[POSE] / 3 + [left, 0]), axis=-1)
    assert np.median(difference) < 12


def test_nobody_is_nan(detector):
    nothing = detector.detect(np.full((240, 320, 3), 127, np.uint8))
    for values in (nothing.pixels, nothing.confidence, nothing.shape_m):
        assert np.isnan(values).all()


def test_a_view_into_a_larger_image_is_read_as_it_lies(detector, image, view):
    """Rows with padding between them must not come out sheared."""
    padded = np.zeros((image.shape[0], image.shape[1] + 37, 3), np.uint8)
    padded[:, : image.shape[1]] = image
    assert np.array_equal(detector.detect(padded[:, : image.shape[1]]).pixels, view.pixels, equal_nan=True)


def test_the_crop_lies_beyond_the_wrist_and_grows_with_the_forearm(detector):
    pixels = np.zeros((75, 2))
    row = POSE_NAMES.index
    pixels[row("left_elbow")], pixels[row("left_wrist")] = (100, 100), (100, 200)
    origin, size = detector._crop("left", pixels)
    assert size == round(100 * DetectorSettings().crop_forearms)
    np.testing.assert_allclose(origin + size / 2, [100, 230], atol=1)
    pixels[row("left_wrist")] = pixels[row("left_elbow")]
    assert detector._crop("left", pixels)[1] == MIN_CROP_PX


def test_a_cut_is_grey_where_the_image_ends_and_none_where_too_little_is_left():
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    assert np.array_equal(_cut(image, np.array([5, 4]), 10), image[4:14, 5:15])
    over = _cut(image, np.array([-3, -2]), 10)
    assert np.array_equal(over[2:, 3:], image[:8, :7])
    assert (over[:2] == 127).all()
    assert (over[:, :3] == 127).all()
    assert _cut(image, np.array([25, 15]), 10) is not None
    assert _cut(image, np.array([26, 16]), 10) is None
    assert _cut(image, np.array([40, 40]), 10) is None


def test_models_that_are_none_say_what_to_run(tmp_path, hand_model):
    (tmp_path / "pose.task").write_bytes(b"not a model")
    with pytest.raises(MissingDependencyError, match=r"could not load pose\.task or .*bodydouble assets fetch.*bodydouble doctor"):
        Detector(tmp_path / "pose.task", hand_model, DetectorSettings())


def test_the_settings_are_kept_as_text_with_the_models():
    text = settings_text(DetectorSettings(), {"pose.task": "ab"})
    assert text["pose.task"] == "ab"
    assert float(text["wrist_visibility"]) == DetectorSettings().wrist_visibility
