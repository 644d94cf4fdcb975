"""``bodydouble calibrate``: lenses, rigs, the room's frame, and whether a camera has moved."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.cli import calibration_inputs as inputs
from bodydouble.cli.calibrate_check import check
from bodydouble.cli.calibrate_motion import motion
from bodydouble.cli.calibrate_room import click, room

if TYPE_CHECKING:
    from bodydouble.calibration.rig_calibration import RigCalibration

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Calibrate lenses and rigs, set the room's frame, and check whether a camera has moved.\n\n"
    "Example: bodydouble calibrate rig takes/board --board board.toml -o rig.toml --report report",
)
app.command("room")(room)
app.command("click")(click)
app.command("check")(check)
app.command("motion")(motion)

STAGES = {"detect": "Finding the boards", "lenses": "Lenses", "place": "Putting cameras together", "adjust": "Adjusting everything at once"}
TRAIN_FRAMES = ("even", "odd", "all")
TARGETS = ("auto", "moving", "still")
CLOCKS = ("found", "stamped")

_BOARD = typer.Option(..., "--board", metavar="TOML", help="The board's file; give it once for each board.", show_default=False)
_LENS = typer.Option("auto", "--lens", help="pinhole, pinhole8, fisheye, or auto: the simplest that explains the images.")
_PURPOSE = typer.Option("hands", "--purpose", help="What the calibration must be good enough for: hands or body.")
_WORKERS = typer.Option(None, "--workers", metavar="N", min=1, help="Processes that look for boards; by default one a core.")


@app.command()
def intrinsics(
    path: Path = typer.Argument(..., metavar="PATH", help="A video, or a folder of images of one camera.", show_default=False),
    board: list[Path] = _BOARD,
    out: Path = typer.Option(
        ..., "-o", "--out", metavar="TOML", help="The camera's file to write (a rig.toml of one camera).", show_default=False
    ),
    lens: str = _LENS,
    purpose: str = _PURPOSE,
    workers: int | None = _WORKERS,
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Find a camera's lens from images or a video of a board: views that differ are chosen, foreign ones are named and left out.

    Example: bodydouble calibrate intrinsics front.mp4 --board board.toml -o front.toml
    """
    from bodydouble.calibration.intrinsics import find_lens
    from bodydouble.calibration.observations import views_of
    from bodydouble.calibration.report.checks import checks_of
    from bodydouble.calibration.report.summary import summarize
    from bodydouble.calibration.report.thresholds import thresholds
    from bodydouble.calibration.view_selection import lens_views
    from bodydouble.cli.lens_summary import describe_lens, lens_rig, print_lens, view_names
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.errors import DataError

    inputs.check_inputs_stay([out], [path, *board])
    inputs.check_outputs(force, out)
    inputs.check_lens(lens)
    thresholds(purpose)
    boards = inputs.boards_of(board)
    with stage_bars(STAGES, shown=not as_json) as progress:
        recording = inputs.one_camera(path)
        observations = inputs.observe_in(recording, boards, None, workers=workers, progress=partial(progress, "detect"))
        views, size = lens_views(observations, views_of(observations), 0), observations.image_size[0]
        progress("lenses", 0, 1)
        try:
            found = find_lens(views, size, lens)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        progress("lenses", 1, 1)
    camera = recording.cameras[0]
    checks = checks_of(summarize(found, camera=camera), purpose)
    lens_rig(camera, found).save(out)
    names = view_names(recording, observations.frame_index[0, views.moment].tolist())
    described = describe_lens(found, camera, names, observations, checks, out)
    if as_json:
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_lens(described)


@app.command()
def rig(
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    board: list[Path] = _BOARD,
    out: Path = typer.Option(..., "-o", "--out", metavar="TOML", help="The rig.toml to write.", show_default=False),
    report: Path | None = typer.Option(
        None, "--report", metavar="DIR", help="Folder for calibration_report.html and .json.", show_default=False
    ),
    start: str = typer.Option(
        "",
        "--start",
        metavar="RIG",
        help="Which camera sits on which body, and where from to start: a rig's file, or a preset such as optimus-helmet5.",
    ),
    fix_intrinsics: Path | None = typer.Option(
        None, "--fix-intrinsics", metavar="RIG", help="Keep the lenses of this rig.", show_default=False
    ),
    train_frames: str = typer.Option("even", "--train-frames", help="Frames to solve with: even, odd or all; the rest is scored."),
    targets: str = typer.Option(
        "auto", "--targets", help="Whether boards are moving or still in the room; auto: moving if all cameras are in the room."
    ),
    clocks: str = typer.Option(
        "found", "--clocks", help="found: find each camera's clock offset; stamped: believe the timestamps (one trigger for all)."
    ),
    lens: str = _LENS,
    cameras: list[str] = typer.Option([], "--cameras", metavar="NAMES", help="Cameras to use, comma-separated; by default all."),
    tag_map: Path | None = typer.Option(
        None, "--tag-map", metavar="TOML", help="Write where still boards and tags are in the room.", show_default=False
    ),
    purpose: str = _PURPOSE,
    strict: bool = typer.Option(False, "--strict", help="Exit 1 when the verdict is FAIL, for unattended runs."),
    workers: int | None = _WORKERS,
    force: bool = typer.Option(False, "--force", help="Replace the outputs if they are there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Calibrate a rig: cameras that stand still with a board moved before them, or a worn rig that moves past boards and tags in the room.

    Lenses, mounts, clock offsets, the tags' places and all motion are solved at once. Half of the frames are held out and scored in millimetres.
    The rig is written whatever the report's verdict, PASS, WARN or FAIL.

    Example: bodydouble calibrate rig takes/board --board board.toml -o rig.toml --report report
    """
    from bodydouble.calibration import read_rig
    from bodydouble.calibration.connections import check_all_saw
    from bodydouble.calibration.localization.tag_map import TagMap
    from bodydouble.calibration.report.thresholds import thresholds
    from bodydouble.calibration.report.write import write_report
    from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
    from bodydouble.capture import open_recording
    from bodydouble.cli.known_size import scale_warnings
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets.pipeline import cameras_from

    began = time.monotonic()
    inputs.check_inputs_stay([out, tag_map], board)
    inputs.check_outputs(force, out, tag_map)
    inputs.check_report(report, force)
    inputs.check_lens(lens)
    inputs.check_choice("--train-frames", train_frames, TRAIN_FRAMES)
    inputs.check_choice("--targets", targets, TARGETS)
    inputs.check_choice("--clocks", clocks, CLOCKS)
    thresholds(purpose)
    boards = inputs.boards_of(board)
    started, fixed = inputs.start_of(start), read_rig(fix_intrinsics) if fix_intrinsics is not None else None
    with stage_bars(STAGES, shown=not as_json) as progress:
        opened = open_recording(recording, stills=True)
        names = cameras_from(cameras)
        opened = opened.select(names) if names else opened
        started, fixed = inputs.fitting(started, opened), inputs.fitting(fixed, opened)
        move = {"moving": True, "still": False}.get(targets)
        inputs.check_tag_map(tag_map, started, move)
        observations = inputs.observe_in(opened, boards, fixed or started, workers=workers, progress=partial(progress, "detect"))
        check_all_saw(observations)
        detected = time.monotonic() - began
        settings = RigSettings(lens, started, fixed, move, train_frames, clocks == "found")  # type: ignore[arg-type]
        result = replace(calibrate_rig(observations, settings, progress=progress), detect_seconds=detected)
    result.rig.save(out)
    warnings = scale_warnings(result.rig, {start: started, str(fix_intrinsics): fixed}, boards)
    if report is not None:
        chosen = {
            "Recording": recording.name or str(recording),
            "Boards": ", ".join(path.name for path in board),
            "Frames solved with": train_frames,
            "Clocks": clocks,
        }
        verdict: str = write_report(result, report, purpose=purpose, settings=chosen, source=recording.resolve().name)
    else:
        verdict = _verdict(result, purpose)
    if tag_map is not None:
        TagMap.from_calibration(result, boards).save(tag_map)
    if as_json:
        described = {**_described(result, purpose, out, report), "warnings": warnings}
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print_rig(result, purpose, out, report, warnings)
    if strict and verdict == "FAIL":
        raise typer.Exit(1)


@app.command()
def convert(
    source: Path = typer.Argument(..., metavar="IN", help="A calibration in any format that is read.", show_default=False),
    target: Path = typer.Argument(..., metavar="OUT", help="The file to write.", show_default=False),
    to: str = typer.Option(..., "--to", metavar="FORMAT", help="rig, aniposelib, opencv or kalibr.", show_default=False),
    unit: str | None = typer.Option(
        None, "--unit", help="Unit of IN's lengths (m, cm, mm) where the format does not say.", show_default=False
    ),
    target_unit: str = typer.Option("m", "--target-unit", help="Unit of OUT's lengths where the format leaves it open."),
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
) -> None:
    """Convert a calibration between file formats.

    Reads rig.toml and files of Kalibr, OpenCV, aniposelib, Qualisys, Caliscope and Aria. Kalibr's file holds a pinhole lens only where k3 is 0,
    which calibrate rig does not find: for Kalibr calibrate with --lens fisheye.

    Example: bodydouble calibrate convert camchain.yaml rig.toml --to rig

    Example: bodydouble calibrate convert rig.toml cameras.yaml --to opencv
    """
    from bodydouble.calibration import convert_rig

    convert_rig(source, target, to, unit=unit, target_unit=target_unit, force=force)  # type: ignore[arg-type]
    typer.echo(f"Wrote {target}")


def _verdict(result: RigCalibration, purpose: str) -> str:
    from bodydouble.calibration.report.checks import calibration_checks, worst

    return worst(calibration_checks(result, purpose))


def _described(result: RigCalibration, purpose: str, out: Path, report: Path | None) -> dict[str, Any]:
    from bodydouble.calibration.report.checks import checks_of, worst
    from bodydouble.calibration.report.json import report_json
    from bodydouble.calibration.report.summary import summarize

    summary = summarize(result)
    checks = checks_of(summary, purpose)
    content: dict[str, Any] = json.loads(report_json(summary, checks, worst(checks), purpose))
    return {**content, "rig": str(out), "report": str(report) if report else None}


def _print_rig(result: RigCalibration, purpose: str, out: Path, report: Path | None, warnings: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    from bodydouble.calibration.report.checks import checks_of
    from bodydouble.calibration.report.summary import summarize
    from bodydouble.cli.calibration_table import print_calibration
    from bodydouble.cli.quality_table import STYLES

    summary = summarize(result)
    console = Console(highlight=False)
    print_calibration(console, summary, checks_of(summary, purpose), purpose, out, report)
    for warning in warnings:
        console.print(Text.assemble(("WARN", STYLES["WARN"]), f" {warning}"))
