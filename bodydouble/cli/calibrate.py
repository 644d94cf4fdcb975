"""``bodydouble calibrate``: lenses, rigs, the room's frame, and whether a camera has moved."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.cli.calibrate_check import check
from bodydouble.cli.calibrate_motion import motion
from bodydouble.cli.calibrate_room import click, room

if TYPE_CHECKING:
    from bodydouble.calibration.board import Board
    from bodydouble.calibration.intrinsics import IntrinsicsCalibration
    from bodydouble.calibration.observations import Observations
    from bodydouble.calibration.rig import Rig
    from bodydouble.calibration.rig_calibration import RigCalibration
    from bodydouble.capture import Recording

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

_BOARD = typer.Option(..., "--board", metavar="TOML", help="The board's file; give it once for each board.", show_default=False)
_LENS = typer.Option("auto", "--lens", help="pinhole, pinhole8, fisheye, or auto: the simplest that explains the images.")
_WORKERS = typer.Option(None, "--workers", metavar="N", min=1, help="Processes that look for boards; by default one a core.")


@app.command()
def intrinsics(
    path: Path = typer.Argument(..., metavar="PATH", help="A video, or a folder of images of one camera.", show_default=False),
    board: list[Path] = _BOARD,
    out: Path = typer.Option(
        ..., "-o", "--out", metavar="TOML", help="The camera's file to write (a rig.toml of one camera).", show_default=False
    ),
    lens: str = _LENS,
    workers: int | None = _WORKERS,
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Find a camera's lens from images or a video of a board: views that differ are chosen, foreign ones are named and left out.

    Example: bodydouble calibrate intrinsics front.mp4 --board board.toml -o front.toml
    """
    from bodydouble.calibration.intrinsics import calibrate_lens, find_lens
    from bodydouble.calibration.observations import views_of
    from bodydouble.calibration.rig_solve import LENS_VIEWS
    from bodydouble.calibration.view_selection import sharpness, spread_views
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.errors import DataError

    _check_new(out, force)
    _check_lens(lens)
    boards = _boards(board)
    with stage_bars(STAGES, shown=not as_json) as progress:
        recording = _one_camera(path)
        observations = _observe(recording, boards, workers, progress)
        views = views_of(observations)
        chosen = spread_views(views, observations.image_size[0], LENS_VIEWS, sharpness(observations, 0, views.moment))
        progress("lenses", 0, 1)
        try:
            size = observations.image_size[0]
            found = find_lens(views.select(chosen), size) if lens == "auto" else calibrate_lens(views.select(chosen), size, lens)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        progress("lenses", 1, 1)
    camera = recording.cameras[0]
    _lens_rig(camera, found).save(out)
    described = _describe_lens(recording, found, [int(views.moment[v]) for v in chosen], observations, out)
    if as_json:
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print_lens(described)


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
    lens: str = _LENS,
    cameras: list[str] = typer.Option([], "--cameras", metavar="NAMES", help="Cameras to use, comma-separated; by default all."),
    tag_map: Path | None = typer.Option(
        None, "--tag-map", metavar="TOML", help="Write where still boards and tags are in the room.", show_default=False
    ),
    purpose: str = typer.Option("hands", "--purpose", help="What the calibration must be good enough for: hands or body."),
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
    from bodydouble.calibration.report import write_report
    from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
    from bodydouble.calibration.thresholds import thresholds
    from bodydouble.capture import open_recording
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets.pipeline import cameras_from

    began = time.monotonic()
    _check_new(out, force)
    if tag_map is not None:
        _check_new(tag_map, force)
    _check_lens(lens)
    _check_choice("--train-frames", train_frames, TRAIN_FRAMES)
    _check_choice("--targets", targets, TARGETS)
    thresholds(purpose)
    boards = _boards(board)
    started, fixed = _start(start), _rig(fix_intrinsics) if fix_intrinsics is not None else None
    with stage_bars(STAGES, shown=not as_json) as progress:
        opened = open_recording(recording, stills=True)
        names = cameras_from(cameras)
        opened = opened.select(names) if names else opened
        observations = _observe(opened, boards, workers, progress)
        detected = time.monotonic() - began
        settings = RigSettings(
            lens=lens, start=started.select(opened.cameras) if started else None, fixed_intrinsics=_matching(fixed, opened) if fixed else None,
            targets_move=None if targets == "auto" else targets == "moving", train=train_frames,  # type: ignore[arg-type]
        )  # fmt: skip
        result = calibrate_rig(observations, settings, progress=progress)
    from dataclasses import replace

    result = replace(result, detect_seconds=detected)
    result.rig.save(out)
    if tag_map is not None:
        from bodydouble.calibration.tag_map import TagMap

        TagMap.from_calibration(result, boards).save(tag_map)
    if report is not None:
        chosen = {
            "Recording": recording.name or str(recording),
            "Boards": ", ".join(path.name for path in board),
            "Frames solved with": train_frames,
        }
        verdict: str = write_report(result, report, purpose=purpose, settings=chosen, source=recording.resolve().name)
    else:
        verdict = _verdict(result, purpose)
    if as_json:
        typer.echo(json.dumps(_described(result, purpose, out, report), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print_rig(result, purpose, out, report)
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

    Example: bodydouble calibrate convert camchain.yaml rig.toml --to rig
    """
    from bodydouble.calibration import convert_rig

    convert_rig(source, target, to, unit=unit, target_unit=target_unit, force=force)  # type: ignore[arg-type]
    typer.echo(f"Wrote {target}")


def _boards(paths: list[Path]) -> list[Board]:
    from bodydouble.calibration import Board

    return [Board.load(path) for path in paths]


def _observe(recording: Recording, boards: list[Board], workers: int | None, progress: Any) -> Observations:
    from bodydouble.calibration.board_observations import observe

    return observe(recording, boards, workers=workers, progress=lambda done, total: progress("detect", done, total))


def _one_camera(path: Path) -> Recording:
    from bodydouble.capture import open_recording
    from bodydouble.errors import UsageError

    recording = open_recording(path, stills=True)
    if len(recording.cameras) != 1:
        raise UsageError(
            f"{path} holds {len(recording.cameras)} cameras ({', '.join(recording.cameras)}); `calibrate intrinsics` takes the images or the video "
            f"of one, e.g. {recording.video_path(recording.cameras[0]).resolve()}. `calibrate rig` takes all."
        )
    return recording


def _check_new(path: Path, force: bool) -> None:
    from bodydouble.atomic import check_can_be_written
    from bodydouble.errors import FileExistsUsageError, UsageError

    if path.is_dir():
        raise UsageError(f"{path} is a folder; the name of a file was expected, e.g. {path / 'rig.toml'}.")
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    check_can_be_written(path)


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    from bodydouble.errors import UnknownNameError

    if value not in choices:
        raise UnknownNameError("value", value, option, choices)


def _check_lens(lens: str) -> None:
    from bodydouble.calibration.focal_search import LENSES

    _check_choice("--lens", lens, ("auto", *LENSES))


def _rig(path: Path) -> Rig:
    from bodydouble.calibration import read_rig

    return read_rig(path)


def _start(text: str) -> Rig | None:
    from bodydouble.calibration.presets import PRESETS, preset_rig

    if not text:
        return None
    return preset_rig(text) if text in PRESETS or not Path(text).exists() else _rig(Path(text))


def _matching(fixed: Rig, recording: Recording) -> Rig:
    from bodydouble.calibration.matching import check_image_size

    chosen = fixed.select(recording.cameras)
    for name in recording.cameras:
        check_image_size(name, chosen.camera(name).model.image_size, recording.image_size(name), recording.crop_origin(name))
    return chosen


def _verdict(result: RigCalibration, purpose: str) -> str:
    from bodydouble.calibration.calibration_checks import calibration_checks, worst

    return worst(calibration_checks(result, purpose))


def _described(result: RigCalibration, purpose: str, out: Path, report: Path | None) -> dict[str, Any]:
    from bodydouble.calibration.calibration_checks import checks_of, worst
    from bodydouble.calibration.report_json import report_json
    from bodydouble.calibration.report_summary import summarize

    summary = summarize(result)
    checks = checks_of(summary, purpose)
    content: dict[str, Any] = json.loads(report_json(summary, checks, worst(checks), purpose))
    return {**content, "rig": str(out), "report": str(report) if report else None}


def _print_rig(result: RigCalibration, purpose: str, out: Path, report: Path | None) -> None:
    from rich.console import Console

    from bodydouble.calibration.calibration_checks import checks_of
    from bodydouble.calibration.report_summary import summarize
    from bodydouble.cli.calibration_table import print_calibration

    summary = summarize(result)
    print_calibration(Console(highlight=False), summary, checks_of(summary, purpose), purpose, out, report)


def _lens_rig(camera: str, found: IntrinsicsCalibration) -> Rig:
    import numpy as np

    from bodydouble.calibration import MountedCamera, Rig, Sigma

    sigma = Sigma(
        focal_px=float(np.sqrt(np.mean(np.square(found.sigma[:2])))), center_px=float(np.sqrt(np.mean(np.square(found.sigma[2:4]))))
    )
    return Rig(camera, ("camera",), {camera: MountedCamera(camera, found.model, "camera", np.eye(4), sigma)})


def _describe_lens(
    recording: Recording, found: IntrinsicsCalibration, moments: list[int], observations: Observations, out: Path
) -> dict[str, Any]:
    from bodydouble.calibration.models import name_of
    from bodydouble.capture.image_folder import list_images

    camera = recording.cameras[0]
    source = recording.video_path(camera)
    images = list_images(source) if source.is_dir() else None

    def name(frame: int) -> str:
        return images[frame].name if images else f"frame {frame}"

    names = ("fx", "fy", "cx", "cy", *(f"distortion_{i + 1}" for i in range(len(found.model.distortion))))
    frames = [int(observations.frame_index[0, m]) for m in moments]
    return {
        "camera": camera,
        "file": str(out),
        "lens": found.lens,
        "model": name_of(found.model),
        "image_size_px": list(found.model.image_size),
        "focal_px": list(found.model.focal),
        "center_px": list(found.model.center),
        "distortion": list(found.model.distortion),
        "sigma": dict(zip(names, map(float, found.sigma), strict=True)),
        "rms_px": found.rms_px,
        "noise_px": found.sigma_px,
        "views": [name(frame) for v, frame in enumerate(frames) if v not in found.rejected],
        "rejected": {name(frames[v]): why for v, why in found.rejected.items()},
        "frames": observations.moments,
        "frames_with_board": int(observations.seen.any(axis=-1).sum()),
    }


def _print_lens(described: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    (fx, fy), (cx, cy), sigma = described["focal_px"], described["center_px"], described["sigma"]
    console.print(Text(
        f"{described['camera']}: {described['lens']}, focal length {fx:.1f} ± {sigma['fx']:.1f}, {fy:.1f} ± {sigma['fy']:.1f} px, "
        f"centre {cx:.1f} ± {sigma['cx']:.1f}, {cy:.1f} ± {sigma['cy']:.1f} px"
    ))  # fmt: skip
    console.print(Text(
        f"{len(described['views'])} views of {described['frames_with_board']} that show the board; {described['rms_px']:.3f} px rms"
    ))  # fmt: skip
    for name, why in described["rejected"].items():
        console.print(Text.assemble(("left out ", "yellow"), f"{name}: {why}"))
    console.print(Text(f"Wrote {described['file']}"), soft_wrap=True)
