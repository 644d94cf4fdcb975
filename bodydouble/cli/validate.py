"""``bodydouble validate``: check episode files."""

from __future__ import annotations

import json
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def validate(
    files: list[Path] = typer.Argument(..., metavar="FILE...", help="Episode files.", show_default=False),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Check episodes against the schema and its rules. Exits 0 when all are valid, 1 when one is not, 2 when a file does not exist.

    Example: bodydouble validate demo/episode.h5
    """
    from bodydouble.datasets import validate_episode
    from bodydouble.errors import UsageError

    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UsageError(f"{', '.join(missing)}: no such file; episode files (.h5) were expected.")
    results = {path: validate_episode(path) for path in files}
    valid = {path: all(check.verdict != "FAIL" for check in checks) for path, checks in results.items()}
    if as_json:
        episodes = [{"file": str(path), "valid": valid[path], "checks": [c.as_dict() for c in checks]} for path, checks in results.items()]
        typer.echo(json.dumps({"valid": all(valid.values()), "episodes": episodes}, indent=2))
    else:
        _print(results, valid)
    if not all(valid.values()):
        raise typer.Exit(1)


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
