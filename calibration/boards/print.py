"""Boards on paper, to scale: where the pattern, a ruler and what the board is go on a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import write_atomically
from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.page import Fill, Page, Text, page_image, pdf_of, png_of
from bodydouble.calibration.boards.pattern import Pattern, board_pattern, tag_pattern
from bodydouble.errors import UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

PAGES: dict[str, tuple[float, float]] = {
    "a4": (210.0, 297.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
    "a3": (297.0, 420.0),
    "tabloid": (279.4, 431.8),
    "a2": (420.0, 594.0),
    "a1": (594.0, 841.0),
    "a0": (841.0, 1189.0),
}
"""Name to (width, height) in mm, upright, from small to large."""
LARGEST_MM = 5000.0
LARGEST_PIXELS = 1.5e8
DPI = (50, 1200)

_MARGIN = 5.0
"""What printers leave white along the edges of a page, in mm."""
_CAPTION = 14.0
"""Height of the strip below a board with the ruler and the text, in mm."""
_LABEL = 6.0
"""Height of the strip below a tag that shares its page, in mm."""
_FONT = 3.0


def page_size(name: str) -> tuple[float, float]:
    """Return (width, height) in mm of a page by its name, or of ``WIDTHxHEIGHT`` in mm. Raises: UsageError, UnknownNameError."""
    if name.lower() in PAGES:
        return PAGES[name.lower()]
    parts = name.lower().removesuffix("mm").split("x")
    if len(parts) != 2:
        raise UnknownNameError("page", name, "the pages that can be printed on", [*PAGES, "WIDTHxHEIGHT in mm, such as 300x400"])
    try:
        width, height = (float(part) for part in parts)
    except ValueError:
        raise UsageError(f"page '{name}' is not a width and a height in mm; write for example --page 300x400.") from None
    if not (20 <= width <= LARGEST_MM and 20 <= height <= LARGEST_MM):
        raise UsageError(f"page '{name}': a page is 20 to {LARGEST_MM:g} mm wide and high, in mm, not in m or cm.")
    return width, height


def board_pages(board: Board, page: tuple[float, float], *, pack: bool = False) -> list[Page]:
    """Lay a board out on pages of (width, height) mm, upright or on its side, whichever fits.

    Two pages for a two-sided board, the second to be printed on the back; for single tags one page each, or, with ``pack``, as many tags on a page
    as fit. Raises: UsageError that says which page fits.
    """
    if board.settings.type == "markers":
        patterns = [tag_pattern(board, k) for k in range(len(board.tag_ids))]
        captions = [_tag_caption(board, k) for k in range(len(patterns))]
        if pack:
            return _packed(board, patterns, page)
        return [_single(board, pattern, caption, page) for pattern, caption in zip(patterns, captions, strict=True)]
    pattern = board_pattern(board)
    if not getattr(board.settings, "two_sided", False):
        return [_single(board, pattern, describe(board), page)]
    front = _single(board, pattern, describe(board) + ", front", page)
    back = _single(board, pattern.mirrored(), describe(board) + ", back: turn the sheet over like the page of a book", page)
    return [front, back]


def print_board(board: Board, out: Path, page: tuple[float, float], *, dpi: int = 600, pack: bool = False) -> list[Path]:
    """Write a board as PDF or PNG, by the ending of ``out``; several pages of PNG become ``NAME-1.png``, ``NAME-2.png``...

    Returns the files. Raises: UsageError for another ending, a board that does not fit the page, or an image that would be too large.
    """
    out = Path(out)
    if not DPI[0] <= dpi <= DPI[1]:
        raise UsageError(f"--dpi {dpi} is outside {DPI[0]} to {DPI[1]} dots an inch.")
    pages = board_pages(board, page, pack=pack)
    files = _files(out, len(pages))
    if out.suffix.lower() == ".pdf":
        write_atomically(out, pdf_of(pages, f"{board.name}: {describe(board)}"))
        return files
    pixels = page[0] * page[1] * (dpi / 25.4) ** 2
    if pixels > LARGEST_PIXELS:
        raise UsageError(
            f"A page of {page[0]:g}x{page[1]:g} mm has {pixels / 1e6:.0f} million pixels at {dpi} dpi; lower --dpi or write a .pdf."
        )
    for file, sheet in zip(files, pages, strict=True):
        write_atomically(file, png_of(page_image(sheet, dpi), dpi))
    return files


def planned_files(board: Board, out: Path, page: tuple[float, float], *, pack: bool = False) -> list[Path]:
    """Return the files that ``print_board`` would write. Raises: as ``print_board``."""
    return _files(Path(out), len(board_pages(board, page, pack=pack)))


def _files(out: Path, pages: int) -> list[Path]:
    kind = out.suffix.lower()
    if kind not in (".pdf", ".png"):
        raise UsageError(f"{out}: a board is written as .pdf or .png; give the output one of these endings.")
    return [out] if kind == ".pdf" or pages == 1 else [out.with_stem(f"{out.stem}-{k + 1}") for k in range(pages)]


def describe(board: Board) -> str:
    """Return one line on what a board is, with sizes in mm."""
    settings = board.settings
    if settings.type == "markers":
        sizes = sorted(set(board.tag_sizes))
        size = f"{_mm(sizes[0])} mm" if len(sizes) == 1 else f"{_mm(sizes[0])} to {_mm(sizes[-1])} mm"
        parts = [f"{len(settings.ids)} single tags of {size}", settings.dictionary]
    elif settings.type == "aprilgrid":
        gap = settings.marker_size * settings.tag_spacing
        parts = [
            f"aprilgrid {settings.columns}x{settings.rows} tags of {_mm(settings.marker_size)} mm, gaps of {_mm(gap)} mm",
            settings.dictionary,
        ]
        parts.append(f"ids from {settings.first_id}")
    else:
        parts = [f"{settings.type} {settings.columns}x{settings.rows} squares of {_mm(settings.square_size)} mm"]
        if settings.type == "charuco":
            parts += [f"markers of {_mm(settings.marker_size)} mm", settings.dictionary]
            parts += [f"ids from {settings.first_id}"] if settings.first_id else []
            parts += ["legacy layout"] if settings.legacy_layout else []
    two_sided = getattr(settings, "two_sided", False)
    return ", ".join([*parts, *(["inverted"] if settings.inverted else []), *(["two-sided"] if two_sided else [])])


def _tag_caption(board: Board, index: int) -> str:
    settings = board.settings
    assert settings.type == "markers"
    inverted = ", inverted" if settings.inverted else ""
    return f"tag {settings.ids[index]} of {settings.dictionary}, {_mm(board.tag_sizes[index])} mm{inverted}"


def _single(board: Board, pattern: Pattern, caption: str, page: tuple[float, float]) -> Page:
    """Return a page with one pattern in its middle, and a ruler and the caption below."""
    across, up = _extent(pattern)
    size = _orientation(across, up + _CAPTION, page)
    if size is None:
        raise UsageError(_does_not_fit(board, across, up, page))
    width, height = size
    x, y = (width - across) / 2, (height + _CAPTION - up) / 2
    fill = _placed(pattern, x, y)
    ruler = 100.0 if width >= 120 else 50.0 if width >= 70 else 10.0
    texts = [
        _line(_MARGIN, _MARGIN + 1, caption, width - 2 * _MARGIN),
        Text(_MARGIN + ruler + 3, _MARGIN + 6, _FONT, f"The line measures {ruler:g} mm if printed at 100 %."),
    ]
    return Page(width, height, (fill, _ruler(_MARGIN, _MARGIN + 6, ruler)), tuple(texts))


def _packed(board: Board, patterns: list[Pattern], page: tuple[float, float]) -> list[Page]:
    """Return pages with tags in rows, each with its number below; the ruler is at the foot of every page."""
    pages: list[Page] = []
    fills: list[Fill] = []
    texts: list[Text] = []
    x = y = row_height = 0.0
    width, height = page

    def finish() -> None:
        line = Text(_MARGIN + 53, _MARGIN + 1, _FONT, "The line measures 50 mm if printed at 100 %.")
        pages.append(Page(width, height, (*fills, _ruler(_MARGIN, _MARGIN + 1, 50.0)), (*texts, line)))
        fills.clear()
        texts.clear()

    for k, pattern in enumerate(patterns):
        across, up = _extent(pattern)
        if across > width - 2 * _MARGIN or up + _LABEL + _CAPTION > height - 2 * _MARGIN:
            raise UsageError(_does_not_fit(board, across, up, page))
        if fills and x + across > width - _MARGIN:
            x, y, row_height = _MARGIN, y - row_height, 0.0
        if fills and y - up - _LABEL < _MARGIN + _CAPTION:
            finish()
        if not fills:
            x, y, row_height = _MARGIN, height - _MARGIN, 0.0
        fills.append(_placed(pattern, x, y - up))
        texts.append(_line(x, y - up - _FONT, _tag_caption(board, k), across))
        x, row_height = x + across, max(row_height, up + _LABEL)
    finish()
    return pages


def _placed(pattern: Pattern, x: float, y: float) -> Fill:
    """Return the pattern with the lower left corner of its quiet zone at (x, y) mm."""
    left, bottom, right, top = (1000 * value for value in pattern.bounds)
    quiet = 1000 * pattern.quiet
    offset = np.array([x - left + quiet, y - bottom + quiet] * 2)
    black = 1000 * pattern.black + offset
    if not pattern.inverted:
        return Fill(black)
    around = np.array([[left - quiet, bottom - quiet, right + quiet, top + quiet]]) + offset
    return Fill(around, black)


def _line(x: float, y: float, text: str, width: float) -> Text:
    """Return a line of text that is at most ``width`` mm long; a letter of Helvetica is about 0.55 times as wide as the font is high."""
    return Text(x, y, min(_FONT, width / (0.55 * len(text))), text)


def _ruler(x: float, y: float, length: float) -> Fill:
    """Return a line of exactly ``length`` mm with a tick every 10 mm."""
    ticks = [[x + at, y, x + at + 0.2, y + 3] for at in np.arange(10, length - 5, 10)]
    ends = [[x, y, x + 0.2, y + 4], [x + length - 0.2, y, x + length, y + 4]]
    return Fill(np.array([[x, y - 0.2, x + length, y], *ends, *ticks]))


def _extent(pattern: Pattern) -> tuple[float, float]:
    """Return width and height in mm, with the quiet zone."""
    left, bottom, right, top = pattern.bounds
    return 1000 * (right - left + 2 * pattern.quiet), 1000 * (top - bottom + 2 * pattern.quiet)


def _orientation(across: float, up: float, page: tuple[float, float]) -> tuple[float, float] | None:
    """Return the page, or the page on its side, if that much fits between its margins."""
    for width, height in (page, page[::-1]):
        if across <= width - 2 * _MARGIN + 1e-6 and up <= height - 2 * _MARGIN + 1e-6:
            return width, height
    return None


def _does_not_fit(board: Board, across: float, up: float, page: tuple[float, float]) -> str:
    fitting = next((name for name, size in PAGES.items() if _orientation(across, up + _CAPTION, size)), None)
    needed = f"{across + 2 * _MARGIN:.0f}x{up + _CAPTION + 2 * _MARGIN:.0f}"
    remedy = f"--page {fitting} fits" if fitting else f"no standard page fits: use --page {needed} (mm) and a large-format printer"
    return (
        f"{describe(board)}: with its margin and caption this needs {needed} mm and does not fit on a page of {page[0]:g}x{page[1]:g} mm; {remedy}, "
        "or make the squares or tags smaller in the board file."
    )


def _mm(metres: float) -> str:
    return f"{1000 * metres:.2f}".rstrip("0").rstrip(".")
