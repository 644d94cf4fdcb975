"""URDF and MJCF as we read them: the same robot as Pinocchio reads, and one clear sentence for what is no robot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
import pytest

from bodydouble.errors import BodydoubleError, DataError, UsageError
from bodydouble.retarget.description import Description, read_description
from bodydouble.retarget.pinocchio_model import add_point, build_model
from bodydouble.retarget.robot_file import ROBOTS_FOLDER

OPTIMUS = ROBOTS_FOLDER / "optimus" / "optimus.urdf"
URDFS = (
    "allegro_hand_left", "allegro_hand_right", "fourier_gr1t2_hand12", "fourier_left_hand_12dof", "fourier_right_hand_12dof", "leap_hand_left",
    "leap_hand_right", "talos_full_v2", "unitree_g1_29dof_dex3",
)  # fmt: skip


def written(folder: Path, text: str, name: str = "robot.urdf") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def link(name: str) -> str:
    return f'<link name="{name}"/>'


def hinge(name: str, parent: str, child: str, inside: str = '<limit lower="-1" upper="1"/>', kind: str = "revolute") -> str:
    return f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>{inside}</joint>'


def robot(*parts: str) -> str:
    return f'<robot name="r">{"".join(parts)}</robot>'


def same_as_pinocchio(path: Path, *, floating: bool) -> None:
    ours = build_model(read_description(path), floating=floating)
    theirs = pin.buildModelFromUrdf(str(path), pin.JointModelFreeFlyer()) if floating else pin.buildModelFromUrdf(str(path))
    assert list(ours.names) == list(theirs.names)
    assert list(ours.parents) == list(theirs.parents)
    named = [(f.name, f.type, f.parentJoint, f.parentFrame) for f in ours.frames]
    assert named == [(f.name, f.type, f.parentJoint, f.parentFrame) for f in theirs.frames]
    for a, b in zip(ours.jointPlacements, theirs.jointPlacements, strict=True):
        np.testing.assert_allclose(a.homogeneous, b.homogeneous, atol=1e-12)
    for a, b in zip(ours.frames, theirs.frames, strict=True):
        np.testing.assert_allclose(a.placement.homogeneous, b.placement.homogeneous, atol=1e-12)
    for a, b in zip(ours.inertias, theirs.inertias, strict=True):
        np.testing.assert_allclose(a.toDynamicParameters(), b.toDynamicParameters(), atol=1e-12)
    np.testing.assert_array_equal(ours.lowerPositionLimit, theirs.lowerPositionLimit)
    np.testing.assert_array_equal(ours.upperPositionLimit, theirs.upperPositionLimit)
    skip = 6 if floating else 0
    np.testing.assert_array_equal(ours.velocityLimit[skip:], theirs.velocityLimit[skip:])
    np.testing.assert_array_equal(ours.effortLimit[skip:], theirs.effortLimit[skip:])


@pytest.mark.parametrize("floating", [True, False])
def test_optimus_is_what_pinocchio_reads(floating: bool) -> None:
    same_as_pinocchio(OPTIMUS, floating=floating)


@pytest.mark.parametrize("name", URDFS)
def test_published_robots_are_what_pinocchio_reads(shared_data: Path, name: str) -> None:
    same_as_pinocchio(shared_data / "robots" / f"{name}.urdf", floating=True)


def test_a_turning_axis_a_slide_and_fixed_links_are_what_pinocchio_reads(tmp_path: Path) -> None:
    mass = '<inertial><origin xyz="0.1 0 0.2" rpy="0.4 0 1"/><mass value="2"/><inertia ixx="0.1" ixy="0.01" ixz="0" iyy="0.2" iyz="0.02" izz="0.3"/></inertial>'
    limit = '<limit lower="-1" upper="2" velocity="3" effort="4"/>'
    text = robot(
        f'<link name="base">{mass}</link>', f'<link name="arm">{mass}</link>', f'<link name="slide">{mass}</link>', f'<link name="tool">{mass}</link>',
        hinge("turn", "base", "arm", f'<origin xyz="1 2 3" rpy="0.1 1.5707963267948966 0.3"/><axis xyz="1 2 -2"/>{limit}'),
        hinge("push", "arm", "slide", f'<axis xyz="0 0 1"/>{limit}', "prismatic"),
        hinge("hold", "slide", "tool", '<origin xyz="0 0 0.1" rpy="0 0.5 0"/>', "fixed"),
    )  # fmt: skip
    same_as_pinocchio(written(tmp_path, text), floating=False)


def test_a_hinge_that_turns_without_end_gets_a_full_turn_and_a_note(tmp_path: Path) -> None:
    path = written(tmp_path, robot(link("a"), link("b"), hinge("wheel", "a", "b", "", "continuous")))
    described = read_description(path)
    np.testing.assert_allclose([described.joints[0].lower, described.joints[0].upper], [-np.pi, np.pi])
    assert "joint 'wheel' turns without end" in described.notes[0]
    assert build_model(described, floating=False).nq == 1


def test_a_floating_joint_inside_a_robot_is_held_and_noted(tmp_path: Path) -> None:
    text = robot(link("world"), link("a"), link("b"), hinge("free", "world", "a", "", "floating"), hinge("j", "a", "b"))
    described = read_description(written(tmp_path, text))
    assert described.moving_joints == ("j",)
    assert "is held still" in described.notes[0]


def test_a_joint_without_a_limit_has_none(tmp_path: Path) -> None:
    described = read_description(written(tmp_path, robot(link("a"), link("b"), hinge("j", "a", "b", ""))))
    assert np.isnan([described.joints[0].lower, described.joints[0].upper, described.joints[0].velocity, described.joints[0].effort]).all()


def test_shapes_lie_where_the_file_puts_them(tmp_path: Path) -> None:
    shape = '<collision><origin xyz="1 2 3" rpy="0 0 1.5707963267948966"/><geometry>{}</geometry></collision>'
    body = "".join(
        shape.format(g)
        for g in (
            '<box size="1 2 3"/>',
            '<cylinder radius="1" length="2"/>',
            '<sphere radius="0.5"/>',
            '<mesh filename="x.stl" scale="2 2 2"/>',
        )
    )
    shapes = read_description(written(tmp_path, robot(f'<link name="a">{body}</link>'))).links["a"].collision
    assert [(s.kind, s.size) for s in shapes] == [
        ("box", (1, 2, 3)), ("cylinder", (1, 2)), ("sphere", (0.5,)), ("mesh", (2, 2, 2)),
    ]  # fmt: skip
    np.testing.assert_allclose(shapes[0].pose, [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], atol=1e-12)
    assert shapes[3].file == "x.stl"


def test_points_are_frames_of_their_link() -> None:
    model = build_model(read_description(OPTIMUS), floating=True)
    add_point(model, "heel", "left_foot", (0.01, 0.02, -0.03))
    data = model.createData()
    pin.framesForwardKinematics(model, data, pin.randomConfiguration(model, -np.ones(model.nq), np.ones(model.nq)))
    foot, heel = (data.oMf[model.getFrameId(name)] for name in ("left_foot", "heel"))
    np.testing.assert_allclose(heel.translation, foot.act(np.array([0.01, 0.02, -0.03])))


def test_the_root_may_be_turned_in_the_base() -> None:
    turn = pin.rpy.rpyToMatrix(np.array([0.0, 0.0, np.pi / 2]))
    model, turned = (build_model(read_description(OPTIMUS), floating=True, mount=mount) for mount in (None, turn))
    places = []
    for m in (model, turned):
        data = m.createData()
        pin.framesForwardKinematics(m, data, pin.neutral(m))
        places.append(data.oMf[m.getFrameId("left_index_tip")].translation.copy())
    np.testing.assert_allclose(places[1], turn @ places[0], atol=1e-12)


BAD = {
    "nothing": ("", DataError, r"is not a whole XML file: no element found at line 1"),
    "text": ("this is no robot", DataError, r"is not a whole XML file: syntax error at line 1"),
    "cut short": (robot(link("a"), link("b"))[:-12], DataError, r"is not a whole XML file: unclosed token.*It may be cut short"),
    "bytes": ("\x00\x01\x02", DataError, r"is not a whole XML file"),
    "bomb": (
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><robot name="&b;"/>', DataError,
        r"declares a document type or entities",
    ),
    "outside": ('<!DOCTYPE r SYSTEM "file:///etc/hostname"><robot/>', DataError, r"declares a document type"),
    "deep": ("<robot>" * 500 + "</robot>" * 500, DataError, r"nests more than 400 elements"),
    "web page": ("<html><body/></html>", UsageError, r"starts with <html>; expected a URDF \(<robot>\) or an MJCF \(<mujoco>\)"),
    "sdf": ("<sdf/>", UsageError, r"Convert the SDF to URDF first"),
    "xacro": ('<robot name="r" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:arm/></robot>', UsageError, r"is a xacro .*run `xacro robot.urdf"),
    "xacro values": (robot('<link name="${side}_arm"/>'), UsageError, r"is a xacro"),
    "empty": (robot(), DataError, r"has no links"),
    "two roots": (robot(link("a"), link("b"), link("c"), hinge("j", "a", "b")), DataError, r"exactly one link that hangs on nothing; here are 2 \(a, c\)"),
    "ring": (robot(link("a"), link("b"), hinge("j", "a", "b"), hinge("k", "b", "a")), DataError, r"its joints form a loop"),
    "loop": (
        robot(link("a"), link("b"), link("c"), hinge("j", "a", "b"), hinge("k", "a", "c"), hinge("m", "b", "c")), DataError,
        r"link 'c' hangs on two joints, 'k' and 'm': a closed loop",
    ),
    "ring apart": (
        robot(link("a"), link("b"), link("c"), link("d"), hinge("j", "a", "b"), hinge("k", "c", "d"), hinge("m", "d", "c")), DataError,
        r"the joints k, m form a loop",
    ),
    "unknown link": (
        robot(link("a"), link("hand"), hinge("j", "a", "hnad")), UsageError, r"link 'hnad' is not in .*\(named by joint 'j'\).*Did you mean 'hand'",
    ),
    "no parent": (robot(link("a"), '<joint name="j" type="revolute"><child link="a"/></joint>'), UsageError, r"link '' is not in"),
    "same links": (robot(link("a"), link("a")), DataError, r"two links are called 'a'"),
    "same joints": (robot(link("a"), link("b"), link("c"), hinge("j", "a", "b"), hinge("j", "b", "c")), DataError, r"two joints are called 'j'"),
    "nameless": (robot("<link/>"), DataError, r"a <link> has no name"),
    "odd joint": (robot(link("a"), link("b"), hinge("j", "a", "b", "", "ball")), DataError, r"joint 'j' is of type 'ball'; expected revolute"),
    "no axis": (robot(link("a"), link("b"), hinge("j", "a", "b", '<axis xyz="0 0 0"/>')), DataError, r"joint 'j' has no axis"),
    "words": (
        robot(link("a"), link("b"), hinge("j", "a", "b", '<limit lower="wide" upper="1"/>')), DataError, r"joint 'j': lower is 'wide'; expected 1 number",
    ),
    "nan": (robot(link("a"), link("b"), hinge("j", "a", "b", '<origin xyz="nan 0 0"/>')), DataError, r"origin xyz is 'nan 0 0'; expected 3 numbers"),
    "short": (robot(link("a"), link("b"), hinge("j", "a", "b", '<origin xyz="1 2"/>')), DataError, r"origin xyz is '1 2'; expected 3 numbers"),
    "mimic": (robot(link("a"), link("b"), hinge("j", "a", "b", '<mimic joint="jj"/>')), UsageError, r"joint 'jj' is not in .*\(followed by joint 'j'\)"),
    "lighter than nothing": (
        robot('<link name="a"><inertial><mass value="-1"/></inertial></link>'), DataError, r"link 'a' has the mass -1 kg; masses can't be negative",
    ),
    "negative size": (
        robot('<link name="a"><collision><geometry><sphere radius="-1"/></geometry></collision></link>'), DataError,
        r"collision of link 'a' has a negative size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_robot_is_one_clear_sentence(tmp_path: Path, case: str) -> None:
    text, kind, message = BAD[case]
    with pytest.raises(kind, match=message) as caught:
        read_description(written(tmp_path, text))
    assert isinstance(caught.value, BodydoubleError)
    assert "\n" not in str(caught.value)
    assert "robot.urdf" in str(caught.value)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.urdf does not exist"):
        read_description(tmp_path / "x.urdf")
    with pytest.raises(UsageError, match=r"is a folder, not a URDF or MJCF file"):
        read_description(tmp_path)


MJCF = """
<mujoco model="finger">
  <compiler angle="degree" autolimits="true" eulerseq="xyz"/>
  <default class="main">
    <joint axis="0 1 0"/>
    <default class="bend"><joint range="-10 90" axis="1 0 0"/><position forcerange="-3 2"/><geom type="capsule" size="0.01 0.02"/></default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 1"/>
    <body name="palm" pos="0 0 1" quat="1 1 0 0">
      <inertial mass="0.5" pos="0 0 0.01" fullinertia="0.01 0.02 0.03 0.001 0.002 0.003"/>
      <geom type="box" size="0.01 0.02 0.03"/>
      <body name="finger" childclass="bend" pos="0 0 0.1" euler="10 20 30">
        <inertial mass="0.1" pos="0 0 0.02" quat="0.9 0.1 0.2 0.3" diaginertia="1e-4 2e-4 3e-4"/>
        <joint name="spread" class="main" range="-20 20"/>
        <joint name="bend1"/>
        <geom/>
        <body name="tip" pos="0 0 0.05" axisangle="0 0 1 90">
          <inertial mass="0.05" pos="0 0 0.01" diaginertia="1e-5 1e-5 1e-5"/>
          <joint name="bend2" pos="0 0.004 0.001"/>
          <geom contype="0" conaffinity="0"/>
          <geom fromto="0 0 0 0 0 0.03" size="0.008"/>
          <site name="touch" pos="0 0 0.03"/>
        </body>
      </body>
    </body>
  </worldbody>
  <contact><exclude body1="palm" body2="tip"/></contact>
  <tendon><fixed name="both"><joint joint="bend1" coef="1"/><joint joint="bend2" coef="0.5"/></fixed></tendon>
  <actuator><position class="bend" tendon="both"/><position joint="spread" forcerange="-1 1"/></actuator>
</mujoco>
"""


def same_motion(described: Description, theirs: Any, *, seed: int) -> None:
    """Compare link poses, seen from the root, and inertias with a model that Pinocchio read from the MJCF."""
    ours = build_model(described, floating=False)
    rng = np.random.default_rng(seed)
    q = rng.uniform(-1, 1, ours.nq)
    p = q.copy()  # in Pinocchio the joints of one body are one composite joint, in the same order
    named = [name for name in ours.names[1:] if theirs.existJointName(name)]
    for name in named if len(named) == ours.nq else ():
        p[theirs.joints[theirs.getJointId(name)].idx_q] = q[ours.joints[ours.getJointId(name)].idx_q]
    here, there = ours.createData(), theirs.createData()
    pin.framesForwardKinematics(ours, here, q)
    pin.framesForwardKinematics(theirs, there, p)
    root = there.oMf[theirs.getFrameId(described.root)]
    bodies = [f.name for f in theirs.frames if f.type == pin.FrameType.BODY and f.name in described.links]
    assert len(bodies) > 2
    for name in bodies:
        np.testing.assert_allclose(
            here.oMf[ours.getFrameId(name)].homogeneous, root.actInv(there.oMf[theirs.getFrameId(name)]).homogeneous, atol=1e-9
        )
    for name in named:
        a, b = (m.inertias[m.getJointId(name)].toDynamicParameters() for m in (ours, theirs))
        np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("name", ["shadow_e3m5_left", "shadow_e3m5_right"])
def test_an_mjcf_is_what_pinocchio_reads(shared_data: Path, name: str) -> None:
    path = shared_data / "robots" / f"{name}.xml"
    described = read_description(path)
    assert len(described.moving_joints) == 24
    for seed in range(3):
        same_motion(described, pin.buildModelFromMJCF(str(path)), seed=seed)


def test_an_mjcf_with_defaults_tendons_sites_and_several_joints_in_a_body(tmp_path: Path) -> None:
    described = read_description(written(tmp_path, MJCF, "finger.xml"))
    assert described.moving_joints == ("spread", "bend1", "bend2")
    limits = {joint.name: np.degrees([joint.lower, joint.upper]).round(6).tolist() for joint in described.joints if joint.kind != "fixed"}
    assert limits == {"spread": [-20, 20], "bend1": [-10, 90], "bend2": [-10, 90]}
    axes = {joint.name: joint.axis.tolist() for joint in described.joints if joint.kind != "fixed"}
    assert axes == {"spread": [0, 1, 0], "bend1": [1, 0, 0], "bend2": [1, 0, 0]}
    rule = described.mimics["bend2"]
    assert (rule.joint, rule.ratio, rule.offset) == ("bend1", 0.5, 0.0)
    assert {joint.name: joint.effort for joint in described.joints if joint.kind != "fixed"} == {"spread": 1, "bend1": 3, "bend2": 3}
    assert described.excluded == (("palm", "tip"),)
    assert [s.kind for s in described.links["tip"].collision] == ["capsule"]
    assert described.links["tip"].collision[0].size == pytest.approx((0.008, 0.03))
    np.testing.assert_allclose(described.links["tip"].collision[0].pose[:3, 3], [0, 0, 0.015])
    assert described.links["touch"].mass != described.links["touch"].mass  # a site weighs nothing that is known
    for seed in range(3):
        same_motion(described, pin.buildModelFromMJCF(str(tmp_path / "finger.xml")), seed=seed)


def test_a_body_without_inertia_weighs_what_its_shapes_do(tmp_path: Path) -> None:
    box = '<body name="b"><joint name="j" range="-1 1"/><geom type="box" size=".1 .1 .1" density="500"/></body>'
    text = f'<mujoco><worldbody><body name="a"><geom type="sphere" size="0.1"/>{box}</body></worldbody></mujoco>'
    links = read_description(written(tmp_path, text, "r.xml")).links
    assert links["a"].mass == pytest.approx(1000 * 4 / 3 * np.pi * 1e-3)
    np.testing.assert_allclose(np.diag(links["a"].inertia), 0.4 * links["a"].mass * 0.01)
    assert links["b"].mass == pytest.approx(4.0)


def test_included_files_are_read_in_place(tmp_path: Path) -> None:
    written(tmp_path, '<mujocoinclude><body name="b"><joint name="j" range="-1 1"/></body></mujocoinclude>', "part.xml")
    text = '<mujoco><worldbody><body name="a"><include file="part.xml"/></body></worldbody></mujoco>'
    assert read_description(written(tmp_path, text, "r.xml")).moving_joints == ("j",)


def inside(body: str) -> str:
    return f'<mujoco><worldbody><body name="a"><body name="b">{body}</body></body></worldbody></mujoco>'


BAD_MJCF = {
    "scene": (
        '<mujoco><worldbody><body name="a"><joint/></body><body name="b"><joint/></body></worldbody></mujoco>', DataError,
        r"a robot is one body of the world with joints; here are 2 \(a, b\)",
    ),
    "still": ('<mujoco><worldbody><body name="a"/></worldbody></mujoco>', DataError, r"here are 0"),
    "ball": (inside('<joint type="ball"/>'), UsageError, r"body 'b' has a ball joint"),
    "class": (inside('<joint class="bnd"/>'), UsageError, r"default class 'bnd' is not in"),
    "actuator": (MJCF.replace('joint="spread" force', 'joint="sprad" force'), UsageError, r"joint 'sprad' is not in .*\(named by an actuator\)"),
    "tendon": (MJCF.replace('joint="bend2" coef', 'joint="bend3" coef'), UsageError, r"joint 'bend3' is not in"),
    "size": (inside('<joint/><geom type="box" size="1"/>'), DataError, r"a box needs 3 sizes, here are 1"),
    "axis": (inside('<joint name="j" axis="0 0 0"/>'), DataError, r"joint 'j' has no axis"),
    "include": ('<mujoco><include file="r.xml"/></mujoco>', DataError, r"includes files that include each other"),
    "no include": ('<mujoco><include file="gone.xml"/></mujoco>', UsageError, r"gone\.xml does not exist"),
    "included bomb": ('<mujoco><include file="bomb.xml"/></mujoco>', DataError, r"declares a document type"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_MJCF)
def test_an_mjcf_that_is_no_robot_is_one_clear_sentence(tmp_path: Path, case: str) -> None:
    text, kind, message = BAD_MJCF[case]
    written(tmp_path, '<!DOCTYPE x [<!ENTITY a "b">]><mujocoinclude/>', "bomb.xml")
    with pytest.raises(kind, match=message) as caught:
        read_description(written(tmp_path, text, "r.xml"))
    assert "\n" not in str(caught.value)
