"""Where the tags and boards of a room are: ``tag_map.toml``, by which a moving rig finds its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tomli_w

from bodydouble.atomic import write_atomically
from bodydouble.calibration.boards.board import Board, Targets, join_targets
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.localization.tag_map_file import TagMapSettings, TargetSettings, TargetSigmaSettings
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.calibration.transform import apply, is_rotation, nearest_rotation
from bodydouble.config import load_settings
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

_EXACT = 1e-9


@dataclass(frozen=True)
class TagMap:
    """Boards and tags that stand still in a room. Arrays are read-only.

    The room's frame is the one the map was made in: of the best seen target, unless the calibration was put into another.
    """

    targets: Targets
    """Only those that have a place."""
    T_room_target: FloatArray
    """(G, 4, 4) pose of each target (x right, y up as printed, z out of the paper) in the room."""
    boards: tuple[Board, ...]
    """What the targets are printed as, to find them in images. Its tags may be more than those that have a place."""
    sigma: FloatArray | None = None
    """(G, 2) one standard deviation of a target's rotation (rad) and position (m) about each axis; NaN where not known, 0 for the
    target that the room's frame is tied to. None if nothing is known."""
    name: str = "room"

    def __post_init__(self) -> None:
        count = len(self.targets.names)
        object.__setattr__(self, "boards", tuple(self.boards))
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {"T_room_target": ((count, 4, 4), np.float64)}
        if self.sigma is not None:
            shapes["sigma"] = ((count, 2), np.float64)
        freeze_arrays(self, shapes)
        if count == 0:
            raise UsageError(f"tag map '{self.name}' holds no target; expected at least one tag or board that has a place.")
        T = self.T_room_target.copy()
        for name, pose in zip(self.targets.names, T, strict=True):
            if not (np.isfinite(pose).all() and np.array_equal(pose[3], [0, 0, 0, 1]) and is_rotation(pose[:3, :3])):
                raise UsageError(
                    f"target '{name}': T_room_target is not a pose; expected a 4x4 matrix of a right-handed rotation and a position in m, with the "
                    "last row 0, 0, 0, 1."
                )
        loose = ~is_rotation(T[:, :3, :3], tolerance=_EXACT)
        T[loose, :3, :3] = nearest_rotation(T[loose, :3, :3])
        T.flags.writeable = False
        object.__setattr__(self, "T_room_target", T)

    @property
    def points(self) -> FloatArray:
        """(P, 3) m, the points of all targets in the room."""
        return apply(self.T_room_target[self.targets.target_of_point], self.targets.points)

    def pose(self, target: str) -> FloatArray:
        """Return (4, 4) T_room_target of one target. Raises: UnknownNameError."""
        if target not in self.targets.names:
            raise UnknownNameError("target", target, f"tag map '{self.name}'", self.targets.names)
        return np.asarray(self.T_room_target[self.targets.names.index(target)])

    @classmethod
    def from_calibration(cls, calibration: RigCalibration, boards: Sequence[Board], *, name: str = "room") -> TagMap:
        """Return the map of what stood still while a rig was calibrated; ``boards`` are those that it was calibrated with.

        Raises: DataError if everything moved; UsageError if ``boards`` are not those of the calibration.
        """
        known = calibration.observations.targets
        placed = np.isfinite(calibration.T_room_target[:, 0, 0])
        if not placed.any():
            raise DataError(
                "No board or tag stood still in the room while this rig was calibrated, so there is no tag map. Film tags on walls, floor or "
                "furniture with the moving rig."
            )
        targets = join_targets([board.targets for board in boards])
        if targets.names != known.names or not np.allclose(targets.points, known.points, rtol=0, atol=1e-9):
            raise UsageError(
                f"These boards hold {', '.join(targets.names)}, but the rig was calibrated with {', '.join(known.names)}; give the boards of the calibration."
            )
        rows = np.flatnonzero(placed)
        sigma = calibration.target_sigma[rows]
        held = np.asarray(np.isnan(sigma).all(axis=1))  # the frame of the room is tied to it
        used = tuple(board for board in boards if any(known.names[g] in board.targets.names for g in rows))
        return cls(select_targets(known, rows), calibration.T_room_target[rows], used, np.where(held[:, None], 0.0, sigma), name)

    def save(self, path: Path) -> None:
        """Write ``tag_map.toml``. Loading it gives the same map to the last bit."""
        names = [board.name for board in self.boards]
        settings = TagMapSettings(
            name=self.name,
            boards={board.name: board.settings.model_dump(mode="json", exclude_none=True) for board in self.boards},
            targets={target: self._target_settings(g, target) for g, target in enumerate(self.targets.names)},
        )
        if len(set(names)) < len(names):
            raise UsageError(f"Two boards of tag map '{self.name}' have one name; give each board file a name of its own.")
        text = tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))
        rows = re.sub(r"\[\n[-+.\w\s,]*?\]", lambda found: "[" + ", ".join(found[0][1:-1].replace(",", " ").split()) + "]", text)
        write_atomically(Path(path), (_HEADER + rows).encode("utf-8"))

    @classmethod
    def load(cls, path: Path) -> TagMap:
        """Read ``tag_map.toml``.

        Raises: UsageError, UnknownNameError if the file is missing or not TOML, has an unknown or missing key, a board that cannot be, a target that its
        board does not hold or that is larger or smaller on it, or a pose that is none.
        """
        path = Path(path)
        settings = load_settings(path, TagMapSettings)
        boards = {}
        for name, values in settings.boards.items():
            parsed = parse_board(values, source=f"{path}, table [boards.{name}]")
            boards[name] = Board(parsed, name)
        try:
            rows = [_place(name, item, boards) for name, item in settings.targets.items()]
            parts = [select_targets(board.targets, np.array([board.targets.names.index(name)])) for board, name in rows]
            items = list(settings.targets.values())
            sigma = np.array([[np.nan, np.nan] if s is None else [s.rotation_rad, s.position_m] for s in (item.sigma for item in items)])
            poses = np.array([item.T_room_target for item in items]).reshape(-1, 4, 4)
            known = None if np.isnan(sigma).all() else sigma
            return cls(join_targets(parts), poses, tuple(boards.values()), known, settings.name)
        except UnknownNameError:
            raise
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    def _target_settings(self, g: int, target: str) -> TargetSettings:
        board = next((board for board in self.boards if target in board.targets.names), None)
        if board is None:
            raise UsageError(
                f"Tag map '{self.name}' does not hold the board of target '{target}', so nobody could find it in images; add it to boards."
            )
        sigma = None
        if self.sigma is not None and np.isfinite(self.sigma[g]).all():
            sigma = TargetSigmaSettings(rotation_rad=float(self.sigma[g, 0]), position_m=float(self.sigma[g, 1]))
        values = {"board": board.name, **_printed(board, target), "T_room_target": self.T_room_target[g].tolist(), "sigma": sigma}
        return TargetSettings.model_validate(values)


def select_targets(targets: Targets, which: npt.NDArray[np.int64]) -> Targets:
    """Return some of the targets, in the order of ``which`` (N,), with their points."""
    points = [targets.points_of(int(g)) for g in which]
    rows = np.concatenate([*points, np.zeros(0, dtype=np.int64)])
    return Targets(
        tuple(targets.names[g] for g in which), targets.points[rows], np.repeat(np.arange(len(which)), [len(item) for item in points])
    )


def _printed(board: Board, target: str) -> dict[str, Any]:
    """Return what a reader looks for on the wall: dictionary, ids and size of the tags."""
    result: dict[str, Any] = {}
    dictionary = getattr(board.settings, "dictionary", None)
    if dictionary is not None:
        result["dictionary"] = dictionary
    if board.settings.type == "markers":
        g = board.targets.names.index(target)
        return result | {"tag_ids": (board.tag_ids[g],), "tag_size": board.tag_sizes[g]}
    if board.settings.type == "aprilgrid":
        return result | {"tag_ids": board.tag_ids, "tag_size": board.settings.marker_size}
    return result


def _place(target: str, settings: TargetSettings, boards: dict[str, Board]) -> tuple[Board, str]:
    if settings.board not in boards:
        raise UnknownNameError("board", settings.board, f"the tag map (where target '{target}' is on it)", boards)
    board = boards[settings.board]
    if target not in board.targets.names:
        raise UnknownNameError("target", target, f"board '{board.name}'", board.targets.names)
    for key, value in _printed(board, target).items():
        said = getattr(settings, key)
        if said is not None and said != value:
            raise UsageError(
                f"target '{target}' has {key} {said}, but its board '{board.name}' says {value}; correct the one that is wrong (only the board's counts)."
            )
    return board, target


_HEADER = """# Tags and boards of a room. Metres, radians. T_room_target is the pose of the target (x right, y up as printed, z out of the paper) in the room:
# p_room = T_room_target @ p_target. Origin: of a single tag its centre, of a board the lower left corner of its pattern.
# [boards.NAME] is what board.toml holds: what to look for in images. A target's dictionary, tag_ids and tag_size repeat its board for readers.
# sigma: one standard deviation about each axis; 0 where the frame of the room is tied to the target.
"""
