"""``bodydouble import``: a recording from synchronised videos."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bodydouble.errors import UsageError

if TYPE_CHECKING:
    from bodydouble.capture import Recording

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def import_recording(
    videos: list[Path] = typer.Argument(..., metavar="VIDEO...", help="One video (or folder of images) a camera.", show_default=False),
    out: Path = typer.Option(..., "-o", "--out", metavar="REC", help="Folder of the new recording.", show_default=False),
    crop: list[str] = typer.Option(
        [], "--crop", metavar="NAME=X,Y", help="The video of camera NAME is a part, from pixel X,Y on, of the image it was calibrated with."
    ),
    task: str = typer.Option("", "--task", help="What is being done, in words."),
    rig: Path | None = typer.Option(None, "--rig", help="The cameras' calibration: rig.toml, or Qualisys' .qca.txt.", show_default=False),
    timestamps: Path | None = typer.Option(
        None, "--timestamps", help="Capture times; by default timestamps.csv beside the videos, else the videos' own.", show_default=False
    ),
    force: bool = typer.Option(False, "--force", help="Replace the recording if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Make a recording from synchronised videos: copies them, and notes the true time of every frame.

    A camera is named after its file. Time comes from the videos' own timestamps, never from a nominal rate.

    Example: bodydouble import front.mp4 left.mp4 -o takes/cup --task "lift the cup" --rig rig.toml
    """
    from bodydouble.capture import import_videos

    crops = parse_crops(crop)
    finish = None
    if rig is not None:
        from bodydouble.calibration import check_rig_matches, read_rig

        calibrated = read_rig(rig)

        def finish(recording: Recording) -> None:
            chosen = calibrated.select(recording.cameras)
            check_rig_matches(chosen, recording)
            chosen.save(recording.folder / "rig.toml")

    recording = _with_progress(
        lambda progress: import_videos(
            videos, out, crops=crops, task=task, timestamps=timestamps, force=force, finish=finish, progress=progress
        ),
        shown=not as_json,
    )  # fmt: skip
    described = describe(recording)
    if as_json:
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(described)


def parse_crops(texts: list[str]) -> dict[str, tuple[int, int]]:
    """Read ``NAME=X,Y`` options. Raises: UsageError naming the option that is not one."""
    crops: dict[str, tuple[int, int]] = {}
    for text in texts:
        match = re.fullmatch(r"(.+)=\s*(\d+)\s*,\s*(\d+)\s*", text)
        if match is None:
            raise UsageError(f"--crop {text} is not NAME=X,Y with whole pixels, e.g. --crop cam01=0,0.")
        if match[1] in crops:
            raise UsageError(f"--crop was given twice for camera '{match[1]}'.")
        crops[match[1]] = (int(match[2]), int(match[3]))
    return crops


def describe(recording: Recording) -> dict[str, Any]:
    """Return what ``import --json`` prints; rates are medians over true times, None for a single frame."""
    import numpy as np

    cameras = {}
    for name in recording.cameras:
        times = recording.times(name)
        periods = np.diff(times)
        origin = recording.crop_origin(name)
        cameras[name] = {
            "frames": len(times),
            "first_s": float(times[0]),
            "last_s": float(times[-1]),
            "rate_hz": float(1.0 / np.median(periods)) if len(periods) else None,
            "longest_gap_ms": float(1e3 * periods.max()) if len(periods) else None,
            "image_size_px": list(recording.image_size(name)),
            "crop_origin_px": list(origin) if origin else None,
        }
    sets = recording.frame_sets()
    return {
        "recording": str(recording.folder),
        "task": recording.settings.task,
        "clock": recording.settings.clock,
        "rig": str(recording.rig_path) if recording.rig_path else None,
        "frame_sets": len(sets),
        "complete_frame_sets": int(sets.present.all(axis=0).sum()),
        "skew_p95_ms": float(np.percentile(sets.skew_ms, 95)),
        "cameras": cameras,
    }


def _with_progress(work: Any, *, shown: bool) -> Recording:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        line = bar.add_task("Reading the videos", total=1.0)
        recording: Recording = work(lambda done, total: bar.update(line, completed=done, total=total))
        return recording


def _print(described: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in ("camera", "frames", "from s", "to s", "rate Hz", "longest gap ms", "size px", "crop origin px"):
        table.add_column(title, justify="left" if title == "camera" else "right")
    for name, item in described["cameras"].items():
        table.add_row(
            Text(name), str(item["frames"]), f"{item['first_s']:.3f}", f"{item['last_s']:.3f}", _number(item["rate_hz"]),
            _number(item["longest_gap_ms"]), "x".join(map(str, item["image_size_px"])),
            ",".join(map(str, item["crop_origin_px"])) if item["crop_origin_px"] else "",
        )  # fmt: skip
    console.print(table)
    clock = "the videos' own timestamps" if described["clock"] == "container" else "timestamps.csv"
    console.print(
        f"{described['complete_frame_sets']} of {described['frame_sets']} moments have a frame of every camera; "
        f"skew {described['skew_p95_ms']:.1f} ms (p95). Times are from {clock}."
    )
    if described["rig"] is None and len(described["cameras"]) > 1:
        console.print("No rig: several cameras need one. Put rig.toml into the recording, or give --rig.")
    console.print(Text(f"Wrote {described['recording']}. Next: bodydouble process {shlex.quote(described['recording'])} -o episode.h5"))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
