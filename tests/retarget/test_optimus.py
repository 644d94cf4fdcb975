"""The Optimus-like robot adds up: joints, lengths, masses, mirror images, and every joint turns the way its name says."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import numpy.typing as npt
import pinocchio as pin
import pytest
from scipy.optimize import minimize

from bodydouble.retarget import Robot

FloatArray = npt.NDArray[np.float64]
GROUP_SIZES = {"neck": 2, "torso": 2, "left_leg": 7, "right_leg": 7, "left_arm": 5, "right_arm": 5, "left_hand": 25, "right_hand": 25}
BASE = [0, 0, 0, 0, 0, 0, 1]


def moved(robot: Robot, joint: str, degrees: float, link: str) -> FloatArray:
    """Return how far (3,) m a link's origin goes when one joint turns from zero."""
    positions = np.zeros(len(robot.joint_names))
    before = robot.link_poses(positions, BASE, [link])[0, :3, 3]
    positions[robot.joint_names.index(joint)] = np.radians(degrees)
    return robot.link_poses(positions, BASE, [link])[0, :3, 3] - before


def test_the_urdf_is_what_the_script_writes() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bodydouble.retarget.robots.optimus.make_urdf", "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_78_joints_in_8_groups(robot: Robot) -> None:
    assert {name: len(joints) for name, joints in robot.groups.items()} == GROUP_SIZES
    assert len(robot.joint_names) == len(set(robot.joint_names)) == 78
    assert robot.joint_names == tuple(joint for group in robot.groups.values() for joint in group)


def test_it_also_loads_with_a_fixed_base(robot: Robot) -> None:
    assert pin.buildModelFromUrdf(str(robot.urdf_path)).nq == 78


def test_it_weighs_57_kg_and_is_173_cm_tall(robot: Robot) -> None:
    assert sum(inertia.mass for inertia in robot.model.inertias) == pytest.approx(57.0, abs=1e-4)
    geometry = pin.buildGeomFromUrdf(robot.model, str(robot.urdf_path), pin.GeometryType.VISUAL)
    data = geometry.createData()
    pin.updateGeometryPlacements(robot.model, robot.model.createData(), geometry, data, pin.neutral(robot.model))
    top, bottom = -np.inf, np.inf
    for item, place in zip(geometry.geometryObjects, data.oMg, strict=True):
        shape, kind = item.geometry, type(item.geometry).__name__
        up = np.abs(place.rotation[2])
        half = {
            "Box": lambda s=shape, u=up: u @ s.halfSide,
            "Sphere": lambda s=shape: s.radius,
            "Cylinder": lambda s=shape, u=up: s.halfLength * u[2] + s.radius * np.sqrt(max(0.0, 1 - u[2] ** 2)),
        }[kind]()
        top, bottom = max(top, place.translation[2] + half), min(bottom, place.translation[2] - half)
    assert top - bottom == pytest.approx(1.73, abs=0.004)
    assert -bottom == pytest.approx(robot.standing_height(), abs=1e-6)


def test_inertias_are_those_of_real_bodies(robot: Robot) -> None:
    for name, inertia in zip(robot.model.names[1:], robot.model.inertias[1:], strict=True):
        moments = np.linalg.eigvalsh(inertia.inertia)
        assert inertia.mass > 0, name
        assert moments[0] > 0, name
        assert moments[0] + moments[1] >= moments[2] * (1 - 1e-6), name


def test_every_joint_has_range_speed_effort_and_a_reason(robot: Robot) -> None:
    assert (robot.lower < robot.upper).all()
    assert set(robot.velocity_limit) == {8.0, 10.0}
    assert (robot.effort_limit > 0).all()
    assert set(robot.acceleration) == {100.0, 200.0, 400.0}
    for comment in (c for c in robot.urdf_path.read_text().split("<!--") if c.startswith(" positive")):
        assert all(word in comment for word in ("range", "effort: ", "speed: "))
    assert robot.urdf_path.read_text().count("<!-- positive: ") == 78


def test_left_and_right_are_mirror_images(robot: Robot) -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(robot.lower, robot.upper)
    names = robot.joint_names
    mirrored = np.array([positions[names.index(_other(name))] * (-1 if name in ("neck_yaw", "torso_yaw") else 1) for name in names])
    poses = dict(zip(robot.link_names, robot.link_poses(positions, BASE), strict=True))
    others = dict(zip(robot.link_names, robot.link_poses(mirrored, BASE), strict=True))
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    for name in robot.link_names:
        np.testing.assert_allclose(flip @ poses[_other(name)] @ flip, others[name], atol=2e-6)
    for limit in (robot.lower, robot.upper, robot.velocity_limit, robot.effort_limit):
        np.testing.assert_array_equal(limit, limit[[names.index(_other(name)) for name in names]])


def _other(name: str) -> str:
    for a, b in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(a):
            return b + name.removeprefix(a)
    return name


def test_all_frames_are_parallel_at_zero(robot: Robot) -> None:
    poses = robot.link_poses(np.zeros(78), BASE)
    np.testing.assert_allclose(poses[:, :3, :3], np.broadcast_to(np.eye(3), (len(poses), 3, 3)), atol=1e-12)


@pytest.mark.parametrize(
    ("start", "end", "metres"),
    [
        ("left_thigh", "left_shank", 0.420),
        ("left_shank", "left_foot", 0.431),
        ("left_upper_arm", "left_forearm", 0.31),
        ("left_forearm", "left_palm", 0.26),
        ("left_heel", "left_toe_tip", 0.256),
        ("left_palm", "left_middle_tip", 0.187),
        ("left_upper_arm", "right_upper_arm", 0.35),
        ("left_thigh", "right_thigh", 0.18),
    ],
)
def test_lengths_are_those_of_the_table(robot: Robot, start: str, end: str, metres: float) -> None:
    places = robot.zero_points()
    assert np.linalg.norm(places[end] - places[start]) == pytest.approx(metres, abs=2e-4)


FORWARD, LEFT, UP = np.eye(3)


@pytest.mark.parametrize(
    ("joint", "link", "direction"),
    [
        ("neck_yaw", "eyes", LEFT),
        ("neck_pitch", "eyes", -UP),
        ("torso_yaw", "right_upper_arm", FORWARD),
        ("torso_pitch", "head", FORWARD),
        ("left_hip_yaw", "left_toe_tip", -LEFT),
        ("left_hip_roll", "left_foot", LEFT),
        ("left_hip_pitch", "left_shank", FORWARD),
        ("left_knee", "left_foot", -FORWARD),
        ("left_ankle_pitch", "left_toe_tip", UP),
        ("left_ankle_roll", "left_toe_tip", -LEFT),
        ("left_toe", "left_toe_tip", UP),
        ("left_clavicle", "left_upper_arm", UP),
        ("left_shoulder_pitch", "left_palm", FORWARD),
        ("left_shoulder_roll", "left_palm", LEFT),
        ("left_shoulder_yaw", "left_thumb_tip", -LEFT),
        ("left_elbow", "left_palm", FORWARD),
        ("left_forearm_roll", "left_thumb_tip", -LEFT),
        ("left_wrist_pitch", "left_middle_tip", -LEFT),
        ("left_wrist_yaw", "left_middle_tip", -FORWARD),
        ("left_thumb_rotation", "left_thumb_tip", -LEFT),
        ("left_thumb_closing", "left_thumb_tip", -UP),
        ("left_thumb_side", "left_thumb_tip", UP),
        ("left_thumb_mcp", "left_thumb_tip", -LEFT),
        ("left_thumb_ip", "left_thumb_tip", -LEFT),
        ("left_index_side", "left_index_tip", FORWARD),
        ("left_index_mcp", "left_index_tip", -LEFT),
        ("left_middle_pip", "left_middle_tip", -LEFT),
        ("left_ring_dip", "left_ring_tip", -LEFT),
        ("left_little_palm", "left_little_tip", -LEFT),
        ("left_little_side", "left_little_tip", FORWARD),
    ],
)
def test_a_positive_angle_moves_the_way_the_body_would(robot: Robot, joint: str, link: str, direction: FloatArray) -> None:
    shift = moved(robot, joint, 5.0, link)
    assert shift @ direction > 0.5 * np.linalg.norm(shift) > 1e-4
    if joint.startswith("left_"):
        mirror = shift * [1, -1, 1]
        np.testing.assert_allclose(moved(robot, _other(joint), 5.0, _other(link)), mirror, atol=1e-6)


def test_every_joint_moves_something(robot: Robot) -> None:
    start = robot.link_poses(robot.rest, BASE)
    for index, name in enumerate(robot.joint_names):
        positions = robot.rest.copy()
        positions[index] += 0.1
        assert np.abs(robot.link_poses(positions, BASE) - start).max() > 1e-3, name


@pytest.mark.parametrize("finger", ["index", "middle", "ring", "little"])
def test_the_thumb_reaches_every_fingertip(robot: Robot, finger: str) -> None:
    hand = [robot.joint_names.index(name) for name in robot.groups["left_hand"] if "thumb" in name or finger in name]

    data = robot.model.createData()
    thumb, tip = robot.frame_id("left_thumb_tip"), robot.frame_id(f"left_{finger}_tip")

    def gap(angles: FloatArray) -> float:
        positions = robot.rest.copy()
        positions[hand] = angles
        pin.framesForwardKinematics(robot.model, data, robot.configuration(positions, BASE))
        return float(np.sum(np.square((data.oMf[thumb].translation - data.oMf[tip].translation) * 100)))

    bounds = list(zip(robot.lower[hand], robot.upper[hand], strict=True))
    starts = [robot.rest[hand], 0.4 * robot.lower[hand] + 0.6 * robot.upper[hand]]
    best = min(minimize(gap, start, bounds=bounds, method="L-BFGS-B", options={"maxiter": 60}).fun for start in starts)
    assert np.sqrt(best) < 0.1  # cm


def test_it_is_made_of_primitives_and_every_link_shows(robot: Robot) -> None:
    root = ET.parse(robot.urdf_path).getroot()
    bodies = [link for link in root.findall("link") if link.find("inertial") is not None]
    assert len(bodies) == 79
    for link in bodies:
        assert link.find("visual") is not None, link.get("name")
        assert link.find("collision") is not None, link.get("name")
    assert {geometry[0].tag for geometry in root.iter("geometry")} == {"box", "cylinder", "sphere"}
