"""Torques and ground forces against statics, virtual work and free fall, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pinocchio as pin
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.retarget import Robot
from bodydouble.retarget.dynamics import inverse_dynamics, joint_torques, local_parabolas, smoothed_derivatives

FloatArray = npt.NDArray[np.float64]

FEET = ("left_heel", "left_toe_tip", "right_heel", "right_toe_tip")
GRAVITY = 9.81


def planted(frames: int, names: tuple[str, ...] = FEET) -> dict[str, npt.NDArray[np.bool_]]:
    return {name: np.ones(frames, dtype=bool) for name in names}


def standing(robot: Robot, times_s: FloatArray, shift: FloatArray | None = None, yaw: float = 0.0) -> FloatArray:
    """Return configurations (T, nq) of the robot upright, moved by ``shift`` (T, 3)."""
    x, y, z, w = Rotation.from_euler("z", yaw).as_quat()
    base = np.tile([0.0, 0.0, robot.standing_height(), x, y, z, w], (len(times_s), 1))
    base[:, :3] += 0.0 if shift is None else shift
    return np.array([robot.configuration(np.zeros(len(robot.joint_names)), row) for row in base])


def mass(robot: Robot) -> float:
    return float(sum(inertia.mass for inertia in robot.model.inertias))


def test_standing_still_presses_on_the_ground_below_the_centre_of_mass(robot: Robot, times_s: FloatArray) -> None:
    q = standing(robot, times_s)
    result = inverse_dynamics(robot, times_s, q, planted(len(times_s)))
    centre = pin.centerOfMass(robot.model, robot.model.createData(), q[0])
    np.testing.assert_allclose(result.centre_of_pressure[1:-1], np.tile(centre[:2], (len(times_s) - 2, 1)), atol=1e-6)
    heel, toe = (robot.zero_points()[robot.file.skeleton[name]][0] for name in ("left_heel", "left_toe_tip"))
    np.testing.assert_allclose(result.support_margin[1:-1], min(centre[0] - heel, toe - centre[0]), atol=1e-4)
    assert result.flags["out_of_balance"].sum() == 0
    assert np.isnan(result.support_margin[[0, -1]]).all()


def test_the_motors_do_the_work_of_lifting_the_centre_of_mass(robot: Robot) -> None:
    # Principle of virtual work: feet on the ground, the body goes down by a knee bend.
    def squat(bend: float) -> FloatArray:
        positions = np.zeros(len(robot.joint_names))
        for side in ("left", "right"):
            for joint, share in (("hip_pitch", 0.5), ("knee", 1.0), ("ankle_pitch", 0.5)):
                positions[robot.joint_names.index(f"{side}_{joint}")] = share * bend
        base = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        base[:3] -= robot.link_poses(positions, base, ["left_foot"])[0, :3, 3]
        return np.concatenate([base, positions])

    times = np.arange(5) * 0.1
    bent = [squat(bend) for bend in (0.599, 0.6, 0.601)]
    q = [robot.configuration(row[7:], row[:7]) for row in bent]
    still = np.tile(q[1], (5, 1))
    result = inverse_dynamics(robot, times, still, planted(5))
    data = robot.model.createData()
    lowered = pin.centerOfMass(robot.model, data, q[0]).copy()[2] - pin.centerOfMass(robot.model, data, q[2]).copy()[2]
    work = -result.supported_torques[2] @ (bent[2][7:] - bent[0][7:])
    assert lowered > 1e-5
    assert work == pytest.approx(mass(robot) * GRAVITY * lowered, rel=1e-3)
    assert (inverse_dynamics(robot, times, still).torques[2] == result.torques[2]).all()
    assert abs(result.supported_torques[2, robot.joint_names.index("left_knee")]) > 20.0
    assert abs(result.torques[2, robot.joint_names.index("left_knee")]) < 5.0  # nothing but the shank hangs on it


def test_speeding_up_moves_the_centre_of_pressure_back(robot: Robot) -> None:
    times = np.arange(30) / 60.0
    shift = np.zeros((30, 3))
    shift[:, 0] = 0.5 * 0.4 * times**2
    q = standing(robot, times, shift)
    result = inverse_dynamics(robot, times, q, planted(30))
    data = robot.model.createData()
    centre = np.array([pin.centerOfMass(robot.model, data, row).copy() for row in q])
    np.testing.assert_allclose(result.centre_of_pressure[1:-1, 0], (centre[:, 0] - centre[:, 2] * 0.4 / GRAVITY)[1:-1], atol=1e-6)
    assert result.flags["out_of_balance"].sum() == 0
    shift[:, 0] *= 5.0  # 2 m/s^2 put it 0.2 m behind the centre of mass, behind the heels
    result = inverse_dynamics(robot, times, standing(robot, times, shift), planted(30))
    assert (result.support_margin[1:-1] < -0.1).all()
    assert (result.flags["out_of_balance"] == [0] + [1] * 28 + [0]).all()


def test_in_a_fall_nothing_presses_and_nothing_strains(robot: Robot) -> None:
    times = np.arange(30) / 60.0
    shift = np.zeros((30, 3))
    shift[:, 2] = 1.5 - 0.5 * GRAVITY * times**2
    result = inverse_dynamics(robot, times, standing(robot, times, shift), planted(30))
    np.testing.assert_allclose(result.torques[1:-1], 0.0, atol=1e-6)
    assert np.isnan(result.centre_of_pressure).all()
    assert result.flags["out_of_balance"].sum() == 0
    assert result.flags["effort_exceeded"].sum() == 0


def test_with_no_foot_planted_it_is_not_known_what_holds_the_robot_up(robot: Robot, times_s: FloatArray) -> None:
    contacts = planted(len(times_s))
    for name in contacts:
        contacts[name][20:30] = False
    result = inverse_dynamics(robot, times_s, standing(robot, times_s), contacts)
    unknown = np.isnan(result.supported_torques).all(axis=1)
    assert (np.flatnonzero(unknown) == [0, *range(20, 30), len(times_s) - 1]).all()
    assert (np.isnan(result.support_margin) == unknown).all()
    assert np.isfinite(result.torques[20:30]).all()
    assert np.isnan(inverse_dynamics(robot, times_s, standing(robot, times_s)).supported_torques).all()


def test_on_one_foot_the_robot_tips_to_the_other_side(robot: Robot, times_s: FloatArray) -> None:
    result = inverse_dynamics(robot, times_s, standing(robot, times_s), planted(len(times_s), ("left_heel", "left_toe_tip")))
    assert (result.flags["out_of_balance"][1:-1] == 1).all()
    assert (result.support_margin[1:-1] < -0.03).all()


def test_the_heading_makes_no_difference(robot: Robot, times_s: FloatArray, sway: object) -> None:
    results = [inverse_dynamics(robot, times_s, standing(robot, times_s, yaw=yaw), planted(len(times_s))) for yaw in (0.0, 1.1)]
    np.testing.assert_allclose(results[0].supported_torques, results[1].supported_torques, atol=2e-3)
    np.testing.assert_allclose(results[0].support_margin, results[1].support_margin, atol=1e-9)


def test_effort_is_exceeded_where_a_motor_is_too_weak(robot: Robot, times_s: FloatArray) -> None:
    positions = np.zeros(len(robot.joint_names))
    base = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    shaken = np.tile(positions, (len(times_s), 1))
    shaken[:, robot.joint_names.index("left_shoulder_pitch")] = 0.3 * np.sin(2 * np.pi * 6.0 * times_s)
    calm = inverse_dynamics(robot, times_s, np.array([robot.configuration(positions, base)] * len(times_s)))
    fast = inverse_dynamics(robot, times_s, np.array([robot.configuration(row, base) for row in shaken]))
    assert calm.flags["effort_exceeded"].sum() == 0
    assert fast.flags["effort_exceeded"].sum() > 5


MIMIC_URDF = """<robot name="finger"><link name="palm"/>
<joint name="knuckle" type="revolute"><parent link="palm"/><child link="near"/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="5" velocity="5"/></joint>
<link name="near"><inertial><origin xyz="0.1 0 0"/><mass value="2"/><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="middle" type="revolute"><parent link="near"/><child link="far"/><origin xyz="0.2 0 0"/><axis xyz="0 1 0"/>
<limit lower="-1" upper="1" effort="5" velocity="5"/><mimic joint="knuckle" multiplier="0.5"/></joint>
<link name="far"><inertial><origin xyz="0.1 0 0"/><mass value="1"/><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial></link>
</robot>"""


def test_a_motor_bears_what_follows_it_by_its_ratio(tmp_path: Path) -> None:
    (tmp_path / "finger.urdf").write_text(MIMIC_URDF)
    (tmp_path / "finger.toml").write_text(
        'name = "finger"\nurdf = "finger.urdf"\nbase = "fixed"\n[groups]\nall = ["knuckle"]\n[skeleton]\nright_index_proximal = "near"\n'
        '[[tasks]]\nname = "near_position"\nkind = "position"\nrobot = "near"\nweight = 1.0\n'
    )
    finger = Robot.load(tmp_path / "finger.toml")
    times = np.arange(5) / 10.0
    # Straight out: 2 kg at 0.1 m and 1 kg at 0.3 m hang on the knuckle, 1 kg at 0.1 m on the middle joint, half of which the motor feels as well.
    result = inverse_dynamics(finger, times, np.zeros((5, finger.model.nq)))
    np.testing.assert_allclose(result.torques[1:-1, 0], -GRAVITY * (2 * 0.1 + 1 * 0.3 + 0.5 * 1 * 0.1), rtol=1e-6)
    assert np.isnan(result.supported_torques).all()
    assert result.flags["effort_exceeded"].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("frames", [1, 2])
def test_too_few_frames_have_no_torques(robot: Robot, frames: int) -> None:
    times = np.arange(frames) / 60.0
    assert np.isnan(joint_torques(robot, times, standing(robot, times))).all()


def test_derivatives_of_a_parabola_are_exact_at_uneven_times(robot: Robot, times_s: FloatArray) -> None:
    index, first, second = local_parabolas(times_s, 0.04)
    values = 0.3 - 2.0 * times_s + 5.0 * times_s**2
    np.testing.assert_allclose((first * values[index]).sum(axis=1), -2.0 + 10.0 * times_s, atol=1e-9)
    np.testing.assert_allclose((second * values[index]).sum(axis=1), 10.0, atol=1e-7)
    assert index.shape[1] > 3  # it smooths at 60 Hz
    wide = np.arange(8) / 10.0
    assert local_parabolas(wide, 0.04)[0].shape[1] == 3  # and not where frames are far apart


def test_the_base_turns_about_its_own_axes(robot: Robot) -> None:
    times = np.arange(60) / 240.0
    # constant turn rate about a tilted axis, while the base moves on a straight line at constant speed
    spin, start, velocity = np.array([0.0, 0.0, 3.0]), Rotation.from_euler("x", 0.7), np.array([1.0, 0.0, 0.0])
    turned = Rotation.from_rotvec(times[:, None] * spin) * start
    base = np.concatenate([times[:, None] * velocity, turned.as_quat()], axis=1)
    q = np.array([robot.configuration(np.zeros(len(robot.joint_names)), row) for row in base])
    v, a = smoothed_derivatives(robot, times, q)
    inner = slice(12, -12)
    np.testing.assert_allclose(v[inner, :3], turned.inv().apply(velocity)[inner], atol=1e-6)
    np.testing.assert_allclose(v[inner, 3:6], np.tile(start.inv().apply(spin), (60, 1))[inner], atol=1e-6)
    np.testing.assert_allclose(a[inner, :3], np.cross(v[:, :3], v[:, 3:6])[inner], atol=1e-6)  # p'' = 0: the components turn with the base
    np.testing.assert_allclose(a[inner, 3:6], 0.0, atol=1e-6)
