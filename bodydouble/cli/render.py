"""``bodydouble render``: the preview video of an episode."""

from __future__ import annotations

import json
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def render(
    episode: Path = typer.Argument(..., metavar="EPISODE", help="Episode file.", show_default=False),
    out: Path = typer.Option(Path("preview.mp4"), "-o", "--out", metavar="FILE", help="Video to write, or a .png picture."),
    size: str = typer.Option("", metavar="WxH", help="Size in pixels, e.g. 1280x720; by default as large as the cameras need."),
    view: str = typer.Option("", metavar="CAMERA", help="Camera from whose side the robot is seen, or 'front'."),
    fps: float = typer.Option(30.0, metavar="RATE", help="Show at most this many frames a second."),
    force: bool = typer.Option(False, "--force", help="Replace the video if it exists."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Make a preview video: every camera with the fitted skeleton, beside the robot in the same pose.

    Example: bodydouble render demo/episode.h5 -o preview.mp4
    """
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.datasets import read_episode
    from bodydouble.viewer.preview import render_contact_sheet, render_preview

    wanted = parse_size(size)
    opened = read_episode(episode)
    if out.suffix.lower() == ".png":
        render_contact_sheet(opened, out, size=wanted, view=view or None, force=force)
        typer.echo(json.dumps({"picture": str(out)}) if as_json else f"{out}: three frames of {opened.frames}")
        return
    with stage_bars({"render": "Rendering the preview"}, shown=not as_json) as progress:
        done = render_preview(
            opened,
            out,
            size=wanted,
            view=view or None,
            max_fps=fps,
            force=force,
            progress=lambda now, total: progress("render", now, total),
        )
    if as_json:
        values = {
            "preview": str(done.path),
            "frames": done.frames,
            "size": list(done.size),
            "duration_s": done.duration_s,
            "view": done.view,
        }
        typer.echo(json.dumps(values))
    else:
        typer.echo(
            f"{done.path}: {done.frames} frames, {done.size[0]}x{done.size[1]}, {done.duration_s:.2f} s, robot seen from {done.view}"
        )


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (width, height) from "1280x720", None from "". Raises: UsageError."""
    from bodydouble.errors import UsageError

    if not text:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"--size {text} is not a size; write width and height in pixels, e.g. --size 1280x720.")
    return int(width), int(height)
