"""The room frame from a board that lies on the floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.observations import Observations
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.room.resection import ROOM
from bodydouble.calibration.room.room_frame import RoomFrame, align_to_points
from bodydouble.calibration.room.scene_points import FEWEST_POINTS, ScenePoints
from bodydouble.calibration.room.scene_report import axis_that_is_up
from bodydouble.calibration.transform import apply, invert, pose_from
from bodydouble.errors import DataError, UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

FORWARD = {"x": (1.0, 0.0), "y": (0.0, 1.0), "-x": (-1.0, 0.0), "-y": (0.0, -1.0)}
"""Which axis of the board may be the room's forward one, and where it points on the board."""
CORNER_SIGMA_PX = 0.3
_STILL_PX = 3.0
_MOVED = 0.2
"""Of all corners: so many further than that from where they mostly are, and the board was moved."""


def align_to_board(
    rig: Rig, observations: Observations, *, target: str | None = None, forward: str = "x", origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> RoomFrame:  # fmt: skip
    """Put a calibrated rig into the frame of a board on the floor that its static cameras saw.

    The room's z is the board's (out of the paper, so up), its x the board's axis ``forward`` ("x", "-x", "y", "-y"), and its origin is at
    ``origin`` (x, y, z in m) in the board's frame: by default its lower left corner, with z = -0.01 the floor under a board 10 mm thick.
    Lengths stay; the result says how the board's own compare. All moments of ``observations`` are taken together, so the board must lie still.
    ``target`` names it where several boards or tags were seen.

    Raises: UnknownNameError, UsageError for options that cannot be; DataError if no static camera saw enough of the board, or it moved.
    """
    if forward not in FORWARD:
        raise UnknownNameError("axis", forward, "the board's axes that can be forward", FORWARD)
    if len(origin) != 3 or not np.isfinite(origin).all():
        raise UsageError(f"the origin {tuple(origin)} is not three numbers; give x, y, z in m in the board's frame, such as 0.2, 0.3, 0.")
    static = [c for c, name in enumerate(observations.cameras) if name in rig.names and rig.cameras[name].body == ROOM]
    if not static:
        raise DataError(
            f"none of the cameras that filmed ({', '.join(observations.cameras)}) stands in the room in rig '{rig.name}'; the room frame needs one."
        )
    wanted = _target(observations, static, target)
    which = observations.targets.points_of(observations.targets.names.index(wanted))
    pixels = _still_pixels(observations, static, which, wanted)
    x, y = FORWARD[forward]
    T_board_new = pose_from(np.array([[x, -y, 0.0], [y, x, 0.0], [0.0, 0.0, 1.0]]), origin)
    scene = ScenePoints(
        tuple(f"{wanted} {k}" for k in range(len(which))), apply(invert(T_board_new), observations.targets.points[which]),
        tuple(observations.cameras[c] for c in static), pixels, 0.0, CORNER_SIGMA_PX, tuple(observations.image_size[c] for c in static),
    )  # fmt: skip
    scene = scene.select(tuple(name for name, seen in zip(scene.cameras, scene.seen, strict=True) if seen.any()))
    found = align_to_points(rig, scene)
    if axis_that_is_up(found.rig, scene.points.mean(axis=0)) == "z":
        return found
    upright = f"board '{wanted}' does not seem to lie on the floor: the cameras stand upright along the board and not out of it"
    return replace(found, warnings=(*found.warnings[1:], upright))


def _target(observations: Observations, static: list[int], target: str | None) -> str:
    names = observations.targets.names
    if target is not None and target not in names:
        raise UnknownNameError("board", target, "what was looked for", names)
    most = {name: _most_seen(observations, static, name) for name in names}
    enough = [name for name in names if most[name] >= FEWEST_POINTS and target in (None, name)]
    if not enough:
        raise DataError(
            f"{'the board' if target is None else repr(target)} was not seen well enough by any camera of the room: {max(most.values(), default=0)} "
            f"points at most, {FEWEST_POINTS} are needed. Lay it where the cameras see it whole and not edge-on."
        )
    if len(enough) > 1:
        raise UsageError(f"several boards or tags were seen: {', '.join(enough)}; say which of them lies at the room's origin.")
    return enough[0]


def _most_seen(observations: Observations, static: list[int], name: str) -> int:
    which = observations.targets.points_of(observations.targets.names.index(name))
    return int(observations.seen[static][:, :, which].sum(axis=-1).max(initial=0))


def _still_pixels(observations: Observations, static: list[int], which: npt.NDArray[np.int64], name: str) -> FloatArray:
    """Return the pixels (C, P, 2) of a board that lies still, by the median over the moments."""
    pixels = observations.pixels[static][:, :, which]
    seen: npt.NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(axis=-1))
    middle = np.full((len(static), len(which), 2), np.nan)
    for c, p in np.argwhere(seen.any(axis=1)):
        middle[c, p] = np.median(pixels[c, seen[c, :, p], p], axis=0)
    away = np.linalg.norm(pixels - middle[:, None], axis=-1)[seen]
    if (away > _STILL_PX).mean() > _MOVED:
        raise DataError(
            f"board '{name}' did not lie still: its corners are up to {away.max():.0f} px from where they are most of the time. Give only frames in "
            "which it lies on the floor."
        )
    return middle
