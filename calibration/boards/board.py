"""Calibration boards and single tags: which points they have, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UsageError
from bodydouble.frozen_arrays import freeze_arrays

if TYPE_CHECKING:
    from bodydouble.calibration.boards.board_file import BoardSettings

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """Rigid plates with points that a camera can find: one plate for a board, one for each single tag.

    A plate's frame: x right, y up as printed, z out of the paper towards the viewer.
    """

    names: tuple[str, ...]
    points: FloatArray
    """(P, 3) m in the frame of the point's own target; z is 0."""
    target_of_point: IntArray
    """(P,)"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        count = len(np.atleast_1d(self.target_of_point))
        freeze_arrays(self, {"points": ((count, 3), np.float64), "target_of_point": ((count,), np.int64)})
        if count and not (self.target_of_point.min() >= 0 and self.target_of_point.max() < len(self.names)):
            raise ValueError("target_of_point points at a target that has no name")

    def points_of(self, target: int) -> IntArray:
        """Return the indices of the points of one target."""
        return np.flatnonzero(self.target_of_point == target)


@dataclass(frozen=True)
class Board:
    """One calibration board, or a set of single tags of the same dictionary.

    Points: ChArUco and checkerboard, the inner corners row by row from the upper left; AprilGrid and single tags, the four corners of each tag
    from the upper left one clockwise, tags in the order of their ids. Origin: lower left corner of the printed pattern (outer edge of the
    squares; for an AprilGrid the lower left corner of the lower left tag); a single tag's origin is its centre.
    """

    settings: BoardSettings
    name: str

    @classmethod
    def load(cls, path: Path) -> Board:
        """Read ``board.toml``, Caliscope's ``charuco.toml`` or a target YAML of Kalibr; named after the file unless the file names it.

        Raises: UsageError, UnknownNameError with one sentence on what cannot be.
        """
        from bodydouble.calibration.boards.board_file import parse_board, read_caliscope_board, read_kalibr_board
        from bodydouble.config import read_toml

        path = Path(path)
        if path.suffix.lower() in (".yaml", ".yml"):
            settings = read_kalibr_board(path)
        else:
            values = read_toml(path)
            foreign = "type" not in values and "aruco_scale" in values
            settings = read_caliscope_board(values, source=str(path)) if foreign else parse_board(values, source=str(path))
        return cls(settings, settings.name or path.stem)

    def save(self, path: Path) -> None:
        """Write ``board.toml``."""
        from bodydouble.config import save_settings

        header = "A calibration board. Sizes in metres; columns and rows count squares (AprilGrid: tags), not inner corners."
        save_settings(path, self.settings, header=header)

    @cached_property
    def targets(self) -> Targets:
        """The plate, or the plates of single tags, with their points."""
        settings = self.settings
        if settings.type == "markers":
            names = tuple(f"tag_{i}" for i in settings.ids)
            points: FloatArray = np.concatenate([_square(size) - [size / 2, size / 2, 0] for size in self.tag_sizes])
            return Targets(names, points, np.repeat(np.arange(len(names)), 4))
        if settings.type == "aprilgrid":
            pitch = settings.marker_size * (1 + settings.tag_spacing)
            row, column = np.divmod(np.arange(settings.columns * settings.rows), settings.columns)
            corners = np.stack([column * pitch, row * pitch, 0.0 * row], axis=1)
            points = (corners[:, None] + _square(settings.marker_size)).reshape(-1, 3)
        else:
            x, down = np.meshgrid(np.arange(1, settings.columns), np.arange(1, settings.rows))
            points = np.stack([x, settings.rows - down, 0 * x], axis=-1).reshape(-1, 3).astype(np.float64) * settings.square_size
        return Targets((self.name,), points, np.zeros(len(points), dtype=np.int64))

    @property
    def tag_ids(self) -> tuple[int, ...]:
        """Ids of the tags whose corners are points: of an AprilGrid or of single tags, else empty."""
        if self.settings.type == "markers":
            return self.settings.ids
        if self.settings.type == "aprilgrid":
            return tuple(range(self.settings.first_id, self.settings.first_id + self.settings.columns * self.settings.rows))
        return ()

    @property
    def tag_sizes(self) -> tuple[float, ...]:
        """Sizes of the tags of ``tag_ids`` in m."""
        if self.settings.type == "markers" and self.settings.marker_sizes is not None:
            return self.settings.marker_sizes
        return (self.settings.marker_size or 0.0,) * len(self.tag_ids) if self.settings.type in ("markers", "aprilgrid") else ()


def join_targets(targets: Sequence[Targets]) -> Targets:
    """Put several boards or tag sets side by side: points in the given order, targets numbered on.

    Raises: UsageError when two targets have the same name.
    """
    names = tuple(name for item in targets for name in item.names)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"Two boards or tags are called '{twice[0]}'; give each board file a name of its own (name = \"...\"), and each tag one place."
        )
    firsts = np.cumsum([0, *(len(item.names) for item in targets)])
    return Targets(
        names,
        np.concatenate([item.points for item in targets] or [np.zeros((0, 3))]),
        np.concatenate([item.target_of_point + first for item, first in zip(targets, firsts, strict=False)] or [np.zeros(0, np.int64)]),
    )


def _square(size: float) -> FloatArray:
    """Return the corners (4, 3) of a square from the upper left one clockwise, its lower left at the origin."""
    return np.array([[0, size, 0], [size, size, 0], [size, 0, 0], [0, 0, 0]])
