"""``bodydouble assets``: list, fetch or add models, sample recordings and robot descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bodydouble.asset_catalogue import Asset
    from bodydouble.progress import Progress

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, fetch or add the models and sample recordings.\n\nExample: bodydouble assets list",
)

_STYLES = {"ready": "green", "added": "green", "missing": "yellow", "damaged": "bold red"}


@app.command("list")
def list_assets(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON list a program can read."),
) -> None:
    """List every model, sample and robot description: ready, added by hand, missing or damaged.

    Example: bodydouble assets list
    """
    from bodydouble.assets import listing

    statuses = listing()
    if as_json:
        rows = [
            {
                "name": s.name,
                "kind": s.kind,
                "state": s.state,
                "summary": s.summary,
                "source": s.source,
                "license": s.license,
                "path": str(s.path),
                "size_bytes": s.size_bytes,
            }
            for s in statuses
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in ("asset", "state", "MB", "what"):
        table.add_column(title, justify="right" if title == "MB" else "left", overflow="fold")
    for s in statuses:
        size = "" if s.size_bytes is None else f"{s.size_bytes / 1e6:.1f}"
        table.add_row(Text(s.name), Text(s.state, style=_STYLES[s.state]), size, Text(s.summary))
    console = Console(highlight=False)
    console.print(table)
    if any(s.state in ("missing", "damaged") and s.kind != "robot" for s in statuses):
        console.print("\nFetch what is missing with: bodydouble assets fetch")


@app.command()
def fetch(
    names: list[str] = typer.Argument(
        None, metavar="[NAME]...", help="Assets to fetch; all models and samples if none is named.", show_default=False
    ),
) -> None:
    """Fetch what is not there yet; a fetch that was stopped goes on. Robots are fetched when they are named, or used.

    Example: bodydouble assets fetch pose_landmarker_full.task
    """
    from bodydouble import assets
    from bodydouble.asset_catalogue import catalogue

    for name in names or [asset.name for asset in catalogue().values() if asset.kind != "robot"]:
        if assets.is_ready(name) or name not in catalogue():
            path = assets.path_of(name)
        else:
            with download_bar(catalogue()[name]) as progress:
                path = assets.path_of(name, progress)
        typer.echo(f"{name}: {path}")


@app.command()
def add(
    file: Path = typer.Argument(
        ..., metavar="FILE", help="A MediaPipe .task bundle, or a wheel (.whl) brought by hand.", show_default=False
    ),
) -> None:
    """Add a file by hand: a .task model of your own, or a wheel that could not be downloaded here.

    Example: bodydouble assets add pose_landmarker_heavy.task
    """
    from bodydouble import assets

    for name in assets.add(file):
        typer.echo(f"{name}: {assets.path_of(name)}")


@contextmanager
def download_bar(asset: Asset) -> Iterator[Progress]:
    """Yield what to call with the bytes so far and in all while an asset is downloaded."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:  # a bar in a log would be a blank line
        console.print(f"downloading {asset.wheel.requirement} ({asset.wheel.size_bytes / 1e6:.0f} MB)")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(f"downloading {asset.wheel.requirement}", total=asset.wheel.size_bytes)
        yield lambda done, total: bars.update(task, completed=done, total=total)
