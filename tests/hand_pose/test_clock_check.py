"""What a fitted person says of the clocks: a late camera is found and named, sound ones are not, and where nothing tells nothing is said. Simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worn_person import WornPerson, worn_person

from bodydouble.hand_pose.clock_check import ClockOffsets, clock_offsets
from bodydouble.hand_pose.estimation import estimate
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import Landmarks

LATE_S = 0.040


def late(landmarks: Landmarks, camera: str, by_s: float, rate_hz: float = 30.0) -> Landmarks:
    """Let a camera film ``by_s`` later than it claims: what it will have seen then, between its frames."""
    row = landmarks.cameras.index(camera)
    whole, part = divmod(by_s * rate_hz, 1.0)
    changed = {}
    for name in ("pixels", "confidence", "shape_m"):
        values = np.array(getattr(landmarks, name))
        values[row] = (1.0 - part) * np.roll(values[row], -int(whole), axis=0) + part * np.roll(values[row], -int(whole) - 1, axis=0)
        values[row, -int(whole) - 1 :] = np.nan
        changed[name] = values
    return replace(landmarks, **changed)


@pytest.fixture(scope="module")
def person() -> WornPerson:
    return worn_person(frames=60, flips=0.0, hidden=0.0)


@pytest.fixture(scope="module")
def motion(person: WornPerson) -> HumanMotion:
    return estimate(person.landmarks, person.rig, camera_poses=person.camera_poses)


def test_sound_clocks_raise_no_alarm(person, motion):
    found = clock_offsets(motion, person.landmarks, person.rig)
    assert found.cameras == person.landmarks.cameras
    assert found.largest_sure_s < 0.006


def test_a_worn_camera_that_is_40_ms_late_is_found_although_the_fit_gave_way_to_it(person):
    landmarks = late(person.landmarks, "left_down", LATE_S)
    found = clock_offsets(estimate(landmarks, person.rig, camera_poses=person.camera_poses), landmarks, person.rig)
    offset = dict(zip(found.cameras, found.offset_s, strict=True))
    assert offset.pop("left_down") == pytest.approx(LATE_S, abs=0.005)
    assert np.abs(list(offset.values())).max() < 0.006
    assert found.largest_sure_s == pytest.approx(LATE_S, abs=0.005)


def test_a_camera_on_a_wall_that_is_early_is_found(simulated, estimated):
    landmarks = simulated.landmarks
    for name in ("cam0", "cam2", "cam3"):
        landmarks = late(landmarks, name, 0.020)
    found = clock_offsets(estimated, landmarks, simulated.rig)
    assert found.offset_s[1] == pytest.approx(-0.020, abs=0.005)
    assert np.abs(found.offset_s[[0, 2, 3]]).max() < 0.005


def test_where_nothing_moves_no_clock_is_known(simulated, estimated):
    still = replace(simulated.landmarks, pixels=np.repeat(simulated.landmarks.pixels[:, :1], 30, axis=1))
    points = np.repeat(estimated.landmarks[:1], 30, axis=0)
    found = clock_offsets(replace(estimated, landmarks=points), still, simulated.rig)
    assert np.isnan(found.offset_s).all()
    assert np.isnan(found.sigma_s).all()
    assert np.isnan(found.largest_sure_s)


def test_a_camera_that_saw_nothing_is_not_judged_and_the_others_are(person, motion):
    pixels = np.array(person.landmarks.pixels)
    pixels[person.landmarks.cameras.index("right_side")] = np.nan
    found = clock_offsets(motion, replace(person.landmarks, pixels=pixels), person.rig)
    known = np.isfinite(found.offset_s)
    assert [name for name, there in zip(found.cameras, known, strict=True) if not there] == ["right_side"]


def test_one_camera_or_one_frame_tells_nothing(person, motion):
    short = replace(
        person.landmarks, **{name: getattr(person.landmarks, name)[:, :1] for name in ("times_s", "pixels", "confidence", "shape_m")}
    )
    landmarks = short.select(("front",))
    one = replace(
        motion, times_s=motion.times_s[:1], link_poses=motion.link_poses[:1], joint_angles=motion.joint_angles[:1], joint_source=motion.joint_source[:1],
        base_pose=motion.base_pose[:1], landmarks=motion.landmarks[:1], landmark_sigma=motion.landmark_sigma[:1],
        landmark_source=motion.landmark_source[:1], relabelled=motion.relabelled[:, :1], fit_error_px=motion.fit_error_px[:1],
        landmark_covariance=None, triangulated=None, camera_poses=motion.camera_poses[:, :1],
    )  # fmt: skip
    assert np.isnan(clock_offsets(one, short, person.rig).offset_s).all()
    assert clock_offsets(one, landmarks, person.rig).as_dict() == {"front": {"offset_ms": None, "sigma_ms": None}}


def test_offsets_are_said_in_ms():
    found = ClockOffsets(("a", "b"), np.array([0.04, np.nan]), np.array([0.001, np.nan]))
    assert found.as_dict() == {
        "a": {"offset_ms": pytest.approx(40.0), "sigma_ms": pytest.approx(1.0)},
        "b": {"offset_ms": None, "sigma_ms": None},
    }


def test_a_clock_that_is_hardly_known_is_not_judged():
    found = ClockOffsets(("a", "b"), np.array([0.0, 0.04]), np.array([0.001, 0.015]))
    assert found.largest_sure_s == 0.0
