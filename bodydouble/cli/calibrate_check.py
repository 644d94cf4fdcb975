"""``bodydouble calibrate check``: whether a camera has moved since the calibration, which one, and by how much."""

from __future__ import annotations

from pathlib import Path

import typer


def check(
    rig: Path = typer.Argument(..., metavar="RIG", help="The rig's calibration.", show_default=False),
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    board: list[Path] = typer.Option([], "--board", metavar="TOML", help="A board or tags to look for; without it the person is used."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Tell whether a camera has moved since the calibration, which one, and by how much.

    Example: bodydouble calibrate check rig.toml takes/pour
    """
    from bodydouble.errors import UsageError

    raise UsageError("`bodydouble calibrate check` is not ready yet.")
