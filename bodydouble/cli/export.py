"""``bodydouble export``: episodes in the formats that trainers open."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from bodydouble.datasets.exports.export_plan import ExportPlan
    from bodydouble.datasets.exports.export_settings import ExportSettings, QualityFilter

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

FORMATS = "lerobot, gr00t, robomimic, aloha, egodex, motion, rerun or bvh"


@app.command()
def export(
    format_name: str = typer.Argument(..., metavar="FORMAT", help=f"One of {FORMATS}.", show_default=False),
    episodes: list[Path] = typer.Argument(..., metavar="EPISODE...", help="Episode files.", show_default=False),
    out: Path = typer.Option(..., "-o", "--out", metavar="OUT", help="Folder to make; for robomimic a file (.hdf5).", show_default=False),
    rate_hz: float | None = typer.Option(
        None, "--rate-hz", metavar="R", help="Frames a second; by default the format's own, else the episodes'.", show_default=False
    ),
    cameras: str | None = typer.Option(
        None, metavar="NAMES", help="Cameras, comma-separated; 'none' for no images; by default all.", show_default=False
    ),
    image_size: str | None = typer.Option(None, "--image-size", metavar="WxH", help="Of the images, in px; as stored by default."),
    joints: str = typer.Option("", metavar="NAMES", help="Joints or groups of the robot, comma-separated; all by default."),
    state: str = typer.Option("positions", help="positions, positions+velocities or end-effector."),
    action: str = typer.Option("absolute", help="absolute (the next positions), delta (their change) or end-effector (the next palms)."),
    frame: str = typer.Option("base", help="What end effectors are relative to: base, head or world."),
    codec: str = typer.Option("h264", help="Of videos: h264 or av1."),
    min_grade: str = typer.Option("D", "--min-grade", help="Worst grade to take: A, B, C or D."),
    filters: list[str] = typer.Option(
        [], "--where", metavar="FIGURE<=VALUE", help="Keep episodes whose quality figure is within a limit; may be repeated."
    ),
    allow_unconsented: bool = typer.Option(
        False, "--allow-unconsented", help="Take episodes without consent or licence too; that is recorded in the export."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be exported and what not, and write nothing."),
    force: bool = typer.Option(False, "--force", help="Replace the export if it exists."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Export episodes for training or viewing: resampled from true time, with masks that say which numbers were observed.

    Episodes without consent to training, or without a licence, are left out. Exits 1 when nothing is left.

    Example: bodydouble export lerobot episodes/*.h5 -o dataset --cameras front --image-size 320x240
    """
    from bodydouble.datasets.exports.export_plan import plan_export
    from bodydouble.datasets.exports.exporting import check_settings
    from bodydouble.datasets.exports.exporting import export as run
    from bodydouble.datasets.exports.formats import export_format

    chosen = export_format(format_name)
    settings = _settings(rate_hz, cameras, image_size, joints, state, action, frame, codec, min_grade, filters, allow_unconsented)
    check_settings(chosen, settings)
    plan = plan_export(format_name, episodes, settings, own_rate_hz=chosen.own_rate_hz, images=chosen.images)
    if dry_run:
        _tell(plan, None, as_json)
        return
    if not as_json:
        _print_left_out(plan)
    with stage_bars({"export": f"Exporting to {format_name}"}, shown=not as_json) as progress:
        index = run(plan, out, force=force, progress=lambda done, total: progress("export", done, total))
    _tell(plan, (out, sum(entry["samples"] for entry in index["episodes"])), as_json)


def _settings(
    rate_hz: float | None, cameras: str | None, image_size: str | None, joints: str, state: str, action: str, frame: str, codec: str,
    min_grade: str, filters: list[str], allow_unconsented: bool,
) -> ExportSettings:  # fmt: skip
    from bodydouble.datasets.exports.export_settings import ACTION_KINDS, CODECS, FRAMES, STATE_KINDS, ExportSettings
    from bodydouble.datasets.quality import GRADES
    from bodydouble.errors import UnknownNameError, UsageError

    named = {"state": (state, STATE_KINDS), "action": (action, ACTION_KINDS), "frame": (frame, FRAMES), "codec": (codec, CODECS)}
    for name, (value, valid) in (named | {"min-grade": (min_grade, tuple(GRADES))}).items():
        if value not in valid:
            raise UnknownNameError("value", value, f"--{name}", valid)
    if rate_hz is not None and not 0.1 <= rate_hz <= 1000:
        raise UsageError(f"--rate-hz {rate_hz:g} is out of range; expected 0.1 to 1000 frames a second.")
    size = None
    if image_size is not None:
        match = re.fullmatch(r"(\d+)x(\d+)", image_size)
        if not match or not all(2 <= int(side) <= 8192 and int(side) % 2 == 0 for side in match.groups()):
            raise UsageError(f"--image-size {image_size} is no size; expected WIDTHxHEIGHT in px, both even, e.g. 320x240.")
        size = (int(match[1]), int(match[2]))
    chosen = None if cameras is None else () if cameras == "none" else _names(cameras)
    return ExportSettings(
        rate_hz, chosen, size, _names(joints), state, action, frame, min_grade, tuple(_filter(text) for text in filters),  # type: ignore[arg-type]
        allow_unconsented, codec,  # type: ignore[arg-type]
    )  # fmt: skip


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _filter(text: str) -> QualityFilter:
    from bodydouble.datasets.exports.export_settings import QualityFilter
    from bodydouble.datasets.quality import figure_limits
    from bodydouble.errors import UnknownNameError, UsageError

    match = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*([-+.\deE]+)\s*", text)
    try:
        limit = float(match[3]) if match else float("nan")
    except ValueError:
        limit = float("nan")
    if match is None or limit != limit:
        raise UsageError(
            f"--where '{text}' is no condition; expected FIGURE<=VALUE or FIGURE>=VALUE, e.g. --where 'hand_observed_pct>=70'."
        )
    if match[1] not in figure_limits():
        raise UnknownNameError("figure", match[1], "the quality figures", figure_limits())
    return QualityFilter(match[1], match[2] == "<=", limit)


def _tell(plan: ExportPlan, written: tuple[Path, int] | None, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary(plan, written), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(plan, written)


def summary(plan: ExportPlan, written: tuple[Path, int] | None) -> dict[str, Any]:
    """Return what ``export --json`` prints; ``written`` is where and how many samples, None for a dry run."""
    grades = sorted({header.grade for header in plan.kept})
    return {
        "format": plan.format,
        "dry_run": written is None,
        "out": str(written[0]) if written else None,
        "episodes": len(plan.kept),
        "frames": plan.frames,
        "samples": written[1] if written else None,
        "rate_hz": plan.rate_hz if plan.kept else None,
        "robot": plan.robot or None,
        "joints": len(plan.joint_names),
        "cameras": {name: list(size) for name, size in plan.cameras.items()},
        "grades": {grade: sum(header.grade == grade for header in plan.kept) for grade in grades},
        "unconsented": dict(plan.unconsented),
        "left_out": dict(plan.left_out),
    }


def _print_left_out(plan: ExportPlan) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, stderr=True)
    for path, reason in plan.left_out.items():
        console.print(Text(f"Left out {path}: {reason}", style="yellow"))


def _print(plan: ExportPlan, written: tuple[Path, int] | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if written is None:
        table = Table(box=None, pad_edge=False, header_style="dim", title="Dry run: nothing was written", title_justify="left")
        for column in ("episode", "frames", "grade", ""):
            table.add_column(column, overflow="fold")
        for header in plan.kept:
            table.add_row(str(header.path), str(header.frames), header.grade, Text("kept", style="green"))
        for path, reason in plan.left_out.items():
            table.add_row(path, "", "", Text(f"left out: {reason}", style="yellow"))
        console.print(table)
    if plan.kept:
        cameras = ", ".join(f"{name} {width}x{height}" for name, (width, height) in plan.cameras.items()) or "no images"
        console.print(
            f"{len(plan.kept)} of {len(plan.kept) + len(plan.left_out)} episodes, {plan.frames} stored frames, robot {plan.robot}, "
            f"{len(plan.joint_names)} joints, {plan.rate_hz:g} Hz, {cameras}"
        )
    grades = ", ".join(f"{header.path.name} {header.grade}" for header in plan.kept if header.grade in "CD")
    if grades:
        console.print(Text(f"Grade C or D: {grades}. `--min-grade B` leaves them out.", style="yellow"))
    if plan.unconsented:
        console.print(Text(f"{len(plan.unconsented)} without consent or licence: that is recorded in the export.", style="yellow"))
    if written is not None:
        console.print(Text(f"{plan.format:<10} {written[0]}  ({written[1]} samples, verified by reading it again)"), soft_wrap=True)
