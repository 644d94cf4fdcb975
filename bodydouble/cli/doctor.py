"""``bodydouble doctor``: whether this machine has what is needed, and what to do where it has not."""

from __future__ import annotations

import json
from collections import Counter

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Check this machine: versions, system libraries, models, disk, cores, memory. Exits 1 if anything FAILs.

    Example: bodydouble doctor
    """
    from bodydouble.diagnosis import diagnose

    checks = diagnose()
    failed = [c for c in checks if c.verdict == "FAIL"]
    if as_json:
        typer.echo(json.dumps({"verdict": "FAIL" if failed else "PASS", "checks": [check.as_dict() for check in checks]}, indent=2))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from bodydouble.cli.quality_table import verdict_text

        table = Table(header_style="dim", box=None, pad_edge=False)
        for title in ("check", "", "found"):
            table.add_column(title, overflow="fold")
        for check in checks:
            table.add_row(Text(check.name), verdict_text(check.verdict), Text(check.found))
        console = Console(highlight=False)
        console.print(table)
        for check in checks:
            if check.remedy:
                console.print(Text.assemble(verdict_text(check.verdict), f" {check.name}: {check.remedy}"), soft_wrap=True)
        counts = Counter(c.verdict for c in checks)
        console.print(f"\n{len(checks)} checks: {counts['PASS']} PASS, {counts['WARN']} WARN, {counts['FAIL']} FAIL")
    if failed:
        raise typer.Exit(1)
