"""What holds a robot up: the soles of its planted feet, the forces they can give, and how far the robot is from tipping over.

The zero-moment point is where the ground's force on the planted feet acts when it has no tipping moment (Vukobratovic and Borovac 2004, "Zero-moment
point: thirty five years of its life"); inside the convex hull of the soles the robot can be held up, outside it tips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UnknownNameError
from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]

FRICTION = 0.7
"""Rubber on a floor, dry: the largest share of the load that a contact gives sideways."""
WIDEST_SOLE_M = 0.08
"""To each side of a contact point; what reaches further is no sole."""
SOLE_HEIGHT_M = 0.025
"""Capsules that come this near to a contact point's height belong to the sole."""
LEAST_LOAD = 0.05
"""Of the robot's weight: with less on the ground there is no centre of pressure to speak of."""
_NEARLY_FREE = 1e-9
"""Cost of force beside that of an unexplained wrench: chooses among distributions, but does not bend the result."""


@dataclass(frozen=True)
class Sole:
    """Where one contact point of a robot meets the ground."""

    contact: str
    joint: int
    """Pinocchio's index of the joint that carries it."""
    points: FloatArray
    """(P, 3) m in that joint's frame: the contact point itself, or its left and right edge where the foot's width is known."""


def contact_link(robot: Robot, contact: str) -> str:
    """Return the robot's link of a contact point: a human point's counterpart, or the link of that name. Raises: UnknownNameError."""
    if contact in robot.file.skeleton:
        return robot.file.skeleton[contact]
    if contact in robot.link_names:
        return contact
    raise UnknownNameError("contact point", contact, f"robot '{robot.name}'", (*robot.file.skeleton, *robot.link_names))


def soles(robot: Robot, contacts: Sequence[str]) -> tuple[Sole, ...]:
    """Return the sole of each contact point, as wide as the capsules of the same body that reach down to it."""
    zero = dict(zip(robot.link_names, robot.link_poses(robot.zero, _ORIGIN), strict=True))
    found = []
    for contact in contacts:
        link = contact_link(robot, contact)
        frame = robot.model.frames[robot.frame_id(link)]
        place = zero[link][:3, 3]
        low, high = _sideways(robot, int(frame.parentJoint), place, zero)
        edges = place + (np.zeros((1, 3)) if high - low < 1e-3 else np.array([[0.0, low, 0.0], [0.0, high, 0.0]]))
        T_joint_base = frame.placement.homogeneous @ np.linalg.inv(zero[link])
        found.append(Sole(contact, int(frame.parentJoint), edges @ T_joint_base[:3, :3].T + T_joint_base[:3, 3]))
    return tuple(found)


_ORIGIN = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def _sideways(robot: Robot, joint: int, place: FloatArray, zero: dict[str, FloatArray]) -> tuple[float, float]:
    """Return how far (m, right and left, at zero along the base's y axis) the body of a joint reaches beside a contact point of it."""
    collision = robot.collision
    low = high = 0.0
    for link, a, b, radius in zip(collision.link, collision.a, collision.b, collision.radius, strict=True):
        if int(robot.model.frames[robot.frame_id(link)].parentJoint) != joint:
            continue
        ends = np.stack([a, b]) @ zero[link][:3, :3].T + zero[link][:3, 3] - place
        if (ends[:, 2] - radius).min() < SOLE_HEIGHT_M:
            low, high = min(low, float((ends[:, 1] - radius).min())), max(high, float((ends[:, 1] + radius).max()))
    return max(low, -WIDEST_SOLE_M), min(high, WIDEST_SOLE_M)


def zero_moment_point(force: FloatArray, moment: FloatArray, height: float, weight: float) -> FloatArray:
    """Return (2,) m, where the ground at ``height`` (m) must push to give ``force`` (3,) N and ``moment`` (3,) N m about the world's origin.

    NaN where the ground carries less than ``LEAST_LOAD`` of the robot's ``weight`` (N).
    """
    if force[2] < LEAST_LOAD * weight:
        return np.full(2, np.nan)
    point: FloatArray = np.array([height * force[0] - moment[1], height * force[1] + moment[0]]) / force[2]
    return point


def support_margin(point: FloatArray, soles_xy: FloatArray) -> float:
    """Return how far (m) ``point`` (2,) is inside the convex hull of ``soles_xy`` (P, 2); negative outside, never positive where the hull is a line."""
    hull = convex_hull(soles_xy)
    if len(hull) == 0 or not np.isfinite(point).all():
        return float("nan")
    if len(hull) == 1:
        return -float(np.hypot(*(point - hull[0])))
    start, along = hull, np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(*along.T)
    away = point - start
    inward = (along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]) / lengths
    if len(hull) > 2 and (inward >= 0).all():
        return float(inward.min())
    share = np.clip((away * along).sum(axis=1) / lengths**2, 0.0, 1.0)
    return -float(np.hypot(*(away - share[:, None] * along).T).min())


def convex_hull(points: FloatArray) -> FloatArray:
    """Return the corners (H, 2) of the convex hull of ``points`` (P, 2), counterclockwise (Andrew's monotone chain, 1979)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})
    if len(ordered) < 3:
        return np.array(ordered).reshape(-1, 2)

    def chain(path: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for p in path:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], p) <= 1e-12:
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def distribute(force: FloatArray, moment: FloatArray, points: FloatArray, yaw: float = 0.0) -> tuple[FloatArray, float]:
    """Return the forces (P, 3) N at contact ``points`` (P, 3) m that together come nearest to a wrench, and how much of it (N and N m) is left.

    ``force`` and ``moment`` (3,) are about the world's origin. Each contact pushes within a friction pyramid inside the cone of ``FRICTION`` whose edges
    stand along and across ``yaw`` (rad); of all distributions the one of least norm. Method: nonnegative least squares (Lawson and Hanson 1974).
    """
    from scipy.optimize import nnls

    c, s = FRICTION * np.cos(yaw), FRICTION * np.sin(yaw)
    edges = np.array([[c, s, 1.0], [-s, c, 1.0], [-c, -s, 1.0], [s, -c, 1.0]])
    # Moments about the contacts' middle: lengths of a foot, so that newtons and newton metres are of one size.
    middle = points.mean(axis=0)
    wanted = np.concatenate([force, moment - np.cross(middle, force)])
    pushes = np.tile(edges, (len(points), 1))
    gives = np.concatenate([pushes, np.cross(np.repeat(points - middle, 4, axis=0), pushes)], axis=1).T
    size = max(float(np.linalg.norm(wanted)), 1.0)
    rows = np.concatenate([gives, np.sqrt(_NEARLY_FREE) * np.eye(gives.shape[1])])
    share, _ = nnls(rows, np.concatenate([wanted / size, np.zeros(gives.shape[1])]))
    left = float(np.linalg.norm(gives @ share - wanted / size)) * size
    forces: FloatArray = np.einsum("pe,ec->pc", share.reshape(-1, 4), edges) * size
    return forces, left
