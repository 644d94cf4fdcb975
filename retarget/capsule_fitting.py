"""Capsules around the boxes, cylinders and spheres of a link: few, and close.

A shape is cut into convex pieces until one capsule holds a piece without standing out far; then capsules are merged as long as the merged one
does not stand out further than is allowed. What must lie in a capsule are the piece's corners and balls, since a capsule is convex. Corners may
stand out of the capsule by ``OUTSIDE``: the flat ends of cylinders would otherwise make every limb longer than it is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.description import Shape

FloatArray = npt.NDArray[np.float64]

OUTSIDE = 0.0025
"""m that a corner of a shape may stand out of its capsule."""
LARGEST_SLACK = 0.014
"""m that a capsule may stand out of the shapes that it holds."""
MANY, RELAXED = 6, 0.01
"""A link that needs more capsules than this gets fewer by letting them stand out so much (m) further."""
CLOSE = 0.002
"""m: a capsule that stands out no further than this is good as it is."""
ROUNDNESS = 24
"""Corners of the polygon that stands for a circle, circumscribed."""


@dataclass(frozen=True, eq=False)
class Capsule:
    """Everything within ``radius`` (m) of the segment from ``a`` to ``b`` (3,) m."""

    a: FloatArray
    b: FloatArray
    radius: float

    @property
    def volume(self) -> float:
        """m^3."""
        return float(np.pi * self.radius**2 * (np.linalg.norm(self.b - self.a) + 4 / 3 * self.radius))

    def surface(self, rings: int = 5, around: int = 12) -> FloatArray:
        """Return points (N, 3) spread over the surface: ``rings`` times ``around`` on the side, then those of the round ends."""
        along = self.b - self.a
        length = float(np.linalg.norm(along))
        axis = along / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])
        side = _perpendicular(axis)
        other = np.cross(axis, side)
        turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
        circle = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * other
        points = [self.a + along * t + self.radius * circle for t in np.linspace(0, 1, rings)]
        for end, outward in ((self.a, -axis), (self.b, axis)):
            for lift in np.radians([30, 60]):
                points.append(end + self.radius * (np.cos(lift) * circle + np.sin(lift) * outward))
            points.append((end + self.radius * outward)[None])
        return np.concatenate(points)


@dataclass(frozen=True, eq=False)
class Piece:
    """A convex part of a shape: the hull of balls (N, 3) m of radii (N,) m, in the link's frame."""

    centres: FloatArray
    radii: FloatArray
    thickness: float
    """m, half the shortest side of the shape that it is of."""


def capsules_around(shapes: tuple[Shape, ...]) -> list[Capsule]:
    """Return few capsules that hold all primitives of a link; meshes are passed over.

    No point of a primitive is more than ``OUTSIDE`` out of every capsule, no point of a capsule more than ``LARGEST_SLACK`` (less for thin ones) out of the
    primitives, unless a single thin plate cannot do better.
    """
    solids = tuple(shape for shape in shapes if shape.kind != "mesh" and max(shape.size) > 0)
    if not solids:
        return []
    groups = {i: [piece] for i, piece in enumerate(piece for shape in solids for piece in _pieces(shape, solids))}
    fitted = {i: fit_capsule(group) for i, group in groups.items()}
    merges: dict[tuple[int, int], tuple[float, float, Capsule]] = {}
    new = set(groups)
    while len(groups) > 1:
        for i, j in itertools.combinations(sorted(groups), 2):
            if i in new or j in new:
                merged = fit_capsule(groups[i] + groups[j])
                excess = stands_out(merged, solids) - allowed_slack(groups[i] + groups[j])
                merges[i, j] = (max(excess, 0.0), merged.volume - fitted[i].volume - fitted[j].volume, merged)
        (i, j), (excess, _, merged) = min(merges.items(), key=lambda item: item[1][:2])
        if excess > (0 if len(groups) <= MANY else RELAXED):
            break
        groups[i] += groups.pop(j)
        fitted[i], new = merged, {i}
        merges = {pair: merge for pair, merge in merges.items() if not {i, j} & set(pair)}
    close = {i: stands_out(fitted[i], solids) < CLOSE for i in groups}
    return _needed([fitted[i] if close[i] else fit_capsule(group, polish=True) for i, group in groups.items()], solids)


def allowed_slack(pieces: list[Piece]) -> float:
    """Return how far (m) a capsule around these pieces may stand out: less for thin ones, so that fingers stay fingers and palms flat."""
    return min(LARGEST_SLACK, 0.0015 + 0.6 * max(piece.thickness for piece in pieces))


def stands_out(capsule: Capsule, shapes: tuple[Shape, ...]) -> float:
    """Return how far (m) the capsule's surface is out of the shapes at most; its round ends may reach further, over flat ends, by half their radius."""
    out = distance_outside(capsule.surface(5, 12), shapes)
    return float(max(out[:60].max(), out[60:].max() - min(LARGEST_SLACK, capsule.radius / 2)))


def distance_outside(points: FloatArray, shapes: tuple[Shape, ...]) -> FloatArray:
    """Return each point's (N, 3) m distance (N,) m to the nearest of the shapes; 0 inside one."""
    nearest = np.full(len(points), np.inf)
    for shape in shapes:
        local = (points - shape.pose[:3, 3]) @ shape.pose[:3, :3]
        if shape.kind == "box":
            out = np.linalg.norm(np.clip(np.abs(local) - np.array(shape.size) / 2, 0, None), axis=1)
        elif shape.kind == "sphere":
            out = np.clip(np.linalg.norm(local, axis=1) - shape.size[0], 0, None)
        else:
            radius, length = shape.size
            beyond = np.clip(np.abs(local[:, 2]) - length / 2, 0, None)
            across = np.hypot(local[:, 0], local[:, 1])
            rounded, flat = np.clip(np.hypot(across, beyond) - radius, 0, None), np.hypot(np.clip(across - radius, 0, None), beyond)
            out = rounded if shape.kind == "capsule" else flat
        nearest = np.minimum(nearest, out)
    return nearest


def distance_to_capsules(points: FloatArray, capsules: list[Capsule]) -> FloatArray:
    """Return each point's (N, 3) signed distance (N,) m to the nearest capsule's surface, negative inside."""
    nearest = np.full(len(points), np.inf)
    for capsule in capsules:
        along = capsule.b - capsule.a
        share = np.clip((points - capsule.a) @ along / max(float(along @ along), 1e-18), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(points - capsule.a - share[:, None] * along, axis=1) - capsule.radius)
    return nearest


def fit_capsule(pieces: list[Piece], *, polish: bool = False) -> Capsule:
    """Return a small capsule around the pieces: the best of a few axes, with ``polish`` then moved and turned as long as it shrinks."""
    centres, radii = np.concatenate([p.centres for p in pieces]), np.concatenate([p.radii for p in pieces])
    middle = (centres.max(axis=0) + centres.min(axis=0)) / 2
    _, _, principal = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    candidates = [_around_axis(centres, radii, middle, axis) for axis in (*principal, *np.eye(3))]
    best = min(candidates, key=lambda capsule: capsule.volume)
    if not polish:
        return best
    from scipy.optimize import minimize

    axis = best.b - best.a
    axis = axis / np.linalg.norm(axis) if np.linalg.norm(axis) > 1e-9 else principal[0]
    side = _perpendicular(axis)
    other = np.cross(axis, side)
    start = (best.a + best.b) / 2

    def moved(x: FloatArray) -> Capsule:
        turned = axis + x[0] * side + x[1] * other
        return _around_axis(centres, radii, start + 0.1 * (x[2] * side + x[3] * other), turned / np.linalg.norm(turned))

    simplex = np.vstack([np.zeros(4), 0.05 * np.eye(4)])
    found = minimize(
        lambda x: moved(x).volume * 1e6,
        np.zeros(4),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": 240, "xatol": 1e-4, "fatol": 1e-5},
    )
    return min((best, moved(found.x)), key=lambda capsule: capsule.volume)


_GROWTH = np.array([1.0, 1.01, 1.025, 1.05, 1.09, 1.15, 1.25])[:, None]


def _around_axis(centres: FloatArray, radii: FloatArray, point: FloatArray, axis: FloatArray) -> Capsule:
    """Return the smallest capsule about one line that holds the balls: a wider one may be shorter."""
    along = (centres - point) @ axis
    across = np.linalg.norm(centres - point - along[:, None] * axis, axis=1)
    least = max(float((across + radii).max()) - OUTSIDE, float(radii.max()), 1e-4)
    radius = least * _GROWTH
    reach = np.sqrt(np.clip(np.square(radius + OUTSIDE - radii) - np.square(across), 0, None))
    high, low = (along - reach).max(axis=1), (along + reach).min(axis=1)
    # Where one ball holds everything, high < low: any place between them is good.
    length = np.clip(high - low, 0, None)
    volume = np.pi * radius[:, 0] ** 2 * (length + 4 / 3 * radius[:, 0])
    i = int(np.argmin(volume))
    ends = (low[i], high[i]) if high[i] > low[i] else ((low[i] + high[i]) / 2,) * 2
    return Capsule(point + ends[0] * axis, point + ends[1] * axis, float(radius[i, 0]))


def _pieces(shape: Shape, solids: tuple[Shape, ...]) -> list[Piece]:
    if shape.kind == "sphere":
        return [Piece(shape.pose[None, :3, 3], np.array([shape.size[0]]), shape.size[0])]
    if shape.kind == "capsule":
        radius, length = shape.size
        ends = shape.pose[:3, 3] + np.array([[-0.5], [0.5]]) * length * shape.pose[:3, 2]
        return [Piece(ends, np.full(2, radius), radius)]
    if shape.kind == "box":
        x, y, z = np.array(shape.size) / 2
        outline = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    else:
        turn = np.linspace(0, 2 * np.pi, ROUNDNESS, endpoint=False)
        outline = shape.size[0] / np.cos(np.pi / ROUNDNESS) * np.column_stack([np.cos(turn), np.sin(turn)])
        z = shape.size[1] / 2
    return _cut(outline, -z, z, shape, solids, depth=2)


def _cut(outline: FloatArray, low: float, high: float, shape: Shape, solids: tuple[Shape, ...], *, depth: int) -> list[Piece]:
    """Return a prism as one piece if a capsule holds it closely, else cut in two across the second longest of its sides."""
    corners = np.vstack([np.column_stack([outline, np.full(len(outline), height)]) for height in (low, high)])
    # The least a shape measures across, not the piece: cutting a plate makes it no thinner.
    thickness = min(shape.size) / 2 if shape.kind == "box" else min(shape.size[0], shape.size[1] / 2)
    piece = Piece(corners @ shape.pose[:3, :3].T + shape.pose[:3, 3], np.zeros(len(corners)), thickness)
    capsule = fit_capsule([piece])
    round_and_long = len(outline) > 4 and high - low > 0.6 * np.ptp(outline[:, 0])
    if depth == 0 or round_and_long or stands_out(capsule, solids) <= allowed_slack([piece]):
        return [piece]
    sides = np.ptp(corners, axis=0)
    side = int(np.argsort(sides)[1])
    middle = float(corners[:, side].min() + sides[side] / 2)
    if side == 2:
        return [p for a, b in ((low, middle), (middle, high)) for p in _cut(outline, a, b, shape, solids, depth=depth - 1)]
    halves = (_clip(outline, side, middle, 1.0), _clip(outline, side, middle, -1.0))
    return [p for half in halves for p in _cut(half, low, high, shape, solids, depth=depth - 1)]


def _clip(outline: FloatArray, side: int, at: float, sign: float) -> FloatArray:
    """Return the part of a convex polygon (N, 2) with sign * (coordinate - at) <= 0."""
    over = sign * (outline[:, side] - at)
    kept = []
    for i, j in zip(range(len(outline)), np.roll(np.arange(len(outline)), -1), strict=True):
        if over[i] <= 0:
            kept.append(outline[i])
        if (over[i] < 0) != (over[j] < 0) and abs(over[i] - over[j]) > 1e-12:
            kept.append(outline[i] + (outline[j] - outline[i]) * over[i] / (over[i] - over[j]))
    return np.array(kept)


def _needed(capsules: list[Capsule], solids: tuple[Shape, ...]) -> list[Capsule]:
    """Return the capsules without those whose part of the shapes' surface the others hold as well, small ones left out first."""
    points = surface_points(solids)
    outside = np.stack([distance_to_capsules(points, [capsule]) for capsule in capsules]) > OUTSIDE + 5e-4
    kept = list(range(len(capsules)))
    for i in sorted(kept, key=lambda k: capsules[k].volume):
        others = [k for k in kept if k != i]
        if others and not outside[others].all(axis=0).any():
            kept = others
    return [capsules[i] for i in kept]


def surface_points(shapes: tuple[Shape, ...], spacing: float = 0.008) -> FloatArray:
    """Return points (N, 3) m all over the outside of a link's primitives, in its frame."""
    points = []
    for shape in shapes:
        if shape.kind == "mesh":
            continue
        if shape.kind == "box":
            half = np.array(shape.size) / 2
            axes = [np.linspace(-h, h, max(2, int(np.ceil(2 * h / spacing)) + 1)) for h in half]
            local = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            local = local[(np.abs(np.abs(local) - half) < 1e-12).any(axis=1)]
        elif shape.kind == "cylinder":
            radius, length = shape.size
            turn = np.linspace(0, 2 * np.pi, max(12, int(2 * np.pi * radius / spacing)), endpoint=False)
            circle = np.column_stack([np.cos(turn), np.sin(turn)])
            side = [(radius, z) for z in np.linspace(-length / 2, length / 2, max(2, int(length / spacing) + 1))]
            caps = [(r, z) for r in np.arange(0, radius, spacing) for z in (-length / 2, length / 2)]
            local = np.concatenate([np.column_stack([r * circle, np.full(len(circle), z)]) for r, z in side + caps])
        else:
            radius = shape.size[0]
            half = np.array([0, 0, shape.size[1] / 2 if shape.kind == "capsule" else 0.0])
            local = Capsule(-half, half, radius).surface(max(5, int(2 * half[2] / spacing)), 18)
        points.append(local @ shape.pose[:3, :3].T + shape.pose[:3, 3])
    every = np.concatenate(points)
    buried = np.zeros(len(every), dtype=bool)
    for shape in shapes:
        buried |= _depth(every, shape) > 1e-6
    return every[~buried]


def _depth(points: FloatArray, shape: Shape) -> FloatArray:
    """Return how deep (N,) m each point lies in a shape; 0 or less outside."""
    local = (points - shape.pose[:3, 3]) @ shape.pose[:3, :3]
    if shape.kind == "box":
        depth: FloatArray = (np.array(shape.size) / 2 - np.abs(local)).min(axis=1)
    elif shape.kind == "sphere":
        depth = shape.size[0] - np.linalg.norm(local, axis=1)
    elif shape.kind == "cylinder":
        depth = np.minimum(shape.size[0] - np.hypot(local[:, 0], local[:, 1]), shape.size[1] / 2 - np.abs(local[:, 2]))
    elif shape.kind == "capsule":
        beyond = np.clip(np.abs(local[:, 2]) - shape.size[1] / 2, 0, None)
        depth = shape.size[0] - np.sqrt(np.square(local[:, :2]).sum(axis=1) + beyond**2)
    else:
        depth = np.full(len(points), -np.inf)
    return depth


def _perpendicular(axis: FloatArray) -> FloatArray:
    side = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    unit: FloatArray = side / np.linalg.norm(side)
    return unit
