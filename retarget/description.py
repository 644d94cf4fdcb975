"""Description: a robot's links, joints and shapes, as its URDF or MJCF says them; the model is built from this.

Reading is guarded: a file with a document type (entity bombs), a cut-off file, a xacro that was not expanded, a joint that is no hinge or slide, or
a closed loop is one clear sentence. Missing meshes are no error: nothing here opens them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError, UsageError
from bodydouble.retarget.actuation import Mimic

FloatArray = npt.NDArray[np.float64]

LARGEST_FILE = 64_000_000
"""Bytes; published descriptions are below 1 MB."""
DEEPEST = 400
"""Elements inside one another."""
IDENTITY = np.eye(4)
IDENTITY.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Shape:
    """One body in its link's frame."""

    kind: Literal["box", "cylinder", "sphere", "capsule", "mesh"]
    size: tuple[float, ...]
    """m. box: x, y, z; cylinder and capsule: radius and length along z (a capsule's without its caps); sphere: radius; mesh: scale."""
    pose: FloatArray
    """(4, 4) T_link_shape."""
    file: str = ""
    """mesh only: as the file names it."""

    def volume_and_inertia(self) -> tuple[float, FloatArray]:
        """Return a primitive's volume (m^3) and its inertia (3, 3) m^2 about its centre, in its own axes, for 1 kg spread evenly."""
        if self.kind == "box":
            x, y, z = (s * s for s in self.size)
            return self.size[0] * self.size[1] * self.size[2], np.diag([y + z, x + z, x + y]) / 12
        radius = self.size[0]
        ball = 4 / 3 * np.pi * radius**3
        if self.kind == "sphere":
            return ball, np.eye(3) * 0.4 * radius**2
        length = self.size[1]
        rod = np.pi * radius**2 * length
        side, along = (3 * radius**2 + length**2) / 12, radius**2 / 2
        if self.kind == "cylinder":
            return rod, np.diag([side, side, along])
        total = rod + ball
        far = 0.4 * radius**2 + length**2 / 4 + 3 / 8 * length * radius
        across = (rod * side + ball * far) / total
        return total, np.diag([across, across, (rod * along + ball * 0.4 * radius**2) / total])


@dataclass(frozen=True, eq=False)
class Link:
    """A rigid body: mass (kg, NaN where not given), its centre (3,) m and inertia about that (3, 3) kg m^2, both in the link's axes."""

    name: str
    mass: float = np.nan
    centre: FloatArray = field(default_factory=lambda: np.zeros(3))
    inertia: FloatArray = field(default_factory=lambda: np.zeros((3, 3)))
    collision: tuple[Shape, ...] = ()
    visual: tuple[Shape, ...] = ()


@dataclass(frozen=True, eq=False)
class Joint:
    """How a child link hangs on its parent. Limits are NaN where the file gives none."""

    name: str
    kind: Literal["revolute", "prismatic", "fixed"]
    parent: str
    child: str
    pose: FloatArray
    """(4, 4) T_parent_child at zero."""
    axis: FloatArray
    """(3,) unit, in the child's frame."""
    lower: float = np.nan
    upper: float = np.nan
    velocity: float = np.nan
    effort: float = np.nan


@dataclass(frozen=True, eq=False)
class Description:
    """A tree of links and joints, parents before children."""

    name: str
    path: Path
    root: str
    links: dict[str, Link]
    joints: tuple[Joint, ...]
    mimics: dict[str, Mimic]
    notes: tuple[str, ...] = ()
    """What was left out or assumed while reading, in sentences."""
    excluded: tuple[tuple[str, str], ...] = ()
    """Pairs of links that the file itself says may touch."""

    @property
    def moving_joints(self) -> tuple[str, ...]:
        """Names of the joints that are not fixed."""
        return tuple(joint.name for joint in self.joints if joint.kind != "fixed")

    def unit(self, joint: str) -> float:
        """Return what one unit of a robot file's angles is for a joint: a degree in rad; for a joint that slides, a metre."""
        kind = next((found.kind for found in self.joints if found.name == joint), "revolute")
        return 1.0 if kind == "prismatic" else float(np.pi / 180)

    def parent_joint(self, link: str) -> Joint | None:
        """Return the joint that a link hangs on; None for the root."""
        return next((joint for joint in self.joints if joint.child == link), None)

    def children(self, link: str) -> tuple[Joint, ...]:
        """Return the joints that hang on a link."""
        return tuple(joint for joint in self.joints if joint.parent == link)


def read_description(path: Path) -> Description:
    """Read a URDF or an MJCF file; the root element tells which.

    Raises: UsageError for a file that is not there or is of another kind; DataError for one that is damaged or describes no tree.
    """
    root = parse_xml(path)
    if root.tag == "robot":
        from bodydouble.retarget.urdf_description import read_urdf

        return read_urdf(root, path)
    if root.tag == "mujoco":
        from bodydouble.retarget.mjcf_description import read_mjcf

        return read_mjcf(root, path)
    hint = " Convert the SDF to URDF first." if root.tag == "sdf" else ""
    raise UsageError(f"{path} starts with <{root.tag}>; expected a URDF (<robot>) or an MJCF (<mujoco>).{hint}")


def parse_xml(path: Path) -> Element:
    """Parse an XML file without document types and entities of its own, at most ``LARGEST_FILE`` long and ``DEEPEST`` deep.

    Raises: UsageError for a file that is not there; DataError for one that cannot be parsed or is refused.
    """
    if not path.is_file():
        raise UsageError(f"{path} {'is a folder, not a URDF or MJCF file' if path.is_dir() else 'does not exist'}.")
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{path} is {path.stat().st_size / 1e6:.0f} MB; no robot description is that large, so it was not read.")
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise DataError(
            f"{path} declares a document type or entities, which robot descriptions don't need and bombs are made of; remove it."
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise DataError(f"{path} nests more than {DEEPEST} elements; that is no robot.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise DataError(
            f"{path} is not a whole XML file: {what} at line {error.lineno}. It may be cut short or not be a robot description."
        ) from None
    return builder.close()


def numbers(text: str | None, count: int | tuple[int, ...], what: str) -> FloatArray:
    """Return the numbers of an attribute. Raises: DataError naming ``what`` where it holds another count, or no numbers."""
    counts = (count,) if isinstance(count, int) else count
    try:
        values = np.array([float(part) for part in (text or "").split()])
    except ValueError:
        values = np.array([np.nan])
    if len(values) not in counts or not np.isfinite(values).all():
        raise DataError(f"{what} is {text!r}; expected {' or '.join(str(c) for c in counts)} number{'' if counts == (1,) else 's'}.")
    return values


def pose_from(rotation: FloatArray, place: FloatArray) -> FloatArray:
    """Return the 4x4 pose of a rotation (3, 3) and a place (3,)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, place
    return pose


def in_tree_order(root: str, joints: list[Joint], path: Path) -> tuple[Joint, ...]:
    """Return the joints, parents before children, siblings by name as Pinocchio visits them.

    Raises: DataError where a link hangs on two joints (a loop) or on nothing that leads to ``root``.
    """
    by_parent: dict[str, list[Joint]] = {}
    hangs: dict[str, Joint] = {}
    for joint in joints:
        if joint.child in hangs:
            raise DataError(
                f"{path}: link '{joint.child}' hangs on two joints, '{hangs[joint.child].name}' and '{joint.name}': a closed loop. "
                "Cut it (remove one of the joints); a robot must be a tree."
            )
        hangs[joint.child] = joint
        by_parent.setdefault(joint.parent, []).append(joint)
    for siblings in by_parent.values():
        siblings.sort(key=lambda joint: joint.name)
    ordered = list(_walk(root, by_parent))
    if len(ordered) < len(joints):
        reached = {joint.name for joint in ordered}
        left = [joint.name for joint in joints if joint.name not in reached]
        raise DataError(f"{path}: the joints {', '.join(left[:6])} form a loop that is connected to no root; a robot must be a tree.")
    return tuple(ordered)


def _walk(link: str, by_parent: dict[str, list[Joint]]) -> Iterator[Joint]:
    waiting = list(reversed(by_parent.get(link, [])))
    while waiting:
        joint = waiting.pop()
        yield joint
        waiting += reversed(by_parent.get(joint.child, []))
