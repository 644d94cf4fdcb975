"""``bodydouble render``: the preview video of an episode."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def render(
    episode: Path = typer.Argument(..., metavar="EPISODE", help="Episode file.", show_default=False),
    out: Path = typer.Option(Path("preview.mp4"), "-o", "--out", metavar="FILE", help="Video to write (.mp4), or a picture (.png)."),
    size: str = typer.Option("", metavar="WxH", help="Size in pixels, e.g. 1280x720; by default as large as the cameras need."),
    view: str = typer.Option("", metavar="CAMERA", help="Camera from whose side the robot is seen, or 'front'."),
    robot: str = typer.Option("", metavar="NAME|TOML", help="The robot's file, if the episode was made with one of your own."),
    whole_images: bool = typer.Option(False, "--whole", help="Show whole camera images instead of the part around the person."),
    fps: float = typer.Option(30.0, metavar="RATE", help="Show at most this many frames a second."),
    force: bool = typer.Option(False, "--force", help="Replace the video if it exists."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Make a preview video: every camera with the fitted skeleton, beside the robot in the same pose.

    Example: bodydouble render demo/episode.h5 -o preview.mp4
    """
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets import read_episode
    from bodydouble.errors import UsageError
    from bodydouble.viewer.preview import render_contact_sheet, render_preview

    if out.suffix.lower() not in (".mp4", ".png"):
        raise UsageError(f"{out} is neither a video (.mp4) nor a picture (.png); e.g. -o {out.with_suffix('.mp4')}.")

    shown: dict[str, Any] = {"size": parse_size(size), "view": view or None, "robot": robot or None, "whole_images": whole_images}
    opened = read_episode(episode)
    if out.suffix.lower() == ".png":
        render_contact_sheet(opened, out, force=force, **shown)
        typer.echo(json.dumps({"path": str(out)}) if as_json else f"{out}: {min(3, opened.frames)} of {opened.frames} frames")
        return
    with stage_bars({"render": "Rendering the preview"}, shown=not as_json) as progress:
        done = render_preview(
            opened, out, max_fps=fps, force=force, progress=lambda now, total: progress("render", now, total), **shown
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({**asdict(done), "path": str(done.path)}))
    else:
        width, height = done.size
        typer.echo(f"{done.path}: {done.frames} frames, {width}x{height}, {done.duration_s:.2f} s, robot seen from {done.view}")


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (width, height) from "1280x720", None from "". Raises: UsageError."""
    from bodydouble.errors import UsageError

    if not text:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"--size {text} is not a size; write width and height in pixels, e.g. --size 1280x720.")
    return int(width), int(height)
