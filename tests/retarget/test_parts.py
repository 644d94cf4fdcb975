"""What a motion shows and a robot has, and what is said where they have nothing in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget import Robot
from bodydouble.retarget.parts import check_parts, listed, parts_of_motion, parts_of_robot

WHOLE = ("trunk", "head", "left arm", "left fingers", "left leg", "right arm", "right fingers", "right leg")


@pytest.fixture
def motion(robot: Robot, person: Callable[..., HumanMotion]) -> HumanMotion:
    return person(np.arange(3) / 60.0, np.tile(robot.rest, (3, 1)))


def showing(motion: HumanMotion, prefix: str) -> HumanMotion:
    source = np.full((motion.frames, 75), Source.INFERRED, dtype=np.uint8)
    source[1, [i for i, name in enumerate(LANDMARK_NAMES) if name.startswith(prefix)]] = Source.OBSERVED
    return replace(motion, landmark_source=source)


def lacking(robot: Robot, *parts: str) -> Robot:
    skeleton = {human: link for human, link in robot.file.skeleton.items() if not any(part in human for part in parts)}
    return replace(robot, file=robot.file.model_copy(update={"skeleton": skeleton}))


def test_a_whole_person_and_a_humanoid_have_everything(robot: Robot, motion: HumanMotion) -> None:
    assert set(parts_of_motion(motion)) == set(parts_of_robot(robot)) == set(WHOLE)
    assert check_parts(motion, robot) == ()


def test_what_was_only_inferred_is_not_shown(motion: HumanMotion) -> None:
    assert parts_of_motion(showing(motion, "right_hand_")) == ("right fingers",)


def test_parts_that_the_robot_lacks_are_named(robot: Robot, motion: HumanMotion) -> None:
    digits = ("thumb", "index", "middle", "ring", "little")
    assert check_parts(motion, lacking(robot, *digits)) == ("left fingers", "right fingers")


def test_a_hand_for_a_robot_without_hands_says_what_each_has(robot: Robot, motion: HumanMotion) -> None:
    handless = lacking(robot, "thumb", "index", "middle", "ring", "little")
    with pytest.raises(
        UsageError, match=r"shows right fingers, but robot 'optimus' has trunk, head, arms and legs: they have nothing in common"
    ):
        check_parts(showing(motion, "right_hand_"), handless)


def test_a_motion_in_which_nothing_was_observed_is_refused(robot: Robot, motion: HumanMotion) -> None:
    with pytest.raises(DataError, match="nothing of a person was observed"):
        check_parts(showing(motion, "nobody"), robot)


def test_parts_of_both_sides_are_one_word() -> None:
    assert listed(("trunk", "left arm", "right arm", "left fingers")) == "trunk, arms and left fingers"
    assert listed(("left fingers", "right fingers")) == "fingers"
