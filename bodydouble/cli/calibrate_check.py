"""``bodydouble calibrate check``: whether a camera has moved since the calibration, which one, and by how much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.calibration.drift.result import Drift
    from bodydouble.calibration.rig import Rig
    from bodydouble.capture import Recording

STAGES = {"detect": "Finding body and hands", "boards": "Finding the boards", "compare": "Comparing the cameras"}
PAGE = "drift_report.html"


def check(
    rig: Path = typer.Argument(..., metavar="RIG", help="The rig's calibration: rig.toml, or any other that is read.", show_default=False),
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    board: list[Path] = typer.Option([], "--board", metavar="TOML", help="A board or tags to look for; without it the person is used."),
    cameras: list[str] = typer.Option([], "--cameras", metavar="NAMES", help="Cameras to check, comma-separated; by default all."),
    report: Path | None = typer.Option(None, "-o", "--report", metavar="DIR", help=f"Folder for {PAGE}.", show_default=False),
    workers: int | None = typer.Option(
        None, "--workers", metavar="N", min=1, help="Cameras searched at the same time; by default one a core."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Tell whether a camera has moved since the calibration, which one, when, and by how much.

    Compares what cameras on one body see at the same moment: a person's landmarks, which show turns of about two degrees where three cameras or more
    see the person, or with --board boards and tags, which show half a degree where the rig has its standard deviations. Exit code 0: no camera
    moved; 1: one did, or it could not be told; 2: rig and recording do not fit.

    Example: bodydouble calibrate check rig.toml takes/pour

    Example: bodydouble calibrate check rig.toml takes/board --board board.toml --report drift
    """
    from bodydouble.calibration import read_rig
    from bodydouble.capture import open_recording
    from bodydouble.cli.check_summary import as_dict, print_drift
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets.pipeline import cameras_from

    check_report_folder(report)
    given = read_rig(rig)
    with stage_bars(STAGES, shown=not as_json) as progress:
        opened = open_recording(recording, stills=bool(board))
        chosen, opened, left_out = fitting(given, opened, cameras_from(cameras))
        drift = _with_boards(chosen, opened, board, workers, progress) if board else _with_landmarks(chosen, opened, workers, progress)
    page = _write_page(report, drift, chosen, str(recording)) if report is not None else None
    if as_json:
        typer.echo(json.dumps(as_dict(drift, left_out, page), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_drift(drift, left_out, page)
    if drift.finding != "still":
        raise typer.Exit(1)


def check_report_folder(folder: Path | None) -> None:
    """Check, before the first image is read, that the page can be written. Raises: UsageError for a file; as ``check_can_be_written``."""
    from bodydouble.atomic import check_can_be_written
    from bodydouble.errors import UsageError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --report takes a folder, e.g. {folder.with_suffix('')}_report.")
    check_can_be_written(folder / PAGE)


def fitting(rig: Rig, recording: Recording, wanted: tuple[str, ...]) -> tuple[Rig, Recording, dict[str, str]]:
    """Return rig and recording with the cameras of both, in the rig's order, and why others (name to reason) are left out.

    Raises: UnknownNameError for a wanted camera that either has not; UsageError if fewer than two cameras of one body are left, or for videos of another
    size than the calibrated one.
    """
    from bodydouble.calibration.matching import check_image_size
    from bodydouble.errors import UsageError, did_you_mean

    for name in wanted:
        rig.camera(name)
        recording.image_size(name)
    left_out = {name: "it is not in the recording" for name in rig.names if name not in recording.cameras}
    left_out |= {name: "it is not in the rig" for name in recording.cameras if name not in rig.names}
    common = [name for name in wanted or rig.names if name in recording.cameras and name in rig.names]
    if wanted:
        left_out = {}
    lists = f"the rig has {', '.join(rig.names)}, the recording {', '.join(recording.cameras)}"
    if len(common) < 2:
        near = "".join(did_you_mean(name, rig.names) for name in recording.cameras[:1] if name not in rig.names)
        raise UsageError(
            f"A check compares at least two cameras, and {', '.join(common) or 'none'} {'is' if common else 'are'} in both: {lists}.{near} "
            "Name the videos as the rig names its cameras, and give all cameras that see the same thing."
        )
    bodies = {name: rig.camera(name).body for name in common}
    if len(set(bodies.values())) == len(common):
        listed = ", ".join(f"{name} on '{body}'" for name, body in bodies.items())
        raise UsageError(
            f"No two of the cameras sit on the same body ({listed}), and bodies may move against each other: nothing can be compared. "
            "Calibrate again with `bodydouble calibrate rig` to find out where they are."
        )
    for name in common:
        check_image_size(name, rig.camera(name).model.image_size, recording.image_size(name), recording.crop_origin(name))
    return rig.select(common), recording.select(common), left_out


def _with_landmarks(rig: Rig, recording: Recording, workers: int | None, progress: Any) -> Drift:
    import numpy as np

    from bodydouble.calibration.drift.check import check_drift
    from bodydouble.errors import DataError
    from bodydouble.hand_pose.detection import detect
    from bodydouble.hand_pose.landmark_errors import landmark_parts

    clocks = {name: camera.time_offset_s for name, camera in rig.cameras.items()}
    sets = recording.frame_sets(clock_offset_s=clocks)
    found = detect(recording, sets, workers=workers, progress=lambda done, total: progress("detect", done, total))
    if not np.isfinite(found.pixels).any():
        raise DataError(
            f"Nobody was seen in any of the {int(sets.present.sum())} frames of {', '.join(sets.cameras)}, so the cameras cannot be compared. Check a "
            "recording of a person whom several cameras see, or hold a board before them and name its file with --board."
        )
    progress("compare", 0, 1)
    stamped = found.times_s - np.array([[clocks[name]] for name in found.cameras])
    drift = check_drift(rig, found.pixels, found.confidence, stamped, part_of_point=landmark_parts())
    progress("compare", 1, 1)
    return drift


def _with_boards(rig: Rig, recording: Recording, paths: list[Path], workers: int | None, progress: Any) -> Drift:
    from bodydouble.calibration import Board
    from bodydouble.calibration.boards.observations import observe
    from bodydouble.calibration.drift.check import check_drift

    boards = [Board.load(path) for path in paths]
    clocks = {name: camera.time_offset_s for name, camera in rig.cameras.items()}
    found = observe(recording, boards, clock_offset_s=clocks, workers=workers, progress=lambda done, total: progress("boards", done, total))
    progress("compare", 0, 1)
    drift = check_drift(rig, found.pixels, None, found.times_s, targets=found.targets, kind="boards")
    progress("compare", 1, 1)
    return drift


def _write_page(folder: Path, drift: Drift, rig: Rig, source: str) -> Path:
    from bodydouble.atomic import write_atomically
    from bodydouble.calibration.drift.page import drift_page
    from bodydouble.cli.check_summary import advice, sentence

    page = folder / PAGE
    write_atomically(page, drift_page(drift, rig, sentence(drift), advice(drift), source).encode("utf-8", "backslashreplace"))
    return page
