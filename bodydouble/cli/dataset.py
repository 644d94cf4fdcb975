"""``bodydouble dataset``: look at exports, merge them, and take episodes out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from bodydouble.cli.stage_bars import stage_bars

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Show, merge and thin exports that `bodydouble export` made.\n\nExample: bodydouble dataset show dataset",
)


@app.command()
def show(
    dataset: Path = typer.Argument(..., metavar="EXPORT", help="An export.", show_default=False),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """List the episodes of an export: number, file, samples, grade, licence, and how much was observed.

    Example: bodydouble dataset show dataset
    """
    from bodydouble.datasets.exports.building import read_index

    index = read_index(dataset)
    if as_json:
        typer.echo(json.dumps(index, indent=2, ensure_ascii=False))
    else:
        _print(dataset, index)


@app.command()
def merge(
    datasets: list[Path] = typer.Argument(..., metavar="EXPORT...", help="Exports of one format, robot and rate.", show_default=False),
    out: Path = typer.Option(..., "-o", "--out", metavar="OUT", help="Export to make.", show_default=False),
    force: bool = typer.Option(False, "--force", help="Replace the export if it exists."),
) -> None:
    """Make one export of several, without encoding anything again: the same as exporting all their episodes at once.

    Example: bodydouble dataset merge monday tuesday -o week
    """
    from bodydouble.datasets.exports.exporting import merge_exports

    with stage_bars({"merge": "Merging"}) as progress:
        index = merge_exports(datasets, out, force=force, progress=lambda done, total: progress("merge", done, total))
    _print(out, index)


@app.command()
def delete(
    dataset: Path = typer.Argument(..., metavar="EXPORT", help="An export.", show_default=False),
    episodes: list[str] = typer.Argument(
        ..., metavar="EPISODE...", help="Numbers or file names, as `show` lists them.", show_default=False
    ),
) -> None:
    """Take episodes out of an export, for good: their frames are nowhere in it afterwards. Numbers of later ones move up.

    Example: bodydouble dataset delete dataset 3 take_0042.h5
    """
    from bodydouble.datasets.exports.exporting import delete_episodes

    with stage_bars({"delete": "Writing what stays"}) as progress:
        index = delete_episodes(dataset, episodes, progress=lambda done, total: progress("delete", done, total))
    _print(dataset, index)


def _print(path: Path, index: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("file", overflow="fold")
    table.add_column("task", overflow="fold")
    for column in ("samples", "observed", "grade"):
        table.add_column(column, justify="right")
    table.add_column("licence", overflow="fold")
    for number, entry in enumerate(index["episodes"]):
        licence = Text(entry["licence"] or "none") if not entry["unconsented"] else Text(entry["unconsented"], style="yellow")
        table.add_row(
            str(number), entry["file"], entry["task"], str(entry["samples"]), f"{entry['observed_pct']:.1f} %", entry["grade"], licence
        )
    console.print(Text.assemble((str(path), "bold"), f": {index['format']}, robot {index['robot']}, {index['rate_hz']:g} Hz"))
    console.print(table)
