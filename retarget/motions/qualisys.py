"""Qualisys Track Manager's TSV export: labelled markers in millimetres, 0 0 0 or an empty cell where a marker was not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.errors import DataError
from bodydouble.retarget.motions.joint_capture import check_numbers, checked_rate, evenly, text_of

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Markers:
    """N labelled markers over T frames."""

    names: tuple[str, ...]
    times_s: FloatArray
    """(T,) s."""
    places: FloatArray
    """(T, N, 3) in the file's unit; NaN where a marker was not seen."""


def read_qualisys(path: Path, rate_hz: float | None = None) -> Markers:
    """Read a TSV of 3D marker positions, with or without Frame and Time columns and their title line.

    ``rate_hz`` stands for the file's FREQUENCY. Raises: DataError naming what is missing, the line that does not fit, or that the file is cut off.
    """
    header, titles, rows, first = _split(path)
    if "MARKER_NAMES" not in header:
        raise DataError(f"{path} is not a Qualisys TSV: it has no MARKER_NAMES line.")
    names = tuple(name for name in header["MARKER_NAMES"] if name)
    kind = " ".join(header.get("DATA_INCLUDED", ["3D"]))
    if kind.strip().upper() != "3D":
        raise DataError(f"{path} holds {kind} data; 3D marker positions are needed: export them as 3D from Qualisys Track Manager.")
    if not rows:
        raise DataError(f"{path} holds no frames.")
    before = len(titles) - 3 * len(names) if titles else len(_cells(rows[0])) - 3 * len(names)
    if before not in (0, 1, 2):
        raise DataError(
            f"{path} has {len(titles or _cells(rows[0]))} columns for {len(names)} markers; "
            "3 a marker were expected, with or without Frame and Time before them."
        )
    width = before + 3 * len(names)
    table = []
    for number, row in enumerate(rows):
        cells = _cells(row)
        if len(cells) < width and number == len(rows) - 1:
            raise DataError(f"{path}, line {first + number}: the last line has {len(cells)} of {width} columns: the file is cut off.")
        if len(cells) != width and any(cells[width:]):
            raise DataError(f"{path}, line {first + number}: {len(cells)} columns where the header has {width}.")
        table.append([cell if cell and cell.lower() != "null" else "nan" for cell in (*cells[:width], *[""] * (width - len(cells)))])
    try:
        values = np.array(table, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path} holds a value that is not a number: {error}.") from None
    said = header.get("NO_OF_FRAMES", [""])[0]
    if said.isdigit() and len(values) < int(said):
        raise DataError(f"{path} says {said} frames and holds {len(values)}: it is cut off.")
    places = values[:, before:].reshape(len(values), -1, 3)
    places[(places == 0).all(axis=2)] = np.nan
    check_numbers(path, places)
    return Markers(names, _times(path, header, values[:, 1] if before == 2 else None, len(values), rate_hz), places)


def _times(path: Path, header: dict[str, list[str]], column: FloatArray | None, frames: int, rate_hz: float | None) -> FloatArray:
    if rate_hz is not None:
        return evenly(frames, checked_rate(rate_hz, "--rate-hz"))
    try:
        rate = float(header.get("FREQUENCY", [""])[0])
    except ValueError:
        raise DataError(f"{path} has no FREQUENCY line with a number; pass --rate-hz with the rate of the recording.") from None
    rate = checked_rate(rate, f"the FREQUENCY of {path}")
    # The column is rounded to 10 us, and of exports cut out of a longer recording it starts late.
    if column is not None and np.isfinite(column).all() and (frames == 1 or (np.diff(column) > 0.5 / rate).all()):
        return np.asarray(column - column[0])
    return evenly(frames, rate)


def _split(path: Path) -> tuple[dict[str, list[str]], list[str], list[str], int]:
    """Return header lines by their first word, the column titles, the lines of numbers, and the line number of the first of those."""
    header: dict[str, list[str]] = {}
    titles: list[str] = []
    lines = text_of(path, "TSV").splitlines()
    for number, line in enumerate(lines):
        cells = _cells(line)
        if _is_number(cells[0]):
            return header, titles, [row for row in lines[number:] if row.strip()], number + 1
        if cells[0].lower() == "frame":
            titles = [cell for cell in cells if cell]
        elif cells[0]:
            header[cells[0].upper()] = cells[1:]
    return header, titles, [], len(lines)


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
