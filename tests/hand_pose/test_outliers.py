"""A view's whole hand that the other cameras contradict is switched off, and only that."""

from __future__ import annotations

import numpy as np

from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND
from bodydouble.hand_pose.outliers import switched, switches


def residuals(*, cameras: int = 3, frames: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((cameras, frames, 75)), np.full((cameras, frames, 75, 2), 0.5)


def test_a_hand_that_the_others_contradict_is_switched_off_in_that_view_and_frame():
    weight, scaled = residuals()
    scaled[1, 0, LEFT_HAND] = 10.0
    factor = switches(weight, scaled)
    assert factor[1, 0, 0] == 0.0
    factor[1, 0, 0] = 1.0
    assert (factor == 1.0).all()


def test_it_closes_gradually():
    weight, scaled = residuals()
    sizes = np.array([3.0, 4.5, 5.5, 7.0])
    found = []
    for size in sizes:
        scaled[0, 0, RIGHT_HAND] = size / np.sqrt(2)
        found.append(switches(weight, scaled)[0, 0, 1])
    np.testing.assert_allclose(found, [1.0, 0.75, 0.25, 0.0])


def test_one_camera_alone_or_one_against_one_is_not_switched_off():
    weight, scaled = residuals(cameras=1)
    scaled[:] = 10.0
    assert (switches(weight, scaled) == 1.0).all()
    weight, scaled = residuals(cameras=2)
    scaled[:] = 10.0
    assert (switches(weight, scaled) == 1.0).all()


def test_a_few_wrong_fingers_switch_no_hand_off_and_what_was_not_seen_has_no_say():
    weight, scaled = residuals()
    scaled[0, 0, LEFT_HAND.start : LEFT_HAND.start + 8] = 50.0
    scaled[2, :, RIGHT_HAND], weight[2, :, RIGHT_HAND] = np.nan, 0.0
    assert (switches(weight, scaled) == 1.0).all()


def test_only_the_hands_weights_change():
    weight, _ = residuals()
    factor = np.ones((3, 2, 2))
    factor[1, 0, 0] = 0.25
    found = switched(weight, factor)
    assert (found[1, 0, LEFT_HAND] == 0.25).all()
    assert found.sum() == weight.sum() - 21 * 0.75
