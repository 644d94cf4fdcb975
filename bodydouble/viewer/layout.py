"""Where the pictures go: cameras in a grid on the left, the robot on the right, a line of words below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bodydouble.errors import UsageError

Box = tuple[int, int, int, int]
"""left, top, width, height in px."""

GAP = 4
ROBOT_ASPECT = 0.75
"""Width to height of the robot's picture: people stand."""
LARGEST = (1600, 900)


@dataclass(frozen=True)
class Layout:
    """A whole picture: its size, one box a camera, and the robot's box."""

    size: tuple[int, int]
    cameras: tuple[Box, ...]
    robot: Box
    footer: Box


def arrange(image_sizes: Sequence[tuple[float, float]], size: tuple[int, int] | None = None) -> Layout:
    """Arrange camera pictures of the given (width, height), their shapes kept, beside the robot.

    Of all grids the one that shows the cameras largest is taken. Without ``size`` the picture is as large as that grid needs within
    1600x900; with ``size`` everything is centred in it. Sizes are even, as H.264 needs. Raises: UsageError when ``size`` is too small.
    """
    limit = size or LARGEST
    if min(limit) < 160 or limit[0] % 2 or limit[1] % 2:
        raise UsageError(f"a preview of {limit[0]}x{limit[1]} px is not possible: both sides must be even and at least 160.")
    footer = max(22, min(44, limit[1] // 24)) // 2 * 2
    aspect = max(width / height for width, height in image_sizes)
    count = len(image_sizes)
    best: tuple[float, int, int] | None = None
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        # a cell is one unit high: the grid is as wide as its cells and the robot as high as all rows
        wide = columns * aspect + rows * ROBOT_ASPECT
        unit = min((limit[0] - GAP * (columns + 2)) / wide, (limit[1] - footer - GAP * (rows + 1)) / rows)
        if best is None or unit > best[0] + 1e-9:
            best = (unit, columns, rows)
    assert best is not None
    unit, columns, rows = best
    cell = (int(unit * aspect), int(unit))
    robot = (int(rows * unit * ROBOT_ASPECT), rows * cell[1] + (rows - 1) * GAP)
    used = (columns * (cell[0] + GAP) + robot[0] + 2 * GAP, robot[1] + 2 * GAP + footer)
    full = size or (used[0] + used[0] % 2, used[1] + used[1] % 2)
    left, top = (full[0] - used[0]) // 2 + GAP, (full[1] - used[1]) // 2 + GAP
    boxes = []
    for index, (width, height) in enumerate(image_sizes):
        scale = min(cell[0] / width, cell[1] / height)
        w, h = max(2, int(width * scale)), max(2, int(height * scale))
        x = left + index % columns * (cell[0] + GAP) + (cell[0] - w) // 2
        y = top + index // columns * (cell[1] + GAP) + (cell[1] - h) // 2
        boxes.append((x, y, w, h))
    robot_box = (left + columns * (cell[0] + GAP), top, *robot)
    return Layout(full, tuple(boxes), robot_box, (left, top + robot[1] + GAP, used[0] - 2 * GAP, footer))
