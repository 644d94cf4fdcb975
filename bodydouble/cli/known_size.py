"""Words for a rig that came out larger or smaller than it is known to be: most likely a board has another size than its file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bodydouble.calibration.boards.board import Board
    from bodydouble.calibration.rig import Rig


def scale_warnings(found: Rig, known: Mapping[str, Rig | None], boards: Sequence[Board]) -> list[str]:
    """Return one sentence for each known rig (by what the user calls it) whose cameras were placed alike, but nearer or further apart."""
    from bodydouble.calibration.known_scale import known_scale

    warnings = []
    for source, rig in known.items():
        scale = known_scale(found, rig) if rig is not None else None
        if scale is None or not scale.is_wrong:
            continue
        sizes = "; ".join(_size(board, scale.factor) for board in boards)
        warnings.append(
            f"{', '.join(scale.cameras)} came out {scale.factor:.3f} times as far apart as in {source}, turned alike: they have hardly moved, so a "
            f"board is not as large as its file says. Measure it with a ruler over its whole width. If {source} is right, {sizes}."
        )
    return warnings


def _size(board: Board, factor: float) -> str:
    """Return the size of a board that would explain the factor."""
    sized = board.settings
    name, size = ("square_size", sized.square_size) if sized.type in ("charuco", "checkerboard") else ("marker_size", board.tag_sizes[0])
    return f"{name} of '{board.name}' is {size / factor:.4g} m and not {size:g} m"
