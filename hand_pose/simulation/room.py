"""The room of a simulated recording: its size, its textures, and where its AprilTags are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.boards.dictionary import DICTIONARIES
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.transform import invert, pose_from
from bodydouble.errors import UsageError
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.simulation.scene_object import SceneObject

FloatArray = npt.NDArray[np.float64]

DICTIONARY = "DICT_APRILTAG_36h11"
SIZE_M = (6.0, 6.0, 2.7)
_ON_WALL_M, _ON_FLOOR_M, _ON_FURNITURE_M = 0.25, 0.25, 0.15
_PAPER = 1.25
"""Side of a tag's paper over that of the tag: a white zone of one of its eight cells all around."""
_LEAST_FACE_M = 0.10
"""Narrower faces of furniture carry no tags."""


@dataclass(frozen=True)
class Room:
    """A room without furniture, around the origin, its floor at z = 0. Arrays are read-only."""

    seed: int
    size_m: tuple[float, float, float]
    T_world_tag: FloatArray
    """(G, 4, 4) pose of each tag: x right, y up as printed, z out of the paper; its id is its row."""
    tag_size_m: FloatArray
    """(G,) outer edge of the black."""

    def __post_init__(self) -> None:
        count = len(self.T_world_tag)
        freeze_arrays(self, {"T_world_tag": ((count, 4, 4), np.float64), "tag_size_m": ((count,), np.float64)})
        if count > DICTIONARIES[DICTIONARY][1]:
            raise UsageError(
                f"The room has {count} tags, but {DICTIONARY} holds {DICTIONARIES[DICTIONARY][1]}; expected fewer pieces of furniture."
            )

    @classmethod
    def make(
        cls, seed: int = 0, furniture: Sequence[SceneObject] = (), *, size_m: tuple[float, float, float] = SIZE_M,
        extra_tags: Sequence[tuple[FloatArray, float]] = (),
    ) -> Room:  # fmt: skip
        """Return a room with tags on walls and floor, on every large enough face of the boxes of ``furniture``, and at ``extra_tags``.

        ``extra_tags`` are T_world_tag (4, 4) and size in m of more tags; they must lie flat on furniture.
        """
        rng = np.random.default_rng([seed, 11])
        tags = _on_walls(rng, size_m) + _on_floor(rng, size_m, furniture)
        for thing in furniture:
            if thing.shape == "box" and thing.T_world_object is not None:
                tags += _on_box(thing, size_m)
        tags += [(np.asarray(T, dtype=np.float64), float(size)) for T, size in extra_tags]
        return cls(seed, size_m, np.stack([T for T, _ in tags]), np.array([size for _, size in tags]))

    @cached_property
    def board(self) -> Board:
        """All tags, as printed."""
        values = {
            "type": "markers", "dictionary": DICTIONARY, "ids": list(range(len(self.tag_size_m))), "marker_sizes": self.tag_size_m.tolist()
        }  # fmt: skip
        return Board(parse_board(values, source="the simulated room"), "room_tags")

    @cached_property
    def tag_map(self) -> TagMap:
        """Where the tags are, exactly."""
        return TagMap(self.board.targets, self.T_world_tag, (self.board,), name="simulated room")

    @property
    def low(self) -> FloatArray:
        """(3,) the corner with the least coordinates."""
        return np.array([-self.size_m[0] / 2, -self.size_m[1] / 2, 0.0])

    @property
    def high(self) -> FloatArray:
        """(3,) the corner with the greatest coordinates."""
        return self.low + self.size_m


def facing(position: npt.ArrayLike, normal: npt.ArrayLike, up: npt.ArrayLike) -> FloatArray:
    """Return the pose (4, 4) of a tag at ``position`` whose paper faces ``normal`` and whose upper edge lies towards ``up``, all (3,)."""
    z, y = np.asarray(normal, dtype=np.float64), np.asarray(up, dtype=np.float64)
    return pose_from(np.stack([np.cross(y, z), y, z], axis=1), position)


def _on_walls(rng: np.random.Generator, size_m: tuple[float, float, float]) -> list[tuple[FloatArray, float]]:
    tags = []
    for axis in (0, 1):
        for side in (1, -1):
            normal = np.zeros(3)
            normal[axis] = -side
            along = size_m[1 - axis]
            count = max(2, round(along / 0.62))
            for k, place in enumerate((np.arange(count) + 0.5) / count - 0.5):
                position = np.zeros(3)
                position[axis] = side * size_m[axis] / 2
                position[1 - axis] = place * along + rng.uniform(-0.1, 0.1)
                position[2] = (0.55, 1.45, 0.95, 1.95)[k % 4] + rng.uniform(-0.08, 0.08)
                tags.append((facing(position, normal, [0, 0, 1]), _ON_WALL_M))
    return tags


def _on_floor(
    rng: np.random.Generator, size_m: tuple[float, float, float], furniture: Sequence[SceneObject]
) -> list[tuple[FloatArray, float]]:
    tags = []
    for x in np.linspace(-0.4, 0.4, 5) * size_m[0]:
        for y in np.linspace(-0.4, 0.4, 4) * size_m[1]:
            position = np.array([x + rng.uniform(-0.12, 0.12), y + rng.uniform(-0.12, 0.12), 0.0])
            turn = rng.uniform(-np.pi, np.pi)
            covered = any(
                thing.T_world_object is not None and thing.distance(_within(thing.T_world_object, position)) < _ON_FLOOR_M
                for thing in furniture
            )  # fmt: skip
            if not covered:
                tags.append((facing(position, [0, 0, 1], [np.cos(turn), np.sin(turn), 0]), _ON_FLOOR_M))
    return tags


def _within(T_world_object: FloatArray, p_world: FloatArray) -> FloatArray:
    T = invert(T_world_object)
    return np.asarray(T[:3, :3] @ p_world + T[:3, 3])


def _on_box(thing: SceneObject, size_m: tuple[float, float, float]) -> list[tuple[FloatArray, float]]:
    """Return tags along the edges of the faces of a box, but for those that face down or a wall close by."""
    assert thing.T_world_object is not None
    R, t = thing.T_world_object[:3, :3], thing.T_world_object[:3, 3]
    half = np.array(thing.size_m) / 2
    tags: list[tuple[FloatArray, float]] = []
    for axis in range(3):
        across, along = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1.0, 1.0):
            normal = side * R[:, axis]
            before = t + normal * (half[axis] + 0.05)
            inside = np.all(np.abs(before[:2]) < np.array(size_m[:2]) / 2)
            if normal[2] < -0.5 or not inside or min(half[across], half[along]) < _LEAST_FACE_M / 2:
                continue
            paper = min(_ON_FURNITURE_M * _PAPER, 1.8 * half[across], 1.8 * half[along])
            up = R[:, along] if abs(R[2, along]) >= abs(R[2, across]) else R[:, across]
            for a in _places(half[across], paper):
                for b in _places(half[along], paper):
                    position = t + normal * half[axis] + R[:, across] * a + R[:, along] * b
                    tags.append((facing(position, normal, up if up[2] >= 0 else -up), paper / _PAPER))
    return tags


def _places(half: float, paper: float) -> list[float]:
    """Return where along an edge of a face tags are: at both ends, and in the middle of a long one."""
    end = half - paper / 2 - min(0.015, 0.05 * half)
    if end < 0.6 * paper:
        return [0.0]
    return [-end, end]
