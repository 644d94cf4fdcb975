"""``bodydouble validate``: check episode files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bodydouble.check import Check

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def validate(
    files: list[Path] = typer.Argument(..., metavar="FILE...", help="Episode files.", show_default=False),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Check episodes against the schema and its rules. Exits 0 when all are valid, 1 when one is not, 2 when a file does not exist.

    Example: bodydouble validate demo/episode.h5
    """
    from bodydouble.errors import UsageError

    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UsageError(f"{', '.join(missing)}: no such file; episode files (.h5) were expected.")
    results = dict(zip(files, _checks(files), strict=True))
    valid = {path: all(check.verdict != "FAIL" for check in checks) for path, checks in results.items()}
    if as_json:
        episodes = [{"file": str(path), "valid": valid[path], "checks": [c.as_dict() for c in checks]} for path, checks in results.items()]
        typer.echo(json.dumps({"valid": all(valid.values()), "episodes": episodes}, indent=2))
    else:
        _print(results, valid)
    if not all(valid.values()):
        raise typer.Exit(1)


def _checks(files: list[Path]) -> Iterator[list[Check]]:
    """Check each file in another process: HDF5 can crash on one that is badly damaged, and the others are to be checked all the same."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    from bodydouble.check import Check
    from bodydouble.datasets import validate_episode

    remaining = list(files)
    while remaining:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            while remaining:
                path = remaining.pop(0)
                try:
                    yield pool.submit(validate_episode, path).result()
                except BrokenProcessPool:
                    yield [
                        Check(
                            "file",
                            "FAIL",
                            "reading it crashes HDF5: it is damaged",
                            "Copy it again, or make it again with `bodydouble process`.",
                        )
                    ]
                    break


def _print(results: dict[Path, list], valid: dict[Path, bool]) -> None:  # type: ignore[type-arg]
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bodydouble.cli.quality_table import verdict_text

    console = Console(highlight=False)
    for path, checks in results.items():
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in checks:
            remedy = f"\n{check.remedy}" if check.remedy else ""
            table.add_row(verdict_text(check.verdict), check.name, Text.assemble(check.found, (remedy, "dim")))
        console.print(Text.assemble((str(path), "bold"), ": ", ("valid", "green") if valid[path] else ("not valid", "bold red")))
        console.print(table)
