"""MJCF files, read into a Description.

Bodies with several joints become as many links; sites count as links, since fingertips are often sites; fixed tendons with one actuator and joint equalities
become followers. Ball joints are refused; free joints and the pose of the root body only say where the robot stands, and are passed over.
https://mujoco.readthedocs.io/en/stable/XMLreference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.retarget.actuation import Mimic
from bodydouble.retarget.description import Description, Joint, Link, Shape, in_tree_order, numbers, parse_xml, pose_from

FloatArray = npt.NDArray[np.float64]
LEFT_OUT = ("replicate", "composite", "flexcomp", "attach")
"""Elements of a body that make others; no robot's kinematics is known to need them."""
DEEPEST_INCLUDE = 8


@dataclass
class _Reader:
    path: Path
    root: Element
    degrees: bool = True
    euler: str = "xyz"
    autolimits: bool = True
    defaults: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    joints: list[Joint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_mjcf(root: Element, path: Path) -> Description:
    """Return what a parsed MJCF says. Raises: UsageError, DataError, UnknownNameError, each naming the file and the part."""
    _include(root, path, 0)
    reader = _Reader(path, root)
    for compiler in root.findall("compiler"):
        reader.degrees = compiler.get("angle", "degree" if reader.degrees else "radian") == "degree"
        reader.euler = compiler.get("eulerseq", reader.euler)
        reader.autolimits = compiler.get("autolimits", "true" if reader.autolimits else "false") == "true"
    reader.defaults["main"] = {}
    for element in root.findall("default"):
        _defaults(reader, element, "main", reader.defaults["main"])
        reader.defaults[element.get("class", "main")] = reader.defaults["main"]
    bodies = [body for world in root.findall("worldbody") for body in world.iter("body") if _is_top(world, body)]
    moving = [body for body in bodies if body.find(".//joint") is not None]
    if len(moving) != 1:
        named = ", ".join(body.get("name", "?") for body in moving[:5])
        raise DataError(
            f"{path}: a robot is one body of the world with joints; here are {len(moving)}{f' ({named})' if named else ''}. Give the robot's own file, "
            "not a scene's."
        )
    _body(reader, moving[0], None, "main", np.eye(4))
    if not reader.joints:
        raise DataError(f"{path} has no joints that move.")
    known = [joint.name for joint in reader.joints if joint.kind != "fixed"]
    efforts = _efforts(reader, known)
    joints = [
        Joint(j.name, j.kind, j.parent, j.child, j.pose, j.axis, j.lower, j.upper, j.velocity, efforts.get(j.name, np.nan))
        for j in reader.joints
    ]
    first = moving[0].get("name", "")
    excluded = tuple((e.get("body1", ""), e.get("body2", "")) for contact in root.findall("contact") for e in contact.findall("exclude"))
    return Description(
        root.get("model", path.stem), path, first, reader.links, in_tree_order(first, joints, path), _followers(reader, known),
        tuple(dict.fromkeys(reader.notes)), excluded,
    )  # fmt: skip


def _include(root: Element, path: Path, depth: int) -> None:
    """Put included files in the place of their <include>."""
    for parent in list(root.iter()):
        for index, child in reversed(list(enumerate(parent))):
            if child.tag == "include":
                file = path.parent / child.get("file", "")
                if depth >= DEEPEST_INCLUDE:
                    raise DataError(f"{path} includes files that include each other ({file.name}).")
                included = parse_xml(file)
                _include(included, file, depth + 1)
                parent.remove(child)
                for offset, item in enumerate(included):
                    parent.insert(index + offset, item)


def _is_top(world: Element, body: Element) -> bool:
    return any(child is body for child in world) or any(body in list(frame) for frame in world.iter("frame"))


def _defaults(reader: _Reader, element: Element, name: str, inherited: dict[str, dict[str, str]]) -> None:
    own = {tag: dict(values) for tag, values in inherited.items()}
    for child in element:
        if child.tag != "default":
            own[child.tag] = own.get(child.tag, {}) | child.attrib
    reader.defaults[name] = own
    for child in element.findall("default"):
        _defaults(reader, child, child.get("class", name), own)


def _with_defaults(reader: _Reader, element: Element, childclass: str) -> dict[str, str]:
    chosen = element.get("class", childclass)
    if chosen not in reader.defaults:
        raise UnknownNameError("default class", chosen, str(reader.path), reader.defaults)
    return reader.defaults[chosen].get(element.tag, {}) | element.attrib


def _body(reader: _Reader, element: Element, parent: str | None, childclass: str, offset: FloatArray) -> None:
    """Add a body, its joints and everything below it. ``offset``: (4, 4) of the <frame> that it lies in."""
    name = element.get("name")
    if not name:
        name = f"body_{len(reader.links)}"
        reader.notes.append(f"a body has no name and is called '{name}'")
    childclass = element.get("childclass", childclass)
    what = f"{reader.path}: body '{name}'"
    pose = offset @ _pose(reader, element.attrib, what)
    hinges = [_with_defaults(reader, joint, childclass) | {"tag": joint.tag} for joint in element if joint.tag in ("joint", "freejoint")]
    kinds = [values.get("type", "hinge") if values["tag"] == "joint" else "free" for values in hinges]
    if "ball" in kinds:
        raise UsageError(f"{what} has a ball joint; write it as three hinges.")
    moving = [values for values, kind in zip(hinges, kinds, strict=True) if kind in ("hinge", "slide")]
    if parent is None:
        if moving:
            reader.notes.append(
                f"the joints of the root body '{name}' were left out; the base moves freely by itself (base = \"floating\")"
            )
    elif not moving:
        reader.joints.append(Joint(f"{name}_fixed", "fixed", parent, name, pose, np.array([1.0, 0, 0])))
    else:
        _hang(reader, moving, parent, name, pose, what)
    for tag in LEFT_OUT:
        if element.find(tag) is not None:
            reader.notes.append(f"<{tag}> in body '{name}' was left out")
    reader.links[name] = _link(reader, element, name, childclass, what)
    _children(reader, element, name, childclass, np.eye(4))


def _children(reader: _Reader, element: Element, name: str, childclass: str, offset: FloatArray) -> None:
    for child in element:
        if child.tag == "body":
            _body(reader, child, name, childclass, offset)
        elif child.tag == "frame":
            _children(
                reader, child, name, child.get("childclass", childclass), offset @ _pose(reader, child.attrib, f"a frame of '{name}'")
            )
        elif child.tag == "site" and child.get("name"):
            values = _with_defaults(reader, child, childclass)
            site, what = values["name"], f"{reader.path}: site '{values['name']}'"
            if site not in reader.links:
                reader.links[site] = Link(site)
                reader.joints.append(
                    Joint(f"{site}_site", "fixed", name, site, offset @ _pose(reader, values, what), np.array([1.0, 0, 0]))
                )


def _hang(reader: _Reader, moving: list[dict[str, str]], parent: str, name: str, pose: FloatArray, what: str) -> None:
    """Add the joints of a body: all but the last move a link without mass. A joint's place is a point of the body, at which it turns."""
    at = [numbers(values.get("pos", "0 0 0"), 3, f"{what}: joint pos") for values in moving]
    previous = np.zeros(3)
    for index, (values, place) in enumerate(zip(moving, at, strict=True)):
        joint = values.get("name", f"{name}_joint_{index}")
        last = index == len(moving) - 1
        child = name if last and not place.any() else f"{name}_{index}"
        here = pose_from(pose[:3, :3], pose[:3, 3] + pose[:3, :3] @ place) if index == 0 else pose_from(np.eye(3), place - previous)
        slide = values.get("type", "hinge") == "slide"
        axis = numbers(values.get("axis", "0 0 1"), 3, f"{what}: axis of joint '{joint}'")
        if np.linalg.norm(axis) < 1e-9:
            raise DataError(f"{what}: joint '{joint}' has no axis.")
        lower, upper = _range(reader, values, slide, f"{what}: range of joint '{joint}'")
        reader.joints.append(
            Joint(joint, "prismatic" if slide else "revolute", parent, child, here, axis / np.linalg.norm(axis), lower, upper)
        )
        if child != name:
            reader.links[child] = Link(child)
        parent, previous = child, place
        if last and child != name:  # the body's own frame is not where its joint turns
            reader.joints.append(Joint(f"{name}_fixed", "fixed", child, name, pose_from(np.eye(3), -place), np.array([1.0, 0, 0])))


def _range(reader: _Reader, values: dict[str, str], slide: bool, what: str) -> tuple[float, float]:
    limited = values.get("limited", "auto")
    if "range" not in values or limited == "false" or (limited == "auto" and not reader.autolimits):
        return np.nan, np.nan
    low, high = numbers(values["range"], 2, what)
    if reader.degrees and not slide:
        low, high = np.radians(low), np.radians(high)
    return float(low), float(high)


def _pose(reader: _Reader, values: dict[str, str] | Any, what: str) -> FloatArray:
    place = numbers(values.get("pos", "0 0 0"), 3, f"{what}: pos")
    return pose_from(_rotation(reader, values, what), place)


def _rotation(reader: _Reader, values: dict[str, str] | Any, what: str) -> FloatArray:
    from scipy.spatial.transform import Rotation

    turned: FloatArray = np.eye(3)
    if "quat" in values:
        w, x, y, z = numbers(values["quat"], 4, f"{what}: quat")
        if w * w + x * x + y * y + z * z < 1e-12:
            raise DataError(f"{what}: quat is 0 0 0 0.")
        turned = Rotation.from_quat([x, y, z, w]).as_matrix()
    elif "euler" in values:
        # In MuJoCo small letters are axes that turn along, in SciPy capital ones.
        turned = Rotation.from_euler(
            reader.euler.swapcase(), numbers(values["euler"], 3, f"{what}: euler"), degrees=reader.degrees
        ).as_matrix()
    elif "axisangle" in values:
        x, y, z, angle = numbers(values["axisangle"], 4, f"{what}: axisangle")
        axis = np.array([x, y, z]) / np.linalg.norm([x, y, z])
        turned = Rotation.from_rotvec(axis * (np.radians(angle) if reader.degrees else angle)).as_matrix()
    elif "xyaxes" in values:
        six = numbers(values["xyaxes"], 6, f"{what}: xyaxes")
        x_axis = six[:3] / np.linalg.norm(six[:3])
        y_axis = six[3:] - (six[3:] @ x_axis) * x_axis
        y_axis /= np.linalg.norm(y_axis)
        turned = np.column_stack([x_axis, y_axis, np.cross(x_axis, y_axis)])
    elif "zaxis" in values:
        turned = _z_towards(numbers(values["zaxis"], 3, f"{what}: zaxis"))
    return turned


def _z_towards(direction: FloatArray) -> FloatArray:
    """Return the smallest rotation that turns z to a direction."""
    from scipy.spatial.transform import Rotation

    unit = direction / np.linalg.norm(direction)
    axis = np.cross([0, 0, 1.0], unit)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        return np.eye(3) if unit[2] > 0 else np.diag([1.0, -1.0, -1.0])
    turned: FloatArray = Rotation.from_rotvec(axis / sine * np.arctan2(sine, unit[2])).as_matrix()
    return turned


def _link(reader: _Reader, element: Element, name: str, childclass: str, what: str) -> Link:
    geoms = [_with_defaults(reader, geom, childclass) for geom in element.findall("geom")]
    shapes = [(values, _shape(reader, values, what)) for values in geoms]
    solid = [(v, s) for v, s in shapes if s is not None and (v.get("contype", "1") != "0" or v.get("conaffinity", "1") != "0")]
    seen = tuple(s for v, s in shapes if s is not None and (v, s) not in solid)
    inertial = element.find("inertial")
    mass, centre, inertia = float("nan"), np.zeros(3), np.zeros((3, 3))
    if inertial is not None:
        mass = float(numbers(inertial.get("mass"), 1, f"{what}: mass")[0])
        pose = _pose(reader, inertial.attrib, what)
        if "fullinertia" in inertial.attrib:
            xx, yy, zz, xy, xz, yz = numbers(inertial.get("fullinertia"), 6, f"{what}: fullinertia")
            own = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        else:
            own = np.diag(numbers(inertial.get("diaginertia", "0 0 0"), 3, f"{what}: diaginertia"))
        centre, inertia = pose[:3, 3], pose[:3, :3] @ own @ pose[:3, :3].T
    elif shapes:
        mass, centre, inertia = _mass_of(shapes, what)
    return Link(name, mass, centre, inertia, tuple(s for _, s in solid), seen or tuple(s for _, s in solid))


def _shape(reader: _Reader, values: dict[str, str], what: str) -> Shape | None:
    kind = values.get("type", "mesh" if "mesh" in values else "sphere")
    pose = _pose(reader, values, f"{what}: geom")
    size = numbers(values.get("size", "0"), (1, 2, 3), f"{what}: size of a geom")
    if kind in ("capsule", "cylinder", "box", "ellipsoid") and "fromto" in values:
        ends = numbers(values["fromto"], 6, f"{what}: fromto")
        length = float(np.linalg.norm(ends[3:] - ends[:3]))
        pose = pose_from(_z_towards(ends[3:] - ends[:3]), (ends[:3] + ends[3:]) / 2)
        size = np.array([size[0], length / 2]) if kind in ("capsule", "cylinder") else np.array([size[0], size[0], length / 2])
    need = {"sphere": 1, "capsule": 2, "cylinder": 2, "box": 3, "ellipsoid": 3}.get(kind, 0)
    if len(size) < need:
        raise DataError(f"{what}: a {kind} needs {need} sizes, here are {len(size)}.")
    if kind == "sphere":
        return Shape("sphere", (float(size[0]),), pose)
    if kind == "capsule":
        return Shape("capsule", (float(size[0]), 2 * float(size[1])), pose)
    if kind == "cylinder":
        return Shape("cylinder", (float(size[0]), 2 * float(size[1])), pose)
    if kind == "box":
        return Shape("box", tuple(float(2 * v) for v in size), pose)
    if kind == "ellipsoid":  # the box around it: rounder than nothing, and never smaller
        return Shape("box", tuple(float(2 * v) for v in size), pose)
    return Shape("mesh", (1.0, 1.0, 1.0), pose, values.get("mesh", "")) if kind == "mesh" else None


def _mass_of(shapes: Iterable[tuple[dict[str, str], Shape | None]], what: str) -> tuple[float, FloatArray, FloatArray]:
    """Return mass, centre and inertia of a body without <inertial>: of its primitives, 1000 kg/m^3 unless they say otherwise."""
    parts = []
    for values, shape in shapes:
        if shape is None or shape.kind == "mesh":
            continue
        volume, unit = shape.volume_and_inertia()
        mass = (
            float(numbers(values["mass"], 1, f"{what}: mass of a geom")[0])
            if "mass" in values
            else volume * float(numbers(values.get("density", "1000"), 1, f"{what}: density of a geom")[0])
        )
        parts.append((mass, shape.pose[:3, 3], shape.pose[:3, :3] @ (mass * unit) @ shape.pose[:3, :3].T))
    total = sum(mass for mass, _, _ in parts)
    if total <= 0:
        return float("nan"), np.zeros(3), np.zeros((3, 3))
    centre = sum((mass * place for mass, place, _ in parts), np.zeros(3)) / total
    inertia = np.zeros((3, 3))
    for mass, place, own in parts:
        d = place - centre
        inertia += own + mass * (d @ d * np.eye(3) - np.outer(d, d))
    return total, centre, inertia


def _efforts(reader: _Reader, known: list[str]) -> dict[str, float]:
    """Return the largest force of the actuator of each joint, where one is given."""
    efforts: dict[str, float] = {}
    tendons = _tendons(reader)
    for group in reader.root.findall("actuator"):
        for element in group:
            values = _with_defaults(reader, element, "main") if element.get("class", "main") in reader.defaults else element.attrib
            if "forcerange" not in values:
                continue
            force = float(np.abs(numbers(values["forcerange"], 2, f"{reader.path}: forcerange of an actuator")).max())
            for joint in [values["joint"]] if "joint" in values else [name for name, _ in tendons.get(values.get("tendon", ""), [])]:
                if joint not in known:
                    raise UnknownNameError("joint", joint, f"{reader.path} (named by an actuator)", known)
                efforts[joint] = force
    return efforts


def _tendons(reader: _Reader) -> dict[str, list[tuple[str, float]]]:
    return {
        fixed.get("name", ""): [(j.get("joint", ""), float(j.get("coef", "1"))) for j in fixed.findall("joint")]
        for group in reader.root.findall("tendon")
        for fixed in group.findall("fixed")
    }


def _followers(reader: _Reader, known: list[str]) -> dict[str, Mimic]:
    """Return which joints follow others: by joint equalities, and by tendons that one actuator pulls, whose joints share its motion evenly."""
    mimics: dict[str, Mimic] = {}
    for group in reader.root.findall("equality"):
        for element in group.findall("joint"):
            follower, leader = element.get("joint1", ""), element.get("joint2")
            if element.get("active", "true") != "true" or leader is None:
                continue
            terms = numbers(element.get("polycoef", "0 1 0 0 0"), (1, 2, 3, 4, 5), f"{reader.path}: polycoef of '{follower}'")
            if np.any(terms[2:]):
                reader.notes.append(f"joint '{follower}' follows '{leader}' by a curve, of which only the straight part was taken")
            mimics[follower] = Mimic(leader, float(terms[1]) if len(terms) > 1 else 0.0, float(terms[0]))
    pulled = {e.get("tendon") for group in reader.root.findall("actuator") for e in group if e.get("tendon")}
    for name, joints in _tendons(reader).items():
        if name in pulled and len(joints) > 1:
            (leader, first), *others = joints
            for follower, coefficient in others:
                mimics[follower] = Mimic(leader, coefficient / first if first else 1.0, 0.0)
            reader.notes.append(f"tendon '{name}' moves {', '.join(n for n, _ in joints)} together, each by its share")
    for follower, rule in mimics.items():
        for joint in (follower, rule.joint):
            if joint not in known:
                raise UnknownNameError("joint", joint, f"{reader.path} (coupled joints)", known)
    return mimics
