"""The rig drawn from three sides: cameras as the pyramids that they see, with their names, and boards or tags that stood still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.report.summary import ReportSummary
from bodydouble.calibration.report.svg import CHARACTER, circle, drawing, line, polyline, rectangle, round_step, shortened, words
from bodydouble.calibration.report.text import short_labels
from bodydouble.calibration.transform import apply, rotate

FloatArray = npt.NDArray[np.float64]

SIDES = (
    ("x and y", "from above, where z is up", (0, 1), (-1.0, 1.0)),
    ("x and z", "from the side, along y", (0, 2), (1.0, 1.0)),
    ("y and z", "from behind, along x, where x is forward", (1, 2), (-1.0, 1.0)),
)
_WIDTH, _HEIGHT = 420.0, 340.0
_MARGIN = 30.0
_LONGEST_NAME = 20
_MOST_TARGET_NAMES = 12


@dataclass(frozen=True)
class Scene:
    """What is drawn of one body: everything in its frame."""

    names: tuple[str, ...]
    positions: FloatArray
    """(C, 3)"""
    outlines: tuple[FloatArray, ...]
    """(K, 3) unit rays around each camera's image."""
    axes: FloatArray
    """(C, 3) optical axes."""
    targets: tuple[tuple[str, FloatArray], ...]
    """Name and corners (4, 3) of boards and tags that stood still."""


def body_scene(summary: ReportSummary, body: str) -> Scene:
    """Return what is drawn of one body; targets stand in the room and are drawn with the body "room"."""
    cameras = [camera for camera in summary.cameras if camera.body == body and camera.T_body_camera is not None]
    poses = [camera.T_body_camera for camera in cameras if camera.T_body_camera is not None]
    targets = []
    if summary.targets is not None and body == "room":
        for g in np.flatnonzero(np.isfinite(summary.T_room_target).all(axis=(-2, -1))):
            points = summary.targets.points[summary.targets.points_of(int(g))]
            (left, bottom), (right, top) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            corners = np.array([[left, bottom, 0], [right, bottom, 0], [right, top, 0], [left, top, 0]])
            targets.append((summary.targets.names[g], apply(summary.T_room_target[g], corners)))
    return Scene(
        tuple(camera.name for camera in cameras),
        np.array([T[:3, 3] for T in poses]).reshape(-1, 3),
        tuple(rotate(T, _outline(camera.model)) for T, camera in zip(poses, cameras, strict=True)),
        np.array([T[:3, 2] for T in poses]).reshape(-1, 3),
        tuple(targets),
    )


def rig_sketches(scene: Scene) -> list[tuple[str, str]]:
    """Return a caption and a drawing for each side; all in the same scale."""
    everything = np.concatenate([scene.positions, *(corners for _, corners in scene.targets)])
    low, high = everything.min(axis=0), everything.max(axis=0)
    extent = max(float((high - low).max()), 0.05)
    reach = 0.22 * extent
    ends = [position + reach * outline for position, outline in zip(scene.positions, scene.outlines, strict=True)]
    everything = np.concatenate([everything, *ends])
    low, high = everything.min(axis=0), everything.max(axis=0)
    x, y, z = np.maximum(high - low, reach)
    scale = min((_WIDTH - 2 * _MARGIN) / max(x, y), (_HEIGHT - 2 * _MARGIN) / max(x, z))
    return [(f"{axes} ({where})", _side(scene, ends, reach, (low + high) / 2, scale, pair, sign)) for axes, where, pair, sign in SIDES]


def _outline(model: CameraModel) -> FloatArray:
    """Return unit rays (K, 3) around the border of the image, from one corner on; those that the lens does not see are left out."""
    width, height = model.image_size
    part = np.linspace(0, 1, 5)[:-1]
    u = np.concatenate([part, part * 0 + 1, 1 - part, part * 0]) * (width - 1)
    v = np.concatenate([part * 0, part, part * 0 + 1, 1 - part]) * (height - 1)
    rays = model.rays(np.stack([u, v], axis=-1))
    return np.asarray(rays[np.isfinite(rays).all(axis=-1)])


def _side(
    scene: Scene, ends: Sequence[FloatArray], reach: float, middle: FloatArray, scale: float, pair: tuple[int, int], sign: tuple[float, float]
) -> str:  # fmt: skip
    # The first axis of the pair runs up when seen from above (people look forward along x), else to the right.
    across, up = (pair[1], pair[0]) if pair == (0, 1) else pair

    def flat(points: FloatArray) -> FloatArray:
        moved = np.atleast_2d(points) - middle
        return np.stack([_WIDTH / 2 + sign[0] * scale * moved[:, across], _HEIGHT / 2 - sign[1] * scale * moved[:, up]], axis=1)

    content = [rectangle(0.5, 0.5, _WIDTH - 1, _HEIGHT - 1, "frame")]
    for _, corners in scene.targets:
        content.append(polyline(flat(corners), "target", closed=True))
    apexes = flat(scene.positions) if len(scene.positions) else np.zeros((0, 2))
    for apex, end, position, axis in zip(apexes, ends, scene.positions, scene.axes, strict=True):
        rim = flat(end) if len(end) else np.zeros((0, 2))
        if len(rim):
            content.append(polyline(rim, "frustum", closed=True))
            content += [line(apex[0], apex[1], x, y, "edge") for x, y in rim[:: max(1, len(rim) // 4)]]
        tip = flat(position + 1.25 * reach * axis)[0]
        content.append(line(apex[0], apex[1], tip[0], tip[1], "optical"))
    content += [circle(x, y, 3, "camera") for x, y in apexes]
    named = [(label, tuple(place), "") for label, place in zip(short_labels(scene.names), apexes, strict=True)]
    if len(scene.targets) <= _MOST_TARGET_NAMES:
        named += [(shortened(name, _LONGEST_NAME), tuple(flat(corners).mean(axis=0)), "quiet") for name, corners in scene.targets]
    content += _labels(named)
    content += _compass(across, up, sign)
    bar = round_step(90 / scale, 1) / 2
    content.append(line(_WIDTH - 12 - bar * scale, _HEIGHT - 12, _WIDTH - 12, _HEIGHT - 12, "axis"))
    text = f"{bar:g} m" if bar >= 1 else f"{100 * bar:g} cm" if bar >= 0.01 else f"{1000 * bar:g} mm"
    content.append(words(_WIDTH - 12, _HEIGHT - 16, text, "small", anchor="end"))
    return drawing(_WIDTH, _HEIGHT, content, label=f"The cameras {', '.join(scene.names)} seen along one axis", css="map")


def _compass(across: int, up: int, sign: tuple[float, float]) -> list[str]:
    """Return two arrows with the names of the axes in the lower left corner."""
    x, y, size = (38.0 if sign[0] < 0 else 16.0), _HEIGHT - 14, 22.0
    content = [line(x, y, x + sign[0] * size, y, "axis"), line(x, y, x, y - sign[1] * size, "axis")]
    content.append(words(x + sign[0] * (size + 7), y + 4, "xyz"[across], "small", anchor="middle"))
    content.append(words(x, y - size - 4, "xyz"[up], "small", anchor="middle"))
    return content


def _labels(named: Sequence[tuple[str, tuple[float, float], str]]) -> list[str]:
    """Place names beside their points where they cover no other name, as far as there is room, with a line to those further off."""
    taken = [(x - 4, y - 4, x + 4, y + 4) for _, (x, y), _ in named]
    taken += [(0, _HEIGHT - 50, 60, _HEIGHT), (_WIDTH - 130, _HEIGHT - 30, _WIDTH, _HEIGHT)]
    content = []
    for text, (x, y), css in named:
        width = CHARACTER * len(text)
        places = [
            (x + dx if dx > 0 else x + dx - width if dx < 0 else x - width / 2, y + dy)
            for radius in (7, 16, 28, 42, 58, 76, 96)
            for dx, dy in ((radius, 4), (-radius, 4), (0, -radius), (0, radius + 8), (radius, -radius), (-radius, -radius), (radius, radius), (-radius, radius))
        ]  # fmt: skip
        left, base = min(places, key=lambda place: _cost(place, width, taken) + 0.02 * abs(place[1] - y))
        left, base = min(max(left, 3.0), max(_WIDTH - width - 3, 3.0)), min(max(base, 12.0), _HEIGHT - 4)
        taken.append((left, base - 10, left + width, base + 3))
        near = min(max(x, left), left + width), min(max(y, base - 9), base + 2)
        if np.hypot(near[0] - x, near[1] - y) > 12:
            content.append(line(x, y, near[0], near[1], "leader"))
        content.append(words(left, base, text, f"name {css}".strip()))
    return content


def _cost(place: tuple[float, float], width: float, taken: Sequence[tuple[float, float, float, float]]) -> float:
    """Return the area of what a name would cover, and how far it would stand out of the drawing."""
    left, low, right, high = place[0], place[1] - 10, place[0] + width, place[1] + 3
    outside = max(0.0, 3 - left) + max(0.0, right - _WIDTH + 3) + max(0.0, 3 - low) + max(0.0, high - _HEIGHT + 3)
    covered = sum(max(0.0, min(right, x2) - max(left, x1)) * max(0.0, min(high, y2) - max(low, y1)) for x1, y1, x2, y2 in taken)
    return covered + 20 * outside
