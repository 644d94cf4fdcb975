"""A Description as a tree to walk in, with the places of its links at any joint angles: for drafting, where speed doesn't matter."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.description import Description, Joint

FloatArray = npt.NDArray[np.float64]


class DescriptionTree:
    """Links and moving joints of a robot. A body is a set of links that are fixed to each other, named after the one that the moving joint carries."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.parent_joint: dict[str, Joint] = {joint.child: joint for joint in description.joints}
        self.joint: dict[str, Joint] = {joint.name: joint for joint in description.joints}
        self.body_of: dict[str, str] = {description.root: description.root}
        for joint in description.joints:
            self.body_of[joint.child] = self.body_of[joint.parent] if joint.kind == "fixed" else joint.child
        self.links_of: dict[str, list[str]] = {}
        for link, body in self.body_of.items():
            self.links_of.setdefault(body, []).append(link)
        self.joints_below: dict[str, list[Joint]] = {body: [] for body in self.links_of}
        """Body to the moving joints that hang on it."""
        for joint in description.joints:
            if joint.kind != "fixed":
                self.joints_below[self.body_of[joint.parent]].append(joint)
        self.mimics = description.mimics

    def path(self, body: str) -> list[Joint]:
        """Return the moving joints from the root to a body."""
        found: list[Joint] = []
        link = body
        while link in self.parent_joint:
            joint = self.parent_joint[link]
            if joint.kind != "fixed":
                found.append(joint)
            link = joint.parent
        return found[::-1]

    def leaves(self, body: str) -> list[str]:
        """Return the bodies below (or the body itself) on which nothing moving hangs."""
        return [link for link in self.bodies_below(body) if not self.joints_below[link]]

    def bodies_below(self, body: str) -> list[str]:
        """Return all bodies below one, itself first."""
        found, left = [], [body]
        while left:
            found.append(left.pop())
            left += [joint.child for joint in reversed(self.joints_below[found[-1]])]
        return found

    def common_body(self, bodies: Iterable[str]) -> str:
        """Return the last body that all of these hang on."""
        paths = [[self.description.root, *(joint.child for joint in self.path(body))] for body in bodies]
        common = self.description.root
        for step in zip(*paths, strict=False):
            if len(set(step)) > 1:
                break
            common = step[0]
        return common

    def span(self, joint: Joint) -> tuple[float, float]:
        """Return a joint's range (rad); half a turn to each side where the file gives none, or an empty one."""
        low = joint.lower if np.isfinite(joint.lower) else -np.pi
        high = joint.upper if np.isfinite(joint.upper) else np.pi
        return (low, high) if low < high else (-np.pi, np.pi)

    def clipped(self, joint: Joint, angle: float = 0.0) -> float:
        """Return an angle (rad) brought into a joint's range."""
        low, high = self.span(joint)
        return float(np.clip(angle, low, high))

    def poses(self, angles: dict[str, float] | None = None) -> dict[str, FloatArray]:
        """Return T_root_link (4, 4) of every link at ``angles`` (rad) of actuated joints.

        Those without an angle are at 0, brought into their range; followers follow.
        """
        angles = angles or {}
        poses = {self.description.root: np.eye(4)}
        for joint in self.description.joints:
            pose = poses[joint.parent] @ joint.pose
            if joint.kind != "fixed":
                pose = pose @ _moved(joint, self.angle(joint, angles))
            poses[joint.child] = pose
        return poses

    def angle(self, joint: Joint, angles: dict[str, float]) -> float:
        """Return where a joint is when the actuated ones are at ``angles``."""
        rule = self.mimics.get(joint.name)
        if rule is not None:
            return rule.ratio * self.angle(self.joint[rule.joint], angles) + rule.offset
        return angles[joint.name] if joint.name in angles else self.clipped(joint)


def rotation_about(axis: FloatArray, angle: float) -> FloatArray:
    """Return the rotation (3, 3) by an angle (rad) about a unit axis."""
    x, y, z = axis
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: FloatArray = np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K
    return turned


def _moved(joint: Joint, angle: float) -> FloatArray:
    pose = np.eye(4)
    if joint.kind == "revolute":
        pose[:3, :3] = rotation_about(joint.axis, angle)
    else:
        pose[:3, 3] = joint.axis * angle
    return pose
