"""Every task: within what people can do, smooth, and true to what it says of contact."""

from __future__ import annotations

import functools
import pickle
from itertools import pairwise

import numpy as np
import pytest

from bodydouble.calibration.transform import apply, invert
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.simulation.arm_angles import arm_angles
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.moment import Part
from bodydouble.hand_pose.simulation.performance import Performance
from bodydouble.hand_pose.simulation.person import make_person
from bodydouble.hand_pose.simulation.tasks import TASKS, make_performance

SECONDS = {"lid": 6.0, "floor": 5.0}
every_task = pytest.mark.parametrize(
    ("task", "seed"), [(task, 1) for task in TASKS] + [pytest.param(task, 2, marks=pytest.mark.slow) for task in TASKS]
)
HAND = {"left": (Part.LEFT_HAND, 33), "right": (Part.RIGHT_HAND, 54)}


@functools.cache
def played(task: str, seed: int) -> Performance:
    return make_performance(task, SECONDS.get(task, 4.0), seed, make_person(seed))


def instants(performance: Performance, rate_hz: float = 10.0) -> np.ndarray:
    return np.arange(0.0, performance.seconds + 1e-9, 1 / rate_hz)


@every_task
def test_arms_stay_within_the_range_of_their_joints(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    angles = []
    for t in instants(performance):
        posed = performance.poser.posed(performance.choreography.posture(t))
        for side in HAND:
            arm = arm_angles(performance.body, posed.T_world_bone, side)
            angles.append([arm.elbow, arm.pronation, arm.wrist_flexion, arm.wrist_deviation])
    degrees = np.degrees(angles)
    # Between two postures, for a moment, a hand may be a little beyond what it could hold for long.
    assert np.all(degrees.min(axis=0) >= [0, -100, -75, -50]), degrees.min(axis=0)
    assert np.all(degrees.max(axis=0) <= [155, 100, 80, 65]), degrees.max(axis=0)
    assert np.all(np.percentile(degrees, 5, axis=0) >= [0, -90, -65, -40]), np.percentile(degrees, 5, axis=0)
    assert np.all(np.percentile(degrees, 95, axis=0) <= [145, 90, 75, 45]), np.percentile(degrees, 95, axis=0)


@every_task
def test_hands_and_feet_reach_where_they_are_told(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    body = performance.body
    for t in instants(performance):
        posture = performance.choreography.posture(t)
        bones = performance.poser.posed(posture).T_world_bone
        for side, letter in (("left", "L"), ("right", "R")):
            assert np.linalg.norm(bones[body.bone(f"wrist.{letter}"), :3, 3] - posture.T_world_hand[side][:3, 3]) < 1e-3, t
            assert np.linalg.norm(bones[body.bone(f"foot.{letter}"), :3, 3] - posture.T_world_foot[side][:3, 3]) < 5e-3, t


@every_task
def test_hands_do_not_go_through_furniture_or_trunk(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    body = performance.body
    trunk = np.unique(body.triangles[body.part == Part.TORSO])
    for t in instants(performance, 5.0):
        moment = performance.moment(t)
        for _, first in HAND.values():
            marks = moment.landmarks[first : first + 21]
            for thing in performance.furniture:
                assert thing.T_world_object is not None
                assert thing.distance(apply(invert(thing.T_world_object), marks)).min() > -0.005, (t, thing.name)
            knuckle = moment.landmarks[first + 9]
            assert np.linalg.norm(moment.vertices[trunk] - knuckle, axis=1).min() > 0.02, t


@every_task
def test_fingers_that_touch_are_at_the_surface(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    body = performance.body
    skin = {side: np.unique(body.triangles[body.part == part]) for side, (part, _) in HAND.items()}
    things = {thing.name: thing for thing in performance.objects}
    for t in instants(performance, 5.0):
        moment = performance.moment(t)
        for side, (fingers, name) in moment.contact.items():
            to_object = invert(moment.T_world_object[name])
            distances = things[name].distance(apply(to_object, moment.vertices[skin[side]]))
            assert -0.006 < distances.min() < 0.004, (t, name)
            tips = things[name].distance(apply(to_object, moment.landmarks[HAND[side][1] + 4 :][:20:4]))
            assert np.all(tips[fingers] < 0.020), (t, name)


@every_task
def test_things_rest_or_are_rigid_on_what_carries_them(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    for name, held in performance.attachments.items():
        for before, after in pairwise(held):
            if after.begin_s < performance.seconds:
                one, two = (performance.T_world_object(name, after.begin_s + dt) for dt in (-1e-6, 1e-6))
                np.testing.assert_allclose(one, two, atol=1e-5, err_msg=f"{name} from {before.carrier} to {after.carrier}")


@every_task
def test_motion_is_smooth(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    times = np.arange(0.0, performance.seconds, 1 / 240)
    wrists = np.array([[performance.choreography.hands[side](t)[:3, 3] for side in HAND] for t in times])
    speed = np.linalg.norm(np.diff(wrists, axis=0), axis=-1) * 240
    acceleration = np.linalg.norm(np.diff(wrists, 2, axis=0), axis=-1) * 240**2
    assert speed.max() < 3.0
    assert acceleration.max() < 40.0
    jump = np.linalg.norm(np.diff(wrists, 3, axis=0), axis=-1) * 240**2
    assert jump.max() < 3.0  # of the acceleration between two samples


@every_task
def test_feet_that_stand_do_not_slide(person: Body, task: str, seed: int) -> None:
    performance = played(task, seed)
    marks = np.array([performance.moment(t).landmarks[[29, 30, 31, 32]] for t in instants(performance, 30.0)])
    step = np.linalg.norm(np.diff(marks, axis=0), axis=-1)
    low = (marks[1:, :, 2] < marks[..., 2].min(axis=0) + 0.003) & (marks[:-1, :, 2] < marks[..., 2].min(axis=0) + 0.003)
    assert step[low].max() < 0.02
    # At every instant one heel or toe bears the weight.
    assert (step.min(axis=1) < 0.006).mean() > 0.97


def test_helmet_and_backpack_are_upright_at_eyes_and_nape(person: Body) -> None:
    performance = make_performance("walk", 2.0, 1, person)
    moment = performance.moment(0.5)
    eyes = (moment.landmarks[2] + moment.landmarks[5]) / 2
    assert np.linalg.norm(moment.T_world_body["helmet"][:3, 3] - eyes) < 0.04
    shoulders = (moment.landmarks[11] + moment.landmarks[12]) / 2
    pack = moment.T_world_body["backpack"]
    assert 0.0 < pack[2, 3] - shoulders[2] < 0.2
    assert pack[2, 2] > 0.9


def test_a_moment_is_a_pure_function_of_time_and_survives_pickling(person: Body) -> None:
    one = make_performance("cloth", 3.0, 5, person)
    two = pickle.loads(pickle.dumps(one))
    three = make_performance("cloth", 3.0, 5, person)
    np.testing.assert_array_equal(one.moment(1.3).vertices, two.moment(1.3).vertices)
    one.moment(2.0)
    np.testing.assert_array_equal(one.moment(1.3).landmarks, three.moment(1.3).landmarks)
    np.testing.assert_array_equal(one.moment(-1.0).landmarks, one.moment(0.0).landmarks)
    np.testing.assert_array_equal(one.moment(9.0).landmarks, one.moment(3.0).landmarks)


def test_a_box_is_held_by_both_hands_in_constant_places(person: Body) -> None:
    performance = make_performance("carry", 4.0, 1, person)
    held = [t for t in instants(performance) if len(performance.moment(t).contact) == 2]
    assert len(held) > 10
    between = np.array([invert(performance.choreography.hands["left"](t)) @ performance.choreography.hands["right"](t) for t in held])
    np.testing.assert_allclose(between, between[:1].repeat(len(between), axis=0), atol=1e-9)


def test_two_seconds_at_the_table_show_a_grasp(person: Body) -> None:
    performance = make_performance("table", 2.0, 1, person)
    assert any(performance.moment(t).contact for t in instants(performance))


def test_an_unknown_task_lists_the_known_ones(person: Body) -> None:
    with pytest.raises(UnknownNameError, match="valid: table") as caught:
        make_performance("tabel", 5.0, 1, person)
    assert "table" in str(caught.value)


@pytest.mark.parametrize("seconds", [0.5, float("nan")])
def test_too_few_seconds_are_refused_with_the_least(person: Body, seconds: float) -> None:
    with pytest.raises(UsageError, match="at least 2 s"):
        make_performance("table", seconds, 1, person)
