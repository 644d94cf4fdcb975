"""A rig that came out larger than it is known to be, and one that was moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_capture import as_built, standing_rig

from bodydouble.calibration.known_scale import known_scale
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.rig import Rig, Sigma
from bodydouble.calibration.room.room_frame import FrameChange
from bodydouble.calibration.transform import pose_from_rotvec


def changed(rig: Rig, factor: float = 1.0, turn_rad: float = 0.0, shift_m: float = 0.0, seed: int = 0) -> Rig:
    """Return the rig made larger, with its cameras turned and shifted, each in a way of its own, as large as said."""
    rng, cameras = np.random.default_rng(seed), {}
    for name, camera in rig.cameras.items():
        T, turn, shift = camera.T_body_camera.copy(), rng.normal(0, 1, 3), rng.normal(0, 1, 3)
        T[:3, 3] = factor * T[:3, 3] + shift_m * shift / np.linalg.norm(shift)
        T = T @ pose_from_rotvec(turn_rad * turn / np.linalg.norm(turn), np.zeros(3))
        cameras[name] = replace(camera, T_body_camera=T)
    return replace(rig, cameras=cameras)


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.3, 3.0), seed=st.integers(0, 100))
def test_the_scale_is_found_whatever_frame_the_room_has(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rig = standing_rig()
    elsewhere = FrameChange(pose_from_rotvec(rng.uniform(-2, 2, 3), rng.uniform(-1, 1, 3))).rig(changed(rig, factor))
    scale = known_scale(elsewhere, rig)
    assert scale is not None
    assert scale.factor == pytest.approx(factor)
    if abs(abs(factor - 1) - 0.02) > 1e-6:  # at the limit itself rounding decides
        assert scale.is_wrong == (abs(factor - 1) > 0.02)
    assert scale.cameras == rig.names


def test_small_errors_of_two_calibrations_are_not_remarkable() -> None:
    rig = standing_rig()
    scale = known_scale(changed(rig, 1.01, np.radians(0.2), 0.01), rig)
    assert scale is not None
    assert not scale.is_wrong
    scale = known_scale(changed(rig, 1.1, np.radians(0.2), 0.01), rig)
    assert scale is not None
    assert scale.is_wrong
    assert scale.factor == pytest.approx(1.1, abs=0.01)


@pytest.mark.parametrize("moved", [{"turn_rad": np.radians(5)}, {"shift_m": 0.4}])
def test_cameras_that_have_moved_tell_no_scale(moved: dict[str, float]) -> None:
    assert known_scale(changed(standing_rig(), 1.2, **moved), standing_rig()) is None


def test_a_rig_that_was_only_drawn_is_as_exact_as_its_sigma_say() -> None:
    """Mounts are a few millimetres from the drawing, which on a head is percents: no wrong size is read into that, but one of a quarter is seen."""
    preset = preset_rig("optimus-helmet5")
    for seed in range(20):
        scale = known_scale(as_built(preset, seed), preset)
        assert scale is None or not scale.is_wrong
    scale = known_scale(changed(as_built(preset, 1), 1.25), preset)
    assert scale is not None
    assert scale.is_wrong


def test_sigma_of_either_rig_count() -> None:
    rig = standing_rig()
    unsure = replace(rig, cameras={name: replace(camera, sigma=Sigma(position_m=0.2)) for name, camera in rig.cameras.items()})
    for found, known in [(changed(unsure, 1.1), rig), (changed(rig, 1.1), unsure)]:
        scale = known_scale(found, known)
        assert scale is not None
        assert scale.sigma > 0.02
        assert not scale.is_wrong


def test_two_cameras_of_one_body_are_needed() -> None:
    rig = standing_rig()
    assert known_scale(rig.select(["cam0"]), rig) is None
    names = dict(zip(rig.names, "abcd", strict=True))
    others = Rig("r", ("room",), {names[n]: replace(c, name=names[n]) for n, c in rig.cameras.items()})
    assert known_scale(rig, others) is None
    at_one_place = changed(rig, 0.0)
    assert known_scale(rig, at_one_place) is None


def test_bodies_are_compared_by_their_cameras_and_not_by_their_names() -> None:
    preset = preset_rig("optimus-helmet-backpack5")
    renamed = Rig(
        "r", ("head", "back"),
        {n: replace(c, body={"helmet": "head", "backpack": "back"}[c.body]) for n, c in changed(preset, 1.3).cameras.items()},
    )  # fmt: skip
    scale = known_scale(renamed, preset)
    assert scale is not None
    assert scale.factor == pytest.approx(1.3)
    assert set(scale.cameras) == set(preset.names)
