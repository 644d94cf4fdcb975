"""Boxes, cylinders and spheres: what the robot is made of, with their mass properties and their URDF text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """One primitive in its link's frame (m). ``axis`` is where a cylinder's length, or a box's z, points."""

    kind: str
    """"box" (size x, y, z), "cylinder" (radius, length) or "sphere" (radius)."""
    size: tuple[float, ...]
    at: Vector
    material: str
    rotation: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    @property
    def volume(self) -> float:
        """m^3."""
        if self.kind == "box":
            return self.size[0] * self.size[1] * self.size[2]
        if self.kind == "cylinder":
            return math.pi * self.size[0] ** 2 * self.size[1]
        return 4.0 / 3.0 * math.pi * self.size[0] ** 3

    def inertia(self, mass: float) -> FloatArray:
        """Return the 3x3 inertia (kg m^2) of this body of even density about its own centre, in the link's axes."""
        if self.kind == "box":
            x, y, z = (s * s for s in self.size)
            own = np.diag([y + z, x + z, x + y]) * mass / 12.0
        elif self.kind == "cylinder":
            radius, length = self.size
            side = mass * (3 * radius**2 + length**2) / 12.0
            own = np.diag([side, side, mass * radius**2 / 2.0])
        else:
            own = np.eye(3) * 0.4 * mass * self.size[0] ** 2
        R = np.array(self.rotation)
        turned: FloatArray = R @ own @ R.T
        return turned

    def mirrored(self) -> Shape:
        """Return the shape seen in the sagittal plane (y becomes -y). Every primitive is its own mirror image."""
        flip = np.diag([1.0, -1.0, 1.0])
        R = flip @ np.array(self.rotation) @ flip
        x, y, z = self.at
        return replace(self, at=(x, -y, z), rotation=tuple(tuple(float(v) for v in row) for row in R))


def box(size: Vector, at: Vector, material: str, *, pitch: float = 0.0, roll: float = 0.0, yaw: float = 0.0) -> Shape:
    """Make a box of ``size`` (m), turned by yaw, then pitch, then roll (degrees)."""
    return Shape("box", size, at, material, _turn(roll, pitch, yaw))


def ball(radius: float, at: Vector, material: str) -> Shape:
    """Make a sphere."""
    return Shape("sphere", (radius,), at, material)


def rod(start: Vector, end: Vector, radius: float, material: str) -> Shape:
    """Make a cylinder between two points."""
    a, b = np.array(start), np.array(end)
    along = b - a
    length = float(np.linalg.norm(along))
    middle = (a + b) / 2
    return Shape("cylinder", (radius, length), (float(middle[0]), float(middle[1]), float(middle[2])), material, _z_towards(along / length))


def capsule(start: Vector, end: Vector, radius: float, material: str, *, caps: str = "both") -> list[Shape]:
    """Make a rod with a ball at its start, its end, or both (``caps``)."""
    shapes = [rod(start, end, radius, material)]
    if caps in ("both", "start"):
        shapes.append(ball(radius, start, material))
    if caps in ("both", "end"):
        shapes.append(ball(radius, end, material))
    return shapes


def taper(start: Vector, end: Vector, radii: tuple[float, ...], material: str) -> list[Shape]:
    """Make a shell that narrows or widens: coaxial rods of equal length, one a radius, with a ball where the wider of two ends."""
    a, b = np.array(start), np.array(end)
    shapes = []
    for index, radius in enumerate(radii):
        p, r = (tuple(float(v) for v in a + (b - a) * (index + k) / len(radii)) for k in (0, 1))
        shapes.append(rod((p[0], p[1], p[2]), (r[0], r[1], r[2]), radius, material))
        if index + 1 < len(radii) and radius > radii[index + 1]:
            shapes.append(ball(radius, (r[0], r[1], r[2]), material))
        if index and radius > radii[index - 1]:
            shapes.append(ball(radius, (p[0], p[1], p[2]), material))
    return shapes


def plate(size: Vector, corner: float, at: Vector, material: str) -> list[Shape]:
    """Make an upright rounded block: ``size`` (m) with vertical edges of radius ``corner``."""
    x, y, z = size
    cx, cy, cz = at
    shapes = [box((x, y - 2 * corner, z), at, material), box((x - 2 * corner, y, z), at, material)]
    for sx in (-1, 1):
        for sy in (-1, 1):
            px, py = cx + sx * (x / 2 - corner), cy + sy * (y / 2 - corner)
            shapes.append(rod((px, py, cz - z / 2), (px, py, cz + z / 2), corner, material))
    return shapes


@dataclass(frozen=True)
class MassProperties:
    """Mass (kg), centre (m, link frame) and inertia about the centre (kg m^2, link axes)."""

    mass: float
    centre: FloatArray
    inertia: FloatArray


def mass_properties(shapes: list[Shape], mass: float) -> MassProperties:
    """Spread ``mass`` evenly over the volume of ``shapes`` (overlaps count twice) and add up their inertias.

    A sum of bodies of positive mass is physically consistent by construction.
    """
    shares = np.array([shape.volume for shape in shapes])
    shares = shares / shares.sum() * mass
    centres = np.array([shape.at for shape in shapes])
    centre = shares @ centres / mass
    inertia = np.zeros((3, 3))
    for shape, share, place in zip(shapes, shares, centres, strict=True):
        d = place - centre
        inertia += shape.inertia(float(share)) + share * (d @ d * np.eye(3) - np.outer(d, d))
    return MassProperties(mass, centre, inertia)


def roll_pitch_yaw(rotation: tuple[tuple[float, ...], ...]) -> Vector:
    """Return URDF's fixed-axis roll, pitch, yaw (rad) of a rotation matrix."""
    R = rotation
    pitch = math.atan2(-R[2][0], math.hypot(R[0][0], R[1][0]))
    if abs(math.cos(pitch)) < 1e-9:
        return (math.atan2(-R[1][2], R[1][1]), pitch, 0.0)
    return (math.atan2(R[2][1], R[2][2]), pitch, math.atan2(R[1][0], R[0][0]))


def _turn(roll_deg: float, pitch_deg: float, yaw_deg: float) -> tuple[tuple[float, ...], ...]:
    r, p, y = (math.radians(a) for a in (roll_deg, pitch_deg, yaw_deg))
    Rx = np.array([[1, 0, 0], [0, math.cos(r), -math.sin(r)], [0, math.sin(r), math.cos(r)]])
    Ry = np.array([[math.cos(p), 0, math.sin(p)], [0, 1, 0], [-math.sin(p), 0, math.cos(p)]])
    Rz = np.array([[math.cos(y), -math.sin(y), 0], [math.sin(y), math.cos(y), 0], [0, 0, 1]])
    return tuple(tuple(float(v) for v in row) for row in Rz @ Ry @ Rx)


def _z_towards(direction: FloatArray) -> tuple[tuple[float, ...], ...]:
    """Return the rotation about y, then about z, that turns the z axis to ``direction``."""
    x, y, z = direction
    return _turn(0.0, math.degrees(math.atan2(math.hypot(x, y), z)), math.degrees(math.atan2(y, x)) if math.hypot(x, y) > 1e-12 else 0.0)
