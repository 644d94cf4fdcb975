"""``bodydouble process``: a recording becomes an episode."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bodydouble.cli.person_options import check_stature, chosen_cameras
from bodydouble.cli.stage_bars import stage_bars

if TYPE_CHECKING:
    from bodydouble.datasets import Episode

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

STAGE_TEXTS = {
    "locate": "Locating the worn cameras",
    "detect": "Finding body and hands",
    "fit": "Fitting the person",
    "retarget": "Moving the robot",
    "write": "Writing the episode",
}


@app.command()
def process(
    recording: Path = typer.Argument(
        ..., metavar="REC", help="A recording, or a folder with one video or image folder a camera.", show_default=False
    ),
    out: Path = typer.Option(..., "-o", "--out", metavar="EPISODE", help="Episode file to write (.h5).", show_default=False),
    robot: str = typer.Option("optimus", metavar="NAME|TOML", help="A robot that comes with bodydouble, or a robot's TOML file."),
    rig: str = typer.Option(
        "", metavar="FILE", help="Calibration to use instead of REC/rig.toml; 'none' takes one camera as uncalibrated."
    ),
    cameras: list[str] = typer.Option([], metavar="NAMES", help="Cameras to use, comma-separated; by default all."),
    tag_map: Path | None = typer.Option(
        None,
        "--tag-map",
        metavar="FILE",
        help="Where the room's tags are, for worn cameras, instead of REC/tag_map.toml.",
        show_default=False,
    ),
    start: int | None = typer.Option(None, metavar="FRAME", help="First frame, from 0."),
    stop: int | None = typer.Option(None, metavar="FRAME", help="Frame to stop before."),
    stature: float | None = typer.Option(
        None, metavar="M", help="The person's height in m; estimated from several cameras, else assumed 1.73."
    ),
    workers: int | None = typer.Option(None, metavar="N", min=1, help="Cameras detected at the same time; by default one a core."),
    images: str = typer.Option("jpeg", help="jpeg keeps one image a frame in the episode; h264 makes small videos beside it."),
    force: bool = typer.Option(False, "--force", help="Replace the episode if it exists."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Turn a recording into a training episode: find the person, fit the body and both hands, move the robot, write it all.

    Results are kept by content: a second run takes seconds, a run that was stopped goes on where it was.

    Example: bodydouble process demo/recording -o episode.h5 --cameras cam01,cam02,cam04
    """
    from bodydouble.capture import open_recording
    from bodydouble.datasets.image_writing import IMAGE_ENCODINGS
    from bodydouble.datasets.pipeline import ProcessSettings
    from bodydouble.datasets.pipeline import process as run
    from bodydouble.errors import FileExistsUsageError, UnknownNameError, UsageError

    if images not in IMAGE_ENCODINGS:
        raise UnknownNameError("value", images, "--images", IMAGE_ENCODINGS)
    if out.exists() and not force:
        raise FileExistsUsageError(out)
    if out.is_dir():
        raise UsageError(f"{out} is a folder; the name of an episode file was expected, e.g. -o {out / 'episode.h5'}.")
    check_stature(stature)
    chosen = chosen_cameras(cameras)
    began = time.monotonic()
    settings = ProcessSettings(
        robot=robot, rig=Path(rig) if rig and rig != "none" else None, ignore_rig=rig == "none", cameras=chosen,
        start=start, stop=stop, stature=stature, workers=workers, tag_map=tag_map, images=images,  # type: ignore[arg-type]
    )  # fmt: skip
    with stage_bars(STAGE_TEXTS, shown=not as_json) as progress:
        episode = run(open_recording(recording), out, settings, force=force, progress=progress)
    if as_json:
        typer.echo(json.dumps(summary(episode, out, time.monotonic() - began), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_summary(episode, {"episode": out}, time.monotonic() - began)


def summary(episode: Episode, out: Path, seconds: float) -> dict[str, object]:
    """Return what ``process --json`` prints."""
    return {
        "episode": str(out),
        "frames": episode.frames,
        "grade": episode.grade,
        "quality": {name: gate.as_dict() for name, gate in episode.quality.items()},
        "assumed": episode.assumed,
        **({"head_pose": head_pose} if (head_pose := episode.provenance.get("head_pose")) else {}),
        "seconds": round(seconds, 2),
    }


def print_summary(episode: Episode, outputs: dict[str, Path], seconds: float) -> None:
    """Print the closing table: every quality figure with its threshold and verdict, the grade, what was assumed, and where things are."""
    from rich.console import Console
    from rich.text import Text

    from bodydouble.cli.quality_table import assumed_texts, grade_text, quality_table, remedies

    console = Console(highlight=False)
    console.print(quality_table(episode.quality))
    for line in remedies(episode.quality):
        console.print(line)
    if head_pose := episode.provenance.get("head_pose"):
        console.print(Text(str(head_pose)))
    if episode.assumed:
        console.print(Text(f"Assumed, not measured: {', '.join(assumed_texts(episode.assumed))}"))
    console.print(Text.assemble("Grade ", grade_text(episode.grade)))
    for name, path in outputs.items():
        console.print(Text(f"{name:<10} {path}"), soft_wrap=True)
    console.print(Text(f"{episode.frames} frames in {seconds:.1f} s", style="dim"))
