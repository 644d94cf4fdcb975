"""Joints that follow others: reduced by ourselves, checked against Pinocchio and finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.retarget import Robot
from bodydouble.retarget.actuation import Actuation, Mimic, reduce_mimics
from bodydouble.retarget.drafting import draft_robot

JOINTS = ("knuckle", "middle", "tip", "thumb")
FINGER = {"middle": Mimic("knuckle", 0.8, 0.1), "tip": Mimic("middle", -1.5, 0.2)}


@pytest.fixture
def finger() -> Actuation:
    return reduce_mimics(JOINTS, ("thumb", "knuckle"), FINGER, source="x.toml")


def test_a_follower_of_a_follower_follows_what_is_at_the_beginning(finger: Actuation) -> None:
    q = finger.joint_positions([0.5, 1.0])
    np.testing.assert_allclose(q, [1.0, 0.9, 0.2 - 1.5 * 0.9, 0.5])
    np.testing.assert_allclose(finger.joint_positions(np.tile([0.5, 1.0], (7, 1))), np.tile(q, (7, 1)))


def test_the_matrix_is_how_followers_move(finger: Actuation) -> None:
    np.testing.assert_allclose(finger.matrix(), [[0, 1], [0, 0.8], [0, -1.2], [1, 0]])
    assert not finger.trivial
    assert reduce_mimics(JOINTS, JOINTS, {}, source="x").trivial


def test_ranges_are_those_in_which_no_follower_leaves_its_own(finger: Actuation) -> None:
    lower, upper = finger.actuated_limits([-1, -1, -1, -2], [2, 0.5, 1, 2])
    # middle = 0.8 knuckle + 0.1 <= 0.5 where the knuckle is below 0.5; tip = 0.05 - 1.2 knuckle <= 1 where it is above -0.7917
    np.testing.assert_allclose(lower, [-2, -0.95 / 1.2])
    np.testing.assert_allclose(upper, [2, 0.5])


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=2), st.integers(0, 10_000))
def test_inside_its_range_an_actuated_joint_moves_no_follower_out_of_its_own(shares: list[float], seed: int) -> None:
    actuation = reduce_mimics(JOINTS, ("thumb", "knuckle"), FINGER, source="x")
    rng = np.random.default_rng(seed)
    low, high = -rng.uniform(0.3, 2, 4), rng.uniform(0.5, 2, 4)
    lower, upper = actuation.actuated_limits(low, high)
    at = lower + (np.clip(shares, -1, 1) + 1) / 2 * (upper - lower)
    q = actuation.joint_positions(at)
    assert (q >= low - 1e-9).all()
    assert (q <= high + 1e-9).all()


def test_an_actuator_is_as_fast_as_its_fastest_follower_allows(finger: Actuation) -> None:
    np.testing.assert_allclose(finger.actuated_speeds([10, 10, 6, 3]), [3, 5])


def test_torques_of_followers_do_the_same_work_at_the_actuator(finger: Actuation) -> None:
    rng = np.random.default_rng(0)
    torques, speeds = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    np.testing.assert_allclose((finger.actuated_torques(torques) * speeds).sum(1), (torques * (speeds @ finger.matrix().T)).sum(1))


def test_a_joint_that_nothing_moves_stays_where_it_is_held() -> None:
    actuation = reduce_mimics(JOINTS, ("knuckle",), FINGER, held={"thumb": 0.3}, source="x")
    assert actuation.joint_positions([0.0])[3] == 0.3
    assert actuation.actuator[3] == -1
    assert not actuation.matrix()[3].any()


def test_arrays_cannot_be_changed(finger: Actuation) -> None:
    with pytest.raises(ValueError, match="read-only"):
        finger.ratio[0] = 2.0


@pytest.mark.parametrize(
    ("actuated", "mimics", "message"),
    [
        (("thumb",), {"middle": Mimic("tip"), "tip": Mimic("middle")}, r"x\.toml: the joints middle, tip follow each other in a ring"),
        (("thumb", "middle"), FINGER, r"x\.toml: joint 'middle' follows 'knuckle', so it can't be in a group"),
        (("thumb",), {"tip": Mimic("knukle")}, r"joint 'knukle' is not in x\.toml.*Did you mean 'knuckle'"),
    ],
)
def test_what_cannot_be_reduced_is_one_sentence(actuated: tuple[str, ...], mimics: dict[str, Mimic], message: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=message) as caught:
        reduce_mimics(JOINTS, actuated, mimics, source="x.toml")
    assert "\n" not in str(caught.value)


def follower_arm(folder: Path) -> Robot:
    """Return an arm of three hinges, of which the last two follow the first at other ratios, and its TOML."""
    hinge = (
        '<joint name="j{n}" type="revolute"><parent link="l{p}"/><child link="l{n}"/><origin xyz="0.1 0.02 0" rpy="0.3 0 0.2"/><axis xyz="0 {y} {z}"/>'
        '<limit lower="-1" upper="1.5" velocity="5" effort="3"/>{mimic}</joint>'
    )
    links = "".join(
        f'<link name="l{i}"><inertial><mass value="{1 - 0.2 * i}"/><origin xyz="0.05 0 0"/><inertia ixx="0.01" iyy="0.01" izz="0.01"/></inertial></link>'
        for i in range(4)
    )
    joints = hinge.format(n=1, p=0, y=0, z=1, mimic="") + hinge.format(
        n=2, p=1, y=0.6, z=0.8, mimic='<mimic joint="j1" multiplier="0.7" offset="0.2"/>'
    )
    joints += hinge.format(n=3, p=2, y=1, z=0, mimic='<mimic joint="j2" multiplier="-1.2"/>')
    (folder / "arm.urdf").write_text(f'<robot name="arm">{links}{joints}</robot>')
    (folder / "arm.toml").write_text(
        'name = "arm"\nurdf = "arm.urdf"\nbase = "fixed"\n[groups]\nall = ["j1"]\n[skeleton]\nleft_forearm = "l0"\nleft_hand = "l3"\n'
        '[[tasks]]\nname = "hand"\nkind = "position"\nrobot = "l3"\nweight = 1.0\n'
    )
    return Robot.load(folder / "arm.toml")


def check_reduced_jacobian(robot: Robot, positions: np.ndarray, link: str, tolerance: float) -> None:
    """Compare J A with finite differences of where Pinocchio puts the link as the actuated joints move."""
    base = [0.0, 0, 0, 0, 0, 0, 1]
    data = robot.model.createData()
    q = robot.configuration(positions, base)
    frame = robot.frame_id(link)
    J = pin.computeFrameJacobian(robot.model, data, q, frame, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED)
    reduced = J[:, 6 if robot.floating else 0 :] @ robot.actuation.matrix()
    for column in range(len(positions)):
        step = np.zeros(len(positions))
        step[column] = 1e-6
        ahead, behind = (robot.link_poses(positions + s * step, base, [link])[0] for s in (1, -1))
        np.testing.assert_allclose(reduced[:3, column], (ahead[:3, 3] - behind[:3, 3]) / 2e-6, atol=tolerance)
        turning = pin.log3(ahead[:3, :3] @ behind[:3, :3].T) / 2e-6
        np.testing.assert_allclose(reduced[3:, column], turning, atol=tolerance)


def test_the_reduced_jacobian_is_that_of_the_coupled_arm(tmp_path: Path) -> None:
    robot = follower_arm(tmp_path)
    assert robot.joint_names == ("j1",)
    assert robot.model.nq == 3
    check_reduced_jacobian(robot, np.array([0.4]), "l3", 1e-7)


def test_the_range_of_a_coupled_arm_is_what_all_of_it_can_do(tmp_path: Path) -> None:
    robot = follower_arm(tmp_path)
    # j2 = 0.7 a + 0.2 in [-1, 1.5]; j3 = -0.84 a - 0.24 in [-1, 1.5], so a <= 0.76 / 0.84
    np.testing.assert_allclose([robot.lower[0], robot.upper[0]], [-1.0, 0.76 / 0.84])
    np.testing.assert_allclose(robot.velocity_limit, [5.0])
    text = (tmp_path / "arm.toml").read_text()
    (tmp_path / "arm.toml").write_text(text.replace("[skeleton]", "[rest]\nj1 = 60.0\n[skeleton]"))
    with pytest.raises(UsageError, match=r"rest angle of joint 'j1' is 60\.0 degrees, outside its range -57\.3 to 51\.8"):
        Robot.load(tmp_path / "arm.toml")


def test_a_coupled_joint_may_be_moved_by_itself(tmp_path: Path) -> None:
    follower_arm(tmp_path)
    text = (tmp_path / "arm.toml").read_text().replace('all = ["j1"]', 'all = ["j1", "j3"]').replace("base =", 'uncoupled = ["j3"]\nbase =')
    (tmp_path / "arm.toml").write_text(text)
    robot = Robot.load(tmp_path / "arm.toml")
    assert robot.joint_names == ("j1", "j3")
    np.testing.assert_allclose(robot.configuration([0.5, -0.3], [0, 0, 0, 0, 0, 0, 1]), [0.5, 0.55, -0.3])


def test_talos_moves_twelve_joints_with_two_motors(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "talos.toml").write_text(draft_robot(shared_data / "robots" / "talos_full_v2.urdf", beside=tmp_path).text)
    robot = Robot.load(tmp_path / "talos.toml")
    assert len(robot.joint_names) == 32
    assert len(robot.actuation.joint_names) == 44
    rng = np.random.default_rng(1)
    positions = robot.lower + rng.uniform(0.2, 0.8, 32) * (robot.upper - robot.lower)
    check_reduced_jacobian(robot, positions, "gripper_left_fingertip_1_link", 1e-6)
    moved = robot.joints_between("arm_left_7_link", "gripper_left_fingertip_3_link")
    assert [name for name, m in zip(robot.joint_names, moved, strict=True) if m] == ["gripper_left_joint"]
