"""The forearm's direction: found where images show it, and not made up where they do not."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from drawn_arm import FOREARM_M, MODEL, POSES, WRIST, drawn_views, hand_before, turned

from bodydouble.hand_pose.forearm import candidates, find_forearm
from bodydouble.hand_pose.limb_contrast import View

DOWN_AND_BACK = np.array([0.35, 0.80, -0.49])
DOWN_AND_BACK /= np.linalg.norm(DOWN_AND_BACK)
UPPER_ARM_M = 0.30


def degrees_off(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(found @ true, -1.0, 1.0))))


@pytest.mark.parametrize("bend", [-35.0, 0.0, 35.0])
@pytest.mark.parametrize("sleeve", [(60, 110, 80), (205, 150, 116), (40, 42, 48)])
def test_a_forearm_is_found_however_the_wrist_bends_and_whatever_its_colour(bend: float, sleeve: tuple[int, int, int]) -> None:
    true = turned(DOWN_AND_BACK, bend, np.array([1.0, 0.0, 0.3]))
    found = find_forearm(drawn_views(true, sleeve=sleeve), WRIST, hand_before(DOWN_AND_BACK), "right", forearm_m=FOREARM_M)
    assert found is not None
    assert degrees_off(found.direction, true) < 8.0
    assert np.isclose(np.linalg.norm(found.direction), 1.0)
    off = true - found.direction
    assert off @ found.information @ off < 9.2  # 99 % of chi-square with two degrees of freedom


def test_left_and_right_hands_are_treated_alike() -> None:
    views = drawn_views(DOWN_AND_BACK)
    left = find_forearm(views, WRIST, hand_before(DOWN_AND_BACK, "left"), "left", forearm_m=FOREARM_M)
    right = find_forearm(views, WRIST, hand_before(DOWN_AND_BACK, "right"), "right", forearm_m=FOREARM_M)
    assert left is not None
    assert right is not None
    assert degrees_off(left.direction, right.direction) < 4.0


def test_the_frame_is_arbitrary() -> None:
    rotation, _ = cv2.Rodrigues(np.array([0.4, -1.1, 0.7]))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation, (3.0, -2.0, 1.0)
    views = drawn_views(DOWN_AND_BACK)
    moved = [dataclasses.replace(view, T_frame_camera=T @ view.T_frame_camera) for view in views]
    here = find_forearm(views, WRIST, hand_before(DOWN_AND_BACK), "right")
    there = find_forearm(moved, T[:3, :3] @ WRIST + T[:3, 3], hand_before(DOWN_AND_BACK) @ rotation.T + T[:3, 3], "right")
    assert here is not None
    assert there is not None
    assert degrees_off(rotation @ here.direction, there.direction) < 0.5
    assert np.allclose(rotation @ here.information @ rotation.T, there.information, rtol=0.05, atol=2.0)


def test_information_is_across_the_direction_only() -> None:
    found = find_forearm(drawn_views(DOWN_AND_BACK), WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is not None
    assert np.abs(found.information @ found.direction).max() < 1e-6 * np.abs(found.information).max()
    better, worse = found.sigmas
    assert 0.0 < better <= worse


def test_one_camera_says_less_of_the_depth_than_three() -> None:
    views = drawn_views(DOWN_AND_BACK)
    three = find_forearm(views, WRIST, hand_before(DOWN_AND_BACK), "right")
    one = find_forearm(views[:1], WRIST, hand_before(DOWN_AND_BACK), "right", least_gain_nats=0.0)
    assert three is not None
    assert one is not None
    assert one.sigmas[1] > 1.5 * three.sigmas[1]
    assert one.views == (0,)


def test_a_covered_camera_does_not_mislead() -> None:
    views = drawn_views(DOWN_AND_BACK)
    covered = dataclasses.replace(views[1], rgb=np.full_like(views[1].rgb, 90))
    found = find_forearm([views[0], covered, views[2]], WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is None or degrees_off(found.direction, DOWN_AND_BACK) < 10.0


def test_nothing_to_see_is_not_answered() -> None:
    blank = [View(view.model, view.T_frame_camera, np.full_like(view.rgb, 128)) for view in drawn_views(DOWN_AND_BACK)]
    assert find_forearm(blank, WRIST, hand_before(DOWN_AND_BACK), "right") is None


def test_texture_without_an_arm_is_not_answered_surely() -> None:
    rng = np.random.default_rng(5)
    noise = [
        View(view.model, view.T_frame_camera, rng.integers(0, 255, view.rgb.shape, dtype=np.uint8)) for view in drawn_views(DOWN_AND_BACK)
    ]
    found = find_forearm(noise, WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is None or found.sigmas[1] > np.radians(15)


def test_directions_stay_within_the_upper_arms_reach() -> None:
    shoulder = WRIST + FOREARM_M * DOWN_AND_BACK + UPPER_ARM_M * np.array([0.0, -0.6, -0.8])
    found = candidates(
        drawn_views(DOWN_AND_BACK),
        WRIST,
        hand_before(DOWN_AND_BACK),
        "right",
        shoulder=shoulder,
        forearm_m=FOREARM_M,
        upper_arm_m=UPPER_ARM_M,
    )
    everywhere = candidates(drawn_views(DOWN_AND_BACK), WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is not None
    assert everywhere is not None
    assert len(found.directions) < len(everywhere.directions)
    assert np.abs(np.linalg.norm(WRIST + FOREARM_M * found.directions - shoulder, axis=1) - UPPER_ARM_M).max() < 0.13


def test_a_shoulder_out_of_reach_is_not_answered() -> None:
    assert find_forearm(drawn_views(DOWN_AND_BACK), WRIST, hand_before(DOWN_AND_BACK), "right", shoulder=WRIST + 2.0) is None


def test_a_hand_without_shape_is_not_answered() -> None:
    views = drawn_views(DOWN_AND_BACK)
    assert find_forearm(views, WRIST, np.tile(WRIST, (21, 1)), "right") is None
    assert find_forearm(views, WRIST, np.full((21, 3), np.nan), "right") is None


def test_cameras_that_do_not_show_the_wrist_or_whose_pose_is_not_known_are_left_out() -> None:
    views = drawn_views(DOWN_AND_BACK)
    lost = dataclasses.replace(views[0], T_frame_camera=np.full((4, 4), np.nan))
    behind = dataclasses.replace(views[1], T_frame_camera=POSES[1] @ np.diag([-1.0, 1.0, -1.0, 1.0]))
    found = find_forearm([lost, behind, views[2]], WRIST, hand_before(DOWN_AND_BACK), "right", least_gain_nats=0.0)
    assert found is not None
    assert found.views == (2,)
    assert find_forearm([lost, behind], WRIST, hand_before(DOWN_AND_BACK), "right") is None
    assert find_forearm([], WRIST, hand_before(DOWN_AND_BACK), "right") is None


def test_a_direction_a_moment_ago_decides_between_two() -> None:
    blank = [View(view.model, view.T_frame_camera, np.full_like(view.rgb, 128)) for view in drawn_views(DOWN_AND_BACK)]
    near = turned(DOWN_AND_BACK, 25.0, np.array([1.0, 0.0, 0.0]))
    found = candidates(blank, WRIST, hand_before(DOWN_AND_BACK), "right", near=near)
    without = candidates(blank, WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is not None
    assert without is not None
    assert degrees_off(found.directions[found.log_prior.argmax()], near) < degrees_off(without.directions[without.log_prior.argmax()], near)


def test_arrays_are_read_only() -> None:
    found = find_forearm(drawn_views(DOWN_AND_BACK), WRIST, hand_before(DOWN_AND_BACK), "right")
    assert found is not None
    with pytest.raises(ValueError, match="read-only"):
        found.direction[0] = 0.0


def test_a_forearm_does_not_run_through_a_camera() -> None:
    towards = POSES[0][:3, 3] - WRIST
    towards = towards / np.linalg.norm(towards)
    close = POSES[0].copy()
    close[:3, 3] = WRIST + 0.2 * towards
    view = View(MODEL, close, np.full((300, 400, 3), 128, dtype=np.uint8))
    found = candidates([view], WRIST, hand_before(towards), "right", forearm_m=FOREARM_M)
    assert found is None or degrees_off(found.directions[(found.directions @ towards).argmax()], towards) > 20.0
