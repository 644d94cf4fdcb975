"""What saved motions may hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import HAND_NAMES
from bodydouble.retarget.motions import read_motion
from bodydouble.retarget.motions.human_motion import POINT_OF_LANDMARK
from bodydouble.retarget.motions.saved_motion import check_saved_motion
from bodydouble.retarget.motions.zero_pose import zero_places


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> HumanMotion:
    """Ten frames of a hand that stands still, with most links missing."""
    hand = np.array([zero_places()[POINT_OF_LANDMARK[f"right_hand_{name}"]] for name in HAND_NAMES])
    path = tmp_path_factory.mktemp("hand") / "right.npy"
    np.save(path, np.repeat(hand[None], 10, axis=0))
    return read_motion(path, rate_hz=100).motion


def changed(values: Any, row: Any, value: Any) -> Any:
    new = np.array(values)
    new[row] = value
    return new


def test_missing_links_and_gaps_of_seconds_are_no_fault(motion: HumanMotion) -> None:
    assert np.isnan(motion.link_poses).any()
    check_saved_motion("a.h5", motion)
    check_saved_motion("a.h5", replace(motion, times_s=motion.times_s + 10.0 * (np.arange(10) > 4) + 1.7e9))


@pytest.mark.parametrize(("step", "said"), [(1e-6, "less than the 0.0005 s"), (1e6, "more than the 3600 s")])
def test_frames_that_no_camera_took_so_near_or_so_far_apart_are_named(motion: HumanMotion, step: float, said: str) -> None:
    times = np.cumsum([0.0, *np.where(np.arange(9) == 4, step, 0.01)])
    with pytest.raises(DataError, match=f"a.h5: frames 5 and 6 are .* s apart, {said}"):
        check_saved_motion("a.h5", replace(motion, times_s=times))


@pytest.mark.parametrize("turn", [np.zeros((3, 3)), 2 * np.eye(3), np.diag([1.0, 1.0, -1.0])])
def test_a_link_that_is_scaled_mirrored_or_zero_is_named(motion: HumanMotion, turn: Any) -> None:
    row = motion.link_names.index("right_hand")
    poses = changed(motion.link_poses, (3, row, slice(3), slice(3)), turn)
    with pytest.raises(DataError, match="pose of right_hand in frame 4 is no rotation"):
        check_saved_motion("a.h5", replace(motion, link_poses=poses))


def test_infinite_values_are_named(motion: HumanMotion, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="infinite landmark in frame 3"):
        check_saved_motion("a.h5", replace(motion, landmarks=changed(motion.landmarks, (2, 0, 0), np.inf)))
    with pytest.raises(DataError, match="infinite link pose in frame 2"):
        check_saved_motion("a.h5", replace(motion, link_poses=changed(motion.link_poses, (1, 0, 0, 3), -np.inf)))
