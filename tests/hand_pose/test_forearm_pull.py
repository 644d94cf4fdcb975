"""A forearm that was seen pulls the elbow across its direction, and goes with its hand when sides are exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration import preset_rig
from bodydouble.calibration.rotation import exp
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.forearm_pull import CORRELATED, ELBOWS, WRISTS, ForearmPull
from bodydouble.hand_pose.landmarks import LEFT_HAND, ForearmDirections, Landmarks

CAMERAS = ("front", "left_down")
FRAMES = 3


def seen() -> ForearmPull:
    """Forearms straight down, known to a tenth of a radian."""
    direction = np.tile([0.0, 0.0, -1.0], (FRAMES, 2, 1))
    return ForearmPull(direction, np.tile(np.diag([100.0, 100.0, 0.0]), (FRAMES, 2, 1, 1)))


def points(*, off_m: float = 0.0) -> np.ndarray:
    found = np.zeros((FRAMES, 75, 3))
    found[:, ELBOWS] = [off_m, 0.0, -0.25]
    return found


def test_along_its_direction_a_forearm_costs_nothing_and_across_it_by_the_angle():
    assert seen().cost(points()) == pytest.approx([0.0] * FRAMES)
    angle = np.arctan2(0.05, 0.25)
    expected = 2 * np.log1p(100 * np.sin(angle) ** 2)
    assert seen().cost(points(off_m=0.05)) == pytest.approx([expected] * FRAMES)


def test_the_gradient_is_that_of_the_cost():
    pull, at = seen(), points(off_m=0.02)
    information, gradient = np.zeros((FRAMES, 75, 3, 3)), np.zeros((FRAMES, 75, 3))
    cost = pull.add(at, information, gradient)
    np.testing.assert_allclose(cost, pull.cost(at))
    for row in (ELBOWS[0], WRISTS[1]):
        moved = at.copy()
        moved[:, row, 0] += 1e-6
        slope = (pull.cost(moved) - cost) / 1e-6
        np.testing.assert_allclose(2 * gradient[:, row, 0], slope, rtol=0.01)
    assert (np.linalg.eigvalsh(information[:, ELBOWS]) > -1e-9).all()


def test_a_forearm_that_points_back_is_far_off_and_does_not_agree():
    at = points()
    at[:, ELBOWS, 2] = 0.25
    assert (seen().cost(at) > 2 * np.log1p(50)).all()
    assert not seen().agrees(at).any()
    assert seen().agrees(points()).all()


def landmarks() -> Landmarks:
    pixels = np.full((2, FRAMES, 75, 2), np.nan)
    pixels[:, :, LEFT_HAND] = 100.0
    direction = np.full((FRAMES, 2, 3), np.nan)
    direction[:, 0] = [1.0, 0.0, 0.0]
    information = np.full((FRAMES, 2, 3, 3), np.nan)
    information[:, 0] = np.diag([0.0, 50.0, 50.0])
    return Landmarks(
        CAMERAS, np.zeros((2, FRAMES)), pixels, np.where(np.isfinite(pixels[..., 0]), 0.9, np.nan), np.full((2, FRAMES, 75, 3), np.nan),
        forearms=ForearmDirections("helmet", direction, information),
    )  # fmt: skip


def poses() -> CameraPoses:
    rig = preset_rig("optimus-helmet5").select(CAMERAS)
    T = np.eye(4)
    T[:3, :3] = exp([0.0, 0.0, np.pi / 2])
    return CameraPoses(
        CAMERAS, np.stack([np.tile(T @ rig.camera(name).T_body_camera, (FRAMES, 1, 1)) for name in CAMERAS]), CAMERAS,
        {"helmet": np.tile(T, (FRAMES, 1, 1))},
    )  # fmt: skip


def test_directions_turn_with_the_body_that_saw_them():
    rig = preset_rig("optimus-helmet5").select(CAMERAS)
    pull = ForearmPull.of(landmarks(), rig, poses(), np.zeros((2, FRAMES), dtype=bool))
    np.testing.assert_allclose(pull.direction[:, 0], np.tile([0.0, 1.0, 0.0], (FRAMES, 1)), atol=1e-12)
    np.testing.assert_allclose(pull.information[:, 0], np.tile(np.diag([50.0, 0.0, 50.0]) / CORRELATED, (FRAMES, 1, 1)), atol=1e-9)
    assert pull.seen.tolist() == [[True, False]] * FRAMES


def test_a_forearm_goes_with_its_hand_to_the_other_side():
    rig = preset_rig("optimus-helmet5").select(CAMERAS)
    pull = ForearmPull.of(landmarks(), rig, poses(), np.ones((2, FRAMES), dtype=bool))
    assert pull.seen.tolist() == [[False, True]] * FRAMES


def test_where_none_were_looked_for_there_is_no_pull():
    rig = preset_rig("optimus-helmet5").select(CAMERAS)
    assert ForearmPull.of(replace(landmarks(), forearms=None), rig, poses(), np.zeros((2, FRAMES), dtype=bool)) is None


def test_forearms_are_kept_with_the_landmarks(tmp_path):
    landmarks().save(tmp_path / "landmarks.h5")
    found = Landmarks.load(tmp_path / "landmarks.h5").forearms
    assert found.body == "helmet"
    np.testing.assert_array_equal(found.direction, landmarks().forearms.direction)
