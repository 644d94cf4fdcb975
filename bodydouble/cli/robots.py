"""``bodydouble robots``: list robots, check a robot's file, or draft one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bodydouble.check import Check

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List robots, check a robot's file, or draft one from its URDF or MJCF.\n\nExample: bodydouble robots list",
)


@app.command("list")
def list_robots(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON list a program can read."),
) -> None:
    """List the robots that come with bodydouble: joints, hands, and whether their description is here.

    Example: bodydouble robots list
    """
    from bodydouble.retarget.robot_listing import listing

    robots = listing()
    if as_json:
        rows = [
            {
                "name": r.name,
                "summary": r.summary,
                "joints": r.joints,
                "fingers": r.fingers,
                "state": r.state,
                "source": r.source,
                "toml": str(r.toml_path),
            }
            for r in robots
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="dim", box=None, pad_edge=False)
    for title in ("robot", "joints", "fingers", "description", "what"):
        table.add_column(
            title, justify="right" if title == "joints" else "left", overflow="fold", no_wrap=title in ("robot", "description")
        )
    styles = {"here": "green", "can be fetched": "yellow", "not here": "yellow"}
    for r in robots:
        fingers = ", ".join(f"{side} {count}" for side, count in r.fingers.items()) or "none"
        table.add_row(Text(r.name), str(r.joints), fingers, Text(r.state, style=styles[r.state]), Text(r.summary))
    console = Console(highlight=False)
    console.print(table)
    if any(r.state == "not here" for r in robots):
        console.print("\nGive a description that is not here with --urdf FILE, or write a TOML: extends = NAME, urdf = FILE.")


@app.command()
def check(
    robot: str = typer.Argument(
        ..., metavar="ROBOT", help="A robot's TOML, or the name of a robot that comes with bodydouble.", show_default=False
    ),
    urdf: Path = typer.Option(None, "--urdf", metavar="FILE", help="URDF or MJCF to use instead of the one that the TOML names."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Check a robot's file against its description: every problem at once, each with a remedy. Exits 0 when it can be used, 1 when it can not.

    Example: bodydouble robots check my_robot.toml
    """
    from bodydouble.retarget.robot_check import check_robot
    from bodydouble.retarget.robot_file import find_robot

    toml = find_robot(robot)  # a robot that does not exist is no finding about it
    if urdf is None:
        _fetch_description(toml)
    checks = check_robot(robot, urdf)
    good = all(item.verdict != "FAIL" for item in checks)
    if as_json:
        typer.echo(json.dumps({"robot": robot, "usable": good, "checks": [item.as_dict() for item in checks]}, indent=2))
    else:
        _print(checks)
    if not good:
        raise typer.Exit(1)


@app.command()
def draft(
    description: Path = typer.Argument(..., metavar="FILE", help="A URDF or MJCF.", show_default=False),
    output: Path = typer.Option(None, "-o", "--output", metavar="TOML", help="Where to write the proposal; printed if it is not given."),
    name: str = typer.Option(None, "--name", help="Name of the robot; by default that of the TOML or the file."),
    force: bool = typer.Option(False, "--force", help="Replace a file that is already there."),
) -> None:
    """Propose a robot's TOML from names and geometry, and check it. Look at what is said to be a guess.

    Example: bodydouble robots draft my_robot.urdf -o my_robot.toml
    """
    from bodydouble.atomic import write_atomically
    from bodydouble.errors import FileExistsUsageError, UsageError
    from bodydouble.retarget.drafting import draft_robot
    from bodydouble.retarget.robot_check import check_robot

    if output is not None and output.exists() and not force:
        raise FileExistsUsageError(output)
    if output is not None and output.exists() and description.exists() and output.samefile(description):
        raise UsageError(f"{output} is the description itself and would be lost; choose another output with -o.")
    proposal = draft_robot(
        description, name=name or (output.stem if output is not None else None), beside=None if output is None else output.parent
    )
    if output is None:
        typer.echo(proposal.text, nl=False)
        return
    write_atomically(output, proposal.text.encode("utf-8"))
    checks = check_robot(output)
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    found = ", ".join(f"{proposal.counts[how]} {words}" for how, words in _HOW.items() if proposal.counts.get(how))
    console.print(Text.assemble((str(output), "bold"), f": human parts found {found}"))
    for remark in proposal.remarks:
        console.print(Text(f"- {remark}"))
    _print([item for item in checks if item.verdict != "PASS"] or checks)
    if any(item.verdict == "FAIL" for item in checks):
        raise typer.Exit(1)


def _fetch_description(toml: Path) -> None:
    """Fetch the description of a robot whose TOML names an asset, showing how far it is."""
    from bodydouble import assets
    from bodydouble.asset_catalogue import catalogue
    from bodydouble.cli.assets import download_bar
    from bodydouble.errors import BodydoubleError
    from bodydouble.retarget.robot_file import load_robot_file

    try:
        file = load_robot_file(toml)
    except BodydoubleError:
        return  # the check itself says so
    if file.asset in catalogue() and not assets.is_ready(file.asset) and not (toml.parent / (file.urdf or file.mjcf)).is_file():
        with download_bar(catalogue()[file.asset]) as progress:
            assets.path_of(file.asset, progress)


_HOW = {"name": "by name", "geometry": "by place", "guess": "by a guess"}


def _print(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bodydouble.cli.quality_table import verdict_text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in checks:
        remedy = f"\n{item.remedy}" if item.remedy else ""
        table.add_row(verdict_text(item.verdict), item.name, Text.assemble(item.found, (remedy, "dim")))
    Console(highlight=False).print(table)
