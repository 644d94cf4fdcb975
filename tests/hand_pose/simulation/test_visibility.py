"""Landmarks are seen, hidden by something, or hidden by their own hand."""

from __future__ import annotations

import numpy as np
from simulated_scene import AHEAD, CAMERA, LEFT, at, moment, renderer

from bodydouble.calibration.transform import apply, invert, pose_from_rotvec
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.simulation.moment import Visibility

TIP = LEFT_HAND.start + 8


def landmarks(tip: np.ndarray) -> np.ndarray:
    places = moment().landmarks.copy()
    places[TIP] = tip
    return places


def seen(tip: np.ndarray, cup: tuple[float, float, float] = (2.0, 0.0, 1.2), camera: np.ndarray = AHEAD) -> Visibility:
    now = moment(landmarks=landmarks(tip), T_world_object={"cup": at(*cup)})
    return Visibility(int(renderer().visibility(now, CAMERA, camera)[0][TIP]))


def test_a_joint_in_the_flesh_of_its_own_hand_is_seen() -> None:
    towards = LEFT - AHEAD[:3, 3]
    towards /= np.linalg.norm(towards)
    assert seen(LEFT - 0.006 * towards) is Visibility.VISIBLE  # 14 mm deep
    assert seen(LEFT - 0.05 * towards) is Visibility.VISIBLE  # before the skin


def test_a_fingertip_behind_its_own_hand_is_hidden_by_itself() -> None:
    assert seen(LEFT + 0.03 * (LEFT - AHEAD[:3, 3])) is Visibility.SELF_HIDDEN


def test_a_hand_behind_an_object_is_hidden() -> None:
    assert seen(LEFT, cup=(0.35, 0.12, 1.2)) is Visibility.HIDDEN


def test_a_hand_behind_the_other_hand_is_hidden() -> None:
    now = moment()
    aside = np.array([0.6, -2.0, 1.2])
    through = LEFT - (moment().landmarks[RIGHT_HAND.start] - LEFT) * 1.5  # left of the left hand, as seen from the right one
    T = at(*through) @ invert(at(*AHEAD[:3, 3])) @ AHEAD
    T[:3, :3] = AHEAD[:3, :3] @ pose_from_rotvec([0.0, np.pi / 2, 0.0], [0.0, 0.0, 0.0])[:3, :3]
    status, pixels = renderer().visibility(now, CAMERA, T)
    assert (status[RIGHT_HAND] == Visibility.HIDDEN).all(), aside
    assert np.isfinite(pixels[RIGHT_HAND]).all()


def test_what_is_not_in_the_image_is_outside_and_keeps_its_pixel() -> None:
    behind = AHEAD @ pose_from_rotvec([0.0, 2.2, 0.0], [0.0, 0.0, 0.0])
    now = moment()
    status, pixels = renderer().visibility(now, CAMERA, behind)
    assert (status == Visibility.OUTSIDE).all()
    expected = CAMERA.project(apply(invert(behind), now.landmarks))
    np.testing.assert_allclose(pixels, expected)
