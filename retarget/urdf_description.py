"""URDF files, read into a Description."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.retarget.actuation import Mimic
from bodydouble.retarget.description import IDENTITY, Description, Joint, Link, Shape, in_tree_order, numbers, pose_from

FloatArray = npt.NDArray[np.float64]
HINGES = ("revolute", "continuous", "prismatic")
FULL_TURN = np.pi
"""rad either way: the range of a continuous joint, so that one number describes it."""


MOST_JOINTS = 800


def read_urdf(root: Element, path: Path) -> Description:
    """Return what a parsed URDF says. Raises: UsageError, DataError, UnknownNameError, each naming the file and the part."""
    for element in root.iter():
        if element.tag.startswith("xacro:") or any("${" in value for value in element.attrib.values()):
            raise UsageError(f"{path} is a xacro that was not expanded; run `xacro {path.name} > robot.urdf` and give the result.")
    links: dict[str, Link] = {}
    for element in root.findall("link"):
        link = _link(element, path)
        if link.name in links:
            raise DataError(f"{path}: two links are called '{link.name}'.")
        links[link.name] = link
    if not links:
        raise DataError(f"{path} has no links.")
    joints: list[Joint] = []
    mimics: dict[str, Mimic] = {}
    notes: list[str] = []
    for element in root.findall("joint"):
        joint = _joint(element, path, notes)
        for link_name in (joint.parent, joint.child):
            if link_name not in links:
                raise UnknownNameError("link", link_name, f"{path} (named by joint '{joint.name}')", links)
        if any(other.name == joint.name for other in joints):
            raise DataError(f"{path}: two joints are called '{joint.name}'.")
        joints.append(joint)
        rule = element.find("mimic")
        if rule is not None and joint.kind != "fixed":
            what = f"{path}: mimic of joint '{joint.name}'"
            ratio = numbers(rule.get("multiplier", "1"), 1, f"{what}: multiplier")[0]
            mimics[joint.name] = Mimic(
                rule.get("joint", ""), float(ratio), float(numbers(rule.get("offset", "0"), 1, f"{what}: offset")[0])
            )
    moving = [joint.name for joint in joints if joint.kind != "fixed"]
    for name, rule_ in mimics.items():
        if rule_.joint not in moving:
            raise UnknownNameError("joint", rule_.joint, f"{path} (followed by joint '{name}')", moving)
        leader, seen = name, [name]
        while leader in mimics:
            leader = mimics[leader].joint
            if leader in seen:
                raise DataError(f"{path}: the joints {', '.join(seen)} follow each other in a ring; one of them must be independent.")
            seen.append(leader)
    for joint in joints:
        if joint.kind != "fixed" and (joint.velocity < 0 or joint.effort < 0):
            raise DataError(f"{path}: joint '{joint.name}' has a negative velocity or effort limit; limits are magnitudes.")
    if len(joints) > MOST_JOINTS:
        raise DataError(f"{path} has {len(joints)} joints; no robot has more than {MOST_JOINTS}, so it was not read.")
    children = {joint.child for joint in joints}
    roots = [name for name in links if name not in children]
    if len(roots) != 1:
        found = f"{len(roots)} ({', '.join(roots[:5])})" if roots else "none: its joints form a loop"
        raise DataError(f"{path}: a robot has exactly one link that hangs on nothing; here are {found}.")
    return Description(
        root.get("name", path.stem), path, roots[0], links, in_tree_order(roots[0], joints, path), mimics, tuple(dict.fromkeys(notes))
    )


def _name(element: Element, path: Path) -> str:
    name = element.get("name")
    if not name:
        raise DataError(f"{path}: a <{element.tag}> has no name.")
    return name


def _link(element: Element, path: Path) -> Link:
    name = _name(element, path)
    inertial = element.find("inertial")
    mass, centre, inertia = float("nan"), np.zeros(3), np.zeros((3, 3))
    if inertial is not None:
        what = f"{path}: link '{name}'"
        pose = _origin(inertial, what)
        value = inertial.find("mass")
        mass = float(numbers(None if value is None else value.get("value"), 1, f"{what}: mass")[0])
        tensor = inertial.find("inertia")
        entries = {k: float(numbers(tensor.get(k, "0"), 1, f"{what}: {k}")[0]) for k in _TENSOR} if tensor is not None else {}
        own = np.array([[entries.get(_TENSOR[i], 0.0) for i in row] for row in ((0, 1, 2), (1, 3, 4), (2, 4, 5))])
        centre, inertia = pose[:3, 3], pose[:3, :3] @ own @ pose[:3, :3].T
        if mass < 0:
            raise DataError(f"{what} has the mass {mass:g} kg; masses can't be negative.")
    return Link(name, mass, centre, inertia, _shapes(element, "collision", path, name), _shapes(element, "visual", path, name))


_TENSOR = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")


def _shapes(element: Element, tag: str, path: Path, link: str) -> tuple[Shape, ...]:
    shapes = []
    for item in element.findall(tag):
        geometry = item.find("geometry")
        if geometry is None or not len(geometry):
            continue
        body, what = geometry[0], f"{path}: {tag} of link '{link}'"
        pose = _origin(item, what)
        if body.tag == "box":
            shapes.append(Shape("box", tuple(numbers(body.get("size"), 3, f"{what}: size")), pose))
        elif body.tag in ("cylinder", "capsule"):
            size = (
                float(numbers(body.get("radius"), 1, f"{what}: radius")[0]),
                float(numbers(body.get("length"), 1, f"{what}: length")[0]),
            )
            shapes.append(Shape("cylinder" if body.tag == "cylinder" else "capsule", size, pose))
        elif body.tag == "sphere":
            shapes.append(Shape("sphere", (float(numbers(body.get("radius"), 1, f"{what}: radius")[0]),), pose))
        elif body.tag == "mesh":
            scale = numbers(body.get("scale", "1 1 1"), (1, 3), f"{what}: scale")
            shapes.append(Shape("mesh", tuple(float(v) for v in np.broadcast_to(scale, 3)), pose, body.get("filename", "")))
        if shapes and shapes[-1].kind != "mesh" and min(shapes[-1].size) < 0:
            raise DataError(f"{what} has a negative size.")
    return tuple(shapes)


def _joint(element: Element, path: Path, notes: list[str]) -> Joint:
    name = _name(element, path)
    kind, what = element.get("type", ""), f"{path}: joint '{name}'"
    ends = [element.find(end) for end in ("parent", "child")]
    parent, child = ((end.get("link", "") if end is not None else "") for end in ends)
    pose, turning = _origin(element, what), np.array([1.0, 0.0, 0.0])
    if kind in ("floating", "planar"):
        notes.append(f"joint '{name}' is {kind} and is held still; the base moves freely by itself (base = \"floating\")")
        kind = "fixed"
    if kind == "fixed":
        return Joint(name, "fixed", parent, child, pose, turning)
    if kind not in HINGES:
        raise DataError(f"{what} is of type {kind!r}; expected revolute, continuous, prismatic, fixed or floating.")
    axis = element.find("axis")
    if axis is not None:
        turning = numbers(axis.get("xyz"), 3, f"{what}: axis")
    if np.linalg.norm(turning) < 1e-9:
        raise DataError(f"{what} has no axis: its xyz is 0 0 0.")
    values = {}
    limit = element.find("limit")
    for key in ("lower", "upper", "velocity", "effort"):
        text = limit.get(key) if limit is not None else None
        values[key] = float(numbers(text, 1, f"{what}: {key}")[0]) if text is not None else float("nan")
    if kind == "continuous":
        values |= {"lower": -FULL_TURN, "upper": FULL_TURN}
        notes.append(f"joint '{name}' turns without end; it was given the range -180 to 180 degrees")
    elif limit is not None:  # the format's own default of a limit that names only one end
        values["lower"] = 0.0 if np.isnan(values["lower"]) and not np.isnan(values["upper"]) else values["lower"]
        values["upper"] = 0.0 if np.isnan(values["upper"]) and not np.isnan(values["lower"]) else values["upper"]
    return Joint(name, "prismatic" if kind == "prismatic" else "revolute", parent, child, pose, turning / np.linalg.norm(turning), **values)


def _origin(element: Element, what: str) -> FloatArray:
    origin = element.find("origin")
    if origin is None:
        return IDENTITY
    place = numbers(origin.get("xyz", "0 0 0"), 3, f"{what}: origin xyz")
    turn = numbers(origin.get("rpy", "0 0 0"), 3, f"{what}: origin rpy")
    return pose_from(turned_by_angles(turn), place)


def turned_by_angles(turn: FloatArray) -> FloatArray:
    """Return the rotation (3, 3) of URDF's roll, pitch, yaw (rad): about the fixed x, then y, then z axis."""
    (sr, sp, sy), (cr, cp, cy) = np.sin(turn), np.cos(turn)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
