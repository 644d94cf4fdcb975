"""``bodydouble board``: print calibration boards to scale, and find out which one an image shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bodydouble.calibration.boards.search import FoundBoard, Search

IMAGES = 24
"""At most so many images of a video or a folder are looked at."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Print calibration boards to scale, and find out which one an image shows.\n\nExample: bodydouble board print board.toml -o board.pdf",
)


@app.command("print")
def print_(
    board: Path = typer.Argument(
        ..., metavar="BOARD", help="board.toml, Caliscope's charuco.toml or a target YAML of Kalibr.", show_default=False
    ),
    out: Path = typer.Option(..., "-o", "--out", help="The .pdf or .png to write.", show_default=False),
    page: str = typer.Option("a4", "--page", help="a4, letter, legal, a3, tabloid, a2, a1, a0, or WIDTHxHEIGHT in mm."),
    dpi: int = typer.Option(600, "--dpi", help="Dots an inch of a .png; a .pdf is exact at any."),
    pack: bool = typer.Option(False, "--pack", help="Put as many single tags on a page as fit, instead of one."),
    force: bool = typer.Option(False, "--force", help="Replace the output if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Write a board to scale, with a line to check the scale on paper; the back of a two-sided board is a second page.

    Print it at 100 % ("actual size"), measure the line, and put what you measure a square to be into the board file.

    Example: bodydouble board print board.toml -o board.pdf --page a3
    """
    from bodydouble.calibration.boards.board import Board
    from bodydouble.calibration.boards.print import describe, page_size, planned_files, print_board

    loaded, size = Board.load(board), page_size(page)
    files = planned_files(loaded, out, size, pack=pack)
    if not force:
        _refuse_existing(files)
    print_board(loaded, out, size, dpi=dpi, pack=pack)
    if as_json:
        typer.echo(json.dumps({"board": describe(loaded), "files": [str(file) for file in files], "page_mm": list(size)}, indent=2))
        return
    typer.echo(f"{describe(loaded)}: {', '.join(str(file) for file in files)}")
    typer.echo("Print at 100 % (no scaling), check the line with a ruler, and glue the sheet to something flat.")


@app.command()
def find(
    image: Path = typer.Argument(..., metavar="IMAGE", help="An image, a video, or a folder of images.", show_default=False),
    out: Path | None = typer.Option(None, "-o", "--out", help="The board.toml to write.", show_default=False),
    square_size: float | None = typer.Option(
        None, "--square-size", help="Side of a square, or of a tag's black outer edge, in m.", show_default=False
    ),
    force: bool = typer.Option(False, "--force", help="Replace the output if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object a program can read."),
) -> None:
    """Find out which board an image shows: type, size, dictionary, inverted, mirrored, or of the older ChArUco layout.

    Sizes cannot be seen in an image: measure a square with a ruler and give --square-size.

    Example: bodydouble board find recording/cam_0.mp4 --square-size 0.054 -o board.toml
    """
    from bodydouble.calibration.boards.images import spread_images
    from bodydouble.calibration.boards.search import search_board
    from bodydouble.cli.calibration_inputs import check_inputs_stay
    from bodydouble.cli.stage_bars import stage_bars
    from bodydouble.errors import DataError, UsageError

    if square_size is not None and not 0.001 <= square_size <= 10:
        raise UsageError(f"--square-size {square_size:g} is outside 0.001 to 10 m; give it in metres, such as 0.054.")
    if out is not None:
        if square_size is None:
            raise UsageError("A board file needs sizes, which an image does not show: measure a square and give --square-size, in metres.")
        check_inputs_stay([out], [image])
        if not force:
            _refuse_existing([out])
    images = [grey for _, grey in spread_images(image, IMAGES)]
    with stage_bars({"search": "looking for boards"}, shown=not as_json) as progress:
        search = search_board(images, square_size=square_size, progress=lambda done, total: progress("search", done, total))
    if search.found is None:
        raise DataError(
            f"{image}: no board was found in {search.images} image{'s' if search.images > 1 else ''}. Tried: {'; '.join(search.tried)}. "
            "Use a sharp image that shows the whole board, with its plain margin, not edge-on and without reflections."
        )
    if out is not None:
        _save(search.found, out)
    if as_json:
        typer.echo(json.dumps(_as_dict(search, search.found, out), indent=2))
        return
    for line in _lines(search, search.found):
        typer.echo(line)
    if out is not None:
        typer.echo(f"Written: {out}")


def _refuse_existing(files: list[Path]) -> None:
    from bodydouble.errors import FileExistsUsageError

    for file in files:
        if file.exists():
            raise FileExistsUsageError(file)


def _save(found: FoundBoard, out: Path) -> None:
    from bodydouble.calibration.boards.board import Board

    Board(found.settings, out.stem).save(out)


def _lines(search: Search, found: FoundBoard) -> list[str]:
    from bodydouble.calibration.boards.print import describe

    settings: Any = found.settings
    lines = [_named(found) if not found.sized else describe_found(found, describe)]
    lines.append(f"seen in {found.images} of {search.images} images, up to {found.points} points in one")
    if found.equivalents:
        lines.append(f"{', '.join(found.equivalents)} start with the same markers and serve as well")
    if found.back and not found.front:
        lines.append("seen mirrored only: it is the back of a two-sided board (two_sided = true), or the camera mirrors its images")
    elif found.back:
        lines.append("seen from both sides, the back as the mirror image: two_sided = true")
    if settings.type == "checkerboard" and (settings.columns - settings.rows) % 2 == 0:
        lines.append(
            "it looks the same turned by half: cameras that see it upside down to each other will disagree; prefer an odd and an even side"
        )
    if not found.sized:
        lines.append("Sizes cannot be seen in an image: measure a square and give --square-size to write a board file with -o.")
    return lines


def describe_found(found: FoundBoard, describe: Any) -> str:
    """Return the line on a board whose sizes are known."""
    from bodydouble.calibration.boards.board import Board

    return str(describe(Board(found.settings, "board")))


def _named(found: FoundBoard) -> str:
    """Return the line on a board whose sizes are not known: parts of a square or of a tag instead."""
    settings: Any = found.settings
    if settings.type == "markers":
        numbers = ", ".join(map(str, settings.ids[:20])) + (", ..." if len(settings.ids) > 20 else "")
        parts = [f"single tags {numbers}", settings.dictionary]
    elif settings.type == "aprilgrid":
        parts = [f"aprilgrid {settings.columns}x{settings.rows} tags", settings.dictionary, f"tag_spacing {settings.tag_spacing:g}"]
        parts += [f"ids from {settings.first_id}", f"border of {settings.border_bits} bits"]
        parts += [] if settings.corner_squares else ["without squares in the gaps"]
    elif settings.type == "charuco":
        parts = [
            f"charuco {settings.columns}x{settings.rows} squares",
            settings.dictionary,
            f"markers {settings.marker_size:g} of a square",
        ]
        parts += [f"ids from {settings.first_id}"] if settings.first_id else []
        parts += ["legacy layout"] if settings.legacy_layout else []
    else:
        parts = [f"checkerboard {settings.columns}x{settings.rows} squares ({settings.columns - 1}x{settings.rows - 1} inner corners)"]
    return ", ".join([*parts, *(["inverted"] if settings.inverted else [])])


def _as_dict(search: Search, found: FoundBoard, out: Path | None) -> dict[str, Any]:
    board = found.settings.model_dump(mode="json", exclude_none=True)
    if not found.sized:
        board = {name: value for name, value in board.items() if name not in ("square_size", "marker_size")}
        if found.settings.type == "charuco":
            board["marker_to_square"] = found.settings.marker_size
    return {
        "board": board,
        "sized": found.sized,
        "equivalent_dictionaries": list(found.equivalents),
        "front_seen": found.front,
        "back_seen": found.back,
        "images_searched": search.images,
        "images_with_board": found.images,
        "most_points": found.points,
        "written": None if out is None else str(out),
    }
