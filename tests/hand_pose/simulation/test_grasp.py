"""Grasps: fingers close until they touch, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.transform import apply, invert
from bodydouble.errors import DataError
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.furniture import THINGS, held_from
from bodydouble.hand_pose.simulation.grasp import Grasp, HandSkin, close_finger, find_grasp, mirrored
from bodydouble.hand_pose.simulation.hand_posture import RANGE
from bodydouble.hand_pose.simulation.posture import Poser, Posture
from bodydouble.hand_pose.simulation.scene_object import SceneObject


@pytest.fixture(scope="module")
def skin(person: Body) -> HandSkin:
    return HandSkin.of(person, "right")


def gaps(skin: HandSkin, grasp: Grasp, thing: SceneObject) -> tuple[np.ndarray, np.ndarray]:
    T = invert(grasp.T_hand_object)
    return skin.gaps(grasp.closed, lambda p: thing.distance(apply(T, p)))


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_every_finger_pad_touches_what_is_held_and_none_is_inside(skin: HandSkin, thing: SceneObject) -> None:
    grasp = find_grasp(skin, thing, held_from(thing), slope=0.6 if held_from(thing) == "top" else 0.0)
    whole, pads = gaps(skin, grasp, thing)
    assert pads.max() < 0.005
    assert whole.min() > -0.005
    assert grasp.touching.all()
    assert np.all(grasp.closed >= RANGE[..., 0] - 1e-9)
    assert np.all(grasp.closed <= RANGE[..., 1] + 1e-9)


def test_the_left_hand_holds_as_the_right_one_mirrored(person: Body, skin: HandSkin) -> None:
    thing = THINGS[0]
    grasp = mirrored(find_grasp(skin, thing, "side"))
    whole, pads = gaps(HandSkin.of(person, "left"), grasp, thing)
    assert pads.max() < 0.005
    assert whole.min() > -0.005


def test_a_finger_with_nothing_to_touch_closes_to_its_limit(skin: HandSkin) -> None:
    angles = close_finger(skin.fingers[1], np.zeros(4), np.array([0.0, 1.0, 1.0, 0.6]), lambda p: np.full(len(p), 1.0), RANGE[1])
    np.testing.assert_allclose(angles, [0.0, *RANGE[1, 1:, 1]], atol=1e-9)


def test_a_thing_too_big_for_a_hand_is_refused(skin: HandSkin) -> None:
    with pytest.raises(DataError, match="finds no place"):
        find_grasp(skin, SceneObject("barrel", "box", (1.0, 1.0, 1.0), (0, 0, 0)), "top")


def test_the_skin_of_the_fingers_is_where_the_posed_body_has_it(person: Body, skin: HandSkin) -> None:
    poser = Poser(person)
    angles = np.array([[0.3, 0.2, 0.2, 0.3], *[[0.1, 0.5, 0.6, 0.3]] * 4])
    T = np.eye(4)
    T[:3, 3] = [0.4, -0.2, 1.1]
    left = np.eye(4)
    left[:3, 3] = [0.3, 0.2, 1.0]
    feet = {side: poser.foot_at_rest(side) for side in ("left", "right")}
    fingers = {"left": np.zeros((5, 4)), "right": angles}
    posed = poser.posed(Posture(poser.standing(), np.zeros(3), np.eye(3), {"left": left, "right": T}, feet, fingers=fingers))
    for k, finger in enumerate(skin.fingers):
        tip = posed.landmarks[54 + 4 * (k + 1)]
        pads = finger.posed(angles[k])[finger.is_pad] + T[:3, 3]
        assert np.linalg.norm(pads.mean(axis=0) - tip) < 0.008
