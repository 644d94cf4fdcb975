"""Files with rotations: positions and rotations of a known person come back exactly, whatever the rest pose, unit and axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions import read_motion
from bodydouble.retarget.motions.world_axes import to_z_up

FINGERS = ("thumb", "index", "middle", "ring", "little")
BODY = tuple(link for link in HUMAN_LINKS if not any(finger in link for finger in FINGERS))
QUARTER = np.pi / 2


def worst(motion: Any, person: Any, links: tuple[str, ...] = BODY) -> tuple[float, float]:
    """Return the largest errors of places (m) and of turns (rad)."""
    places = max(float(np.abs(motion.link(link)[:, :3, 3] - person.place(link)).max()) for link in links)
    turns = max(
        float(Rotation.from_matrix(np.swapaxes(motion.link(link)[:, :3, :3], 1, 2) @ person.turn(link)).magnitude().max()) for link in links
    )
    return places, turns


def test_a_t_pose_file_comes_back_exactly_with_all_twists(bvh: Any, walking: Any, t_pose: Any) -> None:
    read = read_motion(bvh(walking, t_pose))
    assert worst(read.motion, walking) < (1e-8, 1e-6)
    places, turns = worst(read.motion, walking, HUMAN_LINKS)
    assert places < 1e-8
    assert turns < np.radians(5)  # fingers are turned by their points
    for point, landmark in (("left_thumb_tip", "left_hand_thumb_tip"), ("right_toe_tip", "right_foot_index")):
        np.testing.assert_allclose(read.motion.landmark(landmark), walking.place(point), atol=1e-8)


@pytest.mark.parametrize("order", ["XYZ", "YXZ", "ZYX"])
@pytest.mark.parametrize("unit", [1.0, 0.0254, 0.001])
def test_any_order_of_channels_and_any_unit_come_back_exactly(bvh: Any, walking: Any, t_pose: Any, order: str, unit: float) -> None:
    assert worst(read_motion(bvh(walking, t_pose, order=order, unit=unit)).motion, walking) < (1e-7, 1e-6)


@pytest.mark.parametrize("up", ["x", "y", "z", "-y"])
def test_any_upright_axis_comes_back_exactly_and_is_noted(bvh: Any, walking: Any, t_pose: Any, up: str) -> None:
    read = read_motion(bvh(walking, t_pose, axes=to_z_up(up).T))
    assert worst(read.motion, walking) < (1e-7, 1e-6)
    assert f"up: {up}, by the way the body stands" in read.notes


def test_the_heading_of_the_rest_pose_does_not_matter(bvh: Any, walking: Any, posed: Any) -> None:
    base = np.array([[0.3, -0.2, 0.918, 0, 0, np.sin(0.5), np.cos(0.5)]])
    turned = posed({"left_shoulder": [QUARTER, 0, 0], "right_shoulder": [-QUARTER, 0, 0]}, base=base)
    assert worst(read_motion(bvh(walking, turned)).motion, walking) < (1e-8, 1e-6)


def test_a_rest_pose_with_hanging_arms_comes_back_exactly(bvh: Any, walking: Any, posed: Any) -> None:
    hanging = posed({}, base=np.array([[0, 0, 0.918, 0, 0, 0, 1.0]]))
    assert worst(read_motion(bvh(walking, hanging)).motion, walking) < (1e-8, 1e-6)


def test_a_rest_pose_that_only_lays_bones_along_one_axis_comes_back_by_the_motion(bvh: Any, walking: Any, posed: Any) -> None:
    """LAFAN1's: legs up beside the trunk, feet along the shanks, arms up."""
    laid = posed(
        {"left_shoulder": [np.pi, 0, 0], "right_shoulder": [-np.pi, 0, 0], "left_hip": [0, np.pi, 0], "right_hip": [0, np.pi, 0],
         "left_ankle_dorsiflexion": -QUARTER, "right_ankle_dorsiflexion": -QUARTER},
        base=np.array([[0, 0, 0.9, 0, 0, 0, 1.0]]),
    )  # fmt: skip
    read = read_motion(bvh(walking, laid))
    others = tuple(link for link in BODY if not link.endswith("clavicle"))
    assert worst(read.motion, walking, others) < (1e-8, 1e-6)


def test_hands_without_fingers_take_their_turn_from_the_rest_pose(bvh: Any, walking: Any, t_pose: Any) -> None:
    from bodydouble.hand_pose.human_motion import Source

    motion = read_motion(bvh(walking, t_pose, links=BODY)).motion
    assert worst(motion, walking) < (1e-8, 1e-6)
    # Knuckles are put where a typical hand has them, which this person's are, and say so.
    np.testing.assert_allclose(motion.landmark("left_hand_index_mcp"), walking.place("left_index_proximal"), atol=1e-6)
    row = 33 + 5
    assert (motion.landmark_source[:, row] == Source.INFERRED).all()
    assert np.isnan(motion.landmark("left_hand_index_tip")).all()


def test_one_frame_is_enough(bvh: Any, someone_moving: Any, t_pose: Any) -> None:
    one = someone_moving(1)
    motion = read_motion(bvh(one, t_pose)).motion
    assert motion.frames == 1
    assert worst(motion, one) < (1e-8, 1e-6)


def test_a_left_handed_file_is_turned_round_and_says_so(npy: Any, walking: Any) -> None:
    points = {link: walking.place(link) * [1.0, -1.0, 1.0] for link in BODY}
    read = read_motion(npy(points, units="m", axes="z up"), rate_hz=60)
    assert any("left-handed" in note for note in read.notes)
    np.testing.assert_allclose(read.motion.link("left_hand")[:, :3, 3], walking.place("left_hand"), atol=1e-9)
