from __future__ import annotations

import h5py
import numpy as np
import pytest

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.hand_pose.landmarks import HAND_NAMES, LANDMARK_NAMES, LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks, swapped_sides


@pytest.fixture
def landmarks() -> Landmarks:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 1000, (2, 3, 75, 2))
    pixels[1, 2] = np.nan
    times = np.array([[0.0, 0.1, 0.2], [0.001, 0.101, np.nan]])
    return Landmarks(("front", "side"), times, pixels, rng.uniform(0, 1, (2, 3, 75)), rng.normal(size=(2, 3, 75, 3)), {"model": "ab12"})


def test_there_are_75_different_names_and_three_parts_that_hold_all_of_them():
    assert len(set(LANDMARK_NAMES)) == 75
    assert LANDMARK_NAMES[LEFT_HAND] == tuple(f"left_hand_{name}" for name in HAND_NAMES)
    assert LANDMARK_NAMES[RIGHT_HAND] == tuple(f"right_hand_{name}" for name in HAND_NAMES)
    assert LANDMARK_NAMES[POSE][0] == "nose"
    assert [LANDMARK_NAMES[index] for index in MAIN_JOINTS] == [
        f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
    ]


def test_exchanging_sides_twice_changes_nothing_and_only_the_nose_stays_where_it_is():
    other = swapped_sides()
    assert np.array_equal(other[other], np.arange(75))
    assert [LANDMARK_NAMES[index] for index in np.flatnonzero(other == np.arange(75))] == ["nose"]


def test_exchanging_sides_names_the_same_part_of_the_other_side():
    for name, index in zip(LANDMARK_NAMES, swapped_sides(), strict=True):
        swapped = LANDMARK_NAMES[index]
        assert name == "nose" or {name, swapped} == {swapped.replace("left", "right"), swapped.replace("right", "left")}


def test_only_the_marked_views_are_exchanged(landmarks):
    swap = np.array([[False, True, False], [False, False, False]])
    exchanged = landmarks.exchanged(swap)
    assert np.array_equal(exchanged.pixels[0, 1], landmarks.pixels[0, 1, swapped_sides()])
    assert np.array_equal(exchanged.confidence[0, 1], landmarks.confidence[0, 1, swapped_sides()])
    assert np.array_equal(exchanged.shape_m[0, 1], landmarks.shape_m[0, 1, swapped_sides()])
    assert np.array_equal(exchanged.pixels[~swap], landmarks.pixels[~swap], equal_nan=True)


def test_what_was_saved_is_loaded(landmarks, tmp_path):
    landmarks.save(tmp_path / "landmarks.h5")
    loaded = Landmarks.load(tmp_path / "landmarks.h5")
    assert (loaded.cameras, loaded.settings) == (landmarks.cameras, landmarks.settings)
    for name in ("times_s", "pixels", "confidence", "shape_m"):
        assert np.array_equal(getattr(loaded, name), getattr(landmarks, name), equal_nan=True), name


def test_cameras_come_in_the_order_asked_for(landmarks):
    chosen = landmarks.select(("side", "front"))
    assert chosen.cameras == ("side", "front")
    assert np.array_equal(chosen.pixels, landmarks.pixels[::-1], equal_nan=True)


def test_a_camera_that_is_not_there_is_refused_with_the_ones_that_are(landmarks):
    with pytest.raises(UnknownNameError, match=r"camera 'frnt' is not in the landmarks; valid: front, side"):
        landmarks.select(("frnt",))


def test_arrays_cannot_be_written_to(landmarks):
    with pytest.raises(ValueError, match="read-only"):
        landmarks.pixels[0, 0, 0] = 0.0


@pytest.mark.parametrize("name", ["times_s", "pixels", "confidence", "shape_m"])
def test_a_wrong_shape_is_refused_with_both_shapes(landmarks, name):
    values = {key: getattr(landmarks, key) for key in ("times_s", "pixels", "confidence", "shape_m")}
    values[name] = values[name][:1]
    with pytest.raises(ValueError, match=r"Landmarks\.\w+ has shape \(.*expected \("):
        Landmarks(landmarks.cameras, **values)


def test_a_file_of_something_else_is_refused_by_name(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(DataError, match=r"text\.h5 is not a landmarks file"):
        Landmarks.load(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pixels"] = np.zeros(3)
    with pytest.raises(DataError, match=r"other\.h5 is not a landmarks file"):
        Landmarks.load(tmp_path / "other.h5")
    with pytest.raises(DataError, match="absent"):
        Landmarks.load(tmp_path / "absent.h5")
