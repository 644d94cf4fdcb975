from __future__ import annotations

from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from bodydouble.errors import DataError, UnknownNameError
from bodydouble.hand_pose.human_motion import HumanMotion, Source, packed


@pytest.fixture
def motion(simulated_episode) -> HumanMotion:
    return simulated_episode().motion


def same(one: HumanMotion, two: HumanMotion) -> None:
    for item in fields(HumanMotion):
        first, second = getattr(one, item.name), getattr(two, item.name)
        if isinstance(first, np.ndarray):
            assert np.array_equal(first, second, equal_nan=True), item.name
            assert first.dtype == second.dtype, item.name
        elif item.name == "flags":
            assert first.keys() == second.keys()
            assert all(np.array_equal(first[name], second[name]) for name in first)
        else:
            assert first == second, item.name


def test_what_was_saved_is_loaded(motion, tmp_path):
    full = replace(motion, assumed={"stature": {"value": 1.73, "sigma": 0.1}}, triangulated=np.full((motion.frames, 75, 3), np.nan))
    for name, value in {"plain": motion, "full": full}.items():
        value.save(tmp_path / f"{name}.h5")
        same(HumanMotion.load(tmp_path / f"{name}.h5"), value)


def test_no_frames_and_no_flags_survive_a_file_too(motion, tmp_path):
    arrays = {item.name: getattr(motion, item.name) for item in fields(HumanMotion) if isinstance(getattr(motion, item.name), np.ndarray)}
    empty = {name: array[:, :0] if name == "relabelled" else array[:0] for name, array in arrays.items()}
    none = replace(motion, **empty, flags={})
    none.save(tmp_path / "none.h5")
    same(HumanMotion.load(tmp_path / "none.h5"), none)


@pytest.mark.parametrize("name", ["link_poses", "joint_angles", "joint_source", "base_pose", "landmarks", "landmark_sigma", "landmark_covariance",
                                  "landmark_source", "relabelled", "fit_error_px", "triangulated"])  # fmt: skip
def test_a_wrong_shape_is_refused_by_name(motion, name):
    with pytest.raises(ValueError, match=rf"HumanMotion\.{name} has shape"):
        replace(motion, **{name: np.zeros((3, 2))})


def test_arrays_cannot_be_written_to(motion):
    with pytest.raises(ValueError, match="read-only"):
        motion.landmarks[0, 0] = 0.0


def test_the_shares_of_sources_add_up_to_one_and_count_each_part_by_itself(motion):
    shares = motion.source_fractions()
    assert set(shares) == {"body", "left_hand", "right_hand"}
    assert all(sum(part.values()) == pytest.approx(1.0) for part in shares.values())
    assert shares["body"]["observed"] == 1.0
    assert shares["right_hand"]["missing"] == pytest.approx(np.mean(motion.landmark_source[:, 54:] == Source.MISSING))
    assert shares["right_hand"]["inferred"] > 0.5


def test_links_and_landmarks_are_found_by_name_and_an_unknown_one_is_an_error(motion):
    assert np.array_equal(motion.link("left_upper_arm"), motion.link_poses[:, 1])
    assert np.array_equal(motion.landmark("left_wrist"), motion.landmarks[:, 15])
    with pytest.raises(UnknownNameError, match=r"link 'left_uper_arm' is not in the human tree.*Did you mean 'left_upper_arm'"):
        motion.link("left_uper_arm")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'left_wrist'"):
        motion.landmark("left_wrst")


def test_a_file_of_something_else_is_refused_by_name(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["times_s"] = np.zeros(3)
    for name in ("text", "other", "absent"):
        with pytest.raises(DataError, match=rf"{name}\.h5 is not a human motion file"):
            HumanMotion.load(tmp_path / f"{name}.h5")


def test_covariances_survive_packing_and_a_motion_without_them_has_spheres(estimated):
    motion = estimated
    full = motion.spread()
    known = np.isfinite(full).all(axis=(2, 3))
    assert known.any()
    np.testing.assert_array_equal(packed(full), motion.landmark_covariance)
    np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(full[known])[:, -1]), motion.landmark_sigma[known])
    old = replace(motion, landmark_covariance=None).spread()
    np.testing.assert_allclose(old[known], motion.landmark_sigma[known][:, None, None] ** 2 * np.eye(3))
